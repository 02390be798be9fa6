//! Deterministic simulation: the turns of real products under a seeded schedule, clock and faulty disk; with the
//! owners of their units, in [`shop`].
//!
//! No threads and no actix: one [`World`] asks, commits, crashes and recovers as its seed says, and keeps books of
//! what was acknowledged. After each recovery the books are compared with what the journal gave back.
//! A failing seed is printed; `HOLDFAST_SEED=… cargo nextest run -p holdfast-actors simulation` runs it alone, and
//! `HOLDFAST_SEEDS=…` runs so many.

mod books;
pub(crate) mod process;
mod scenes;
pub(crate) mod shop;
mod variants;
pub(crate) mod wishes;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use holdfast_domain::idempotency::{Fingerprint, Key};
use holdfast_domain::{ProductId, Timestamp};
use holdfast_persistence::{Fault, JournalId, MemoryDisk};

use crate::clock::ManualClock;
use crate::context::RequestKey;
use crate::keys::Claim;
use crate::recovery::recover;

use books::Books;
use process::Process;
use wishes::{Asked, AskedWish};

/// Worlds that one run of the tests sees; each is another seed. A release build sees more in the same time.
const SEEDS: u64 = if cfg!(debug_assertions) { 1_000 } else { 10_000 };

/// Steps that one world takes.
const STEPS: u32 = 120;

pub(crate) const PARTITIONS: u16 = 2;
const PRODUCTS: u128 = 4;
const SKUS: [&str; 3] = ["lamp", "chair", "table"];

const START: Timestamp = Timestamp(1_700_000_000_000);
/// The longest the clock is moved at once, either way.
const CLOCK_STEP_MS_MAX: u64 = 8 * 60 * 1000;

#[test]
fn what_was_acknowledged_survives_every_crash() {
    for_each_seed(World::run);
}

/// Runs the world of each seed that the environment asks for, on as many threads as there are; after the first that
/// fails no other begins.
fn for_each_seed(run: fn(u64)) {
    let number = |name| {
        let text = std::env::var(name).ok()?;
        Some(text.parse().unwrap_or_else(|error| panic!("{name} is a number: {error}")))
    };
    if let Some(seed) = number("HOLDFAST_SEED") {
        run(seed);
        return;
    }
    let seeds = number("HOLDFAST_SEEDS").unwrap_or(SEEDS);
    let next = AtomicU64::new(1);
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let _last = Last(&next);
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed > seeds {
                        return;
                    }
                    run(seed);
                }
            });
        }
    });
}

/// Lets no other world begin when one ends in a panic.
struct Last<'a>(&'a AtomicU64);

impl Drop for Last<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.store(u64::MAX / 2, Ordering::Relaxed);
        }
    }
}

/// A xorshift64* generator: the same numbers for the same seed, everywhere.
pub(crate) struct Rng(u64);

impl Rng {
    /// Neighbouring seeds must not give neighbouring worlds.
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) const fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `end`.
    pub(crate) const fn below(&mut self, end: u64) -> u64 {
        (self.next() >> 16) % end
    }

    /// True so many times in a hundred.
    pub(crate) const fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }

    pub(crate) fn pick<'a, T>(&mut self, all: &'a [T]) -> Option<&'a T> {
        let count = u64::try_from(all.len()).expect("a length fits 64 bits");
        if count == 0 {
            return None;
        }
        all.get(usize::try_from(self.below(count)).expect("below a length"))
    }
}

/// Prints the seed when the world ends in a panic.
struct Witness(u64);

impl Drop for Witness {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the world of HOLDFAST_SEED={} broke a law", self.0);
        }
    }
}

struct World {
    rng: Rng,
    disk: MemoryDisk,
    clock: ManualClock,
    now: Timestamp,
    process: Process,
    books: Books,
}

impl World {
    fn run(seed: u64) {
        let _witness = Witness(seed);
        let disk = MemoryDisk::new(JournalId(u128::from(seed).to_be_bytes()), PARTITIONS);
        let clock = ManualClock::new(START);
        let mut journal = disk.journal();
        let recovered = recover(&mut journal).expect("a new disk is empty");
        let process = Process::start(journal, recovered, &clock);
        let rng = Rng::new(seed);
        let mut world = Self { rng, disk, clock, now: START, process, books: Books::default() };
        for _ in 0..STEPS {
            world.step();
        }
        world.crash();
    }

    fn step(&mut self) {
        match self.rng.below(100) {
            0..=59 => self.ask(),
            60..=74 => self.commit(None),
            75..=78 => {
                let fault = self.any_fault();
                self.commit(Some(fault));
            }
            79..=92 => self.move_clock(true),
            93..=94 => self.move_clock(false),
            95..=96 => self.process.let_absent_leave(),
            _ => self.crash(),
        }
    }

    fn ask(&mut self) {
        let asked = match self.books.keyed.len() {
            1.. if self.rng.percent(20) => self.rng.pick(&self.books.keyed).expect("there is one").clone(),
            _ => self.fresh_asked(),
        };
        if self.rng.percent(5) {
            self.reuse_key(&asked);
            return;
        }
        self.books.note_asked(&asked);
        self.process.ask(asked, self.now, &mut self.books);
    }

    fn fresh_asked(&mut self) -> Asked {
        let product = ProductId(u128::from(self.rng.below(4)) % PRODUCTS);
        let state = self.process.state_of(product).cloned();
        let wish = wishes::any(&mut self.rng, product, state.as_ref(), self.now);
        // A product settles no key with an all-or-none that it refuses, or that is only asked for.
        let may_have_key = !matches!(wish, AskedWish::Many { all: Some(_), .. });
        let key = (self.rng.percent(50) && may_have_key).then(|| {
            let key = u128::from(self.rng.next());
            RequestKey { key: Key(key), fingerprint: Fingerprint(key) }
        });
        Asked { product, key, wish }
    }

    /// The same key for another request: refused where the first was answered.
    fn reuse_key(&mut self, asked: &Asked) {
        let Some(key) = asked.key else { return };
        let other = RequestKey { fingerprint: Fingerprint(key.fingerprint.0 + 1), ..key };
        let claim = self.process.keys.claim(other, self.now);
        let is_answered = self.books.outcomes.contains_key(&key.key);
        assert!(!is_answered || matches!(claim, Claim::Reused), "INV-5: {claim:?}");
    }

    fn any_fault(&mut self) -> Fault {
        let few = usize::try_from(self.rng.below(400)).expect("it is small");
        match self.rng.below(5) {
            0 => Fault::NoSpace,
            1 => Fault::Io { frames_kept: 0 },
            2 => Fault::Io { frames_kept: 1 },
            3 => Fault::LoseUnsynced,
            _ => Fault::TornTail { bytes_kept: few },
        }
    }

    /// Commits what is queued; after a fault the process is gone.
    fn commit(&mut self, fault: Option<Fault>) {
        if let Some(fault) = fault {
            self.disk.script(self.disk.appends() + 1, fault);
        }
        let committed = self.process.writer.commit();
        self.process.open_sealed(&mut self.books);
        if committed.is_err() || fault.is_some() {
            self.crash();
        }
    }

    fn move_clock(&mut self, is_forward: bool) {
        let step = self.rng.below(CLOCK_STEP_MS_MAX);
        let now = if is_forward { self.now.0 + step } else { self.now.0 - step };
        self.set_clock(Timestamp(now));
    }

    fn set_clock(&mut self, now: Timestamp) {
        self.now = now;
        self.clock.set(now);
    }

    /// Everything in memory is lost; the disk is as the crash left it.
    fn crash(&mut self) {
        self.process.open_sealed(&mut self.books);
        self.disk = self.disk.crash();
        if self.rng.percent(10) {
            self.move_clock(false);
        }
        let mut journal = self.disk.journal();
        let recovered = recover(&mut journal).expect("a crash leaves a sound journal");
        let twice = recover(&mut self.disk.journal()).expect("it is sound again");
        assert_eq!(recovered.state(), twice.state(), "INV-7: replay is deterministic");
        self.books.compare(&recovered);
        let last = recovered.head.partitions().iter().map(|it| it.time_ms).max().unwrap_or_default();
        self.process = Process::start(journal, recovered, &self.clock);
        assert!(self.process.turns.clock.stamp() >= Timestamp(last), "INV-9: time goes on");
        self.check_keys();
    }

    /// Every key has the outcome that was acknowledged, or one that nobody was told yet, or none.
    fn check_keys(&mut self) {
        for asked in self.books.keyed.clone() {
            let key = asked.key.expect("only keyed ones are listed");
            match self.process.keys.claim(key, self.now) {
                Claim::Kept(kept) => self.books.note_outcome(key.key, &kept.answered),
                Claim::First(_) => {
                    let outcome = self.books.outcomes.get(&key.key);
                    assert!(outcome.is_none(), "INV-5: {key:?} was forgotten, it was {outcome:?}");
                }
                other => panic!("nothing runs yet: {other:?}"),
            }
        }
        assert_eq!(Arc::strong_count(&self.process.keys), 1, "no guard is left over");
    }
}
