//! The engine as its callers see it, on a disk in memory and with a clock that stands still.

mod common;

mod golden;
mod golden_samples;

mod card;

mod selling;

mod sealed;

mod sealed_sagas;

mod sealed_money;

mod keys;

mod deadlines;

mod passivation;

mod overload;

mod ledger;

mod history_of_orders;

mod accounts;
mod sessions;

mod categories;

mod lists;

mod generations;
mod mails;

mod reservations;

mod orders;

mod checkouts;

mod crash_points;

mod checkpoints;
mod crowd;

mod deleted;

mod returns;

mod starts;

mod carts;

mod merging;

mod batches;

mod stock_batches;

mod hang_ups;

mod races;

mod payments;

mod rivals;

mod prices;
mod variants;
