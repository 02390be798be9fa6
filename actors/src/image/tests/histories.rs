//! Histories of whole shops, as the simulation lives them.

use std::collections::BTreeSet;

use holdfast_persistence::checkpoint::Kind;
use holdfast_persistence::{Checkpoints, Folder, FrameSource, Head, JournalId, Mark, Partition, Sequence};

use super::loaded::Loaded;
use super::replica::{Entries, Replica};
use crate::image::{Key, Packer, State, pack_all, pack_into};
use crate::recovery::recover;
use crate::simulation::shop;

/// Worlds that are lived. A release build sees more in the same time.
const SEEDS: u64 = if cfg!(debug_assertions) { 40 } else { 400 };

/// After so many records the state is put together again from its entries.
const LOADED_RECORDS: u32 = 40;

/// What these histories are made of; the rest of what happens to products is in `things`.
const KINDS: &[&str] = &[
    "placed Cart",
    "placed Lines",
    "order Canceled",
    "order Confirmed",
    "order Expired",
    "order Fulfilled",
    "order RefundRequired",
    "order Refunded",
    "reservation Confirmed",
    "reservation Expired",
    "reservation Extended",
    "reservation Released",
    "reservation Reserved",
    "cart Absorbed",
    "cart Closed",
    "cart Emptied",
    "cart Lapsed",
    "cart LineRemoved",
    "cart LineSet",
    "cart Opened",
    "cart Renewed",
    "product Purchased",
    "product Reheld",
];

#[test]
fn every_entry_that_a_record_changes_is_named_before() {
    let mut met = BTreeSet::new();
    for seed in 1..=SEEDS {
        let journal = shop::history(seed).journal();
        let mut records = 0;
        let mut replica = Replica::new(journal.partitions());
        holdfast_persistence::replay(&journal, Head::before(&journal), |record| {
            replica.take(record);
            records += 1;
            if records % LOADED_RECORDS == 0 {
                comes_back(&replica.state());
            }
            Ok(())
        })
        .expect("it is sound");
        met.append(&mut replica.met);
    }
    let missing: Vec<_> = KINDS.iter().filter(|kind| !met.contains(**kind)).collect();
    assert!(missing.is_empty(), "no history has {missing:?}");
}

#[test]
fn state_comes_back_from_its_entries() {
    for seed in 1..=SEEDS {
        let mut journal = shop::history(seed).journal();
        let recovered = recover(&mut journal).expect("it is sound");
        comes_back(&State::from(&recovered));
    }
}

fn comes_back(state: &State<'_>) {
    let entries = pack_all(state);
    let loaded = Loaded::from(&entries, state.times.clone());
    loaded.assert_is(state);
    assert_eq!(pack_all(&loaded.state()), entries, "what came back is packed as it was");
}

/// In blocks, through a file, to entries again: each as it was packed.
#[test]
fn blocks_carry_every_entry_through_a_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = Folder::open(folder.path()).expect("it is new");
    let mut purchases = 0;
    for seed in 1..=8 {
        let mut journal = shop::history(seed).journal();
        let recovered = recover(&mut journal).expect("it is sound");
        let state = State::from(&recovered);
        let partitions = journal.partitions();
        let checkpoints = Checkpoints::open(&folder, JournalId([1; 16]), partitions).expect("it can be made");
        let mut packers: Vec<_> = (0..partitions).map(|number| Packer::new(Partition(number))).collect();
        pack_into(&state, &mut packers);
        let mut writer = checkpoints.begin(Kind::Whole).expect("there is room");
        for mut packer in packers {
            let bytes = packer.bytes();
            let mut blocks = packer.take_full();
            blocks.extend(packer.finish());
            assert_eq!(blocks.iter().map(|block| block.bytes()).sum::<usize>(), bytes);
            blocks.iter().for_each(|block| writer.put(block).expect("there is room"));
        }
        let reflects = vec![Sequence(1); partitions.into()];
        writer.finish(&Mark { head: recovered.head.clone(), reflects, at_ms: 1 }).expect("there is room");
        let checkpoint = checkpoints.newest().expect("it is sound").expect("it was just written");
        let mut found = Entries::new();
        let load = checkpoint.load(&|_| true, &mut |_, key, value| {
            found.insert(Key::from_bytes(key).expect("it was just packed"), value.into());
            Ok(())
        });
        load.expect("it is sound");
        assert_eq!(found, pack_all(&state), "seed {seed}");
        purchases += recovered.books.iter().map(|books| books.orders.purchases().count()).sum::<usize>();
    }
    assert!(purchases > 0, "somebody bought something");
}
