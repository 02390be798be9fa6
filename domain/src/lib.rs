//! The rules of Holdfast: pure, deterministic state machines.
//!
//! Every aggregate is three functions: `decide` may say no and changes nothing, `apply` changes and may
//! not say no, `next_deadline` tells when it wants to be woken. Time, ids and chance are arguments, so
//! live operation, replay and tests differ only in who calls. There is no I/O, clock, randomness or
//! thread in this crate, and it depends on nobody.
//!
//! Read in this order: the small values, the product (its stock above all), the reservation machine (`hold`), those
//! who own holds (`reservation`, `cart`, `order`), the steps between owners and products (`saga`), accounts, categories,
//! idempotency.

pub mod ids;
pub mod item;
pub mod money;
pub mod owner;
pub mod quantity;
pub mod sku;
pub mod time;

pub mod product;

pub mod hold;

pub mod cart;
pub mod order;
pub mod price;
pub mod reservation;

pub mod saga;

pub mod account;
pub mod category;
pub mod idempotency;

pub use account::Account;
pub use cart::Cart;
pub use category::{Categories, Category};
pub use hold::Hold;
pub use ids::{AccountId, Buyer, CartId, CategoryId, OrderId, ProductId, ReservationId, RuleId};
pub use item::Item;
pub use money::{Currency, Money};
pub use order::Order;
pub use owner::Owner;
pub use product::Product;
pub use quantity::{Quantity, Units};
pub use reservation::Reservation;
pub use sku::Sku;
pub use time::{Millis, Timestamp};
