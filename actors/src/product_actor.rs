//! The actor of one product: the only writer of its stock, taking one message at a time.
//!
//! It lives while the product is in use. Its address is in the [`crate::directory`] and nowhere else, so taking
//! it out there is all it takes to let the actor drain its mailbox and give its product back to the shard.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use actix::{Actor, Context as ActixContext, Handler, Message};
use holdfast_domain::Product;
use tokio::sync::oneshot;

use crate::context::Context;
use crate::keys::KeyGuard;
use crate::pending::Pending;
use crate::shard::Core;
use crate::turn::{Live, Reply, Wish};

/// Gives a product its turns.
pub(crate) struct ProductActor {
    /// The shard looks at it between messages, and nobody else.
    live: Rc<RefCell<Live>>,
    core: Rc<Core>,
    /// Set by each message, cleared by the shard's sweep: the second chance before passivation.
    is_used: Rc<Cell<bool>>,
}

/// A wish on its way to a product. Once it is in the mailbox it is carried out, whoever hangs up.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Ask {
    pub(crate) wish: Wish,
    pub(crate) context: Context,
    pub(crate) key: Option<KeyGuard>,
    pub(crate) reply: ReplyTo,
}

/// Who waits for an answer.
pub(crate) enum ReplyTo {
    /// A request: it gets the answer when it is durable.
    Request(oneshot::Sender<Pending<Reply>>),
    /// A saga: it goes on at once with what was decided. Its own record comes later in the same journal, so whatever
    /// it answers is durable after this.
    Saga(oneshot::Sender<Reply>),
}

/// The whole product, as it is now.
#[derive(Message)]
#[rtype(result = "Option<Product>")]
pub(crate) struct Look;

impl ProductActor {
    pub(crate) const fn new(live: Rc<RefCell<Live>>, core: Rc<Core>, is_used: Rc<Cell<bool>>) -> Self {
        Self { live, core, is_used }
    }
}

impl Actor for ProductActor {
    type Context = ActixContext<Self>;

    fn stopped(&mut self, _: &mut Self::Context) {
        self.core.take_back(&self.live);
    }
}

impl Handler<Ask> for ProductActor {
    type Result = ();

    fn handle(&mut self, ask: Ask, _: &mut Self::Context) {
        self.is_used.set(true);
        let core = Rc::clone(&self.core);
        let pending = self.live.borrow_mut().turn(&core.turns, ask.wish, &ask.context, ask.key);
        match ask.reply {
            ReplyTo::Request(asker) => core.outbox.send(pending, asker),
            // A saga never hangs up; only a shard that is stopped drops it.
            ReplyTo::Saga(saga) => drop(saga.send(pending.into_saga())),
        }
    }
}

impl Handler<Look> for ProductActor {
    type Result = Option<Product>;

    fn handle(&mut self, _: Look, _: &mut Self::Context) -> Option<Product> {
        self.live.borrow().product.clone()
    }
}
