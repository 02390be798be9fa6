//! A ledger from its beginning: the oldest movements first, or how many there are. The journal is linked backwards, so
//! either walks through all of it, and is refused where that is long.

use std::collections::VecDeque;
use std::time::Instant;

use holdfast_domain::product::MovementKind;
use holdfast_persistence::{Reader, Sequence};

use super::{Account, Bookmark, Error, Row, WALK_RECORDS_MAX, read};

/// Reads of [`WALK_RECORDS_MAX`] records that are made at the most.
const READS_MAX: usize = 20;

/// The place of a movement: those after it come next.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Shown {
    /// The record.
    pub sequence: Sequence,
    /// Its place among the movements of the record.
    pub index: u16,
}

/// The first of what follows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Oldest {
    /// Oldest first.
    pub rows: Vec<Row>,
    /// Whether there are more.
    pub has_more: bool,
}

/// Reads up to `rows_max` movements after `shown` that `wants` accepts, oldest first; none when the walk from now back to it
/// is too long, or is not done at `until`. Blocks on the disk.
///
/// # Errors
///
/// [`Error`], when the journal cannot be read.
pub fn oldest(
    reader: &Reader,
    account: Account,
    from: Bookmark,
    until: Instant,
    shown: Option<Shown>,
    rows_max: usize,
    wants: impl Fn(MovementKind) -> bool,
) -> Result<Option<Oldest>, Error> {
    let mut kept = VecDeque::new();
    let mut has_more = false;
    let is_whole = walk(reader, account, from, until, wants, |row| {
        let place = Shown { sequence: row.position.sequence, index: row.index };
        if shown.is_some_and(|shown| place <= shown) {
            return false;
        }
        kept.push_front(row);
        if kept.len() > rows_max {
            kept.pop_back();
            has_more = true;
        }
        true
    })?;
    Ok(is_whole.then(|| Oldest { rows: kept.into(), has_more }))
}

/// Counts the movements that `wants` accepts; none when there are too many, or not all are counted at `until`. Blocks on the disk.
///
/// # Errors
///
/// [`Error`], when the journal cannot be read.
pub fn count(
    reader: &Reader,
    account: Account,
    from: Bookmark,
    until: Instant,
    wants: impl Fn(MovementKind) -> bool,
) -> Result<Option<usize>, Error> {
    let mut count = 0;
    let is_whole = walk(reader, account, from, until, wants, |_| {
        count += 1;
        true
    })?;
    Ok(is_whole.then_some(count))
}

/// Lends rows, newest first, until `visit` says that it is enough; false when that did not come to an end.
fn walk(
    reader: &Reader,
    account: Account,
    from: Bookmark,
    until: Instant,
    wants: impl Fn(MovementKind) -> bool,
    mut visit: impl FnMut(Row) -> bool,
) -> Result<bool, Error> {
    let mut from = from;
    for _ in 0..READS_MAX {
        if Instant::now() >= until {
            break;
        }
        let page = read(reader, account, from, WALK_RECORDS_MAX, &wants)?;
        for row in page.rows {
            if !visit(row) {
                return Ok(true);
            }
        }
        match page.next {
            Some(next) => from = next,
            None => return Ok(true),
        }
    }
    Ok(false)
}
