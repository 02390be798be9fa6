//! One key, one outcome: what the market accepts of second answers, and what it remembers of lost ones.

use super::*;

const SOLD: &[u8] = br#"{"order_id":"ord_1","quantity":2,"available":8}"#;
const OTHER: &[u8] = br#"{"order_id":"ord_2","quantity":2,"available":6}"#;
const REFUSED: &[u8] = br#"{"code":"insufficient_stock","lines":[{"requested":2,"available":1}]}"#;

fn market() -> Market {
    let style = Style { host: "127.0.0.1".into(), run: "00000000".into() };
    let mut market = Market::new(&style);
    market.offer(Product { id: "prod_1".into(), sku: "one".into(), stock: 10 });
    market
}

fn answer(status: u16, body: &[u8], is_replayed: bool) -> Answer<'_> {
    let now = Instant::now();
    Answer { status, body, is_replayed, due_at: now, sent_at: now, answered_at: now }
}

/// Asks once with a key and hears `first`, then asks again and hears `second`.
fn hear_twice(first: &Answer<'_>, second: &Answer<'_>) -> Vec<Invariant> {
    let mut market = market();
    let ticket = market.attempt(0, 2, true, Instant::now());
    assert!(market.hear(ticket, first, false));
    market.hear(ticket, second, true);
    assert!(market.books[0].sales.len() + market.books[0].refusals.len() == 1, "counted once");
    market.findings.broken()
}

#[test]
fn replay_with_the_same_order_is_one_outcome() {
    assert_eq!(hear_twice(&answer(201, SOLD, false), &answer(201, SOLD, true)), []);
    assert_eq!(hear_twice(&answer(409, REFUSED, false), &answer(409, REFUSED, false)), []);
    assert_eq!(hear_twice(&answer(201, SOLD, false), &answer(503, b"", false)), []);
}

#[test]
fn second_order_for_the_same_key_is_found() {
    let broken = hear_twice(&answer(201, SOLD, false), &answer(201, OTHER, true));
    assert_eq!(broken, [Invariant::OneKeyOneOutcome]);
    let broken = hear_twice(&answer(201, SOLD, false), &answer(409, REFUSED, true));
    assert_eq!(broken, [Invariant::OneKeyOneOutcome]);
    let broken = hear_twice(&answer(409, REFUSED, false), &answer(201, SOLD, true));
    assert_eq!(broken, [Invariant::OneKeyOneOutcome]);
}

#[test]
fn replay_without_its_mark_is_found() {
    let broken = hear_twice(&answer(201, SOLD, false), &answer(201, SOLD, false));
    assert_eq!(broken, [Invariant::ReplayIsMarked]);
}

#[test]
fn retry_of_an_unanswered_request_needs_no_mark() {
    let mut market = market();
    let ticket = market.attempt(0, 2, true, Instant::now());
    assert!(!market.is_answered(ticket));
    assert!(!market.hear(ticket, &answer(503, b"", false), false), "still open");
    assert!(market.hear(ticket, &answer(201, SOLD, true), false));
    assert!(market.is_answered(ticket));
    assert_eq!(market.findings.broken(), []);
    assert_eq!(market.tally(), Tally { answers: 2, sold: 1, refused: 0, shed: 1 });
}

#[test]
fn end_of_a_round_keeps_keyed_questions_open_and_gives_up_the_others() {
    let mut market = market();
    let now = Instant::now();
    let keyed = market.attempt(0, 2, true, now);
    market.attempt(0, 3, false, now);
    let answered = market.attempt(0, 2, false, now);
    market.hear(answered, &answer(201, SOLD, false), false);
    assert_eq!(market.round_attempts(), 3);
    assert_eq!(market.close_round(), (1, vec![keyed]));
    assert_eq!(market.books[0].unknown, [3]);
    assert_eq!(market.round_attempts(), 0);
    market.give_up(keyed);
    market.give_up(keyed);
    assert_eq!(market.books[0].unknown, [3, 2]);
}

#[test]
fn replays_are_chosen_among_keyed_answers() {
    let mut market = market();
    let mut chance = Chance::new(1);
    assert!(market.choose_replays(5, &mut chance).is_empty());
    let now = Instant::now();
    let sold = market.attempt(0, 2, true, now);
    market.hear(sold, &answer(201, SOLD, false), false);
    market.attempt(0, 2, true, now);
    market.attempt(0, 2, false, now);
    let replays = market.choose_replays(5, &mut chance);
    assert!(!replays.is_empty() && replays.iter().all(|ticket| *ticket == sold), "{replays:?}");
}

#[test]
fn repeated_request_has_the_same_bytes() {
    let mut market = market();
    let ticket = market.attempt(0, 2, true, Instant::now());
    let mut first = market.template().clone();
    market.write(ticket, &mut first);
    let mut again = Request::purchase(&market.style, "prod_1", false);
    market.write(ticket, &mut again);
    assert_eq!(first.bytes(), again.bytes());
    let text = String::from_utf8_lossy(first.bytes()).into_owned();
    assert!(text.contains("Idempotency-Key: lt00000000-000000000000") && text.ends_with("\"quantity\":2}"));
}
