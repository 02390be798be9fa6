//! Checkpoints of histories, at cuts that differ from partition to partition, lead to what the journal alone leads to.

use holdfast_persistence::checkpoint::Kind;
use holdfast_persistence::journal::StoredFrame;
use holdfast_persistence::{Block, Checkpoints, Folder, JournalId, Mark, MemoryDisk, Partition, Sequence};

use super::super::until::read_until;
use super::*;
use crate::image::{Key, KeySet, Packer, pack_all, pack_into};

/// How many files a chain gets at most.
const FILES_MAX: u64 = 3;

/// The first frames of a journal.
struct Beginning<'s, S> {
    source: &'s S,
    end: BatchNumber,
}

impl<S: FrameSource> FrameSource for Beginning<'_, S> {
    fn id(&self) -> JournalId {
        self.source.id()
    }

    fn partitions(&self) -> u16 {
        self.source.partitions()
    }

    fn start(&self) -> Head {
        self.source.start()
    }

    fn frames(
        &self,
        first: BatchNumber,
    ) -> Box<dyn Iterator<Item = Result<StoredFrame, persistence::Error>> + '_> {
        let is_within =
            |stored: &Result<StoredFrame, _>| stored.as_ref().is_ok_and(|stored| stored.batch < self.end);
        Box::new(self.source.frames(first).take_while(is_within))
    }

    fn frame(&self, batch: BatchNumber) -> Result<Option<StoredFrame>, persistence::Error> {
        self.source.frame(batch)
    }
}

/// Takes checkpoints of what is on the disk, at cuts that `below` draws, and recovers with them.
pub(crate) fn check(disk: &MemoryDisk, below: &mut dyn FnMut(u64) -> u64) {
    let data = tempfile::tempdir().expect("there is room");
    let folder = Folder::open(data.path()).expect("it is ours");
    let alone = recover(&mut disk.crash().journal()).expect("the journal is sound");
    let store = disk.crash();
    let store = &mut store.journal();
    let checkpoints = Checkpoints::open(&folder, store.id(), store.partitions()).expect("it is empty");
    let mut cut = Cut::before(&*store);
    for _ in 0..=below(FILES_MAX) {
        cut = cut.later(&*store, &alone.head, below);
        write(&checkpoints, &*store, &cut);
    }
    let threads = usize::try_from(1 + below(3)).expect("it is small");
    let proof = Proof { checkpoints: Some(&checkpoints), threads, ..Proof::default() };
    let verified = verify(&*store, &proof, |_| Ok(())).expect("they lead to the same");
    let numbers = checkpoints.numbers().expect("they are there");
    assert_eq!(verified.checkpoints, numbers, "each was proven");
    let found = recover_newest(store, &checkpoints, threads, &|_| {}).expect("the newest can be loaded");
    assert_eq!(found.report.checkpoint, numbers.last().copied());
    assert_eq!((&found.startup, &found.head), (&alone.startup, &alone.head));
    assert_eq!(found.state(), alone.state());
    assert_eq!(pack_all(&(&found).into()), pack_all(&(&alone).into()), "every entry is the same");
    assert!(matches!(&found.changed, Changed::Keys(keys) if keys.len() == found.books.len()));
    let records = found.report.records - found.report.left_out;
    let reflected: u64 = cut.ends.iter().map(|end| end.0).sum();
    assert_eq!(records + reflected, alone.report.records, "no record is left out and none comes twice");
}

/// A cut that differs from partition to partition, and a head before it.
pub(super) struct Cut {
    pub(super) head: Head,
    pub(super) ends: Vec<Sequence>,
}

impl Cut {
    pub(super) fn before<S: FrameSource>(source: &S) -> Self {
        let head = Head::before(source);
        let ends = head.partitions().iter().map(|partition| partition.sequence).collect();
        Self { head, ends }
    }

    /// All of a journal that ends so.
    pub(super) fn at(head: &Head) -> Self {
        let ends = head.partitions().iter().map(|partition| partition.sequence).collect();
        Self { head: head.clone(), ends }
    }

    /// One that is later in every partition, or nowhere earlier.
    fn later<S: FrameSource>(&self, source: &S, last: &Head, below: &mut dyn FnMut(u64) -> u64) -> Self {
        let frames = last.next_batch().0 - self.head.next_batch().0;
        let head = head_before(source, BatchNumber(self.head.next_batch().0 + below(frames + 1)));
        let end_of = |place: usize| {
            let newest = last.partitions()[place].sequence;
            // That mails have begun is durable before there are any.
            let begun = Sequence(u64::from(place == 0)).min(newest);
            let least = head.partitions()[place].sequence.max(self.ends[place]).max(begun);
            Sequence(least.0 + below(newest.0 - least.0 + 1))
        };
        let ends = (0..self.ends.len()).map(end_of).collect();
        Self { head, ends }
    }
}

/// The head before a frame.
pub(super) fn head_before<S: FrameSource>(source: &S, end: BatchNumber) -> Head {
    let beginning = Beginning { source, end };
    persistence::replay(&beginning, Head::before(source), |_| Ok(())).expect("it is sound").head
}

/// Writes a whole file, or an increment where there is a chain.
pub(super) fn write<S: FrameSource>(checkpoints: &Checkpoints, source: &S, cut: &Cut) {
    let newest = checkpoints.newest().expect("it is sound");
    let plan = Plan { checkpoint: newest.as_ref(), ..Plan::default() };
    let read = &mut |from: Head, visit: &mut persistence::journal::Visit<'_>| {
        read_until(source, from, &cut.ends, visit)
    };
    // In the middle of sagas no law holds between partitions: nothing is proven here.
    let (state, replayed, times) = bring_back(&Head::before(source), &plan, read).expect("it is sound");
    let report = state.report(&replayed, &plan, &times);
    let absorbed: Vec<_> = state.parts.iter().map(|part| part.absorbed.clone()).collect();
    let found = Rebuilt { state, startup: Startup::default(), replayed, report }.into_recovered();
    let mut packers: Vec<_> = found.books.iter().map(|_| Packer::into(BTreeMap::new())).collect();
    pack_into(&(&found).into(), &mut packers);
    let mut file = checkpoints.begin(Kind::Increment).expect("nobody else writes one");
    for (place, (mut packer, absorbed)) in packers.into_iter().zip(absorbed).enumerate() {
        for (from, to) in absorbed {
            packer.absorbed(from, to, Timestamp(found.head.partitions()[place].time_ms));
        }
        let changed = match &found.changed {
            Changed::Everything => None,
            Changed::Keys(keys) => Some(&keys[place]),
        };
        let mut block = Block::new(Partition(u16::try_from(place).expect("a few")));
        entries(&packer.into_sink(), changed, |key, value| block.push(key.to_bytes().as_ref(), value));
        file.put(&block).expect("there is room");
    }
    let Cut { head, ends: reflects } = cut;
    file.finish(&Mark { head: head.clone(), reflects: reflects.clone(), at_ms: 1 }).expect("there is room");
}

/// What is referred to, then everything or what changed.
fn entries(
    all: &BTreeMap<Key, Box<[u8]>>,
    changed: Option<&KeySet>,
    mut push: impl FnMut(Key, Option<&[u8]>),
) {
    let is_shared = |key: &Key| matches!(key, Key::Description(_) | Key::Variant(_));
    let (shared, own): (Vec<_>, Vec<_>) = all.iter().partition(|(key, _)| is_shared(key));
    shared.into_iter().for_each(|(key, value)| push(*key, Some(value)));
    match changed {
        None => own.into_iter().for_each(|(key, value)| push(*key, Some(value))),
        Some(changed) => {
            changed
                .iter()
                .filter(|key| !is_shared(key))
                .for_each(|key| push(*key, all.get(key).map(|it| &**it)));
        }
    }
}
