//! People who can log in, and their sessions. The core knows hashes, never passwords or tokens.

pub mod session;

use std::collections::{BTreeMap, BTreeSet};

use crate::{AccountId, Timestamp};

use self::session::{Family, FamilyId, Sessions, TokenHash};

/// What somebody may do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Role {
    /// Buys.
    Customer,
    /// Runs the shop.
    Admin,
}

/// A customer's standing, for prices.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Tier {
    /// Everybody.
    Standard,
    /// Better.
    Silver,
    /// Best.
    Gold,
}

/// The version of an account that was just made.
pub const FIRST_VERSION: u32 = 1;

/// One person.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Account {
    /// Identity.
    pub id: AccountId,
    /// Lower case; unique among accounts.
    pub email: Box<str>,
    /// As they want to be called.
    pub name: Option<Box<str>>,
    /// What they may do.
    pub role: Role,
    /// For prices.
    pub tier: Tier,
    /// A PHC string (Argon2id).
    pub password_hash: Box<str>,
    /// When the account was made.
    pub created_at: Timestamp,
    /// Grows with each change; the first is [`FIRST_VERSION`].
    pub version: u32,
}

/// What happened to an account or to one of its sessions.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// It was made.
    Created(Account),
    /// It has this role and this tier now.
    Changed {
        /// Whose.
        id: AccountId,
        /// What they may do.
        role: Role,
        /// For prices.
        tier: Tier,
    },
    /// Somebody logged in.
    SessionOpened {
        /// The session.
        family: FamilyId,
        /// Whose.
        account: AccountId,
        /// Of its first refresh token.
        token: TokenHash,
        /// The first moment at which it is dead, however often it is refreshed.
        expires_at: Timestamp,
    },
    /// A refresh token was spent for the next one.
    SessionRotated {
        /// Of which session.
        family: FamilyId,
        /// Of the next refresh token.
        token: TokenHash,
    },
    /// A session ended before its time.
    SessionEnded {
        /// Which.
        family: FamilyId,
        /// Why.
        why: session::Ending,
    },
}

/// Why an account or a session stays as it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// The address belongs to an account already.
    EmailTaken,
    /// There is no such account.
    NotFound,
    /// The shop would have no admin any more.
    LastAdmin,
    /// It changed meanwhile.
    VersionMismatch {
        /// What the caller expected.
        expected: u32,
        /// What it is.
        actual: u32,
    },
}

/// What is to be otherwise.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Change {
    /// The new role, if any.
    pub role: Option<Role>,
    /// The new tier, if any.
    pub tier: Option<Tier>,
}

/// All accounts of one partition, unique by email, with their sessions.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Accounts {
    by_id: BTreeMap<AccountId, Account>,
    by_email: BTreeMap<Box<str>, AccountId>,
    admins: BTreeSet<AccountId>,
    sessions: Sessions,
}

impl Accounts {
    /// Makes an account, unless its email is taken.
    ///
    /// # Errors
    ///
    /// [`Refusal::EmailTaken`].
    pub fn decide_create(&self, account: Account) -> Result<Event, Refusal> {
        if self.by_email.contains_key(&account.email) {
            return Err(Refusal::EmailTaken);
        }
        Ok(Event::Created(Account { version: FIRST_VERSION, ..account }))
    }

    /// Changes role and tier, if the account has the version that is named; nothing happens where they are so
    /// already. Whoever loses the role of an admin is logged out everywhere.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`], [`Refusal::VersionMismatch`], [`Refusal::LastAdmin`].
    pub fn decide_change(
        &self,
        id: AccountId,
        change: Change,
        version: Option<u32>,
    ) -> Result<Vec<Event>, Refusal> {
        let account = self.by_id(id).ok_or(Refusal::NotFound)?;
        if let Some(expected) = version.filter(|expected| *expected != account.version) {
            return Err(Refusal::VersionMismatch { expected, actual: account.version });
        }
        let role = change.role.unwrap_or(account.role);
        let tier = change.tier.unwrap_or(account.tier);
        if (role, tier) == (account.role, account.tier) {
            return Ok(Vec::new());
        }
        let loses_role = account.role == Role::Admin && role != Role::Admin;
        if loses_role && self.admins.len() == 1 {
            return Err(Refusal::LastAdmin);
        }
        let mut events = vec![Event::Changed { id, role, tier }];
        if loses_role {
            let why = session::Ending::RoleLost;
            events.extend(self.sessions.of(id).map(|family| Event::SessionEnded { family, why }));
        }
        Ok(events)
    }

    /// Takes what happened at `at` into the books.
    ///
    /// # Panics
    ///
    /// When the event speaks of an account or a session that is not there: no `decide` made it.
    pub fn apply(&mut self, event: &Event, at: Timestamp) {
        match event {
            Event::Created(account) => self.restore(account.clone()),
            Event::Changed { id, role, tier } => {
                let account = self.by_id.get_mut(id).expect("only an account that exists is changed");
                (account.role, account.tier) = (*role, *tier);
                account.version += 1;
                match role {
                    Role::Admin => self.admins.insert(*id),
                    Role::Customer => self.admins.remove(id),
                };
            }
            Event::SessionOpened { family, account, token, expires_at } => {
                self.sessions.forget(at);
                self.sessions.open(*family, Family::new(*account, *token, *expires_at));
            }
            Event::SessionRotated { family, token } => self.sessions.rotate(*family, *token),
            Event::SessionEnded { family, .. } => self.sessions.end(*family),
        }
    }

    /// Puts back an account, as a checkpoint keeps it.
    pub fn restore(&mut self, account: Account) {
        self.by_email.insert(account.email.clone(), account.id);
        if account.role == Role::Admin {
            self.admins.insert(account.id);
        }
        self.by_id.insert(account.id, account);
    }

    /// Puts back a session, as a checkpoint keeps it.
    pub fn restore_session(&mut self, id: FamilyId, family: Family) {
        self.sessions.open(id, family);
    }

    /// The account of that email, in lower case.
    #[must_use]
    pub fn by_email(&self, email: &str) -> Option<&Account> {
        self.by_email.get(email).and_then(|id| self.by_id.get(id))
    }

    /// The account of that id.
    #[must_use]
    pub fn by_id(&self, id: AccountId) -> Option<&Account> {
        self.by_id.get(&id)
    }

    /// Somebody who may run the shop.
    #[must_use]
    pub fn any_admin(&self) -> Option<&Account> {
        self.admins.first().and_then(|id| self.by_id.get(id))
    }

    /// Those whose ids are below `before`, newest first.
    pub fn before(&self, before: AccountId) -> impl Iterator<Item = &Account> {
        self.by_id.range(..before).rev().map(|(_, account)| account)
    }

    /// The sessions.
    #[must_use]
    pub const fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    /// All of them, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Account> {
        self.by_id.values()
    }

    /// How many accounts there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether there is no account.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }
}
