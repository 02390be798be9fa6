//! The figures of one variant as they were: the present ones with every later movement undone.
//!
//! The moment becomes a sequence of the product's partition first, by halving; then the product's own records are walked
//! back until that sequence is passed. So an answer costs what happened to the product since, and that is bounded.

use std::sync::Arc;
use std::time::Instant;

use holdfast_domain::product::{Event, Levels, VariantDescription, VariantNo};
use holdfast_domain::{Sku, Timestamp};
use holdfast_persistence::{self as persistence, Reader, Sequence};

use super::{Account, Error, movements, stored_turn};
use crate::Position;
use crate::record::{Events, StoredTurn};

/// Records that one walk goes through at the most.
pub const WALK_RECORDS_MAX: usize = 300_000;

/// When.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Moment {
    /// After everything that was stamped up to this time.
    At(Timestamp),
    /// After this record and everything before it in the journal.
    After(Position),
}

/// A variant as it is now, durable: where the walk begins.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Present {
    /// The product's newest record.
    pub sequence: Sequence,
    /// What the variant is called.
    pub sku: Sku,
    /// Where its units are.
    pub levels: Levels,
    /// Grows with each movement.
    pub version: u32,
    /// The time of the newest movement.
    pub updated_at: Timestamp,
}

/// A variant as it was.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Past {
    /// Where its units were.
    pub levels: Levels,
    /// How many movements it had seen.
    pub version: u32,
    /// The time of the newest of them; none where the journal does not reach back to it.
    pub updated_at: Option<Timestamp>,
}

/// What came of the question.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Found {
    /// It was like this.
    Was(Past),
    /// The variant was not there yet.
    NotYet,
    /// It was called something else.
    CalledOtherwise(Sku),
    /// The journal does not reach back so far.
    Trimmed,
    /// More happened since than is walked through, or could be in the time given.
    TooFar,
}

/// What the walk has undone so far.
struct Walk {
    levels: Levels,
    version: u32,
    /// Known while no movement was undone, or once the newest before the moment was found.
    updated_at: Option<Timestamp>,
    /// Unknown once a later description was undone.
    sku: Option<Sku>,
}

/// Tells how the variant of `account` was at `moment`, or gives up at `until`. Blocks on the disk.
///
/// # Errors
///
/// [`Error`], when the journal cannot be read.
pub fn read(
    reader: &Reader,
    account: Account,
    present: &Present,
    moment: Moment,
    until: Instant,
) -> Result<Found, Error> {
    let Some(last) = last_before(reader, account, present.sequence, moment)? else {
        return Ok(Found::Trimmed);
    };
    let mut walk = Walk {
        levels: present.levels,
        version: present.version,
        updated_at: Some(present.updated_at),
        sku: Some(present.sku.clone()),
    };
    let mut sequence = present.sequence;
    for _ in 0..WALK_RECORDS_MAX {
        let is_later = sequence > last;
        if Instant::now() >= until {
            break;
        }
        if !is_later && walk.updated_at.is_some() && walk.sku.is_some() {
            return Ok(walk.end(present));
        }
        let position = Position { partition: account.partition, sequence };
        let Some(StoredTurn { turn, at, .. }) = stored_turn(reader, position)? else {
            return Ok(if is_later { Found::Trimmed } else { walk.end(present) });
        };
        let Events::Product(events) = &turn.events else { return Ok(Found::NotYet) };
        if is_later {
            if !walk.undo(events, account.variant) {
                return Ok(Found::NotYet);
            }
        } else {
            walk.look(events, account.variant, at);
        }
        sequence = Sequence(turn.previous);
    }
    // What is still unknown then is when it last changed before, and that it was called otherwise is unlikely.
    Ok(if sequence > last { Found::TooFar } else { walk.end(present) })
}

impl Walk {
    /// Takes back what a record did; false when the variant was not there before it.
    fn undo(&mut self, events: &[Event], variant: VariantNo) -> bool {
        for (_, movement, _) in movements(events, variant).into_iter().rev() {
            self.levels.shift(movement.kind, -movement.quantity);
            self.version = self.version.wrapping_sub(1);
            self.updated_at = None;
        }
        match description(events, variant) {
            Some((_, Beginning::Yes)) => return false,
            Some((_, Beginning::No)) => self.sku = None,
            None => {}
        }
        true
    }

    /// Learns from a record before the moment what was undone before.
    fn look(&mut self, events: &[Event], variant: VariantNo, at: Timestamp) {
        let described = description(events, variant);
        let is_moved = !movements(events, variant).is_empty();
        if self.updated_at.is_none() && (is_moved || matches!(described, Some((_, Beginning::Yes)))) {
            self.updated_at = Some(at);
        }
        if let (None, Some((description, _))) = (&self.sku, described) {
            self.sku = Some(description.sku.clone());
        }
    }

    /// Where a later change of the name hides the one before, and that is not in the journal any more, it passes for the same.
    fn end(self, present: &Present) -> Found {
        match self.sku {
            Some(sku) if sku != present.sku => Found::CalledOtherwise(sku),
            _ => Found::Was(Past { levels: self.levels, version: self.version, updated_at: self.updated_at }),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Beginning {
    Yes,
    No,
}

/// How a record left the variant described, if it did.
fn description(events: &[Event], variant: VariantNo) -> Option<(&Arc<VariantDescription>, Beginning)> {
    let mut found = None;
    for event in events {
        let (description, is_beginning) = match event {
            Event::Created { variants, .. } => (variants.get(variant.index()), true),
            Event::VariantAdded { variant: added, description, .. } if *added == variant => {
                (Some(description), true)
            }
            Event::VariantDescribed { variant: no, description, .. } if *no == variant => {
                (Some(description), false)
            }
            _ => (None, false),
        };
        if let Some(description) = description {
            let was_beginning = matches!(found, Some((_, Beginning::Yes)));
            found = Some((
                description,
                if is_beginning || was_beginning { Beginning::Yes } else { Beginning::No },
            ));
        }
    }
    found
}

/// The last record of the product's partition up to `newest` that is not later than `moment`, 0 where all are; none when
/// that is not in the journal any more.
fn last_before(
    reader: &Reader,
    account: Account,
    newest: Sequence,
    moment: Moment,
) -> Result<Option<Sequence>, Error> {
    let is_later: &dyn Fn(Sequence) -> Result<Option<bool>, persistence::Error> = match moment {
        Moment::After(position) if position.partition == account.partition => {
            return Ok(Some(position.sequence.min(newest)));
        }
        Moment::At(time) => &move |sequence| {
            let record = reader.read(account.partition, sequence)?;
            Ok(record.map(|record| Timestamp(record.header.time_ms) > time))
        },
        Moment::After(position) => {
            let cut = match reader.place_of(position.partition, position.sequence) {
                Ok(Some(cut)) => cut,
                Ok(None) | Err(persistence::Error::Trimmed { .. }) => return Ok(None),
                Err(error) => return Err(error.into()),
            };
            &move |sequence| Ok(reader.place_of(account.partition, sequence)?.map(|place| place > cut))
        }
    };
    // All up to `low` are not later, or trimmed; all from `high` on are later.
    let (mut low, mut high) = (0, newest.0 + 1);
    let mut is_low_kept = true;
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        match is_later(Sequence(middle)) {
            Ok(Some(true)) => high = middle,
            Ok(Some(false)) => (low, is_low_kept) = (middle, true),
            Ok(None) | Err(persistence::Error::Trimmed { .. }) => (low, is_low_kept) = (middle, false),
            Err(error) => return Err(error.into()),
        }
    }
    // Where the first that is kept is later already, all depends on the last that was trimmed. A place of another partition that is
    // kept is behind it; of a time the journal's beginning tells.
    let is_known = is_low_kept
        || match moment {
            Moment::After(_) => true,
            Moment::At(time) => reader.start().partition(account.partition).is_some_and(|trimmed| {
                // More may be trimmed than the product's last: what came after it did is no earlier.
                trimmed.sequence >= Sequence(low) && Timestamp(trimmed.time_ms) <= time
            }),
        };
    Ok(is_known.then_some(Sequence(low)))
}

#[cfg(test)]
mod tests;
