//! The ledger of one variant, newest movement first, read from the journal itself.
//!
//! Every record names the record before it of the same product, so a page costs as many reads as it has records,
//! however long the journal is, and nothing is kept in memory for it. The figures after each movement are the
//! present ones with the later movements undone.

pub mod past;
pub mod whole;

use holdfast_domain::product::movement::Cause;
use holdfast_domain::product::{Event, Levels, MovementKind, Reason, VariantNo};
use holdfast_domain::{ProductId, Timestamp};
use holdfast_persistence::{Partition, Reader, Sequence};

use crate::Position;
use crate::context::Actor;
use crate::record::{self, Entity, Events, StoredTurn};

/// Records that one page walks over at the most, where few of them match.
pub const WALK_RECORDS_MAX: usize = 5_000;

/// Where a page goes on: everything before it was shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bookmark {
    /// The record to read next.
    pub sequence: Sequence,
    /// How many of its movements were shown.
    pub shown: u16,
    /// The figures after the next movement.
    pub levels: Levels,
}

/// One movement.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Row {
    /// The place of its record.
    pub position: Position,
    /// Its place among the movements of its record.
    pub index: u16,
    /// What it did.
    pub kind: MovementKind,
    /// How many units, in the bucket that the kind names.
    pub delta: i64,
    /// The figures after it.
    pub after: Levels,
    /// Why, for an adjustment.
    pub reason: Option<Reason>,
    /// A document's number, for an adjustment.
    pub reference: Option<Box<str>>,
    /// For people, for an adjustment.
    pub note: Option<Box<str>>,
    /// What brought it about.
    pub cause: Cause,
    /// Who brought it about.
    pub actor: Actor,
    /// When.
    pub at: Timestamp,
}

/// Some movements, and where to go on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Page {
    /// Newest first.
    pub rows: Vec<Row>,
    /// None when there are no more.
    pub next: Option<Bookmark>,
}

/// The ledger, or the history of an order, cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The journal cannot be read.
    #[error("read the journal")]
    Journal(#[from] holdfast_persistence::Error),
    /// A record is not what it must be.
    #[error("read record {sequence} of partition {partition}")]
    Record {
        /// Where.
        partition: Partition,
        /// Which.
        sequence: Sequence,
        /// Why not.
        #[source]
        source: record::DecodeError,
    },
}

/// Whose ledger.
#[derive(Clone, Copy, Debug)]
pub struct Account {
    /// The product.
    pub product: ProductId,
    /// Where its records are.
    pub partition: Partition,
    /// The variant.
    pub variant: VariantNo,
}

/// Reads up to `rows_max` movements of `account` that `wants` accepts. Blocks on the disk.
///
/// # Errors
///
/// [`Error`], when the journal cannot be read.
pub fn read(
    reader: &Reader,
    account: Account,
    from: Bookmark,
    rows_max: usize,
    wants: impl Fn(MovementKind) -> bool,
) -> Result<Page, Error> {
    let mut walk = from;
    let mut rows = Vec::new();
    for _ in 0..WALK_RECORDS_MAX {
        let position = Position { partition: account.partition, sequence: walk.sequence };
        let Some(StoredTurn { turn, at, .. }) = stored_turn(reader, position)? else {
            return Ok(Page { rows, next: None });
        };
        debug_assert_eq!(turn.entity, Entity::Product(account.product), "records are chained by product");
        let Events::Product(events) = &turn.events else { return Ok(Page { rows, next: None }) };
        let movements = movements(events, account.variant);
        for (index, movement, event) in movements.into_iter().rev().skip(usize::from(walk.shown)) {
            if rows.len() == rows_max {
                return Ok(Page { rows, next: Some(walk) });
            }
            if wants(movement.kind) {
                let (reference, note) = texts(event);
                rows.push(Row {
                    position,
                    index,
                    kind: movement.kind,
                    delta: movement.quantity,
                    after: walk.levels,
                    reason: movement.reason,
                    reference,
                    note,
                    cause: movement.cause,
                    actor: turn.actor,
                    at,
                });
            }
            walk.levels.shift(movement.kind, -movement.quantity);
            walk.shown += 1;
        }
        walk = Bookmark { sequence: Sequence(turn.previous), shown: 0, levels: walk.levels };
    }
    Ok(Page { rows, next: Some(walk) })
}

/// The turn at `position`; none where the journal begins later, or before the first record.
///
/// # Errors
///
/// [`Error`].
pub(crate) fn stored_turn(reader: &Reader, position: Position) -> Result<Option<StoredTurn>, Error> {
    let Position { partition, sequence } = position;
    if sequence.0 == 0 {
        return Ok(None);
    }
    let record = match reader.read(partition, sequence) {
        Ok(Some(record)) => record,
        Ok(None) | Err(holdfast_persistence::Error::Trimmed { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let turn = StoredTurn::read(record.as_record());
    turn.map(Some).map_err(|source| Error::Record { partition, sequence, source })
}

type Numbered<'a> = (u16, holdfast_domain::product::Movement, &'a Event);

/// The movements of one variant, each with its place among all of the record.
fn movements(events: &[Event], variant: VariantNo) -> Vec<Numbered<'_>> {
    let mut found = Vec::new();
    let mut index = 0;
    for event in events {
        event.movements(|movement| {
            if movement.variant == variant {
                found.push((index, movement, event));
            }
            index += 1;
        });
    }
    found
}

fn texts(event: &Event) -> (Option<Box<str>>, Option<Box<str>>) {
    match event {
        Event::Adjusted { reference, note, .. } => (reference.clone(), note.clone()),
        _ => (None, None),
    }
}
