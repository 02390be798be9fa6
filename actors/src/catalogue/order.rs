//! All products in one order: their numbers, sorted, in chunks short enough to insert into.
//!
//! Four bytes a product and order. What the order is, the caller says with each call: `compare` tells where an entry
//! stands to the place that is looked for.

use std::cmp::Ordering;

/// Entries of one chunk; a full one is split in two.
const CHUNK_ENTRIES_MAX: usize = 1_024;

/// A sorted list of product numbers.
#[derive(Debug, Default)]
pub(super) struct Order {
    /// None of them is empty.
    chunks: Vec<Vec<u32>>,
}

/// A place between two entries.
#[derive(Clone, Copy)]
pub(super) struct Place {
    chunk: usize,
    offset: usize,
}

impl Order {
    /// An order of what is sorted already.
    pub(super) fn of_sorted(sorted: &[u32]) -> Self {
        // Room to insert into: chunks that are full would all be split by the first changes.
        Self { chunks: sorted.chunks(CHUNK_ENTRIES_MAX / 4 * 3).map(<[u32]>::to_vec).collect() }
    }

    /// The place before the first entry that is not `Less`.
    pub(super) fn place(&self, compare: impl Fn(u32) -> Ordering) -> Place {
        let is_before = |entry: u32| compare(entry) == Ordering::Less;
        let chunk = self.chunks.partition_point(|chunk| chunk.last().is_some_and(|last| is_before(*last)));
        let offset =
            self.chunks.get(chunk).map_or(0, |chunk| chunk.partition_point(|entry| is_before(*entry)));
        Place { chunk, offset }
    }

    /// The entry that is `Equal`, if there is one.
    pub(super) fn find(&self, compare: impl Fn(u32) -> Ordering) -> Option<u32> {
        let Place { chunk, offset } = self.place(&compare);
        let entry = *self.chunks.get(chunk)?.get(offset)?;
        (compare(entry) == Ordering::Equal).then_some(entry)
    }

    pub(super) fn insert(&mut self, entry: u32, compare: impl Fn(u32) -> Ordering) {
        let Place { chunk, offset } = self.place(compare);
        let (chunk, offset) = match self.chunks.len() {
            0 => {
                self.chunks.push(Vec::new());
                (0, 0)
            }
            // Behind all others: the last chunk takes it.
            count if chunk == count => (count - 1, self.chunks[count - 1].len()),
            _ => (chunk, offset),
        };
        let entries = &mut self.chunks[chunk];
        entries.insert(offset, entry);
        if entries.len() > CHUNK_ENTRIES_MAX {
            let upper = entries.split_off(CHUNK_ENTRIES_MAX / 2);
            entries.shrink_to_fit();
            self.chunks.insert(chunk + 1, upper);
        }
    }

    /// Takes out the entry that is `Equal`.
    pub(super) fn remove(&mut self, compare: impl Fn(u32) -> Ordering) {
        let Place { chunk, offset } = self.place(&compare);
        let entries = self.chunks.get_mut(chunk).expect("what is removed was entered");
        assert!(compare(entries[offset]) == Ordering::Equal, "an entry stands where its key says");
        entries.remove(offset);
        if entries.is_empty() {
            self.chunks.remove(chunk);
        }
    }

    /// The entries from the first to the last, from `place` on.
    pub(super) fn upwards(&self, place: Place) -> impl Iterator<Item = u32> {
        let rest = self.chunks.iter().skip(place.chunk + 1).flatten();
        self.chunks
            .get(place.chunk)
            .into_iter()
            .flat_map(move |chunk| &chunk[place.offset..])
            .chain(rest)
            .copied()
    }

    /// The entries before `place`, the nearest first.
    pub(super) fn downwards(&self, place: Place) -> impl Iterator<Item = u32> {
        let near = self
            .chunks
            .get(place.chunk)
            .into_iter()
            .flat_map(move |chunk| chunk[..place.offset].iter().rev());
        let far = self.chunks[..place.chunk.min(self.chunks.len())]
            .iter()
            .rev()
            .flat_map(|chunk| chunk.iter().rev());
        near.chain(far).copied()
    }

    /// How many entries are between two places.
    pub(super) fn count(&self, from: Place, to: Place) -> usize {
        let before = |place: Place| {
            let whole: usize = self.chunks[..place.chunk].iter().map(Vec::len).sum();
            whole + place.offset
        };
        before(to).saturating_sub(before(from))
    }

    /// The place before all entries.
    pub(super) const fn start(&self) -> Place {
        Place { chunk: 0, offset: 0 }
    }

    /// The place behind all entries.
    pub(super) const fn end(&self) -> Place {
        Place { chunk: self.chunks.len(), offset: 0 }
    }
}
