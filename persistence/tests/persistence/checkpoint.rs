//! Checkpoint files: what is put in comes out, whatever happens to those who write, and nothing damaged is believed.

mod claims;
mod copies;
mod damage;
mod model;
mod retain;
mod shape;

use std::collections::BTreeMap;
use std::path::PathBuf;

use holdfast_persistence::checkpoint::{Info, Kind};
use holdfast_persistence::{
    BatchNumber, Block, Checkpoint, CheckpointWriter, Checkpoints, Epoch, Error, Folder, FrameHash, Head,
    Mark, Partition, PartitionHead, Sequence,
};

use crate::support::ID;

const PARTITIONS: u16 = 3;

/// What is in a chain: partition and key, value.
type State = BTreeMap<(u16, Vec<u8>), Vec<u8>>;

/// What a file says: partition, key, value unless it is gone.
type Entry<'e> = (u16, &'e str, Option<&'e str>);

/// A data folder with its checkpoints.
struct Shop {
    data: tempfile::TempDir,
    folder: Folder,
    checkpoints: Checkpoints,
}

impl Shop {
    fn open() -> Shop {
        let data = tempfile::tempdir().expect("a temporary folder");
        let folder = Folder::open(data.path()).expect("it is free");
        let checkpoints = Checkpoints::open(&folder, ID, PARTITIONS).expect("it is empty");
        Shop { data, folder, checkpoints }
    }

    /// Writes a file whose mark tells of `number`, in blocks of one entry each.
    fn write(&self, kind: Kind, number: u64, entries: &[Entry<'_>]) -> Info {
        let mut writer = self.checkpoints.begin(kind).expect("nobody else writes");
        put(&mut writer, entries);
        writer.finish(&mark(number)).expect("the disk has room")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.data.path().join("checkpoints").join(name)
    }

    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.data.path().join("checkpoints")).expect("the folder is there");
        let mut names: Vec<_> = entries
            .map(|entry| entry.expect("it can be listed").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    fn newest(&self) -> Checkpoint {
        self.checkpoints.newest().expect("it is sound").expect("there is one")
    }
}

fn put(writer: &mut CheckpointWriter, entries: &[Entry<'_>]) {
    for (partition, key, value) in entries {
        let mut block = Block::new(Partition(*partition));
        block.push(key.as_bytes(), value.map(str::as_bytes));
        writer.put(&block).expect("the disk has room");
    }
}

/// A mark in which every number follows from one.
fn mark(number: u64) -> Mark {
    let partition = |at: u16| PartitionHead {
        sequence: Sequence(number + u64::from(at)),
        epoch: Epoch(u32::from(at) + 1),
        time_ms: 1_700_000_000_000 + number,
    };
    let heads = (0..PARTITIONS).map(partition).collect();
    let reflects = (0..PARTITIONS).map(|at| Sequence(number + 2 * u64::from(at))).collect();
    let byte = u8::try_from(number % 256).expect("it is below 256");
    Mark {
        head: Head::new(BatchNumber(number), FrameHash([byte; 32]), heads),
        reflects,
        at_ms: number * 1_000,
    }
}

/// What a chain holds; a key that comes twice fails.
fn load(checkpoint: &Checkpoint, wanted: impl Fn(u16) -> bool) -> Result<State, Error> {
    let mut state = State::new();
    checkpoint.load(&|partition| wanted(partition.0), &mut |partition, key, value| {
        let before = state.insert((partition.0, key.to_vec()), value.to_vec());
        assert_eq!(before, None, "each key comes once");
        Ok(())
    })?;
    Ok(state)
}

fn state(entries: &[(u16, &str, &str)]) -> State {
    entries
        .iter()
        .map(|(partition, key, value)| ((*partition, key.as_bytes().to_vec()), value.as_bytes().to_vec()))
        .collect()
}

#[test]
fn chain_gives_each_key_as_it_is_newest() {
    let shop = Shop::open();
    shop.write(Kind::Whole, 1, &[(0, "tea", Some("5")), (0, "mug", Some("2")), (2, "tea", Some("other"))]);
    shop.write(Kind::Increment, 2, &[(0, "tea", Some("4")), (1, "pot", Some("1")), (0, "mug", None)]);
    shop.write(Kind::Increment, 3, &[(0, "mug", Some("7")), (1, "pot", None)]);
    let newest = shop.newest();
    assert_eq!(newest.mark(), &mark(3));
    assert_eq!(newest.files().iter().map(|info| info.number).collect::<Vec<_>>(), [1, 2, 3]);
    let expected = state(&[(0, "tea", "4"), (0, "mug", "7"), (2, "tea", "other")]);
    assert_eq!(load(&newest, |_| true).expect("it is sound"), expected);
    let only_0 = load(&newest, |partition| partition == 0).expect("it is sound");
    assert_eq!(only_0, state(&[(0, "tea", "4"), (0, "mug", "7")]));
    let older = shop.checkpoints.chain(2).expect("it is sound");
    let expected = state(&[(0, "tea", "4"), (1, "pot", "1"), (2, "tea", "other")]);
    assert_eq!(load(&older, |_| true).expect("it is sound"), expected);
}

#[test]
fn newest_file_comes_first_and_each_in_the_order_of_its_entries() {
    let shop = Shop::open();
    shop.write(
        Kind::Whole,
        1,
        &[(0, "z", Some("1")), (1, "q", Some("1")), (0, "a", Some("1")), (0, "m", Some("1"))],
    );
    shop.write(Kind::Increment, 2, &[(0, "x", Some("2")), (0, "a", Some("2")), (0, "b", Some("2"))]);
    let check = |checkpoint: &Checkpoint, expected: &[&str]| {
        let mut keys = Vec::new();
        let outcome = checkpoint.load(&|partition| partition == Partition(0), &mut |_, key, _| {
            keys.push(String::from_utf8(key.to_vec())?);
            Ok(())
        });
        outcome.expect("it is sound");
        assert_eq!(keys, expected);
    };
    check(&shop.newest(), &["x", "a", "b", "z", "m"]);
    shop.checkpoints.merge(&|_, _| true).expect("it is sound").expect("there were two files");
    check(&shop.newest(), &["x", "a", "b", "z", "m"]);
}

#[test]
fn merge_makes_one_whole_file_and_leaves_out_what_is_not_kept() {
    let shop = Shop::open();
    assert_eq!(shop.checkpoints.merge(&|_, _| true).expect("there is nothing"), None);
    shop.write(Kind::Whole, 1, &[(0, "tea", Some("5")), (0, "old", Some("1")), (1, "pot", Some("1"))]);
    assert_eq!(shop.checkpoints.merge(&|_, _| true).expect("it is whole already"), None);
    shop.write(Kind::Increment, 2, &[(0, "tea", Some("4")), (1, "pot", None), (1, "old", Some("keep"))]);
    let merged = shop.checkpoints.merge(&|key, value| (key, value) != (b"old", b"1"));
    let merged = merged.expect("it is sound").expect("there were two files");
    assert_eq!((merged.number, merged.kind, merged.base, merged.entries), (3, Kind::Whole, None, 2));
    assert_eq!(merged.mark, mark(2));
    assert_eq!(shop.checkpoints.list().expect("all are sound")[2], merged);
    let newest = shop.newest();
    assert_eq!(newest.files(), [merged]);
    assert_eq!(load(&newest, |_| true).expect("it is sound"), state(&[(0, "tea", "4"), (1, "old", "keep")]));
}

#[test]
fn newest_within_is_the_last_that_reflects_nothing_beyond() {
    let shop = Shop::open();
    for number in [10, 20, 30] {
        shop.write(Kind::Increment, number, &[]);
    }
    let check = |ends: [u64; 3], expected: Option<u64>| {
        let found = shop.checkpoints.newest_within(&ends.map(Sequence)).expect("all are sound");
        assert_eq!(found.map(|checkpoint| checkpoint.number()), expected, "{ends:?}");
    };
    check([9, 99, 99], None);
    check([10, 12, 14], Some(1));
    check([10, 12, 13], None);
    check([99, 99, 33], Some(2));
    check([20, 22, 24], Some(2));
    check([19, 22, 24], Some(1));
    check([30, 32, 34], Some(3));
    let found = shop.checkpoints.newest_within(&[Sequence(99)]).expect("all are sound");
    assert!(found.is_none(), "a partition without an end has none");
}

#[test]
fn what_the_taker_says_ends_the_load_and_is_told() {
    let shop = Shop::open();
    let info = shop.write(Kind::Whole, 1, &[(1, "a", Some("1")), (1, "b", Some("2"))]);
    let mut taken = 0;
    let error = shop.newest().load(&|_| true, &mut |_, key, _| {
        taken += 1;
        if key == b"a" { Err("no such product".into()) } else { Ok(()) }
    });
    let error = error.expect_err("the first was refused");
    assert!(
        matches!(&error, Error::Take { path, partition: Partition(1), .. } if *path == info.path),
        "{error}"
    );
    assert_eq!(taken, 1);
}

#[test]
fn threads_load_their_partitions_at_once_while_files_come_and_go() {
    let shop = Shop::open();
    let values: Vec<_> = (0..600).map(|number| format!("{number:0200}")).collect();
    let entries: Vec<Entry<'_>> = values
        .iter()
        .enumerate()
        .map(|(at, value)| {
            (u16::try_from(at % 3).expect("it is small"), value.as_str(), Some(value.as_str()))
        })
        .collect();
    shop.write(Kind::Whole, 1, &entries);
    let gone: Vec<Entry<'_>> =
        entries.iter().step_by(5).map(|(partition, key, _)| (*partition, *key, None)).collect();
    shop.write(Kind::Increment, 2, &gone);
    let newest = shop.newest();
    let expected = load(&newest, |_| true).expect("it is sound");
    assert_eq!(expected.len(), 480);
    std::thread::scope(|scope| {
        let loads: Vec<_> = (0..PARTITIONS)
            .map(|mine| {
                let newest = &newest;
                scope.spawn(move || load(newest, |partition| partition == mine).expect("it is sound"))
            })
            .collect();
        shop.checkpoints.merge(&|_, _| true).expect("it is sound");
        let old = newest.files().iter().map(|info| info.path.clone()).collect::<Vec<_>>();
        shop.checkpoints.remove(&old).expect("nobody needs them");
        let loaded: State =
            loads.into_iter().flat_map(|load| load.join().expect("it did not panic")).collect();
        assert_eq!(loaded, expected);
    });
    assert_eq!(load(&newest, |_| true).expect("it is open still"), expected);
    assert_eq!(load(&shop.newest(), |_| true).expect("it is sound"), expected);
}
