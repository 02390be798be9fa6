//! How an order looks on the wire.

use holdfast_actors::OrderFacts;
use holdfast_actors::domain::order::{Cancelation, OrderLine, Payment, Source};
use serde::Serialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::StatusWord;
use super::number::number;
use crate::http::openapi::inline::value_schemas;
use crate::http::prices::step::PriceStep;
use crate::http::problem::Code;
use crate::http::values::{self, Id, schema};
use crate::http::view::{self, Moment, order_id, product_id};

/// An order.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Order<'a> {
    id: Id<values::Order>,
    number: String,
    status: StatusWord,
    #[schema(value_type = PaymentStatus)]
    payment_status: &'static str,
    lines: Vec<Line<'a>>,
    subtotal: i64,
    discount: i64,
    total: i64,
    currency: &'a str,
    email: Option<&'a str>,
    #[schema(value_type = Option<Object>)]
    shipping_address: Option<&'a RawValue>,
    customer_id: Option<Id<values::User>>,
    cart_id: Option<Id<values::Cart>>,
    reservation_id: Option<Id<values::Reservation>>,
    payment_reference: Option<&'a str>,
    expires_at: Option<Moment>,
    created_at: Moment,
    updated_at: Moment,
    confirmed_at: Option<Moment>,
    fulfilled_at: Option<Moment>,
    canceled_at: Option<Moment>,
    cancel_reason: Option<&'a str>,
    reacquired: bool,
    version: u32,
}

/// A line of it, as it was when it was placed.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = OrderLine)]
struct Line<'a> {
    sku: &'a str,
    product_id: Id<values::Product>,
    name: &'a str,
    quantity: u32,
    unit_price: i64,
    total: i64,
    breakdown: Vec<PriceStep<'a>>,
}

/// The words of [`payment_status`].
enum PaymentStatus {}

value_schemas! {
    impl[] PaymentStatus as "payment_status" =>
        schema::text().enum_values(Some(["pending", "paid", "failed", "refund_required", "refunded"]));
}

impl<'a> Order<'a> {
    /// The view of an order.
    pub(super) fn of(facts: &'a OrderFacts) -> Self {
        let (placed, standing) = (&*facts.placed, &facts.standing);
        let canceled = standing.cancelation.as_ref();
        let (cart_id, reservation_id) = match placed.source {
            Source::Cart(cart) => (Some(Id::new(Uuid::from_u128(cart.0))), None),
            Source::Reservation(reservation) => (None, Some(Id::new(Uuid::from_u128(reservation.0)))),
            Source::Lines | Source::Purchase => (None, None),
        };
        Self {
            id: order_id(facts.id),
            number: number(facts.id),
            status: standing.status.into(),
            payment_status: payment_status(standing.payment),
            lines: placed.lines.iter().map(Line::of).collect(),
            subtotal: placed.subtotal.0,
            discount: placed.discount.0,
            total: placed.total.0,
            currency: placed.currency.as_str(),
            email: placed.email.as_deref(),
            shipping_address: placed.shipping_address.as_deref().map(view::own_object),
            customer_id: placed.owner.account().map(|account| Id::new(Uuid::from_u128(account.0))),
            cart_id,
            reservation_id,
            payment_reference: standing.reference.as_deref(),
            expires_at: placed.deadline.filter(|_| standing.confirmed_at.is_none()).map(Moment),
            created_at: Moment(facts.placed_at),
            updated_at: Moment(standing.updated_at),
            confirmed_at: standing.confirmed_at.map(Moment),
            fulfilled_at: standing.fulfilled_at.map(Moment),
            canceled_at: standing.canceled_at.map(Moment),
            cancel_reason: canceled.and_then(|(why, reason)| cancel_reason(*why, reason.as_deref())),
            reacquired: standing.is_reacquired,
            version: standing.version,
        }
    }
}

impl<'a> Line<'a> {
    fn of(line: &'a OrderLine) -> Self {
        Self {
            sku: line.sku.as_str(),
            product_id: product_id(line.item.product),
            name: &line.name,
            quantity: line.item.quantity.get(),
            unit_price: line.unit_price.0,
            total: line.total.0,
            breakdown: line.breakdown.iter().map(PriceStep::of).collect(),
        }
    }
}

/// What was said, or that the bank said no.
pub(super) fn cancel_reason(why: Cancelation, reason: Option<&str>) -> Option<&str> {
    match why {
        Cancelation::Declined => Some(Code::PaymentFailed.as_str()),
        Cancelation::ByOwner | Cancelation::ByAdmin => reason,
    }
}

/// Where an order's money is, as a word.
pub(crate) const fn payment_status(payment: Payment) -> &'static str {
    match payment {
        Payment::Pending => "pending",
        Payment::Paid => "paid",
        Payment::Failed => "failed",
        Payment::RefundRequired => "refund_required",
        Payment::Refunded => "refunded",
    }
}
