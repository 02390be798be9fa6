//! Accounts: kept by the shard that serves their partition, one message at a time like everything else.

use actix::{Handler, Message};
use holdfast_domain::account::{Account, Event, Refusal};
use tokio::sync::oneshot;

use crate::context::Context;
use crate::pending::Pending;
use crate::record::{Entity, Events, Turn};
use crate::shard::Shard;
use crate::slots::ACCOUNTS_PARTITION;

/// Make an account.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Create {
    /// Its time of creation is set by the turn.
    pub(crate) account: Account,
    pub(crate) context: Context,
    pub(crate) reply: oneshot::Sender<Pending<Result<Account, Refusal>>>,
}

/// Find an account.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Find {
    pub(crate) by: By,
    pub(crate) reply: oneshot::Sender<Pending<Option<Account>>>,
}

/// What is looked for.
pub(crate) enum By {
    /// The account of that email, in lower case.
    Email(Box<str>),
    /// Any admin.
    Admin,
}

impl Handler<Create> for Shard {
    type Result = ();

    fn handle(&mut self, create: Create, _: &mut Self::Context) {
        let core = self.core();
        let turns = &core.turns;
        let mut book = core.accounts.borrow_mut();
        let now = turns.clock.stamp();
        let created = Account { created_at: now, ..create.account };
        let answered = book.accounts.decide_create(created.clone()).map(|event: Event| {
            let position = turns.next_position(ACCOUNTS_PARTITION);
            book.accounts.apply(&event);
            let turn = Turn {
                request_id: create.context.request_id,
                actor: create.context.actor,
                entity: Entity::Accounts,
                previous: book.last_sequence.0,
                key: None,
                events: Events::Accounts(vec![event]),
            };
            book.ticket = turns.push(position, now, &turn);
            book.last_sequence = position.sequence;
            turns.directory.note_person(&created);
            created
        });
        let pending = Pending::new(answered, book.ticket, turns.queue.gate().clone());
        // Whoever hung up does not want the answer.
        let _unwanted = create.reply.send(pending);
    }
}

impl Handler<Find> for Shard {
    type Result = ();

    fn handle(&mut self, find: Find, _: &mut Self::Context) {
        let core = self.core();
        let book = core.accounts.borrow();
        let found = match find.by {
            By::Email(email) => book.accounts.by_email(&email),
            By::Admin => book.accounts.any_admin(),
        };
        let pending = Pending::new(found.cloned(), book.ticket, core.turns.queue.gate().clone());
        // Whoever hung up does not want the answer.
        let _unwanted = find.reply.send(pending);
    }
}
