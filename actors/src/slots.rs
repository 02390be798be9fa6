//! Which partition an aggregate belongs to, and which shard serves a partition.
//!
//! `id ─▶ slot (of 1 024) ─▶ partition ─▶ shard`. The first two arrows are stored with the data and never
//! change; the last one is chosen at each start, from the number of threads.

use holdfast_persistence::Partition;

/// Slices of the id space; partitions are groups of slots.
pub const SLOTS: u16 = 1024;

/// How many ids [`Slots::place`] tries at the most; with 1 024 partitions it needs 1 024 on average.
const CANDIDATES: u128 = 1 << 16;

/// Where they differ: in random bits of a UUIDv7, above those that count from one id to the next.
const CANDIDATE_SHIFT: u32 = 40;

/// The partition that keeps the accounts.
pub const ACCOUNTS_PARTITION: Partition = Partition(0);

/// The partition that keeps the price rules.
pub const PRICES_PARTITION: Partition = Partition(0);

/// The way from an id to its shard.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Slots {
    partitions: u16,
    shards: u16,
}

impl Slots {
    /// A map onto so many partitions and shards.
    ///
    /// # Panics
    ///
    /// Unless 1 ≤ partitions ≤ [`SLOTS`] and 1 ≤ shards.
    #[must_use]
    pub fn new(partitions: u16, shards: u16) -> Self {
        assert!((1..=SLOTS).contains(&partitions) && shards >= 1, "1 to 1024 partitions, at least one shard");
        Self { partitions, shards }
    }

    /// The partition of a product, cart, reservation or order.
    #[must_use]
    pub fn partition(&self, id: u128) -> Partition {
        let slot = stable_hash(id) % u64::from(SLOTS);
        let partition = slot * u64::from(self.partitions) / u64::from(SLOTS);
        Partition(u16::try_from(partition).expect("a slot below SLOTS gives a partition below u16::MAX"))
    }

    /// An id of that partition, made from a new one: what belongs together lives on one thread and in one slice of
    /// the journal. Different ids stay different.
    ///
    /// # Panics
    ///
    /// Never: of 65 536 ids that a hash spreads, some are of every partition.
    #[must_use]
    pub fn place(&self, id: u128, partition: Partition) -> u128 {
        let candidates = (0..CANDIDATES).map(|number| id ^ number << CANDIDATE_SHIFT);
        let is_there = |candidate: &u128| self.partition(*candidate) == partition;
        candidates.into_iter().find(is_there).expect("a hash spreads candidates over all partitions")
    }

    /// The shard that serves a partition.
    #[must_use]
    pub fn shard(&self, partition: Partition) -> usize {
        usize::from(partition.0 % self.shards)
    }
}

/// A fixed mixing of 128 bits into 64 (the finalizer of SplitMix64, twice). Stored data depends on it.
fn stable_hash(id: u128) -> u64 {
    let bytes = id.to_be_bytes();
    let (high, low) = bytes.split_at(8);
    let word = |half: &[u8]| u64::from_be_bytes(half.try_into().expect("half of sixteen bytes"));
    mix(word(high) ^ mix(word(low)))
}

const fn mix(word: u64) -> u64 {
    let word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placement_of_known_ids_never_changes() {
        let slots = Slots::new(16, 2);
        let places: Vec<u16> = (0..8).map(|id| slots.partition(id).0).collect();
        assert_eq!(places, GOLDEN, "stored data depends on this mapping");
    }

    #[test]
    fn every_partition_gets_its_share() {
        let slots = Slots::new(16, 2);
        let mut counts = [0_u32; 16];
        for id in 0..16_000_u128 {
            counts[usize::from(slots.partition(id << 64 | 7).0)] += 1;
        }
        assert!(counts.iter().all(|count| (800..1200).contains(count)), "{counts:?}");
    }

    #[test]
    fn placed_ids_are_of_their_partition_and_all_different() {
        let slots = Slots::new(1024, 2);
        let mut seen = std::collections::BTreeSet::new();
        for number in 0..4_096_u16 {
            let partition = Partition(number % 1024);
            let id = slots.place(u128::from(number) | 0x0193_6f5e_7a5c_7000_8000 << 64, partition);
            assert_eq!(slots.partition(id), partition);
            assert!(seen.insert(id));
        }
    }

    const GOLDEN: [u16; 8] = [9, 4, 2, 2, 7, 8, 14, 9];
}
