//! Checkpoints go into other folders and come back: checked, whole, and never over something else.

use std::io::{self, Read};

use holdfast_persistence::checkpoint::Kind;
use holdfast_persistence::{Checkpoints, Error, JournalId};

use super::{PARTITIONS, Shop, load};
use crate::support::ID;

fn two_chains() -> Shop {
    let shop = Shop::open();
    shop.write(Kind::Whole, 1, &[(0, "tea", Some("5"))]);
    shop.write(Kind::Increment, 2, &[(0, "tea", Some("4"))]);
    shop.write(Kind::Increment, 3, &[(1, "pot", Some("1"))]);
    shop
}

fn bytes_of(shop: &Shop) -> Vec<(String, Vec<u8>)> {
    let read = |name: String| {
        let bytes = std::fs::read(shop.path(&name)).expect("it is there");
        (name, bytes)
    };
    shop.names().into_iter().map(read).collect()
}

#[test]
fn chain_is_copied_as_it_is_and_a_second_that_shares_files_as_well() {
    let (source, target) = (two_chains(), Shop::open());
    let older = source.checkpoints.chain(2).expect("it is sound");
    source.checkpoints.copy_into(&target.folder, &older).expect("the disk has room");
    assert_eq!(target.names().len(), 2);
    source.checkpoints.copy_into(&target.folder, &source.newest()).expect("what is there is the same");
    assert_eq!(bytes_of(&target), bytes_of(&source));
    let loaded = load(&target.newest(), |_| true).expect("it is sound");
    assert_eq!(loaded, load(&source.newest(), |_| true).expect("it is sound"));
}

#[test]
fn chain_is_copied_although_its_files_are_removed_meanwhile() {
    let (source, target) = (two_chains(), Shop::open());
    let before = bytes_of(&source);
    let chain = source.newest();
    for name in source.names() {
        std::fs::remove_file(source.path(&name)).expect("it is ours");
    }
    source.checkpoints.copy_into(&target.folder, &chain).expect("it is open still");
    assert_eq!(bytes_of(&target), before);
}

#[test]
fn copy_never_replaces_another_file() {
    let (source, target) = (two_chains(), Shop::open());
    target.write(Kind::Whole, 1, &[(0, "coffee", Some("9"))]);
    let before = bytes_of(&target);
    let error = source.checkpoints.copy_into(&target.folder, &source.newest()).expect_err("it is another");
    assert!(
        matches!(&error, Error::Io { source, .. } if source.kind() == io::ErrorKind::AlreadyExists),
        "{error}"
    );
    let chain = source.checkpoints.chain(1).expect("it is sound");
    let bytes = std::fs::read(&chain.files()[0].path).expect("it is there");
    let error = target.checkpoints.import(1, &mut bytes.as_slice()).expect_err("there is one");
    assert!(
        matches!(&error, Error::Io { source, .. } if source.kind() == io::ErrorKind::AlreadyExists),
        "{error}"
    );
    assert_eq!(bytes_of(&target), before);
}

#[test]
fn import_takes_nothing_but_sound_files_of_the_same_journal() {
    let (source, target) = (two_chains(), Shop::open());
    let bytes = std::fs::read(&source.newest().files()[0].path).expect("it is there");
    for at in 0..bytes.len() {
        let mut bytes = bytes.clone();
        bytes[at] ^= 0x10;
        let error = target.checkpoints.import(1, &mut bytes.as_slice()).expect_err("a byte is wrong");
        assert!(matches!(error, Error::DamagedCheckpoint { .. }), "byte {at}: {error}");
    }
    let error = target.checkpoints.import(2, &mut bytes.as_slice()).expect_err("it has number 1");
    assert!(matches!(error, Error::DamagedCheckpoint { offset: 0, .. }), "{error}");
    let other = Checkpoints::open(&target.folder, JournalId([9; 16]), PARTITIONS).expect("it is empty");
    let error = other.import(1, &mut bytes.as_slice()).expect_err("it is of another journal");
    assert!(matches!(error, Error::ForeignCheckpoint { found: ID, .. }), "{error}");
    let error = target.checkpoints.import(1, &mut bytes.as_slice().chain(Broken)).expect_err("it broke off");
    assert!(matches!(error, Error::Io { .. }), "{error}");
    assert!(target.names().is_empty(), "a refused file leaves nothing");
    let info = target.checkpoints.import(1, &mut bytes.as_slice()).expect("it is sound");
    assert_eq!(target.checkpoints.list().expect("it is sound"), [info]);
}

/// A connection that ends.
struct Broken;

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::from(io::ErrorKind::ConnectionReset))
    }
}
