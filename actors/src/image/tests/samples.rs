//! One entry of every kind, each with its name.

use std::sync::Arc;

use holdfast_domain::account::session::{Family, FamilyId, TokenHash};
use holdfast_domain::account::{Account, Role, Tier};
use holdfast_domain::cart::{Cart, CartLine};
use holdfast_domain::category::{Category, Description as Place};
use holdfast_domain::hold::{Hold as Deadline, State};
use holdfast_domain::idempotency::{self, Fingerprint};
use holdfast_domain::order::{Bought, Cancelation, Event, OrderLine, Placed, Source, Through};
use holdfast_domain::price::{Kind, Off, PriceList, Rule, Step, StepKind, Terms};
use holdfast_domain::product::{
    Commitment, Core, Description, Levels, Line, Refusal, Reservation as Hold, ReserveOn, Status, Totals,
    Variant, VariantDescription, VariantNo,
};
use holdfast_domain::reservation::Reservation;
use holdfast_domain::{
    AccountId, Buyer, CartId, Categories, CategoryId, Currency, Item, Millis, Money, Order, OrderId, Owner,
    ProductId, Quantity, ReservationId, RuleId, Sku, Timestamp, Units,
};
use holdfast_persistence::{Epoch, Partition, Sequence};

use crate::Position;
use crate::image::{Image, Key};
use crate::mails::About;
use crate::outcome::Outcome;

const NOW: Timestamp = Timestamp(1_763_700_000_000);
const PRODUCT: ProductId = ProductId(0x0193_6f5e_7a5c_7000_8000_0000_0000_0001);
const ORDER: OrderId = OrderId(0x0193_6f5e_7a5c_7000_8000_0000_0000_0002);
const HOLD: ReservationId = ReservationId(0x0193_6f5e_7a5c_7000_8000_0000_0000_0003);
const CART: CartId = CartId(0x0193_6f5e_7a5c_7000_8000_0000_0000_0004);
const CUSTOMER: AccountId = AccountId(0x0193_6f5e_7a5c_7000_8000_0000_0000_0005);
const GUEST: Owner = Owner::Guest(0xfeed_0000_0000_0000_0000_0000_0000_0007);

/// A name, a key and what its entry says.
pub(super) type Sample = (&'static str, Key, Image);

pub(super) fn samples() -> Vec<Sample> {
    [products(), owners(), orders(), people(), singles(), mails()].into_iter().flatten().collect()
}

/// A simple product that nobody has units of.
pub(super) const PASSIVE: &str = "product-simple";

/// A purchase like most.
pub(super) const PLAIN: &str = "order-bought";

fn products() -> Vec<Sample> {
    let simple = Core {
        description: Arc::new(plain()),
        is_simple: true,
        variants: vec![variant(shape("SKU-00012345"), false)],
        version: 1,
        created_at: NOW,
        updated_at: NOW,
    };
    let removed = Variant { levels: Levels::default(), totals: moved(7), ..variant(red(), true) };
    let with_options = Core {
        description: Arc::new(full()),
        is_simple: false,
        variants: vec![variant(red(), false), removed],
        version: 300,
        created_at: NOW,
        updated_at: NOW.after(Millis(1)),
    };
    let buyer = GUEST.buyer();
    let lines = vec![line(0, 2), line(1, 1_000_000)];
    vec![
        (PASSIVE, Key::Product(PRODUCT), Image::Product(simple, Sequence(1_000))),
        ("product-options", Key::Product(PRODUCT), Image::Product(with_options, Sequence(u64::MAX))),
        ("hold", Key::Hold(PRODUCT, HOLD), Image::Hold(Hold { buyer, lines: lines.clone() })),
        ("commitment", Key::Commitment(PRODUCT, ORDER), Image::Commitment(Commitment { buyer, lines })),
        ("units", Key::Units(PRODUCT, Buyer(9)), Image::Units(6)),
    ]
}

fn orders() -> Vec<Sample> {
    let bought = Bought {
        owner: GUEST,
        item: item(1),
        unit_price: Money(1999),
        rules: None,
        description: Arc::new(plain()),
        variant: Arc::new(shape("SKU-00012345")),
        at: NOW,
        mark: 100_000,
    };
    let name = Some("Summer".into());
    let step = Step { kind: StepKind::Seasonal, rule: Some(RuleId(1)), name, amount: Money(-200) };
    let by_rules = Bought {
        owner: Owner::Account(CUSTOMER),
        unit_price: Money(1799),
        rules: Some(Arc::new(vec![step])),
        description: Arc::new(full()),
        variant: Arc::new(red()),
        ..bought.clone()
    };
    let order = |placed: Placed, events: Vec<Event>| {
        let history = (1..).map(|ms| NOW.after(Millis(ms))).zip(events).collect();
        Image::Order(Box::new(Order::restored(ORDER, Arc::new(placed), NOW, history, 12)))
    };
    let confirmed = |through| Event::Confirmed {
        reference: Some("pay-1".into()),
        through,
        hold: HOLD,
        is_reacquired: false,
    };
    let canceled = |why| Event::Canceled { why, reason: Some("too late".into()) };
    let refund = Event::RefundRequired { reference: None, through: Through::Gateway };
    let (lines, cart) = (placed(Source::Lines), placed(Source::Cart(CART)));
    let settled = Placed { deadline: None, ..placed(Source::Reservation(HOLD)) };
    let purchase = Placed { deadline: None, ..placed(Source::Purchase) };
    vec![
        (PLAIN, Key::Order(ORDER), Image::Bought(bought)),
        ("order-bought-by-rules", Key::Order(ORDER), Image::Bought(by_rules)),
        ("order-pending", Key::Order(ORDER), order(lines.clone(), Vec::new())),
        (
            "order-paid",
            Key::Order(ORDER),
            order(cart.clone(), vec![confirmed(Through::Gateway), Event::Fulfilled]),
        ),
        ("order-declined", Key::Order(ORDER), order(cart, vec![canceled(Cancelation::Declined)])),
        ("order-late", Key::Order(ORDER), order(lines, vec![Event::Expired, refund, Event::Refunded])),
        ("order-settled", Key::Order(ORDER), order(settled, vec![canceled(Cancelation::ByAdmin)])),
        (
            "order-of-a-purchase",
            Key::Order(ORDER),
            order(purchase, vec![confirmed(Through::Elsewhere), canceled(Cancelation::ByOwner)]),
        ),
    ]
}

fn owners() -> Vec<Sample> {
    let active = Reservation {
        owner: GUEST,
        items: vec![item(2)],
        hold: Deadline::new(NOW.after(Millis(900_000)), NOW),
        order: None,
        reference: None,
        metadata: None,
        updated_at: NOW,
        version: 1,
    };
    let hold = |state| Deadline { extensions: 2, state, ..active.hold };
    let confirmed = Reservation {
        owner: Owner::Account(CUSTOMER),
        hold: hold(State::Confirmed),
        order: Some(ORDER),
        reference: Some("desk 4".into()),
        metadata: Some(r#"{"table":4}"#.into()),
        version: 4,
        ..active.clone()
    };
    let expired = Reservation { hold: hold(State::Expired), ..active.clone() };
    let cart = Cart {
        owner: GUEST,
        hold: Some(HOLD),
        lines: vec![
            CartLine { item: item(2), hold: Some(hold(State::Active)) },
            CartLine { item: item(1), hold: Some(hold(State::Released)) },
            CartLine { item: item(3), hold: None },
        ],
        created_at: NOW,
        updated_at: NOW.after(Millis(5)),
        version: 7,
    };
    let empty = Cart { hold: None, lines: Vec::new(), ..cart.clone() };
    let key = Key::Reservation(HOLD);
    vec![
        ("reservation-active", key, Image::Reservation(Box::new(active))),
        ("reservation-confirmed", key, Image::Reservation(Box::new(confirmed))),
        ("reservation-expired", key, Image::Reservation(Box::new(expired))),
        ("cart", Key::Cart(CART), Image::Cart(cart)),
        ("cart-empty", Key::Cart(CART), Image::Cart(empty)),
        ("absorbed", Key::Absorbed(CART), Image::Absorbed { to: CartId(1), at: NOW }),
    ]
}

fn people() -> Vec<Sample> {
    let account = Account {
        id: CUSTOMER,
        email: "ada@example.com".into(),
        name: Some("Ada".into()),
        role: Role::Admin,
        tier: Tier::Gold,
        password_hash: "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA".into(),
        created_at: NOW,
        version: 3,
    };
    let spent = vec![[1; 16], [2; 16]];
    let family = Family::restored(CUSTOMER, TokenHash([3; 32]), NOW.after(Millis(1)), spent);
    vec![
        ("account", Key::Account(CUSTOMER), Image::Account(Box::new(account))),
        ("session", Key::Session(FamilyId(8)), Image::Session(family)),
        ("accounts", Key::Accounts, Image::Accounts(Sequence(17))),
    ]
}

fn singles() -> Vec<Sample> {
    let rule = |id, kind, off, starts_at| {
        Arc::new(Rule {
            id: RuleId(id),
            terms: Terms {
                name: "Summer".into(),
                kind,
                off,
                skus: vec![sku("lamp.RED")],
                categories: vec![CategoryId(4)],
                starts_at,
                ends_at: None,
                priority: -1,
                is_active: true,
            },
            version: 2,
            created_at: NOW,
            updated_at: NOW,
        })
    };
    let list = PriceList::restored([
        rule(1, Kind::Seasonal, Off::Percent(1_000), Some(NOW)),
        rule(2, Kind::Bulk { min_quantity: quantity(10) }, Off::Amount(Money(5)), None),
        rule(3, Kind::Tier { tier: Tier::Silver }, Off::Percent(1), None),
    ]);
    let category = |id, slug: &str, parent| Category {
        id: CategoryId(id),
        description: Place { name: "Light".into(), slug: slug.into(), parent },
        version: 1,
        created_at: NOW,
        updated_at: NOW,
    };
    let tree = [category(1, "light", None), category(2, "lamps", Some(CategoryId(1)))];
    let tree = Categories::restored(tree).expect("a tree");
    let fingerprint = Fingerprint(0xab);
    let position = Position { partition: Partition(3), sequence: Sequence(77) };
    let yes = Ok(Outcome::Order { order: ORDER, version: 2 });
    let no = Err(Refusal::NotSellable { status: Status::Archived }.into());
    let request = |answered| Image::Request { fingerprint, answered, position, at: NOW };
    vec![
        ("price-rules", Key::PriceRules, Image::PriceRules(list.expect("sound"), Sequence(5))),
        ("categories", Key::Categories, Image::Categories(tree, Sequence(6))),
        ("request-yes", Key::Request(idempotency::Key(1)), request(yes)),
        ("request-no", Key::Request(idempotency::Key(2)), request(no)),
    ]
}

fn mails() -> Vec<Sample> {
    let unsent = |about| (Key::Unsent(about), Image::Unsent(NOW));
    let [registered, confirmed, canceled, expired] =
        [About::Registered(CUSTOMER), About::Confirmed(ORDER), About::Canceled(ORDER), About::Expired(ORDER)]
            .map(unsent);
    vec![
        ("unsent-registered", registered.0, registered.1),
        ("unsent-confirmed", confirmed.0, confirmed.1),
        ("unsent-canceled", canceled.0, canceled.1),
        ("unsent-expired", expired.0, expired.1),
        ("mails", Key::Mails, Image::Mails(Epoch(2))),
    ]
}

fn plain() -> Description {
    Description::plain("A small desk lamp", Money(1999), Currency::new("EUR").expect("three capitals"))
}

fn full() -> Description {
    Description {
        text: Some("It shines.".into()),
        category_ids: vec![CategoryId(2)],
        reserve_on: ReserveOn::Checkout,
        reservation_ttl: Some(Millis(600_000)),
        per_order_limit: Quantity::new(5),
        per_customer_limit: Quantity::new(10),
        ..plain()
    }
}

fn shape(text: &str) -> VariantDescription {
    VariantDescription::plain(sku(text))
}

fn red() -> VariantDescription {
    VariantDescription {
        sku: sku("lamp.RED"),
        name: Some("red".into()),
        attributes: r#"{"colour":"red"}"#.into(),
        price_adjustment: Money(-100),
    }
}

fn variant(description: VariantDescription, is_removed: bool) -> Variant {
    let levels = Levels { available: Units(900), reserved: Units(60), committed: Units(40) };
    let totals = Totals { received: 1_250, fulfilled: 200, written_off: 50 };
    Variant { description: Arc::new(description), levels, totals, version: 500, updated_at: NOW, is_removed }
}

fn moved(units: u64) -> Totals {
    Totals { received: units, fulfilled: units, written_off: 0 }
}

fn placed(source: Source) -> Placed {
    let step = Step { kind: StepKind::Base, rule: None, name: None, amount: Money(1999) };
    let order_line = OrderLine {
        item: item(2),
        sku: sku("lamp.RED"),
        name: "A small desk lamp".into(),
        unit_price: Money(1999),
        total: Money(3998),
        breakdown: vec![step],
    };
    Placed {
        owner: GUEST,
        source,
        hold: HOLD,
        lines: vec![order_line],
        currency: Currency::new("EUR").expect("three capitals"),
        subtotal: Money(3998),
        discount: Money(0),
        total: Money(3998),
        email: Some("guest@example.com".into()),
        shipping_address: Some(r#"{"city":"Graz"}"#.into()),
        deadline: Some(NOW.after(Millis(900_000))),
        taken_over: vec![PRODUCT],
    }
}

fn item(units: u32) -> Item {
    Item { product: PRODUCT, variant: VariantNo(0), quantity: quantity(units) }
}

fn line(variant: u16, units: u32) -> Line {
    Line { variant: VariantNo(variant), quantity: quantity(units) }
}

fn quantity(units: u32) -> Quantity {
    Quantity::new(units).expect("in range")
}

fn sku(text: &str) -> Sku {
    Sku::new(text).expect("well formed")
}
