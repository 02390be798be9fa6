//! Orders: placed, paid, confirmed, canceled, shipped, read.

use std::cmp::Reverse;

use holdfast_domain::idempotency::Key;
use holdfast_domain::order::Status;
use holdfast_domain::{Item, Millis, Money, OrderId, Owner, Quantity, Sku, saga};
use holdfast_persistence::Partition;
use tokio::sync::oneshot;

use super::{Answer, Claimed, Engine, Failure};
use crate::context::{Context, RequestKey};
use crate::gateway::PaymentToken;
use crate::history;
use crate::keys::KeyGuard;
use crate::outcome::{Answered, OrderFacts, Outcome, Refused};
use crate::pending::Stopped;
use crate::sagas::orders::{Paying, Placing};
use crate::sagas::{Facts, OwnerReply, Request, Who};
use crate::supervisors::{AskOrder, OrderWish};
use crate::turn::Reply;

/// How long an unpaid order lives where the request does not say.
const ORDER_TTL_DEFAULT: Millis = Millis::from_secs(300);

/// A line of a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wanted {
    /// Of what.
    pub sku: Sku,
    /// How many.
    pub quantity: Quantity,
}

/// What is ordered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Basket {
    /// What is in the owner's cart.
    Cart,
    /// These.
    Lines(Vec<Wanted>),
}

/// An order to be placed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewOrder {
    /// What.
    pub basket: Basket,
    /// Where mails go.
    pub email: Option<Box<str>>,
    /// A JSON object as text.
    pub shipping_address: Option<Box<str>>,
    /// What the caller expects it to cost.
    pub expected_total: Option<Money>,
    /// How long it waits for its money.
    pub ttl: Option<Millis>,
    /// How it is paid at once.
    pub payment: Option<PaymentToken>,
}

/// Which orders are listed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct OrderFilter {
    /// Whose; everybody's where absent.
    pub owner: Option<Owner>,
    /// Where they are; anywhere where absent.
    pub status: Option<Status>,
}

impl Engine {
    /// Places an order and, where the request says how, pays it.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub async fn place(
        &self,
        context: &Context,
        owner: Owner,
        new: NewOrder,
    ) -> Result<Answer<OrderFacts>, Failure> {
        let pay_key = context.key.map(step_key);
        let key = match self.claim(context).await? {
            Claimed::Kept(reply) => {
                let placed = self.kept_order(reply).await?;
                let Some(token) = new.payment else { return Ok(placed) };
                return self.go_on_paying(context, pay_key, Who::Owner(owner), placed, token).await;
            }
            Claimed::Free(key) => key,
        };
        let items = match &new.basket {
            Basket::Cart => None,
            Basket::Lines(lines) => Some(self.items(lines)?),
        };
        let placing = Placing {
            owner,
            items,
            email: new.email,
            shipping_address: new.shipping_address,
            expected_total: new.expected_total,
            ttl: new.ttl.unwrap_or(ORDER_TTL_DEFAULT),
            is_settled: false,
            payment: new.payment.map(|token| Paying { token, key: pay_key }),
        };
        let partition = self.inner.slots.partition(owner.buyer().0);
        into_order(self.ask_order(context, key, partition, OrderWish::Place(Box::new(placing))).await?)
    }

    /// Charges the buyer and confirms the order.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub async fn pay(
        &self,
        context: &Context,
        who: Who,
        id: OrderId,
        token: PaymentToken,
    ) -> Result<Answer<OrderFacts>, Failure> {
        self.step(context, id, OrderWish::Pay(who, id, token)).await
    }

    /// Confirms an order whose money somebody else took.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub async fn confirm_order(
        &self,
        context: &Context,
        id: OrderId,
        reference: Option<Box<str>>,
    ) -> Result<Answer<OrderFacts>, Failure> {
        self.step(context, id, OrderWish::ConfirmOrder(id, reference)).await
    }

    /// Cancels an order.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub async fn cancel_order(
        &self,
        context: &Context,
        who: Who,
        id: OrderId,
        reason: Option<Box<str>>,
    ) -> Result<Answer<OrderFacts>, Failure> {
        self.step(context, id, OrderWish::Cancel(who, id, reason)).await
    }

    /// Ships an order.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub async fn fulfil(&self, context: &Context, id: OrderId) -> Result<Answer<OrderFacts>, Failure> {
        self.step(context, id, OrderWish::Fulfil(id)).await
    }

    /// An order as it is, durable.
    ///
    /// # Errors
    ///
    /// [`Failure::NotFound`], [`Failure::Stopped`].
    pub async fn order(&self, who: Who, id: OrderId) -> Result<OrderFacts, Failure> {
        self.order_at(who, id, None).await
    }

    /// Up to `count` orders placed before `before`, newest first, durable.
    ///
    /// # Errors
    ///
    /// [`Stopped`].
    pub async fn orders(
        &self,
        filter: OrderFilter,
        before: Option<OrderId>,
        count: usize,
    ) -> Result<Vec<OrderFacts>, Stopped> {
        let owner = filter.owner.map(Owner::buyer);
        let before = before.unwrap_or(OrderId(u128::MAX));
        let mut found: Vec<OrderFacts> = Vec::new();
        for shard in 0..self.inner.shards.len() {
            let page = self.look_at(shard, move |turns| {
                let mut found = Vec::new();
                for partition in &turns.partitions {
                    let orders = &partition.books.borrow().orders;
                    let ids = orders.ids_before(owner, filter.status, before, count);
                    found.extend(ids.into_iter().filter_map(|id| orders.get(id)));
                }
                newest(found, count, |order| order.id)
            });
            let facts = |order: &holdfast_domain::Order| OrderFacts::of(order, order.standing.version);
            found.extend(page.await?.iter().map(facts));
        }
        Ok(newest(found, count, |facts| facts.id))
    }

    /// Where the history of an order starts, durable; see [`history::read`].
    ///
    /// # Errors
    ///
    /// [`Failure::NotFound`], [`Failure::Stopped`].
    pub async fn history_start(&self, who: Who, id: OrderId) -> Result<history::Bookmark, Failure> {
        let partition = self.inner.slots.partition(id.0);
        let order = self.look_at_partition(partition, move |books| books.orders.get(id)).await?;
        let order = order.filter(|order| who.may_see(order.placed.owner)).ok_or(Failure::NotFound)?;
        let sequence = holdfast_persistence::Sequence(order.mark);
        Ok(history::Bookmark { order: id, partition, sequence })
    }

    /// What is meant by the lines of a request.
    pub(super) fn items(&self, lines: &[Wanted]) -> Result<Vec<Item>, Failure> {
        let mut items = Vec::with_capacity(lines.len());
        let mut unknown = Vec::new();
        for (index, line) in lines.iter().enumerate() {
            match self.find_sold(&line.sku) {
                Some((product, variant)) => items.push(Item { product, variant, quantity: line.quantity }),
                None => unknown.push((index, line.sku.clone())),
            }
        }
        if unknown.is_empty() { Ok(items) } else { Err(Failure::UnknownSkus(unknown)) }
    }

    /// The order of a request that was answered before, whose payment may not have been.
    async fn go_on_paying(
        &self,
        context: &Context,
        key: Option<RequestKey>,
        who: Who,
        placed: Answer<OrderFacts>,
        token: PaymentToken,
    ) -> Result<Answer<OrderFacts>, Failure> {
        let context = Context { key, ..context.clone() };
        let paid = self.pay(&context, who, placed.value.id, token).await;
        match paid {
            Err(Failure::Refused(Answer {
                value: Refused::Owner(saga::Refusal::PaymentUnknown { .. }),
                ..
            })) => Ok(placed),
            paid => paid,
        }
    }

    async fn step(
        &self,
        context: &Context,
        id: OrderId,
        wish: OrderWish,
    ) -> Result<Answer<OrderFacts>, Failure> {
        let key = match self.claim(context).await? {
            Claimed::Kept(reply) => return self.kept_order(reply).await,
            Claimed::Free(key) => key,
        };
        into_order(self.ask_order(context, key, self.inner.slots.partition(id.0), wish).await?)
    }

    pub(super) async fn kept_order(&self, reply: Reply) -> Result<Answer<OrderFacts>, Failure> {
        let Reply { answered, position, is_replayed } = reply;
        match answered.map_err(|value| refused(value, position, is_replayed))? {
            Outcome::Order { order, version } => {
                let value = self.order_at(Who::Admin, order, Some(version)).await?;
                Ok(Answer { value, position, is_replayed })
            }
            other => unreachable!("a step of an order was answered with {other:?}"),
        }
    }

    async fn order_at(&self, who: Who, id: OrderId, version: Option<u32>) -> Result<OrderFacts, Failure> {
        let partition = self.inner.slots.partition(id.0);
        let order = self.look_at_partition(partition, move |books| books.orders.get(id)).await?;
        let order = order.filter(|order| who.may_see(order.placed.owner)).ok_or(Failure::NotFound)?;
        Ok(OrderFacts::of(&order, version.unwrap_or(order.standing.version)))
    }

    /// Gives one wish to the supervisor of a partition and waits for a durable answer.
    pub(super) async fn ask_order(
        &self,
        context: &Context,
        key: Option<KeyGuard>,
        partition: Partition,
        wish: OrderWish,
    ) -> Result<OwnerReply, Failure> {
        let shard = &self.inner.shards[self.inner.slots.shard(partition)];
        let _permit = self.admit(shard)?;
        let (reply, answer) = oneshot::channel();
        let request = Request { context: context.clone(), key };
        shard.address.do_send(AskOrder { wish, request, reply });
        Ok(answer.await.map_err(|_| Failure::Stopped)?.open().await?)
    }
}

/// The answer of an owner: the whole of it, or why not.
pub(super) fn unpack<T>(
    reply: OwnerReply,
    pick: impl FnOnce(Facts) -> Option<Box<T>>,
) -> Result<Answer<T>, Failure> {
    let OwnerReply { answered, position, facts } = reply;
    check(answered, position)?;
    let value = *pick(facts).expect("a yes comes with its facts");
    Ok(Answer { value, position, is_replayed: false })
}

pub(super) fn refused(value: Refused, position: Option<crate::Position>, is_replayed: bool) -> Failure {
    match value {
        Refused::Owner(saga::Refusal::NotFound) => Failure::NotFound,
        value => Failure::Refused(Answer { value, position, is_replayed }),
    }
}

fn check(answered: Answered, position: Option<crate::Position>) -> Result<(), Failure> {
    answered.map(drop).map_err(|value| refused(value, position, false))
}

fn into_order(reply: OwnerReply) -> Result<Answer<OrderFacts>, Failure> {
    unpack(reply, |facts| if let Facts::Order(order) = facts { Some(order) } else { None })
}

/// The key of the payment within a request that places an order: a step with an outcome of its own.
fn step_key(request: RequestKey) -> RequestKey {
    let mut hasher = blake3::Hasher::new_derive_key("holdfast 2026 key of the payment of a placed order");
    hasher.update(&request.key.0.to_be_bytes());
    let mut bytes = [0; 16];
    hasher.finalize_xof().fill(&mut bytes);
    RequestKey { key: Key(u128::from_be_bytes(bytes)), ..request }
}

/// The newest `count` of several pages.
pub(super) fn newest<T, K: Ord>(mut found: Vec<T>, count: usize, id: impl Fn(&T) -> K) -> Vec<T> {
    found.sort_unstable_by_key(|it| Reverse(id(it)));
    found.truncate(count);
    found
}
