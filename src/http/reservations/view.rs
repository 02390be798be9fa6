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
use crate::http::lines::Line as Asked;
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
    skus: Skus<'a>,
}

/// Where the skus of its lines are.
enum Skus<'a> {
    /// With the engine; of a product that is gone there is none.
    Known(&'a Engine),
    /// In the request that made it: they were found there a moment ago, and looking a thousand of them up again costs as
    /// much as holding them.
    Asked(&'a [Asked]),
}

/// One of them.
struct Line<'a> {
    item: &'a Item,
    sku: Sold<'a>,
}

/// What is sold under which sku.
enum Sold<'a> {
    Known(Option<Arc<Info>>),
    Asked(&'a str),
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
        Self::with(facts, Skus::Known(engine))
    }

    /// The same in the answer to the request that made it, with these lines.
    pub(super) fn as_asked(facts: &'a ReservationFacts, lines: &'a [Asked]) -> Self {
        Self::with(facts, Skus::Asked(lines))
    }

    fn with(facts: &'a ReservationFacts, skus: Skus<'a>) -> Self {
        let reservation = &facts.reservation;
        Self {
            id: reservation_id(facts.id),
            status: reservation.hold.state.into(),
            lines: Lines { items: &reservation.items, skus },
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
        match self.skus {
            Skus::Known(engine) => {
                let sold = |item: &Item| Sold::Known(engine.info(item.product));
                serializer.collect_seq(self.items.iter().map(|item| Line { item, sku: sold(item) }))
            }
            Skus::Asked(lines) => {
                let each = self.items.iter().zip(lines);
                serializer.collect_seq(
                    each.map(|(item, asked)| Line { item, sku: Sold::Asked(asked.sku.as_str()) }),
                )
            }
        }
    }
}

impl Serialize for Line<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let sku = match &self.sku {
            Sold::Known(info) => {
                let variant = info.as_ref().and_then(|info| info.variants.get(self.item.variant.index()));
                variant.map(|variant| variant.sku.as_str())
            }
            Sold::Asked(sku) => Some(*sku),
        };
        let mut line = serializer.serialize_struct("Line", 3)?;
        line.serialize_field("sku", &sku)?;
        line.serialize_field("product_id", &view::product_id(self.item.product))?;
        line.serialize_field("quantity", &self.item.quantity.get())?;
        line.end()
    }
}

/// The id of a reservation on the wire.
pub(super) fn reservation_id(id: ReservationId) -> Id<values::Reservation> {
    Id::new(Uuid::from_u128(id.0))
}
