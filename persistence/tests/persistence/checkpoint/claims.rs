//! One file is in the making at a time, and one that was never finished leaves nothing.

use holdfast_persistence::checkpoint::Kind;
use holdfast_persistence::{Checkpoints, Error, Folder};

use super::{PARTITIONS, Shop, load, mark, put, state};
use crate::support::ID;

const PARTIAL: &str = "00000000000000000002.partial";

#[test]
fn increment_without_a_chain_is_whole_and_says_so() {
    let shop = Shop::open();
    let writer = shop.checkpoints.begin(Kind::Increment).expect("nobody else writes");
    assert_eq!((writer.kind(), writer.number(), writer.base()), (Kind::Whole, 1, None));
    writer.finish(&mark(1)).expect("the disk has room");
    let writer = shop.checkpoints.begin(Kind::Increment).expect("nobody else writes");
    assert_eq!((writer.kind(), writer.number(), writer.base()), (Kind::Increment, 2, Some(1)));
}

#[test]
fn second_writer_is_told_to_wait() {
    let shop = Shop::open();
    let first = shop.write(Kind::Whole, 1, &[(0, "tea", Some("5"))]);
    shop.write(Kind::Increment, 2, &[(0, "tea", Some("4"))]);
    let writer = shop.checkpoints.begin(Kind::Increment).expect("nobody else writes");
    for error in [
        shop.checkpoints.begin(Kind::Whole).expect_err("one is in the making"),
        shop.checkpoints.merge(&|_, _| true).expect_err("one is in the making"),
    ] {
        assert!(matches!(error, Error::CheckpointBusy { .. }), "{error}");
    }
    let other = Checkpoints::open(&shop.folder, ID, PARTITIONS).expect("opening disturbs nobody");
    assert!(matches!(other.begin(Kind::Whole), Err(Error::CheckpointBusy { .. })));
    assert_eq!(other.list().expect("what is in the making is not listed").len(), 2);
    let info = writer.finish(&mark(3)).expect("its file is still there");
    assert_eq!(info.base, Some(first.number + 1));
    other.begin(Kind::Whole).expect("it is free again");
}

#[test]
fn unfinished_file_leaves_nothing() {
    let shop = Shop::open();
    shop.write(Kind::Whole, 1, &[(0, "tea", Some("5"))]);
    let names = shop.names();
    let mut writer = shop.checkpoints.begin(Kind::Increment).expect("nobody else writes");
    put(&mut writer, &[(0, "tea", Some("4"))]);
    assert!(shop.names().contains(&PARTIAL.to_owned()));
    drop(writer);
    assert_eq!(shop.names(), names);
    assert_eq!(load(&shop.newest(), |_| true).expect("it is sound"), state(&[(0, "tea", "5")]));
}

/// A crash leaves the first so many bytes, under the name beside the real one.
#[test]
fn crash_at_any_byte_leaves_the_older_chain() {
    let shop = Shop::open();
    shop.write(Kind::Whole, 1, &[(0, "tea", Some("5"))]);
    let names = shop.names();
    let second = shop.write(Kind::Increment, 2, &[(0, "tea", Some("4")), (1, "pot", None)]);
    let bytes = std::fs::read(&second.path).expect("it is there");
    std::fs::remove_file(&second.path).expect("it is ours");
    for end in 0..=bytes.len() {
        std::fs::write(shop.path(PARTIAL), &bytes[..end]).expect("the folder is writable");
        let reopened = Checkpoints::open(&shop.folder, ID, PARTITIONS).expect("a crash is no damage");
        assert_eq!(shop.names(), names, "cut at {end}");
        let newest = reopened.newest().expect("it is sound").expect("there is one");
        assert_eq!(load(&newest, |_| true).expect("it is sound"), state(&[(0, "tea", "5")]));
    }
}

#[test]
fn finished_file_is_never_written_over() {
    let shop = Shop::open();
    let mut writer = shop.checkpoints.begin(Kind::Whole).expect("nobody else writes");
    put(&mut writer, &[(0, "tea", Some("5"))]);
    let name = "00000000000000000001.checkpoint";
    std::fs::write(shop.path(name), "somebody was here").expect("the folder is writable");
    let error = writer.finish(&mark(1)).expect_err("the name is taken");
    assert!(matches!(error, Error::Io { .. }) && error.to_string().contains(name), "{error}");
    assert_eq!(std::fs::read(shop.path(name)).expect("it is there"), b"somebody was here");
    assert_eq!(shop.names(), [name]);
}

#[test]
fn what_others_put_beside_them_is_left_alone() {
    let shop = Shop::open();
    shop.write(Kind::Whole, 1, &[]);
    let others = ["1.checkpoint", "1.partial", "notes.txt", "0000000000000000000x.partial"];
    for name in others {
        std::fs::write(shop.path(name), "mine").expect("the folder is writable");
    }
    let reopened = Checkpoints::open(&shop.folder, ID, PARTITIONS).expect("it is ours");
    assert_eq!(reopened.numbers().expect("it can be listed"), [1]);
    assert_eq!(reopened.list().expect("it is sound").len(), 1);
    assert!(others.iter().all(|name| shop.path(name).exists()));
}

#[test]
fn folder_stays_ours_while_its_checkpoints_are_open() {
    let Shop { data, folder, checkpoints } = Shop::open();
    drop(folder);
    assert!(matches!(Folder::open(data.path()), Err(Error::Locked { .. })));
    drop(checkpoints);
    Folder::open(data.path()).expect("it is free again");
}
