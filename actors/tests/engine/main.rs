//! The engine as its callers see it, on a disk in memory and with a clock that stands still.

mod common;

mod golden;
mod golden_samples;

mod card;

mod selling;

mod sealed;

mod keys;

mod deadlines;

mod passivation;

mod overload;

mod ledger;

mod accounts;
