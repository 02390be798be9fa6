//! Purchases: reserved and sold in one turn of the product.

use std::sync::Arc;

use holdfast_domain::product::{Command, Levels, Line, Refusal, Short, VariantNo};
use holdfast_domain::{Item, OrderId, Owner, ProductId, Quantity, Sku};

use super::orders::refused;
use super::{Answer, Claimed, Engine, Failure, into_answer};
use crate::card::Card;
use crate::context::Context;
use crate::keys::KeyGuard;
use crate::outcome::{Outcome, Purchased};
use crate::sagas::OwnerReply;
use crate::sagas::carts::TTL_DEFAULT;
use crate::sagas::orders::Placing;
use crate::supervisors::OrderWish;
use crate::turn::{Reply, Wish};

/// Some units of a product that is sold.
#[derive(Clone, Debug)]
pub struct Offer {
    pub(super) card: Arc<Card>,
    pub(super) variant: VariantNo,
    pub(super) quantity: Quantity,
}

impl Engine {
    /// Finds what somebody means to buy. Drafts are not found.
    ///
    /// # Errors
    ///
    /// [`Failure::NotFound`], [`Failure::SkuRequired`].
    pub fn offer(&self, product: ProductId, sku: Option<&Sku>, quantity: Quantity) -> Result<Offer, Failure> {
        let (card, variant) = self.sellable(product, sku)?;
        Ok(Offer { card, variant, quantity })
    }

    /// Refuses a purchase at once when the product's card says beyond doubt that too few units are left, and `owner`
    /// has none in a cart.
    ///
    /// The cheapest answer of all, without a turn: a flash sale consists of it. Not for requests with an idempotency
    /// key, whose refusal must be kept. An `Ok` promises nothing.
    ///
    /// # Errors
    ///
    /// [`Failure`]: what [`Engine::purchase`] would answer.
    pub async fn check_available(&self, offer: &Offer, owner: impl FnOnce() -> Owner) -> Result<(), Failure> {
        let requested = offer.quantity.units();
        let Some((levels, ticket)) = offer.card.sold_out(offer.variant, requested) else {
            return Ok(());
        };
        if self.inner.directory.has_cart_units(owner().buyer()) {
            return Ok(());
        }
        self.durable(ticket).await?;
        let Levels { available, reserved, .. } = levels;
        let short = Short { index: 0, variant: offer.variant, requested, available, reserved };
        Err(Failure::refused(Refusal::InsufficientStock { lines: vec![short] }))
    }

    /// Sells `quantity` units in one turn of the product's actor. Drafts are not found.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub async fn purchase(
        &self,
        context: &Context,
        product: ProductId,
        sku: Option<&Sku>,
        quantity: Quantity,
    ) -> Result<Answer<Purchased>, Failure> {
        let key = match self.claim(context).await? {
            Claimed::Kept(reply) => return self.kept_purchase(reply).await,
            Claimed::Free(key) => key,
        };
        let offer = self.offer(product, sku, quantity)?;
        self.sell(context, key, offer).await
    }

    /// The same for an offer that was found already, without an idempotency key.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    ///
    /// # Panics
    ///
    /// When the context has a key: it would not be claimed.
    pub async fn buy(&self, context: &Context, offer: Offer) -> Result<Answer<Purchased>, Failure> {
        assert!(context.key.is_none(), "a request with a key is for `purchase`");
        self.sell(context, None, offer).await
    }

    async fn sell(
        &self,
        context: &Context,
        key: Option<KeyGuard>,
        offer: Offer,
    ) -> Result<Answer<Purchased>, Failure> {
        let owner = context.actor.owner();
        if self.has_own(context, &offer) {
            return Box::pin(self.sell_own(context, key, owner, offer)).await;
        }
        let Offer { card, variant, quantity } = &offer;
        // The order lives where its product does: one turn makes both.
        let order = OrderId(self.inner.slots.place((self.inner.ids)(), card.partition));
        let line = Line { variant: *variant, quantity: *quantity };
        let wish = Wish::Do(Command::Purchase { order, buyer: owner.buyer(), line });
        Ok(self.send(context, key, card.id, card.partition, wish).await?.map(into_purchase))
    }

    /// Whether too few units are free, and the buyer's cart holds some.
    pub(super) fn has_own(&self, context: &Context, offer: &Offer) -> bool {
        let is_short = || offer.card.sold_out(offer.variant, offer.quantity.units()).is_some();
        self.inner.directory.has_cart_units(context.actor.owner().buyer()) && is_short()
    }

    /// Too few units are free, but the owner's cart holds some: an order takes them over. Nobody is refused because of
    /// their own hold.
    async fn sell_own(
        &self,
        context: &Context,
        key: Option<KeyGuard>,
        owner: Owner,
        offer: Offer,
    ) -> Result<Answer<Purchased>, Failure> {
        let item = Item { product: offer.card.id, variant: offer.variant, quantity: offer.quantity };
        let placing = Placing {
            owner,
            items: Some(vec![item]),
            email: None,
            shipping_address: None,
            expected_total: None,
            ttl: TTL_DEFAULT,
            is_settled: true,
            payment: None,
        };
        let partition = self.inner.slots.partition(owner.buyer().0);
        let reply = self.ask_order(context, key, partition, OrderWish::Place(Box::new(placing))).await?;
        let OwnerReply { answered, position, .. } = reply;
        match answered {
            Ok(outcome) => Ok(Answer { value: into_purchase(outcome), position, is_replayed: false }),
            Err(refusal) => Err(refused(refusal, position, false)),
        }
    }

    /// Earlier releases kept the order of a purchase that took over what the buyer's cart held.
    async fn kept_purchase(&self, reply: Reply) -> Result<Answer<Purchased>, Failure> {
        if !matches!(reply.answered, Ok(Outcome::Order { .. })) {
            return Ok(into_answer(reply)?.map(into_purchase));
        }
        let directory = &self.inner.directory;
        let answer = self.kept_order(reply).await?;
        Ok(answer.map(|facts| Purchased::of_order(facts.id, &facts.placed, directory)))
    }
}

pub(super) fn into_purchase(outcome: Outcome) -> Purchased {
    match outcome {
        Outcome::Purchased(purchased) => purchased,
        other => unreachable!("a purchase of a new order was answered with {other:?}"),
    }
}
