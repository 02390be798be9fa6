//! Which entries a fact changes: the one place that knows, for live turns and for replay.
//!
//! Each function is asked **before** the fact is applied and names every key whose entry is another afterwards; it may name
//! one twice, or one that stays as it is. Besides, whoever takes a record names
//! - [`Key::Product`], [`Key::Accounts`], [`Key::PriceRules`] or [`Key::Categories`] of its entity even where the record has no
//!   facts: the entry holds the sequence of the newest record;
//! - [`Key::Request`] of its key;
//! - [`Key::Unsent`] of every mail that it makes due ([`crate::mails::due`]).
//!
//! No match here has a wildcard: whoever adds a fact is to say what it changes.
//!
//! Reservations that are forgotten a day after they closed are named by nobody: whoever loads a checkpoint forgets them.

use holdfast_domain::account::{self, Accounts};
use holdfast_domain::cart;
use holdfast_domain::order::{self, Placed, Source};
use holdfast_domain::product::{self, Product};
use holdfast_domain::reservation;
use holdfast_domain::saga::Books;
use holdfast_domain::{Buyer, CartId, OrderId, ProductId, ReservationId, Timestamp};

use super::Key;
use crate::mails;
use crate::slots::Slots;

/// Of a product. What a purchase makes of its order is asked by [`bought`].
pub(crate) fn product_event(
    product: Option<&Product>,
    id: ProductId,
    event: &product::Event,
    mut note: impl FnMut(Key),
) {
    note(Key::Product(id));
    let Some(product) = product else { return };
    let is_counted = product.description().per_customer_limit.is_some();
    let units = |buyer: Buyer| is_counted.then_some(Key::Units(id, buyer));
    let holder = |reservation| product.reservation(reservation).and_then(|hold| units(hold.buyer));
    match event {
        product::Event::Created { .. }
        | product::Event::Adjusted { .. }
        | product::Event::Counted { .. }
        | product::Event::Extended { .. }
        | product::Event::VariantAdded { .. }
        | product::Event::VariantDescribed { .. }
        | product::Event::VariantRemoved { .. } => {}
        product::Event::Described { description } => {
            if is_counted != description.per_customer_limit.is_some() {
                all_buyers(product, id, note);
            }
        }
        product::Event::Deleted => all_buyers(product, id, note),
        product::Event::Reserved { reservation, buyer, .. } => {
            note(Key::Hold(id, *reservation));
            units(*buyer).map(note);
        }
        product::Event::Reheld { from, to, buyer, .. } => {
            for reservation in [from, to] {
                note(Key::Hold(id, *reservation));
                holder(*reservation).map(&mut note);
            }
            units(*buyer).map(note);
        }
        product::Event::Confirmed { reservation, order, .. } => {
            note(Key::Hold(id, *reservation));
            note(Key::Commitment(id, *order));
            // Another's units may become those of the order's owner.
            holder(*reservation).map(&mut note);
            product.commitment(*order).and_then(|commitment| units(commitment.buyer)).map(note);
        }
        product::Event::Released { reservation, .. } | product::Event::Expired { reservation, .. } => {
            note(Key::Hold(id, *reservation));
            holder(*reservation).map(note);
        }
        product::Event::Purchased { buyer, .. } => {
            units(*buyer).map(note);
        }
        product::Event::Fulfilled { order, .. } => note(Key::Commitment(id, *order)),
        product::Event::Canceled { order, .. } => {
            note(Key::Commitment(id, *order));
            product.commitment(*order).and_then(|commitment| units(commitment.buyer)).map(note);
        }
    }
}

/// Everybody who is counted, or will be when there is a limit.
fn all_buyers(product: &Product, id: ProductId, mut note: impl FnMut(Key)) {
    let holders = product.reservations().values().map(|hold| hold.buyer);
    let owners = product.commitments().values().map(|commitment| commitment.buyer);
    let counted = product.counted().keys().copied();
    counted.chain(holders).chain(owners).for_each(|buyer| note(Key::Units(id, buyer)));
}

/// Of the order that a purchase is.
pub(crate) const fn bought(order: OrderId) -> Key {
    Key::Order(order)
}

/// Of a reservation.
pub(crate) fn reservation_event(id: ReservationId, event: &reservation::Event, mut note: impl FnMut(Key)) {
    note(Key::Reservation(id));
    match event {
        reservation::Event::Confirmed { order, .. } => note(Key::Order(*order)),
        reservation::Event::Reserved { .. }
        | reservation::Event::Extended { .. }
        | reservation::Event::Released
        | reservation::Event::Expired => {}
    }
}

/// Of a new order, which may take lines from carts.
pub(crate) fn placed(books: &Books, id: OrderId, placed: &Placed, mut note: impl FnMut(Key)) {
    note(Key::Order(id));
    if let Source::Cart(cart) = placed.source {
        existing_cart(books, cart).map(&mut note);
    }
    if !placed.taken_over.is_empty() {
        books.carts.of(placed.owner).map(|(cart, _)| Key::Cart(cart)).map(note);
    }
}

/// Of an order. A purchase stops being one with the first thing that happens to it, and what its product has committed to
/// it becomes an entry of its own.
pub(crate) fn order_event(
    books: &Books,
    slots: &Slots,
    id: OrderId,
    event: &order::Event,
    mut note: impl FnMut(Key),
) {
    note(Key::Order(id));
    if let Some(bought) = books.orders.bought(id)
        && super::is_implied(slots, bought.item.product, id)
    {
        note(Key::Commitment(bought.item.product, id));
    }
    match event {
        order::Event::Canceled { .. } => {
            let returned = books.orders.order(id).and_then(|order| cart::returned_by(order, event));
            returned.and_then(|(cart, _)| existing_cart(books, cart)).map(note);
        }
        order::Event::Confirmed { .. }
        | order::Event::Expired
        | order::Event::Fulfilled
        | order::Event::RefundRequired { .. }
        | order::Event::Refunded => {}
    }
}

/// Of a cart.
pub(crate) fn cart_event(id: CartId, event: &cart::Event, mut note: impl FnMut(Key)) {
    note(Key::Cart(id));
    match event {
        cart::Event::Absorbed { from } => note(Key::Absorbed(*from)),
        cart::Event::Opened { .. }
        | cart::Event::LineSet { .. }
        | cart::Event::LineRemoved { .. }
        | cart::Event::Renewed { .. }
        | cart::Event::Lapsed { .. }
        | cart::Event::Emptied
        | cart::Event::Closed { .. } => {}
    }
}

fn existing_cart(books: &Books, id: CartId) -> Option<Key> {
    books.carts.get(id).map(|_| Key::Cart(id))
}

/// Of an account or one of its sessions, at the time of the record.
pub(crate) fn account_event(
    accounts: &Accounts,
    event: &account::Event,
    at: Timestamp,
    mut note: impl FnMut(Key),
) {
    note(Key::Accounts);
    match event {
        account::Event::Created(account) => note(Key::Account(account.id)),
        account::Event::Changed { id, .. } => note(Key::Account(*id)),
        account::Event::SessionOpened { family, .. } => {
            accounts.sessions().forgotten(at).for_each(|family| note(Key::Session(family)));
            note(Key::Session(*family));
        }
        account::Event::SessionRotated { family, .. } | account::Event::SessionEnded { family, .. } => {
            note(Key::Session(*family));
        }
    }
}

/// Of mails.
pub(crate) const fn mail_fact(fact: &mails::Fact) -> Key {
    match fact {
        mails::Fact::Begun => Key::Mails,
        mails::Fact::Sent(about) => Key::Unsent(*about),
    }
}
