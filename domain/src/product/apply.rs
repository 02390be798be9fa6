//! Taking events into the books. `apply` may not say no: whatever does not fit is a bug and panics.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::{Buyer, OrderId, ReservationId, Timestamp};

use super::{
    Commitment, Description, Event, Levels, Line, Movement, MovementKind, Product, Reservation, Totals,
    Variant, VariantDescription, VariantNo,
};

/// Takes one event of a product into the books, at the time of its record.
///
/// `slot` is the product's place: empty before it is made and after it is deleted.
///
/// # Panics
///
/// When the event does not fit the state: the journal and this code disagree, and we do not run on
/// wrong books.
pub fn apply(slot: &mut Option<Product>, event: &Event, at: Timestamp) {
    match event {
        Event::Created { description, is_simple, variants } => {
            assert!(slot.is_none(), "a product is created once");
            *slot = Some(created(description, *is_simple, variants, at));
        }
        Event::Deleted => {
            assert!(slot.take().is_some(), "only what exists is deleted");
        }
        _ => slot.as_mut().expect("events follow the creation of their product").apply(event, at),
    }
}

fn created(
    description: &Arc<Description>,
    is_simple: bool,
    variants: &[Arc<VariantDescription>],
    at: Timestamp,
) -> Product {
    Product {
        description: description.clone(),
        is_simple,
        variants: variants.iter().map(|description| Variant::new(description, at)).collect(),
        version: 1,
        created_at: at,
        updated_at: at,
        reservations: BTreeMap::new(),
        orders: BTreeMap::new(),
        units_by_buyer: BTreeMap::new(),
    }
}

impl Variant {
    /// One that was just added.
    fn new(description: &Arc<VariantDescription>, at: Timestamp) -> Self {
        Self {
            description: description.clone(),
            levels: Levels::default(),
            totals: Totals::default(),
            version: 1,
            updated_at: at,
            is_removed: false,
        }
    }

    /// Keeps what readers of history ask for: the sku and the name.
    fn remove(&mut self) {
        assert_eq!(self.levels, Levels::default(), "INV-1: a removed variant has no units");
        let description = VariantDescription { attributes: "{}".into(), ..(*self.description).clone() };
        self.description = Arc::new(description);
        self.is_removed = true;
    }
}

impl Product {
    fn apply(&mut self, event: &Event, at: Timestamp) {
        event.movements(|movement| self.apply_movement(movement, at));
        match event {
            Event::Created { .. } | Event::Deleted => unreachable!("handled by the caller"),
            Event::Described { description } => self.apply_description(description, at),
            Event::Adjusted { .. } | Event::Counted { .. } => {}
            Event::Extended { reservation, .. } => {
                assert!(self.reservations.contains_key(reservation), "only what is held is extended");
            }
            Event::Reserved { reservation, buyer, lines, .. } => self.hold(*reservation, *buyer, lines),
            Event::Reheld { from, to, buyer, lines, .. } => {
                for reservation in [from, to] {
                    self.reservations
                        .remove(reservation)
                        .inspect(|hold| self.uncount_for(hold.buyer, &hold.lines));
                }
                self.hold(*to, *buyer, lines);
            }
            Event::Confirmed { reservation, order, .. } => {
                let hold = self.close(*reservation);
                self.commit(*order, hold.buyer, hold.lines);
            }
            Event::Released { reservation, .. } | Event::Expired { reservation, .. } => {
                let hold = self.close(*reservation);
                self.uncount_for(hold.buyer, &hold.lines);
            }
            Event::Purchased { order, buyer, line, .. } => {
                self.count_for(*buyer, &[*line]);
                self.commit(*order, *buyer, vec![*line]);
            }
            Event::Fulfilled { order, .. } => {
                self.orders.remove(order).expect("only committed orders are fulfilled");
            }
            Event::Canceled { order, .. } => {
                let commitment = self.orders.remove(order).expect("only committed orders are canceled");
                self.uncount_for(commitment.buyer, &commitment.lines);
            }
            Event::VariantAdded { variant, description, is_simple, version } => {
                assert_eq!(variant.index(), self.variants.len(), "numbers are given in order, each once");
                self.variants.push(Variant::new(description, at));
                self.note_options(*is_simple, *version, at);
            }
            Event::VariantDescribed { variant, description, is_simple, version } => {
                self.live_place(*variant).description = description.clone();
                self.note_options(*is_simple, *version, at);
            }
            Event::VariantRemoved { variant, version, .. } => {
                self.live_place(*variant).remove();
                self.note_options(self.is_simple, *version, at);
            }
        }
    }

    fn live_place(&mut self, variant: VariantNo) -> &mut Variant {
        let place = self.variants.get_mut(variant.index()).filter(|variant| !variant.is_removed);
        place.expect("only what is there is described or removed")
    }

    /// Several events of one command carry the same version.
    fn note_options(&mut self, is_simple: bool, version: u32, at: Timestamp) {
        self.is_simple = is_simple;
        self.version = version;
        self.updated_at = at;
    }

    fn apply_movement(&mut self, movement: Movement, at: Timestamp) {
        let variant = &mut self.variants[movement.variant.index()];
        variant.levels.shift(movement.kind, movement.quantity);
        variant.version = variant.version.wrapping_add(1);
        variant.updated_at = at;
        let units = movement.quantity.unsigned_abs();
        match movement.kind {
            MovementKind::Received | MovementKind::Adjusted | MovementKind::Counted => {
                if movement.quantity > 0 {
                    variant.totals.received += units;
                } else {
                    variant.totals.written_off += units;
                }
            }
            MovementKind::Fulfilled => variant.totals.fulfilled += units,
            _ => {}
        }
    }

    fn apply_description(&mut self, description: &Arc<Description>, at: Timestamp) {
        let was_counted = self.description.per_customer_limit.is_some();
        self.description = description.clone();
        self.version += 1;
        self.updated_at = at;
        match (was_counted, self.description.per_customer_limit.is_some()) {
            (false, true) => self.count_all(),
            (true, false) => self.units_by_buyer.clear(),
            _ => {}
        }
    }

    /// A new limit counts what is held and what is sold but not shipped; shipped orders are history.
    fn count_all(&mut self) {
        let holds = self.reservations.values().map(|hold| (hold.buyer, hold.lines.clone()));
        let orders = self.orders.values().map(|order| (order.buyer, order.lines.clone()));
        let all: Vec<_> = holds.chain(orders).collect();
        for (buyer, lines) in all {
            self.count_for(buyer, &lines);
        }
    }

    fn count_for(&mut self, buyer: Buyer, lines: &[Line]) {
        if self.description.per_customer_limit.is_some() {
            *self.units_by_buyer.entry(buyer).or_insert(0) += units(lines);
        }
    }

    fn uncount_for(&mut self, buyer: Buyer, lines: &[Line]) {
        if self.description.per_customer_limit.is_none() {
            return;
        }
        let counted = self.units_by_buyer.get_mut(&buyer).expect("whoever gives back was counted");
        *counted -= units(lines);
        if *counted == 0 {
            self.units_by_buyer.remove(&buyer);
        }
    }

    fn hold(&mut self, reservation: ReservationId, buyer: Buyer, lines: &[Line]) {
        self.count_for(buyer, lines);
        let before = self.reservations.insert(reservation, Reservation { buyer, lines: lines.to_vec() });
        assert!(before.is_none(), "a reservation is made once");
    }

    /// Ends a hold; there is no second end, as it is not held any more (INV-3).
    fn close(&mut self, reservation: ReservationId) -> Reservation {
        self.reservations.remove(&reservation).expect("INV-3: a reservation is closed at most once")
    }

    fn commit(&mut self, order: OrderId, buyer: Buyer, lines: Vec<Line>) {
        let Some(owner) = self.orders.get(&order).map(|commitment| commitment.buyer) else {
            self.orders.insert(order, Commitment { buyer, lines });
            return;
        };
        // Several reservations of one product may end in the same order, and a guest who logged in between
        // holds under two names. The order has one owner, who gets them back when it is canceled.
        if owner != buyer {
            self.uncount_for(buyer, &lines);
            self.count_for(owner, &lines);
        }
        self.orders.get_mut(&order).expect("looked up above").lines.extend(lines);
    }
}

fn units(lines: &[Line]) -> u64 {
    lines.iter().map(|line| u64::from(line.quantity.get())).sum()
}
