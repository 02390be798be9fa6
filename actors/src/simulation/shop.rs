//! Deterministic simulation of the sagas: carts, reservations and orders of a few owners, who all want the same few
//! units, on one to three shards.
//!
//! No threads and no runtime: one [`Life`] of a world has requests sent, messages delivered, tasks polled, timers ring, the bank
//! answer, the disk written and the process crash as its seed says, and keeps in mind what was promised. Read in this
//! order: what happens here (this file), who asks what (`mood`, `wishes`, `ask`), the world (`world`, `process`, `tasks`,
//! `mail`, `wall`, `bank`, `rules`, `outbox`), what must hold (`promises`, `laws`), then schedules played by hand (`scenes`) and all
//! schedules of a few steps (`races`).

mod mood;
mod wishes;

mod ask;

mod world;

mod bank;
mod checkpoints;
mod mail;
mod outbox;
mod process;
mod rules;
mod tasks;
mod wall;

mod laws;
mod promises;

mod diary;

mod races;
mod scenes;
mod stage;

use holdfast_domain::{Millis, ProductId, Timestamp};
use holdfast_persistence::{Fault, MemoryDisk};

use super::for_each_seed;
use ask::{Ask, AskWish};
use mood::{Mood, Step};
use wishes::Muse;
use world::{Deed, World};

/// Steps that one world takes.
const STEPS: u32 = 600;
/// How often, in a hundred steps, somebody changes the price list.
const PRICES_CHANGE_PERCENT: u64 = 2;
/// How often some mails are said to be sent.
const MAILS_SENT_PERCENT: u64 = 3;
/// How many tasks may be under way at once.
const TASKS_MAX: usize = 16;

const DAY: Millis = Millis::from_secs(24 * 60 * 60);

#[test]
fn owners_and_products_agree_after_every_crash() {
    for_each_seed(Life::live);
}

/// What a seed makes of a world.
struct Life {
    world: World,
    mood: Mood,
    /// Requests with a key, to be repeated.
    keyed: Vec<Ask>,
    products: u128,
}

/// What the world of a seed leaves on its disk.
pub(crate) fn history(seed: u64) -> MemoryDisk {
    Life::lived(seed).world.disk.crash()
}

impl Life {
    fn live(seed: u64) {
        Self::lived(seed);
    }

    fn lived(seed: u64) -> Self {
        let mut world = World::any(seed);
        let mood = Mood::any(&mut world.rng);
        world.haste_percent = mood.haste_percent;
        let mut life = Self { world, mood, keyed: Vec::new(), products: 0 };
        for _ in 0..1 + life.world.rng.below(4) {
            life.products += 1;
            let id = ProductId(life.products);
            let wish = AskWish::Create(id, wishes::any_product(&mut life.world.rng, id));
            life.world.ask(wish, false);
        }
        life.world.rest();
        for _ in 0..STEPS {
            life.step();
        }
        life.end();
        life
    }

    fn step(&mut self) {
        if self.world.rng.percent(PRICES_CHANGE_PERCENT) {
            self.world.change_prices();
        }
        if self.world.rng.percent(MAILS_SENT_PERCENT) {
            self.world.send_mails();
        }
        self.world.take_checkpoint();
        match self.mood.step(&mut self.world.rng) {
            Step::Ask => self.ask(),
            Step::Work => {
                if !self.world.go_on() {
                    self.ask();
                }
            }
            Step::Commit => {
                self.world.commit(None);
                if self.world.rng.percent(2) {
                    self.world.check_replay();
                }
            }
            Step::Fault => {
                let fault = self.any_fault();
                self.world.commit(Some(fault));
            }
            Step::MoveClock => self.move_clock(),
            Step::Ring => self.world.ring(),
            Step::HangUp => self.hang_up(),
            Step::Disturb => self.disturb(),
            Step::Rest => self.rest(),
            Step::Crash => {
                // Half of the time the disk has all that was decided until now, and nothing of what was under way.
                if self.world.rng.percent(50) {
                    self.world.commit(None);
                }
                self.world.crash();
            }
        }
    }

    fn ask(&mut self) {
        if self.world.process.tasks.len() >= TASKS_MAX {
            return;
        }
        if !self.keyed.is_empty() && self.world.rng.percent(15) {
            let newest = &self.keyed[self.keyed.len().saturating_sub(3)..];
            let again = if self.world.rng.percent(70) { newest } else { &self.keyed };
            let ask = self.world.rng.pick(again).expect("there is one").clone();
            return self.world.send(ask);
        }
        let product = ProductId(self.products + 1);
        let World { rng, process, promises, .. } = &mut self.world;
        let wish = Muse { rng, mood: &self.mood, process, promises, product }.any();
        if matches!(wish, AskWish::Create(..)) {
            self.products += 1;
        }
        let is_keyed = self.world.rng.percent(50) && !matches!(wish, AskWish::Merge { .. });
        let ask = self.world.ask(wish, is_keyed);
        if is_keyed {
            self.keyed.push(ask);
        }
    }

    fn any_fault(&mut self) -> Fault {
        let few = usize::try_from(self.world.rng.below(400)).expect("it is small");
        match self.world.rng.below(5) {
            0 => Fault::NoSpace,
            1 => Fault::Io { frames_kept: 0 },
            2 => Fault::Io { frames_kept: 1 },
            3 => Fault::LoseUnsynced,
            _ => Fault::TornTail { bytes_kept: few },
        }
    }

    fn move_clock(&mut self) {
        let now = self.world.now();
        let rng = &mut self.world.rng;
        let to = match rng.below(100) {
            0..=44 => now.after(Millis(rng.below(50))),
            45..=64 => now.after(Millis(rng.below(30 * 1000))),
            // To a deadline, or to the last moment before it.
            65..=84 => {
                let deadline = self.world.process.next_deadline().unwrap_or(now);
                Timestamp(deadline.0 - self.world.rng.below(2)).max(now)
            }
            85..=87 => Timestamp(now.0 - rng.below(5 * 60 * 1000)),
            88..=97 => now.after(Millis(rng.below(30 * 60 * 1000))),
            _ => now.after(Millis(rng.below(2 * DAY.0))),
        };
        self.world.set_clock(to);
    }

    /// Somebody is woken for nothing.
    fn disturb(&mut self) {
        let places: Vec<_> = (0..self.world.process.tasks.len()).collect();
        if let Some(place) = self.world.rng.pick(&places).copied() {
            self.world.perform(Deed::Poll(place));
        }
    }

    /// Somebody outside does not wait for the answer.
    fn hang_up(&mut self) {
        let clients = self.world.process.tasks.clients();
        if let Some(place) = self.world.rng.pick(&clients).copied() {
            self.world.note(("hangs up", self.world.process.tasks.name(place)));
            self.world.process.tasks.drop_at(place);
        }
    }

    fn rest(&mut self) {
        self.world.rest();
        if self.world.rng.percent(50) {
            self.world.check_replay();
        }
    }

    /// A week later nobody holds anything.
    fn end(&mut self) {
        self.world.rest();
        let latest = self.world.around.wall.latest();
        self.world.set_clock(latest.after(Millis(8 * DAY.0)));
        self.world.rest();
        self.world.check_replay();
        laws::check_end(&self.world.process);
        self.world.crash();
        self.world.rest();
        laws::check_end(&self.world.process);
    }
}
