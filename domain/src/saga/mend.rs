//! What a crash left between owners and products, and how to mend it: owners are right, products follow (INV-10).
//!
//! First everything is given back that no owner claims, then everything is taken that owners claim and products lack.
//! Those units are there: they were their owners' before the crash, and nobody was served since.

use std::collections::BTreeMap;

use crate::hold::{Ending, State};
use crate::order::{Claim, Order, Status};
use crate::product::{self, Command, Line, Product, Rehold};
use crate::{Buyer, OrderId, ProductId, ReservationId, Timestamp, item};

use super::Books;

/// What owners claim of the products.
#[derive(Default)]
struct Claims {
    held: BTreeMap<(ProductId, ReservationId), (Buyer, Vec<Line>, Timestamp)>,
    committed: BTreeMap<(ProductId, OrderId), (ReservationId, Vec<Line>)>,
    /// Orders that came to nothing or were shipped; their products may not know yet.
    ended: BTreeMap<OrderId, Status>,
}

/// A claim that no command can meet: the journal is not one of ours.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unmet {
    /// Of which product.
    pub product: ProductId,
    /// For people.
    pub found: String,
}

/// What each product must be told so that it has what its owners claim, and nothing else. Told once more after that,
/// there is nothing to tell: that is INV-10, and the owners' half of INV-2.
///
/// # Errors
///
/// [`Unmet`], when units that an owner claims are with nobody.
pub fn mend<'a>(
    products: impl Iterator<Item = (ProductId, &'a Product)>,
    books: impl Iterator<Item = &'a Books>,
) -> Result<BTreeMap<ProductId, Vec<Command>>, Unmet> {
    let mut claims = Claims::default();
    for book in books {
        claims.add(book);
    }
    let mut commands: BTreeMap<ProductId, Vec<Command>> = BTreeMap::new();
    for (id, product) in products {
        let mut told = claims.confirm(id, product)?;
        told.extend(claims.settle(product));
        told.extend(claims.release(id, product, &told));
        told.extend(claims.restore(id, product));
        if !told.is_empty() {
            check_told(id, product, &told)?;
            commands.insert(id, told);
        }
    }
    claims.nothing_left().map(|()| commands)
}

impl Claims {
    fn add(&mut self, book: &Books) {
        for (id, reservation) in book.reservations.iter() {
            if reservation.hold.state == State::Active {
                let buyer = reservation.owner.buyer();
                self.hold(id, buyer, item::by_product(&reservation.items), reservation.hold.deadline);
            }
        }
        for (_, cart) in book.carts.iter() {
            if let Some(name) = cart.hold {
                self.hold(name, cart.owner.buyer(), cart.held(), cart.next_deadline());
            }
        }
        // A purchase is one fact for product and order: they cannot differ.
        for order in book.orders.placed() {
            self.order(order);
        }
    }

    fn hold(
        &mut self,
        name: ReservationId,
        buyer: Buyer,
        lines: BTreeMap<ProductId, Vec<Line>>,
        deadline: Timestamp,
    ) {
        for (product, lines) in lines {
            self.held.insert((product, name), (buyer, lines, deadline));
        }
    }

    fn order(&mut self, order: &Order) {
        let lines = item::by_product(order.items());
        match order.claim() {
            Claim::Held(name) => {
                let deadline = order.placed.deadline.unwrap_or_default();
                self.hold(name, order.placed.owner.buyer(), lines, deadline);
            }
            Claim::Committed => {
                for (product, lines) in lines {
                    self.committed.insert((product, order.id), (order.standing.hold, lines));
                }
            }
            Claim::Nothing => {
                self.ended.insert(order.id, order.standing.status);
            }
        }
    }

    /// Products that are gone hold nothing: one in use is not deleted.
    fn nothing_left(&self) -> Result<(), Unmet> {
        let sold = self.committed.keys().map(|(product, order)| (*product, format!("{order:?}")));
        let held = self.held.keys().map(|(product, name)| (*product, format!("{name:?}")));
        match sold.chain(held).next() {
            Some((product, whose)) => Err(Unmet {
                product,
                found: format!("there is no such product, but units of it for {whose}"),
            }),
            None => Ok(()),
        }
    }

    /// Orders that are confirmed, and whose products only hold their units.
    fn confirm(&mut self, id: ProductId, product: &Product) -> Result<Vec<Command>, Unmet> {
        let mut told = Vec::new();
        let mine: Vec<_> =
            self.committed.range((id, OrderId(0))..=(id, OrderId(u128::MAX))).map(|(key, _)| *key).collect();
        for key in mine {
            let (hold, lines) = self.committed.remove(&key).expect("listed above");
            let order = key.1;
            match (product.commitment(order), product.reservation(hold)) {
                (Some(commitment), _) if is_same(&commitment.lines, &lines) => {}
                // More than the order has: what it took over from a cart was not trimmed yet.
                (None, Some(held))
                    if lines.iter().all(|line| units(&held.lines, line) >= units(&lines, line)) =>
                {
                    if !is_same(&held.lines, &lines) {
                        told.push(owed(hold, held.buyer, lines, Timestamp::default()));
                    }
                    told.push(Command::Confirm { reservation: hold, order });
                }
                _ => {
                    let found = format!("the units of {order:?} are with nobody");
                    return Err(Unmet { product: id, found });
                }
            }
        }
        Ok(told)
    }

    /// Orders that ended, and whose units are still committed.
    fn settle(&self, product: &Product) -> Vec<Command> {
        let told = |order: &OrderId| match self.ended.get(order)? {
            Status::Fulfilled => Some(Command::Fulfil { order: *order }),
            _ => Some(Command::Cancel { order: *order }),
        };
        product.commitments().keys().filter_map(told).collect()
    }

    /// Units that are held for nobody. `told` are the orders that get theirs.
    fn release(&self, id: ProductId, product: &Product, told: &[Command]) -> Vec<Command> {
        let is_sold = |name: &ReservationId| {
            told.iter().any(|it| matches!(it, Command::Confirm { reservation, .. } if reservation == name))
        };
        let is_orphan = |name: &&ReservationId| !self.held.contains_key(&(id, **name)) && !is_sold(name);
        let orphans = product.reservations().keys().filter(is_orphan);
        orphans.map(|name| Command::Release { reservation: *name, ending: Ending::Released }).collect()
    }

    /// Units that an owner claims and the product does not hold so.
    fn restore(&mut self, id: ProductId, product: &Product) -> Vec<Command> {
        let mine: Vec<_> = self
            .held
            .range((id, ReservationId(0))..=(id, ReservationId(u128::MAX)))
            .map(|(key, _)| *key)
            .collect();
        let mut fewer = Vec::new();
        let mut more = Vec::new();
        for key in mine {
            let (buyer, lines, deadline) = self.held.remove(&key).expect("listed above");
            let name = key.1;
            let held = product.reservation(name).map_or(&[][..], |held| &held.lines);
            if is_same(held, &lines) {
                continue;
            }
            let is_more = lines.iter().any(|line| units(&lines, line) > units(held, line));
            let command = owed(name, buyer, lines, deadline);
            if is_more { more.push(command) } else { fewer.push(command) }
        }
        fewer.append(&mut more);
        fewer
    }
}

/// Whether the product can do what it is told: units that are owed to two are with one.
fn check_told(id: ProductId, product: &Product, told: &[Command]) -> Result<(), Unmet> {
    let at = product.updated_at();
    let mut mended = Some(product.clone());
    for command in told {
        let decided = mended.as_ref().expect("nothing that mends deletes").decide(command);
        let unmet =
            |refusal| Unmet { product: id, found: format!("{refusal:?} is the answer to {command:?}") };
        decided.map_err(unmet)?.iter().for_each(|event| product::apply(&mut mended, event, at));
    }
    Ok(())
}

/// To hold exactly this, whatever limits and status say now.
fn owed(name: ReservationId, buyer: Buyer, lines: Vec<Line>, deadline: Timestamp) -> Command {
    let (from, to, ending) = (name, name, Ending::Released);
    Command::Rehold(Box::new(Rehold { from, to, buyer, lines, deadline, ending, is_owed: true }))
}

fn units(lines: &[Line], of: &Line) -> u64 {
    lines.iter().filter(|line| line.variant == of.variant).map(|line| u64::from(line.quantity.get())).sum()
}

fn is_same(first: &[Line], second: &[Line]) -> bool {
    let covers =
        |first: &[Line], second: &[Line]| first.iter().all(|line| units(first, line) == units(second, line));
    covers(first, second) && covers(second, first)
}
