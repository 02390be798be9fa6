//! The queues of mails, on disk and in a real Redis: one contract for both, a model, and hard stops.

mod bench;
mod redis_server;

mod cli;
mod contract;
mod crashes;
mod model;
mod redis_alone;
