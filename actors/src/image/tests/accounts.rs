//! Histories of accounts, of their sessions, and of categories.

use std::collections::BTreeMap;

use holdfast_domain::account::session::{FamilyId, Refresh, SESSION_LIFE, TokenHash};
use holdfast_domain::account::{self, Account, Accounts, Change, Role, Tier};
use holdfast_domain::category::{self, Description};
use holdfast_domain::{AccountId, Categories, CategoryId, Millis, Timestamp};
use holdfast_persistence::Sequence;

use super::replica::Entries;
use crate::image::pack::Packer;
use crate::image::{Image, Key, KeySet, Reader, touch};
use crate::simulation::Rng;

/// Histories, and turns that each has. A release build sees more in the same time.
const SEEDS: u64 = if cfg!(debug_assertions) { 50 } else { 1_000 };
const TURNS: u64 = 200;
const PEOPLE: u64 = 4;

#[test]
fn every_entry_that_an_event_of_an_account_changes_is_named_before() {
    for seed in 1..=SEEDS {
        let mut history = History::new(seed);
        (0..TURNS).for_each(|turn| history.turn(turn));
        history.comes_back();
    }
}

#[test]
fn categories_come_back_as_they_were() {
    for seed in 1..=SEEDS {
        let mut rng = Rng::new(seed);
        let mut categories = Categories::default();
        for turn in 1..=TURNS {
            any_of_categories(&mut rng, &categories)
                .iter()
                .for_each(|it| categories.apply(it, Timestamp(turn)));
        }
        let mut packer = Packer::into(Entries::new());
        packer.categories(&categories, Sequence(7));
        let entries = packer.into_sink();
        let value = &entries[&Key::Categories];
        let read = Reader::default().read(Key::Categories.to_bytes().as_ref(), value).expect("just packed");
        assert_eq!(read, (Key::Categories, Image::Categories(categories, Sequence(7))), "seed {seed}");
    }
}

fn any_of_categories(rng: &mut Rng, categories: &Categories) -> Option<category::Event> {
    let id = |rng: &mut Rng| CategoryId(u128::from(rng.below(12)));
    let (this, parent) = (id(rng), id(rng));
    let description = Description {
        name: format!("of {}", rng.below(100)).into(),
        slug: format!("slug-{}", rng.below(20)).into(),
        parent: rng.percent(70).then_some(parent),
    };
    match (categories.get(this), rng.below(10)) {
        (None, _) => categories.decide_create(this, description).ok(),
        (Some(_), 0..=7) => categories.decide_describe(this, description, None).ok().flatten(),
        (Some(_), _) => categories.decide_delete(this, None, false).ok(),
    }
}

struct History {
    seed: u64,
    rng: Rng,
    accounts: Accounts,
    last_sequence: Sequence,
    entries: Entries,
    now: Timestamp,
}

impl History {
    fn new(seed: u64) -> Self {
        let (accounts, entries) = (Accounts::default(), Entries::new());
        let (rng, now) = (Rng::new(seed), Timestamp(1_700_000_000_000));
        Self { seed, rng, accounts, last_sequence: Sequence(0), entries, now }
    }

    fn turn(&mut self, turn: u64) {
        // Now and then most sessions lapse.
        let step = if self.rng.percent(3) { SESSION_LIFE.0 } else { self.rng.below(24 * 60 * 60 * 1000) };
        self.now = self.now.after(Millis(step));
        self.last_sequence = self.last_sequence.next();
        let mut named = KeySet::default();
        named.insert(Key::Accounts);
        for event in self.events(turn) {
            touch::account_event(&self.accounts, &event, self.now, |key| {
                named.insert(key);
            });
            self.accounts.apply(&event, self.now);
        }
        let mut packer = Packer::into(std::mem::take(&mut self.entries));
        named.into_iter().for_each(|key| packer.of_accounts(key, &self.accounts, self.last_sequence));
        self.entries = packer.into_sink();
        assert_eq!(self.entries, self.packed(), "seed {}: every entry that changes is named", self.seed);
    }

    fn events(&mut self, turn: u64) -> Vec<account::Event> {
        let id = AccountId(u128::from(self.rng.below(PEOPLE)));
        let (next, family) =
            (TokenHash([u8::try_from(turn).expect("a few turns"); 32]), FamilyId(turn.into()));
        let present = self.accounts.by_id(id).cloned();
        match (present, self.rng.below(100)) {
            (None, _) => self.accounts.decide_create(any_account(id)).into_iter().collect(),
            (Some(_), 0..=39) => self.accounts.decide_open(id, family, next, self.now),
            (Some(_), 40..=74) => {
                let families: Vec<_> =
                    self.accounts.sessions().iter().map(|(id, it)| (id, it.token())).collect();
                let Some((family, token)) = self.rng.pick(&families).copied() else { return Vec::new() };
                // A token that is none of it, or was spent before, ends the session.
                let presented = if self.rng.percent(90) { token } else { TokenHash([1; 32]) };
                let refresh = Refresh { family, presented, next, retried: Vec::new() };
                self.accounts.decide_refresh(&refresh, self.now).event.into_iter().collect()
            }
            (Some(_), 75..=84) => {
                let families: Vec<_> =
                    self.accounts.sessions().iter().map(|(id, it)| (id, it.token())).collect();
                let Some((family, token)) = self.rng.pick(&families).copied() else { return Vec::new() };
                self.accounts.decide_logout(family, token).into_iter().map(|(_, event)| event).collect()
            }
            (Some(_), _) => {
                let role = if self.rng.percent(50) { Role::Admin } else { Role::Customer };
                let change = Change { role: Some(role), tier: Some(Tier::Gold) };
                self.accounts.decide_change(id, change, None).unwrap_or_default()
            }
        }
    }

    fn packed(&self) -> Entries {
        let mut packer = Packer::into(Entries::new());
        packer.accounts(self.last_sequence);
        self.accounts.iter().for_each(|account| packer.account(account));
        self.accounts.sessions().iter().for_each(|(id, family)| packer.session(id, family));
        packer.into_sink()
    }

    fn comes_back(&self) {
        let mut found = Accounts::default();
        let mut kinds: BTreeMap<&str, u32> = BTreeMap::new();
        for (key, value) in &self.entries {
            match Reader::default().read(key.to_bytes().as_ref(), value).expect("it was just packed") {
                (Key::Account(_), Image::Account(account)) => found.restore(*account),
                (Key::Session(id), Image::Session(family)) => found.restore_session(id, family),
                (Key::Accounts, Image::Accounts(last)) => assert_eq!(last, self.last_sequence),
                (key, image) => panic!("{key:?} is of something else: {image:?}"),
            }
            *kinds.entry(if matches!(key, Key::Session(_)) { "session" } else { "other" }).or_default() += 1;
        }
        assert_eq!(found, self.accounts, "seed {}", self.seed);
        assert!(kinds["session"] > 0, "seed {}: somebody is logged in", self.seed);
    }
}

fn any_account(id: AccountId) -> Account {
    Account {
        id,
        email: format!("{}@example.com", id.0).into(),
        name: (id.0 > 1).then(|| "Somebody".into()),
        role: Role::Customer,
        tier: Tier::Standard,
        password_hash: "$argon2id$".into(),
        created_at: Timestamp(1),
        version: account::FIRST_VERSION,
    }
}
