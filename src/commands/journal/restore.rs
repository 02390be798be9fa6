//! `holdfast journal restore`: a folder as it was at a moment, in a new one.

use std::path::Path;

use anyhow::anyhow;
use holdfast_actors::Position;
use holdfast_actors::persistence::Folder;
use serde_json::json;

use super::newdir::NewDir;
use super::{Holder, moment, now_ms, print, source, stream_of, verify};
use crate::cli::{Exit, Failure};
use crate::config::Settings;
use crate::http::position as token;

/// Where a restored journal ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// With this record, in the order of the journal.
    Position(Position),
    /// Before the first record, in the order of the journal, that is younger than this: milliseconds since the Unix epoch.
    Time(u64),
}

impl Moment {
    /// As a query of the control socket.
    fn query(self) -> String {
        match self {
            Self::Position(position) => format!("to_position={}", token::token(position)),
            Self::Time(ms) => format!("to_ms={ms}"),
        }
    }
}

/// Rebuilds a folder as it was at a moment, from a stopped folder or from a running server, and verifies it.
///
/// # Errors
///
/// [`Exit::NotFound`] when the journal does not reach there, with the oldest moment that can be restored; [`Exit::Usage`] when the
/// moment has not come;
/// those of [`backup`](super::backup::run).
pub fn run(settings: &Settings, to: Moment, into: &Path, as_json: bool) -> Result<(), Failure> {
    if let Moment::Time(ms) = to
        && ms > now_ms()
    {
        let error =
            anyhow!("{} has not come: to copy all there is, say `holdfast journal backup`", moment(ms));
        return Err(Failure::new(Exit::Usage, error));
    }
    let new = NewDir::begin(into)?;
    let (_, end) = match Holder::of(settings)? {
        Holder::Us(folder) => source::piped(folder, Some(to), |input| new.fill("restoring", input))?,
        Holder::Server(socket) => {
            let path = format!("/journal/archive?{}", to.query());
            new.fill("restoring", &mut stream_of(&socket, "GET", &path, None)?)?
        }
    };
    let report = verify::prove(&Folder::open(new.path()).map_err(super::explain)?)?.report;
    new.finish()?;
    let (position, at) = end.last.unzip();
    print(
        &json!({
            "folder": into.display().to_string(),
            "position": position,
            "at": at.map(moment),
            "batches": end.frames,
            "records": end.records,
            "checkpoints": end.checkpoints,
            "products": report.products,
            "orders": report.orders,
            "active_reservations": report.reservations,
            "carts": report.carts,
            "accounts": report.accounts,
        }),
        as_json,
    )
}
