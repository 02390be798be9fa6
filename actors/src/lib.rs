//! The shell of Holdfast: it gives the pure rules of `domain` an order, a time and a memory that stays.
//!
//! Every product is an actix actor on one shard thread; what its turn decides is pushed to the journal and
//! answered only when it is durable. The crate knows nothing of HTTP or JSON; `src` calls [`Engine`].
//!
//! Read in this order: the values that go in and out (`context`, `outcome`, `position`), the parts of a turn
//! (`clock`, `pending`, `keys`, `few`, `card`, `directory`, `listing`, `catalogue`, `pricing`), the actors (`shard`,
//! `product_actor`, `passive`, `places`, `accounts`, `categories`, `prices`), those who
//! own units (`sagas` and the `supervisors` that run them), what goes to disk and comes back (`record`, `recovery`,
//! `ledger`, `history`), and the door (`engine`).

pub mod context;
pub mod outcome;
pub mod position;

pub mod clock;
pub mod keys;
pub mod pending;

pub mod few;

pub mod card;
pub mod directory;

mod listing;

pub mod catalogue;

mod accounts;
mod categories;
mod outbox;
mod passive;
mod places;
mod prices;
mod pricing;
mod product_actor;
mod shard;
mod skus;
pub mod slots;
mod turn;

pub mod gateway;

pub mod mails;

mod deadlines;
mod lanes;
mod sagas;

mod peers;
mod supervisors;

pub mod checkpoint;
pub mod history;
mod image;
pub mod ledger;
pub mod record;
pub mod recovery;

pub mod engine;

#[cfg(test)]
mod simulation;

pub use clock::{Clock, ManualClock, SystemClock};
pub use context::{Actor, Context, RequestId, RequestKey};
pub use engine::{Answer, Engine, Failure, Options, Overload};
pub use gateway::{PaymentGateway, PaymentToken, SimulatedGateway};
pub use holdfast_domain as domain;
pub use holdfast_persistence as persistence;
pub use outcome::{
    CartFacts, Inventory, OrderFacts, Outcome, ProductFacts, Purchased, Refused, ReservationFacts,
    StockChange, VariantFacts,
};
pub use pending::{Pending, Stopped};
pub use position::Position;
pub use sagas::{Ids, Who};
