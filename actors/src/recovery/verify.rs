//! The proof that a journal and its checkpoints say the same.
//!
//! All is replayed from the oldest point that there is; then checkpoints are loaded and what is behind each replayed, and all must come
//! to the same, entry by entry. Each costs as much as a start, and a week has thousands: no more than some are tried.

use holdfast_persistence::{self as persistence, Checkpoint, Checkpoints, FrameSource, Head, Replayed};

use super::{
    Error, Plan, Progress, Rebuilt, Recovered, Report, check_begin, check_end as check_reached, rebuild,
};
use crate::image::{Key, KeyMap, Packer, Sink, pack_into};

/// How many checkpoints are loaded at the most: the newest, and others spread evenly over the rest.
const CHAINS_MAX: usize = 8;

/// What there is to prove, and how.
#[derive(Clone, Copy)]
pub struct Proof<'p> {
    /// The journal's checkpoints.
    pub checkpoints: Option<&'p Checkpoints>,
    /// See [`Plan::threads`].
    pub threads: usize,
    /// Told now and then how far it is; each checkpoint begins anew.
    pub progress: &'p (dyn Fn(Progress) + Sync),
}

/// What was proven.
#[derive(Clone, Debug)]
pub struct Verified {
    /// Of the replay from the oldest point that there is.
    pub report: Report,
    /// The numbers of the checkpoints that lead to the same state, oldest first.
    pub checkpoints: Vec<u64>,
}

impl Default for Proof<'_> {
    fn default() -> Self {
        Self { checkpoints: None, threads: 1, progress: &|_| {} }
    }
}

/// Proves frames, chain, sequences and laws of a journal, and that checkpoints from which it can be replayed lead to the same
/// state. Writes nothing: a torn tail stays where it is. `check_end` says whether the journal may end where it does, as a chain
/// cannot show that it was longer once.
///
/// # Errors
///
/// Those of [`recover_from`](super::recover_from); [`Error::Differs`].
pub fn verify<S: FrameSource + ?Sized>(
    source: &S,
    proof: &Proof<'_>,
    check_end: impl FnOnce(&Replayed) -> Result<(), persistence::Error>,
) -> Result<Verified, Error> {
    let mut numbers = proof.checkpoints.map_or(Ok(Vec::new()), Checkpoints::numbers)?.into_iter();
    let oldest = match replayed(source, proof, None) {
        // A file may be there only because newer ones build on it.
        Err(trimmed @ Error::Trimmed { .. }) => loop {
            let Some(number) = numbers.next() else { return Err(trimmed) };
            match replayed(source, proof, Some(number)) {
                Err(Error::Trimmed { .. }) => {}
                oldest => break oldest?,
            }
        },
        oldest => oldest?,
    };
    check_end(&oldest.replayed)?;
    let mut checkpoints: Vec<u64> = oldest.report.checkpoint.into_iter().collect();
    let mut digests: Option<Digests> = None;
    let oldest = oldest.into_recovered();
    for number in spread(numbers.as_slice()) {
        let digests = digests.get_or_insert_with(|| Digests::of(&oldest));
        let other = match replayed(source, proof, Some(number)) {
            Err(Error::Trimmed { .. }) => continue,
            other => other?.into_recovered(),
        };
        if let Some(key) = digests.first_difference(&other) {
            return Err(Error::Differs { number, key: format!("{key:?}") });
        }
        checkpoints.push(number);
    }
    Ok(Verified { report: oldest.report, checkpoints })
}

/// Of many some, the last always.
fn spread(numbers: &[u64]) -> impl Iterator<Item = u64> + '_ {
    let count = numbers.len().min(CHAINS_MAX);
    (1..=count).map(move |place| numbers[place * numbers.len() / count - 1])
}

fn replayed<S: FrameSource + ?Sized>(
    source: &S,
    proof: &Proof<'_>,
    number: Option<u64>,
) -> Result<Rebuilt, Error> {
    let chain = |number| proof.checkpoints.map(|checkpoints| checkpoints.chain(number)).transpose();
    let checkpoint: Option<Checkpoint> = number.map_or(Ok(None), chain)?;
    let Proof { threads, progress, .. } = *proof;
    let plan = Plan { checkpoint: checkpoint.as_ref(), threads, progress };
    check_begin(source, &plan)?;
    // What a crash left to be told is no fault: a start would tell it.
    let read = &mut |from: Head, visit: &mut persistence::journal::Visit<'_>| {
        persistence::replay(source, from, visit)
    };
    let rebuilt = rebuild(&Head::before(source), &plan, read)?;
    check_reached(&rebuilt.replayed.head, &plan)?;
    Ok(rebuilt)
}

/// A digest of every entry of a state, by partition.
struct Digests(Vec<KeyMap<Seen>>);

#[derive(Clone, Copy, PartialEq, Eq)]
struct Seen {
    digest: [u8; 16],
    is_met: bool,
}

impl Digests {
    fn of(recovered: &Recovered) -> Self {
        let partitions = recovered.head.partitions();
        let mut packers: Vec<_> = partitions.iter().map(|_| Packer::into(Collect::default())).collect();
        pack_into(&recovered.into(), &mut packers);
        Self(packers.into_iter().map(|packer| packer.into_sink().0).collect())
    }

    /// The first entry that is another in `other`, or in only one of the two.
    fn first_difference(&mut self, other: &Recovered) -> Option<Key> {
        let compare = |expected| Packer::into(Compare { expected, first: None });
        let mut packers: Vec<_> = self.0.iter_mut().map(compare).collect();
        pack_into(&other.into(), &mut packers);
        let firsts: Vec<_> = packers.into_iter().map(|packer| packer.into_sink().finish()).collect();
        firsts.into_iter().flatten().min()
    }
}

/// Takes the digests of entries.
#[derive(Default)]
struct Collect(KeyMap<Seen>);

impl Sink for Collect {
    fn push(&mut self, key: Key, value: Option<&[u8]>) {
        let Some(value) = value else { return };
        self.0.insert(key, Seen { digest: digest(value), is_met: false });
    }
}

/// Compares entries with the digests of others.
struct Compare<'d> {
    expected: &'d mut KeyMap<Seen>,
    first: Option<Key>,
}

impl Sink for Compare<'_> {
    fn push(&mut self, key: Key, value: Option<&[u8]>) {
        let Some(value) = value else { return };
        match self.expected.get_mut(&key) {
            Some(seen) if seen.digest == digest(value) => seen.is_met = true,
            _ => self.differs(key),
        }
    }
}

impl Compare<'_> {
    fn differs(&mut self, key: Key) {
        self.first = Some(self.first.map_or(key, |first| first.min(key)));
    }

    /// Makes the digests ready for the next comparison as well.
    fn finish(mut self) -> Option<Key> {
        let mut missing: Option<Key> = None;
        for (key, seen) in self.expected.iter_mut() {
            if !std::mem::take(&mut seen.is_met) {
                missing = Some(missing.map_or(*key, |first| first.min(*key)));
            }
        }
        if let Some(key) = missing {
            self.differs(key);
        }
        self.first
    }
}

fn digest(value: &[u8]) -> [u8; 16] {
    let hash = blake3::hash(value);
    let (digest, _) = hash.as_bytes().split_first_chunk::<16>().expect("a hash has 32 bytes");
    *digest
}
