//! Mails that are due: handed out, looked at, and settled when they were sent.

use std::collections::BTreeMap;

use futures_util::future::try_join_all;
use holdfast_domain::{AccountId, OrderId};
use holdfast_persistence::Partition;
use tokio::sync::oneshot;

use super::{Engine, Failure};
use crate::mails::unsents::Next;
use crate::mails::{About, MailFacts, SettleMails, Unsent};
use crate::outcome::OrderFacts;
use crate::pending::{Pending, Stopped};

impl Engine {
    /// Up to `count_max` mails that are due and were not handed out since this process began, the oldest first; waits
    /// for the first. Their facts are durable. Whoever drops the future loses none.
    ///
    /// # Errors
    ///
    /// [`Stopped`].
    pub async fn next_unsent(&self, count_max: usize) -> Result<Vec<Unsent>, Stopped> {
        let unsents = self.inner.directory.unsents();
        loop {
            match unsents.next() {
                Next::Nothing => unsents.arrived().await,
                Next::After(ticket) => {
                    self.durable(ticket).await?;
                    let found = unsents.hand_out(count_max, self.inner.queue.gate().durable());
                    if !found.is_empty() {
                        return Ok(found);
                    }
                }
            }
        }
    }

    /// Up to `count_max` mails that are due and not settled, handed out or not, after `after`; in a fixed order. Their
    /// facts are durable.
    #[must_use]
    pub fn unsent(&self, after: Option<About>, count_max: usize) -> Vec<Unsent> {
        self.inner.directory.unsents().page(after, count_max, self.inner.queue.gate().durable())
    }

    /// The same as [`unsent`](Self::unsent), handed out: [`next_unsent`](Self::next_unsent) does not hand out these any more.
    #[must_use]
    pub fn unsent_again(&self, after: Option<About>, count_max: usize) -> Vec<Unsent> {
        let durable = self.inner.queue.gate().durable();
        self.inner.directory.unsents().hand_out_again(after, count_max, durable)
    }

    /// Whether a mail is due and not settled.
    #[must_use]
    pub fn is_unsent(&self, about: About) -> bool {
        self.inner.directory.unsents().contains(about)
    }

    /// Whether this journal has what a mail is about, settled or not.
    ///
    /// # Errors
    ///
    /// [`Failure::Overloaded`], [`Failure::Stopped`].
    pub async fn has_subject(&self, about: About) -> Result<bool, Failure> {
        match about {
            About::Registered(id) => Ok(self.account(id).await?.is_some()),
            About::Confirmed(id) | About::Canceled(id) | About::Expired(id) => {
                let partition = self.inner.slots.partition(id.0);
                let look = self.look_at_partition(partition, move |books| books.orders.get(id).is_some());
                Ok(look.await?)
            }
        }
    }

    /// How many mails are due and not settled.
    #[must_use]
    pub fn unsent_count(&self) -> usize {
        self.inner.directory.unsents().len()
    }

    /// What a mail tells, as it was when it happened; nothing when it did not, or when nobody can get it.
    ///
    /// # Errors
    ///
    /// [`Failure::Overloaded`], [`Failure::Stopped`].
    pub async fn mail_facts(&self, about: About) -> Result<Option<MailFacts>, Failure> {
        match about {
            About::Registered(id) => self.facts_of_account(id).await,
            About::Confirmed(id) | About::Canceled(id) | About::Expired(id) => {
                self.facts_of_order(about, id).await
            }
        }
    }

    /// Journals that mails were sent; durable when it returns. What is not due, or is settled, leaves no record.
    ///
    /// # Errors
    ///
    /// [`Failure::Overloaded`], [`Failure::Stopped`]; some may be settled then, and saying it again is safe.
    pub async fn settle_mails(&self, about: Vec<About>) -> Result<(), Failure> {
        let mut partitions: BTreeMap<Partition, Vec<About>> = BTreeMap::new();
        for about in about {
            partitions.entry(about.partition(&self.inner.slots)).or_default().push(about);
        }
        let each = |(partition, about)| self.settle_mails_of(partition, about);
        try_join_all(partitions.into_iter().map(each)).await.map(drop)
    }

    async fn settle_mails_of(&self, partition: Partition, about: Vec<About>) -> Result<(), Failure> {
        let shard = &self.inner.shards[self.inner.slots.shard(partition)];
        let _permit = self.admit(shard)?;
        let (reply, answer) = oneshot::channel();
        shard.address.do_send(SettleMails { partition, about, reply });
        let settled: Pending<()> = answer.await.map_err(|_| Failure::Stopped)?;
        Ok(settled.open().await?)
    }

    async fn facts_of_account(&self, id: AccountId) -> Result<Option<MailFacts>, Failure> {
        let account = self.account(id).await?;
        Ok(account.map(|account| MailFacts { to: account.email, name: account.name, order: None }))
    }

    async fn facts_of_order(&self, about: About, id: OrderId) -> Result<Option<MailFacts>, Failure> {
        let partition = self.inner.slots.partition(id.0);
        let order = self.look_at_partition(partition, move |books| books.orders.get(id)).await?;
        let Some(order) = order else { return Ok(None) };
        let Some(version) = about.version(&order) else { return Ok(None) };
        let owner = match order.placed.owner.account() {
            Some(account) => self.facts_of_account(account).await?,
            None => None,
        };
        let (own, name) = owner.map(|it| (it.to, it.name)).unzip();
        let to = order.placed.email.clone().or(own);
        let facts = |to| MailFacts { to, name: name.flatten(), order: Some(OrderFacts::of(&order, version)) };
        Ok(to.map(facts))
    }
}
