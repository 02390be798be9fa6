//! How things look on the wire. Built by hand from what the actors answer; no type of theirs is serialised.

use std::fmt;

use holdfast_actors::domain::product::{
    Levels, MovementKind, Reason, ReserveOn, Status, VariantDescription, movement,
};
use holdfast_actors::domain::{Millis, Money, OrderId, ProductId, Quantity, Sku, Timestamp};
use holdfast_actors::ledger::Row;
use holdfast_actors::ledger::past::Past;
use holdfast_actors::{Actor, Inventory, Position, ProductFacts, Purchased, StockChange, VariantFacts};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use utoipa::openapi::schema::{KnownFormat, SchemaFormat};
use uuid::Uuid;

use jiff::SignedDuration;
use jiff::civil::DateTime;
use jiff::tz::Offset;

use super::openapi::inline::value_schemas;
use super::values::{self, Id, schema};
use super::{inventory, movements, position, products};
use crate::cache::Hole;

/// When time began to be counted.
pub const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);

/// How long a moment is as text.
const MOMENT_BYTES: usize = "2026-11-21T12:00:00.000Z".len();

/// A moment: RFC 3339, UTC, milliseconds.
pub struct Moment(pub Timestamp);

value_schemas! {
    impl[] Moment as "moment" => schema::text()
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
        .pattern(Some(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"));
}

impl fmt::Display for Moment {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = i64::try_from(self.0.0).unwrap_or(i64::MAX);
        let moment = EPOCH.checked_add(SignedDuration::from_millis(ms)).unwrap_or(DateTime::MAX);
        write!(out, "{moment:.3}Z")
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.digits() {
            Some(text) => serializer.serialize_str(str::from_utf8(&text).expect("digits are ASCII")),
            None => serializer.collect_str(self),
        }
    }
}

impl Moment {
    /// The text on the stack, without the machinery of `fmt`: answers to many reservations have many moments. None for one
    /// that no calendar has.
    fn digits(&self) -> Option<[u8; MOMENT_BYTES]> {
        let moment = jiff::Timestamp::from_millisecond(i64::try_from(self.0.0).ok()?).ok()?;
        let moment = Offset::UTC.to_datetime(moment);
        let mut text = *b"0000-00-00T00:00:00.000Z";
        let parts = [
            (0..4, i32::from(moment.year())),
            (5..7, moment.month().into()),
            (8..10, moment.day().into()),
            (11..13, moment.hour().into()),
            (14..16, moment.minute().into()),
            (17..19, moment.second().into()),
            (20..23, moment.millisecond().into()),
        ];
        for (place, number) in parts {
            let mut rest = u32::try_from(number).ok()?;
            for digit in text[place].iter_mut().rev() {
                *digit = b'0' + u8::try_from(rest % 10).ok()?;
                rest /= 10;
            }
        }
        Some(text)
    }
}

/// Objects of the client's own are kept as JSON text and sent as they are.
pub fn own_object(text: &str) -> &RawValue {
    serde_json::from_str(text).expect("it was checked before it was kept")
}

/// A product.
#[derive(Serialize, utoipa::ToSchema)]
pub struct Product<'a> {
    id: Id<values::Product>,
    /// Null where it has variants to choose from.
    sku: Option<&'a str>,
    name: &'a str,
    description: Option<&'a str>,
    #[schema(value_type = products::StatusWord)]
    status: &'static str,
    /// In minor units of the currency.
    price: i64,
    currency: &'a str,
    category_ids: Vec<Id<values::Category>>,
    #[schema(value_type = Object)]
    attributes: &'a RawValue,
    #[schema(value_type = products::ReserveOnWord)]
    reserve_on: &'static str,
    reservation_ttl_seconds: Option<u64>,
    per_order_limit: Option<u32>,
    per_customer_limit: Option<u32>,
    /// Of all variants together.
    #[schema(value_type = u64)]
    available: Figure,
    /// One at least: of a product without options the one that has its sku.
    variants: Vec<Variant<'a>>,
    version: u32,
    created_at: Moment,
    updated_at: Moment,
}

/// A variant of a product.
#[derive(Serialize, utoipa::ToSchema)]
pub struct Variant<'a> {
    sku: &'a str,
    name: Option<&'a str>,
    #[schema(value_type = Object)]
    attributes: &'a RawValue,
    price_adjustment: i64,
    /// The product's `price` with the adjustment, never below 0.
    price: i64,
    #[schema(value_type = u32)]
    available: Figure,
}

/// Units that are available, or a place to fill them in.
enum Figure {
    Known(u64),
    Open,
}

impl Serialize for Figure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Known(units) => serializer.serialize_u64(*units),
            Self::Open => Hole.serialize(serializer),
        }
    }
}

impl<'a> Product<'a> {
    /// The view of a product.
    pub fn of(facts: &'a ProductFacts) -> Self {
        Self::with(facts, Figure::Known)
    }

    /// The same with a hole for every figure: the sum, then each variant's.
    pub fn with_holes(facts: &'a ProductFacts) -> Self {
        Self::with(facts, |_| Figure::Open)
    }

    fn with(facts: &'a ProductFacts, figure: fn(u64) -> Figure) -> Self {
        let description = &facts.description;
        Self {
            id: product_id(facts.id),
            sku: facts.sku().map(|sku| sku.as_str()),
            name: &description.name,
            description: description.text.as_deref(),
            status: status(description.status),
            price: description.price.0,
            currency: description.currency.as_str(),
            category_ids: description.category_ids.iter().map(|id| Id::new(Uuid::from_u128(id.0))).collect(),
            attributes: own_object(&description.attributes),
            reserve_on: reserve_on(description.reserve_on),
            reservation_ttl_seconds: description.reservation_ttl.map(|Millis(ms)| ms / 1000),
            per_order_limit: description.per_order_limit.map(Quantity::get),
            per_customer_limit: description.per_customer_limit.map(Quantity::get),
            available: figure(facts.available()),
            variants: facts
                .variants
                .iter()
                .map(|variant| Variant::with(variant, description.price, figure))
                .collect(),
            version: facts.version,
            created_at: Moment(facts.created_at),
            updated_at: Moment(facts.updated_at),
        }
    }
}

impl<'a> Variant<'a> {
    /// The view of a variant of a product with that price.
    pub fn of(facts: &'a VariantFacts, price: Money) -> Self {
        Self::with(facts, price, Figure::Known)
    }

    fn with(facts: &'a VariantFacts, price: Money, figure: fn(u64) -> Figure) -> Self {
        let description: &VariantDescription = &facts.description;
        Self {
            sku: description.sku.as_str(),
            name: description.name.as_deref(),
            attributes: own_object(&description.attributes),
            price_adjustment: description.price_adjustment.0,
            price: price.adjusted(description.price_adjustment).0,
            available: figure(facts.levels.available.0.into()),
        }
    }
}

/// A purchase.
#[derive(Serialize, utoipa::ToSchema)]
pub struct Purchase<'a> {
    order_id: Id<values::Order>,
    sku: &'a str,
    quantity: u32,
    unit_price: i64,
    total: i64,
    currency: &'a str,
    available: u32,
}

impl<'a> Purchase<'a> {
    /// The view of a purchase.
    pub fn of(purchased: &'a Purchased) -> Self {
        Self {
            order_id: order_id(purchased.order),
            sku: purchased.sku.as_str(),
            quantity: purchased.quantity.get(),
            unit_price: purchased.unit_price.0,
            total: purchased.unit_price.times(purchased.quantity).0,
            currency: purchased.currency.as_str(),
            available: purchased.available.0,
        }
    }
}

/// The figures of a sku.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = Inventory)]
pub struct InventoryView<'a> {
    sku: &'a str,
    product_id: Id<values::Product>,
    #[serde(flatten)]
    figures: Figures,
    version: u32,
    updated_at: Moment,
}

/// Where units are.
#[derive(Serialize, utoipa::ToSchema)]
pub struct Figures {
    on_hand: u32,
    available: u32,
    reserved: u32,
    committed: u32,
}

impl From<Levels> for Figures {
    fn from(levels: Levels) -> Self {
        Self {
            on_hand: levels.on_hand().0,
            available: levels.available.0,
            reserved: levels.reserved.0,
            committed: levels.committed.0,
        }
    }
}

impl<'a> InventoryView<'a> {
    /// The view of a sku's figures.
    pub fn of(inventory: &'a Inventory) -> Self {
        Self {
            sku: inventory.sku.as_str(),
            product_id: product_id(inventory.product),
            figures: inventory.levels.into(),
            version: inventory.version,
            updated_at: Moment(inventory.updated_at),
        }
    }
}

/// The figures of a sku at some moment.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = InventoryThen)]
pub struct InventoryThen<'a> {
    sku: &'a str,
    product_id: Id<values::Product>,
    #[serde(flatten)]
    figures: Figures,
    version: u32,
    /// When units last moved. Null with `as_of` alone, where the journal does not reach back to that.
    updated_at: Option<Moment>,
}

impl<'a> InventoryThen<'a> {
    /// The view of a sku's figures as they were.
    pub fn of(product: ProductId, sku: &'a Sku, past: &Past) -> Self {
        Self {
            sku: sku.as_str(),
            product_id: product_id(product),
            figures: past.levels.into(),
            version: past.version,
            updated_at: past.updated_at.map(Moment),
        }
    }
}

/// An adjustment or a count.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = StockChange)]
pub struct StockChangeView<'a> {
    movement: Movement<'a>,
    inventory: InventoryView<'a>,
}

impl<'a> StockChangeView<'a> {
    /// The view of a change by `actor`.
    pub fn of(change: &'a StockChange, actor: Actor) -> Self {
        let id = movement_id(change.at, change.position, 0);
        let movement = Movement {
            id,
            kind: kind(change.kind),
            delta: change.delta,
            after: change.inventory.levels.into(),
            reason: change.reason.map(reason),
            reference: change.reference.as_deref(),
            note: change.note.as_deref(),
            cause: cause(movement::Cause::Stocktaking, change.kind, id),
            actor: self::actor(actor),
            at: Moment(change.at),
            position: position::token(change.position),
        };
        Self { movement, inventory: InventoryView::of(&change.inventory) }
    }
}

/// A row of the ledger.
#[derive(Serialize, utoipa::ToSchema)]
pub struct Movement<'a> {
    id: Id<values::Movement>,
    #[schema(value_type = movements::Kind)]
    kind: &'static str,
    delta: i64,
    after: Figures,
    #[schema(value_type = Option<inventory::ReasonWord>)]
    reason: Option<&'static str>,
    reference: Option<&'a str>,
    note: Option<&'a str>,
    cause: Named,
    actor: Named,
    at: Moment,
    position: String,
}

/// A thing by its kind and, where it has one, its id.
#[derive(Serialize, utoipa::ToSchema)]
pub struct Named {
    #[serde(rename = "type")]
    kind: &'static str,
    id: Option<String>,
}

impl<'a> Movement<'a> {
    /// The view of a row.
    pub fn of(row: &'a Row) -> Self {
        let id = movement_id(row.at, row.position, row.index);
        Self {
            id,
            kind: kind(row.kind),
            delta: row.delta,
            after: row.after.into(),
            reason: row.reason.map(reason),
            reference: row.reference.as_deref(),
            note: row.note.as_deref(),
            cause: cause(row.cause, row.kind, id),
            actor: actor(row.actor),
            at: Moment(row.at),
            position: position::token(row.position),
        }
    }
}

/// The id of a movement, made of its place: the same each time it is asked for.
fn movement_id(at: Timestamp, position: Position, index: u16) -> Id<values::Movement> {
    let mut place = [0; 10];
    place[..2].copy_from_slice(&(position.partition.0 & 0x0fff).to_be_bytes());
    // Byte 2 gives its upper bits to the UUID's variant; a sequence fits below it.
    place[3..8].copy_from_slice(&position.sequence.0.to_be_bytes()[3..]);
    place[8..].copy_from_slice(&index.to_be_bytes());
    Id::new(uuid::Builder::from_unix_timestamp_millis(at.0, &place).into_uuid())
}

fn cause(cause: movement::Cause, moved: MovementKind, movement: Id<values::Movement>) -> Named {
    match cause {
        movement::Cause::Stocktaking => {
            let kind = if moved == MovementKind::Counted { "count" } else { "adjustment" };
            Named { kind, id: Some(movement.to_string()) }
        }
        movement::Cause::Reservation(id) => {
            Named { kind: "reservation", id: Some(text::<values::Reservation>(id.0)) }
        }
        movement::Cause::Order(id) => Named { kind: "order", id: Some(text::<values::Order>(id.0)) },
    }
}

/// The view of whoever did something.
pub fn actor(actor: Actor) -> Named {
    match actor {
        Actor::System => Named { kind: "system", id: None },
        // A session is a secret; its digest tells guests apart and lets nobody in.
        Actor::Guest(digest) => Named { kind: "guest", id: Some(format!("{digest:032x}")) },
        Actor::Customer(id) => Named { kind: "customer", id: Some(text::<values::User>(id.0)) },
        Actor::Admin(id) => Named { kind: "admin", id: Some(text::<values::User>(id.0)) },
    }
}

fn text<K: values::Kind>(id: u128) -> String {
    Id::<K>::new(Uuid::from_u128(id)).to_string()
}

/// The id of an order on the wire.
pub fn order_id(id: OrderId) -> Id<values::Order> {
    Id::new(Uuid::from_u128(id.0))
}

/// The id of a product on the wire.
pub fn product_id(id: ProductId) -> Id<values::Product> {
    Id::new(Uuid::from_u128(id.0))
}

const fn status(status: Status) -> &'static str {
    match status {
        Status::Draft => "draft",
        Status::Active => "active",
        Status::Archived => "archived",
    }
}

const fn reserve_on(reserve_on: ReserveOn) -> &'static str {
    match reserve_on {
        ReserveOn::Cart => "cart",
        ReserveOn::Checkout => "checkout",
    }
}

/// The word for a kind of movement.
pub const fn kind(kind: MovementKind) -> &'static str {
    match kind {
        MovementKind::Received => "received",
        MovementKind::Adjusted => "adjusted",
        MovementKind::Counted => "counted",
        MovementKind::Reserved => "reserved",
        MovementKind::Extended => "extended",
        MovementKind::Released => "released",
        MovementKind::Expired => "expired",
        MovementKind::Committed | MovementKind::Purchased => "committed",
        MovementKind::Fulfilled => "fulfilled",
        MovementKind::Canceled => "canceled",
    }
}

const fn reason(reason: Reason) -> &'static str {
    match reason {
        Reason::Received => "received",
        Reason::Correction => "correction",
        Reason::Damaged => "damaged",
        Reason::Shrinkage => "shrinkage",
        Reason::Restock => "restock",
        Reason::CycleCount => "cycle_count",
        Reason::Other => "other",
    }
}
