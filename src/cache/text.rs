//! Text with holes: JSON in which the figures that change with every purchase are left open.

use std::io::Write as _;

use holdfast_actors::engine::Listed;
use serde::{Serialize, Serializer};
use serde_json::ser::Formatter;

/// Stands for a figure. No JSON has this byte: strings escape it, and no number, word or blank is it.
const HOLE: u8 = 0;

/// Memory of a text besides its bytes, about.
const OVERHEAD_BYTES: usize = 512;

/// A figure that is filled in later; only for [`with_holes`].
pub struct Hole;

/// A list as it was loaded, without stock figures.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Text {
    bytes: Vec<u8>,
    /// Where [`HOLE`] is, ascending.
    holes: Vec<usize>,
    products: Vec<Listed>,
    next: Option<Vec<u8>>,
    total: Option<u64>,
}

impl Text {
    /// A list of `products`, with as many holes as they have figures; none when it has more or fewer. `next` is where the
    /// next page begins, in a form of the caller's, and `total` how many there are on all pages.
    #[must_use]
    pub fn new(
        mut bytes: Vec<u8>,
        mut products: Vec<Listed>,
        next: Option<Vec<u8>>,
        total: Option<u64>,
    ) -> Option<Self> {
        let mut holes: Vec<usize> =
            bytes.iter().enumerate().filter(|(_, byte)| **byte == HOLE).map(|(place, _)| place).collect();
        // It may be kept for long, and what was written piece by piece has room for nearly as much again.
        bytes.shrink_to_fit();
        holes.shrink_to_fit();
        products.shrink_to_fit();
        // Each product has the sum, and then the figure of each variant.
        let figures: usize = products.iter().map(|product| product.variants.saturating_add(1)).sum();
        (holes.len() == figures).then_some(Self { bytes, holes, products, next, total })
    }

    /// A text without figures.
    ///
    /// # Panics
    ///
    /// When it has a hole.
    #[must_use]
    pub fn whole(bytes: Vec<u8>) -> Self {
        Self::new(bytes, Vec::new(), None, None).expect("JSON of plain values has no hole")
    }

    /// The text, holes and all.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The products in it.
    #[must_use]
    pub fn products(&self) -> &[Listed] {
        &self.products
    }

    /// Where the next page begins.
    #[must_use]
    pub fn next(&self) -> Option<&[u8]> {
        self.next.as_deref()
    }

    /// How many there are on all pages.
    #[must_use]
    pub const fn total(&self) -> Option<u64> {
        self.total
    }

    /// Adds the text to `body` with these figures: of each variant of each product.
    ///
    /// # Panics
    ///
    /// When there are not as many as variants.
    pub fn fill(&self, units: &[u32], body: &mut Vec<u8>) {
        let variants: usize = self.products.iter().map(|product| product.variants).sum();
        assert_eq!(units.len(), variants, "each variant has a figure");
        body.reserve(self.bytes.len() + self.holes.len() * 4 + OVERHEAD_BYTES);
        let mut holes = self.holes.iter();
        let mut from = 0;
        let mut put = |figure: u64| {
            let hole = *holes.next().expect("a text has as many holes as figures");
            body.extend_from_slice(&self.bytes[from..hole]);
            write!(body, "{figure}").expect("a vector takes what it is given");
            from = hole + 1;
        };
        let mut rest = units;
        for product in &self.products {
            let (own, others) = rest.split_at(product.variants);
            put(own.iter().map(|units| u64::from(*units)).sum());
            own.iter().for_each(|units| put(u64::from(*units)));
            rest = others;
        }
        body.extend_from_slice(&self.bytes[from..]);
    }

    /// About how much memory it takes.
    #[must_use]
    pub fn weight(&self) -> u32 {
        let rest = self.holes.len() * size_of::<usize>() + self.products.len() * size_of::<Listed>();
        u32::try_from(self.bytes.len() + rest + OVERHEAD_BYTES).unwrap_or(u32::MAX)
    }
}

/// The JSON of a view, each [`Hole`] in it a hole.
///
/// # Panics
///
/// When the view has keys that are no text, or numbers of 128 bits.
#[must_use]
pub fn with_holes(view: &impl Serialize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, Holes);
    view.serialize(&mut serializer).expect("a view has string keys and plain values");
    bytes
}

/// Writes a number of 128 bits, which no view has, as a hole.
struct Holes;

impl Formatter for Holes {
    fn write_u128<W: std::io::Write + ?Sized>(
        &mut self,
        writer: &mut W,
        number: u128,
    ) -> std::io::Result<()> {
        assert_eq!(number, 0, "only holes have 128 bits");
        writer.write_all(&[HOLE])
    }
}

impl Serialize for Hole {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u128(0)
    }
}

#[cfg(test)]
mod tests {
    use holdfast_actors::domain::ProductId;

    use super::*;

    #[test]
    fn text_weighs_at_least_the_memory_that_it_keeps() {
        for length in [0, 1_000, 70_000] {
            let bytes = with_holes(&("a".repeat(length), [Hole, Hole, Hole]));
            let listed = Listed { id: ProductId(1), version: 1, variants: 2 };
            let mut products = Vec::with_capacity(200);
            products.push(listed);
            let text = Text::new(bytes, products, None, None).expect("three holes");
            let kept = text.bytes.capacity()
                + text.holes.capacity() * size_of::<usize>()
                + text.products.capacity() * size_of::<Listed>();
            assert!(usize::try_from(text.weight()).is_ok_and(|weight| weight >= kept), "{length}: {kept}");
        }
    }
}
