//! An office that keeps the books of all owners through a story: reservations, carts and orders, without products.
//!
//! It does in a turn what a supervisor does, and checks after it what must hold for all of them.

mod carts;
mod items;
mod orders;
mod reservations;

use std::collections::BTreeMap;
use std::sync::Arc;

use holdfast_domain::cart::CartLine;
use holdfast_domain::order::{self, Bought, Placed, Standing, Status};
use holdfast_domain::saga::Books;
use holdfast_domain::{Buyer, CartId, OrderId, ReservationId, Timestamp, cart, reservation};

use super::teller::{Outcome, tell};
use super::words::{Words, buyer};

/// Everybody that stories know.
const BUYERS: [&str; 4] = ["ann", "bob", "guest", "somebody"];
const STATUSES: [Status; 5] =
    [Status::PendingPayment, Status::Confirmed, Status::Fulfilled, Status::Canceled, Status::Expired];

/// Tells a story to a new office; how its lines read is told at [`tell`].
///
/// `#1` is a reservation, `$1` a cart, `@1` an order. `A` and `B` are variants of one product, `C` and `D` of
/// another, and so on; a cart holds `C` and `D` for 5 minutes and all others for 15.
/// Each line is a turn: what is due ends first, unless the command ends with `before expiry`.
pub(crate) fn check(story: &str) {
    let mut office = Office::default();
    tell(story, |now, command| office.live(now, command));
    office.replay();
}

#[derive(Default)]
struct Office {
    books: Books,
    journal: Vec<(Timestamp, Fact)>,
    now: Timestamp,
    /// What each order was like at each version.
    standings: BTreeMap<OrderId, Vec<Standing>>,
}

/// Something that happened to an owner.
#[derive(Clone)]
enum Fact {
    Reservation(ReservationId, reservation::Event),
    Cart(CartId, cart::Event),
    Placed(OrderId, Arc<Placed>),
    Bought(OrderId, Bought),
    Order(OrderId, order::Event),
}

impl Office {
    fn live(&mut self, now: Timestamp, command: &str) -> Outcome {
        self.now = now;
        let (command, is_swept) =
            command.strip_suffix(" before expiry").map_or((command, true), |command| (command, false));
        let ended = if is_swept { self.sweep() } else { Vec::new() };
        let mut words = Words::new(command);
        let verb = words.next();
        let outcome = match verb {
            "wake" => Outcome::to_be_told(if ended.is_empty() { "nothing".into() } else { ended.join(", ") }),
            _ => reservations::live(self, verb, &mut words)
                .or_else(|| carts::live(self, verb, &mut words))
                .or_else(|| orders::live(self, verb, &mut words))
                .unwrap_or_else(|| panic!("`{command}` is not a command")),
        };
        words.end();
        self.check_orders();
        if is_swept {
            self.check_deadlines();
        }
        outcome
    }

    /// What a timer does first in each turn; says what ended.
    fn sweep(&mut self) -> Vec<String> {
        let mut ended = reservations::sweep(self);
        ended.extend(carts::sweep(self));
        ended.extend(orders::sweep(self));
        ended
    }

    fn take(&mut self, fact: Fact) {
        self.journal.push((self.now, fact.clone()));
        let mark = self.mark();
        apply(&mut self.books, &fact, self.now, mark);
        if let Fact::Placed(id, _) | Fact::Bought(id, _) | Fact::Order(id, _) = fact {
            self.note_standing(id);
        }
        if let Fact::Reservation(_, reservation::Event::Confirmed { order, .. }) = fact {
            self.note_standing(order);
        }
    }

    fn mark(&self) -> u64 {
        u64::try_from(self.journal.len()).expect("few")
    }

    fn note_standing(&mut self, id: OrderId) {
        let order = self.books.orders.get(id).expect("something happened to it");
        assert_eq!(order.mark, self.mark(), "an order keeps the mark of its newest record");
        let standings = self.standings.entry(id).or_default();
        standings.push(order.standing.clone());
        let versions = u32::try_from(standings.len()).expect("few");
        assert_eq!(order.standing.version, versions, "each event is one version");
        assert_eq!(order.standing.updated_at, self.now);
    }

    /// Every version of every order is as it was then, and every list is what a naive search finds.
    fn check_orders(&self) {
        let orders = &self.books.orders;
        for (id, standings) in &self.standings {
            let order = orders.get(*id).expect("an order stays");
            for (version, standing) in (1..).zip(standings) {
                assert_eq!(order.as_of(version), *standing, "version {version} of {id:?}");
            }
            assert_eq!(order.as_of(u32::MAX), order.standing, "beyond the newest it is the newest");
        }
        assert_eq!(orders.len(), self.standings.len());
        assert_eq!(orders.is_empty(), self.standings.is_empty());

        let owners = BUYERS.iter().map(|name| Some(buyer(name))).chain([None]);
        for owner in owners {
            for status in STATUSES.map(Some).into_iter().chain([None]) {
                for before in self.standings.keys().copied().chain([OrderId(u128::MAX)]) {
                    for count_max in [0, 1, 2, 100] {
                        let listed = orders.ids_before(owner, status, before, count_max);
                        assert_eq!(listed, self.search(owner, status, before, count_max));
                    }
                }
            }
        }
    }

    fn search(
        &self,
        owner: Option<Buyer>,
        status: Option<Status>,
        before: OrderId,
        count_max: usize,
    ) -> Vec<OrderId> {
        let is_wanted = |id: &OrderId| {
            let order = self.books.orders.get(*id).expect("an order stays");
            owner.is_none_or(|owner| order.placed.owner.buyer() == owner)
                && status.is_none_or(|status| order.standing.status == status)
        };
        let ids = self.standings.keys().rev().copied();
        ids.filter(|id| *id < before).filter(is_wanted).take(count_max).collect()
    }

    /// INV-6: after a turn nothing is active at or past its deadline.
    fn check_deadlines(&self) {
        let is_late = |deadline: Option<Timestamp>| deadline.is_some_and(|deadline| deadline <= self.now);
        for (id, reservation) in self.books.reservations.iter() {
            assert!(!is_late(reservation.hold.next_deadline()), "INV-6: {id:?}");
        }
        for (id, cart) in self.books.carts.iter() {
            assert!(!is_late(Some(cart.next_deadline())), "INV-6: {id:?}");
            let is_due = |line: &CartLine| line.hold.is_some_and(|hold| hold.is_due(self.now));
            assert!(!cart.lines.iter().any(is_due), "INV-6: {id:?}");
        }
        for order in self.books.orders.placed() {
            assert!(!is_late(order.next_deadline()), "INV-6: {:?}", order.id);
        }
    }

    /// INV-7: the journal alone gives the state in memory.
    fn replay(&self) {
        let mut replayed = Books::default();
        for (mark, (at, fact)) in (1..).zip(&self.journal) {
            apply(&mut replayed, fact, *at, mark);
        }
        assert_eq!(replayed, self.books, "INV-7: replay gives the state in memory");
    }
}

fn apply(books: &mut Books, fact: &Fact, at: Timestamp, mark: u64) {
    match fact {
        Fact::Reservation(id, event) => books.apply_reservation(*id, event, at, mark),
        Fact::Cart(id, event) => books.apply_cart(*id, event, at),
        Fact::Placed(id, placed) => books.apply_placed(*id, placed, at, mark),
        Fact::Bought(id, bought) => books.apply_bought(*id, bought.clone()),
        Fact::Order(id, event) => {
            let order = books.apply_order(*id, event, at, mark);
            assert_eq!(order, books.orders.get(*id).expect("returned as it is"));
        }
    }
}
