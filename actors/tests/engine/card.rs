//! The public face of a product: whole at every moment, and silent where only a turn can tell.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use holdfast_actors::card::Card;
use holdfast_actors::domain::product::{Command, VariantNo, apply, decide_create};
use holdfast_actors::domain::{Buyer, Product, ProductId, ReservationId, Timestamp, Units};
use holdfast_actors::persistence::{Partition, Sequence, Ticket};

use crate::common::{HOLD, NOW, line, new_product};

const DEADLINE: Timestamp = NOW.after(HOLD);
const UNITS: u32 = 3;

#[test]
fn card_says_sold_out_only_beyond_doubt() {
    let product = with_held(UNITS - 1);
    let card = Card::new(ProductId(1), Partition(0), &product, Ticket::ZERO, Sequence(2));
    let says = |units| card.sold_out(VariantNo(0), Units(units)).map(|(levels, _)| levels.available);
    assert_eq!(says(1), None, "there is one");
    assert_eq!(says(2), Some(Units(1)));
    assert_eq!(says(0), None, "nothing is always there");
    let absent = card.sold_out(VariantNo(1), Units(1));
    assert_eq!(absent, None, "a variant that is not there is the actor's");
    card.publish(None, Ticket::new(3), Sequence(3));
    assert_eq!(says(2), None, "a deleted product is not sold out");
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
                if let Some((levels, ticket)) = card.sold_out(VariantNo(0), Units(1)) {
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
        let hold = Command::Reserve {
            reservation: ReservationId(1),
            buyer: Buyer(1),
            lines: vec![line(0, units)],
            deadline: DEADLINE,
        };
        let events = slot.as_ref().expect("made").decide(&hold).expect("there is enough");
        events.iter().for_each(|event| apply(&mut slot, event, NOW));
    }
    slot.expect("made")
}
