//! Sessions: families of refresh tokens, of which only the newest is good.
//!
//! Each refresh spends a token for the next. A spent one that comes again was copied, and nobody can tell the thief
//! from the owner: the family ends for both. Only hashes are here. A token is 256 random bits, so a fast hash of it
//! tells a thief of the journal nothing: there is no dictionary of such secrets to try, as there is of passwords.

use std::collections::{BTreeMap, BTreeSet};

use super::{Accounts, Event};
use crate::{AccountId, Millis, Timestamp};

/// How long a session lives, however often it is refreshed.
pub const SESSION_LIFE: Millis = Millis::from_secs(30 * 24 * 60 * 60);

/// How many sessions an account has at most; with one more the oldest ends.
pub const SESSIONS_MAX: usize = 32;

/// How often a session is refreshed at most: once for each quarter of an hour of its life, and some. Each spent
/// token is remembered, with [`SPENT_BYTES`].
pub const ROTATIONS_MAX: usize = 3_000;

/// Lapsed sessions that the opening of one clears away at the most.
pub const FORGET_COUNT_MAX: usize = 4;

/// How much of the hash of a spent token is kept: enough that no two ever meet.
pub const SPENT_BYTES: usize = 16;

/// Identity of a session.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FamilyId(pub u128);

/// The hash of a refresh token.
///
/// Compared as plain bytes: how long that takes tells of the hash only, from which no token can be made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TokenHash(pub [u8; 32]);

/// Why a session ended before its time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    /// Somebody logged out.
    Logout,
    /// A spent token came again.
    Reused,
    /// The account has newer ones, and [`SESSIONS_MAX`] of them.
    Replaced,
    /// It was refreshed [`ROTATIONS_MAX`] times.
    WornOut,
    /// Its account is no admin's any more.
    RoleLost,
}

/// Why a refresh token is not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bad {
    /// It is none of a session that lives.
    Unknown,
    /// Its session is past its time.
    Expired,
    /// It was spent before, and its session ends with this.
    Reused,
    /// Its session was refreshed too often, and ends with this.
    WornOut,
}

/// A refresh token that somebody spends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refresh {
    /// Its session.
    pub family: FamilyId,
    /// Its hash.
    pub presented: TokenHash,
    /// The hash of the one to come.
    pub next: TokenHash,
    /// The hashes that the one to come had if this is the same request again, as a retry makes the same token.
    pub retried: Vec<TokenHash>,
}

/// What becomes of a refresh.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refreshed {
    /// The next token is good now.
    Rotated,
    /// The same request was answered before: the token of that place in [`Refresh::retried`] is good.
    Again(usize),
}

/// What is decided about a refresh. A no may leave a fact as well: reuse ends a session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Decision {
    /// What happens.
    pub event: Option<Event>,
    /// Whose session it is, and what became of it.
    pub answer: Result<(AccountId, Refreshed), Bad>,
}

/// One session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Family {
    account: AccountId,
    token: TokenHash,
    expires_at: Timestamp,
    /// Oldest first.
    spent: Vec<[u8; SPENT_BYTES]>,
}

/// All sessions of one partition.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Sessions {
    families: BTreeMap<FamilyId, Family>,
    /// All live equally long, so that the first of an account is its oldest.
    by_account: BTreeSet<(AccountId, Timestamp, FamilyId)>,
    by_end: BTreeSet<(Timestamp, FamilyId)>,
}

impl Accounts {
    /// Opens a session of an account that exists, and ends its oldest one where it has too many.
    #[must_use]
    pub fn decide_open(
        &self,
        account: AccountId,
        family: FamilyId,
        token: TokenHash,
        now: Timestamp,
    ) -> Vec<Event> {
        let mut events = Vec::new();
        let count = self.sessions.of(account).count();
        let surplus = (count + 1).saturating_sub(SESSIONS_MAX);
        for family in self.sessions.of(account).take(surplus) {
            events.push(Event::SessionEnded { family, why: Ending::Replaced });
        }
        let expires_at = now.after(SESSION_LIFE);
        events.push(Event::SessionOpened { family, account, token, expires_at });
        events
    }

    /// Spends a refresh token for the next.
    #[must_use]
    pub fn decide_refresh(&self, refresh: &Refresh, now: Timestamp) -> Decision {
        let no = |bad| Decision { event: None, answer: Err(bad) };
        let Refresh { family: id, presented, next, retried } = refresh;
        let Some(family) = self.sessions.families.get(id) else { return no(Bad::Unknown) };
        let is_current = family.token == *presented;
        if !is_current && !family.is_spent(presented) {
            return no(Bad::Unknown);
        }
        if now >= family.expires_at {
            return no(Bad::Expired);
        }
        let ended = |why, bad| {
            let event = Event::SessionEnded { family: *id, why };
            Decision { event: Some(event), answer: Err(bad) }
        };
        if is_current {
            if family.spent.len() >= ROTATIONS_MAX {
                return ended(Ending::WornOut, Bad::WornOut);
            }
            let event = Event::SessionRotated { family: *id, token: *next };
            return Decision { event: Some(event), answer: Ok((family.account, Refreshed::Rotated)) };
        }
        let is_newest = family.spent.last() == Some(&short(presented));
        let same = retried.iter().position(|hash| *hash == family.token).filter(|_| is_newest);
        match same {
            Some(place) => Decision { event: None, answer: Ok((family.account, Refreshed::Again(place))) },
            None => ended(Ending::Reused, Bad::Reused),
        }
    }

    /// Ends the session of a refresh token, spent or not; nothing happens where there is none.
    #[must_use]
    pub fn decide_logout(&self, id: FamilyId, presented: TokenHash) -> Option<(AccountId, Event)> {
        let family = self.sessions.families.get(&id)?;
        let is_its_own = family.token == presented || family.is_spent(&presented);
        let event = Event::SessionEnded { family: id, why: Ending::Logout };
        is_its_own.then_some((family.account, event))
    }
}

impl Family {
    pub(super) const fn new(account: AccountId, token: TokenHash, expires_at: Timestamp) -> Self {
        Self { account, token, expires_at, spent: Vec::new() }
    }

    /// A session with all that was spent of it, oldest first, as a checkpoint keeps it.
    #[must_use]
    pub const fn restored(
        account: AccountId,
        token: TokenHash,
        expires_at: Timestamp,
        spent: Vec<[u8; SPENT_BYTES]>,
    ) -> Self {
        Self { account, token, expires_at, spent }
    }

    /// Whose it is.
    #[must_use]
    pub const fn account(&self) -> AccountId {
        self.account
    }

    /// The hash of the token that is good.
    #[must_use]
    pub const fn token(&self) -> TokenHash {
        self.token
    }

    /// The first moment at which it is dead.
    #[must_use]
    pub const fn expires_at(&self) -> Timestamp {
        self.expires_at
    }

    /// What is kept of the hashes of spent tokens, oldest first.
    #[must_use]
    pub fn spent(&self) -> &[[u8; SPENT_BYTES]] {
        &self.spent
    }

    fn is_spent(&self, token: &TokenHash) -> bool {
        self.spent.contains(&short(token))
    }
}

impl Sessions {
    /// The sessions of an account, oldest first.
    pub fn of(&self, account: AccountId) -> impl Iterator<Item = FamilyId> {
        let first = (account, Timestamp(0), FamilyId(0));
        let last = (account, Timestamp(u64::MAX), FamilyId(u128::MAX));
        self.by_account.range(first..=last).map(|(_, _, family)| *family)
    }

    /// Whose session it is.
    #[must_use]
    pub fn account_of(&self, family: FamilyId) -> Option<AccountId> {
        self.families.get(&family).map(|family| family.account)
    }

    /// The session of that id.
    #[must_use]
    pub fn get(&self, id: FamilyId) -> Option<&Family> {
        self.families.get(&id)
    }

    /// All of them, by id.
    pub fn iter(&self) -> impl Iterator<Item = (FamilyId, &Family)> {
        self.families.iter().map(|(id, family)| (*id, family))
    }

    /// Those that the opening of one at `now` clears away.
    pub fn forgotten(&self, now: Timestamp) -> impl Iterator<Item = FamilyId> {
        let lapsed = self.by_end.iter().take_while(move |(expires_at, _)| *expires_at <= now);
        lapsed.take(FORGET_COUNT_MAX).map(|(_, id)| *id)
    }

    /// How many there are, lapsed ones that were not cleared away yet included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.families.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.families.is_empty()
    }

    pub(super) fn open(&mut self, id: FamilyId, family: Family) {
        self.by_account.insert((family.account, family.expires_at, id));
        self.by_end.insert((family.expires_at, id));
        let before = self.families.insert(id, family);
        assert!(before.is_none(), "a session is opened once");
    }

    pub(super) fn rotate(&mut self, id: FamilyId, token: TokenHash) {
        let family = self.families.get_mut(&id).expect("only a session that lives is refreshed");
        let spent = std::mem::replace(&mut family.token, token);
        family.spent.push(short(&spent));
    }

    pub(super) fn end(&mut self, id: FamilyId) {
        let family = self.families.remove(&id).expect("only a session that lives is ended");
        self.by_account.remove(&(family.account, family.expires_at, id));
        self.by_end.remove(&(family.expires_at, id));
    }

    /// Clears away some of those that lapsed before `now`. Part of an event's application, so that a replay forgets
    /// the same; as each opening clears away more than it adds, they never pile up.
    pub(super) fn forget(&mut self, now: Timestamp) {
        for _ in 0..FORGET_COUNT_MAX {
            match self.by_end.first() {
                Some(&(expires_at, id)) if expires_at <= now => self.end(id),
                _ => return,
            }
        }
    }
}

fn short(hash: &TokenHash) -> [u8; SPENT_BYTES] {
    let (head, _) = hash.0.split_first_chunk().expect("a hash is longer than half of it");
    *head
}
