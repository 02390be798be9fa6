//! The HTTP edge. Knows JSON, headers and statuses; decides nothing about stock.
//!
//! A request passes [`edge`] and [`gate`], is routed by [`routes`], and its parts are read by the extractors: [`caller`],
//! [`json`], [`query`], [`idempotency`]. Whatever goes wrong is a [`problem`].

pub mod direct;
pub mod routes;

mod accept;
pub mod address;
pub mod connection;
pub mod cors;
pub mod edge;
pub mod gate;
pub mod limits;
pub mod request_id;

mod error;
pub mod problem;

pub mod caller;
pub mod idempotency;
mod verified;

pub mod check;
pub mod field;
pub mod json;
pub mod lines;
pub mod values;

pub mod cursor;
pub mod listing_cache;
pub mod page;
pub mod query;

pub mod auth;
pub mod cart;
pub mod categories;
pub mod events;
pub mod health;
pub mod inventory;
pub mod metrics;
pub mod movements;
pub mod orders;
pub mod prices;
pub mod products;
pub mod purchase;
pub mod reservations;
pub mod users;
pub mod variants;

pub mod answer;
pub mod context;
pub mod position;
pub mod refusal;
pub mod shop;
pub mod view;

#[cfg(feature = "swagger")]
pub mod docs;
pub mod openapi;

#[cfg(test)]
mod tests;
