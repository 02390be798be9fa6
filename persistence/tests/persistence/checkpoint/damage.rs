//! Whatever happens to the bytes of a checkpoint is told, with the file and the place, and changes nothing.

use std::fs;
use std::path::Path;

use holdfast_persistence::checkpoint::{CHECKPOINT_FORMAT, Kind};
use holdfast_persistence::{Checkpoints, Error, JournalId, Sequence};
use proptest::prelude::*;

use super::shape::golden_shop;
use super::{PARTITIONS, Shop, load, mark};
use crate::support::ID;

const HEADER_BYTES: usize = 48;
const FOOT_BYTES: usize = 108 + 28 * 3;

/// Where the parts of a file begin, and its end: header, blocks, index, foot.
fn parts(bytes: &[u8]) -> Vec<usize> {
    let number = |at: usize, length: usize| {
        let digits = &bytes[at..at + length];
        digits.iter().rev().fold(0, |number, byte| number * 256 + usize::from(*byte))
    };
    let foot = bytes.len() - FOOT_BYTES;
    let index = number(foot + 16, 8);
    let mut parts = vec![0];
    let mut block = HEADER_BYTES;
    while block < index {
        parts.push(block);
        block += 10 + number(block + 6, 4) + 4;
    }
    parts.extend([index, foot, bytes.len()]);
    parts
}

/// Everything that looks at all files.
fn look(checkpoints: &Checkpoints) -> Result<(), Error> {
    for info in checkpoints.list()? {
        checkpoints.check(&info)?;
    }
    Ok(())
}

fn place_of(error: &Error, path: &Path) -> u64 {
    match error {
        Error::DamagedCheckpoint { path: told, offset, .. } => {
            assert_eq!(told, path);
            let text = error.to_string();
            assert!(text.contains(&format!("at byte {offset}:")), "{text}");
            assert!(text.contains("nothing was changed"), "{text}");
            *offset
        }
        error => panic!("it is damage: {error}"),
    }
}

#[test]
fn any_flipped_bit_is_told_with_its_file_and_place() {
    let shop = golden_shop();
    for info in shop.checkpoints.list().expect("they are sound") {
        let sound = fs::read(&info.path).expect("it is there");
        let parts = parts(&sound);
        assert!(parts.len() > 5, "it has a header, blocks, an index and a foot");
        for bit in 0..sound.len() * 8 {
            let mut bytes = sound.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            fs::write(&info.path, bytes).expect("the folder is writable");
            let part = parts.iter().rposition(|begin| *begin <= bit / 8).expect("the header begins at 0");
            let expected = u64::try_from(parts[part]).expect("it is small");
            let error = look(&shop.checkpoints).expect_err("a bit is wrong");
            assert_eq!(place_of(&error, &info.path), expected, "bit {bit}: {error}");
            let loaded =
                shop.checkpoints.newest().and_then(|newest| load(&newest.expect("there is one"), |_| true));
            let error = loaded.expect_err("a load reads all of it");
            assert_eq!(place_of(&error, &info.path), expected, "bit {bit}: {error}");
        }
        fs::write(&info.path, sound).expect("the folder is writable");
        look(&shop.checkpoints).expect("it is as it was");
    }
}

#[test]
fn any_cut_and_any_addition_is_told() {
    let shop = golden_shop();
    let info = shop.checkpoints.list().expect("they are sound").remove(1);
    let sound = fs::read(&info.path).expect("it is there");
    let check = |bytes: &[u8]| {
        fs::write(&info.path, bytes).expect("the folder is writable");
        let error = look(&shop.checkpoints).expect_err("it has another length");
        let offset = place_of(&error, &info.path);
        assert!(offset <= u64::try_from(bytes.len()).expect("it is small"), "{error}");
    };
    for end in 0..sound.len() {
        check(&sound[..end]);
    }
    for more in 1..300 {
        check(&[&sound[..], &vec![0; more]].concat());
        check(&[&sound[..], &sound[..more.min(sound.len())]].concat());
    }
}

#[test]
fn damaged_block_is_told_to_those_who_read_it_and_to_nobody_else() {
    let shop = Shop::open();
    let info = shop.write(Kind::Whole, 1, &[(0, "tea", Some("5")), (1, "mug", Some("2"))]);
    let mut bytes = fs::read(&info.path).expect("it is there");
    let block = parts(&bytes)[1];
    bytes[block + 12] ^= 1;
    fs::write(&info.path, bytes).expect("the folder is writable");
    let newest = shop.newest();
    assert_eq!(load(&newest, |partition| partition == 1).expect("its block is sound").len(), 1);
    let error = load(&newest, |partition| partition == 0).expect_err("its block is not");
    assert_eq!(place_of(&error, &info.path), u64::try_from(block).expect("it is small"));
    shop.write(Kind::Increment, 2, &[]);
    let names = shop.names();
    let error = shop.checkpoints.merge(&|_, _| true).expect_err("it is read for this");
    place_of(&error, &info.path);
    assert_eq!(shop.names(), names, "a merge that failed leaves nothing");
}

#[test]
fn blocks_that_changed_places_are_told() {
    let shop = Shop::open();
    let info = shop.write(Kind::Whole, 1, &[(0, "tea", Some("5")), (1, "mug", Some("2"))]);
    let sound = fs::read(&info.path).expect("it is there");
    let [_, first, second, index, ..] = parts(&sound)[..] else { panic!("it has two blocks") };
    let bytes = [&sound[..first], &sound[second..index], &sound[first..second], &sound[index..]].concat();
    assert_ne!(bytes, sound);
    fs::write(&info.path, bytes).expect("the folder is writable");
    let error = look(&shop.checkpoints).expect_err("each is sound and at the other's place");
    assert_eq!(place_of(&error, &info.path), u64::try_from(first).expect("it is small"));
}

#[test]
fn index_that_contradicts_the_rest_is_told_whatever_its_hash_says() {
    let shop = golden_shop();
    let info = shop.newest().files()[1].clone();
    let sound = fs::read(&info.path).expect("it is there");
    let parts = parts(&sound);
    let index = parts[parts.len() - 3];
    for (place, what) in [(0, "partition"), (2, "count"), (6, "length"), (9, "length, high byte")] {
        let mut bytes = sound.clone();
        bytes[index + place] ^= 0x81;
        reseal(&mut bytes, &parts);
        fs::write(&info.path, bytes).expect("the folder is writable");
        let error = shop.checkpoints.newest().expect_err(what);
        assert_eq!(place_of(&error, &info.path), u64::try_from(index).expect("it is small"), "{what}");
    }
}

#[test]
fn older_chain_is_there_where_the_newest_is_damaged_and_the_next_file_is_whole() {
    let shop = Shop::open();
    shop.write(Kind::Whole, 1, &[(0, "tea", Some("5"))]);
    let second = shop.write(Kind::Increment, 2, &[(0, "tea", Some("4"))]);
    fs::write(&second.path, "no checkpoint").expect("the folder is writable");
    let error = shop.checkpoints.newest().expect_err("it is damaged");
    assert!(error.is_of_checkpoint(), "{error}");
    assert_eq!(shop.checkpoints.numbers().expect("it can be listed"), [1, 2]);
    let older = shop.checkpoints.chain(1).expect("it is sound");
    assert_eq!(older.mark(), &mark(1));
    let writer = shop.checkpoints.begin(Kind::Increment).expect("nobody else writes");
    assert_eq!((writer.kind(), writer.number(), writer.base()), (Kind::Whole, 3, None));
    writer.finish(&mark(3)).expect("the disk has room");
    assert_eq!(shop.newest().number(), 3);
}

#[test]
fn missing_base_is_named() {
    let shop = Shop::open();
    let first = shop.write(Kind::Whole, 1, &[]);
    let second = shop.write(Kind::Increment, 2, &[]);
    let third = shop.write(Kind::Increment, 3, &[]);
    fs::remove_file(&second.path).expect("it is ours");
    let error = shop.checkpoints.newest().expect_err("the one between is missing");
    assert!(
        matches!(&error, Error::NoBase { path, base } if *path == third.path && *base == second.path),
        "{error}"
    );
    let within = shop.checkpoints.newest_within(&[Sequence(99); 3]).expect_err("it is the newest as well");
    assert!(within.is_of_checkpoint(), "{within}");
    fs::remove_file(&third.path).expect("it is ours");
    assert_eq!(shop.newest().files(), [first]);
}

#[test]
fn file_of_another_journal_is_refused() {
    let shop = golden_shop();
    let other = JournalId(*b"another journal!");
    let checkpoints = Checkpoints::open(&shop.folder, other, PARTITIONS).expect("names tell nothing");
    for error in [
        checkpoints.list().expect_err("it is foreign"),
        checkpoints.newest().expect_err("it is foreign"),
        checkpoints.newest_within(&[Sequence(u64::MAX); 3]).expect_err("it is foreign"),
    ] {
        assert!(
            matches!(error, Error::ForeignCheckpoint { found: ID, expected, .. } if expected == other),
            "{error}"
        );
        assert!(error.to_string().contains("nothing was changed"), "{error}");
    }
    let checkpoints = Checkpoints::open(&shop.folder, ID, PARTITIONS + 1).expect("names tell nothing");
    let error = checkpoints.newest().expect_err("it has other partitions");
    assert!(matches!(error, Error::DamagedCheckpoint { offset: 0, .. }), "{error}");
}

#[test]
fn newer_format_is_told_from_damage() {
    let shop = golden_shop();
    let info = shop.newest().files()[1].clone();
    let mut bytes = fs::read(&info.path).expect("it is there");
    let parts = parts(&bytes);
    bytes[8] = CHECKPOINT_FORMAT + 1;
    reseal(&mut bytes, &parts);
    fs::write(&info.path, bytes).expect("the folder is writable");
    let error = shop.checkpoints.newest().expect_err("it is newer");
    let known = CHECKPOINT_FORMAT;
    assert!(
        matches!(error, Error::NewerCheckpoint { found, known: told, .. } if (found, told) == (known + 1, known))
    );
}

#[test]
fn file_under_another_name_is_refused() {
    let shop = golden_shop();
    let info = shop.newest().files()[1].clone();
    fs::rename(&info.path, shop.path("00000000000000000007.checkpoint")).expect("the folder is writable");
    let error = shop.checkpoints.newest().expect_err("it is number 2");
    assert_eq!(place_of(&error, &shop.path("00000000000000000007.checkpoint")), 0);
}

/// Gives the parts of a changed file checksums that fit the change.
fn reseal(bytes: &mut [u8], parts: &[usize]) {
    let [blocks @ .., index, foot, end] = &parts[1..] else { panic!("it has these parts") };
    let crc_of = |bytes: &mut [u8], begin: usize, end: usize| {
        let crc = crc32fast::hash(&bytes[begin..end - 4]).to_le_bytes();
        bytes[end - 4..end].copy_from_slice(&crc);
    };
    crc_of(bytes, 0, HEADER_BYTES);
    for (at, block) in blocks.iter().enumerate() {
        crc_of(bytes, *block, *parts[2..].get(at).expect("something follows"));
    }
    let mut hasher = blake3::Hasher::new();
    hasher.update(&bytes[..HEADER_BYTES]).update(&bytes[*index..*foot]);
    bytes[end - 36..end - 4].copy_from_slice(hasher.finalize().as_bytes());
    crc_of(bytes, *foot, *end);
}

proptest! {
    /// Checksums keep random bytes away from the lengths, so these get good ones where they can.
    #[test]
    fn no_bytes_make_the_reader_panic(
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        is_resealed in any::<bool>(),
    ) {
        let shop = golden_shop();
        let info = shop.newest().files()[0].clone();
        let sound = fs::read(&info.path).expect("it is there");
        let mut bytes = sound.clone();
        for (place, value) in &flips {
            let place = place.index(bytes.len());
            bytes[place] = *value;
        }
        if is_resealed {
            reseal(&mut bytes, &parts(&sound));
        }
        fs::write(&info.path, &bytes).expect("the folder is writable");
        if look(&shop.checkpoints).is_ok() {
            load(&shop.newest(), |_| true).expect("what is sound can be loaded");
        }
    }
}
