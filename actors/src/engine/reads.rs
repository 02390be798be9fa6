//! What can be read: cards, lists, the ledger's start, figures. All of it durable before it is given out.

use std::collections::BTreeMap;
use std::sync::Arc;

use holdfast_domain::product::{Status, VariantNo};
use holdfast_domain::saga::Books;
use holdfast_domain::{Product, ProductId, Sku, Timestamp};
use holdfast_persistence::{Partition, Reader, Ticket};
use tokio::sync::oneshot;

use super::{Engine, Failure, Stats};
use crate::card::Info;
use crate::ledger::{self, past};
use crate::outcome::ProductFacts;
use crate::pending::Pending;
use crate::pending::Stopped;
use crate::position::Position;
use crate::shard::{Dump, LookAt};
use crate::turn::TurnContext;

impl Engine {
    /// A product as everybody may see it, durable.
    ///
    /// # Errors
    ///
    /// [`Failure::NotFound`], [`Failure::Stopped`].
    pub async fn product(&self, product: ProductId) -> Result<ProductFacts, Failure> {
        let card = self.inner.directory.card(product).ok_or(Failure::NotFound)?;
        let Some((facts, ticket)) = card.facts() else {
            self.durable(card.snapshot().ticket).await?;
            return Err(Failure::NotFound);
        };
        self.durable(ticket).await?;
        Ok(facts)
    }

    /// The version of a product's description now, durable or not: for comparing, not for showing.
    #[must_use]
    pub fn version(&self, product: ProductId) -> Option<u32> {
        self.inner.directory.card(product).map(|card| card.info().version)
    }

    /// The product and the variant that a sku names.
    #[must_use]
    pub fn find(&self, sku: &Sku) -> Option<(ProductId, VariantNo)> {
        let product = self.inner.directory.by_sku(sku)?;
        let variant = self.inner.directory.card(product)?.info().find(sku)?;
        Some((product, variant))
    }

    /// The same, unless the product is a draft.
    pub(super) fn find_sold(&self, sku: &Sku) -> Option<(ProductId, VariantNo)> {
        let product = self.inner.directory.by_sku(sku)?;
        let info = self.inner.directory.card(product)?.info();
        let variant = info.find(sku)?;
        (info.description.status != Status::Draft).then_some((product, variant))
    }

    /// The sku of a product's variant.
    #[must_use]
    pub fn sku_of(&self, product: ProductId, variant: VariantNo) -> Option<Sku> {
        let info = self.inner.directory.card(product)?.info();
        info.variants.get(variant.index()).map(|variant| variant.sku.clone())
    }

    /// Where the ledger of a product's variant starts now, durable.
    ///
    /// # Errors
    ///
    /// [`Failure::NotFound`], [`Failure::Stopped`].
    pub async fn ledger_start(
        &self,
        product: ProductId,
        variant: VariantNo,
    ) -> Result<ledger::Bookmark, Failure> {
        let card = self.inner.directory.card(product).ok_or(Failure::NotFound)?;
        let snapshot = card.snapshot();
        self.durable(snapshot.ticket).await?;
        let figures = snapshot.variants.get(variant.index()).ok_or(Failure::NotFound)?;
        Ok(ledger::Bookmark { sequence: snapshot.last_sequence, shown: 0, levels: figures.levels })
    }

    /// The account that a ledger is read for.
    #[must_use]
    pub fn ledger_account(&self, product: ProductId, variant: VariantNo) -> ledger::Account {
        ledger::Account { product, partition: self.inner.slots.partition(product.0), variant }
    }

    /// Where a walk back through the past of a product's variant starts now, durable. `sku` is what it is called.
    ///
    /// # Errors
    ///
    /// [`Failure::NotFound`], [`Failure::Stopped`].
    pub async fn past_start(
        &self,
        product: ProductId,
        variant: VariantNo,
        sku: Sku,
    ) -> Result<past::Present, Failure> {
        let card = self.inner.directory.card(product).ok_or(Failure::NotFound)?;
        let snapshot = card.snapshot();
        self.durable(snapshot.ticket).await?;
        let figures = snapshot.variants.get(variant.index()).ok_or(Failure::NotFound)?;
        Ok(past::Present {
            sequence: snapshot.last_sequence,
            sku,
            levels: figures.levels,
            version: figures.version,
            updated_at: figures.updated_at,
        })
    }

    /// What time it is.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }

    /// A reader of the journal, where it is on disk.
    #[must_use]
    pub fn reader(&self) -> Option<Reader> {
        self.inner.reader.clone()
    }

    /// Whether this journal has come as far as `position`.
    #[must_use]
    pub fn has_reached(&self, position: Position) -> bool {
        self.inner.queue.newest(position.partition).is_some_and(|newest| position.sequence <= newest)
    }

    /// Figures of the running engine.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats {
            products: self.inner.directory.len(),
            commits: self.inner.queue.commits(),
            backlog_bytes: self.inner.queue.backlog_bytes(),
            is_disk_low: self.inner.queue.is_disk_low(),
        }
    }

    /// How many products have an actor now.
    #[must_use]
    pub fn actors(&self) -> usize {
        self.inner.directory.actors()
    }

    /// What everybody may see of a product's description, durable or not.
    #[must_use]
    pub fn info(&self, product: ProductId) -> Option<Arc<Info>> {
        Some(self.inner.directory.live_card(product)?.info())
    }

    /// Looks at the books of one partition, and waits until what is found is durable.
    pub(super) async fn look_at_partition<T: Send + 'static>(
        &self,
        partition: Partition,
        look: impl FnOnce(&Books) -> T + Send + 'static,
    ) -> Result<T, Stopped> {
        let shard = self.inner.slots.shard(partition);
        self.look(shard, move |turns| {
            let state = turns.partition(partition);
            (look(&state.books.borrow()), state.ticket.get())
        })
        .await
    }

    /// Looks at all books of a shard, and waits until what is found is durable.
    pub(super) async fn look_at<T: Send + 'static>(
        &self,
        shard: usize,
        look: impl FnOnce(&TurnContext) -> T + Send + 'static,
    ) -> Result<T, Stopped> {
        self.look(shard, move |turns| {
            let newest = turns.partitions.iter().map(|partition| partition.ticket.get()).max();
            (look(turns), newest.unwrap_or_default())
        })
        .await
    }

    async fn look<T: Send + 'static>(
        &self,
        shard: usize,
        look: impl FnOnce(&TurnContext) -> (T, Ticket) + Send + 'static,
    ) -> Result<T, Stopped> {
        let (reply, answer) = oneshot::channel();
        let look = LookAt(Box::new(move |turns: &TurnContext| {
            let (found, ticket) = look(turns);
            // Whoever hung up does not want the answer.
            let _unwanted = reply.send(Pending::new(found, ticket, turns.queue.gate().clone()));
        }));
        self.inner.shards[shard].address.do_send(look);
        answer.await.map_err(|_| Stopped)?.open().await
    }

    /// The books of all owners as they are in memory now, by partition: what replay must give (INV-7).
    ///
    /// # Errors
    ///
    /// [`Stopped`].
    pub async fn owners(&self) -> Result<Vec<Books>, Stopped> {
        let partitions = self.inner.partitions;
        let mut all = Vec::with_capacity(partitions.into());
        for partition in 0..partitions {
            all.push(self.look_at_partition(Partition(partition), Books::clone).await?);
        }
        Ok(all)
    }

    /// Every product as it is in memory now: what replay must give (INV-7).
    ///
    /// # Errors
    ///
    /// [`Stopped`].
    pub async fn state(&self) -> Result<BTreeMap<ProductId, Product>, Stopped> {
        let mut all = BTreeMap::new();
        for shard in &self.inner.shards {
            let (reply, answer) = oneshot::channel();
            shard.address.do_send(Dump { reply });
            all.extend(answer.await.map_err(|_| Stopped)?);
        }
        Ok(all)
    }
}
