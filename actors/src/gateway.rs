//! Money: one trait that a payment provider implements, and the simulated one.
//!
//! An order is charged under its own id, so asking twice charges once: a provider must promise that, as all of them
//! do (they call it an idempotency key).

use std::future::{Future, ready};
use std::pin::Pin;

use holdfast_domain::{Currency, Money, OrderId};

/// What a provider answers, some time.
pub type Answering<T> = Pin<Box<dyn Future<Output = T>>>;

/// What the buyer's client gives us to charge them with. Never written anywhere.
#[derive(Clone, PartialEq, Eq)]
pub struct PaymentToken(pub Box<str>);

/// So much money for that order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Charge {
    /// The same order is charged once, however often it is asked for.
    pub order: OrderId,
    /// How much.
    pub amount: Money,
    /// Of what.
    pub currency: Currency,
    /// From whom.
    pub token: PaymentToken,
}

/// How a charge went.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Charged {
    /// The money is ours.
    Approved {
        /// The payment's name at the provider.
        reference: Box<str>,
    },
    /// It is not, and will not be.
    Declined,
    /// Nobody knows: the provider did not answer in time.
    Unknown,
}

/// A payment provider.
pub trait PaymentGateway: Send + Sync + 'static {
    /// Asks for money. Must answer within seconds; [`Charged::Unknown`] is an answer.
    fn charge(&self, charge: Charge) -> Answering<Charged>;

    /// Gives the money of an order back; true when that is done. The same order is refunded once.
    fn refund(&self, order: OrderId) -> Answering<bool>;
}

/// Tokens that the simulated provider knows.
pub const SIMULATED_TOKENS: [&str; 3] = [TOKEN_OK, TOKEN_DECLINED, TOKEN_TIMEOUT];

const TOKEN_OK: &str = "tok_ok";
const TOKEN_DECLINED: &str = "tok_declined";
const TOKEN_TIMEOUT: &str = "tok_timeout";

/// A provider without a bank: the token says how the charge goes.
#[derive(Clone, Copy, Debug, Default)]
pub struct SimulatedGateway;

impl PaymentGateway for SimulatedGateway {
    fn charge(&self, charge: Charge) -> Answering<Charged> {
        let charged = match &*charge.token.0 {
            TOKEN_OK => {
                let name = format!("sim_{}", uuid::Uuid::from_u128(charge.order.0).as_simple());
                Charged::Approved { reference: name.into() }
            }
            // As a provider would whose answer got lost: only sooner, for nothing is won by waiting.
            TOKEN_TIMEOUT => Charged::Unknown,
            _ => Charged::Declined,
        };
        Box::pin(ready(charged))
    }

    fn refund(&self, _: OrderId) -> Answering<bool> {
        Box::pin(ready(true))
    }
}

impl std::fmt::Debug for PaymentToken {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("PaymentToken(…)")
    }
}
