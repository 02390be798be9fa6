//! Accounts and sessions: kept by the shard that serves their partition, one message at a time like everything else.

use actix::{Handler, Message};
use holdfast_domain::account::session::{Bad, Decision, FamilyId, Refresh, Refreshed, TokenHash};
use holdfast_domain::account::{Account, Accounts, Change, Event, Refusal, Role};
use holdfast_domain::{AccountId, Timestamp};
use holdfast_persistence::{Sequence, Ticket};
use tokio::sync::oneshot;

use crate::context::{Actor, Context};
use crate::image::{Key, touch};
use crate::keys::{Kept, KeyGuard};
use crate::outcome::{Answered, Outcome, Refused};
use crate::pending::Pending;
use crate::position::Position;
use crate::record::{Entity, Events, KeyedOutcome, Turn};
use crate::shard::Shard;
use crate::slots::ACCOUNTS_PARTITION;
use crate::turn::TurnContext;

/// The accounts, with what the shell knows of them; used on the shard that serves their partition.
#[derive(Default)]
pub(crate) struct AccountBook {
    pub(crate) accounts: Accounts,
    pub(crate) last_sequence: Sequence,
    pub(crate) ticket: Ticket,
}

/// A request to the accounts. Once it is in the mailbox it is carried out, whoever hangs up.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct AskAccounts {
    pub(crate) wish: AccountWish,
    pub(crate) context: Context,
    pub(crate) key: Option<KeyGuard>,
    pub(crate) reply: oneshot::Sender<Pending<AccountReply>>,
}

/// What is asked of the accounts.
pub(crate) enum AccountWish {
    /// Make one; the turn stamps it.
    Create(Box<Account>),
    /// Change role and tier, if it has the version that is named.
    Change(AccountId, Change, Option<u32>),
    /// Open a session of an account that exists.
    Open(AccountId, FamilyId, TokenHash),
    /// Spend a refresh token.
    Refresh(Refresh),
    /// End the session of a refresh token.
    Logout(FamilyId, TokenHash),
}

/// What the accounts answer, before it is unsealed.
#[derive(Debug)]
pub(crate) struct AccountReply {
    pub(crate) said: Said,
    pub(crate) position: Option<Position>,
}

/// The answers.
#[derive(Debug)]
pub(crate) enum Said {
    /// To what has an outcome that retries meet again.
    Outcome(Answered),
    /// To a refresh: whose session it is, and what became of the token.
    Refreshed(Result<(Account, Refreshed), Bad>),
    /// It is so now.
    Done,
}

/// Looks at the accounts; sends what it found by a way of its own.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct LookAtAccounts(pub(crate) AccountLook);

/// A look at the accounts.
pub(crate) type AccountLook = Box<dyn FnOnce(&AccountBook, &TurnContext) + Send>;

impl Handler<AskAccounts> for Shard {
    type Result = ();

    fn handle(&mut self, ask: AskAccounts, _: &mut Self::Context) {
        let core = self.core();
        let mut book = core.accounts.borrow_mut();
        let AskAccounts { wish, context, key, reply } = ask;
        let answer = book.turn(&core.turns, wish, context, key);
        let pending = Pending::new(answer, book.ticket, core.turns.queue.gate().clone());
        // Whoever hung up does not want the answer.
        let _unwanted = reply.send(pending);
    }
}

impl Handler<LookAtAccounts> for Shard {
    type Result = ();

    fn handle(&mut self, look: LookAtAccounts, _: &mut Self::Context) {
        let core = self.core();
        (look.0)(&core.accounts.borrow(), &core.turns);
    }
}

/// What a turn leaves in the journal.
struct Entry {
    context: Context,
    key: Option<(KeyGuard, Answered)>,
    events: Vec<Event>,
    now: Timestamp,
}

impl AccountBook {
    /// Answers one wish.
    fn turn(
        &mut self,
        turns: &TurnContext,
        wish: AccountWish,
        context: Context,
        key: Option<KeyGuard>,
    ) -> AccountReply {
        let now = turns.clock.stamp_from(key.as_ref().map(KeyGuard::claimed_at).unwrap_or_default());
        match wish {
            AccountWish::Create(account) => {
                let created = Account { created_at: now, ..*account };
                let id = created.id;
                let decided = self.accounts.decide_create(created).map(|event| vec![event]);
                self.settle(turns, id, decided, context, key, now)
            }
            AccountWish::Change(id, change, version) => {
                let decided = self.accounts.decide_change(id, change, version);
                self.settle(turns, id, decided, context, key, now)
            }
            AccountWish::Open(account, family, token) => {
                let events = self.accounts.decide_open(account, family, token, now);
                let position = self.record(turns, Entry { context, key: None, events, now });
                AccountReply { said: Said::Done, position: Some(position) }
            }
            AccountWish::Refresh(refresh) => self.refresh(turns, &refresh, context, now),
            AccountWish::Logout(family, token) => {
                let ended = self.accounts.decide_logout(family, token);
                let position = ended.map(|(account, event)| {
                    let context = Context { actor: self.actor(account), ..context };
                    self.record(turns, Entry { context, key: None, events: vec![event], now })
                });
                AccountReply { said: Said::Done, position }
            }
        }
    }

    fn refresh(
        &mut self,
        turns: &TurnContext,
        refresh: &Refresh,
        context: Context,
        now: Timestamp,
    ) -> AccountReply {
        let Decision { event, answer } = self.accounts.decide_refresh(refresh, now);
        // Of a spent token nobody knows who sent it.
        let actor = answer.as_ref().map_or(context.actor, |(account, _)| self.actor(*account));
        let context = Context { actor, ..context };
        let position =
            event.map(|event| self.record(turns, Entry { context, key: None, events: vec![event], now }));
        let said = answer.map(|(account, refreshed)| (self.existing(account).clone(), refreshed));
        AccountReply { said: Said::Refreshed(said), position }
    }

    /// Applies what was decided about an account, journals it, and settles the key: a refusal that a retry must meet
    /// is a fact as well. What does not exist is not kept.
    fn settle(
        &mut self,
        turns: &TurnContext,
        id: AccountId,
        decided: Result<Vec<Event>, Refusal>,
        context: Context,
        key: Option<KeyGuard>,
        now: Timestamp,
    ) -> AccountReply {
        let key = key.filter(|_| decided != Err(Refusal::NotFound));
        let (events, refusal) = match decided {
            Ok(events) => (events, None),
            Err(refusal) => (Vec::new(), Some(refusal)),
        };
        for event in &events {
            self.apply(turns, event, now);
        }
        let answered = match refusal {
            Some(refusal) => Err(Refused::Account(refusal)),
            None => Ok(Outcome::Account(Box::new(without_hash(self.existing(id))))),
        };
        let leaves_record = !events.is_empty() || key.is_some();
        let key = key.map(|key| (key, answered.clone()));
        let position = leaves_record.then(|| self.journal(turns, Entry { context, key, events, now }));
        AccountReply { said: Said::Outcome(answered), position }
    }

    fn record(&mut self, turns: &TurnContext, entry: Entry) -> Position {
        for event in &entry.events {
            self.apply(turns, event, entry.now);
        }
        self.journal(turns, entry)
    }

    fn apply(&mut self, turns: &TurnContext, event: &Event, now: Timestamp) {
        touch::account_event(&self.accounts, event, now, |key| self.touch(turns, key));
        self.accounts.apply(event, now);
    }

    fn touch(&self, turns: &TurnContext, key: Key) {
        let changes = &turns.partition(ACCOUNTS_PARTITION).changes;
        changes.touch(key, |packer| packer.of_accounts(key, &self.accounts, self.last_sequence));
    }

    /// Journals what was applied already, and lets everybody see it.
    fn journal(&mut self, turns: &TurnContext, entry: Entry) -> Position {
        let Entry { context, key, events, now } = entry;
        // Also without events: the entry of the accounts names their newest record.
        self.touch(turns, Key::Accounts);
        let position = turns.next_position(ACCOUNTS_PARTITION);
        for event in &events {
            if let Event::Created(Account { id, .. }) | Event::Changed { id, .. } = event {
                turns.directory.note_person(self.existing(*id));
            }
        }
        let turn = Turn {
            request_id: context.request_id,
            actor: context.actor,
            entity: Entity::Accounts,
            previous: self.last_sequence.0,
            key: key
                .as_ref()
                .map(|(key, answered)| KeyedOutcome { key: key.request(), answered: answered.clone() }),
            events: Events::Accounts(events),
        };
        self.ticket = turns.push(position, now, &turn);
        self.last_sequence = position.sequence;
        if let Some((key, answered)) = key {
            key.settle(Kept { answered, position, ticket: self.ticket }, now);
        }
        position
    }

    fn existing(&self, id: AccountId) -> &Account {
        self.accounts.by_id(id).expect("accounts are never removed")
    }

    fn actor(&self, id: AccountId) -> Actor {
        match self.existing(id).role {
            Role::Admin => Actor::Admin(id),
            Role::Customer => Actor::Customer(id),
        }
    }
}

/// An answer needs no password's hash, and one less in the journal is one less to guard.
fn without_hash(account: &Account) -> Account {
    Account { password_hash: "".into(), ..account.clone() }
}
