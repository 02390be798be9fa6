//! The public face of a product: whole at every moment, and silent where only a turn can tell.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use holdfast_actors::card::Card;
use holdfast_actors::domain::product::{VariantNo, apply, decide_create};
use holdfast_actors::domain::{Product, ProductId, ReservationId, Timestamp, Units};
use holdfast_actors::persistence::{Partition, Sequence, Ticket};

use crate::common::{HOLD, NOW, new_product, reserve};

const DEADLINE: Timestamp = NOW.after(HOLD);
const EVE: Timestamp = Timestamp(DEADLINE.0 - 1);
const UNITS: u32 = 3;

#[test]
fn card_does_not_say_sold_out_when_a_hold_is_due() {
    let product = with_held(UNITS);
    let card = Card::new(ProductId(1), Partition(0), &product, Ticket::ZERO, Sequence(2));
    let says = |now| card.sold_out(VariantNo(0), Units(1), now).map(|(levels, _)| levels.available);
    assert_eq!(says(NOW), Some(Units(0)));
    assert_eq!(says(EVE), Some(Units(0)));
    assert_eq!(says(DEADLINE), None);
    assert_eq!(card.sold_out(VariantNo(0), Units(0), NOW), None, "nothing is always there");
    assert_eq!(
        card.sold_out(VariantNo(1), Units(1), NOW),
        None,
        "a variant that is not there is the actor's"
    );
    card.publish(None, Ticket::new(3), Sequence(3));
    assert_eq!(says(NOW), None, "a deleted product is not sold out");
    assert!(card.facts().is_none());
    assert_eq!(card.snapshot().ticket, Ticket::new(3));
}

/// Each state has its ticket and sequence: a reader that mixes two of them is found out.
#[test]
fn readers_never_see_half_a_turn() {
    const TURNS: u64 = 200_000;
    let states: Vec<Product> = (0..=UNITS).map(with_held).collect();
    let card = Arc::new(Card::new(ProductId(1), Partition(0), &states[0], Ticket::ZERO, Sequence(0)));
    let is_over = Arc::new(AtomicBool::new(false));
    let reader = || {
        let (card, is_over) = (Arc::clone(&card), Arc::clone(&is_over));
        std::thread::spawn(move || {
            let mut newest = Sequence(0);
            while !is_over.load(Ordering::Relaxed) {
                let seen = card.snapshot();
                let held = u32::try_from(seen.last_sequence.0 % u64::from(UNITS + 1)).expect("it is small");
                let levels = seen.variants[0].levels;
                assert_eq!((levels.available.0, levels.reserved.0), (UNITS - held, held));
                assert_eq!(seen.ticket.number(), seen.last_sequence.0);
                assert!(seen.last_sequence >= newest, "what was seen stays seen");
                newest = seen.last_sequence;
                if let Some((levels, ticket)) = card.sold_out(VariantNo(0), Units(1), NOW) {
                    assert_eq!((levels.available.0, levels.reserved.0), (0, UNITS));
                    assert_eq!(ticket.number() % u64::from(UNITS + 1), u64::from(UNITS));
                }
            }
        })
    };
    let readers = [reader(), reader()];
    for turn in 1..=TURNS {
        let state = usize::try_from(turn % u64::from(UNITS + 1)).expect("it is small");
        card.publish(Some(&states[state]), Ticket::new(turn), Sequence(turn));
    }
    is_over.store(true, Ordering::Relaxed);
    for reader in readers {
        reader.join().expect("it saw whole turns only");
    }
}

fn with_held(units: u32) -> Product {
    let mut slot = None;
    let created = decide_create(&new_product("lamp", UNITS)).expect("well formed");
    created.iter().for_each(|event| apply(&mut slot, event, NOW));
    if units > 0 {
        let hold = reserve(ReservationId(1), units, DEADLINE);
        let events = slot.as_ref().expect("made").decide(&hold, NOW).expect("there is enough");
        events.iter().for_each(|event| apply(&mut slot, event, NOW));
    }
    slot.expect("made")
}
