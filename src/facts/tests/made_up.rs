//! Facts that no shop would have: every text and number that the stored form can hold comes back to the bit.

use std::sync::Arc;

use holdfast_actors::domain::account::session::{Ending as SessionEnding, FamilyId, TokenHash};
use holdfast_actors::domain::account::{Account, FIRST_VERSION, Role, Tier};
use holdfast_actors::domain::hold::Ending;
use holdfast_actors::domain::order::{Cancelation, OrderLine, Placed, Source, Through};
use holdfast_actors::domain::price::{Kind, Off, Step, StepKind, Terms};
use holdfast_actors::domain::product::{
    Description, Line, Reason, ReserveOn, Status, VariantDescription, VariantNo,
};
use holdfast_actors::domain::{
    AccountId, Buyer, CartId, CategoryId, Currency, Item, Millis, Money, OrderId, Owner, ProductId, Quantity,
    ReservationId, RuleId, Sku, Timestamp, Units, account, cart, category, order, price, product,
    reservation,
};
use holdfast_actors::mails::{About, Fact};
use holdfast_actors::record::{self, Entity, Events, OrderFact, Turn};
use holdfast_actors::{Actor, RequestId};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::{line, payload};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn every_fact_comes_back_to_the_bit_from_its_words_alone(turn in turns()) {
        let bytes = record::encode(&turn, Vec::new());
        let told = line(&bytes);
        prop_assert!(!told.contains('\n'), "{told}");
        prop_assert_eq!(payload(&told), Ok(bytes), "{}", told);
        let told: serde_json::Value = serde_json::from_str(&told).unwrap();
        prop_assert_eq!(told.get("payload"), None);
    }
}

fn turns() -> impl Strategy<Value = Turn> {
    let events = prop_oneof![
        6 => (any::<u128>(), vec(product_event(), 0..4))
            .prop_map(|(id, events)| (Entity::Product(ProductId(id)), Events::Product(events))),
        2 => vec(account_event(), 0..4).prop_map(|events| (Entity::Accounts, Events::Accounts(events))),
        2 => vec((any::<u128>().prop_map(ReservationId), reservation_event()), 0..4)
            .prop_map(|facts| (Entity::Reservations, Events::Reservations(facts))),
        2 => (any::<u128>(), vec(order_fact(), 0..4))
            .prop_map(|(id, facts)| (Entity::Order(OrderId(id)), Events::Order(facts))),
        2 => (any::<u128>(), vec(cart_event(), 0..4))
            .prop_map(|(id, events)| (Entity::Cart(CartId(id)), Events::Cart(events))),
        2 => vec(price_event(), 0..4).prop_map(|events| (Entity::PriceRules, Events::PriceRules(events))),
        1 => vec(category_event(), 0..4).prop_map(|events| (Entity::Categories, Events::Categories(events))),
        1 => vec(mail_fact(), 0..4).prop_map(|facts| (Entity::Mails, Events::Mails(facts))),
    ];
    let request_id = prop_oneof![any::<u128>().prop_map(RequestId::Made), text().prop_map(RequestId::Sent)];
    let actor = prop_oneof![
        Just(Actor::System),
        any::<u128>().prop_map(Actor::Guest),
        account().prop_map(Actor::Customer),
        account().prop_map(Actor::Admin),
    ];
    (request_id, actor, any::<u64>(), events).prop_map(|(request_id, actor, previous, (entity, events))| {
        Turn { request_id, actor, entity, previous, key: None, events }
    })
}

fn product_event() -> impl Strategy<Value = product::Event> {
    use product::Event as It;
    let described = prop_oneof![
        (description(), any::<bool>(), vec(variant_description(), 0..3))
            .prop_map(|(description, is_simple, variants)| It::Created { description, is_simple, variants }),
        description().prop_map(|description| It::Described { description }),
        Just(It::Deleted),
        (variant(), variant_description(), any::<bool>(), any::<u32>()).prop_map(
            |(variant, description, is_simple, version)| It::VariantAdded {
                variant,
                description,
                is_simple,
                version
            }
        ),
        (variant(), variant_description(), any::<bool>(), any::<u32>()).prop_map(
            |(variant, description, is_simple, version)| It::VariantDescribed {
                variant,
                description,
                is_simple,
                version
            }
        ),
        (variant(), any::<u32>(), any::<u32>()).prop_map(|(variant, units, version)| It::VariantRemoved {
            variant,
            units: Units(units),
            version
        }),
    ];
    prop_oneof![described, stock_event(), hold_event()]
}

fn stock_event() -> impl Strategy<Value = product::Event> {
    use product::Event as It;
    let reasons = select(vec![
        Reason::Received,
        Reason::Correction,
        Reason::Damaged,
        Reason::Shrinkage,
        Reason::Restock,
        Reason::CycleCount,
        Reason::Other,
    ]);
    prop_oneof![
        (variant(), any::<i32>(), reasons, maybe_text(), maybe_text()).prop_map(
            |(variant, delta, reason, reference, note)| It::Adjusted {
                variant,
                delta,
                reason,
                reference,
                note
            }
        ),
        (variant(), any::<u32>(), any::<i64>()).prop_map(|(variant, on_hand, delta)| It::Counted {
            variant,
            on_hand: Units(on_hand),
            delta
        }),
        (order_id(), buyer(), stock_line(), any::<i64>(), currency(), option::of(vec(step(), 0..3)))
            .prop_map(|(order, buyer, line, unit_price, currency, rules)| It::Purchased {
                order,
                buyer,
                line,
                unit_price: Money(unit_price),
                currency,
                rules: rules.map(Arc::new)
            }),
        (order_id(), stock_lines()).prop_map(|(order, lines)| It::Fulfilled { order, lines }),
        (order_id(), stock_lines()).prop_map(|(order, lines)| It::Canceled { order, lines }),
    ]
}

fn hold_event() -> impl Strategy<Value = product::Event> {
    use product::Event as It;
    let ending = select(vec![Ending::Released, Ending::Expired]);
    prop_oneof![
        (hold(), buyer(), stock_lines(), moment()).prop_map(|(reservation, buyer, lines, deadline)| {
            It::Reserved { reservation, buyer, lines, deadline }
        }),
        (hold(), stock_lines(), moment()).prop_map(|(reservation, lines, deadline)| It::Extended {
            reservation,
            lines,
            deadline
        }),
        (hold(), order_id(), stock_lines()).prop_map(|(reservation, order, lines)| It::Confirmed {
            reservation,
            order,
            lines
        }),
        (hold(), stock_lines()).prop_map(|(reservation, lines)| It::Released { reservation, lines }),
        (hold(), stock_lines()).prop_map(|(reservation, lines)| It::Expired { reservation, lines }),
        (hold(), hold(), buyer(), stock_lines(), stock_lines(), moment(), ending).prop_map(
            |(from, to, buyer, before, lines, deadline, ending)| It::Reheld {
                from,
                to,
                buyer,
                before,
                lines,
                deadline,
                ending
            }
        ),
    ]
}

fn account_event() -> impl Strategy<Value = account::Event> {
    use account::Event as It;
    let role = || select(vec![Role::Customer, Role::Admin]);
    let family = || any::<u128>().prop_map(FamilyId);
    let token = || any::<[u8; 32]>().prop_map(TokenHash);
    let why = select(vec![
        SessionEnding::Logout,
        SessionEnding::Reused,
        SessionEnding::Replaced,
        SessionEnding::WornOut,
        SessionEnding::RoleLost,
    ]);
    prop_oneof![
        (account(), text(), maybe_text(), role(), tier(), text(), moment()).prop_map(
            |(id, email, name, role, tier, password_hash, created_at)| It::Created(Account {
                id,
                email,
                name,
                role,
                tier,
                password_hash,
                created_at,
                version: FIRST_VERSION
            })
        ),
        (account(), role(), tier()).prop_map(|(id, role, tier)| It::Changed { id, role, tier }),
        (family(), account(), token(), moment()).prop_map(|(family, account, token, expires_at)| {
            It::SessionOpened { family, account, token, expires_at }
        }),
        (family(), token()).prop_map(|(family, token)| It::SessionRotated { family, token }),
        (family(), why).prop_map(|(family, why)| It::SessionEnded { family, why }),
    ]
}

fn reservation_event() -> impl Strategy<Value = reservation::Event> {
    use reservation::Event as It;
    prop_oneof![
        (owner(), vec(item(), 0..3), moment(), maybe_text(), option::of(object())).prop_map(
            |(owner, items, deadline, reference, metadata)| It::Reserved {
                owner,
                items,
                deadline,
                reference,
                metadata
            }
        ),
        moment().prop_map(|deadline| It::Extended { deadline }),
        (order_id(), placed()).prop_map(|(order, placed)| It::Confirmed { order, placed }),
        Just(It::Released),
        Just(It::Expired),
    ]
}

fn order_fact() -> impl Strategy<Value = OrderFact> {
    use order::Event as It;
    let through = || select(vec![Through::Gateway, Through::Elsewhere]);
    let why = select(vec![Cancelation::Declined, Cancelation::ByOwner, Cancelation::ByAdmin]);
    let changed = prop_oneof![
        (maybe_text(), through(), hold(), any::<bool>()).prop_map(
            |(reference, through, hold, is_reacquired)| It::Confirmed {
                reference,
                through,
                hold,
                is_reacquired
            }
        ),
        Just(It::Expired),
        (why, maybe_text()).prop_map(|(why, reason)| It::Canceled { why, reason }),
        Just(It::Fulfilled),
        (maybe_text(), through()).prop_map(|(reference, through)| It::RefundRequired { reference, through }),
        Just(It::Refunded),
    ];
    prop_oneof![placed().prop_map(OrderFact::Placed), changed.prop_map(OrderFact::Changed)]
}

fn placed() -> impl Strategy<Value = Arc<Placed>> {
    let source = prop_oneof![
        Just(Source::Purchase),
        Just(Source::Lines),
        any::<u128>().prop_map(|id| Source::Cart(CartId(id))),
        hold().prop_map(Source::Reservation),
    ];
    let order_line = (item(), sku(), text(), any::<[i64; 2]>(), vec(step(), 0..3)).prop_map(
        |(item, sku, name, [unit_price, total], breakdown)| OrderLine {
            item,
            sku,
            name,
            unit_price: Money(unit_price),
            total: Money(total),
            breakdown,
        },
    );
    let sums = any::<[i64; 3]>();
    let who = (owner(), maybe_text(), option::of(object()), option::of(moment()));
    let products = vec(any::<u128>().prop_map(ProductId), 0..3);
    (source, hold(), vec(order_line, 0..3), currency(), sums, who, products).prop_map(
        |(source, hold, lines, currency, [subtotal, discount, total], who, taken_over)| {
            let (owner, email, shipping_address, deadline) = who;
            Arc::new(Placed {
                owner,
                source,
                hold,
                lines,
                currency,
                subtotal: Money(subtotal),
                discount: Money(discount),
                total: Money(total),
                email,
                shipping_address,
                deadline,
                taken_over,
            })
        },
    )
}

fn cart_event() -> impl Strategy<Value = cart::Event> {
    use cart::Event as It;
    let product = || any::<u128>().prop_map(ProductId);
    prop_oneof![
        owner().prop_map(|owner| It::Opened { owner }),
        (item(), option::of((hold(), moment()))).prop_map(|(item, held)| It::LineSet { item, held }),
        (product(), variant()).prop_map(|(product, variant)| It::LineRemoved { product, variant }),
        vec((product(), variant(), moment()), 0..3).prop_map(|lines| It::Renewed { lines }),
        vec((product(), variant()), 0..3).prop_map(|lines| It::Lapsed { lines }),
        Just(It::Emptied),
        any::<u128>().prop_map(|from| It::Absorbed { from: CartId(from) }),
        option::of(any::<u128>()).prop_map(|to| It::Closed { to: to.map(CartId) }),
    ]
}

fn price_event() -> impl Strategy<Value = price::Event> {
    use price::Event as It;
    let rule = || any::<u128>().prop_map(RuleId);
    prop_oneof![
        (rule(), terms()).prop_map(|(id, terms)| It::Created { id, terms }),
        (rule(), terms()).prop_map(|(id, terms)| It::Changed { id, terms }),
        rule().prop_map(|id| It::Deleted { id }),
    ]
}

/// Only sound ones: the journal refuses others.
fn terms() -> impl Strategy<Value = Terms> {
    let kind = prop_oneof![
        Just(Kind::Seasonal),
        quantity().prop_map(|min_quantity| Kind::Bulk { min_quantity }),
        tier().prop_map(|tier| Kind::Tier { tier }),
    ];
    let off = prop_oneof![
        (1..=10_000_u16).prop_map(Off::Percent),
        (1..=Money::PRICE_MAX).prop_map(|amount| Off::Amount(Money(amount))),
    ];
    let window = (0..u64::MAX).prop_flat_map(|start| (Just(start), start + 1..=u64::MAX));
    let rest = (any::<i32>(), any::<bool>(), vec(sku(), 0..3), vec(category_id(), 0..3));
    ("[^\\pC]{1,20}", kind, off, window, rest).prop_map(|(name, kind, off, (start, end), rest)| {
        let (priority, is_active, skus, categories) = rest;
        let (starts_at, ends_at) = (Some(Timestamp(start)), Some(Timestamp(end)));
        let name = name.into();
        Terms { name, kind, off, skus, categories, starts_at, ends_at, priority, is_active }
    })
}

fn category_event() -> impl Strategy<Value = category::Event> {
    use category::Event as It;
    let description =
        || {
            (text(), text(), option::of(category_id()))
                .prop_map(|(name, slug, parent)| category::Description { name, slug, parent })
        };
    prop_oneof![
        (category_id(), description()).prop_map(|(id, description)| It::Created { id, description }),
        (category_id(), description()).prop_map(|(id, description)| It::Described { id, description }),
        category_id().prop_map(|id| It::Deleted { id }),
    ]
}

fn mail_fact() -> impl Strategy<Value = Fact> {
    prop_oneof![
        Just(Fact::Begun),
        account().prop_map(|account| Fact::Sent(About::Registered(account))),
        order_id().prop_map(|order| Fact::Sent(About::Confirmed(order))),
        order_id().prop_map(|order| Fact::Sent(About::Canceled(order))),
        order_id().prop_map(|order| Fact::Sent(About::Expired(order))),
    ]
}

fn description() -> impl Strategy<Value = Arc<Description>> {
    let limit = || option::of(quantity());
    let status = select(vec![Status::Draft, Status::Active, Status::Archived]);
    let reserve_on = select(vec![ReserveOn::Cart, ReserveOn::Checkout]);
    let texts = (text(), maybe_text(), object());
    let limits = (option::of(any::<u64>()), limit(), limit());
    (texts, status, any::<i64>(), currency(), vec(category_id(), 0..3), reserve_on, limits).prop_map(
        |((name, text, attributes), status, price, currency, category_ids, reserve_on, limits)| {
            let (ttl, per_order_limit, per_customer_limit) = limits;
            Arc::new(Description {
                name,
                text,
                status,
                price: Money(price),
                currency,
                category_ids,
                attributes,
                reserve_on,
                reservation_ttl: ttl.map(Millis),
                per_order_limit,
                per_customer_limit,
            })
        },
    )
}

fn variant_description() -> impl Strategy<Value = Arc<VariantDescription>> {
    (sku(), maybe_text(), object(), any::<i64>()).prop_map(|(sku, name, attributes, adjustment)| {
        Arc::new(VariantDescription { sku, name, attributes, price_adjustment: Money(adjustment) })
    })
}

fn step() -> impl Strategy<Value = Step> {
    let kind = select(vec![StepKind::Base, StepKind::Seasonal, StepKind::Bulk, StepKind::Tier]);
    let rule = option::of(any::<u128>().prop_map(RuleId));
    (kind, rule, maybe_text(), any::<i64>()).prop_map(|(kind, rule, name, amount)| Step {
        kind,
        rule,
        name,
        amount: Money(amount),
    })
}

fn text() -> impl Strategy<Value = Box<str>> {
    any::<String>().prop_map(Into::into)
}

fn maybe_text() -> impl Strategy<Value = Option<Box<str>>> {
    option::of(text())
}

/// Objects as the edge keeps them, as it does not, and what is no object at all.
fn object() -> impl Strategy<Value = Box<str>> {
    let kept =
        any::<(String, i64)>().prop_map(|(name, number)| serde_json::json!({ name: number }).to_string());
    let odd = select(vec![
        "{}",
        "{ \"a\" : 1 }",
        "{\n}",
        " {}",
        "{} ",
        "[]",
        "null",
        "\"{}\"",
        "{",
        "",
        "{\"a\":1,\"a\":2}",
    ]);
    prop_oneof![kept.prop_map(Into::into), odd.prop_map(Into::into), text()]
}

fn moment() -> impl Strategy<Value = Timestamp> {
    prop_oneof![any::<u64>(), 0..253_402_300_800_000_u64].prop_map(Timestamp)
}

fn sku() -> impl Strategy<Value = Sku> {
    "[A-Za-z0-9._-]{1,64}".prop_map(|text| Sku::new(&text).expect("it has the form of one"))
}

fn currency() -> impl Strategy<Value = Currency> {
    "[A-Z]{3}".prop_map(|text| Currency::new(&text).expect("three capitals"))
}

fn quantity() -> impl Strategy<Value = Quantity> {
    (1..=Quantity::MAX).prop_map(|units| Quantity::new(units).expect("it is in bounds"))
}

fn variant() -> impl Strategy<Value = VariantNo> {
    any::<u16>().prop_map(VariantNo)
}

fn stock_line() -> impl Strategy<Value = Line> {
    (variant(), quantity()).prop_map(|(variant, quantity)| Line { variant, quantity })
}

fn stock_lines() -> impl Strategy<Value = Vec<Line>> {
    vec(stock_line(), 0..4)
}

fn item() -> impl Strategy<Value = Item> {
    (any::<u128>(), stock_line()).prop_map(|(product, Line { variant, quantity })| Item {
        product: ProductId(product),
        variant,
        quantity,
    })
}

fn owner() -> impl Strategy<Value = Owner> {
    prop_oneof![any::<u128>().prop_map(Owner::Guest), account().prop_map(Owner::Account)]
}

fn tier() -> impl Strategy<Value = Tier> {
    select(vec![Tier::Standard, Tier::Silver, Tier::Gold])
}

fn hold() -> impl Strategy<Value = ReservationId> {
    any::<u128>().prop_map(ReservationId)
}

fn order_id() -> impl Strategy<Value = OrderId> {
    any::<u128>().prop_map(OrderId)
}

fn account() -> impl Strategy<Value = AccountId> {
    any::<u128>().prop_map(AccountId)
}

fn category_id() -> impl Strategy<Value = CategoryId> {
    any::<u128>().prop_map(CategoryId)
}

fn buyer() -> impl Strategy<Value = Buyer> {
    any::<u128>().prop_map(Buyer)
}
