//! Reservations, call by call: units held until a deadline, for one person, all lines or none.

use serde_json::{Value, json};

use crate::client::{expect_id, expect_members, expect_moment};
use crate::person::{Person, at, ms, to_lines, until};
use crate::server::Folder;
use crate::shop::Shop;

const MEMBERS: [&str; 10] = [
    "id",
    "status",
    "lines",
    "reference",
    "metadata",
    "created_at",
    "expires_at",
    "extensions",
    "order_id",
    "version",
];

#[tokio::test]
async fn reservation_holds_units_until_its_deadline_and_says_when_that_is() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let (mug, cup) = (shop.product("MUG", 10).await, shop.product("CUP", 5).await);
    let guest = Person::guest(&shop, 1);

    let body = json!({
        "lines": to_lines(&[("MUG", 3), ("CUP", 5)]), "ttl_seconds": 60, "reference": "basket 7",
        "metadata": { "b": [1, { "c": null }], "a": "ä" },
    });
    let made = guest.post("/reservations", &body).send().await.expect(201);

    expect_members(&made.body, &MEMBERS);
    expect_id(&made.body["id"], "res_");
    assert_eq!(made.header("location"), format!("/api/v1{}", at(&made.body)));
    assert_eq!((made.header("etag"), made.is_replayed()), ("\"1\"", false));
    assert_ne!(made.header("journal-position"), "");
    let lines = json!([
        { "sku": "MUG", "product_id": mug.id, "quantity": 3 },
        { "sku": "CUP", "product_id": cup.id, "quantity": 5 },
    ]);
    let told = ["status", "lines", "reference", "metadata", "extensions", "order_id", "version"]
        .map(|member| made.body[member].clone());
    let expected = [
        json!("active"),
        lines,
        json!("basket 7"),
        body["metadata"].clone(),
        json!(0),
        Value::Null,
        json!(1),
    ];
    assert_eq!(told, expected);
    expect_moment(&made.body["expires_at"]);
    expect_life(&made.body, 60);
    assert_eq!(guest.read(&at(&made.body)).await, made.body);
    assert_eq!(shop.figures("MUG").await, [10, 7, 3, 0]);
    assert_eq!(shop.figures("CUP").await, [5, 0, 5, 0]);

    let plain = json!({ "lines": [{ "sku": "MUG", "quantity": 1 }] });
    let plain = guest.post("/reservations", &plain).send().await.expect(201).body;
    expect_life(&plain, 15 * 60);
    assert_eq!((&plain["reference"], &plain["metadata"]), (&Value::Null, &Value::Null));
    shop.expect_books("MUG").await;
}

/// Checks how long something is held. The deadline counts from the start of the request, the record may be ms later.
#[track_caller]
fn expect_life(held: &Value, seconds: i64) {
    let life = ms(&held["expires_at"]) - ms(&held["created_at"]);
    assert!((1_000 * (seconds - 1)..=1_000 * seconds).contains(&life), "{life} ms: {held}");
}

#[tokio::test]
async fn all_lines_are_held_or_none_and_every_failing_line_is_named() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    shop.product("MUG", 10).await;
    shop.product("CUP", 2).await;
    let limited = json!({
        "name": "Few", "price": 1, "currency": "EUR", "sku": "FEW", "initial_stock": 9, "per_order_limit": 3,
    });
    shop.make(&limited).await;
    let archived = json!({ "name": "Old", "price": 1, "currency": "EUR", "sku": "OLD", "initial_stock": 9, "status": "archived" });
    shop.make(&archived).await;
    let (one, other) = (Person::guest(&shop, 1), Person::guest(&shop, 2));
    other.reserve(&[("CUP", 1), ("FEW", 2)], 60).await;
    let refused = async |lines: &[(&str, u32)]| {
        let body = json!({ "lines": to_lines(lines) });
        one.post("/reservations", &body).send().await
    };

    let all = refused(&[("OLD", 1), ("MUG", 4), ("FEW", 4), ("CUP", 2)]).await;
    let all = all.expect_problem(409, "insufficient_stock");
    let line = |index: u32, sku: &str, code: &str, [requested, available, reserved]: [u32; 3]| {
        json!({
            "index": index, "sku": sku, "code": code, "requested": requested, "available": available,
            "reserved": reserved,
        })
    };
    let expected = json!([
        line(0, "OLD", "invalid_state", [1, 0, 0]),
        line(2, "FEW", "limit_exceeded", [4, 3, 0]),
        line(3, "CUP", "insufficient_stock", [2, 1, 1]),
    ]);
    assert_eq!(all.body["lines"], expected);
    let limit = refused(&[("MUG", 1), ("FEW", 4), ("OLD", 1)]).await.expect_problem(409, "limit_exceeded");
    assert_eq!(limit.body["limit"], 3);
    assert_eq!(limit.body["lines"].as_array().map(Vec::len), Some(2));
    refused(&[("OLD", 1), ("FEW", 4)]).await.expect_problem(409, "invalid_state");
    assert_eq!(shop.figures("MUG").await, [10, 10, 0, 0]);
    assert_eq!(shop.figures("CUP").await, [2, 1, 1, 0]);
    assert_eq!(shop.figures("FEW").await, [9, 7, 2, 0]);
    assert_eq!(one.read("/reservations").await["data"], json!([]));
}

#[tokio::test]
async fn sku_that_nobody_sells_is_not_found_by_its_place() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    shop.product("MUG", 10).await;
    let draft = json!({ "name": "New", "price": 1, "currency": "EUR", "sku": "NEW", "initial_stock": 9, "status": "draft" });
    shop.make(&draft).await;
    let body = json!({ "lines": to_lines(&[("CUP", 7), ("MUG", 1), ("NEW", 2)]) });

    let refused = Person::guest(&shop, 1).post("/reservations", &body).send().await;

    let line = |index: u32, sku: &str, requested: u32| {
        json!({
            "index": index, "sku": sku, "code": "not_found", "requested": requested, "available": 0, "reserved": 0,
        })
    };
    let refused = refused.expect_problem(404, "not_found");
    assert_eq!(refused.body["lines"], json!([line(0, "CUP", 7), line(2, "NEW", 2)]));
    assert_eq!(shop.figures("MUG").await, [10, 10, 0, 0]);
}

#[tokio::test]
async fn body_of_a_reservation_is_checked_field_by_field() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    shop.product("MUG", 1_000_000).await;
    let guest = Person::guest(&shop, 1);
    let good = || json!({ "lines": [{ "sku": "MUG", "quantity": 1 }] });
    let line = |quantity: Value| json!([{ "sku": "MUG", "quantity": quantity }]);
    let many =
        |count: usize| (0..count).map(|it| json!({ "sku": format!("S-{it}"), "quantity": 1 })).collect();
    let mut cases = vec![
        ("lines", Value::Null, "lines"),
        ("lines", json!([]), "lines"),
        ("lines", json!({}), "lines"),
        ("lines", many(101), "lines"),
        ("lines", json!([{}, 7]), "lines[1]"),
        ("lines", json!([{ "sku": "MUG", "quantity": 1, "price": 0 }]), "lines[0].price"),
        ("lines", json!([{ "sku": "MUG", "quantity": 1 }, { "sku": "MUG", "quantity": 2 }]), "lines[1].sku"),
        ("lines", json!([{ "sku": "a b", "quantity": 1 }]), "lines[0].sku"),
        ("reference", json!(""), "reference"),
        ("reference", json!("r".repeat(201)), "reference"),
        ("metadata", json!([]), "metadata"),
        ("metadata", json!("{}"), "metadata"),
        ("metadata", json!({ "m": "m".repeat(4_089) }), "metadata"),
        ("expires_at", json!("2030-01-01T00:00:00.000Z"), "expires_at"),
        ("owner", json!("me"), "owner"),
    ];
    for quantity in [json!(0), json!(-1), json!(1.5), json!("1"), json!(true), Value::Null, json!(1_000_001)]
    {
        cases.push(("lines", line(quantity), "lines[0].quantity"));
    }
    for ttl in [json!(0), json!(3_601), json!(-1), json!(1.5), json!("60"), json!(true)] {
        cases.push(("ttl_seconds", ttl, "ttl_seconds"));
    }
    for (member, value, field) in cases {
        let mut body = good();
        body[member] = value;
        let refused = guest.post("/reservations", &body).send().await;
        assert_eq!(refused.status, 422, "{body}: {}", refused.text);
        assert_eq!(refused.expect_problem(422, "validation_failed").wrong_fields(), [field], "{body}");
    }
    let body = json!({ "lines": [{ "quantity": 0 }], "ttl_seconds": 0, "reference": 1, "metadata": 2 });
    let refused = guest.post("/reservations", &body).send().await.expect_problem(422, "validation_failed");
    let expected = ["lines[0].sku", "lines[0].quantity", "ttl_seconds", "reference", "metadata"];
    assert_eq!(refused.wrong_fields(), expected);
    assert_eq!(shop.figures("MUG").await, [1_000_000, 1_000_000, 0, 0]);

    let largest = json!({
        "lines": line(json!(1_000_000)), "ttl_seconds": 3_600, "reference": "r".repeat(200),
        "metadata": { "m": "m".repeat(4_088) },
    });
    guest.post("/reservations", &largest).send().await.expect(201);
}

#[tokio::test]
async fn extension_counts_from_now_and_has_an_end() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    shop.product("MUG", 10).await;
    let guest = Person::guest(&shop, 1);
    let extend = |held: &Value, ttl: u32| {
        guest.post(&format!("{}/extend", at(held)), &json!({ "ttl_seconds": ttl })).send()
    };
    let held = guest.reserve(&[("MUG", 2)], 60).await;

    for extensions in 1..=3 {
        let longer = extend(&held, 600).await.expect(200);
        assert_eq!(
            (&longer.body["extensions"], &longer.body["version"]),
            (&json!(extensions), &json!(extensions + 1))
        );
        assert_eq!(longer.header("etag"), format!("\"{}\"", extensions + 1));
        let gained = ms(&longer.body["expires_at"]) - ms(&held["created_at"]);
        assert!((600_000..660_000).contains(&gained), "{gained} ms after it was made");
        assert_eq!(guest.read(&at(&held)).await, longer.body);
    }
    extend(&held, 600).await.expect_problem(409, "limit_exceeded");
    let long = guest.reserve(&[("MUG", 1)], 3_600).await;
    until("an hour in all is over", async || (extend(&long, 3_600).await.status == 409).then_some(())).await;
    extend(&long, 3_600).await.expect_problem(409, "limit_exceeded");
    let shorter = extend(&guest.reserve(&[("MUG", 1)], 60).await, 1).await.expect(200).body;
    assert!(ms(&shorter["expires_at"]) < ms(&shorter["created_at"]) + 60_000, "it may be shorter as well");
    let bad = guest.post(&format!("{}/extend", at(&held)), &json!({})).send().await;
    assert_eq!(bad.expect_problem(422, "validation_failed").wrong_fields(), ["ttl_seconds"]);

    let given_back = guest.reserve(&[("MUG", 1)], 60).await;
    guest.tell(&format!("{}/release", at(&given_back))).send().await.expect(200);
    extend(&given_back, 60).await.expect_problem(409, "invalid_state");
    let sold = guest.reserve(&[("MUG", 1)], 60).await;
    guest.tell(&format!("{}/confirm", at(&sold))).send().await.expect(200);
    extend(&sold, 60).await.expect_problem(409, "invalid_state");
    shop.expect_books("MUG").await;
    let is_its = |row: &&Value| row["kind"] == "extended" && row["cause"]["id"] == held["id"];
    assert_eq!(shop.movements("MUG").await.iter().filter(is_its).count(), 3, "the ledger knows each");
}

#[tokio::test]
async fn confirmed_reservation_is_a_paid_order_for_ever() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    shop.product("MUG", 10).await;
    shop.product("CUP", 10).await;
    let customer = Person::customer(&shop, 1);
    let held = customer.reserve(&[("MUG", 3), ("CUP", 1)], 60).await;

    let sold = customer.tell(&format!("{}/confirm", at(&held))).send().await.expect(200);

    assert_eq!((&sold.body["status"], &sold.body["version"]), (&json!("confirmed"), &json!(2)));
    expect_id(&sold.body["order_id"], "ord_");
    assert_ne!(sold.header("journal-position"), "");
    let order = customer.read(&format!("/orders/{}", sold.body["order_id"].as_str().expect("an id"))).await;
    let told = ["status", "payment_status", "reservation_id", "total", "cart_id"].map(|it| order[it].clone());
    assert_eq!(told, [json!("confirmed"), json!("paid"), held["id"].clone(), json!(4 * 1_999), Value::Null]);
    assert_eq!(shop.figures("MUG").await, [10, 7, 0, 3]);
    assert_eq!(shop.figures("CUP").await, [10, 9, 0, 1]);
    for body in [None, Some("{}")] {
        let ask = customer.tell(&format!("{}/confirm", at(&held)));
        let again = body.map_or(customer.tell(&format!("{}/confirm", at(&held))), |body| ask.text(body));
        assert_eq!(again.send().await.expect(200).body, sold.body, "the same answer again");
    }
    customer.tell(&format!("{}/release", at(&held))).send().await.expect_problem(409, "invalid_state");
    assert_eq!(shop.figures("MUG").await, [10, 7, 0, 3]);
    let strange = customer.post(&format!("{}/confirm", at(&held)), &json!({ "price": 0 })).send().await;
    assert_eq!(strange.expect_problem(422, "validation_failed").wrong_fields(), ["price"]);
    let typed = customer.tell(&format!("{}/confirm", at(&held))).body("x=1").send().await;
    typed.expect_problem(415, "unsupported_media_type");
    shop.expect_books("MUG").await;
}

#[tokio::test]
async fn released_units_are_back_once() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    shop.product("MUG", 3).await;
    let (one, other) = (Person::guest(&shop, 1), Person::guest(&shop, 2));
    let held = one.reserve(&[("MUG", 3)], 60).await;
    let release = || one.tell(&format!("{}/release", at(&held))).send();

    let first = release().await.expect(200);
    assert_eq!(first.body["status"], "released");
    assert_eq!(shop.figures("MUG").await, [3, 3, 0, 0]);
    other.reserve(&[("MUG", 2)], 60).await;
    assert_eq!(release().await.expect(200).body, first.body, "the same answer again");
    assert_eq!(shop.figures("MUG").await, [3, 1, 2, 0], "another's units stay held");
    one.tell(&format!("{}/confirm", at(&held))).send().await.expect_problem(409, "invalid_state");
    assert_eq!(one.read(&at(&held)).await, first.body);
    shop.expect_books("MUG").await;
}

#[tokio::test]
async fn deadline_is_exact_whoever_comes_after_it() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    shop.product("MUG", 100).await;
    let guest = Person::guest(&shop, 1);
    let held = guest.reserve(&[("MUG", 40)], 1).await;
    let racing = guest.reserve(&[("MUG", 1)], 1).await;

    // Asked all the time around the deadline: never expired before it, never active long after.
    let expired = until("it expires", async || {
        let found = guest.read(&at(&held)).await;
        let now = jiff::Timestamp::now().as_millisecond();
        match found["status"].as_str() {
            Some("expired") => {
                assert!(now >= ms(&held["expires_at"]), "{found} at {now}");
                Some(found)
            }
            _ => None,
        }
    })
    .await;
    assert_eq!(expired["expires_at"], held["expires_at"]);
    for verb in ["confirm", "extend"] {
        let body = if verb == "extend" { json!({ "ttl_seconds": 60 }) } else { json!({}) };
        let late = guest.post(&format!("{}/{verb}", at(&held)), &body).send().await;
        late.expect_problem(409, "reservation_expired");
    }
    let released = guest.tell(&format!("{}/release", at(&held))).send().await.expect(200);
    assert_eq!(released.body, expired, "its units are back already, and that is how it ended");
    guest.wait_for(&racing, "expired").await;
    assert_eq!(shop.figures("MUG").await, [100, 100, 0, 0]);
    shop.expect_books("MUG").await;
    let rows = shop.movements("MUG").await;
    let ended: Vec<_> = rows.iter().filter(|row| row["kind"] == "expired").collect();
    assert_eq!(ended.len(), 2, "each comes back once");
    assert!(ended.iter().all(|row| row["actor"]["type"] == "system"), "{ended:?}");
}

#[tokio::test]
async fn deadline_that_passed_while_the_server_was_down_is_kept_before_anybody_is_let_in() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    shop.product("MUG", 10).await;
    let guest = Person::guest(&shop, 1);
    let held = guest.reserve(&[("MUG", 4)], 1).await;
    let order = guest.order(&[("MUG", 3)], 1).await;
    let long = guest.reserve(&[("MUG", 2)], 600).await;
    server.kill();
    let deadline = ms(&held["expires_at"]).max(ms(&order["expires_at"]));
    until("the deadlines pass", async || (jiff::Timestamp::now().as_millisecond() > deadline).then_some(()))
        .await;

    let server = folder.start();
    let shop = Shop::of(&server);
    let guest = Person::guest(&shop, 1);
    assert_eq!(shop.figures("MUG").await, [10, 8, 2, 0], "looked at once, at the first moment");
    for (thing, status) in [(&held, "expired"), (&order, "expired"), (&long, "active")] {
        assert_eq!(guest.read(&at(thing)).await["status"], status);
    }
    shop.expect_books("MUG").await;
}

#[tokio::test]
async fn reservation_is_there_for_its_owner_and_for_admins_only() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    shop.product("MUG", 100).await;
    let owners = [Person::guest(&shop, 1), Person::customer(&shop, 1)];
    let others = [Person::guest(&shop, 2), Person::customer(&shop, 2)];
    let admin = Person::admin(&shop);
    for owner in &owners {
        let held = owner.reserve(&[("MUG", 2)], 60).await;
        for other in &others {
            other.get(&at(&held)).send().await.expect_problem(404, "not_found");
            for (verb, body) in
                [("extend", json!({ "ttl_seconds": 9 })), ("confirm", json!({})), ("release", json!({}))]
            {
                let refused = other.post(&format!("{}/{verb}", at(&held)), &body).send().await;
                refused.expect_problem(404, "not_found");
            }
            assert_eq!(other.read("/reservations").await["data"], json!([]));
        }
        assert_eq!(admin.read(&at(&held)).await, held);
        let extend = admin.post(&format!("{}/extend", at(&held)), &json!({ "ttl_seconds": 9 })).send().await;
        extend.expect_problem(404, "not_found");
        let released = admin.tell(&format!("{}/release", at(&held))).send().await.expect(200);
        assert_eq!(owner.read(&at(&held)).await, released.body);
        let sold = owner.reserve(&[("MUG", 1)], 60).await;
        let sold = admin.tell(&format!("{}/confirm", at(&sold))).send().await.expect(200).body;
        let order = format!("/orders/{}", sold["order_id"].as_str().expect("an id"));
        assert_eq!(owner.read(&order).await["status"], "confirmed", "the order is its owner's, too");
    }
    for id in
        ["res_01936f5e-7a5c-7000-8000-000000000000", "res_1", "ord_01936f5e-7a5c-7000-8000-000000000000"]
    {
        admin.get(&format!("/reservations/{id}")).send().await.expect_problem(404, "not_found");
        let confirm = admin.tell(&format!("/reservations/{id}/confirm")).send().await;
        confirm.expect_problem(404, "not_found");
    }
    assert_eq!(shop.figures("MUG").await, [100, 98, 0, 2]);
}

#[tokio::test]
async fn guest_without_a_session_is_given_the_one_that_owns_the_reservation() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    shop.product("MUG", 5).await;
    let body = json!({ "lines": to_lines(&[("MUG", 1)]) });
    let made = shop.client.post("/reservations", &body).send().await.expect(201);
    let session = made.header("x-session-id").to_owned();
    assert_ne!(session, "");
    let read = |session: &str| shop.client.get(&at(&made.body)).session(session).send();
    assert_eq!(read(&session).await.expect(200).body, made.body);
    shop.client.get(&at(&made.body)).send().await.expect_problem(404, "not_found");
}

#[tokio::test]
async fn limit_per_customer_counts_what_is_only_held() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let body = json!({
        "name": "Few", "price": 1, "currency": "EUR", "sku": "FEW", "initial_stock": 9, "per_customer_limit": 3,
    });
    let few = shop.make(&body).await;
    let (one, other) = (Person::customer(&shop, 1), Person::customer(&shop, 2));
    let held = one.reserve(&[("FEW", 2)], 60).await;

    let more = json!({ "lines": to_lines(&[("FEW", 2)]) });
    let refused = one.post("/reservations", &more).send().await.expect_problem(409, "limit_exceeded");
    assert_eq!((&refused.body["limit"], &refused.body["lines"][0]["available"]), (&json!(3), &json!(1)));
    one.purchase(&few, 2).await.expect_problem(409, "limit_exceeded");
    other.reserve(&[("FEW", 3)], 60).await;
    one.tell(&format!("{}/release", at(&held))).send().await.expect(200);
    one.reserve(&[("FEW", 3)], 60).await;
    assert_eq!(shop.figures("FEW").await, [9, 3, 6, 0]);
}
