//! The real binary on a real folder, asked over a real socket.
//!
//! Every test starts its own server with [`server`], asks it with [`client`], and knows how a shop looks from
//! outside by [`shop`]. Nothing here knows a type of the server but its access tokens.

mod server;

mod buyers;
mod client;
mod shop;
mod tokens;

mod flash_sale;
mod purchases;

mod catalogue;
mod conditional;
mod lists;
mod stock;

mod callers;
mod problems;
mod validation;

mod idempotency;

mod crashes;
mod damage;
mod full_disk;
mod journal_sync;

mod operations;
mod shutdown;
