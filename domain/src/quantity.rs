//! Whole units: what a line asks for, and how many of something there are.

use std::fmt;

/// What one line may ask for: 1 to [`Quantity::MAX`] whole units.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Quantity(u32);

/// A level of stock: whole units, never negative.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Units(pub u32);

impl Quantity {
    /// The most that one line may ask for.
    pub const MAX: u32 = 1_000_000;

    /// One unit.
    pub const ONE: Self = Self(1);

    /// A quantity, or `None` outside 1 to [`Quantity::MAX`].
    #[must_use]
    pub const fn new(units: u32) -> Option<Self> {
        if units >= 1 && units <= Self::MAX { Some(Self(units)) } else { None }
    }

    /// The number of units.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The same as a level.
    #[must_use]
    pub const fn units(self) -> Units {
        Units(self.0)
    }
}

impl Units {
    /// No units at all.
    pub const ZERO: Self = Self(0);

    /// The sum, or `None` beyond `u32`.
    #[must_use]
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(sum) => Some(Self(sum)),
            None => None,
        }
    }

    /// The difference, or `None` below zero.
    #[must_use]
    pub const fn checked_sub(self, other: Self) -> Option<Self> {
        match self.0.checked_sub(other.0) {
            Some(rest) => Some(Self(rest)),
            None => None,
        }
    }

    /// As a signed number, for differences.
    #[must_use]
    pub fn signed(self) -> i64 {
        i64::from(self.0)
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Units {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
