//! People who can log in. The core knows hashes, never passwords.

use std::collections::BTreeMap;

use crate::{AccountId, Timestamp};

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
}

/// What happened to an account.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// It was made.
    Created(Account),
}

/// Why an account was not made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// The address belongs to an account already.
    EmailTaken,
}

/// All accounts of one partition, unique by email.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Accounts {
    by_id: BTreeMap<AccountId, Account>,
    by_email: BTreeMap<Box<str>, AccountId>,
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
        Ok(Event::Created(account))
    }

    /// Takes what happened into the books.
    pub fn apply(&mut self, event: &Event) {
        match event {
            Event::Created(account) => {
                self.by_email.insert(account.email.clone(), account.id);
                self.by_id.insert(account.id, account.clone());
            }
        }
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
        self.by_id.values().find(|account| account.role == Role::Admin)
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
