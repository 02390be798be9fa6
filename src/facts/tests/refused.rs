//! What no journal would have said is refused, and the field is named.

use holdfast_actors::record::{self, Events};

use super::golden::stored;
use super::{line, payload};

/// Takes the golden record `name`, replaces `from` by `to` in its line, and expects the refusal.
fn check(name: &str, from: &str, to: &str, expected: &str) {
    let told = line(&stored()[name]);
    assert!(told.contains(from), "{from} is not in {told}");
    let refusal = payload(&told.replacen(from, to, 1)).expect_err("it was changed");
    assert_eq!(refusal, expected, "{from} became {to}");
}

#[test]
fn unknown_or_missing_field_is_refused_by_its_name() {
    let expected = "field `events[0].data.on_shelf`: unknown field `on_shelf`, \
                    expected one of `variant`, `on_hand`, `delta`";
    check("event-counted", r#""on_hand":"#, r#""on_shelf":1,"on_hand":"#, expected);
    let expected = "field `events[0].data`: missing field `on_hand`";
    check("event-counted", r#""on_hand":4000000000,"#, "", expected);
    let expected = "field `events[0].data`: missing field `token_hash`";
    let hash = format!("\"token_hash\":\"{}\"", "5a".repeat(32));
    check("session-rotated", &hash, "", expected);
    let told = line(&stored()["request-made"]).replacen(r#""previous":"#, r#""prevoius":"#, 1);
    assert!(payload(&told).unwrap_err().starts_with("field `prevoius`: unknown field `prevoius`"));
}

#[test]
fn value_out_of_its_bounds_is_refused_where_it_is() {
    let lines = r#"{"variant":99,"quantity":1000000}"#;
    let expected = "field `events[0].data.lines[1].quantity`: invalid value: integer `1000001`, \
                    expected 1 to 1000000 units";
    check("event-reserved", lines, r#"{"variant":99,"quantity":1000001}"#, expected);
    let expected = "field `events[0].data.expires_at`: expected a moment such as 2026-11-20T12:00:00.000Z";
    for moment in [r#""2023-11-14T22:13:20Z""#, r#""yesterday""#, "5", "-1", "1.5", "null"] {
        check("event-extended", r#""2023-11-14T22:13:20.123Z""#, moment, expected);
    }
    let expected = "field `events[0].data.order_id`: \
                    Must be an id such as `ord_01936f5e-7a5c-7000-8000-000000000000`.";
    check("event-canceled", r#""order_id":"ord_"#, r#""order_id":"res_"#, expected);
    let expected = "field `events[0].data.currency`: invalid value: string \"eur\", \
                    expected three capital letters";
    check("event-purchased", r#""EUR""#, r#""eur""#, expected);
    let expected = "field `events[0].data.token_hash`: expected 64 lower-case hex digits";
    check("session-rotated", "5a5a", "5A5A", expected);
    // What only the rules of prices know.
    let expected = "field `events`: the stored price rule is out of range";
    check("price-created-bulk", r#""percent_off":1"#, r#""percent_off":10001"#, expected);
    let expected = "field `events[0].data`: expected one of `percent_off` and `amount_off`";
    check("price-created-bulk", r#""percent_off":1"#, r#""percent_off":null"#, expected);
    let expected = "field `events[0].data`: `tier` is for the kind `tier`, and for that alone";
    check("price-created-bulk", r#""tier":null"#, r#""tier":"gold""#, expected);
}

#[test]
fn fact_of_another_entity_or_under_another_name_is_refused() {
    let expected = "field `events[0].type`: there is no fact `order.shipped`";
    check("order-fulfilled", "order.fulfilled", "order.shipped", expected);
    let expected = "field `events[0].type`: a record of this entity has no `cart.emptied` of such a resource";
    check("order-fulfilled", "order.fulfilled", "cart.emptied", expected);
    let order = "\"type\":\"order\"";
    check(
        "mail-sent-confirmed",
        order,
        "\"type\":\"cart\"",
        "field `events[0].resource.id`: Must be an id such as `cart_01936f5e-7a5c-7000-8000-000000000000`.",
    );
    check(
        "mail-sent-confirmed",
        r#""about":"confirmed""#,
        r#""about":"registered""#,
        &expected.replace("cart.emptied", "mail.sent"),
    );
    let expected = "field `events[0]`: what it says is a `stock.adjusted` of \
                    prod_01920000-0000-7000-8000-0000000000aa";
    check("reason-damaged", "stock.adjusted", "stock.received", expected);
    let expected = "field `events[0]`: what it says is a `order.fulfilled` of \
                    ord_01920000-0000-7000-8000-0000000000cc";
    let resource = r#""resource":{"type":"order","id":"ord_01920000-0000-7000-8000-0000000000cc"}"#;
    let other = r#""resource":{"type":"order","id":"ord_01920000-0000-7000-8000-0000000000cd"}"#;
    check("order-fulfilled", resource, other, expected);
}

#[test]
fn payload_that_says_something_else_than_its_line_is_refused() {
    let expected = "field `payload`: it says something else than the line";
    check("outcome-reservation-released", r#""previous":"#, r#""previous":1"#, expected);
    let expected = "field `payload`: the payload is empty";
    let told = line(&stored()["outcome-order-moved"]);
    let (_, bytes) = told.split_once(r#""payload":""#).unwrap();
    let bytes = bytes.trim_end_matches("\"}");
    check("outcome-order-moved", bytes, "", expected);
    let expected =
        "field `payload`: payload version 2 is newer than this program reads (1): use a newer holdfast";
    check("outcome-order-moved", bytes, "Ag==", expected);
    let told = line(&stored()["outcome-done"]);
    let (_, outcome) = told.split_once(r#""outcome":""#).unwrap();
    let (outcome, _) = outcome.split_once('"').unwrap();
    let expected = "field `key.outcome`: the bytes are not an answer";
    check("outcome-done", outcome, "////", expected);
    check("outcome-done", outcome, "!", "field `key.outcome`: expected base64");
}

#[test]
fn record_whose_events_are_not_its_entitys_keeps_its_stored_bytes() {
    let mut turn = record::decode(&stored()["order-fulfilled"]).unwrap();
    turn.events = Events::Cart(Vec::new());
    let bytes = record::encode(&turn, Vec::new());
    let told = line(&bytes);
    assert!(told.contains(r#""payload":"#), "{told}");
    assert_eq!(payload(&told).as_deref(), Ok(&bytes[..]));
}
