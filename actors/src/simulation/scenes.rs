//! Single schedules that once went wrong, each played by hand.

use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, Waker};

use holdfast_domain::idempotency::{Fingerprint, KEY_KEPT, Key};
use holdfast_domain::product::Command;
use holdfast_domain::{OrderId, ProductId, Timestamp};
use holdfast_persistence::{Committer, CommitterOptions, Head, JournalId, MemoryDisk};

use crate::clock::ManualClock;
use crate::context::{Context, RequestKey};
use crate::pending::Stopped;
use crate::recovery::recover;
use crate::turn::{Live, Wish};

use super::books::Books;
use super::process::{Process, turn_context};
use super::wishes::{Asked, AskedWish, repriced, thing};
use super::{PARTITIONS, START};

const LAMP: ProductId = ProductId(1);

#[test]
fn late_request_for_a_gone_product_does_not_keep_the_next_start_from_starting() {
    let (disk, mut process, mut books) = beginning(&ManualClock::new(START));
    for (key, wish) in [(1, create()), (2, AskedWish::Do(Command::Delete { version: None }))] {
        process.ask(asked(key, wish), START, &mut books);
    }
    process.let_absent_leave();
    // Sent while the product was there, delivered when its actor had left.
    let late = Command::Cancel { order: OrderId(1) };
    process.ask(asked(3, AskedWish::Do(late)), START, &mut books);
    process.let_absent_leave();
    // And the id is made once more, by whoever chooses ids themselves.
    process.ask(asked(4, create()), START, &mut books);
    process.writer.commit().expect("the disk is whole");
    process.open_sealed(&mut books);
    let recovered = recover(&mut disk.journal()).expect("the journal is sound");
    books.compare(&recovered);
    assert_eq!(recovered.report.keys, 4);
    assert_eq!(recovered.state().len(), 1);
}

#[test]
fn key_claimed_just_before_the_clock_was_set_back_is_answered_once() {
    let clock = ManualClock::new(START);
    let (disk, mut process, mut books) = beginning(&clock);
    process.ask(asked(1, create()), START, &mut books);
    process.ask(asked(2, edit(5)), START, &mut books);
    process.writer.commit().expect("the disk is whole");
    process.open_sealed(&mut books);
    let next_day = START.after(KEY_KEPT);
    clock.set(Timestamp(next_day.0 - 1));
    // The books of the world last a day as well.
    books.outcomes.clear();
    process.ask(asked(2, edit(6)), next_day, &mut books);
    process.writer.commit().expect("the disk is whole");
    process.open_sealed(&mut books);
    assert_eq!(process.turns.clock.stamp(), next_day, "INV-9: the turn came after the claim");
    recover(&mut disk.journal()).expect("the journal is sound");
}

#[test]
fn turn_after_the_journal_was_closed_is_answered_with_stopped() {
    let disk = MemoryDisk::new(JournalId([1; 16]), PARTITIONS);
    let mut journal = disk.journal();
    let recovered = recover(&mut journal).expect("a new disk is empty");
    let head: Head = recovered.head.clone();
    let options = CommitterOptions::new(|error| panic!("nothing is written: {error}"));
    let (queue, committer) = Committer::start(Box::new(journal), head.clone(), options);
    committer.close().expect("nothing failed");
    let turns = turn_context(queue, &head, recovered.next_epoch(), &ManualClock::new(START));
    let mut live = Live::new(LAMP, holdfast_persistence::Partition(0));
    let new = thing("lamp", 5);
    let skus = vec![new.variants[0].description.clone()];
    let skus = turns.directory.claim(LAMP, skus).expect("the sku is free");
    let pending = live.turn(&turns, Wish::Create { new, skus }, &Context::system(), None);
    let mut opened = Box::pin(pending.open());
    let polled = opened.as_mut().poll(&mut TaskContext::from_waker(Waker::noop()));
    assert_eq!(polled, Poll::Ready(Err(Stopped)));
}

fn beginning(clock: &ManualClock) -> (MemoryDisk, Process, Books) {
    let disk = MemoryDisk::new(JournalId([1; 16]), PARTITIONS);
    let mut journal = disk.journal();
    let recovered = recover(&mut journal).expect("a new disk is empty");
    let process = Process::start(journal, recovered, clock);
    (disk, process, Books::default())
}

fn asked(key: u128, wish: AskedWish) -> Asked {
    let key = RequestKey { key: Key(key), fingerprint: Fingerprint(key) };
    Asked { product: LAMP, key: Some(key), wish }
}

fn create() -> AskedWish {
    AskedWish::Create { new: thing("lamp", 5) }
}

fn edit(price: i64) -> AskedWish {
    let description = repriced(&thing("lamp", 5).description, price);
    AskedWish::Do(Command::Describe { description: Arc::new(description), version: None })
}
