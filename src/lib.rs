//! Holdfast: an actor-based, in-memory inventory server, never oversold, journaled before answered.
//!
//! This package is the edge: HTTP and JSON, flags and settings. It knows no rule of the shop; those are in
//! `holdfast-domain`, and order and time are in `holdfast-actors`.

pub mod cache;
pub mod cli;
pub mod commands {
    //! One module for each command of the binary; [`crate::cli`] says which arguments they take.
    pub mod admin;
    pub mod config;
    pub mod health;
    pub mod journal;
    pub mod mail;
    pub mod openapi;
    pub mod people;
    pub mod plain_http;
    pub mod serve;
    pub mod worker;
}
pub mod config;
pub mod facts;
pub mod http;
pub mod ids;
pub mod mail;
pub mod memory;
pub mod metering;
pub mod redis;
pub mod auth {
    //! Who somebody is: addresses, passwords, tokens, and the secret behind them. Knows no HTTP.
    pub mod email;
    pub mod password;
    pub mod refresh;
    pub mod secret;
    pub mod throttle;
    pub mod token;
}
