//! The real binary on a real folder, asked over a real socket.
//!
//! Every test starts its own server with [`server`], asks it with [`client`], and knows how a shop looks from
//! outside by [`shop`]. Nothing here knows a type of the server but its access tokens.

mod server;

mod buyers;
mod client;
mod folders;
mod gate;
mod mailbox;
mod people;
mod person;
mod raw;
mod redis_server;
mod shop;
mod smtp;
mod tokens;

mod flash_sale;
mod purchases;

mod catalogue;
mod categories;
mod conditional;
mod lists;
mod movements;
mod past;
mod products_crashes;
mod products_patch;
mod products_put;
mod searches;
mod stock;
mod stock_batches;
mod variants;

mod batches;
mod carts;
mod merging;
mod order_lists;
mod order_steps;
mod orders;
mod payments;
mod price_rules;
mod prices;
mod reservations;

mod accounts;
mod admin_cli;
mod callers;
mod problems;
mod sessions;
mod validation;

mod browsers;
mod limits;
mod strangers;
mod wire;

mod idempotency;
mod races;
mod retries;

mod crashes;
mod damage;
mod drill;
mod everything;
mod full_disk;
mod golden_folder;
mod journal_export;
mod journal_import;
mod journal_sync;

mod contract;

mod journal_backup;
mod journal_desk;
mod journal_manners;
mod journal_repair;
mod journal_restore;
mod journal_tail;
mod journal_trim;

mod operations;
mod shutdown;

mod event_streams;
mod events;
mod listing_cache;
mod listing_outages;
mod metrics;
mod redis_link;
mod timelines;
mod trimmed;

mod mail_cli;
mod mail_serve;
mod mail_server;
mod worker;
mod worker_faults;

mod mails;

mod mail_kills;
mod mail_restarts;
