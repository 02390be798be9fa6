//! Checkpoints of a running engine: taken while a crowd does everything at once, they lead to what the journal leads to.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use holdfast_actors::checkpoint::{CheckpointOptions, Error};
use holdfast_actors::domain::account::session::{FamilyId, TokenHash};
use holdfast_actors::domain::account::{Account, Role, Tier};
use holdfast_actors::domain::price::{Kind as RuleKind, Off, Terms};
use holdfast_actors::domain::product::ReserveOn;
use holdfast_actors::domain::{AccountId, CategoryId, Owner, RuleId, Timestamp};
use holdfast_actors::engine::Kind;
use holdfast_actors::persistence::{
    Checkpoints, Error as StoreError, Folder, Options as StoreOptions, Retain, SledJournal,
};
use holdfast_actors::recovery::{self, Proof, recover_newest};
use holdfast_actors::{Engine, ManualClock};

use crate::categories::described;
use crate::common::wants::{by, cart_order, new_order, new_reservation, paid};
use crate::common::{
    NOW, context, fresh, fresh_id, keyed, let_others, new_product, on_threads, options, quantity, run, sku,
    until,
};
use crate::crowd;

/// Rounds of a crowd, with a restart after each.
const ROUNDS: u64 = 2;
/// Crowds that come one after the other in a round, on each of the threads.
const CROWDS: u64 = 2;
const THREADS: u64 = 2;
const PEOPLE: u64 = 4;

/// Nothing that a test waits for takes this long on a machine that works.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// An engine on a real disk that takes checkpoints.
struct Shop {
    engine: Engine,
    clock: ManualClock,
}

impl Shop {
    fn open(path: &Path, tune: impl FnOnce(&mut CheckpointOptions)) -> Self {
        let folder = folder(path);
        let mut journal = SledJournal::open(&folder, StoreOptions::default()).expect("it opens");
        let files = checkpoints(&folder, &journal);
        let recovered = recover_newest(&mut journal, &files, 1, &|_| {}).expect("the journal is sound");
        let mut how = CheckpointOptions {
            files,
            every: None,
            journal_bytes_max: u64::MAX,
            disk_reserve_bytes: 0,
            retain: Retain::All,
            trimmer: Some(journal.trimmer()),
        };
        tune(&mut how);
        let clock = ManualClock::new(NOW);
        let mut options = options(&clock);
        options.checkpoints = Some(how);
        // Products fall asleep and wake up all the time.
        options.idle = Duration::from_millis(1);
        let reader = journal.reader();
        Self { engine: Engine::start(Box::new(journal), Some(reader), recovered, options), clock }
    }

    /// Waits until nothing changes any more, stops, and proves that every way back leads to the same: the whole journal,
    /// each checkpoint with what follows it, and what was in memory.
    async fn close(self, path: &Path) -> Vec<u64> {
        let mut last = None;
        let (products, owners) = loop {
            let state = self.engine.state().await.expect("the shards run");
            let now = (state, self.engine.owners().await.expect("the shards run"));
            if last.as_ref() == Some(&now) {
                break now;
            }
            last = Some(now);
            let_others().await;
        };
        let unsent: Vec<_> = self.engine.unsent(None, usize::MAX);
        self.engine.stop().map(drop).expect("the journal is whole");
        drop(self);
        let folder = folder(path);
        let mut journal = SledJournal::open(&folder, StoreOptions::default()).expect("it opens");
        let files = checkpoints(&folder, &journal);
        let proof = Proof { checkpoints: Some(&files), ..Proof::default() };
        let verified = recovery::verify(&journal, &proof, |_| Ok(())).expect("all lead to the same");
        let recovered = recover_newest(&mut journal, &files, 1, &|_| {}).expect("the journal is sound");
        assert!(recovered.report.checkpoint.is_some(), "it began with a checkpoint");
        assert_eq!(recovered.state(), products, "INV-7");
        assert_eq!(recovered.owners(), owners, "INV-7");
        let unsent: Vec<_> = unsent.into_iter().map(|it| (it.about, it.at)).collect();
        assert_eq!(recovered.unsent().iter().map(|(about, at)| (*about, *at)).collect::<Vec<_>>(), unsent);
        verified.checkpoints
    }
}

fn folder(path: &Path) -> Folder {
    loop {
        // The threads of the engine before may still hold the folder for a moment.
        match Folder::open(path) {
            Ok(folder) => return folder,
            Err(StoreError::Locked { .. }) => std::thread::yield_now(),
            Err(error) => panic!("the folder is ours: {error}"),
        }
    }
}

fn checkpoints(folder: &Folder, journal: &SledJournal) -> Checkpoints {
    use holdfast_actors::persistence::FrameSource as _;

    Checkpoints::open(folder, journal.id(), journal.partitions()).expect("it opens")
}

#[test]
fn checkpoints_among_a_crowd_lead_to_what_the_journal_leads_to() {
    let data = tempfile::tempdir().expect("a folder for the test");
    for round in 0..ROUNDS {
        run(async {
            let shop = Shop::open(data.path(), |_| {});
            open_shop(&shop.engine, round).await;
            let is_over = Arc::new(AtomicBool::new(false));
            let taking = actix::spawn(take_until(shop.engine.clone(), Arc::clone(&is_over)));
            let engine = shop.engine.clone();
            let crowds = on_threads(THREADS, move |thread| {
                let engine = engine.clone();
                move || Box::pin(async move { a_crowd(&engine, round, thread).await })
            });
            crowds.await;
            is_over.store(true, Ordering::SeqCst);
            let (taken, whole) = taking.await.expect("it ends");
            assert!(taken >= 2, "{taken} checkpoints among the crowd");
            let last = shop.engine.checkpoint(Kind::Increment).await.expect("the disk has room");
            assert!(last.info.number > 1);
            let figures = shop.engine.checkpoint_figures().expect("it takes checkpoints");
            assert!(figures.taken >= taken.min(2) && figures.failed == 0, "{figures:?}");
            assert!(figures.entries_total > 0 && !figures.pause_max.is_zero(), "{figures:?}");
            // Behind the last checkpoint there is something, too.
            a_crowd(&shop.engine, round, THREADS).await;
            let proven = shop.close(data.path()).await;
            assert!(proven.len() >= 3 || whole > 0, "{proven:?}");
        });
    }
}

/// Takes one after the other; says how many, and how many of them were to be whole.
async fn take_until(engine: Engine, is_over: Arc<AtomicBool>) -> (u64, u64) {
    let (mut taken, mut whole) = (0, 0);
    while !is_over.load(Ordering::SeqCst) || taken < 2 {
        let is_whole = taken % 5 == 4;
        let kind = if is_whole { Kind::Whole } else { Kind::Increment };
        // Who asks twice at once gets the same.
        let asked = join_all([engine.checkpoint(kind), engine.checkpoint(kind)]).await;
        for answer in asked {
            answer.expect("the disk has room");
        }
        taken += 1;
        whole += u64::from(is_whole);
    }
    (taken, whole)
}

/// What there is of everything that a crowd does not make.
async fn open_shop(engine: &Engine, round: u64) {
    for (number, name) in crowd::SKUS.into_iter().enumerate() {
        let name = format!("{name}-{round}");
        let mut new = new_product(&name, 2_000);
        let description = Arc::make_mut(&mut new.description);
        description.reserve_on = if number == 4 { ReserveOn::Checkout } else { ReserveOn::Cart };
        description.per_customer_limit = (number == 3).then(|| quantity(40));
        engine
            .create(&context(), holdfast_actors::domain::ProductId(fresh()), new)
            .await
            .expect("the sku is free");
    }
    let slug = format!("tools-{round}");
    let tools = CategoryId(fresh());
    engine.create_category(&context(), tools, described(&slug, None)).await.expect("it has a place");
    let terms = Terms {
        name: "Rule".into(),
        kind: RuleKind::Bulk { min_quantity: quantity(2) },
        off: Off::Percent(1_000),
        skus: Vec::new(),
        categories: vec![tools],
        starts_at: None,
        ends_at: None,
        priority: 0,
        is_active: true,
    };
    engine.create_rule(&context(), RuleId(fresh_id()), terms).await.expect("it is sound");
}

/// Does everything at once.
async fn a_crowd(engine: &Engine, round: u64, thread: u64) {
    for crowd in 0..CROWDS {
        let first = ((round * (THREADS + 1) + thread) * CROWDS + crowd) * PEOPLE;
        join_all((0..PEOPLE).map(|number| a_life(engine, round, 1_000 + first + number))).await;
        // Some mails go out.
        let mails: Vec<_> = engine.unsent(None, 3).into_iter().map(|it| it.about).collect();
        engine.settle_mails(mails).await.expect("the shards run");
    }
}

async fn a_life(engine: &Engine, round: u64, number: u64) {
    let id = AccountId(u128::from(number));
    let me = Owner::Account(id);
    let account = Account {
        id,
        email: format!("{number}@example.org").into(),
        name: None,
        role: Role::Customer,
        tier: Tier::Standard,
        password_hash: "$argon2id$".into(),
        created_at: Timestamp(0),
        version: 1,
    };
    engine.create_account(&by(me), account).await.expect("the email is free");
    let token = TokenHash([u8::try_from(number % 251).expect("it is small"); 32]);
    engine.open_session(&by(me), id, FamilyId(fresh()), token).await.expect("the account is there");
    let name = |place: u64| {
        let place = usize::try_from((number + place) % 5).expect("below five");
        format!("{}-{round}", crowd::SKUS[place])
    };
    for place in 0..5 {
        let (product, _) = engine.find(&sku(&name(place))).expect("it is there");
        let mut context = keyed(u128::from(number) << 32 | u128::from(place), 1);
        context.actor = by(me).actor;
        let bought = engine.purchase(&context, product, None, quantity(1)).await;
        // It may be at its limit.
        if let (Ok(bought), 0) = (bought, number % 3) {
            let who = holdfast_actors::Who::Admin;
            engine.cancel_order(&by(me), who, bought.value.order, None).await.expect("it is confirmed");
        }
        let _limited = engine.reserve(&by(me), me, new_reservation(&[(&name(place), 1)])).await;
    }
    let guest = Owner::Guest(u128::from(number) << 64);
    for owner in [guest, me] {
        let item = holdfast_actors::engine::CartItem::Sku(sku(&name(0)));
        engine.cart_add(&by(owner), owner, item, quantity(1)).await.expect("there is enough");
    }
    engine.merge_carts(guest, me).await.expect("the shards run");
    let placed = engine.place(&by(me), me, cart_order()).await.expect("there is enough");
    if number.is_multiple_of(2) {
        engine.fulfil(&by(me), placed.value.id).await.expect_err("it is not paid");
    }
    let order = paid("tok_declined", new_order(&[(&name(1), 1)]));
    let _declined = engine.place(&by(me), me, order).await;
}

#[test]
fn checkpoint_is_taken_by_itself_when_it_is_time_or_the_journal_grew() {
    let data = tempfile::tempdir().expect("a folder for the test");
    run(async {
        let shop = Shop::open(data.path(), |how| how.every = Some(Duration::from_millis(1)));
        open_shop(&shop.engine, 0).await;
        let taken = || shop.engine.checkpoint_figures().expect("it takes checkpoints").taken;
        until("one is taken in time", || taken() > 0).await;
        shop.close(data.path()).await;
    });
    run(async {
        let shop = Shop::open(data.path(), |how| how.journal_bytes_max = 1);
        open_shop(&shop.engine, 1).await;
        let taken = || shop.engine.checkpoint_figures().expect("it takes checkpoints").taken;
        until("one is taken for the bytes", || taken() > 0).await;
        shop.close(data.path()).await;
    });
}

#[test]
fn nothing_new_needs_no_other_checkpoint() {
    let data = tempfile::tempdir().expect("a folder for the test");
    run(async {
        let shop = Shop::open(data.path(), |_| {});
        open_shop(&shop.engine, 0).await;
        let first = shop.engine.checkpoint(Kind::Increment).await.expect("the disk has room");
        let again = shop.engine.checkpoint(Kind::Increment).await.expect("there is one");
        assert_eq!(first.info, again.info);
        let whole = shop.engine.checkpoint(Kind::Whole).await.expect("the disk has room");
        assert_eq!((whole.info.kind, whole.info.base), (Kind::Whole, None));
        shop.close(data.path()).await;
    });
}

#[test]
fn checkpoint_that_cannot_be_written_is_told_and_made_up_for() {
    let data = tempfile::tempdir().expect("a folder for the test");
    run(async {
        let shop = Shop::open(data.path(), |_| {});
        open_shop(&shop.engine, 0).await;
        let (folder, aside) = (data.path().join("checkpoints"), data.path().join("aside"));
        std::fs::rename(&folder, &aside).expect("it is there");
        let failed = shop.engine.checkpoint(Kind::Increment).await.expect_err("there is no folder");
        assert!(matches!(failed, Error::Write(_)), "{failed}");
        let figures = shop.engine.checkpoint_figures().expect("it takes checkpoints");
        assert_eq!((figures.taken, figures.failed), (0, 1));
        a_crowd(&shop.engine, 0, 0).await;
        std::fs::rename(&aside, &folder).expect("nothing is in its place");
        shop.engine.checkpoint(Kind::Increment).await.expect("the folder is back");
        shop.close(data.path()).await;
    });
}

/// What changed is known since the newest checkpoint, and not since the one before it.
#[test]
fn nothing_builds_on_the_checkpoint_before_one_that_is_gone() {
    let data = tempfile::tempdir().expect("a folder for the test");
    run(async {
        let shop = Shop::open(data.path(), |_| {});
        open_shop(&shop.engine, 0).await;
        a_crowd(&shop.engine, 0, 0).await;
        // In a hurry, so that it is not merged with the one before.
        let newest = shop.engine.checkpoint_before_stop(WAIT_MAX).await.expect("the disk has room");
        std::fs::remove_file(&newest.info.path).expect("it is there");
        a_crowd(&shop.engine, 0, 1).await;
        let next = shop.engine.checkpoint(Kind::Increment).await.expect("the disk has room");
        assert_eq!((next.info.kind, next.info.base), (Kind::Whole, None));
        a_crowd(&shop.engine, 0, 2).await;
        let last = shop.engine.checkpoint(Kind::Increment).await.expect("the disk has room");
        assert!(last.info.number > next.info.number);
        shop.close(data.path()).await;
    });
}

/// Of a trimmed journal and a damaged checkpoint nothing leads back to the shop but what is in memory.
#[test]
fn damaged_checkpoint_of_a_trimmed_journal_is_made_up_for_from_memory() {
    let data = tempfile::tempdir().expect("a folder for the test");
    run(async {
        let shop = Shop::open(data.path(), |how| how.retain = Retain::Age(Duration::ZERO));
        open_shop(&shop.engine, 0).await;
        a_crowd(&shop.engine, 0, 0).await;
        let newest = shop.engine.checkpoint(Kind::Whole).await.expect("the disk has room");
        assert!(shop.engine.first_batch() > Some(1));
        std::fs::write(&newest.info.path, "no checkpoint").expect("it is ours");
        a_crowd(&shop.engine, 0, 1).await;
        let next = shop.engine.checkpoint(Kind::Increment).await.expect("the disk has room");
        assert_eq!((next.info.kind, next.info.base), (Kind::Whole, None));
        assert!(!newest.info.path.exists(), "nobody needs it any more");
        a_crowd(&shop.engine, 0, 2).await;
        shop.close(data.path()).await;
    });
}

#[test]
fn first_checkpoint_that_cannot_be_written_at_the_start_is_written_later() {
    let data = tempfile::tempdir().expect("a folder for the test");
    let (folder, aside) = (data.path().join("checkpoints"), data.path().join("aside"));
    run(async {
        let shop = Shop::open(data.path(), |_| std::fs::rename(&folder, &aside).expect("it is there"));
        open_shop(&shop.engine, 0).await;
        a_crowd(&shop.engine, 0, 0).await;
        let failed = shop.engine.checkpoint(Kind::Increment).await.expect_err("there is no folder");
        assert!(matches!(failed, Error::Write(_)), "{failed}");
        a_crowd(&shop.engine, 0, 1).await;
        std::fs::rename(&aside, &folder).expect("nothing is in its place");
        let first = shop.engine.checkpoint(Kind::Increment).await.expect("the folder is back");
        assert_eq!((first.info.kind, first.info.base), (Kind::Whole, None));
        a_crowd(&shop.engine, 0, 2).await;
        shop.engine.checkpoint(Kind::Increment).await.expect("the disk has room");
        shop.close(data.path()).await;
    });
}

/// A merge may only leave out what the journal does not have any more either.
#[test]
fn checkpoint_leaves_the_journal_its_reserve_of_the_disk() {
    let data = tempfile::tempdir().expect("a folder for the test");
    run(async {
        let shop = Shop::open(data.path(), |how| how.disk_reserve_bytes = u64::MAX);
        open_shop(&shop.engine, 0).await;
        let refused = shop.engine.checkpoint(Kind::Increment).await.expect_err("all of the disk is reserved");
        assert!(matches!(refused, Error::DiskLow), "{refused}");
        assert_eq!(shop.engine.checkpoint_figures().expect("it takes checkpoints").taken, 0);
        let numbers = shop.engine.checkpoint_files().map(|files| files.numbers().expect("it can be listed"));
        assert_eq!(numbers, Some(vec![1]), "that of the start");
        shop.close(data.path()).await;
    });
}

#[test]
fn quiet_day_does_not_make_a_checkpoint_differ_from_the_journal() {
    let data = tempfile::tempdir().expect("a folder for the test");
    run(async {
        let shop = Shop::open(data.path(), |_| {});
        open_shop(&shop.engine, 0).await;
        let (product, _) = shop.engine.find(&sku(&format!("{}-0", crowd::SKUS[0]))).expect("it is there");
        shop.engine.purchase(&keyed(1, 1), product, None, quantity(1)).await.expect("there is enough");
        shop.engine.checkpoint_before_stop(WAIT_MAX).await.expect("the disk has room");
        shop.clock.set(Timestamp(NOW.0 + 2 * 24 * 3_600_000));
        let whole = shop.engine.checkpoint(Kind::Whole).await.expect("the disk has room");
        assert_eq!(whole.info.kind, Kind::Whole);
        shop.close(data.path()).await;
    });
}

#[test]
fn last_checkpoint_leaves_merging_to_the_next() {
    let data = tempfile::tempdir().expect("a folder for the test");
    run(async {
        let shop = Shop::open(data.path(), |_| {});
        open_shop(&shop.engine, 0).await;
        a_crowd(&shop.engine, 0, 0).await;
        let last = shop.engine.checkpoint_before_stop(WAIT_MAX).await.expect("the disk has room");
        assert_eq!(last.info.kind, Kind::Increment, "though it has more than the whole one before it");
        let next = shop.engine.checkpoint(Kind::Increment).await.expect("there is one");
        assert_eq!(next.info.kind, Kind::Whole);
        shop.close(data.path()).await;
    });
}

#[test]
fn trimmed_journal_goes_on_from_its_checkpoint() {
    let data = tempfile::tempdir().expect("a folder for the test");
    for round in 0..2 {
        run(async {
            let shop = Shop::open(data.path(), |how| how.retain = Retain::Age(Duration::ZERO));
            open_shop(&shop.engine, round).await;
            a_crowd(&shop.engine, round, 0).await;
            shop.engine.checkpoint(Kind::Whole).await.expect("the disk has room");
            assert!(shop.engine.first_batch() > Some(1));
            a_crowd(&shop.engine, round, 1).await;
            shop.close(data.path()).await;
        });
    }
}

#[test]
fn engine_without_checkpoints_says_so() {
    run(async {
        let shop = crate::common::Shop::open();
        let refused = shop.engine.checkpoint(Kind::Increment).await.expect_err("it takes none");
        assert!(matches!(refused, Error::Off), "{refused}");
        assert_eq!(shop.engine.checkpoint_figures(), None);
    });
}
