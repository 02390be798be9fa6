//! A world: a shop with its disk, its bank and its clock, those who wait for answers, and what they were promised.
//! What happens next is for others to say.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::rc::Rc;

use holdfast_domain::Timestamp;
use holdfast_domain::idempotency::{Fingerprint, Key};
use holdfast_persistence::{Fault, JournalId, MemoryDisk, MemoryJournal};

use crate::context::RequestKey;
use crate::recovery::tests::chains;
use crate::recovery::{Recovered, recover};

use super::super::{Rng, START};
use super::ask::{Ask, AskWish, Said};
use super::bank::{Bank, Script};
use super::checkpoints::Chain;
use super::diary::{self, Diary};
use super::laws;
use super::mail::Slot;
use super::outbox::Outbox;
use super::process::{Around, Process};
use super::promises::{Checkout, Promises};
use super::tasks::Kind;
use super::wall::Wall;

/// How often, in a hundred steps, others are in a hurry.
const HASTE_CHANGES_PERCENT: u64 = 3;
/// How often, in a hundred, what is on the disk is recovered through checkpoints as well.
const CHECKPOINTS_PERCENT: u64 = 10;

/// How many turns a world takes at the most to come to rest.
const DRAIN_STEPS_MAX: u32 = 100_000;
const PARTITIONS: u16 = 4;
const ID: JournalId = JournalId([1; 16]);

/// Of so many worlds one takes checkpoints, in real files.
const CHECKPOINTED_SEEDS: u64 = 2;

/// Something that can go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Deed {
    /// The task at this place.
    Poll(usize),
    Deliver(Slot),
    /// The bank, to the call at this place.
    Answer(usize),
}

/// What was heard, by whom.
type Heard = Rc<RefCell<Vec<(Ask, Option<Checkout>, Said)>>>;

pub(super) struct World {
    pub(super) rng: Rng,
    pub(super) disk: MemoryDisk,
    chain: Option<Chain>,
    pub(super) around: Rc<Around>,
    pub(super) process: Process,
    pub(super) promises: Promises,
    outbox: Outbox,
    diary: Diary,
    heard: Heard,
    /// The newest answer to each request.
    pub(super) said: BTreeMap<u64, Rc<Said>>,
    /// Who is in a hurry.
    haste: u64,
    /// How often, in a hundred, those go on first who are in a hurry.
    pub(super) haste_percent: u64,
    asks: u64,
}

impl World {
    /// A world of chance.
    pub(super) fn any(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let wall = Wall::new(START, Some(Rng::new(rng.next())));
        let bank = Bank::new(Rng::new(rng.next()), None);
        let shards = u16::try_from(1 + rng.below(3)).expect("it is small");
        let name = format!("the world of HOLDFAST_SEED={seed}");
        Self::open(&name, rng, Around::new(wall, bank, shards), seed.is_multiple_of(CHECKPOINTED_SEEDS))
    }

    /// A world in which nothing happens by itself.
    pub(super) fn quiet(shards: u16, script: Script) -> Self {
        let (wall, bank) = (Wall::new(START, None), Bank::new(Rng::new(1), Some(script)));
        Self::open("this world", Rng::new(1), Around::new(wall, bank, shards), false)
    }

    fn open(name: &str, rng: Rng, around: Around, has_checkpoints: bool) -> Self {
        let diary = diary::open(name);
        let disk = MemoryDisk::new(ID, PARTITIONS);
        let around = Rc::new(around);
        let mut chain = has_checkpoints.then(|| Chain::new(ID, PARTITIONS));
        let (journal, recovered) = recovered_from(&disk, &mut chain, START);
        let process = Process::start(journal, recovered, &around);
        Self {
            rng,
            disk,
            chain,
            around,
            process,
            promises: Promises::default(),
            outbox: Outbox::default(),
            diary,
            heard: Heard::default(),
            said: BTreeMap::new(),
            haste: 0,
            haste_percent: 0,
            asks: 0,
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.around.wall.time()
    }

    pub(super) fn note(&self, step: impl fmt::Debug + 'static) {
        self.diary.note(self.now(), step);
    }

    pub(super) fn set_clock(&self, now: Timestamp) {
        self.around.wall.set(now);
        self.note("the clock moves");
    }

    /// Sends a new request.
    pub(super) fn ask(&mut self, wish: AskWish, is_keyed: bool) -> Ask {
        self.asks += 1;
        let key = RequestKey { key: Key(self.asks.into()), fingerprint: Fingerprint(self.asks.into()) };
        let ask = Ask { number: self.asks, key: is_keyed.then_some(key), sent_at: self.now(), wish };
        self.send(ask.clone());
        ask
    }

    /// Sends a request, perhaps again.
    pub(super) fn send(&mut self, ask: Ask) {
        self.note(ask.clone());
        self.promises.note_ask(&ask);
        let checkout = self.checkout(&ask);
        let (door, heard) = (Rc::clone(&self.process.door), Rc::clone(&self.heard));
        let nursery = door.nursery.clone();
        nursery.spawn(Kind::Client, async move {
            let said = door.carry_out(&ask).await;
            heard.borrow_mut().push((ask, checkout, said));
        });
        self.process.tasks.adopt();
    }

    /// The cart that is about to be ordered, as it is now.
    fn checkout(&self, ask: &Ask) -> Option<Checkout> {
        let AskWish::Place { owner, items: None, .. } = ask.wish else { return None };
        self.process.door.look(owner.buyer().0, |books| {
            let (id, cart) = books.carts.of(owner)?;
            Some(Checkout { owner, cart: id, version: cart.version })
        })
    }

    /// All that can go on: tasks that were woken, messages, answers of the bank.
    pub(super) fn deeds(&self) -> Vec<Deed> {
        let mut deeds: Vec<Deed> = self.process.tasks.woken().into_iter().map(Deed::Poll).collect();
        deeds.extend(self.process.door.mail.borrow().slots().into_iter().map(Deed::Deliver));
        deeds.extend((0..self.around.bank.vault().calls()).map(Deed::Answer));
        deeds
    }

    /// Lets any of it go on; says whether there was any.
    pub(super) fn go_on(&mut self) -> bool {
        let deeds = self.deeds();
        if self.rng.percent(HASTE_CHANGES_PERCENT) {
            self.haste = self.rng.next();
        }
        let first = deeds.iter().max_by_key(|deed| self.urgency(deed)).copied();
        let any = self.rng.pick(&deeds).copied();
        let chosen = if self.rng.percent(self.haste_percent) { first } else { any };
        chosen.inspect(|deed| self.perform(*deed)).is_some()
    }

    /// In a hurry some are always first and others wait long: that is how windows of a few steps are found.
    fn urgency(&self, deed: &Deed) -> u64 {
        let mut hasher = DefaultHasher::new();
        match deed {
            Deed::Poll(place) => self.process.tasks.name(*place).1.hash(&mut hasher),
            Deed::Deliver(slot) => slot.hash(&mut hasher),
            Deed::Answer(place) => place.hash(&mut hasher),
        }
        self.haste.hash(&mut hasher);
        hasher.finish()
    }

    pub(super) fn perform(&mut self, deed: Deed) {
        match deed {
            Deed::Poll(place) => {
                self.note(self.process.tasks.name(place));
                self.process.tasks.poll(place);
                self.hear();
            }
            Deed::Deliver(slot) => {
                self.note(slot);
                self.process.deliver(slot);
            }
            Deed::Answer(place) => {
                self.note("the bank answers");
                self.around.bank.vault().answer(place);
            }
        }
    }

    /// Notes what was answered.
    fn hear(&mut self) {
        let latest = self.around.wall.latest();
        for (ask, checkout, said) in self.heard.take() {
            self.promises.note_said(&ask, &said, latest);
            if let Some(checkout) = &checkout {
                Promises::check_checkout(&self.process.door, checkout, &said);
            }
            let said = Rc::new(said);
            self.note((ask.number, Rc::clone(&said)));
            self.said.insert(ask.number, said);
        }
    }

    /// The timers of all shards wake, where anything is due.
    pub(super) fn ring(&mut self) {
        self.note("the timers ring");
        for shard in 0..usize::from(self.around.shards) {
            self.process.ring(shard);
        }
    }

    /// Commits what was pushed; after a fault the process is gone.
    pub(super) fn commit(&mut self, fault: Option<Fault>) {
        self.note(("commit", fault));
        let is_written = self.process.door.queue.backlog_bytes() > 0;
        if let Some(fault) = fault.filter(|_| is_written) {
            self.disk.script(self.disk.appends() + 1, fault);
        }
        let is_committed = self.around.wall.commit().is_ok();
        if fault.is_some() || !is_committed {
            self.crash();
        }
    }

    /// Everything in memory is lost; the disk is as the crash left it.
    pub(super) fn crash(&mut self) {
        self.note("crash");
        self.around.bank.vault().hang_up();
        self.heard.borrow_mut().clear();
        self.outbox.crash();
        self.disk = self.disk.crash();
        let now = self.now();
        let (journal, recovered) = recovered_from(&self.disk, &mut self.chain, now);
        self.promises.check_head(&recovered.head);
        self.process = Process::start(journal, recovered, &self.around);
        self.note("start");
        self.outbox.check_start(&self.process);
        laws::check_claims(&self.process);
        self.promises.check(&self.process.door);
        self.promises.check_keys(&self.process.door);
    }

    /// Lets everything that is under way come to its end, and everything that is due expire.
    pub(super) fn rest(&mut self) {
        self.note("rest");
        self.drain();
        self.check();
        self.expire();
        laws::check_deadlines(&self.process, self.now());
        self.check();
    }

    /// Lets everything that is due expire.
    pub(super) fn expire(&mut self) {
        while self.process.next_deadline().is_some_and(|earliest| earliest <= self.now()) {
            self.ring();
            self.drain();
        }
    }

    /// Lets everything that is under way come to its end.
    pub(super) fn drain(&mut self) {
        for _ in 0..DRAIN_STEPS_MAX {
            if self.go_on() {
                continue;
            }
            if self.process.door.queue.backlog_bytes() == 0 {
                assert_eq!(self.process.tasks.len(), 0, "somebody waits, and for nobody");
                return;
            }
            self.commit(None);
        }
        panic!("the world does not come to rest");
    }

    /// What holds when nothing is under way.
    pub(super) fn check(&self) {
        assert!(self.process.is_quiet());
        laws::check_claims(&self.process);
        laws::check_money(&self.process);
        self.promises.check(&self.process.door);
        self.outbox.check(&self.process);
    }

    /// Somebody sent some of the mails that are due, and says so.
    pub(super) fn send_mails(&mut self) {
        self.note("mails are sent");
        self.outbox.send(&mut self.rng, &self.process);
    }

    /// Some step of a checkpoint, or none.
    pub(super) fn take_checkpoint(&mut self) {
        let now = self.around.wall.latest();
        if let Some(chain) = &mut self.chain {
            chain.step(&mut self.rng, &self.process, &self.disk, now);
        }
    }

    pub(super) fn change_prices(&mut self) {
        self.note("the price list changes");
        self.process.change_prices(&mut self.rng);
    }

    /// All that was pushed is on disk: it must give what is in memory.
    pub(super) fn check_replay(&mut self) {
        laws::check_replay(&self.process, &self.disk);
        if self.rng.percent(CHECKPOINTS_PERCENT) {
            chains::check(&self.disk, &mut |end| self.rng.below(end));
        }
    }
}

/// What the disk gives: through the newest checkpoint, where there are any, and that is the same as without.
fn recovered_from(
    disk: &MemoryDisk,
    chain: &mut Option<Chain>,
    now: Timestamp,
) -> (MemoryJournal, Recovered) {
    let mut journal = disk.journal();
    let Some(chain) = chain else {
        let recovered = recover(&mut journal).expect("a crash leaves a sound journal");
        return (journal, recovered);
    };
    let mut recovered = chain.recover(disk, &mut journal);
    chain.begin_with(&mut recovered, now);
    (journal, recovered)
}
