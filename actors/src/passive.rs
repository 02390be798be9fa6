//! A product that nobody uses: its card, and what the card does not say.
//!
//! The card shows what a product is called, what it costs and where its units are; so a catalogue of millions keeps that
//! once. Beside it there are the units that left the house, by which what was received is known (INV-4), and those who have
//! units now: most products have neither, and cost one address more than their card.

use std::cell::Cell;
use std::sync::Arc;

use holdfast_domain::product::{Claims, Core, Totals, Variant};
use holdfast_domain::{Product, ProductId};
use holdfast_persistence::Partition;

use crate::card::{Card, Info, Snapshot, VariantFigures};
use crate::turn::Live;

/// A product without an actor.
pub(crate) struct Passive {
    card: Arc<Card>,
    /// Lent out for a moment while somebody looks at the product.
    rest: Cell<Option<Box<Rest>>>,
}

/// What no reader sees.
struct Rest {
    /// By variant number; none where no unit of any has left.
    left: Box<[Left]>,
    claims: Option<Box<Claims>>,
}

/// Units of a variant that are not in the house any more.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
struct Left {
    fulfilled: u64,
    written_off: u64,
}

impl Passive {
    /// Lays a product down that its actor, or recovery, has done with.
    ///
    /// # Panics
    ///
    /// When there is no such product, or nobody can see it: it would be lost.
    pub(crate) fn new(live: Live) -> Self {
        let card = live.card.expect("what exists was published");
        let (core, claims) = live.product.expect("only what exists is kept").into_halves();
        debug_assert!(is_shown(&card, &core), "a card shows its product as it is between turns");
        let has_left = core.variants.iter().any(|variant| Left::of(variant) != Left::default());
        let left = if has_left { core.variants.iter().map(Left::of).collect() } else { Box::default() };
        let claims = (!claims.is_empty()).then(|| Box::new(claims));
        let has_rest = has_left || claims.is_some();
        Self { card, rest: Cell::new(has_rest.then(|| Box::new(Rest { left, claims }))) }
    }

    /// Whose it is.
    pub(crate) fn id(&self) -> &ProductId {
        &self.card.id
    }

    pub(crate) fn partition(&self) -> Partition {
        self.card.partition
    }

    /// Whether somebody has units of it.
    pub(crate) fn is_claimed(&self) -> bool {
        let rest = self.rest.take();
        let is_claimed = rest.as_ref().is_some_and(|rest| rest.claims.is_some());
        self.rest.set(rest);
        is_claimed
    }

    /// The product as it was laid down.
    pub(crate) fn wake(self) -> Live {
        let Self { card, rest } = self;
        live(card, rest.into_inner())
    }

    /// Lends the product to somebody who looks, or has it take a turn that leaves it as it is described.
    ///
    /// # Panics
    ///
    /// When it has another card afterwards: that would be lost.
    pub(crate) fn lend<T>(&self, turn: impl FnOnce(&mut Live) -> T) -> T {
        let mut live = live(Arc::clone(&self.card), self.rest.take());
        let done = turn(&mut live);
        let laid_down = Self::new(live);
        assert!(Arc::ptr_eq(&laid_down.card, &self.card), "a product that is lent stays as it is described");
        self.rest.swap(&laid_down.rest);
        done
    }
}

impl Left {
    const fn of(variant: &Variant) -> Self {
        Self { fulfilled: variant.totals.fulfilled, written_off: variant.totals.written_off }
    }
}

fn live(card: Arc<Card>, rest: Option<Box<Rest>>) -> Live {
    let (info, snapshot) = (card.info(), card.snapshot());
    let (left, claims) = rest.map_or_else(Default::default, |rest| (rest.left, rest.claims));
    let product = Product::of_halves(core(&info, &snapshot, &left), claims.map(|it| *it).unwrap_or_default());
    Live {
        id: card.id,
        partition: card.partition,
        product: Some(product),
        last_sequence: snapshot.last_sequence,
        ticket: snapshot.ticket,
        card: Some(card),
        noted_in: Cell::new(0),
    }
}

fn core(info: &Info, snapshot: &Snapshot, left: &[Left]) -> Core {
    let variant = |(index, figures): (usize, &VariantFigures)| {
        let Left { fulfilled, written_off } = left.get(index).copied().unwrap_or_default();
        let received = u64::from(figures.levels.on_hand().0) + fulfilled + written_off;
        Variant {
            description: Arc::clone(&info.variants[index]),
            levels: figures.levels,
            totals: Totals { received, fulfilled, written_off },
            version: figures.version,
            updated_at: figures.updated_at,
            is_removed: info.is_removed(index),
        }
    };
    Core {
        description: Arc::clone(&info.description),
        is_simple: info.is_simple,
        variants: snapshot.variants.iter().enumerate().map(variant).collect(),
        version: info.version,
        created_at: info.created_at,
        updated_at: info.updated_at,
    }
}

/// Whether the card and the units that left say everything of the core.
fn is_shown(card: &Card, shown: &Core) -> bool {
    let left: Vec<Left> = shown.variants.iter().map(Left::of).collect();
    core(&card.info(), &card.snapshot(), &left) == *shown
}

#[cfg(test)]
mod tests {
    use holdfast_domain::hold::Ending;
    use holdfast_domain::product::{
        Command, Description, Line, NewProduct, NewVariant, Reason, VariantDescription, VariantNo, apply,
        decide_create,
    };
    use holdfast_domain::{Buyer, OrderId, Quantity, ReservationId, Sku, Timestamp};
    use holdfast_persistence::{Partition, Sequence, Ticket};

    use super::*;

    #[test]
    fn product_that_was_laid_down_wakes_as_it_was() {
        let mut told = [
            reserve(1, 3),
            reserve(2, 1),
            Command::Confirm { reservation: ReservationId(1), order: OrderId(1) },
            purchase(2, 2),
            purchase(3, 1),
            Command::Fulfil { order: OrderId(2) },
            adjust(-4),
            Command::AddVariant { variant: variant("lamp-red", 7), version: None },
            Command::RemoveVariant { variant: VariantNo(1), version: None },
            Command::AddVariant { variant: variant("lamp-blue", 0), version: None },
            Command::Cancel { order: OrderId(3) },
            Command::Fulfil { order: OrderId(1) },
            Command::Release { reservation: ReservationId(2), ending: Ending::Released },
        ]
        .into_iter();
        let (mut product, mut at) = (made(), 1_000);
        loop {
            let live = || laid_out(&product, at);
            let passive = Passive::new(live());
            assert_eq!(
                passive.is_claimed(),
                !live().product.expect("it is there").into_halves().1.is_empty()
            );
            let looked = passive.lend(|live| live.product.clone());
            assert_eq!(
                (looked, passive.lend(|live| live.product.clone())),
                (product.clone(), product.clone())
            );
            let woken = passive.wake();
            assert_eq!(woken.product, product);
            let (last_sequence, ticket) = (Sequence(at), Ticket::new(at + 1));
            assert_eq!((woken.last_sequence, woken.ticket, woken.id), (last_sequence, ticket, ProductId(1)));
            let Some(command) = told.next() else { break };
            at += 1;
            let events =
                product.as_ref().map(|it| it.decide(&command)).expect("it is there").expect("it may");
            assert!(!events.is_empty(), "{command:?} changes something");
            events.iter().for_each(|event| apply(&mut product, event, Timestamp(at)));
        }
    }

    fn laid_out(product: &Option<Product>, at: u64) -> Live {
        let (last_sequence, ticket) = (Sequence(at), Ticket::new(at + 1));
        let shown = product.as_ref().expect("it is there");
        let card = Arc::new(Card::new(ProductId(1), Partition(0), shown, ticket, last_sequence));
        let live = Live::new(ProductId(1), Partition(0));
        Live { product: product.clone(), card: Some(card), last_sequence, ticket, ..live }
    }

    fn made() -> Option<Product> {
        let thing = crate::simulation::wishes::thing("lamp", 20);
        let limited = Description { per_customer_limit: Quantity::new(9), ..(*thing.description).clone() };
        let new = NewProduct { description: Arc::new(limited), ..thing };
        let mut product = None;
        for event in decide_create(&new).expect("well formed") {
            apply(&mut product, &event, Timestamp(1));
        }
        product
    }

    fn variant(sku: &str, units: u32) -> NewVariant {
        let sku = Sku::new(sku).expect("well formed");
        let description = VariantDescription::plain(sku);
        NewVariant { description: Arc::new(description), initial_stock: Quantity::new(units) }
    }

    fn line(units: u32) -> Line {
        Line { variant: VariantNo(0), quantity: Quantity::new(units).expect("in range") }
    }

    fn reserve(number: u128, units: u32) -> Command {
        let (reservation, deadline) = (ReservationId(number), Timestamp(9_000));
        Command::Reserve { reservation, buyer: Buyer(number), lines: vec![line(units)], deadline }
    }

    fn purchase(number: u128, units: u32) -> Command {
        Command::Purchase { order: OrderId(number), buyer: Buyer(7), line: line(units) }
    }

    fn adjust(delta: i32) -> Command {
        Command::Adjust { variant: VariantNo(0), delta, reason: Reason::Damaged, reference: None, note: None }
    }
}
