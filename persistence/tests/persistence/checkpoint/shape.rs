//! The bytes of a checkpoint file are fixed, and private.

use std::os::unix::fs::PermissionsExt;

use holdfast_persistence::checkpoint::{BLOCK_BYTES_MAX, Kind};
use holdfast_persistence::{Block, Checkpoints, Partition, Sequence};

use super::{PARTITIONS, Shop, load, mark, put, state};
use crate::support::ID;

const WHOLE: &[u8] = include_bytes!("../../golden/checkpoint-v1.bin");
const INCREMENT: &[u8] = include_bytes!("../../golden/checkpoint-increment-v1.bin");

const NAME: &str = "00000000000000000001.checkpoint";
const SECOND_NAME: &str = "00000000000000000002.checkpoint";

/// Two files that have every shape there is; also the ones that are damaged byte by byte.
pub(super) fn golden_shop() -> Shop {
    let shop = Shop::open();
    let mut writer = shop.checkpoints.begin(Kind::Whole).expect("nobody else writes");
    let mut block = Block::new(Partition(0));
    block.push(b"tea", Some(b"five"));
    block.push(b"", Some(b""));
    block.push(&[0, 255], Some(&[128]));
    writer.put(&block).expect("the disk has room");
    put(&mut writer, &[(2, "mug", Some("two")), (0, "pot", Some("one"))]);
    writer.finish(&mark(0x0102_0304)).expect("the disk has room");
    shop.write(Kind::Increment, 0x0506_0708, &[(2, "mug", None), (1, "cup", Some("three"))]);
    shop
}

#[test]
fn bytes_of_a_checkpoint_are_those_of_the_golden_files() {
    let shop = golden_shop();
    assert_eq!(std::fs::read(shop.path(NAME)).expect("it is there"), WHOLE);
    assert_eq!(std::fs::read(shop.path(SECOND_NAME)).expect("it is there"), INCREMENT);
}

#[test]
fn golden_checkpoint_of_format_1_reads_as_it_was_written() {
    let shop = Shop::open();
    std::fs::write(shop.path(NAME), WHOLE).expect("the folder is writable");
    std::fs::write(shop.path(SECOND_NAME), INCREMENT).expect("the folder is writable");
    let newest = shop.newest();
    assert_eq!(newest.mark(), &mark(0x0506_0708));
    let [whole, increment] = newest.files() else { panic!("there are two") };
    assert_eq!((whole.kind, whole.base, whole.entries), (Kind::Whole, None, 5));
    assert_eq!((increment.kind, increment.base, increment.entries), (Kind::Increment, Some(1), 2));
    let mut expected = state(&[(0, "tea", "five"), (0, "", ""), (0, "pot", "one"), (1, "cup", "three")]);
    expected.insert((0, vec![0, 255]), vec![128]);
    assert_eq!(load(&newest, |_| true).expect("it is sound"), expected);
}

#[test]
fn files_are_for_their_user_alone_and_named_by_their_numbers() {
    let shop = golden_shop();
    assert_eq!(shop.names(), [NAME, SECOND_NAME]);
    let mode_of =
        |path: &std::path::Path| std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!(mode_of(&shop.path(NAME)), 0o600);
    assert_eq!(mode_of(shop.path(NAME).parent().expect("it has one")), 0o700);
    for info in shop.checkpoints.list().expect("both are sound") {
        assert_eq!(info.bytes, std::fs::metadata(&info.path).expect("it is there").len());
    }
}

#[test]
fn empty_journal_has_a_checkpoint_of_nothing() {
    let shop = Shop::open();
    assert!(shop.checkpoints.newest().expect("there is none").is_none());
    let info = shop.write(Kind::Whole, 0, &[]);
    assert_eq!((info.number, info.entries), (1, 0));
    assert!(load(&shop.newest(), |_| true).expect("it is sound").is_empty());
}

#[test]
fn blocks_say_when_they_are_full_and_take_what_is_larger() {
    let shop = Shop::open();
    let mut block = Block::new(Partition(1));
    assert!(block.is_empty());
    block.push(b"small", Some(b"1"));
    assert_eq!((block.partition(), block.entries(), block.is_full()), (Partition(1), 1, false));
    let large = vec![7; 3 * BLOCK_BYTES_MAX];
    block.push(b"large", Some(&large));
    assert!(block.is_full() && block.bytes() > large.len());
    let mut writer = shop.checkpoints.begin(Kind::Whole).expect("nobody else writes");
    writer.put(&block).expect("the disk has room");
    block.clear();
    assert!(block.is_empty() && !block.is_full());
    writer.put(&block).expect("an empty block is nothing");
    let info = writer.finish(&mark(1)).expect("the disk has room");
    assert_eq!(info.entries, 2);
    let loaded = load(&shop.newest(), |_| true).expect("it is sound");
    assert_eq!(loaded[&(1, b"large".to_vec())], large);
}

#[test]
fn checkpoint_outlasts_its_opener() {
    let shop = golden_shop();
    let expected = load(&shop.newest(), |_| true).expect("it is sound");
    let again = Checkpoints::open(&shop.folder, ID, PARTITIONS).expect("it is ours");
    let newest = again.newest().expect("it is sound").expect("there is one");
    assert_eq!(newest.mark().reflects[1], Sequence(0x0506_0708 + 2));
    assert_eq!(load(&newest, |_| true).expect("it is sound"), expected);
}
