//! Money in whole minor units of an ISO 4217 currency. No floats.

use std::fmt;

use crate::Quantity;

/// An amount in minor units (cents, yen). The currency is kept beside it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Money(pub i64);

/// An ISO 4217 code: three capital letters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Currency([u8; 3]);

impl Money {
    /// The largest price of one unit, so that a line of [`Quantity::MAX`] units always fits.
    pub const PRICE_MAX: i64 = 1_000_000_000_000;

    /// The sum, never below zero and never above [`Money::PRICE_MAX`]: what one unit costs after an adjustment.
    #[must_use]
    pub fn adjusted(self, adjustment: Self) -> Self {
        Self(self.0.saturating_add(adjustment.0).clamp(0, Self::PRICE_MAX))
    }

    /// The price of `quantity` units at this price for one.
    ///
    /// # Panics
    ///
    /// Never for prices up to [`Money::PRICE_MAX`], which every price is checked against when it is set.
    #[must_use]
    pub fn times(self, quantity: Quantity) -> Self {
        Self(self.0.checked_mul(i64::from(quantity.get())).expect("prices are bounded by PRICE_MAX"))
    }
}

impl Currency {
    /// A currency, or `None` when the text is not three capital letters.
    ///
    /// Whether the code is assigned is a matter of the edge, which knows the ISO table.
    #[must_use]
    pub fn new(code: &str) -> Option<Self> {
        Self::from_bytes(code.as_bytes().try_into().ok()?)
    }

    /// The same from three bytes of ASCII.
    #[must_use]
    pub fn from_bytes(code: [u8; 3]) -> Option<Self> {
        code.iter().all(u8::is_ascii_uppercase).then_some(Self(code))
    }

    /// The three letters as bytes of ASCII.
    #[must_use]
    pub const fn bytes(self) -> [u8; 3] {
        self.0
    }

    /// The three letters.
    ///
    /// # Panics
    ///
    /// Never: the constructor lets only ASCII letters in.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("three ASCII letters")
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
