//! Where the units of one variant are, and what came and went.

use crate::Units;

use super::MovementKind;

/// `on_hand = available + reserved + committed`: three are stored, the fourth is their sum (INV-1).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Levels {
    /// Free to be sold.
    pub available: Units,
    /// Held with a deadline, not paid.
    pub reserved: Units,
    /// Sold, not shipped.
    pub committed: Units,
}

/// Everything since the beginning, for INV-4.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Totals {
    /// Units that came in.
    pub received: u64,
    /// Units that were shipped.
    pub fulfilled: u64,
    /// Units that were removed otherwise.
    pub written_off: u64,
}

impl Levels {
    /// All units in the house.
    ///
    /// # Panics
    ///
    /// Never: whatever adds units checks that the sum fits.
    #[must_use]
    pub fn on_hand(&self) -> Units {
        self.available
            .checked_add(self.reserved)
            .and_then(|sum| sum.checked_add(self.committed))
            .expect("on_hand is checked when units are added")
    }

    /// Moves `quantity` units as a movement of that kind does. This is the one place that does figures.
    ///
    /// `quantity` counts in the bucket that the kind names: on hand for received, adjusted and counted;
    /// reserved for reserved, released and expired; committed for the rest. A negative quantity undoes.
    ///
    /// # Panics
    ///
    /// When a level would leave its range: the books are wrong then (INV-1).
    pub fn shift(&mut self, kind: MovementKind, quantity: i64) {
        let (available, reserved, committed) = match kind {
            MovementKind::Received | MovementKind::Adjusted | MovementKind::Counted => (quantity, 0, 0),
            MovementKind::Reserved | MovementKind::Released | MovementKind::Expired => {
                (-quantity, quantity, 0)
            }
            MovementKind::Extended => (0, 0, 0),
            MovementKind::Committed => (0, -quantity, quantity),
            MovementKind::Purchased | MovementKind::Canceled => (-quantity, 0, quantity),
            MovementKind::Fulfilled => (0, 0, quantity),
        };
        self.available = moved(self.available, available);
        self.reserved = moved(self.reserved, reserved);
        self.committed = moved(self.committed, committed);
    }
}

fn moved(level: Units, by: i64) -> Units {
    let sum = level.signed().checked_add(by).expect("INV-1: a level stays within its range");
    Units(u32::try_from(sum).expect("INV-1: a level is never negative"))
}
