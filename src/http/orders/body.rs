//! What an order is placed with, and what is said at its later steps, field by field.

use holdfast_actors::PaymentToken;
use holdfast_actors::domain::Money;
use holdfast_actors::engine::{Basket, NewOrder};
use holdfast_actors::gateway::SIMULATED_TOKENS;
use serde::{Deserialize, Serialize};

use crate::http::check::Check;
use crate::http::field::{Fault, Field, Object, Value};
use crate::http::json::Body;
use crate::http::lines::{self, Line, RawLines};
use crate::http::openapi::inline::value_schemas;
use crate::http::values::{Email, JsonText, Text, TtlSeconds, Whole, schema};

type Address = JsonText<4096>;
type Reference = Text<1, 200>;
type Reason = Text<1, 500>;

/// One less than `i64` holds: a number beyond `i64` is read as its largest, and must not pass for it.
type Total = Whole<0, { i64::MAX - 1 }>;

/// An order to be placed; without lines of what is in the cart.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewOrder)]
pub struct NewOrderBody {
    #[schema(value_type = Option<lines::Lines>)]
    pub(super) lines: Option<Vec<Line>>,
    payment: Option<Payment>,
    shipping_address: Option<Address>,
    email: Option<Email>,
    expected_total: Option<Total>,
    ttl_seconds: Option<TtlSeconds>,
}

/// As it came.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RawOrder {
    lines: RawLines,
    payment: Field<Object<RawPayment>>,
    shipping_address: Field<Address>,
    email: Field<Email>,
    expected_total: Field<Total>,
    ttl_seconds: Field<TtlSeconds>,
}

/// How an order is paid. Never printed, and serialised only to be hashed.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Payment {
    method: Method,
    token: Token,
}

/// As it came.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RawPayment {
    method: Field<Method>,
    token: Field<Token>,
}

/// Who takes the money.
#[derive(Clone, Copy, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = PaymentMethod)]
enum Method {
    /// A provider without a bank.
    Simulated,
}

/// What the provider takes it with.
#[derive(Serialize)]
struct Token(Box<str>);

/// Money that somebody else took.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Confirmation {
    payment_reference: Option<Reference>,
}

/// As it came.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RawConfirmation {
    payment_reference: Field<Reference>,
}

/// Why an order is not wanted any more.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Cancelation {
    reason: Option<Reason>,
}

/// As it came.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RawCancelation {
    reason: Field<Reason>,
}

value_schemas! {
    impl[] Token as "token" => schema::text().enum_values(Some(SIMULATED_TOKENS));
}

impl Body for NewOrderBody {
    type Raw = RawOrder;

    fn check(raw: RawOrder, check: &mut Check) -> Option<Self> {
        let lines = match raw.lines {
            Field::Absent | Field::Null => Some(None),
            lines => lines::check(lines, check).map(Some),
        };
        let payment = check.optional_object("payment", raw.payment, Payment::check);
        let shipping_address = check.optional("shipping_address", raw.shipping_address);
        let email = check.optional("email", raw.email);
        let expected_total = check.optional("expected_total", raw.expected_total);
        let ttl_seconds = check.optional("ttl_seconds", raw.ttl_seconds);
        Some(Self {
            lines: lines?,
            payment: payment?,
            shipping_address: shipping_address?,
            email: email?,
            expected_total: expected_total?,
            ttl_seconds: ttl_seconds?,
        })
    }
}

impl NewOrderBody {
    /// The same for the actors.
    pub(super) fn to_actors(&self) -> NewOrder {
        NewOrder {
            basket: self.lines.as_deref().map_or(Basket::Cart, |lines| Basket::Lines(lines::wanted(lines))),
            email: self.email.as_ref().map(|email| email.as_str().into()),
            shipping_address: self.shipping_address.as_ref().map(|address| address.as_str().into()),
            expected_total: self.expected_total.map(|total| Money(total.get())),
            ttl: self.ttl_seconds.map(TtlSeconds::to_domain),
            payment: self.payment.as_ref().map(Payment::to_actors),
        }
    }
}

impl Body for Payment {
    type Raw = RawPayment;

    fn check(raw: RawPayment, check: &mut Check) -> Option<Self> {
        let method = check.required("method", raw.method);
        let token = check.required("token", raw.token);
        Some(Self { method: method?, token: token? })
    }
}

impl Payment {
    /// The same for the actors.
    pub(super) fn to_actors(&self) -> PaymentToken {
        let Method::Simulated = self.method;
        PaymentToken(self.token.0.clone())
    }
}

impl Value<'_> for Method {
    const EXPECTED: &'static str = "a string";

    fn from_text(text: &str) -> Result<Self, Fault> {
        match text {
            "simulated" => Ok(Self::Simulated),
            _ => Err(Fault::new("unknown_value", "Must be simulated.")),
        }
    }
}

impl Value<'_> for Token {
    const EXPECTED: &'static str = "a string";

    fn from_text(text: &str) -> Result<Self, Fault> {
        if SIMULATED_TOKENS.contains(&text) {
            return Ok(Self(text.into()));
        }
        Err(Fault::new("unknown_value", format!("Must be one of {}.", SIMULATED_TOKENS.join(", "))))
    }
}

impl Body for Confirmation {
    type Raw = RawConfirmation;

    const MAY_BE_ABSENT: bool = true;

    fn check(raw: RawConfirmation, check: &mut Check) -> Option<Self> {
        let payment_reference = check.optional("payment_reference", raw.payment_reference);
        Some(Self { payment_reference: payment_reference? })
    }
}

impl Confirmation {
    pub(super) fn reference(&self) -> Option<Box<str>> {
        self.payment_reference.as_ref().map(|text| text.as_str().into())
    }
}

impl Body for Cancelation {
    type Raw = RawCancelation;

    const MAY_BE_ABSENT: bool = true;

    fn check(raw: RawCancelation, check: &mut Check) -> Option<Self> {
        let reason = check.optional("reason", raw.reason);
        Some(Self { reason: reason? })
    }
}

impl Cancelation {
    pub(super) fn reason(&self) -> Option<Box<str>> {
        self.reason.as_ref().map(|text| text.as_str().into())
    }
}
