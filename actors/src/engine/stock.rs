//! Many adjustments and counts in one request, each on its own or all or none.
//!
//! All or none over several products: first every product is asked, and every failing line named. Then those are
//! changed that may still refuse, as units may be sold in between; if one does, the others get back what they lost.
//! What only adds units cannot refuse and comes last. With a key each product's part has a key of its own, so that a
//! retry after a crash completes what was begun.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use holdfast_domain::idempotency::Key;
use holdfast_domain::product::{Command, Reason, Refusal};
use holdfast_domain::{ProductId, Sku, Units};

use super::{Answer, Claimed, Engine, Failure};
use crate::context::{Context, RequestKey};
use crate::outcome::{Outcome, Refused, StockChange};
use crate::turn::Wish;

/// How many operations one message carries: with a key, the record holds their answers, too.
const CHUNK_COUNT_MAX: usize = 64;

/// How many bytes of references and notes one message carries.
const CHUNK_TEXT_BYTES_MAX: usize = 16 * 1024;

/// No product: the part of a batch that says that it was given up.
const GIVEN_UP: ProductId = ProductId(u128::MAX);

/// One operation of many.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StockOperation {
    /// Of what.
    pub sku: Sku,
    /// What.
    pub recount: Recount,
}

/// What becomes of the figures.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Recount {
    /// As [`Command::Adjust`].
    Adjust {
        /// Not 0.
        delta: i32,
        /// Why.
        reason: Reason,
        /// A document's number.
        reference: Option<Box<str>>,
        /// For people.
        note: Option<Box<str>>,
    },
    /// As [`Command::Count`].
    Count {
        /// What was counted.
        on_hand: Units,
        /// What the books must say.
        expected: Option<Units>,
    },
}

/// Why a batch was not carried out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum StockRefusal {
    /// Nothing was tried.
    Failed(Failure),
    /// All or none, and these lines fail; nothing has changed.
    Lines(Vec<(usize, Failure)>),
}

/// The operations of one product, each with its place in the request.
type Share = Vec<(usize, Command)>;

/// What became of each operation.
type Done = Vec<(usize, Result<StockChange, Failure>)>;

impl Engine {
    /// Carries out many operations; the answers are in the order of the request. Those of one product are carried
    /// out in that order, too.
    ///
    /// Runs to its end, whoever hangs up.
    ///
    /// # Errors
    ///
    /// [`StockRefusal`].
    pub async fn stock_batch(
        &self,
        context: &Context,
        is_atomic: bool,
        operations: Vec<StockOperation>,
    ) -> Result<Vec<Result<StockChange, Failure>>, StockRefusal> {
        let (engine, context) = (self.clone(), context.clone());
        let carried_out =
            actix::spawn(async move { engine.carry_out(&context, is_atomic, operations).await });
        carried_out.await.map_err(|_| StockRefusal::Failed(Failure::Stopped))?
    }

    async fn carry_out(
        &self,
        context: &Context,
        is_atomic: bool,
        operations: Vec<StockOperation>,
    ) -> Result<Vec<Result<StockChange, Failure>>, StockRefusal> {
        self.begin(context).await.map_err(StockRefusal::Failed)?;
        if is_atomic && self.is_given_up(context).await {
            let refused = Answer { value: Refusal::InvalidState.into(), position: None, is_replayed: true };
            return Err(StockRefusal::Failed(Failure::Refused(refused)));
        }
        let count = operations.len();
        let (shares, mut done) = self.shares(operations);
        if is_atomic {
            all_or_none(done)?;
            done = self.all(context, shares).await?;
        } else {
            let parts = shares.into_iter().map(|(product, share)| self.part(context, product, share, false));
            done.extend(join_all(parts).await.into_iter().flatten());
        }
        done.sort_unstable_by_key(|(index, _)| *index);
        debug_assert_eq!(done.len(), count, "each operation was answered");
        Ok(done.into_iter().map(|(_, result)| result).collect())
    }

    /// The operations by product, and those whose sku nobody knows.
    fn shares(&self, operations: Vec<StockOperation>) -> (BTreeMap<ProductId, Share>, Done) {
        let mut shares: BTreeMap<ProductId, Share> = BTreeMap::new();
        let mut unknown = Vec::new();
        for (index, StockOperation { sku, recount }) in operations.into_iter().enumerate() {
            let Some((product, variant)) = self.find(&sku) else {
                unknown.push((index, Err(Failure::NotFound)));
                continue;
            };
            let command = match recount {
                Recount::Adjust { delta, reason, reference, note } => {
                    Command::Adjust { variant, delta, reason, reference, note }
                }
                Recount::Count { on_hand, expected } => Command::Count { variant, on_hand, expected },
            };
            shares.entry(product).or_default().push((index, command));
        }
        (shares, unknown)
    }

    async fn all(&self, context: &Context, shares: BTreeMap<ProductId, Share>) -> Result<Done, StockRefusal> {
        let asked = shares.iter().map(|(product, share)| self.dry(context, *product, share));
        all_or_none(join_all(asked).await.into_iter().flatten().collect())?;
        let (may_refuse, rest): (Vec<_>, Vec<_>) =
            shares.into_iter().partition(|(_, share)| share.iter().any(|(_, command)| may_refuse(command)));
        let parts = may_refuse.into_iter().map(|(product, share)| self.part(context, product, share, true));
        let mut done: Done = join_all(parts).await.into_iter().flatten().collect();
        if done.iter().any(|(_, result)| result.is_err()) {
            self.give_up(context).await.map_err(StockRefusal::Failed)?;
            self.undo(context, &done).await;
            return all_or_none(done).map(|()| Vec::new());
        }
        let parts = rest.into_iter().map(|(product, share)| self.part(context, product, share, true));
        done.extend(join_all(parts).await.into_iter().flatten());
        Ok(done)
    }

    /// What would come of a product's share. What a retry finds done already is good.
    async fn dry(&self, context: &Context, product: ProductId, share: &Share) -> Done {
        let mut done = Vec::new();
        for (number, chunk) in chunks(share.clone()).into_iter().enumerate() {
            let key = context.key.map(|request| part_key(request, product, number));
            let part = Context { key, ..context.clone() };
            if matches!(self.claim(&part).await, Ok(Claimed::Kept(_))) {
                continue;
            }
            let (indexes, commands) = chunk.into_iter().unzip();
            let wish = Wish::All { commands, is_dry: true };
            done.extend(self.tell(&context.without_key(), product, wish, indexes).await);
        }
        done
    }

    /// Carries out a product's share, in as few messages as it fits in.
    async fn part(&self, context: &Context, product: ProductId, share: Share, is_all: bool) -> Done {
        let mut done = Vec::with_capacity(share.len());
        for (number, chunk) in chunks(share).into_iter().enumerate() {
            let key = context.key.map(|request| part_key(request, product, number));
            let context = Context { key, ..context.clone() };
            let (indexes, commands) = chunk.into_iter().unzip();
            let wish = if is_all { Wish::All { commands, is_dry: false } } else { Wish::Each(commands) };
            done.extend(self.tell(&context, product, wish, indexes).await);
        }
        done
    }

    async fn tell(&self, context: &Context, product: ProductId, wish: Wish, indexes: Vec<usize>) -> Done {
        let all = |failure: Failure| indexes.iter().map(|index| (*index, Err(failure.clone()))).collect();
        let key = match self.claim(context).await {
            Ok(Claimed::Free(key)) => key,
            Ok(Claimed::Kept(reply)) => return each(&indexes, reply.answered.ok()),
            Err(failure) => return all(failure),
        };
        let partition = self.inner.slots.partition(product.0);
        match self.send(context, key, product, partition, wish).await {
            Ok(answer) => each(&indexes, Some(answer.value)),
            Err(failure) => all(failure),
        }
    }

    /// Keeps for retries that the batch was refused after some of its parts were done: their keys say that they are.
    async fn give_up(&self, context: &Context) -> Result<(), Failure> {
        let key = context.key.map(|request| part_key(request, GIVEN_UP, 0));
        self.begin(&Context { key, ..context.clone() }).await.map(drop)
    }

    async fn is_given_up(&self, context: &Context) -> bool {
        let Some(request) = context.key else { return false };
        let marked = Context { key: Some(part_key(request, GIVEN_UP, 0)), ..context.clone() };
        matches!(self.claim(&marked).await, Ok(Claimed::Kept(_)))
    }

    /// Gives back what the parts of a refused batch changed before it was refused.
    async fn undo(&self, context: &Context, done: &Done) {
        for (_, change) in done.iter().rev() {
            let Ok(change) = change else { continue };
            let Some((product, variant)) = self.find(&change.inventory.sku) else { continue };
            let Ok(delta) = i32::try_from(-change.delta) else { continue };
            if delta == 0 {
                continue;
            }
            let note = Some("another line of the same batch was refused".into());
            let command =
                Command::Adjust { variant, delta, reason: Reason::Correction, reference: None, note };
            if let Err(failure) = self.command(&context.without_key(), product, command).await {
                let sku = &change.inventory.sku;
                tracing::error!("a line of a refused batch stays: {delta} of {sku}: {failure:?}");
            }
        }
    }
}

/// Whether units that are sold in between, or another count, can make it fail after it was found good.
const fn may_refuse(command: &Command) -> bool {
    match command {
        Command::Adjust { delta, .. } => *delta < 0,
        _ => true,
    }
}

/// The lines that fail, if any does.
fn all_or_none(done: Done) -> Result<(), StockRefusal> {
    let mut lines: Vec<_> =
        done.into_iter().filter_map(|(index, result)| Some((index, result.err()?))).collect();
    lines.sort_unstable_by_key(|(index, _)| *index);
    if lines.is_empty() { Ok(()) } else { Err(StockRefusal::Lines(lines)) }
}

fn each(indexes: &[usize], outcome: Option<Outcome>) -> Done {
    let Some(Outcome::Each(answers)) = outcome else {
        unreachable!("each operation is answered, not all of them with {outcome:?}")
    };
    let result = |answer: Result<Outcome, Refusal>| match answer {
        Ok(Outcome::StockChanged(change)) => Some(Ok(change)),
        Ok(_) => None,
        Err(refusal) => Some(Err(refused(refusal))),
    };
    indexes.iter().zip(answers).filter_map(|(index, answer)| Some((*index, result(answer)?))).collect()
}

fn refused(refusal: Refusal) -> Failure {
    match refusal {
        Refusal::UnknownProduct => Failure::NotFound,
        refusal => super::orders::refused(Refused::Product(refusal), None, false),
    }
}

fn chunks(share: Share) -> Vec<Share> {
    let mut chunks: Vec<Share> = Vec::new();
    let mut bytes = 0;
    for (index, command) in share {
        let length = text_bytes(&command);
        match chunks
            .last_mut()
            .filter(|it| it.len() < CHUNK_COUNT_MAX && bytes + length <= CHUNK_TEXT_BYTES_MAX)
        {
            Some(chunk) => {
                chunk.push((index, command));
                bytes += length;
            }
            None => {
                chunks.push(vec![(index, command)]);
                bytes = length;
            }
        }
    }
    chunks
}

fn text_bytes(command: &Command) -> usize {
    let length = |text: &Option<Box<str>>| text.as_ref().map_or(0, |text| text.len());
    match command {
        Command::Adjust { reference, note, .. } => length(reference) + length(note),
        _ => 0,
    }
}

/// The key of one product's part of a batch: a step with an outcome of its own.
fn part_key(request: RequestKey, product: ProductId, number: usize) -> RequestKey {
    let mut hasher = blake3::Hasher::new_derive_key("holdfast 2026 key of a part of a stock batch");
    hasher.update(&request.key.0.to_be_bytes());
    hasher.update(&product.0.to_be_bytes());
    hasher.update(&number.to_be_bytes());
    let mut bytes = [0; 16];
    hasher.finalize_xof().fill(&mut bytes);
    RequestKey { key: Key(u128::from_be_bytes(bytes)), ..request }
}
