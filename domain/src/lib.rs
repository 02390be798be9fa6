//! The rules of Holdfast: pure, deterministic state machines.
//!
//! Every aggregate is three functions: `decide` may say no and changes nothing, `apply` changes and may
//! not say no, `next_deadline` tells when it wants to be woken. Time, ids and chance are arguments, so
//! live operation, replay and tests differ only in who calls. There is no I/O, clock, randomness or
//! thread in this crate, and it depends on nobody.
//!
//! Read in this order: the small values, the product (its stock above all), accounts, idempotency.

pub mod account;
pub mod idempotency;
pub mod ids;
pub mod money;
pub mod product;
pub mod quantity;
pub mod sku;
pub mod time;

pub use account::Account;
pub use ids::{AccountId, Buyer, CategoryId, OrderId, ProductId, ReservationId};
pub use money::{Currency, Money};
pub use product::Product;
pub use quantity::{Quantity, Units};
pub use sku::Sku;
pub use time::{Millis, Timestamp};
