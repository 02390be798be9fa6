//! What is kept of the past, and that nothing that is needed can be removed.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use holdfast_persistence::checkpoint::{Kind, Unneeded};
use holdfast_persistence::{BatchNumber, Error, Retain, Sequence};

use super::{Shop, load};

/// Two whole files with increments behind each: chains that end at 1, 2, 3 (over 1) and 4, 5 (over 4).
fn shop() -> Shop {
    let shop = Shop::open();
    shop.write(Kind::Whole, 10, &[(0, "tea", Some("5"))]);
    shop.write(Kind::Increment, 20, &[(0, "tea", Some("4"))]);
    shop.write(Kind::Increment, 30, &[(0, "tea", Some("3"))]);
    shop.write(Kind::Whole, 40, &[(0, "tea", Some("2"))]);
    shop.write(Kind::Increment, 50, &[(0, "tea", Some("1"))]);
    shop
}

fn retain(shop: &Shop, retain: Retain, now_s: u64) -> Option<Unneeded> {
    let no_frames = |_| Ok(0);
    shop.checkpoints.retain(retain, now_s * 1_000, &no_frames).expect("all are sound")
}

fn numbers(shop: &Shop, unneeded: &Unneeded) -> Vec<u64> {
    let all = shop.checkpoints.numbers().expect("it can be listed");
    let is_unneeded = |number: &u64| unneeded.files.contains(&shop.path(&format!("{number:020}.checkpoint")));
    let found: Vec<_> = all.into_iter().filter(is_unneeded).collect();
    assert_eq!(found.len(), unneeded.files.len());
    found
}

#[test]
fn age_keeps_the_newest_chain_that_is_old_enough_and_all_that_follow() {
    let shop = shop();
    let check = |age_s: u64, expected: Option<(u64, &[u64])>| {
        let unneeded = retain(&shop, Retain::Age(Duration::from_secs(age_s)), 100);
        let found = unneeded.map(|unneeded| (unneeded.first_needed, numbers(&shop, &unneeded)));
        let expected = expected.map(|(batch, files)| (BatchNumber(batch), files.to_vec()));
        assert_eq!(found, expected, "{age_s} s");
    };
    check(0, Some((50, &[1, 2, 3])));
    check(50, Some((50, &[1, 2, 3])));
    check(51, Some((40, &[1, 2, 3])));
    check(60, Some((40, &[1, 2, 3])));
    check(61, Some((30, &[])));
    check(80, Some((20, &[])));
    check(90, Some((10, &[])));
    check(91, None);
    check(u64::MAX, None);
}

#[test]
fn bytes_keep_as_many_chains_as_fit_with_their_frames_and_the_newest_always() {
    let shop = shop();
    let sizes: Vec<u64> =
        shop.checkpoints.list().expect("all are sound").iter().map(|info| info.bytes).collect();
    let all: u64 = sizes.iter().sum();
    let newest: u64 = sizes[3..].iter().sum();
    // A thousand bytes for each frame up to 60.
    let frame_bytes = |from: BatchNumber| Ok((60 - from.0) * 1_000);
    let check = |bytes: u64, expected: (u64, &[u64])| {
        let unneeded = shop.checkpoints.retain(Retain::Bytes(bytes), 100_000, &frame_bytes);
        let unneeded = unneeded.expect("all are sound").expect("there is a chain");
        assert_eq!(
            (unneeded.first_needed, numbers(&shop, &unneeded)),
            (BatchNumber(expected.0), expected.1.to_vec()),
            "{bytes}"
        );
    };
    check(u64::MAX, (10, &[]));
    check(all + 50_000, (10, &[]));
    check(all + 49_999, (20, &[]));
    check(all + 30_000, (30, &[]));
    check(all + 29_999, (40, &[1, 2, 3]));
    check(newest + 20_000, (40, &[1, 2, 3]));
    check(newest + 19_999, (50, &[1, 2, 3]));
    check(0, (50, &[1, 2, 3]));
}

#[test]
fn all_is_all_and_without_a_chain_nothing_goes() {
    assert_eq!(retain(&shop(), Retain::All, 100), None);
    let empty = Shop::open();
    assert_eq!(retain(&empty, Retain::Age(Duration::ZERO), 100), None);
    assert_eq!(retain(&empty, Retain::Bytes(0), 100), None);
    let failing = |_| Err(Error::CheckpointBusy { path: "a disk that fails".into() });
    shop().checkpoints.retain(Retain::Bytes(0), 0, &failing).expect_err("what the frames say is told");
}

/// A chain that a wrong clock dates back is no older than those before it, and with one from days to come nothing waits for these.
#[test]
fn clock_that_was_wrong_costs_none_of_the_past() {
    let check = |times: &[u64], age_s: u64, expected: &[u64]| {
        let shop = Shop::open();
        times.iter().for_each(|at_s| drop(shop.write(Kind::Whole, *at_s, &[])));
        let unneeded = retain(&shop, Retain::Age(Duration::from_secs(age_s)), 50);
        let found = unneeded.map(|unneeded| numbers(&shop, &unneeded)).unwrap_or_default();
        assert_eq!(found, expected, "{times:?} {age_s} s");
    };
    check(&[10, 20, 2, 40], 15, &[1, 2]);
    check(&[10, 30, 2, 40], 15, &[1, 2]);
    check(&[10, 30, 2], 25, &[]);
    check(&[10, 90, 20], 20, &[1, 2]);
    check(&[10, 90, 20, 40], 15, &[1, 2]);
    check(&[10, 90], 15, &[]);
    check(&[90], 15, &[]);
}

/// A week of whole files is no week of disk: the newest two, the oldest, and some in between.
#[test]
fn of_many_whole_files_some_are_kept_and_the_past_with_them() {
    let shop = Shop::open();
    (1..=100).for_each(|at_s| drop(shop.write(Kind::Whole, at_s, &[])));
    for (wanted, first_needed, oldest) in
        [(Retain::Age(Duration::from_secs(80)), 20, 20), (Retain::All, 1, 1)]
    {
        let unneeded = retain(&shop, wanted, 100).expect("there are many");
        let gone = numbers(&shop, &unneeded);
        let left: Vec<u64> = (1..=100).filter(|number| !gone.contains(number)).collect();
        assert_eq!(unneeded.first_needed, BatchNumber(first_needed), "{wanted:?}");
        assert_eq!((left[0], &left[left.len() - 2..]), (oldest, &[99, 100][..]), "{left:?}");
        assert!((8..=11).contains(&left.len()), "{left:?}");
        let gaps = left.windows(2).map(|pair| pair[1] - pair[0]);
        assert!(gaps.max() <= Some(13), "evenly: {left:?}");
    }
}

#[test]
fn merged_chain_lets_its_files_go_when_it_is_old_enough() {
    let shop = Shop::open();
    shop.write(Kind::Whole, 10, &[(0, "tea", Some("5"))]);
    shop.write(Kind::Increment, 20, &[(0, "tea", Some("4"))]);
    shop.checkpoints.merge(&|_, _| true).expect("it is sound").expect("there were two files");
    let unneeded = retain(&shop, Retain::Age(Duration::from_secs(85)), 100).expect("the first is so old");
    assert_eq!((unneeded.first_needed, unneeded.files.len()), (BatchNumber(10), 0));
    let unneeded = retain(&shop, Retain::Age(Duration::from_secs(80)), 100).expect("the third is so old");
    assert_eq!((unneeded.first_needed, numbers(&shop, &unneeded)), (BatchNumber(20), vec![1, 2]));
}

#[test]
fn unneeded_files_are_removed_and_the_newest_chain_never() {
    let shop = shop();
    let expected = load(&shop.newest(), |_| true).expect("it is sound");
    let path_of = |number: u64| shop.path(&format!("{number:020}.checkpoint"));
    let names = shop.names();
    for needed in [path_of(4), path_of(5), shop.data.path().join("LOCK"), "elsewhere.checkpoint".into()] {
        let error = shop.checkpoints.remove(&[path_of(1), needed.clone()]).expect_err("it stays");
        assert!(matches!(&error, Error::CheckpointNeeded { path } if *path == needed), "{error}");
    }
    assert_eq!(shop.names(), names, "nothing goes when one of them has to stay");
    let unneeded = retain(&shop, Retain::Age(Duration::ZERO), 100).expect("there are older ones");
    shop.checkpoints.remove(&unneeded.files).expect("nobody needs them");
    shop.checkpoints.remove(&unneeded.files).expect("what is gone is gone");
    assert_eq!(shop.checkpoints.numbers().expect("it can be listed"), [4, 5]);
    assert_eq!(load(&shop.newest(), |_| true).expect("it is sound"), expected);
}

#[test]
fn readers_find_whole_chains_while_old_ones_go() {
    let shop = Shop::open();
    shop.write(Kind::Whole, 1, &[(0, "tea", Some("1"))]);
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 2..200 {
                let kind = if number % 3 == 0 { Kind::Whole } else { Kind::Increment };
                shop.write(kind, number, &[(0, "tea", Some(&number.to_string()))]);
                let unneeded = retain(&shop, Retain::Age(Duration::from_secs(1)), number);
                let files = unneeded.map(|unneeded| unneeded.files).unwrap_or_default();
                shop.checkpoints.remove(&files).expect("nobody needs them");
            }
            is_done.store(true, Ordering::Release);
        });
        let mut last = 0;
        while !is_done.load(Ordering::Acquire) {
            let newest = shop.newest();
            let tea = load(&newest, |_| true).expect("it is open").remove(&(0, b"tea".to_vec()));
            let now: u64 =
                String::from_utf8_lossy(&tea.expect("there is tea")).parse().expect("it is a number");
            assert_eq!(newest.mark().head.next_batch(), BatchNumber(now));
            assert!(now >= last, "{now} after {last}");
            last = now;
            let infos = shop.checkpoints.list().expect("what goes is left out");
            assert!(!infos.is_empty());
            let ends = [Sequence(now), Sequence(now + 2), Sequence(now + 4)];
            let within = shop.checkpoints.newest_within(&ends).expect("what goes is left out");
            assert!(within.is_none_or(|within| within.mark().at_ms <= now * 1_000));
        }
    });
    assert_eq!(shop.newest().mark().at_ms, 199_000);
}

/// A folder in the way stands in for a crash between two removals.
#[test]
fn removal_that_is_cut_short_leaves_whole_chains() {
    let shop = shop();
    let path_of = |number: u64| shop.path(&format!("{number:020}.checkpoint"));
    fs::remove_file(path_of(2)).expect("it is ours");
    fs::create_dir(path_of(2)).expect("the folder is writable");
    let error = shop.checkpoints.remove(&[path_of(1), path_of(2), path_of(3)]).expect_err("2 is no file");
    assert!(matches!(&error, Error::Io { path, .. } if *path == path_of(2)), "{error}");
    assert_eq!(shop.checkpoints.numbers().expect("it can be listed"), [1, 2, 4, 5]);
    assert_eq!(shop.checkpoints.chain(1).expect("it is whole").number(), 1);
}

#[test]
fn damaged_and_cut_off_files_are_needed_by_nobody_but_the_newest_chain_has_to_be_sound() {
    let shop = shop();
    let path_of = |number: u64| shop.path(&format!("{number:020}.checkpoint"));
    let age = |seconds| Retain::Age(Duration::from_secs(seconds));
    fs::write(path_of(2), "no checkpoint").expect("the folder is writable");
    let unneeded = retain(&shop, age(80), 100).expect("the first is so old");
    assert_eq!((unneeded.first_needed, numbers(&shop, &unneeded)), (BatchNumber(10), vec![]));
    let unneeded = retain(&shop, age(60), 100).expect("the fourth is so old");
    assert_eq!((unneeded.first_needed, numbers(&shop, &unneeded)), (BatchNumber(40), vec![1, 2, 3]));
    fs::write(path_of(4), "no checkpoint").expect("the folder is writable");
    let error = shop.checkpoints.retain(age(0), 100_000, &|_| Ok(0)).expect_err("the newest needs it");
    assert!(error.is_of_checkpoint(), "{error}");
    let error = shop.checkpoints.remove(&[path_of(1)]).expect_err("the newest is not known");
    assert!(error.is_of_checkpoint(), "{error}");
    assert!(path_of(1).exists());
}
