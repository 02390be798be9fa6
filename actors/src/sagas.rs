//! The sagas: how reservations, carts and orders take units from products and give them back.
//!
//! Which step follows which fact is data of `domain`; here the steps are carried out, on the thread of the owner's
//! shard, and each fact is journaled. Units are taken before the owner's record and given back after it. A saga runs
//! to its end, whoever hangs up; nobody is answered before everything it rests on is durable.
//!
//! Read in this order: what sagas share (this file), then `reservations`, `orders`, `payments`, `carts`, `merge`, and
//! the two that the timers call, in `expiry`.

pub(crate) mod batch;
pub(crate) mod carts;
pub(crate) mod expiry;
pub(crate) mod merge;
pub(crate) mod orders;
pub(crate) mod payments;
pub(crate) mod reservations;

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use futures_util::future::join_all;
use holdfast_domain::idempotency::Key;
use holdfast_domain::order::{OrderLine, Placed, TEXT_BYTES_MAX};
use holdfast_domain::product::{Command, Description, Refusal as ProductRefusal};
use holdfast_domain::saga::{self, LineRefusal, Step, Taking, Why};
use holdfast_domain::{
    Buyer, CartId, Currency, Item, Money, Order, OrderId, Owner, ProductId, ReservationId, Timestamp, cart,
    order,
};
use holdfast_persistence::Partition;

use crate::Position;
use crate::context::Context;
use crate::deadlines::Deadlines;
use crate::gateway::PaymentGateway;
use crate::keys::{Kept, KeyGuard, Keys};
use crate::lanes::Lanes;
use crate::outcome::{Answered, CartFacts, OrderFacts, Outcome, ReservationFacts};
use crate::pending::Pending;
use crate::pricing::{self, Pricing};
use crate::record::{Entity, Events, KeyedOutcome, OrderFact, Turn};
use crate::slots::Slots;
use crate::turn::TurnContext;

/// The answers to commands, in their order.
pub(crate) type Answers = Vec<Result<Outcome, ProductRefusal>>;

/// What products are told after an owner's record.
type Duties = Vec<(ProductId, Command)>;

/// An answer to come.
pub(crate) type Coming<T> = Pin<Box<dyn Future<Output = T>>>;

/// Where new ids come from: 128 bits each, never the same twice.
pub type Ids = Arc<dyn Fn() -> u128 + Send + Sync>;

/// The way from a saga to the products and to the carts of other partitions.
pub(crate) trait Peers {
    /// Has a product carry out `commands`, at most [`crate::turn::COMMANDS_MAX`], each on its own. Messages to one
    /// product arrive in the order in which they were sent.
    fn tell(&self, context: &Context, product: ProductId, commands: Vec<Command>) -> Coming<Answers>;

    /// Has a product of this thread carry out new reservations in this very moment, at most
    /// [`crate::turn::COMMANDS_MAX`]; none when it is on another thread. What waits in the product's mailbox comes after
    /// it, which is why nothing but names that no other message speaks of may be sent this way.
    fn reserve_here(&self, context: &Context, product: ProductId, commands: &[Command]) -> Option<Answers>;

    /// Has the cart of `customer` take over the lines of a guest's cart, and tells which that is; see [`merge`].
    fn absorb(&self, customer: Owner, guest: merge::Guest) -> Coming<CartId>;
}

/// Whom a timer of orders wakes for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Due {
    Reservation(ReservationId),
    Order(OrderId),
}

/// What the supervisors of one shard share. Lives and dies on the shard's thread.
pub(crate) struct Sagas {
    pub(crate) turns: Rc<TurnContext>,
    pub(crate) peers: Box<dyn Peers>,
    pub(crate) gateway: Arc<dyn PaymentGateway>,
    pub(crate) keys: Arc<Keys>,
    pub(crate) ids: Ids,
    pub(crate) slots: Slots,
    pub(crate) order_lanes: Lanes<OrderId>,
    pub(crate) cart_lanes: Lanes<Buyer>,
    pub(crate) batch_lanes: Lanes<Key>,
    pub(crate) order_deadlines: Deadlines<Due>,
    pub(crate) cart_deadlines: Deadlines<CartId>,
    pub(crate) rounds_under_way: Cell<usize>,
}

/// Who asks for something that belongs to somebody.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Who {
    /// Somebody: only what is theirs is there for them.
    Owner(Owner),
    /// An admin: everything is.
    Admin,
}

/// What a saga answers, before it is unsealed.
#[derive(Debug)]
pub(crate) struct OwnerReply {
    pub(crate) answered: Answered,
    pub(crate) position: Option<Position>,
    pub(crate) facts: Facts,
}

/// What a yes speaks of, whole.
#[derive(Debug)]
pub(crate) enum Facts {
    None,
    Order(Box<OrderFacts>),
    Reservation(Box<ReservationFacts>),
    Cart(Box<CartFacts>),
}

/// A request to a saga.
pub(crate) struct Request {
    pub(crate) context: Context,
    pub(crate) key: Option<KeyGuard>,
}

/// What some lines cost.
struct Priced {
    lines: Vec<OrderLine>,
    currency: Currency,
    /// Before rules.
    subtotal: Money,
    total: Money,
}

/// What a saga leaves in the journal.
struct Entry<'a> {
    partition: Partition,
    entity: Entity,
    previous: u64,
    events: Events,
    now: Timestamp,
    answered: &'a Answered,
}

impl Who {
    /// Whether something of `owner` is there for them.
    #[must_use]
    pub fn may_see(self, owner: Owner) -> bool {
        match self {
            Self::Admin => true,
            Self::Owner(asking) => asking == owner,
        }
    }
}

impl Request {
    pub(crate) const fn system() -> Self {
        Self { context: Context::system(), key: None }
    }
}

impl OwnerReply {
    fn yes(outcome: Outcome, position: Option<Position>, facts: Facts) -> Self {
        Self { answered: Ok(outcome), position, facts }
    }

    fn no(refusal: saga::Refusal, position: Option<Position>) -> Self {
        Self { answered: Err(refusal.into()), position, facts: Facts::None }
    }

    fn order(order: &Order, position: Option<Position>) -> Self {
        let version = order.standing.version;
        let facts = Facts::Order(Box::new(OrderFacts::of(order, version)));
        Self::yes(Outcome::Order { order: order.id, version }, position, facts)
    }
}

impl Sagas {
    /// Stamps a step of a request; not before its key was found free.
    fn now(&self, request: &Request) -> Timestamp {
        let claimed_at = request.key.as_ref().map(KeyGuard::claimed_at);
        self.turns.clock.stamp_from(claimed_at.unwrap_or_default())
    }

    /// Seals an answer: it opens when all that was pushed to the journal until now is durable.
    pub(crate) fn seal<T>(&self, value: T) -> Pending<T> {
        let queue = &self.turns.queue;
        Pending::new(value, queue.last_ticket(), queue.gate().clone())
    }

    /// Journals a fact, and settles the request's key with it.
    fn push(&self, request: &mut Request, entry: Entry<'_>) -> Position {
        let Entry { partition, entity, previous, events, now, answered } = entry;
        let position = self.turns.next_position(partition);
        let key = request.key.take();
        let turn = Turn {
            request_id: request.context.request_id.clone(),
            actor: request.context.actor,
            entity,
            previous,
            key: key.as_ref().map(|key| KeyedOutcome { key: key.request(), answered: answered.clone() }),
            events,
        };
        let ticket = self.turns.push(position, now, &turn);
        if let Some(key) = key {
            key.settle(Kept { answered: answered.clone(), position, ticket }, now);
        }
        position
    }

    /// Answers no. With a key that is a fact, too: a retry must meet it. What does not exist, or is somebody else's,
    /// is not kept.
    fn refuse(
        &self,
        request: &mut Request,
        entity: Entity,
        partition: Partition,
        refusal: saga::Refusal,
    ) -> OwnerReply {
        if request.key.is_none() || refusal == saga::Refusal::NotFound {
            request.key = None;
            return OwnerReply::no(refusal, None);
        }
        let now = self.now(request);
        let answered: Answered = Err(refusal.clone().into());
        let events = match entity {
            Entity::Order(_) => Events::Order(Vec::new()),
            Entity::Cart(_) => Events::Cart(Vec::new()),
            _ => Events::Reservations(Vec::new()),
        };
        let entry = Entry { partition, entity, previous: 0, events, now, answered: &answered };
        let position = self.push(request, entry);
        OwnerReply::no(refusal, Some(position))
    }

    /// Takes units of several products: all or none. Returns what products are told once the owner's record stands.
    async fn take(&self, context: &Context, mut taking: Taking) -> Result<Duties, saga::Refusal> {
        loop {
            match taking.next() {
                Step::Tell(product, command) => {
                    let answers = self.peers.tell(context, product, vec![command]).await;
                    taking.note(only(answers).map(drop));
                }
                Step::Held => return Ok(taking.rest()),
                Step::Refused(refusal) => return Err(refusal),
            }
        }
    }

    /// Tells products what follows from an owner's fact, and waits until they know. None of it can be refused: the
    /// owner had the units. Only of a product that is gone there is nothing to give back.
    async fn settle(&self, context: &Context, duties: Duties) {
        let told = duties.into_iter().map(|(product, command)| async move {
            let may_be_gone = matches!(command, Command::Release { .. });
            match only(self.peers.tell(context, product, vec![command]).await) {
                Err(ProductRefusal::UnknownProduct) if may_be_gone => {}
                answer => drop(answer.expect("INV-10: an owner's units are with its products")),
            }
        });
        join_all(told).await;
    }

    /// Snapshots of what `items` cost now, one by one and together; without `pricing` before rules, which is never
    /// less.
    fn price(&self, items: &[Item], pricing: Option<&Pricing>) -> Result<Priced, saga::Refusal> {
        let mut currency = None;
        let mut subtotal = Some(0_i64);
        let mut lines = Vec::with_capacity(items.len());
        let mut unknown = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let Some(line) = self.price_line(item, pricing) else {
                let Item { product, variant, quantity } = *item;
                let requested = quantity.units();
                unknown.push(LineRefusal { index, product, variant, requested, why: Why::Unknown });
                continue;
            };
            let (line, before_rules, of) = line;
            if *currency.get_or_insert(of) != of {
                return Err(saga::Refusal::MixedCurrencies);
            }
            subtotal = subtotal.and_then(|sum| sum.checked_add(before_rules.0));
            lines.push(line);
        }
        match currency {
            Some(currency) if unknown.is_empty() => {
                let subtotal = Money(subtotal.ok_or(saga::Refusal::QuantityOutOfRange)?);
                // Rules only take off: what fits before them fits after.
                let total = Money(lines.iter().map(|line| line.total.0).sum());
                Ok(Priced { lines, currency, subtotal, total })
            }
            None if unknown.is_empty() => Err(saga::Refusal::CartEmpty),
            _ => Err(saga::Refusal::Lines(unknown)),
        }
    }

    /// Whether units of these items can become one order: what can never be sold together is not held together.
    fn check_confirmable(&self, items: &[Item]) -> Result<(), saga::Refusal> {
        let priced = self.price(items, None)?;
        let bytes = priced.lines.iter().map(|line| line.name.len() + line.sku.as_str().len()).sum();
        check_texts(bytes)
    }

    /// What makes prices for a request of `owner` at this moment.
    fn pricing(&self, owner: Owner, now: Timestamp) -> Option<Pricing> {
        Pricing::of(&self.turns.directory, owner, now)
    }

    /// A line, what it costs before rules, and of which currency.
    fn price_line(&self, item: &Item, pricing: Option<&Pricing>) -> Option<(OrderLine, Money, Currency)> {
        let info = self.turns.directory.live_card(item.product)?.info();
        let variant = info.variant(item.variant)?;
        let price = pricing::price(pricing, &info.description, variant, item.quantity);
        let before_rules = price.subtotal(item.quantity);
        let line = OrderLine {
            item: *item,
            sku: variant.sku.clone(),
            name: info.description.name.clone(),
            unit_price: price.unit,
            total: price.total,
            breakdown: price.breakdown,
        };
        Some((line, before_rules, info.description.currency))
    }

    fn description(&self, product: ProductId) -> Option<Arc<Description>> {
        Some(Arc::clone(&self.turns.directory.live_card(product)?.info().description))
    }

    /// Whether a product has no such variant any more, or is gone.
    fn is_gone(&self, item: &Item) -> bool {
        let card = self.turns.directory.live_card(item.product);
        card.is_none_or(|card| card.info().variant(item.variant).is_none())
    }

    /// A new id of that partition.
    fn id(&self, partition: Partition) -> u128 {
        self.slots.place((self.ids)(), partition)
    }

    fn find_order(&self, who: Who, id: OrderId) -> Option<Order> {
        let partition = self.turns.partition(self.slots.partition(id.0));
        let order = partition.books.borrow().orders.get(id)?;
        who.may_see(order.placed.owner).then_some(order)
    }

    /// Journals facts of an order, takes them into the books and lets the timer follow. The answer is the order as it
    /// is then, unless `refusal` says otherwise. `now` is the stamp with which the facts were decided, in this very
    /// step: with another one, an order could be confirmed at its deadline.
    fn commit_order(
        &self,
        request: &mut Request,
        order: &Order,
        events: Vec<order::Event>,
        refusal: Option<saga::Refusal>,
        now: Timestamp,
    ) -> (Order, OwnerReply) {
        let partition = self.slots.partition(order.id.0);
        let mut after = order.clone();
        events.iter().for_each(|event| after.apply(event, now));
        let answered = match &refusal {
            Some(refusal) => Err(refusal.clone().into()),
            None => Ok(Outcome::Order { order: order.id, version: after.standing.version }),
        };
        let facts = events.iter().cloned().map(OrderFact::Changed).collect();
        let entry = Entry {
            partition,
            entity: Entity::Order(order.id),
            previous: order.mark,
            events: Events::Order(facts),
            now,
            answered: &answered,
        };
        let position = self.push(request, entry);
        let state = self.turns.partition(partition);
        let mut books = state.books.borrow_mut();
        for event in &events {
            state.touch_order(&books, &self.slots, order.id, event);
            let touched = cart::returned_by(order, event).map(|(cart, _)| cart);
            let before =
                touched.and_then(|cart| books.carts.get(cart).map(holdfast_domain::Cart::next_deadline));
            after = books.apply_order(order.id, event, now, position.sequence.0);
            if let Some(cart) = touched {
                self.follow_cart(cart, order.placed.owner, before, &books.carts);
            }
        }
        self.order_deadlines.set(Due::Order(order.id), order.next_deadline(), after.next_deadline());
        let reply = match refusal {
            Some(refusal) => OwnerReply::no(refusal, Some(position)),
            None => OwnerReply::order(&after, Some(position)),
        };
        (after, reply)
    }

    /// Lets the timer follow a cart that changed, and everybody know whether units are held for it.
    fn follow_cart(&self, id: CartId, owner: Owner, before: Option<Timestamp>, carts: &cart::Carts) {
        self.cart_deadlines.set(id, before, carts.get(id).map(holdfast_domain::Cart::next_deadline));
        // Of the cart that the owner has now: an order may outlive the one that it came from.
        let cart = carts.of(owner).map(|(_, cart)| cart);
        let has_units = cart.is_some_and(|cart| cart.lines.iter().any(cart::CartLine::is_held));
        self.turns.directory.note_cart_units(owner.buyer(), has_units);
    }
}

/// Whether texts of so many bytes fit into a record beside everything else.
fn check_texts(bytes: usize) -> Result<(), saga::Refusal> {
    if bytes <= TEXT_BYTES_MAX {
        return Ok(());
    }
    Err(saga::Refusal::TooLarge { bytes_max: u32::try_from(TEXT_BYTES_MAX).expect("it is a few KiB") })
}

/// Whether the texts of an order fit into a record. The names of rules give way first: their ids stay, and a sale is
/// worth more than a name.
fn check_placed(placed: &mut Placed) -> Result<(), saga::Refusal> {
    if placed.text_bytes() > TEXT_BYTES_MAX {
        let steps = placed.lines.iter_mut().flat_map(|line| &mut line.breakdown);
        steps.for_each(|step| step.name = None);
    }
    check_texts(placed.text_bytes())
}

/// The answer to a single command.
fn only(answers: Answers) -> Result<Outcome, ProductRefusal> {
    let mut answers = answers.into_iter();
    let only = answers.next().expect("each command is answered");
    debug_assert!(answers.next().is_none(), "one command was told");
    only
}
