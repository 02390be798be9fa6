//! The customer of Holdfast: a flash sale over real HTTP, measured, and audited by books of its own.
//!
//! Speaks HTTP only and shares no type with the server. In the order one should read them: what may be
//! asked (`cli`), who is asked (`place`, `server`, `binary`, `guard`, `victim`), how (`wire`, `engine`, `load`,
//! `caller`, `shop`), what for (`plenty`, `sale`, `scenarios`, `floor`, `contenders`, `crash`, `checkout`,
//! `last_unit`, `storm`), who judges (`claims`, `auditor`, `findings`, `report`), and what is left behind (`results`,
//! `document`, `series`, `compare`, `page`).

mod cli;

mod binary;
mod guard;
mod place;
mod server;
mod victim;

mod caller;
mod engine;
mod shop;
mod wire;

mod budget;
mod checkout;
mod contenders;
mod crash;
mod floor;
mod floor_server;
mod last_unit;
mod load;
mod plenty;
mod sale;
mod scenarios;
mod storm;

mod auditor;
mod claims;
mod document;

mod compare;
mod findings;
mod page;
mod report;
mod results;
mod series;
mod stolen;

mod alone;
mod cpu;
mod numbers;
mod wall_clock;

#[cfg(test)]
mod fake_shop;

use std::process::ExitCode;

/// Holdfast's own: else the floor and the contenders' fronts would be slower for something that is not theirs.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
