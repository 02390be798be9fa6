//! The facts of the journal as JSON, both ways: names and fields that stay as they are.
//!
//! One fact is `{"type": "order.confirmed", "resource": {"type": "order", "id": "ord_…"}, "data": {…}}`; every type with
//! its fields is in `docs/events.md`, and an example of each in `tests/golden/facts/`. The types below are this schema; they
//! look like the domain's today and must not change with them: a new fact gets a new name, a new field must be optional.
//!
//! Read by `holdfast journal tail` and `GET /events`, and, with what the journal knows besides, by export and
//! import (`line`, `file`). Decides nothing; unknown names and fields are refused, never ignored.

mod values;

mod account;
mod cart;
mod category;
mod mail;
mod order;
mod price;
mod product;
mod reservation;
mod stock;

mod read;
mod subject;

pub mod file;
pub mod line;

#[cfg(test)]
mod tests;

use std::fmt;

use holdfast_actors::domain::{
    CartId, OrderId, ProductId, ReservationId, account as account_domain, cart as cart_domain,
    category as category_domain, price as price_domain, product as product_domain,
    reservation as reservation_domain,
};
use holdfast_actors::mails;
use holdfast_actors::record::{self, Entity, Events, Turn};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::http::values::{self as ids, Id};

use self::account::{AccountFact, SessionFact};
use self::cart::CartFact;
use self::category::CategoryFact;
use self::mail::MailFact;
use self::order::OrderFact;
use self::price::PriceFact;
use self::product::{ProductFact, VariantFact};
use self::reservation::ReservationFact;
use self::stock::StockFact;
use self::values::{Session, id};

pub use self::read::{Fault, Told, turn_events};
pub use self::subject::Subject;

/// The types of all facts, in the order in which `docs/events.md` has them.
pub const TYPES: [&str; 51] = [
    "product.created",
    "product.described",
    "product.deleted",
    "variant.added",
    "variant.described",
    "variant.removed",
    "stock.received",
    "stock.adjusted",
    "stock.counted",
    "stock.reserved",
    "stock.extended",
    "stock.confirmed",
    "stock.released",
    "stock.expired",
    "stock.purchased",
    "stock.fulfilled",
    "stock.canceled",
    "stock.reheld",
    "reservation.created",
    "reservation.extended",
    "reservation.confirmed",
    "reservation.released",
    "reservation.expired",
    "cart.opened",
    "cart.line_set",
    "cart.line_removed",
    "cart.renewed",
    "cart.lapsed",
    "cart.emptied",
    "cart.absorbed",
    "cart.closed",
    "order.placed",
    "order.confirmed",
    "order.expired",
    "order.canceled",
    "order.fulfilled",
    "order.refund_required",
    "order.refunded",
    "account.created",
    "account.changed",
    "session.opened",
    "session.rotated",
    "session.ended",
    "price_rule.created",
    "price_rule.changed",
    "price_rule.deleted",
    "category.created",
    "category.described",
    "category.deleted",
    "mail.begun",
    "mail.sent",
];

/// Whether hashes of passwords and tokens are told. An import needs them; nobody else may have them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secrets {
    /// Their fields are left out.
    Hidden,
    /// Everything is there.
    Shown,
}

/// One fact of a record.
#[derive(Clone, Debug, Serialize)]
pub struct Event {
    /// One of [`TYPES`].
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Whose fact it is.
    pub resource: Resource,
    /// Its fields: a JSON object on one line.
    pub data: Box<RawValue>,
    /// The products, variants and skus that it is about, for filters. None for facts that name none, such as
    /// `order.confirmed`.
    #[serde(skip)]
    pub subjects: Vec<Subject>,
}

/// Whose fact something is. As JSON `{"type": …, "id": …}`; the mails as a whole have no id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "id", rename_all = "snake_case", deny_unknown_fields)]
#[allow(missing_docs)]
pub enum Resource {
    Product(Id<ids::Product>),
    Reservation(Id<ids::Reservation>),
    Cart(Id<ids::Cart>),
    Order(Id<ids::Order>),
    Account(Id<ids::User>),
    Session(Id<Session>),
    PriceRule(Id<ids::Rule>),
    Category(Id<ids::Category>),
    Mails,
}

impl fmt::Display for Resource {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Product(id) => id.fmt(out),
            Self::Reservation(id) => id.fmt(out),
            Self::Cart(id) => id.fmt(out),
            Self::Order(id) => id.fmt(out),
            Self::Account(id) => id.fmt(out),
            Self::Session(id) => id.fmt(out),
            Self::PriceRule(id) => id.fmt(out),
            Self::Category(id) => id.fmt(out),
            Self::Mails => out.write_str("mails"),
        }
    }
}

/// The facts of a turn, in their order.
///
/// None of a record whose events are not those of its entity: recovery refuses such a journal.
pub fn events_of(turn: &Turn, secrets: Secrets) -> Vec<Event> {
    match (&turn.events, turn.entity) {
        (Events::Product(events), Entity::Product(product)) => {
            events.iter().map(|event| product_event(product, event)).collect()
        }
        (Events::Accounts(events), Entity::Accounts) => {
            events.iter().map(|event| account_event(event, secrets)).collect()
        }
        (Events::Reservations(facts), Entity::Reservations) => {
            facts.iter().map(|(reservation, event)| reservation_event(*reservation, event)).collect()
        }
        (Events::Order(facts), Entity::Order(order)) => {
            facts.iter().map(|fact| order_event(order, fact)).collect()
        }
        (Events::Cart(events), Entity::Cart(cart)) => {
            events.iter().map(|event| cart_event(cart, event)).collect()
        }
        (Events::PriceRules(events), Entity::PriceRules) => events.iter().map(price_event).collect(),
        (Events::Categories(events), Entity::Categories) => events.iter().map(category_event).collect(),
        (Events::Mails(facts), Entity::Mails) => facts.iter().map(mail_event).collect(),
        _ => Vec::new(),
    }
}

fn product_event(product: ProductId, event: &product_domain::Event) -> Event {
    let (resource, subjects) = (Resource::Product(id(product.0)), subject::of_product(product, event));
    if let Some(fact) = StockFact::of(event) {
        return Event::new(&fact, resource, subjects);
    }
    if let Some(fact) = VariantFact::of(event) {
        return Event::new(&fact, resource, subjects);
    }
    let fact = ProductFact::of(event).expect("an event of a product is of its units, its variants or itself");
    Event::new(&fact, resource, subjects)
}

fn account_event(event: &account_domain::Event, secrets: Secrets) -> Event {
    use account_domain::Event as It;
    let resource = match event {
        It::Created(account) => Resource::Account(id(account.id.0)),
        It::Changed { id: account, .. } => Resource::Account(id(account.0)),
        It::SessionOpened { family, .. }
        | It::SessionRotated { family, .. }
        | It::SessionEnded { family, .. } => Resource::Session(id(family.0)),
    };
    if let Some(fact) = AccountFact::of(event, secrets) {
        return Event::new(&fact, resource, Vec::new());
    }
    let fact = SessionFact::of(event, secrets).expect("an event of accounts is of one or of a session");
    Event::new(&fact, resource, Vec::new())
}

fn reservation_event(reservation: ReservationId, event: &reservation_domain::Event) -> Event {
    let resource = Resource::Reservation(id(reservation.0));
    Event::new(&ReservationFact::of(event), resource, subject::of_reservation(event))
}

fn order_event(order: OrderId, fact: &record::OrderFact) -> Event {
    Event::new(&OrderFact::of(fact), Resource::Order(id(order.0)), subject::of_order(fact))
}

fn cart_event(cart: CartId, event: &cart_domain::Event) -> Event {
    Event::new(&CartFact::of(event), Resource::Cart(id(cart.0)), subject::of_cart(event))
}

fn price_event(event: &price_domain::Event) -> Event {
    use price_domain::Event as It;
    let (It::Created { id: rule, .. } | It::Changed { id: rule, .. } | It::Deleted { id: rule }) = event;
    Event::new(&PriceFact::of(event), Resource::PriceRule(id(rule.0)), subject::of_price(event))
}

fn category_event(event: &category_domain::Event) -> Event {
    use category_domain::Event as It;
    let (It::Created { id: it, .. } | It::Described { id: it, .. } | It::Deleted { id: it }) = event;
    Event::new(&CategoryFact::of(event), Resource::Category(id(it.0)), Vec::new())
}

fn mail_event(fact: &mails::Fact) -> Event {
    let (fact, resource) = MailFact::of(fact);
    Event::new(&fact, resource, Vec::new())
}

impl Event {
    /// The event of a fact, which serde writes as `{"type": {fields}}`.
    ///
    /// # Panics
    ///
    /// Never: the fact's type is one of [`TYPES`], which a test holds, and all its fields can be written.
    fn new(fact: &impl Serialize, resource: Resource, subjects: Vec<Subject>) -> Self {
        let text = serde_json::to_string(fact).expect("every fact can be written");
        let (name, data) = text
            .strip_prefix("{\"")
            .and_then(|rest| rest.strip_suffix('}')?.split_once("\":"))
            .expect("a fact is an object with its name as the only key");
        let kind = TYPES.iter().find(|kind| **kind == name).expect("the list of types is complete");
        let data = RawValue::from_string(data.to_owned()).expect("the fields of a fact are JSON");
        Self { kind, resource, data, subjects }
    }
}
