//! What is accepted as an answer, and what is found wrong.

use super::*;
use crate::checkout::customer::By;
use crate::checkout::journey::Terms;
use crate::shop::PRICE;
use crate::shop::orders::Lines;
use serde_json::{Value, json};

const PENDING: Terms = Terms { ttl_seconds: 1, payment: None };
const NOW: UnixMs = 1_795_176_000_000;

/// One customer, and what they were told.
#[derive(Default)]
struct Scene {
    customer: Option<Customer>,
    claims: Claims,
    findings: Findings,
    tally: Tally,
}

fn lines() -> Lines {
    Lines::from([("a".to_owned(), 2)])
}

fn ask(step: Step, lines: Lines, subject: &str) -> Ask {
    let (path, subject) = ("/".to_owned(), subject.to_owned());
    Ask { step, method: "POST", path, body: None, sender: By::Guest, lines, subject }
}

fn order(status: &str, payment_status: &str, expires_at: Option<&str>) -> Value {
    json!({
        "id": "ord_1", "status": status, "payment_status": payment_status, "total": 2 * PRICE, "email": null,
        "lines": [{ "sku": "a", "quantity": 2 }], "reservation_id": null, "expires_at": expires_at,
        "confirmed_at": null, "reacquired": false,
    })
}

fn pending() -> Value {
    order("pending_payment", "pending", Some("2026-11-20T12:00:01.000Z"))
}

impl Scene {
    fn hear_at(&mut self, now: UnixMs, ask: &Ask, status: u16, body: &Value) -> bool {
        let customer = self.customer.get_or_insert_with(|| Customer::new([Step::Look].into()));
        let (claims, findings, tally) = (&mut self.claims, &mut self.findings, &mut self.tally);
        let mut notes = Notes { claims, findings, tally, mark: 1, now };
        hear(customer, ask, Reply { status, body: body.to_string().as_bytes() }, &mut notes)
    }

    fn hear(&mut self, ask: &Ask, status: u16, body: &Value) -> bool {
        self.hear_at(NOW, ask, status, body)
    }

    /// A customer with an unpaid order that was in their cart.
    fn ordered() -> Self {
        let mut scene = Self::default();
        assert!(scene.hear(&ask(Step::OrderCart(PENDING), lines(), ""), 201, &pending()));
        assert_eq!(scene.findings.broken(), []);
        scene
    }

    fn status(&self) -> OrderStatus {
        self.claims.orders["ord_1"].status
    }

    fn customer(&self) -> &Customer {
        self.customer.as_ref().expect("somebody asked")
    }
}

#[test]
fn cart_must_have_the_lines_that_were_asked_for() {
    let add = ask(Step::Add(2), lines(), "");
    let mut scene = Scene::default();
    scene.hear(&add, 201, &json!({ "lines": [{ "sku": "a", "quantity": 2 }] }));
    assert_eq!((scene.findings.broken(), &scene.customer().cart), (vec![], &lines()));
    scene.hear(&add, 201, &json!({ "lines": [{ "sku": "a", "quantity": 1 }] }));
    assert_eq!(scene.findings.broken(), [Invariant::CartIsAsAsked]);
    assert!(scene.customer().steps.is_empty(), "they leave");
}

#[test]
fn refusals_name_a_short_line() {
    let short = json!({ "code": "insufficient_stock", "lines": [{ "requested": 2, "available": 1 }] });
    let enough = json!({ "code": "insufficient_stock", "lines": [{ "requested": 2, "available": 2 }] });
    let silent = json!({ "code": "insufficient_stock", "lines": [] });
    for step in [Step::Add(2), Step::OrderLines(1, PENDING), Step::Reserve(1, 1)] {
        for (body, expected) in [
            (&short, vec![]),
            (&enough, vec![Invariant::RefusalIsJustified]),
            (&silent, vec![Invariant::RefusalIsJustified]),
        ] {
            let mut scene = Scene::default();
            assert!(scene.hear(&ask(step, lines(), ""), 409, body));
            assert_eq!(scene.tally.refused, u64::from(expected.is_empty()));
            assert_eq!(scene.findings.broken(), expected, "{step:?} {body}");
        }
    }
    let mut scene = Scene::default();
    let empty = ask(Step::OrderCart(PENDING), Lines::new(), "");
    scene.hear(&empty, 409, &json!({ "code": "cart_empty" }));
    assert_eq!((scene.findings.broken(), scene.tally.empty_carts), (vec![], 1));
    scene.hear(&empty, 409, &short);
    assert_eq!(scene.findings.broken(), [Invariant::AnswerIsExpected]);
}

#[test]
fn overloaded_server_leaves_the_question_open() {
    let mut scene = Scene::default();
    for status in [429, 503] {
        assert!(!scene.hear(&ask(Step::Look, lines(), ""), status, &Value::Null));
    }
    assert_eq!((scene.findings.broken(), scene.tally.shed), (vec![], 2));
    assert!(scene.hear(&ask(Step::Look, lines(), ""), 500, &Value::Null));
    assert_eq!(scene.findings.broken(), [Invariant::AnswerIsExpected]);
}

#[test]
fn order_must_be_what_was_asked_for() {
    let make = ask(Step::OrderLines(1, PENDING), lines(), "");
    for (member, value) in [
        ("status", json!("confirmed")),
        ("payment_status", json!("paid")),
        ("total", json!(PRICE)),
        ("lines", json!([{ "sku": "a", "quantity": 1 }])),
        ("lines", json!([{ "sku": "a", "quantity": 1 }, { "sku": "a", "quantity": 1 }])),
    ] {
        let mut body = pending();
        body[member] = value;
        let mut scene = Scene::default();
        scene.hear(&make, 201, &body);
        assert_eq!(scene.findings.broken(), [Invariant::OrderIsAsAsked], "{body}");
    }
    for expires_at in [Value::Null, json!("tomorrow")] {
        let mut body = pending();
        body["expires_at"] = expires_at;
        let mut scene = Scene::default();
        scene.hear(&make, 201, &body);
        assert_eq!(scene.findings.broken(), [Invariant::AnswerIsExpected], "{body}");
    }
    let mut scene = Scene::ordered();
    scene.hear(&make, 201, &pending());
    assert_eq!(scene.findings.broken(), [Invariant::OrderIdIsUnique]);
}

#[test]
fn payment_confirms_or_gives_the_cart_back_or_changes_nothing() {
    let failed = json!({ "code": "payment_failed" });
    let mut scene = Scene::ordered();
    scene.hear(&ask(Step::Pay(Token::Ok), lines(), "ord_1"), 200, &order("confirmed", "paid", None));
    assert_eq!((scene.findings.broken(), scene.status()), (vec![], OrderStatus::Confirmed));
    let mut scene = Scene::ordered();
    assert!(scene.customer().cart.is_empty());
    scene.hear(&ask(Step::Pay(Token::Declined), lines(), "ord_1"), 402, &failed);
    assert_eq!((scene.findings.broken(), scene.status()), (vec![], OrderStatus::Canceled));
    assert_eq!(scene.customer().cart, lines());
    let mut scene = Scene::ordered();
    scene.hear(&ask(Step::Pay(Token::Timeout), lines(), "ord_1"), 402, &failed);
    assert_eq!((scene.findings.broken(), scene.status()), (vec![], OrderStatus::PendingPayment));
    for token in [Token::Declined, Token::Timeout] {
        let mut scene = Scene::ordered();
        scene.hear(&ask(Step::Pay(token), lines(), "ord_1"), 200, &order("confirmed", "paid", None));
        assert_eq!(scene.findings.broken(), [Invariant::AnswerIsExpected]);
    }
}

#[test]
fn declined_order_tells_its_id_and_leaves_the_cart() {
    let terms = Terms { payment: Some(Token::Declined), ..PENDING };
    let make = ask(Step::OrderCart(terms), lines(), "");
    let mut scene = Scene::default();
    scene.hear(&make, 402, &json!({ "code": "payment_failed", "order_id": "ord_1" }));
    assert_eq!((scene.findings.broken(), scene.status()), (vec![], OrderStatus::Canceled));
    let mut scene = Scene::default();
    scene.hear(&make, 402, &json!({ "code": "payment_failed" }));
    assert_eq!(scene.findings.broken(), [Invariant::AnswerIsExpected]);
}

#[test]
fn nothing_is_too_late_before_its_deadline() {
    let late = json!({ "code": "reservation_expired" });
    for (now, expected) in [(NOW + 1_000, vec![]), (NOW + 900, vec![Invariant::DeadlineIsKept])] {
        let mut scene = Scene::ordered();
        scene.hear_at(now, &ask(Step::Pay(Token::Ok), lines(), "ord_1"), 409, &late);
        assert_eq!((scene.findings.broken(), scene.status()), (expected, OrderStatus::Expired));
    }
    let reservation = |status: &str| {
        json!({ "id": "res_1", "status": status, "lines": [{ "sku": "a", "quantity": 2 }], "reference": null,
                "expires_at": "2026-11-20T12:00:01.000Z", "order_id": null })
    };
    for (now, expected) in [(NOW + 1_000, vec![]), (NOW + 900, vec![Invariant::DeadlineIsKept])] {
        for (step, status, body) in
            [(Step::Confirm, 409, late.clone()), (Step::Release, 200, reservation("expired"))]
        {
            let mut scene = Scene::default();
            scene.hear(&ask(Step::Reserve(1, 1), lines(), ""), 201, &reservation("active"));
            scene.hear_at(now, &ask(step, lines(), "res_1"), status, &body);
            assert_eq!(scene.findings.broken(), expected, "{step:?}");
            assert_eq!(scene.claims.reservations["res_1"].status, ReservationStatus::Expired);
        }
    }
}

#[test]
fn order_reads_as_it_was_acknowledged() {
    let check = ask(Step::Check, lines(), "ord_1");
    let mut scene = Scene::ordered();
    scene.hear(&check, 200, &pending());
    assert_eq!(scene.findings.broken(), []);
    scene.hear_at(NOW + 2_000, &check, 200, &order("expired", "pending", None));
    assert_eq!((scene.findings.broken(), scene.status()), (vec![], OrderStatus::Expired));
    let mut scene = Scene::ordered();
    scene.hear(&check, 200, &order("confirmed", "paid", None));
    assert_eq!(scene.findings.broken(), [Invariant::OrderIsAsAcknowledged]);
}

#[test]
fn confirmed_reservation_is_an_order() {
    let mut body = json!({
        "id": "res_1", "status": "active", "lines": [{ "sku": "a", "quantity": 2 }], "reference": null,
        "expires_at": "2026-11-20T12:00:01.000Z", "order_id": null,
    });
    let mut scene = Scene::default();
    scene.hear(&ask(Step::Reserve(1, 1), lines(), ""), 201, &body);
    body["status"] = json!("confirmed");
    let confirm = ask(Step::Confirm, lines(), "res_1");
    scene.hear(&confirm, 200, &body);
    assert_eq!(scene.findings.broken(), [Invariant::AnswerIsExpected], "it tells no order_id");
    body["order_id"] = json!("ord_1");
    scene.findings = Findings::default();
    scene.hear(&confirm, 200, &body);
    assert_eq!((scene.findings.broken(), scene.status()), (vec![], OrderStatus::Confirmed));
}

#[test]
fn what_was_lost_without_a_key_may_have_happened() {
    let mut scene = Scene::ordered();
    let claims = &mut scene.claims;
    give_up(&ask(Step::Pay(Token::Ok), lines(), "ord_1"), 2, claims);
    give_up(&ask(Step::Cancel, lines(), "ord_1"), 3, claims);
    assert!(claims.orders["ord_1"].allows(OrderStatus::Confirmed));
    assert!(claims.orders["ord_1"].allows(OrderStatus::Canceled));
    give_up(&ask(Step::OrderCart(PENDING), lines(), ""), 4, claims);
    give_up(&ask(Step::Reserve(1, 1), lines(), ""), 5, claims);
    give_up(&ask(Step::Purchase(2), lines(), ""), 6, claims);
    give_up(&ask(Step::Look, lines(), ""), 7, claims);
    assert_eq!(claims.lost.count(), 3);
    assert_eq!(claims.lost.orders[&4], lines());
}
