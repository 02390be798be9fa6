//! Store: shelves, holds, carts and orders of the fake shop, and how each cheat bends them. Knows no JSON but movements.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::{Value, json};

use crate::shop::orders::Lines;
use crate::wall_clock::UnixMs;

use super::Cheat;

#[derive(Debug)]
pub(super) struct Store {
    pub(super) cheat: Cheat,
    pub(super) now: UnixMs,
    pub(super) shelves: BTreeMap<String, Shelf>,
    pub(super) carts: HashMap<String, Lines>,
    /// Orders and reservations, by id.
    pub(super) deals: BTreeMap<String, Deal>,
    /// Every name under which units are held.
    holds: HashMap<String, Hold>,
    deadlines: BTreeSet<(UnixMs, String)>,
    lapsed: u64,
    pub(super) made: u64,
}

/// One sku.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    pub(super) id: String,
    pub(super) available: i64,
    pub(super) reserved: i64,
    pub(super) committed: i64,
    pub(super) on_hand: i64,
    pub(super) ttl_seconds: u64,
    pub(super) is_held_in_cart: bool,
    pub(super) asked: u64,
    pub(super) movements: Vec<Value>,
    /// Units sold and not written down.
    pub(super) unwritten: i64,
    pub(super) sold: i64,
}

/// An order or a reservation.
#[derive(Debug, Clone)]
pub(super) struct Deal {
    pub(super) lines: Lines,
    pub(super) owner: String,
    pub(super) status: &'static str,
    pub(super) payment_status: &'static str,
    pub(super) deadline: UnixMs,
    pub(super) confirmed_at: Option<UnixMs>,
    /// The e-mail of an order, the reference of a reservation.
    pub(super) mark: Option<String>,
    /// The order of a reservation, the reservation of an order.
    pub(super) other: Option<String>,
    pub(super) is_from_cart: bool,
    pub(super) reacquired: bool,
}

#[derive(Debug)]
struct Hold {
    lines: Lines,
    deadline: UnixMs,
}

impl Store {
    pub(super) fn new(cheat: Cheat) -> Self {
        Self {
            cheat,
            now: 0,
            shelves: BTreeMap::new(),
            carts: HashMap::new(),
            deals: BTreeMap::new(),
            holds: HashMap::new(),
            deadlines: BTreeSet::new(),
            lapsed: 0,
            made: 0,
        }
    }

    /// A new id; every second one of somebody who repeats himself is the one before.
    pub(super) fn new_id(&mut self, kind: &str) -> String {
        self.made += 1;
        let number = if self.cheat == Cheat::RepeatsOrderIds { self.made / 2 } else { self.made };
        format!("{kind}_{number:08}")
    }

    /// The units of `sku` that this shop would sell.
    pub(super) fn for_sale(&self, sku: &str) -> i64 {
        let shelf = &self.shelves[sku];
        let left = shelf.available - shelf.unwritten;
        match self.cheat {
            Cheat::Oversells => left + 10,
            Cheat::HoldsBack => left - 10,
            Cheat::RefusesEverybody => 0,
            _ => left,
        }
    }

    /// The lines that cannot be served.
    pub(super) fn short(&self, lines: &Lines) -> Vec<Value> {
        let short = lines.iter().enumerate().filter_map(|(index, (sku, quantity))| {
            let available = self.for_sale(sku).max(0);
            let reserved = self.shelves[sku].reserved;
            (i64::from(*quantity) > available).then(|| {
                json!({ "index": index, "sku": sku, "code": "insufficient_stock", "requested": quantity,
                        "available": available, "reserved": reserved })
            })
        });
        short.collect()
    }

    /// Holds units under `name`; the caller has looked whether they are there.
    pub(super) fn hold(&mut self, name: &str, lines: &Lines, deadline: UnixMs) {
        self.shift(lines, "reserved", name, (-1, 1, 0));
        let told = match self.cheat {
            Cheat::BreaksHolds => self.now + (deadline - self.now) / 2,
            Cheat::IsLate => deadline + 500,
            _ => deadline,
        };
        self.deadlines.insert((told, name.to_owned()));
        self.holds.insert(name.to_owned(), Hold { lines: lines.clone(), deadline: told });
    }

    pub(super) fn extend(&mut self, name: &str, deadline: UnixMs) {
        if let Some(hold) = self.holds.get_mut(name) {
            hold.deadline = deadline;
            self.deadlines.insert((deadline, name.to_owned()));
        }
    }

    /// Gives back what is held under `name`; nothing, when nothing is.
    pub(super) fn free(&mut self, name: &str, kind: &str) {
        if let Some(hold) = self.holds.remove(name) {
            self.shift(&hold.lines, kind, name, (1, -1, 0));
        }
    }

    /// Sells what is held under `name` to `order`.
    pub(super) fn commit(&mut self, name: &str, order: &str) {
        let Some(hold) = self.holds.remove(name) else { return };
        if self.cheat == Cheat::SellsAir && self.made.is_multiple_of(10) {
            self.shift(&hold.lines, "released", name, (1, -1, 0));
        } else {
            self.shift(&hold.lines, "committed", order, (0, -1, 1));
        }
    }

    /// Sells what nobody holds.
    pub(super) fn sell(&mut self, sku: &str, quantity: u32, order: &str) {
        let lines = Lines::from([(sku.to_owned(), quantity)]);
        let shelf = self.shelves.get_mut(sku).expect("looked up before");
        shelf.sold += i64::from(quantity);
        if self.cheat == Cheat::Forgets && shelf.sold % 10 == 0 {
            shelf.unwritten += i64::from(quantity);
        } else {
            self.shift(&lines, "committed", order, (-1, 0, 1));
        }
    }

    pub(super) fn cancel(&mut self, order: &str, lines: &Lines) {
        self.shift(lines, "canceled", order, (1, 0, -1));
    }

    pub(super) fn fulfill(&mut self, order: &str, lines: &Lines) {
        self.shift(lines, "fulfilled", order, (0, 0, -1));
    }

    /// Lets everything lapse whose time has come.
    pub(super) fn lapse(&mut self, now: UnixMs) {
        self.now = now;
        while let Some((deadline, _)) = self.deadlines.first()
            && *deadline <= now
        {
            let (_, name) = self.deadlines.pop_first().expect("looked at it");
            if self.holds.get(&name).is_none_or(|hold| hold.deadline > now) {
                continue;
            }
            self.lapsed += 1;
            if self.cheat == Cheat::LeaksHolds && self.lapsed.is_multiple_of(5) {
                self.holds.remove(&name);
            } else {
                self.free(&name, "expired");
            }
            if let Some(deal) = self.deals.get_mut(&name) {
                deal.status = "expired";
            }
        }
    }

    /// Moves units by a multiple of each line: of available, reserved and committed.
    pub(super) fn shift(&mut self, lines: &Lines, kind: &str, cause: &str, by: (i64, i64, i64)) {
        for (sku, quantity) in lines {
            let units = i64::from(*quantity);
            let shelf = self.shelves.get_mut(sku).expect("lines are of known skus");
            shelf.available += by.0 * units;
            shelf.reserved += by.1 * units;
            shelf.committed += by.2 * units;
            shelf.on_hand += (by.0 + by.1 + by.2) * units;
            // As the real one counts: in the bucket that the kind names.
            let delta = if matches!(kind, "released" | "expired" | "canceled" | "fulfilled") {
                -units
            } else {
                units
            };
            let movement = json!({
                "kind": kind, "delta": delta, "cause": { "type": "any", "id": cause }, "after": shelf.figures(),
            });
            shelf.movements.push(movement);
        }
    }
}

impl Shelf {
    pub(super) fn figures(&self) -> Value {
        json!({ "on_hand": self.on_hand, "available": self.available, "reserved": self.reserved,
                "committed": self.committed })
    }
}
