//! Many purchases at once: one message for all those of a product, each decided and answered on its own.
//!
//! For callers in the process who have a crowd at hand. A message, a future and a wake for each purchase cost more than
//! the purchase; here they are shared, and nothing else is.

use std::collections::HashMap;

use futures_util::future::join_all;
use holdfast_domain::product::Line;
use holdfast_domain::{OrderId, ProductId};
use holdfast_persistence::Partition;

use super::purchase::into_purchase;
use super::{Answer, Engine, Failure, Offer};
use crate::Position;
use crate::context::Context;
use crate::outcome::{Outcome, Purchased};
use crate::turn::{COMMANDS_MAX, Sale, Wish};

/// What becomes of one of many purchases.
type Sold = Result<Answer<Purchased>, Failure>;

/// The purchases of one product, with their places in the request.
struct Crowd {
    product: ProductId,
    partition: Partition,
    indexes: Vec<usize>,
    sales: Vec<Sale>,
}

/// All of a request.
#[derive(Default)]
struct Crowds {
    all: Vec<Crowd>,
    /// The newest of each product.
    newest: HashMap<ProductId, usize>,
}

impl Engine {
    /// Sells to many, each on its own and without an idempotency key; the answers are in the order of the request.
    ///
    /// Those of one product are decided in that order, but for buyers whose own cart holds what they want: they come last.
    ///
    /// # Panics
    ///
    /// When a context has a key: it would not be claimed.
    pub async fn buy_many(&self, purchases: Vec<(Context, Offer)>) -> Vec<Sold> {
        let mut answers: Vec<Option<Sold>> = Vec::with_capacity(purchases.len());
        let mut crowds = Crowds::default();
        let mut own = Vec::new();
        for (index, (context, offer)) in purchases.into_iter().enumerate() {
            assert!(context.key.is_none(), "a request with a key is for `purchase`");
            answers.push(None);
            if self.has_own(&context, &offer) {
                own.push((index, context, offer));
                continue;
            }
            let (card, line) = (offer.card, Line { variant: offer.variant, quantity: offer.quantity });
            let order = OrderId(self.inner.slots.place((self.inner.ids)(), card.partition));
            let crowd = crowds.of(card.id, card.partition);
            crowd.indexes.push(index);
            crowd.sales.push(Sale { context, order, line });
        }
        let sold = join_all(crowds.all.into_iter().map(|crowd| self.sell_to(crowd))).await;
        for (index, answer) in sold.into_iter().flatten() {
            answers[index] = Some(answer);
        }
        for (index, context, offer) in own {
            answers[index] = Some(self.buy(&context, offer).await);
        }
        answers.into_iter().map(|answer| answer.expect("each was answered")).collect()
    }

    async fn sell_to(&self, crowd: Crowd) -> Vec<(usize, Sold)> {
        let Crowd { product, partition, indexes, sales } = crowd;
        let wish = Wish::Sell(sales);
        match self.send(&Context::system(), None, product, partition, wish).await {
            Ok(Answer { value: Outcome::Each(answers), position, .. }) => {
                let mut position = position;
                let answer = |answer| match answer {
                    Ok(outcome) => Ok(Answer {
                        value: into_purchase(outcome),
                        position: take_next(&mut position),
                        is_replayed: false,
                    }),
                    Err(refusal) => Err(Failure::refused(refusal)),
                };
                indexes.into_iter().zip(answers.into_iter().map(answer)).collect()
            }
            Ok(other) => unreachable!("many purchases were answered with {:?}", other.value),
            Err(failure) => indexes.into_iter().map(|index| (index, Err(failure.clone()))).collect(),
        }
    }
}

impl Crowds {
    /// The crowd of a product that has room for one more.
    fn of(&mut self, product: ProductId, partition: Partition) -> &mut Crowd {
        let is_last = self.all.last().is_some_and(|last| last.product == product);
        let newest = if is_last { Some(self.all.len() - 1) } else { self.newest.get(&product).copied() };
        let newest = newest.filter(|index| self.all[*index].sales.len() < COMMANDS_MAX);
        let index = newest.unwrap_or_else(|| {
            self.newest.insert(product, self.all.len());
            self.all.push(Crowd { product, partition, indexes: Vec::new(), sales: Vec::new() });
            self.all.len() - 1
        });
        &mut self.all[index]
    }
}

/// The records of one turn follow each other.
fn take_next(position: &mut Option<Position>) -> Option<Position> {
    let taken = *position;
    *position = taken.map(|it| Position { sequence: it.sequence.next(), ..it });
    taken
}
