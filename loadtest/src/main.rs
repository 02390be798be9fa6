//! The customer of Holdfast: a flash sale over real HTTP, measured, and audited by books of its own.
//!
//! Speaks HTTP only and shares no type with the server. In the order one should read them: what may be
//! asked (`cli`), who is asked (`server`, `binary`, `guard`, `victim`), how (`wire`, `engine`, `caller`, `shop`), what
//! for (`sale`, `floor`, `crash`, `checkout`, `last_unit`, `storm`), and who judges (`claims`, `auditor`, `findings`,
//! `report`).

mod cli;

mod binary;
mod guard;
mod server;
mod victim;

mod caller;
mod engine;
mod shop;
mod wire;

mod checkout;
mod crash;
mod floor;
mod floor_server;
mod last_unit;
mod sale;
mod storm;

mod auditor;
mod claims;
mod findings;
mod report;

mod cpu;
mod numbers;
mod wall_clock;

#[cfg(test)]
mod fake_shop;

use std::process::ExitCode;

/// Exit code when an invariant was broken, a must was missed under `--enforce`, or nothing could be measured.
const EXIT_FAILURE: u8 = 1;

fn main() -> ExitCode {
    let outcome = guard::install().and_then(|()| cli::run());
    guard::release_all();
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(EXIT_FAILURE),
        Err(error) => {
            eprintln!("loadtest: {error:#}");
            ExitCode::from(EXIT_FAILURE)
        }
    }
}
