//! Records of those who own units: reservations, orders and carts.

use std::collections::BTreeSet;
use std::sync::Arc;

use holdfast_actors::domain::cart::{self, CartLine};
use holdfast_actors::domain::hold::{Hold, State};
use holdfast_actors::domain::order::{self, Cancelation, OrderLine, Placed, Source, Through};
use holdfast_actors::domain::price::{Step, StepKind};
use holdfast_actors::domain::product::{LimitKind, VariantNo};
use holdfast_actors::domain::saga::{self, LineRefusal, Why};
use holdfast_actors::domain::{
    AccountId, CartId, Item, Money, Owner, ProductId, RuleId, Timestamp, Units, reservation,
};
use holdfast_actors::outcome::{CartFacts, Outcome, ReservationMoment};
use holdfast_actors::record::{Entity, Events, OrderFact, Turn};

use super::{AT, ORDER, PRODUCT, RESERVATION, euro, keyed_turn, product_turn};
use crate::common::{quantity, sku};

names!(entity_name, ENTITIES, Entity, {
    Entity::Product(_) => "entity-product",
    Entity::Accounts => "entity-accounts",
    Entity::Reservations => "entity-reservations",
    Entity::Order(_) => "entity-order",
    Entity::Cart(_) => "entity-cart",
    Entity::PriceRules => "entity-price-rules",
    Entity::Categories => "entity-categories",
    Entity::Mails => "entity-mails",
});

names!(owner_name, OWNERS, Owner, {
    Owner::Guest(_) => "owner-guest",
    Owner::Account(_) => "owner-account",
});

names!(step_name, STEPS, StepKind, {
    StepKind::Base => "step-base",
    StepKind::Seasonal => "step-seasonal",
    StepKind::Bulk => "step-bulk",
    StepKind::Tier => "step-tier",
});

names!(reservation_name, RESERVATIONS, reservation::Event, {
    reservation::Event::Reserved { reference: None, .. } => "reservation-reserved-bare",
    reservation::Event::Reserved { .. } => "reservation-reserved",
    reservation::Event::Extended { .. } => "reservation-extended",
    reservation::Event::Confirmed { .. } => "reservation-confirmed",
    reservation::Event::Released => "reservation-released",
    reservation::Event::Expired => "reservation-expired",
});

names!(placed_name, PLACED, Source, {
    Source::Purchase => "order-placed-purchase",
    Source::Lines => "order-placed-lines",
    Source::Cart(_) => "order-placed-cart",
    Source::Reservation(_) => "order-placed-reservation",
});

names!(order_name, ORDERS, order::Event, {
    order::Event::Confirmed { through: Through::Gateway, .. } => "order-confirmed-gateway",
    order::Event::Confirmed { through: Through::Elsewhere, .. } => "order-confirmed-elsewhere",
    order::Event::Expired => "order-expired",
    order::Event::Canceled { why: Cancelation::Declined, .. } => "order-canceled-declined",
    order::Event::Canceled { why: Cancelation::ByOwner, .. } => "order-canceled-owner",
    order::Event::Canceled { why: Cancelation::ByAdmin, .. } => "order-canceled-admin",
    order::Event::Fulfilled => "order-fulfilled",
    order::Event::RefundRequired { through: Through::Gateway, .. } => "order-refund-required-gateway",
    order::Event::RefundRequired { through: Through::Elsewhere, .. } => "order-refund-required-elsewhere",
    order::Event::Refunded => "order-refunded",
});

names!(cart_name, CARTS, cart::Event, {
    cart::Event::Opened { .. } => "cart-opened",
    cart::Event::LineSet { held: None, .. } => "cart-line-set",
    cart::Event::LineSet { held: Some(_), .. } => "cart-line-set-held",
    cart::Event::LineRemoved { .. } => "cart-line-removed",
    cart::Event::Renewed { .. } => "cart-renewed",
    cart::Event::Lapsed { .. } => "cart-lapsed",
    cart::Event::Emptied => "cart-emptied",
    cart::Event::Absorbed { .. } => "cart-absorbed",
    cart::Event::Closed { to: None } => "cart-closed",
    cart::Event::Closed { to: Some(_) } => "cart-closed-into",
});

names!(refusal_name, REFUSALS, saga::Refusal, {
    saga::Refusal::Lines(_) => "refused-lines",
    saga::Refusal::Expired { .. } => "refused-expired",
    saga::Refusal::InvalidState => "refused-invalid-state",
    saga::Refusal::DeadlineOutOfRange => "refused-deadline-out-of-range",
    saga::Refusal::ExtensionExceeded => "refused-extension-exceeded",
    saga::Refusal::NotFound => "refused-not-found",
    saga::Refusal::CartEmpty => "refused-cart-empty",
    saga::Refusal::PriceChanged { .. } => "refused-price-changed",
    saga::Refusal::PaymentDeclined { .. } => "refused-payment-declined",
    saga::Refusal::PaymentUnknown { .. } => "refused-payment-unknown",
    saga::Refusal::RefundRequired { is_expired: false } => "refused-refund-required-canceled",
    saga::Refusal::RefundRequired { is_expired: true } => "refused-refund-required-expired",
    saga::Refusal::MixedCurrencies => "refused-mixed-currencies",
    saga::Refusal::TooManyLines => "refused-too-many-lines",
    saga::Refusal::QuantityOutOfRange => "refused-quantity-out-of-range",
    saga::Refusal::TooLarge { .. } => "refused-too-large",
    saga::Refusal::VersionMismatch { .. } => "refused-version-mismatch",
});

names!(why_name, WHYS, Why, {
    Why::Short { .. } => "refused-line-short",
    Why::Limit { kind: LimitKind::PerOrder, .. } => "refused-line-limit-per-order",
    Why::Limit { kind: LimitKind::PerCustomer, .. } => "refused-line-limit-per-customer",
    Why::NotSellable => "refused-line-not-sellable",
    Why::Unknown => "refused-line-unknown",
});

/// Every sample, by its file's name.
pub(super) fn samples() -> Vec<(String, Turn)> {
    let mut all: Vec<(String, Turn)> = Vec::new();
    for event in reservation_events() {
        all.push((reservation_name(&event).into(), reservation_turn(vec![event])));
    }
    for fact in order_facts() {
        let name = match &fact {
            OrderFact::Placed(placed) => placed_name(&placed.source),
            OrderFact::Changed(event) => order_name(event),
        };
        all.push((name.into(), order_turn(vec![fact])));
    }
    for event in cart_events() {
        all.push((cart_name(&event).into(), cart_turn(vec![event])));
    }
    for refusal in refusals() {
        all.push((refusal_name(&refusal).into(), keyed(Err(refusal.into()), order_turn(Vec::new()))));
    }
    for line in line_refusals() {
        let refusal = saga::Refusal::Lines(vec![line]);
        all.push((why_name(&line.why).into(), keyed(Err(refusal.into()), cart_turn(Vec::new()))));
    }
    all.push(("several-reservations".into(), reservation_turn(reservation_events())));
    all.push(("several-order-facts".into(), order_turn(order_facts())));
    all.push(("several-cart-events".into(), cart_turn(cart_events())));
    let placed = Outcome::Order { order: ORDER, version: 1 };
    let key_with_order = keyed(Ok(placed), order_turn(order_facts()));
    all.push(("key-with-order".into(), key_with_order));
    all
}

/// The names of kinds without a sample.
pub(super) fn missing() -> Vec<&'static str> {
    let facts = order_facts();
    let placed: Vec<&Placed> = facts.iter().filter_map(placed).collect();
    let steps = placed.iter().flat_map(|placed| &placed.lines).flat_map(|line| &line.breakdown);
    let mut seen: BTreeSet<&'static str> = BTreeSet::new();
    seen.extend(super::samples().iter().map(|(_, turn)| entity_name(&turn.entity)));
    seen.extend(placed.iter().map(|placed| owner_name(&placed.owner)));
    seen.extend(steps.map(|step| step_name(&step.kind)));
    seen.extend(placed.iter().map(|placed| placed_name(&placed.source)));
    seen.extend(facts.iter().filter_map(|fact| match fact {
        OrderFact::Placed(_) => None,
        OrderFact::Changed(event) => Some(order_name(event)),
    }));
    seen.extend(reservation_events().iter().map(reservation_name));
    seen.extend(cart_events().iter().map(cart_name));
    seen.extend(refusals().iter().map(refusal_name));
    seen.extend(line_refusals().iter().map(|line| why_name(&line.why)));
    let all = [ENTITIES, OWNERS, STEPS, RESERVATIONS, PLACED, ORDERS, CARTS, REFUSALS, WHYS].concat();
    all.into_iter().filter(|name| !seen.contains(name)).collect()
}

/// The outcomes that speak of owners.
pub(super) fn outcomes() -> Vec<Outcome> {
    let moment = |state, order| {
        let hold = Hold { state, ..hold() };
        let moment = ReservationMoment { id: RESERVATION, hold, order, updated_at: AT, version: 300 };
        Outcome::Reservation(moment)
    };
    let lines = vec![
        CartLine { item: lamp(), hold: Some(hold()) },
        CartLine { item: many(), hold: Some(Hold { state: State::Expired, ..hold() }) },
        CartLine { item: Item { product: ProductId(u128::MAX), ..lamp() }, hold: None },
    ];
    vec![
        Outcome::Order { order: ORDER, version: u32::MAX },
        moment(State::Active, None),
        moment(State::Confirmed, Some(ORDER)),
        moment(State::Released, None),
        moment(State::Expired, None),
        Outcome::Cart(Box::new(CartFacts { id: Some(CART), lines, expires_at: Some(AT), version: 7 })),
    ]
}

const CART: CartId = CartId(0x0192_0000_0000_7000_8000_0000_0000_00ee);
const ACCOUNT: Owner = Owner::Account(AccountId(0x0192_0000_0000_7000_8000_0000_0000_00dd));
const GUEST: Owner = Owner::Guest(0x0f0e_0d0c_0b0a_0908_0706_0504_0302_0100);

fn reservation_turn(events: Vec<reservation::Event>) -> Turn {
    let events = events.into_iter().map(|event| (RESERVATION, event)).collect();
    Turn { entity: Entity::Reservations, events: Events::Reservations(events), ..product_turn(Vec::new()) }
}

fn order_turn(facts: Vec<OrderFact>) -> Turn {
    Turn { entity: Entity::Order(ORDER), events: Events::Order(facts), ..product_turn(Vec::new()) }
}

fn cart_turn(events: Vec<cart::Event>) -> Turn {
    Turn { entity: Entity::Cart(CART), events: Events::Cart(events), ..product_turn(Vec::new()) }
}

/// The same with a key that was answered so.
fn keyed(answered: holdfast_actors::outcome::Answered, turn: Turn) -> Turn {
    Turn { key: keyed_turn(answered).key, ..turn }
}

fn reservation_events() -> Vec<reservation::Event> {
    let reserved = |owner, text: Option<&str>| reservation::Event::Reserved {
        owner,
        items: vec![lamp(), many()],
        deadline: AT,
        reference: text.map(Into::into),
        metadata: text.map(|_| r#"{"table":"4ø"}"#.into()),
    };
    vec![
        reserved(ACCOUNT, Some("R-1")),
        reserved(GUEST, None),
        reservation::Event::Extended { deadline: Timestamp(u64::MAX) },
        reservation::Event::Confirmed {
            order: ORDER,
            placed: Arc::new(order_placed(Source::Reservation(RESERVATION))),
        },
        reservation::Event::Released,
        reservation::Event::Expired,
    ]
}

fn order_facts() -> Vec<OrderFact> {
    use order::Event::{Canceled, Confirmed, Expired, Fulfilled, RefundRequired, Refunded};

    let paid = |through, reference: Option<&str>| Confirmed {
        reference: reference.map(Into::into),
        through,
        hold: RESERVATION,
        is_reacquired: reference.is_none(),
    };
    let canceled = |why, reason: Option<&str>| Canceled { why, reason: reason.map(Into::into) };
    let refund =
        |through, reference: Option<&str>| RefundRequired { reference: reference.map(Into::into), through };
    let sources = [Source::Purchase, Source::Lines, Source::Cart(CART), Source::Reservation(RESERVATION)];
    let placed = sources.into_iter().map(|source| OrderFact::Placed(Arc::new(order_placed(source))));
    let changed = [
        paid(Through::Gateway, Some("ch_1")),
        paid(Through::Elsewhere, None),
        Expired,
        canceled(Cancelation::Declined, None),
        canceled(Cancelation::ByOwner, Some("changed my mind")),
        canceled(Cancelation::ByAdmin, None),
        Fulfilled,
        refund(Through::Gateway, Some("ch_1")),
        refund(Through::Elsewhere, None),
        Refunded,
    ];
    placed.chain(changed.into_iter().map(OrderFact::Changed)).collect()
}

fn placed(fact: &OrderFact) -> Option<&Placed> {
    match fact {
        OrderFact::Placed(placed) => Some(placed),
        OrderFact::Changed(_) => None,
    }
}

/// An order with everything from a cart, and with as little as it can have otherwise.
fn order_placed(source: Source) -> Placed {
    let step = |kind, rule: Option<u128>, amount| Step {
        kind,
        rule: rule.map(RuleId),
        name: rule.map(|_| "ten for nine".into()),
        amount: Money(amount),
    };
    let line = |item, breakdown| OrderLine {
        item,
        sku: sku("lamp.RED_1-2"),
        name: "Lamp ø".into(),
        unit_price: Money(1_000_000_000_000),
        total: Money(1_000_000_000_000_000_000),
        breakdown,
    };
    let is_full = matches!(source, Source::Cart(_));
    let steps = vec![
        step(StepKind::Base, None, 1999),
        step(StepKind::Seasonal, Some(u128::MAX), -200),
        step(StepKind::Bulk, Some(1), -100),
        step(StepKind::Tier, Some(2), 0),
    ];
    let full = vec![line(lamp(), steps), line(many(), Vec::new())];
    Placed {
        owner: if is_full { ACCOUNT } else { GUEST },
        source,
        hold: RESERVATION,
        lines: if is_full { full } else { vec![line(lamp(), Vec::new())] },
        currency: euro(),
        subtotal: Money(2_000),
        discount: Money(-1),
        total: Money(i64::MAX),
        email: is_full.then(|| "ada@example.org".into()),
        shipping_address: is_full.then(|| r#"{"city":"Århus"}"#.into()),
        deadline: is_full.then_some(AT),
        taken_over: if is_full { vec![PRODUCT, ProductId(u128::MAX)] } else { Vec::new() },
    }
}

fn cart_events() -> Vec<cart::Event> {
    let line = (PRODUCT, VariantNo(0));
    let other = (ProductId(u128::MAX), VariantNo(99));
    vec![
        cart::Event::Opened { owner: GUEST },
        cart::Event::LineSet { item: lamp(), held: None },
        cart::Event::LineSet { item: many(), held: Some((RESERVATION, AT)) },
        cart::Event::LineRemoved { product: PRODUCT, variant: VariantNo(300) },
        cart::Event::Renewed { lines: vec![(line.0, line.1, AT), (other.0, other.1, Timestamp(0))] },
        cart::Event::Lapsed { lines: vec![line, other] },
        cart::Event::Emptied,
        cart::Event::Absorbed { from: CART },
        cart::Event::Closed { to: None },
        cart::Event::Closed { to: Some(CART) },
    ]
}

fn refusals() -> Vec<saga::Refusal> {
    use saga::Refusal;

    vec![
        Refusal::Lines(line_refusals()),
        Refusal::Expired { deadline: AT },
        Refusal::InvalidState,
        Refusal::DeadlineOutOfRange,
        Refusal::ExtensionExceeded,
        Refusal::NotFound,
        Refusal::CartEmpty,
        Refusal::PriceChanged { total: Money(1999) },
        Refusal::PaymentDeclined { order: ORDER },
        Refusal::PaymentUnknown { order: ORDER },
        Refusal::RefundRequired { is_expired: false },
        Refusal::RefundRequired { is_expired: true },
        Refusal::MixedCurrencies,
        Refusal::TooManyLines,
        Refusal::QuantityOutOfRange,
        Refusal::TooLarge { bytes_max: 32 * 1024 },
        Refusal::VersionMismatch { expected: 7, actual: 8 },
    ]
}

fn line_refusals() -> Vec<LineRefusal> {
    let limit = |kind, counted| Why::Limit { kind, limit: Units(4), counted };
    let whys = [
        Why::Short { available: Units(2), reserved: Units(u32::MAX) },
        limit(LimitKind::PerOrder, 0),
        limit(LimitKind::PerCustomer, u64::MAX),
        Why::NotSellable,
        Why::Unknown,
    ];
    let line = |(index, why): (usize, Why)| LineRefusal {
        index: index * 2_000,
        product: PRODUCT,
        variant: VariantNo(99),
        requested: Units(1_000_000),
        why,
    };
    whys.into_iter().enumerate().map(line).collect()
}

fn hold() -> Hold {
    Hold { created_at: Timestamp(1_600_000_000_000), deadline: AT, extensions: 3, state: State::Active }
}

fn lamp() -> Item {
    Item { product: PRODUCT, variant: VariantNo(0), quantity: quantity(1) }
}

fn many() -> Item {
    Item { product: PRODUCT, variant: VariantNo(99), quantity: quantity(1_000_000) }
}
