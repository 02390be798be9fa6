//! Random histories of checkpoints against a map: every chain that is kept holds what the map held then.

use std::collections::BTreeMap;
use std::time::Duration;

use holdfast_persistence::checkpoint::Kind;
use holdfast_persistence::{Block, Checkpoints, Partition, Retain};
use proptest::prelude::*;

use super::{PARTITIONS, Shop, State, load, mark};
use crate::support::ID;

/// What happens to the shop, then to its checkpoints.
#[derive(Debug, Clone)]
enum Deed {
    /// Values are set and taken away, and an increment is written.
    Change(BTreeMap<(u16, u8), Option<u8>>),
    /// The same, and a whole file is written.
    Rewrite(BTreeMap<(u16, u8), Option<u8>>),
    /// One file is made of the newest chain, without values that are this byte.
    Merge(u8),
    /// What is older than so many files goes.
    Retain(u64),
    /// A file is begun and given up.
    GiveUp,
    Reopen,
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let changes = || {
        prop::collection::btree_map(
            (0..PARTITIONS, 0..20_u8),
            prop::option::weighted(0.7, any::<u8>()),
            0..12,
        )
    };
    let deed = prop_oneof![
        6 => changes().prop_map(Deed::Change),
        1 => changes().prop_map(Deed::Rewrite),
        2 => any::<u8>().prop_map(Deed::Merge),
        2 => (0..6_u64).prop_map(Deed::Retain),
        1 => Just(Deed::GiveUp),
        1 => Just(Deed::Reopen),
    ];
    prop::collection::vec(deed, 1..20)
}

/// The key and the value that a number stands for: some longer than others.
fn key_of(number: u8) -> Vec<u8> {
    vec![number; 1 + usize::from(number % 5)]
}

fn value_of(number: u8) -> Vec<u8> {
    vec![number; usize::from(number) * 3]
}

struct Model {
    shop: Shop,
    state: State,
    /// What the state was when a file was written, by its number.
    then: BTreeMap<u64, State>,
    moment: u64,
}

impl Model {
    fn perform(&mut self, deed: &Deed) {
        self.moment += 1;
        match deed {
            Deed::Change(changes) => self.write(Kind::Increment, changes),
            Deed::Rewrite(changes) => self.write(Kind::Whole, changes),
            Deed::Merge(unwanted) => {
                let unwanted = value_of(*unwanted);
                let merged =
                    self.shop.checkpoints.merge(&|_, value| value != unwanted).expect("all are sound");
                if let Some(merged) = merged {
                    self.state.retain(|_, value| *value != unwanted);
                    self.then.insert(merged.number, self.state.clone());
                }
            }
            Deed::Retain(age) => self.retain(*age),
            Deed::GiveUp => drop(self.shop.checkpoints.begin(Kind::Increment).expect("nobody else writes")),
            Deed::Reopen => {
                self.shop.checkpoints =
                    Checkpoints::open(&self.shop.folder, ID, PARTITIONS).expect("it is ours");
            }
        }
    }

    fn write(&mut self, kind: Kind, changes: &BTreeMap<(u16, u8), Option<u8>>) {
        for ((partition, key), value) in changes {
            let key = (*partition, key_of(*key));
            match value {
                Some(value) => self.state.insert(key, value_of(*value)),
                None => self.state.remove(&key),
            };
        }
        let mut writer = self.shop.checkpoints.begin(kind).expect("nobody else writes");
        let is_whole = writer.kind() == Kind::Whole;
        let mut blocks: Vec<_> = (0..PARTITIONS).map(|at| Block::new(Partition(at))).collect();
        let mut put = |partition: u16, key: &[u8], value: Option<&[u8]>| {
            let block = &mut blocks[usize::from(partition)];
            block.push(key, value);
            if block.entries() == 3 {
                writer.put(block).expect("the disk has room");
                block.clear();
            }
        };
        if is_whole {
            self.state.iter().for_each(|((partition, key), value)| put(*partition, key, Some(value)));
        } else {
            for ((partition, key), value) in changes {
                put(*partition, &key_of(*key), value.map(value_of).as_deref());
            }
        }
        for block in &blocks {
            writer.put(block).expect("the disk has room");
        }
        let info = writer.finish(&mark(self.moment)).expect("the disk has room");
        self.then.insert(info.number, self.state.clone());
    }

    fn retain(&mut self, age: u64) {
        let checkpoints = &self.shop.checkpoints;
        let retain = Retain::Age(Duration::from_secs(age));
        let now_ms = self.moment * 1_000;
        let Some(unneeded) = checkpoints.retain(retain, now_ms, &|_| Ok(0)).expect("all are sound") else {
            return;
        };
        checkpoints.remove(&unneeded.files).expect("nobody needs them");
        let left = checkpoints.numbers().expect("it can be listed");
        self.then.retain(|number, _| left.contains(number));
        let is_old = |number: &u64| {
            let chain = checkpoints.chain(*number).expect("what is kept is whole");
            chain.mark().at_ms <= now_ms.saturating_sub(age * 1_000)
        };
        assert!(left.iter().any(is_old), "any moment within the age can be restored");
        let newest_old = left.iter().rev().find(|number| is_old(number)).expect("there is one");
        let first = checkpoints.chain(*newest_old).expect("it is whole").mark().head.next_batch();
        assert!(unneeded.first_needed <= first, "the frames behind it are kept");
    }

    fn check(&self) {
        let numbers = self.shop.checkpoints.numbers().expect("it can be listed");
        assert_eq!(numbers, self.then.keys().copied().collect::<Vec<_>>());
        for (number, state) in &self.then {
            let chain = self.shop.checkpoints.chain(*number).expect("what is kept is whole");
            assert_eq!(&load(&chain, |_| true).expect("it is sound"), state, "chain {number}");
        }
        let infos = self.shop.checkpoints.list().expect("all are sound");
        infos.iter().for_each(|info| self.shop.checkpoints.check(info).expect("it is sound"));
        let newest = self.shop.checkpoints.newest().expect("it is sound");
        assert_eq!(newest.map(|newest| newest.number()), numbers.last().copied());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_chain_holds_what_the_shop_held_then(deeds in deeds()) {
        let mut model = Model { shop: Shop::open(), state: State::new(), then: BTreeMap::new(), moment: 0 };
        for deed in &deeds {
            model.perform(deed);
            model.check();
        }
    }
}
