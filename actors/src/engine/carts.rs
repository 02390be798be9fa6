//! Carts: read, changed, merged when a guest logs in.

use holdfast_domain::product::VariantNo;
use holdfast_domain::{Owner, ProductId, Quantity, Sku};
use tokio::sync::oneshot;

use super::orders::{refused, unpack};
use super::{Answer, Claimed, Engine, Failure};
use crate::context::Context;
use crate::outcome::{CartFacts, Outcome};
use crate::pending::Stopped;
use crate::sagas::carts::Change;
use crate::sagas::{Facts, Request};
use crate::supervisors::{AskCart, CartWish, Merge};
use crate::turn::Reply;

/// What is added to a cart.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CartItem {
    /// The variant of that sku.
    Sku(Sku),
    /// The only variant of that product.
    Product(ProductId),
}

impl Engine {
    /// Somebody's cart as it is, durable; an empty one for who has none.
    ///
    /// # Errors
    ///
    /// [`Stopped`].
    pub async fn cart(&self, owner: Owner) -> Result<CartFacts, Stopped> {
        let partition = self.inner.slots.partition(owner.buyer().0);
        self.look_at_partition(partition, move |books| {
            books.carts.of(owner).map(|(id, cart)| CartFacts::of(id, cart)).unwrap_or_default()
        })
        .await
    }

    /// Adds units to a line of somebody's cart, or a line.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub async fn cart_add(
        &self,
        context: &Context,
        owner: Owner,
        item: CartItem,
        quantity: Quantity,
    ) -> Result<Answer<CartFacts>, Failure> {
        self.ask_cart(context, owner, |engine| {
            let (product, variant) = match &item {
                CartItem::Sku(sku) => engine.find(sku).ok_or(Failure::NotFound)?,
                CartItem::Product(product) => (*product, engine.sellable(*product, None)?.1),
            };
            engine.sellable(product, engine.sku_of(product, variant).as_ref())?;
            Ok(CartWish::Change(product, variant, Change::Add(quantity), None))
        })
        .await
    }

    /// Sets a line of somebody's cart to so many units; none takes it out. `version` is the one that the cart must
    /// have, where that matters.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub async fn cart_set(
        &self,
        context: &Context,
        owner: Owner,
        sku: &Sku,
        quantity: Option<Quantity>,
        version: Option<u32>,
    ) -> Result<Answer<CartFacts>, Failure> {
        self.ask_cart(context, owner, |engine| {
            let Some(quantity) = quantity else {
                // What is a draft by now can still be taken out, and so can what nobody sells any more.
                return Ok(match engine.find(sku) {
                    Some((product, variant)) => CartWish::Change(product, variant, Change::Remove, version),
                    None => CartWish::Tidy(version),
                });
            };
            let (product, variant) = engine.find_sold(sku).ok_or(Failure::NotFound)?;
            Ok(CartWish::Change(product, variant, Change::Set(quantity), version))
        })
        .await
    }

    /// Takes a line out of somebody's cart.
    ///
    /// # Errors
    ///
    /// [`Failure`]; [`Failure::NotFound`] when it is not in there.
    pub async fn cart_remove(
        &self,
        context: &Context,
        owner: Owner,
        sku: &Sku,
        version: Option<u32>,
    ) -> Result<Answer<CartFacts>, Failure> {
        let found = self.find(sku);
        let is_there = |(product, variant): (ProductId, VariantNo)| {
            let partition = self.inner.slots.partition(owner.buyer().0);
            self.look_at_partition(partition, move |books| {
                books.carts.of(owner).is_some_and(|(_, cart)| cart.line(product, variant).is_some())
            })
        };
        let wish = match found {
            Some((product, variant)) if is_there((product, variant)).await? => {
                CartWish::Change(product, variant, Change::Remove, version)
            }
            // Nobody sells that any more, or somebody else has the sku now; if the cart has such a line, it goes.
            _ => CartWish::Tidy(version),
        };
        self.ask_cart(context, owner, |_| Ok(wish)).await
    }

    /// Takes everything out of somebody's cart.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub async fn cart_clear(
        &self,
        context: &Context,
        owner: Owner,
        version: Option<u32>,
    ) -> Result<Answer<CartFacts>, Failure> {
        self.ask_cart(context, owner, |_| Ok(CartWish::Clear(version))).await
    }

    /// Moves a guest's cart, with the units held for it, into a customer's.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub async fn merge_carts(&self, guest: Owner, customer: Owner) -> Result<(), Failure> {
        let shard = self.inner.slots.shard(self.inner.slots.partition(guest.buyer().0));
        let shard = &self.inner.shards[shard];
        let _permit = self.admit(shard)?;
        let (reply, answer) = oneshot::channel();
        shard.address.do_send(Merge { guest, customer, reply });
        Ok(answer.await.map_err(|_| Failure::Stopped)?.open().await?)
    }

    /// The key is asked first: a retry meets its answer, whatever became of the skus.
    async fn ask_cart(
        &self,
        context: &Context,
        owner: Owner,
        wish: impl FnOnce(&Self) -> Result<CartWish, Failure>,
    ) -> Result<Answer<CartFacts>, Failure> {
        let key = match self.claim(context).await? {
            Claimed::Kept(reply) => return kept_cart(reply),
            Claimed::Free(key) => key,
        };
        let wish = wish(self)?;
        let shard = self.inner.slots.shard(self.inner.slots.partition(owner.buyer().0));
        let shard = &self.inner.shards[shard];
        let _permit = self.admit(shard)?;
        let (reply, answer) = oneshot::channel();
        let request = Request { context: context.clone(), key };
        shard.address.do_send(AskCart { owner, wish, request, reply });
        let reply = answer.await.map_err(|_| Failure::Stopped)?.open().await?;
        unpack(reply, |facts| if let Facts::Cart(cart) = facts { Some(cart) } else { None })
    }
}

fn kept_cart(reply: Reply) -> Result<Answer<CartFacts>, Failure> {
    let Reply { answered, position, is_replayed } = reply;
    match answered.map_err(|value| refused(value, position, is_replayed))? {
        Outcome::Cart(cart) => Ok(Answer { value: *cart, position, is_replayed }),
        other => unreachable!("a cart was answered with {other:?}"),
    }
}
