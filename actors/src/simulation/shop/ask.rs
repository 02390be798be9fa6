//! What somebody outside asks, and how it is carried out: what an engine does with a request, key first.

use std::sync::Arc;

use holdfast_domain::idempotency::Key;
use holdfast_domain::product::{Command, Description, Line, NewProduct, Status, VariantNo};
use holdfast_domain::{
    AccountId, Item, Millis, Money, OrderId, Owner, ProductId, ReservationId, Timestamp, saga,
};
use tokio::sync::oneshot;

use crate::context::{Actor, Context, RequestId, RequestKey};
use crate::gateway::PaymentToken;
use crate::keys::{Claim, Kept, KeyGuard};
use crate::outcome::{Answered, Outcome, Refused};
use crate::pending::{self, Pending};
use crate::sagas::batch::Made;
use crate::sagas::carts::{Change, TTL_DEFAULT};
use crate::sagas::orders::{Paying, Placing};
use crate::sagas::reservations::Wanted;
use crate::sagas::{OwnerReply, Request, Who};
use crate::supervisors::{CartWish, OrderWish};
use crate::turn::{Reply, Wish};

use super::mail::{Letter, Sender};
use super::process::Door;
use super::tasks::Kind;

/// Who asks for what only admins may.
const ADMIN: AccountId = AccountId(99);

/// A request that can be sent again.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    pub(super) number: u64,
    pub(super) key: Option<RequestKey>,
    /// When it was sent the first time.
    pub(super) sent_at: Timestamp,
    pub(super) wish: AskWish,
}

#[derive(Clone, Debug)]
pub(super) enum AskWish {
    Reserve { owner: Owner, items: Vec<Item>, ttl: Millis },
    Many { owner: Owner, lots: Vec<(Vec<Item>, Millis)> },
    Extend(Who, ReservationId, Millis),
    ConfirmReservation(Who, ReservationId),
    Release(Who, ReservationId),
    Place { owner: Owner, items: Option<Vec<Item>>, ttl: Millis, expected: Option<Money>, is_paid: bool },
    Pay(Who, OrderId),
    ConfirmOrder(OrderId),
    Cancel(Who, OrderId),
    Fulfil(OrderId),
    Change(Owner, ProductId, VariantNo, Change, Option<u32>),
    Clear(Owner, Option<u32>),
    Merge { guest: Owner, customer: Owner },
    Purchase { owner: Owner, product: ProductId, line: Line },
    Command(ProductId, Command),
    Edit(ProductId, Arc<Description>),
    Create(ProductId, NewProduct),
}

/// What they are answered.
#[derive(Debug)]
pub(super) enum Said {
    Owner(OwnerReply),
    Product(Reply),
    /// The first answer again.
    Again(Arc<Kept>),
    /// Of each reservation, with the id that it has where it was made.
    Made(Vec<(ReservationId, Made)>),
    Merged,
    /// Nothing was tried.
    Nothing,
}

/// The key stands for another request.
struct Reused;

enum Claimed {
    Free(Option<KeyGuard>),
    Kept(Arc<Kept>),
    Reused,
}

impl Ask {
    /// Who is behind it, as the journal sees them.
    fn context(&self) -> Context {
        let actor = match &self.wish {
            AskWish::Reserve { owner, .. }
            | AskWish::Place { owner, .. }
            | AskWish::Purchase { owner, .. }
            | AskWish::Change(owner, ..)
            | AskWish::Clear(owner, _) => actor(*owner),
            AskWish::Extend(Who::Owner(owner), ..)
            | AskWish::ConfirmReservation(Who::Owner(owner), _)
            | AskWish::Release(Who::Owner(owner), _)
            | AskWish::Pay(Who::Owner(owner), _)
            | AskWish::Cancel(Who::Owner(owner), _) => actor(*owner),
            _ => Actor::Admin(ADMIN),
        };
        Context { request_id: RequestId::Made(self.number.into()), actor, key: self.key }
    }

    /// A text that tells whose doing a reservation or an order is.
    pub(super) fn mark(&self, place: usize) -> Option<Box<str>> {
        Some(format!("{}.{place}", self.number).into())
    }
}

const fn actor(owner: Owner) -> Actor {
    match owner {
        Owner::Guest(digest) => Actor::Guest(digest),
        Owner::Account(account) => Actor::Customer(account),
    }
}

impl Door {
    /// Carries a request out to its end.
    pub(super) async fn carry_out(&self, ask: &Ask) -> Said {
        match &ask.wish {
            AskWish::Many { owner, lots } => return self.reserve_many(ask, *owner, lots).await,
            AskWish::Merge { guest, customer } => return self.merge(*guest, *customer).await,
            _ => {}
        }
        let key = match self.claim(ask.key).await {
            Claimed::Free(key) => key,
            Claimed::Reused => return Said::Nothing,
            Claimed::Kept(kept) => return self.go_on_paying(ask, kept).await,
        };
        match &ask.wish {
            AskWish::Change(owner, product, variant, change, version) => {
                if !matches!(change, Change::Remove) && !self.is_listed(*product, *variant) {
                    return Said::Nothing;
                }
                let is_gone = self.directory().card(*product).is_none();
                let wish = match change {
                    // Nobody knows the sku any more; lines of what is gone go.
                    Change::Remove if is_gone => CartWish::Tidy(*version),
                    _ => CartWish::Change(*product, *variant, *change, *version),
                };
                self.ask_cart(ask, key, *owner, wish).await
            }
            AskWish::Clear(owner, version) => {
                self.ask_cart(ask, key, *owner, CartWish::Clear(*version)).await
            }
            AskWish::Purchase { owner, product, line } => {
                match self.own_units(ask, *owner, *product, *line) {
                    Some(wish) => self.ask_order(&ask.context(), key, owner.buyer().0, wish).await,
                    None => self.ask_product(ask, key).await,
                }
            }
            AskWish::Command(..) | AskWish::Edit(..) | AskWish::Create(..) => {
                self.ask_product(ask, key).await
            }
            _ => match self.order_wish(ask) {
                Some((of, wish)) => self.ask_order(&ask.context(), key, of, wish).await,
                None => Said::Nothing,
            },
        }
    }

    /// A wish for a supervisor of orders, and an id of the partition that it belongs to.
    fn order_wish(&self, ask: &Ask) -> Option<(u128, OrderWish)> {
        Some(match ask.wish.clone() {
            AskWish::Reserve { owner, items, ttl } => {
                let wanted = self.wanted(ask, 0, (self.around.ids)(), owner, &items, ttl)?;
                (wanted.id.0, OrderWish::Reserve(wanted))
            }
            AskWish::Extend(who, id, span) => (id.0, OrderWish::Extend(who, id, span)),
            AskWish::ConfirmReservation(who, id) => (id.0, OrderWish::ConfirmReservation(who, id)),
            AskWish::Release(who, id) => (id.0, OrderWish::Release(who, id)),
            AskWish::Place { owner, items, ttl, expected, is_paid } => {
                if items.iter().flatten().any(|item| !self.is_listed(item.product, item.variant)) {
                    return None;
                }
                let paying = || Paying { token: token(), key: ask.key.map(step_key) };
                let placing = Placing {
                    owner,
                    items,
                    email: ask.mark(0),
                    shipping_address: None,
                    expected_total: expected,
                    ttl,
                    is_settled: false,
                    payment: is_paid.then(paying),
                };
                (owner.buyer().0, OrderWish::Place(Box::new(placing)))
            }
            AskWish::Pay(who, id) => (id.0, OrderWish::Pay(who, id, token())),
            AskWish::ConfirmOrder(id) => (id.0, OrderWish::ConfirmOrder(id, Some("cash".into()))),
            AskWish::Cancel(who, id) => (id.0, OrderWish::Cancel(who, id, None)),
            AskWish::Fulfil(id) => (id.0, OrderWish::Fulfil(id)),
            other => unreachable!("{other:?} is not for orders"),
        })
    }

    /// The order that a purchase becomes when there are too few units but for those in the buyer's own cart.
    fn own_units(&self, ask: &Ask, owner: Owner, product: ProductId, line: Line) -> Option<OrderWish> {
        let card = self.directory().card(product)?;
        let is_short = card.sold_out(line.variant, line.quantity.units()).is_some();
        if !is_short || !self.directory().has_cart_units(owner.buyer()) {
            return None;
        }
        let placing = Placing {
            owner,
            items: Some(vec![Item { product, variant: line.variant, quantity: line.quantity }]),
            email: ask.mark(0),
            shipping_address: None,
            expected_total: None,
            ttl: TTL_DEFAULT,
            is_settled: true,
            payment: None,
        };
        Some(OrderWish::Place(Box::new(placing)))
    }

    async fn ask_order(&self, context: &Context, key: Option<KeyGuard>, of: u128, wish: OrderWish) -> Said {
        let sagas = self.shard_of(of);
        let request = Request { context: context.clone(), key };
        let (reply, answer) = oneshot::channel();
        self.nursery.spawn(Kind::Saga, async move {
            let said = sagas.carry_out_order(wish, request).await;
            // Whoever hung up does not want the answer.
            let _unwanted = reply.send(sagas.seal(said));
        });
        Said::Owner(opened(answer).await)
    }

    async fn ask_cart(&self, ask: &Ask, key: Option<KeyGuard>, owner: Owner, wish: CartWish) -> Said {
        let sagas = self.shard_of(owner.buyer().0);
        let request = Request { context: ask.context(), key };
        let (reply, answer) = oneshot::channel();
        self.nursery.spawn(Kind::Saga, async move {
            let said = sagas.carry_out_cart(owner, wish, request).await;
            // As above.
            let _unwanted = reply.send(sagas.seal(said));
        });
        Said::Owner(opened(answer).await)
    }

    async fn merge(&self, guest: Owner, customer: Owner) -> Said {
        let sagas = self.shard_of(guest.buyer().0);
        let (reply, answer) = oneshot::channel();
        self.nursery.spawn(Kind::Saga, async move {
            sagas.merge(guest, customer).await;
            // As above.
            let _unwanted = reply.send(sagas.seal(()));
        });
        opened(answer).await;
        Said::Merged
    }

    async fn reserve_many(&self, ask: &Ask, owner: Owner, lots: &[(Vec<Item>, Millis)]) -> Said {
        let Ok(begun) = self.begin(ask).await else { return Said::Nothing };
        let mut shares: Vec<Vec<Wanted>> = self.shards.iter().map(|_| Vec::new()).collect();
        for (place, (items, ttl)) in lots.iter().enumerate() {
            let id = ask.key.zip(begun).map(|(key, begun)| batch_id(key, begun, place));
            let id = id.unwrap_or_else(|| (self.around.ids)());
            let Some(wanted) = self.wanted(ask, place, id, owner, items, *ttl) else { continue };
            shares[self.slots.shard(self.slots.partition(wanted.id.0))].push(wanted);
        }
        let mut answers = Vec::new();
        for (shard, wanted) in shares.into_iter().enumerate().filter(|(_, wanted)| !wanted.is_empty()) {
            let (sagas, context) = (self.shards[shard].clone(), ask.context());
            let ids: Vec<_> = wanted.iter().map(|wanted| wanted.id).collect();
            let (reply, answer) = oneshot::channel();
            self.nursery.spawn(Kind::Saga, async move {
                let (made, _) = sagas.reserve_many(&context, wanted).await;
                // As above.
                let _unwanted = reply.send(sagas.seal(made));
            });
            answers.push((ids, answer));
        }
        let mut made = Vec::new();
        for (ids, answer) in answers {
            made.extend(ids.into_iter().zip(opened(answer).await));
        }
        Said::Made(made)
    }

    /// Claims the key of a request whose steps have keys of their own; tells when it was first.
    async fn begin(&self, ask: &Ask) -> Result<Option<Timestamp>, Reused> {
        let Some(request) = ask.key else { return Ok(None) };
        let answered = match self.claim(ask.key).await {
            Claimed::Reused => return Err(Reused),
            Claimed::Kept(kept) => kept.answered.clone(),
            Claimed::Free(key) => {
                let of = request.key.0;
                let wish = OrderWish::Begin(self.slots.partition(of));
                match self.ask_order(&ask.context(), key, of, wish).await {
                    Said::Owner(reply) => reply.answered,
                    other => unreachable!("the beginning was answered with {other:?}"),
                }
            }
        };
        match answered {
            Ok(Outcome::Begun(at)) => Ok(Some(at)),
            other => unreachable!("the beginning was answered with {other:?}"),
        }
    }

    async fn ask_product(&self, ask: &Ask, key: Option<KeyGuard>) -> Said {
        let (product, wish) = match ask.wish.clone() {
            AskWish::Purchase { owner, product, line } => {
                if !self.is_listed(product, line.variant) {
                    return Said::Nothing;
                }
                let partition = self.slots.partition(product.0);
                let order = OrderId(self.slots.place((self.around.ids)(), partition));
                self.around.purchases.borrow_mut().insert(order, ask.number);
                (product, Wish::Do(Command::Purchase { order, buyer: owner.buyer(), line }))
            }
            AskWish::Command(product, command) => (product, Wish::Do(command)),
            AskWish::Edit(product, description) => {
                (product, Wish::Edit { version: None, edit: Box::new(move |_| (*description).clone()) })
            }
            AskWish::Create(product, new) => {
                let skus = new.variants.iter().map(|variant| variant.description.clone()).collect();
                let Ok(skus) = self.directory().claim(product, skus) else { return Said::Nothing };
                (product, Wish::Create { new, skus })
            }
            other => unreachable!("{other:?} is not for products"),
        };
        let is_there = self.directory().card(product).is_some();
        if !is_there && !matches!(ask.wish, AskWish::Create(..)) {
            return Said::Nothing;
        }
        let (reply, answer) = oneshot::channel();
        let letter = Letter::Asked { context: ask.context(), wish, key, reply };
        self.mail.borrow_mut().send(product, Sender::Client(ask.number), letter);
        Said::Product(opened(answer).await)
    }

    /// The order of a request that was answered before, whose payment may not have been.
    async fn go_on_paying(&self, ask: &Ask, kept: Arc<Kept>) -> Said {
        let AskWish::Place { owner, is_paid: true, .. } = &ask.wish else { return Said::Again(kept) };
        let Ok(Outcome::Order { order, .. }) = &kept.answered else { return Said::Again(kept) };
        let key = match self.claim(ask.key.map(step_key)).await {
            Claimed::Free(key) => key,
            Claimed::Reused => return Said::Nothing,
            Claimed::Kept(paid) if is_unknown(&paid.answered) => return Said::Again(kept),
            Claimed::Kept(paid) => return Said::Again(paid),
        };
        let wish = OrderWish::Pay(Who::Owner(*owner), *order, token());
        match self.ask_order(&ask.context(), key, order.0, wish).await {
            Said::Owner(reply) if is_unknown(&reply.answered) => Said::Again(kept),
            said => said,
        }
    }

    async fn claim(&self, key: Option<RequestKey>) -> Claimed {
        let Some(request) = key else { return Claimed::Free(None) };
        loop {
            let now = crate::clock::Clock::now(&*self.around.wall);
            match self.keys.claim(request, now) {
                Claim::First(guard) => return Claimed::Free(Some(guard)),
                Claim::Reused => return Claimed::Reused,
                Claim::Running(first) => drop(first.await),
                Claim::Kept(kept) => {
                    let durable = pending::durable(self.queue.gate(), kept.ticket).await;
                    durable.expect("the gate of a simulation never fails");
                    return Claimed::Kept(kept);
                }
            }
        }
    }

    fn wanted(
        &self,
        ask: &Ask,
        place: usize,
        id: u128,
        owner: Owner,
        items: &[Item],
        ttl: Millis,
    ) -> Option<Wanted> {
        if items.iter().any(|item| !self.is_listed(item.product, item.variant)) {
            return None;
        }
        let first = items.first()?.product.0;
        let id = ReservationId(self.slots.place(id, self.slots.partition(first)));
        let (items, reference) = (items.to_vec(), ask.mark(place));
        Some(Wanted { id, owner, items, ttl, reference, metadata: None })
    }

    /// Whether there is such a sku, as far as buyers see.
    fn is_listed(&self, product: ProductId, variant: VariantNo) -> bool {
        let Some(card) = self.directory().card(product) else { return false };
        let info = card.info();
        let sku = info.variant(variant).map(|variant| &variant.sku);
        let is_found = sku.is_some_and(|sku| self.directory().by_sku(sku) == Some(product));
        is_found && info.description.status != Status::Draft
    }
}

/// Whether nobody knows what became of the payment.
pub(super) fn is_unknown(answered: &Answered) -> bool {
    matches!(answered, Err(Refused::Owner(saga::Refusal::PaymentUnknown { .. })))
}

async fn opened<T>(answer: oneshot::Receiver<Pending<T>>) -> T {
    let sealed = answer.await.expect("a saga runs to its end, whoever hangs up");
    sealed.open().await.expect("the gate of a simulation never fails")
}

fn token() -> PaymentToken {
    PaymentToken("token".into())
}

/// The key of the payment within a request that places an order.
const fn step_key(request: RequestKey) -> RequestKey {
    RequestKey { key: Key(request.key.0 | 1 << 100), ..request }
}

/// With a key the id is made of it and of the time of the first request, so that a retry meets its own reservation.
fn batch_id(key: RequestKey, begun: Timestamp, place: usize) -> u128 {
    let place = u128::try_from(place).expect("it is small");
    1 << 110 | key.key.0 << 72 | u128::from(begun.0) << 8 | place
}
