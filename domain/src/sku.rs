//! The natural key of a sellable unit.

use std::fmt;

/// 1 to 64 characters of `[A-Za-z0-9._-]`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Sku(Box<str>);

impl Sku {
    /// The most characters of a sku.
    pub const LEN_MAX: usize = 64;

    /// A sku, or `None` when the text is not one.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let is_well_formed = !text.is_empty()
            && text.len() <= Self::LEN_MAX
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
        is_well_formed.then(|| Self(text.into()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Sku {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
