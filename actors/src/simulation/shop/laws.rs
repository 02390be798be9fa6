//! The laws that hold for products and their owners together, checked by figures of their own: when nothing is under
//! way, after a recovery, and at the end.

use std::collections::BTreeMap;

use holdfast_domain::hold::State;
use holdfast_domain::order::{Payment, Status, Through};
use holdfast_domain::product::VariantNo;
use holdfast_domain::saga::{self, Books};
use holdfast_domain::{Item, Order, OrderId, ProductId, Timestamp, cart};
use holdfast_persistence::MemoryDisk;

use crate::recovery::recover;

use super::process::Process;
use super::wishes::OWNERS;

/// Units of each variant.
type Units = BTreeMap<(ProductId, VariantNo), u64>;

/// What the books say that products must have.
#[derive(Default)]
struct Claims {
    held: Units,
    sold: Units,
    shipped: Units,
}

impl Claims {
    fn of(process: &Process) -> Self {
        let mut claims = Self::default();
        for books in process.door.books() {
            claims.add(&books);
        }
        claims
    }

    fn add(&mut self, books: &Books) {
        for (_, reservation) in books.reservations.iter() {
            if reservation.hold.state == State::Active {
                reservation.items.iter().for_each(|item| count(&mut self.held, item));
            }
        }
        for (_, cart) in books.carts.iter() {
            let held = cart.lines.iter().filter(|line| line.is_held());
            held.for_each(|line| count(&mut self.held, &line.item));
        }
        for order in orders(books) {
            let units = match order.standing.status {
                Status::PendingPayment => &mut self.held,
                Status::Confirmed => &mut self.sold,
                Status::Fulfilled => &mut self.shipped,
                Status::Canceled | Status::Expired => continue,
            };
            order.items().for_each(|item| count(units, item));
        }
    }
}

/// Nothing is under way: every product holds and has sold exactly what owners claim (INV-2, INV-10).
pub(super) fn check_claims(process: &Process) {
    let mut claims = Claims::of(process);
    for (id, product) in process.state() {
        for (index, variant) in product.variants().iter().enumerate() {
            let key = (id, VariantNo::from_index(index));
            let claimed = |units: &mut Units| units.remove(&key).unwrap_or_default();
            let (held, sold) = (claimed(&mut claims.held), claimed(&mut claims.sold));
            assert_eq!(u64::from(variant.levels.reserved.0), held, "INV-2: held of {key:?}");
            assert_eq!(u64::from(variant.levels.committed.0), sold, "INV-2: sold of {key:?}");
            assert_eq!(variant.totals.fulfilled, claimed(&mut claims.shipped), "INV-4: shipped of {key:?}");
        }
    }
    assert!(claims.held.is_empty() && claims.sold.is_empty(), "INV-10: of products that are gone");
    check_known(process);
    let (state, books) = (process.state(), process.door.books());
    let products = state.iter().map(|(id, product)| (*id, product));
    books.iter().flat_map(|books| orders(books)).for_each(|order| super::rules::check_prices(&order));
    let told = saga::mend(products, books.iter().map(|books| &**books));
    assert_eq!(told, Ok(BTreeMap::new()), "INV-10: products have what owners claim");
}

/// Everybody knows whose carts hold units.
fn check_known(process: &Process) {
    for owner in OWNERS {
        let is_held = process.door.look(owner.buyer().0, |books| {
            books.carts.of(owner).is_some_and(|(_, cart)| cart.lines.iter().any(cart::CartLine::is_held))
        });
        let is_known = process.door.directory().has_cart_units(owner.buyer());
        assert_eq!(is_known, is_held, "the cart of {owner:?} holds units, or does not");
    }
}

/// Nothing is under way, and nobody is charged for nothing.
pub(super) fn check_money(process: &Process) {
    let vault = process.door.around.bank.vault();
    for id in vault.charged() {
        let is_there = process.door.look(id.0, |books| books.orders.get(id).is_some());
        assert!(is_there, "somebody paid for {id:?}, which is lost");
    }
    for order in process.door.books().iter().flat_map(|books| orders(books)) {
        let (id, payment) = (order.id, order.standing.payment);
        if order.standing.through == Some(Through::Gateway) {
            match payment {
                Payment::Paid => assert!(vault.has(id), "{id:?} was not paid"),
                Payment::Refunded => assert!(vault.refunded.contains(&id), "{id:?} was not refunded"),
                _ => {}
            }
        }
        let is_owed = order.owes_refund() && !vault.refusals.contains(&id);
        assert!(!is_owed, "the refund of {id:?} was forgotten");
        let is_known = matches!(payment, Payment::Paid | Payment::RefundRequired | Payment::Refunded);
        assert!(is_known || !vault.approvals.contains(&id), "the money of {id:?} was forgotten: {payment:?}");
        let is_ours = payment == Payment::Paid && order.standing.through == Some(Through::Gateway);
        assert!(!is_ours || !vault.refunded.contains(&id), "{id:?} was refunded and shipped");
    }
}

/// The timers ran: nothing is active at or past its deadline (INV-6).
pub(super) fn check_deadlines(process: &Process, now: Timestamp) {
    for books in process.door.books() {
        for (id, reservation) in books.reservations.iter() {
            assert!(!reservation.hold.is_due(now), "INV-6: {id:?} is due");
        }
        for (id, cart) in books.carts.iter() {
            assert!(cart.next_deadline() > now, "INV-6: {id:?} is due");
        }
        for order in books.orders.placed() {
            assert!(order.next_deadline().is_none_or(|at| at > now), "INV-6: {:?} is due", order.id);
        }
    }
}

/// All that was pushed is on disk: replay gives the state in memory (INV-7).
pub(super) fn check_replay(process: &Process, disk: &MemoryDisk) {
    let replayed = recover(&mut disk.crash().journal()).expect("the journal is sound");
    let replayed_close = &replayed.startup.close;
    assert_eq!(replayed.state(), process.state(), "INV-7: replay gives the products in memory");
    assert_eq!(*replayed.prices(), process.prices.list, "INV-7: replay gives the price rules in memory");
    let unsents = process.door.directory().unsents();
    let unsent = unsents.page(None, usize::MAX, process.door.queue.last_ticket());
    let unsent = unsent.into_iter().map(|it| (it.about, it.at)).collect();
    assert_eq!(*replayed.unsent(), unsent, "INV-7: replay gives the mails that are due");
    for (number, (replayed, books)) in replayed.owners().iter().zip(process.door.books()).enumerate() {
        let (mut replayed, mut books) = (replayed.clone(), (*books).clone());
        // Whoever loads a checkpoint forgets at once what others forget some time.
        let latest = process.door.around.wall.latest();
        replayed.reservations.restored(latest);
        books.reservations.restored(latest);
        // Replay ends a merge that is under way.
        for (from, to) in replayed_close {
            if books.carts.get(*from).is_some() {
                books.apply_cart(*from, &cart::Event::Closed { to: Some(*to) }, Timestamp::default());
            }
        }
        assert_eq!(replayed, books, "INV-7: replay gives the owners in memory, partition {number}");
    }
}

/// A week later: nothing is held, nobody has a cart, and what is sold is sold.
pub(super) fn check_end(process: &Process) {
    for (id, product) in process.state() {
        let reserved: u32 = product.variants().iter().map(|variant| variant.levels.reserved.0).sum();
        assert_eq!(reserved, 0, "INV-6: {id:?} holds units for ever: {:?}", product.reservations());
    }
    for books in process.door.books() {
        assert!(books.carts.is_empty(), "a cart lives for seven days");
        let is_active = |status: Status| status == Status::PendingPayment;
        assert!(!orders(&books).any(|order| is_active(order.standing.status)), "nobody waits for ever");
    }
}

/// All orders of a partition, purchases included.
fn orders(books: &Books) -> impl Iterator<Item = Order> {
    let ids = books.orders.ids_before(None, None, OrderId(u128::MAX), usize::MAX);
    ids.into_iter().map(|id| books.orders.get(id).expect("it was just listed"))
}

fn count(units: &mut Units, item: &Item) {
    *units.entry((item.product, item.variant)).or_default() += u64::from(item.quantity.get());
}
