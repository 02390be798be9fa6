//! Bare reservations: made one by one or many at once, extended, confirmed, released, read.

use std::sync::Arc;

use holdfast_domain::hold::State;
use holdfast_domain::product::VariantNo;
use holdfast_domain::{Item, Millis, Owner, ProductId, Reservation, ReservationId, Timestamp};
use tokio::sync::oneshot;

use super::orders::{newest, refused, unpack};
use super::{Answer, Claimed, Engine, Failure, Wanted};
use crate::Position;
use crate::context::Context;
use crate::outcome::{Outcome, Refused, ReservationFacts};
use crate::pending::Stopped;
use crate::sagas::carts::TTL_DEFAULT;
use crate::sagas::{Facts, OwnerReply, Request, Who, reservations};
use crate::supervisors::{AskMany, OrderWish};
use crate::turn::Reply;

/// A reservation to be made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewReservation {
    /// What.
    pub lines: Vec<Wanted>,
    /// How long.
    pub ttl: Option<Millis>,
    /// The owner's own name for it.
    pub reference: Option<Box<str>>,
    /// A JSON object as text.
    pub metadata: Option<Box<str>>,
}

/// Which reservations are listed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ReservationFilter {
    /// Whose; everybody's where absent.
    pub owner: Option<Owner>,
    /// How they stand; anyhow where absent.
    pub status: Option<State>,
    /// Of which variant; of any where absent.
    pub item: Option<(ProductId, VariantNo)>,
}

impl Engine {
    /// Holds units: all lines or none.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub async fn reserve(
        &self,
        context: &Context,
        owner: Owner,
        new: NewReservation,
    ) -> Result<Answer<ReservationFacts>, Failure> {
        let key = match self.claim(context).await? {
            Claimed::Kept(reply) => return self.kept_reservation(reply).await,
            Claimed::Free(key) => key,
        };
        let items = self.items(&new.lines)?;
        let wanted = self.wanted((self.inner.ids)(), owner, items, new);
        let partition = self.inner.slots.partition(wanted.id.0);
        into_reservation(self.ask_order(context, key, partition, OrderWish::Reserve(wanted)).await?)
    }

    /// Makes many reservations, each on its own; the answers are in the order of the request.
    ///
    /// With an idempotency key a retry meets the reservations that it made; what was refused is tried again.
    ///
    /// # Errors
    ///
    /// [`Failure`], when none was tried.
    pub async fn reserve_batch(
        &self,
        context: &Context,
        owner: Owner,
        new: impl IntoIterator<Item = NewReservation, IntoIter: ExactSizeIterator>,
    ) -> Result<Answer<Vec<Made>>, Failure> {
        let begun = self.begin(context).await?;
        let new = new.into_iter();
        let mut made: Vec<Option<Made>> = Vec::with_capacity(new.len());
        let share = new.len() / self.inner.shards.len() + 1;
        let mut shares: Vec<Share> = self.inner.shards.iter().map(|_| Share::of(share)).collect();
        for (index, new) in new.enumerate() {
            made.push(match self.items(&new.lines) {
                Err(failure) => Some(Err(failure)),
                Ok(items) => {
                    let wanted = self.wanted(self.batch_id(context, begun, index), owner, items, new);
                    let shard = self.inner.slots.shard(self.inner.slots.partition(wanted.id.0));
                    shares[shard].indexes.push(index);
                    shares[shard].wanted.push(wanted);
                    None
                }
            });
        }
        let position = self.ask_many(context, shares, &mut made).await?;
        let value = made.into_iter().map(|made| made.expect("each was answered")).collect();
        Ok(Answer { value, position, is_replayed: false })
    }

    /// Asks all shards at once, or none of them, and puts each answer into its place in `made`.
    async fn ask_many(
        &self,
        context: &Context,
        shares: Vec<Share>,
        made: &mut [Option<Made>],
    ) -> Result<Option<Position>, Failure> {
        let wanted = self.inner.shards.iter().zip(shares).filter(|(_, share)| !share.indexes.is_empty());
        let admitted = wanted.map(|(shard, share)| Ok((shard, share, self.admit(shard)?)));
        let admitted: Vec<_> = admitted.collect::<Result<_, Failure>>()?;
        let mut asked = Vec::with_capacity(admitted.len());
        for (shard, Share { indexes, wanted }, permit) in admitted {
            let (reply, answer) = oneshot::channel();
            let request = Request { context: context.clone(), key: None };
            shard.address.do_send(AskMany { wanted, request, reply });
            asked.push((indexes, answer, permit));
        }
        let mut position = None;
        for (indexes, answer, _permit) in asked {
            let (answers, newest) = answer.await.map_err(|_| Failure::Stopped)?.open().await?;
            for (index, answer) in indexes.into_iter().zip(answers) {
                made[index] = Some(answer.map_err(|refusal| refused(Refused::Owner(refusal), None, false)));
            }
            position = newest.or(position);
        }
        Ok(position)
    }

    /// Moves a deadline to `span` from now.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub async fn extend(
        &self,
        context: &Context,
        who: Who,
        id: ReservationId,
        span: Millis,
    ) -> Result<Answer<ReservationFacts>, Failure> {
        self.change(context, id, OrderWish::Extend(who, id, span)).await
    }

    /// Makes it an order.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub async fn confirm_reservation(
        &self,
        context: &Context,
        who: Who,
        id: ReservationId,
    ) -> Result<Answer<ReservationFacts>, Failure> {
        self.change(context, id, OrderWish::ConfirmReservation(who, id)).await
    }

    /// Gives its units back.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub async fn release(
        &self,
        context: &Context,
        who: Who,
        id: ReservationId,
    ) -> Result<Answer<ReservationFacts>, Failure> {
        self.change(context, id, OrderWish::Release(who, id)).await
    }

    /// A reservation as it is, durable.
    ///
    /// # Errors
    ///
    /// [`Failure::NotFound`], [`Failure::Stopped`].
    pub async fn reservation(&self, who: Who, id: ReservationId) -> Result<ReservationFacts, Failure> {
        let reservation = self.find_reservation(id).await?;
        let reservation = reservation.filter(|it| who.may_see(it.owner)).ok_or(Failure::NotFound)?;
        Ok(ReservationFacts { id, reservation })
    }

    /// Up to `count` reservations made before `before`, newest first, durable.
    ///
    /// # Errors
    ///
    /// [`Stopped`].
    pub async fn reservations(
        &self,
        filter: ReservationFilter,
        before: Option<ReservationId>,
        count: usize,
    ) -> Result<Vec<ReservationFacts>, Stopped> {
        let before = before.unwrap_or(ReservationId(u128::MAX));
        let mut found = Vec::new();
        for shard in 0..self.inner.shards.len() {
            let page = self.look_at(shard, move |turns| {
                let mut found = Vec::new();
                for partition in &turns.partitions {
                    let books = partition.books.borrow();
                    let facts = |(id, it): (ReservationId, &Reservation)| ReservationFacts {
                        id,
                        reservation: Arc::new(it.clone()),
                    };
                    let is_wanted = |(_, it): &(ReservationId, &Reservation)| filter.wants(it);
                    match filter.owner {
                        Some(owner) => {
                            let own = books.reservations.of_owner_before(owner.buyer(), before);
                            found.extend(own.filter(is_wanted).take(count).map(facts));
                        }
                        None => {
                            let all = books.reservations.before(before);
                            found.extend(all.filter(is_wanted).take(count).map(facts));
                        }
                    }
                }
                newest(found, count, |it: &ReservationFacts| it.id)
            });
            found.extend(page.await?);
        }
        Ok(newest(found, count, |it: &ReservationFacts| it.id))
    }

    /// Claims the key of a request whose steps have keys of their own; the first to come journals that it began.
    /// Returns when that was, where there is a key.
    pub(super) async fn begin(&self, context: &Context) -> Result<Option<Timestamp>, Failure> {
        let Some(request) = context.key else { return Ok(None) };
        let answered = match self.claim(context).await? {
            Claimed::Kept(reply) => reply.answered,
            Claimed::Free(key) => {
                let partition = self.inner.slots.partition(request.key.0);
                self.ask_order(context, key, partition, OrderWish::Begin(partition)).await?.answered
            }
        };
        match answered {
            Ok(Outcome::Begun(at)) => Ok(Some(at)),
            other => unreachable!("the beginning of a request was answered with {other:?}"),
        }
    }

    async fn change(
        &self,
        context: &Context,
        id: ReservationId,
        wish: OrderWish,
    ) -> Result<Answer<ReservationFacts>, Failure> {
        let key = match self.claim(context).await? {
            Claimed::Kept(reply) => return self.kept_reservation(reply).await,
            Claimed::Free(key) => key,
        };
        into_reservation(self.ask_order(context, key, self.inner.slots.partition(id.0), wish).await?)
    }

    async fn kept_reservation(&self, reply: Reply) -> Result<Answer<ReservationFacts>, Failure> {
        let Reply { answered, position, is_replayed } = reply;
        match answered.map_err(|value| refused(value, position, is_replayed))? {
            Outcome::Reservation(moment) => {
                let reservation = self.find_reservation(moment.id).await?.ok_or(Failure::NotFound)?;
                Ok(Answer { value: moment.facts(&reservation), position, is_replayed })
            }
            other => unreachable!("a reservation was answered with {other:?}"),
        }
    }

    async fn find_reservation(&self, id: ReservationId) -> Result<Option<Arc<Reservation>>, Stopped> {
        let partition = self.inner.slots.partition(id.0);
        self.look_at_partition(partition, move |books| books.reservations.shared(id)).await
    }

    /// A reservation lives where its first product does: most have no other, and no message leaves the thread.
    fn wanted(&self, id: u128, owner: Owner, items: Vec<Item>, new: NewReservation) -> reservations::Wanted {
        let first = items.first().map_or(0, |item| item.product.0);
        let id = ReservationId(self.inner.slots.place(id, self.inner.slots.partition(first)));
        let NewReservation { ttl, reference, metadata, .. } = new;
        reservations::Wanted { id, owner, items, ttl: ttl.unwrap_or(TTL_DEFAULT), reference, metadata }
    }

    /// With a key the id is made of it and of the time of the first request, so that a retry meets its own.
    fn batch_id(&self, context: &Context, begun: Option<Timestamp>, index: usize) -> u128 {
        let (Some(request), Some(begun)) = (context.key, begun) else { return (self.inner.ids)() };
        let mut hasher = blake3::Hasher::new_derive_key("holdfast 2026 reservations of a batch");
        hasher.update(&request.key.0.to_be_bytes());
        hasher.update(&request.fingerprint.0.to_be_bytes());
        hasher.update(&index.to_be_bytes());
        let mut bytes = [0; 10];
        hasher.finalize_xof().fill(&mut bytes);
        uuid::Builder::from_unix_timestamp_millis(begun.0, &bytes).into_uuid().as_u128()
    }
}

/// What became of one of many.
pub type Made = Result<ReservationFacts, Failure>;

/// What of a batch belongs to one shard.
struct Share {
    indexes: Vec<usize>,
    wanted: Vec<reservations::Wanted>,
}

impl Share {
    fn of(count: usize) -> Self {
        Self { indexes: Vec::with_capacity(count), wanted: Vec::with_capacity(count) }
    }
}

impl ReservationFilter {
    fn wants(&self, reservation: &Reservation) -> bool {
        self.status.is_none_or(|status| reservation.hold.state == status)
            && self.item.is_none_or(|(product, variant)| {
                reservation.items.iter().any(|item| item.is_of(product, variant))
            })
    }
}

fn into_reservation(reply: OwnerReply) -> Result<Answer<ReservationFacts>, Failure> {
    unpack(reply, |facts| if let Facts::Reservation(it) = facts { Some(it) } else { None })
}
