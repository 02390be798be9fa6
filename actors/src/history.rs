//! The history of one order, read from the journal itself: who did what, and when.
//!
//! Every record of an order names the one before it, so a history costs as many reads as it has records. It begins
//! where the order began, which may be in a record of its product (a purchase) or of a reservation (confirmed).
//! Blocks on the disk, as [`crate::ledger`] does; whoever asks knows the order from its books.

use std::sync::Arc;

use holdfast_domain::order::{self, Placed};
use holdfast_domain::product::{self, Line};
use holdfast_domain::{Currency, Money, OrderId, Timestamp, reservation};
use holdfast_persistence::{Partition, Reader, Sequence};

use crate::Position;
use crate::context::Actor;
use crate::ledger::stored_turn;
use crate::record::{Entity, Events, OrderFact, StoredTurn, Turn};

pub use crate::ledger::Error;

/// Records that one history goes through at the most. The rules let an order have fewer than ten.
pub const WALK_RECORDS_MAX: usize = 64;

/// Where the history of an order ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bookmark {
    /// Whose history.
    pub order: OrderId,
    /// The partition of its newest record: the order's own, and for a purchase that nothing happened to since that
    /// of its product.
    pub partition: Partition,
    /// Its newest record: [`holdfast_domain::Order::mark`].
    pub sequence: Sequence,
}

/// What happened.
#[derive(Clone, PartialEq, Debug)]
pub enum Fact {
    /// The order began.
    Placed(Arc<Placed>),
    /// It began as a purchase.
    Bought {
        /// For one unit.
        unit_price: Money,
        /// Of the price.
        currency: Currency,
        /// What, of the product that the record belongs to.
        item_line: Line,
    },
    /// It went on.
    Changed(order::Event),
}

/// One fact.
#[derive(Clone, PartialEq, Debug)]
pub struct Row {
    /// When.
    pub at: Timestamp,
    /// The place of its record.
    pub position: Position,
    /// Who brought it about.
    pub actor: Actor,
    /// What.
    pub fact: Fact,
}

/// Reads everything that happened to an order up to `from`, oldest first.
///
/// What was trimmed from the journal is left out.
///
/// # Errors
///
/// [`Error`], when the journal cannot be read.
pub fn read(reader: &Reader, from: Bookmark) -> Result<Vec<Row>, Error> {
    let mut rows = Vec::new();
    let mut position = Position { partition: from.partition, sequence: from.sequence };
    for _ in 0..WALK_RECORDS_MAX {
        let Some(StoredTurn { turn, at, .. }) = stored_turn(reader, position)? else { break };
        let Turn { actor, entity, previous, events, .. } = turn;
        let facts = facts(from.order, entity, events);
        let is_over = facts.last().is_none_or(is_beginning);
        rows.extend(facts.into_iter().map(|fact| Row { at, position, actor, fact }));
        if is_over {
            break;
        }
        position.sequence = Sequence(previous);
    }
    rows.reverse();
    Ok(rows)
}

/// What a record says of the order, newest first; nothing where the walk has left it.
fn facts(order: OrderId, entity: Entity, events: Events) -> Vec<Fact> {
    match events {
        Events::Order(facts) if entity == Entity::Order(order) => facts.into_iter().rev().map(fact).collect(),
        Events::Product(events) => events.into_iter().filter_map(|event| bought(order, event)).collect(),
        Events::Reservations(facts) => facts.into_iter().filter_map(|(_, it)| confirmed(order, it)).collect(),
        _ => Vec::new(),
    }
}

fn fact(fact: OrderFact) -> Fact {
    match fact {
        OrderFact::Placed(placed) => Fact::Placed(placed),
        OrderFact::Changed(event) => Fact::Changed(event),
    }
}

fn bought(of: OrderId, event: product::Event) -> Option<Fact> {
    match event {
        product::Event::Purchased { order, line, unit_price, currency, .. } if order == of => {
            Some(Fact::Bought { unit_price, currency, item_line: line })
        }
        _ => None,
    }
}

fn confirmed(of: OrderId, event: reservation::Event) -> Option<Fact> {
    match event {
        reservation::Event::Confirmed { order, placed } if order == of => Some(Fact::Placed(placed)),
        _ => None,
    }
}

const fn is_beginning(fact: &Fact) -> bool {
    matches!(fact, Fact::Placed(_) | Fact::Bought { .. })
}

#[cfg(test)]
mod tests {
    use holdfast_domain::ReservationId;
    use holdfast_domain::order::{Cancelation, Event, Source, Through};
    use holdfast_persistence::{Folder, SledJournal, sled_journal};

    use super::*;
    use crate::record::handwritten::{
        PRODUCT_PARTITION, created, one, placed, product_turn, purchased, turn, write,
    };

    const ORDER: OrderId = OrderId(2);
    const OTHER: OrderId = OrderId(3);
    const HOLD: ReservationId = ReservationId(9);
    const PARTITION: u16 = 2;

    /// The history up to the record `sequence` of `partition`, by record and fact.
    fn told(turns: &[(u16, Turn)], partition: u16, sequence: u64) -> Vec<(u64, Fact)> {
        let folder = tempfile::tempdir().expect("there is room");
        let held = Folder::open(folder.path()).expect("the folder is ours");
        let mut journal = SledJournal::open(&held, sled_journal::Options::default()).expect("it opens");
        write(&mut journal, turns);
        let from = Bookmark { order: ORDER, partition: Partition(partition), sequence: Sequence(sequence) };
        let rows = read(&journal.reader(), from).expect("the journal is sound");
        assert!(rows.windows(2).all(|pair| pair[0].at <= pair[1].at), "oldest first");
        assert!(rows.iter().all(|row| row.actor == Actor::Guest(77)));
        rows.into_iter().map(|row| (row.position.sequence.0, row.fact)).collect()
    }

    fn order(order: OrderId, previous: u64, facts: Vec<OrderFact>) -> (u16, Turn) {
        (PARTITION, turn(Entity::Order(order), previous, Events::Order(facts)))
    }

    fn confirmed() -> Event {
        let (reference, through, hold) = (None, Through::Gateway, HOLD);
        Event::Confirmed { reference, through, hold, is_reacquired: false }
    }

    #[test]
    fn placed_order_is_told_oldest_first_and_others_are_left_out() {
        let placed = placed(Source::Lines, HOLD);
        let begun = || OrderFact::Placed(Arc::clone(&placed));
        let turns = [
            order(ORDER, 0, vec![begun()]),
            order(OTHER, 0, vec![begun()]),
            order(ORDER, 1, vec![OrderFact::Changed(Event::Expired), OrderFact::Changed(confirmed())]),
            order(OTHER, 2, vec![OrderFact::Changed(Event::Expired)]),
            order(ORDER, 3, vec![OrderFact::Changed(Event::Fulfilled)]),
        ];
        let whole = [
            (1, Fact::Placed(Arc::clone(&placed))),
            (3, Fact::Changed(Event::Expired)),
            (3, Fact::Changed(confirmed())),
            (5, Fact::Changed(Event::Fulfilled)),
        ];
        assert_eq!(told(&turns, PARTITION, 5), whole);
        assert_eq!(told(&turns, PARTITION, 3), whole[..3]);
        assert_eq!(told(&turns, PARTITION, 4), [], "the record is another order's");
        assert_eq!(told(&turns, PARTITION, 6), [], "there is no such record");
    }

    #[test]
    fn purchase_begins_in_its_products_record() {
        let canceled = Event::Canceled { why: Cancelation::ByAdmin, reason: None };
        let changed = OrderFact::Changed(canceled.clone());
        let mut turns = vec![created(), product_turn(1, vec![purchased(OTHER), purchased(ORDER)])];
        let (unit_price, currency) =
            (placed(Source::Lines, HOLD).total, placed(Source::Lines, HOLD).currency);
        let bought = (2, Fact::Bought { unit_price, currency, item_line: one().line() });
        assert_eq!(told(&turns, PRODUCT_PARTITION, 2), std::slice::from_ref(&bought));
        turns.push((PRODUCT_PARTITION, order(ORDER, 2, vec![changed]).1));
        assert_eq!(told(&turns, PRODUCT_PARTITION, 3), [bought, (3, Fact::Changed(canceled))]);
    }

    #[test]
    fn confirmed_reservation_begins_in_the_reservations_record() {
        let placed = placed(Source::Reservation(HOLD), HOLD);
        let event = |order| reservation::Event::Confirmed { order, placed: Arc::clone(&placed) };
        let facts = vec![
            (ReservationId(8), reservation::Event::Released),
            (ReservationId(7), event(OTHER)),
            (HOLD, event(ORDER)),
        ];
        let turns = [
            (PARTITION, turn(Entity::Reservations, 0, Events::Reservations(facts))),
            order(ORDER, 1, vec![OrderFact::Changed(Event::Fulfilled)]),
        ];
        let whole = [(1, Fact::Placed(Arc::clone(&placed))), (2, Fact::Changed(Event::Fulfilled))];
        assert_eq!(told(&turns, PARTITION, 2), whole);
    }

    #[test]
    fn walk_that_finds_no_beginning_ends() {
        let circle = [order(ORDER, 1, vec![OrderFact::Changed(Event::Refunded)])];
        assert_eq!(told(&circle, PARTITION, 1).len(), WALK_RECORDS_MAX);
        let foreign = [product_turn(1, Vec::new()), (PRODUCT_PARTITION, circle[0].1.clone())];
        assert_eq!(told(&foreign, PRODUCT_PARTITION, 2), [(2, Fact::Changed(Event::Refunded))]);
    }
}
