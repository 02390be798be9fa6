//! What must hold whenever nothing is under way: products have exactly what their owners claim, the books balance,
//! and the journal says the same as memory.
//!
//! Claims are added up here once more, from the books alone, so that a mistake in the rules of recovery is found too.

use std::collections::BTreeMap;

use holdfast_actors::Engine;
use holdfast_actors::domain::cart::Cart;
use holdfast_actors::domain::hold::State;
use holdfast_actors::domain::item::by_product;
use holdfast_actors::domain::order::Claim;
use holdfast_actors::domain::product::{Line, invariant};
use holdfast_actors::domain::saga::{Books, mend};
use holdfast_actors::domain::{Buyer, Order, OrderId, Product, ProductId, ReservationId, Timestamp};
use holdfast_actors::persistence::MemoryDisk;
use holdfast_actors::recovery::recover;

use super::Everything;

/// Units of one product under one name.
type Units<K> = BTreeMap<(ProductId, K), (Buyer, Vec<(u16, u32)>)>;

/// Held under the names of reservations, and committed to orders.
#[derive(PartialEq, Debug, Default)]
struct Tally {
    held: Units<ReservationId>,
    sold: Units<OrderId>,
}

/// The laws of every product, and both directions between owners and products (INV-1, 2, 4 and 10).
pub(crate) fn everybody_has_what_is_theirs(everything: &Everything) -> Result<(), String> {
    let Everything { products, owners } = everything;
    for product in products.values() {
        invariant::check(product).map_err(|violation| format!("{violation:?}"))?;
    }
    let (claimed, found) = (claimed(owners), found(products));
    if claimed != found {
        return Err(format!("INV-10: owners claim {claimed:#?} and products have {found:#?}"));
    }
    let told = mend(products.iter().map(|(id, product)| (*id, product)), owners.iter());
    match told {
        Ok(told) if told.is_empty() => Ok(()),
        told => Err(format!("INV-10: recovery would have something to mend: {told:?}")),
    }
}

/// INV-6: nothing is active at or past its deadline.
pub(crate) fn nothing_is_due(everything: &Everything, now: Timestamp) {
    for books in &everything.owners {
        for (id, reservation) in books.reservations.iter() {
            assert!(!reservation.hold.is_due(now), "INV-6: {id:?} is due: {reservation:?}");
        }
        for order in books.orders.placed() {
            assert!(order.next_deadline().is_none_or(|deadline| now < deadline), "INV-6: due: {order:?}");
        }
        for (id, cart) in books.carts.iter() {
            assert!(now < cart.next_deadline(), "INV-6: {id:?} is due: {cart:?}");
        }
    }
}

/// INV-7: replay gives the state in memory.
pub(crate) fn memory_is_what_replay_gives(disk: &MemoryDisk, everything: &Everything) {
    let replayed = replay(disk);
    assert_eq!(replayed.products, everything.products, "INV-7: products");
    for (number, (replayed, in_memory)) in replayed.owners.iter().zip(&everything.owners).enumerate() {
        assert_eq!(replayed, in_memory, "INV-7: owners of partition {number}");
    }
    assert_eq!(replayed.owners.len(), everything.owners.len());
}

/// INV-7: replay gives the mails that are due; of a journal that was closed all are durable.
pub(crate) fn mails_are_what_replay_gives(disk: &MemoryDisk, engine: &Engine) {
    let unsent = engine.unsent(None, usize::MAX).into_iter().map(|it| (it.about, it.at)).collect();
    assert_eq!(engine.unsent_count(), engine.unsent(None, usize::MAX).len(), "all are durable");
    assert_eq!(*recover(&mut disk.journal()).expect("the journal is sound").unsent(), unsent, "INV-7: mails");
}

/// What the journal on a disk says.
pub(crate) fn replay(disk: &MemoryDisk) -> Everything {
    let recovered = recover(&mut disk.journal()).expect("the journal is sound");
    Everything { products: recovered.state(), owners: recovered.owners().to_vec() }
}

/// All orders of all partitions, purchases included.
pub(crate) fn orders(owners: &[Books]) -> impl Iterator<Item = Order> {
    owners.iter().flat_map(|books| {
        let ids = books.orders.ids_before(None, None, OrderId(u128::MAX), usize::MAX);
        ids.into_iter().map(|id| books.orders.get(id).expect("it is listed"))
    })
}

/// All carts of all partitions.
pub(crate) fn carts(owners: &[Books]) -> impl Iterator<Item = &Cart> {
    owners.iter().flat_map(|books| books.carts.iter().map(|(_, cart)| cart))
}

fn claimed(owners: &[Books]) -> Tally {
    let mut tally = Tally::default();
    for books in owners {
        for (id, reservation) in books.reservations.iter() {
            if reservation.hold.state == State::Active {
                add(&mut tally.held, id, reservation.owner.buyer(), by_product(&reservation.items));
            }
        }
    }
    for cart in carts(owners) {
        if let Some(name) = cart.hold {
            add(&mut tally.held, name, cart.owner.buyer(), cart.held());
        }
    }
    for order in orders(owners) {
        let (buyer, lines) = (order.placed.owner.buyer(), by_product(order.items()));
        match order.claim() {
            Claim::Held(name) => add(&mut tally.held, name, buyer, lines),
            Claim::Committed => add(&mut tally.sold, order.id, buyer, lines),
            Claim::Nothing => {}
        }
    }
    tally
}

fn found(products: &BTreeMap<ProductId, Product>) -> Tally {
    let mut tally = Tally::default();
    for (id, product) in products {
        for (name, hold) in product.reservations() {
            tally.held.insert((*id, *name), (hold.buyer, sorted(&hold.lines)));
        }
        for (order, commitment) in product.commitments() {
            tally.sold.insert((*id, *order), (commitment.buyer, sorted(&commitment.lines)));
        }
    }
    tally
}

fn add<K: Ord + Copy + std::fmt::Debug>(
    units: &mut Units<K>,
    name: K,
    buyer: Buyer,
    lines: BTreeMap<ProductId, Vec<Line>>,
) {
    for (product, lines) in lines {
        let other = units.insert((product, name), (buyer, sorted(&lines)));
        assert!(other.is_none(), "two owners claim {name:?} of {product:?}");
    }
}

fn sorted(lines: &[Line]) -> Vec<(u16, u32)> {
    let mut lines: Vec<_> = lines.iter().map(|line| (line.variant.0, line.quantity.get())).collect();
    lines.sort_unstable();
    lines
}
