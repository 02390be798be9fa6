//! How a reservation looks on the wire. Nothing of it is put together before it is written: an answer may have ten
//! thousand of them.

use std::sync::Arc;

use holdfast_actors::card::Info;
use holdfast_actors::domain::{Item, ReservationId};
use holdfast_actors::{Engine, ReservationFacts};
use serde::ser::SerializeStruct as _;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::StatusWord;
use crate::http::values::{self, Id, Sku};
use crate::http::view::{self, Moment};

/// A reservation.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Reservation<'a> {
    id: Id<values::Reservation>,
    status: StatusWord,
    #[schema(value_type = Vec<LineShape>)]
    lines: Lines<'a>,
    reference: Option<&'a str>,
    #[schema(value_type = Option<Object>)]
    metadata: Option<&'a RawValue>,
    created_at: Moment,
    expires_at: Moment,
    extensions: u8,
    order_id: Option<Id<values::Order>>,
    version: u32,
}

/// Its lines.
struct Lines<'a> {
    items: &'a [Item],
    engine: &'a Engine,
}

/// One of them; without a sku where the product is gone.
struct Line {
    item: Item,
    info: Option<Arc<Info>>,
}

/// What [`Line`] writes.
#[derive(utoipa::ToSchema)]
#[schema(as = ReservationLine)]
#[expect(dead_code, reason = "it is there for the OpenAPI document")]
struct LineShape {
    sku: Option<Sku>,
    product_id: Id<values::Product>,
    quantity: u32,
}

impl<'a> Reservation<'a> {
    /// The view of a reservation; `engine` knows the skus.
    pub(super) fn of(facts: &'a ReservationFacts, engine: &'a Engine) -> Self {
        let reservation = &facts.reservation;
        Self {
            id: reservation_id(facts.id),
            status: reservation.hold.state.into(),
            lines: Lines { items: &reservation.items, engine },
            reference: reservation.reference.as_deref(),
            metadata: reservation.metadata.as_deref().map(view::own_object),
            created_at: Moment(reservation.hold.created_at),
            expires_at: Moment(reservation.hold.deadline),
            extensions: reservation.hold.extensions,
            order_id: reservation.order.map(view::order_id),
            version: reservation.version,
        }
    }
}

impl Serialize for Lines<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let line = |item: &Item| Line { item: *item, info: self.engine.info(item.product) };
        serializer.collect_seq(self.items.iter().map(line))
    }
}

impl Serialize for Line {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let variant = self.info.as_ref().and_then(|info| info.variants.get(self.item.variant.index()));
        let mut line = serializer.serialize_struct("Line", 3)?;
        line.serialize_field("sku", &variant.map(|variant| variant.sku.as_str()))?;
        line.serialize_field("product_id", &view::product_id(self.item.product))?;
        line.serialize_field("quantity", &self.item.quantity.get())?;
        line.end()
    }
}

/// The id of a reservation on the wire.
pub(super) fn reservation_id(id: ReservationId) -> Id<values::Reservation> {
    Id::new(Uuid::from_u128(id.0))
}
