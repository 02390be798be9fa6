//! Carts, call by call: what somebody means to buy, and the units held for it meanwhile.

use serde_json::{Value, json};

use crate::client::{Ask, expect_id, expect_members, expect_moment};
use crate::person::{Person, ms, until};
use crate::server::Folder;
use crate::shop::{Product, Shop};

const MEMBERS: [&str; 8] =
    ["id", "lines", "subtotal", "discount", "total", "currency", "expires_at", "version"];
const LINE: [&str; 7] = ["sku", "product_id", "name", "quantity", "unit_price", "total", "reservation"];
const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// A product with something special, or with `null` for nothing.
async fn special(shop: &Shop, sku: &str, stock: u32, members: Value) -> Product {
    let mut body =
        json!({ "name": sku, "price": 500, "currency": "EUR", "sku": sku, "initial_stock": stock });
    for (member, value) in members.as_object().expect("members are an object") {
        body[member] = value.clone();
    }
    shop.make(&body).await
}

/// Quantities by sku, and how each line's hold stands.
fn told(cart: &Value) -> Vec<(String, u64, String)> {
    let text = |value: &Value| value.as_str().unwrap_or("none").to_owned();
    let line = |line: &Value| {
        let quantity = line["quantity"].as_u64().expect("a quantity is a number");
        (text(&line["sku"]), quantity, text(&line["reservation"]["status"]))
    };
    cart["lines"].as_array().expect("a cart has lines").iter().map(line).collect()
}

fn line(sku: &str, quantity: u64, held: &str) -> (String, u64, String) {
    (sku.to_owned(), quantity, held.to_owned())
}

fn set(person: &Person, sku: &str, quantity: u32) -> Ask {
    person.put(&format!("/cart/items/{sku}"), &json!({ "quantity": quantity }))
}

fn add(person: &Person, sku: &str, quantity: u32) -> Ask {
    person.post("/cart/items", &json!({ "sku": sku, "quantity": quantity }))
}

#[tokio::test]
async fn everybody_has_a_cart_that_is_empty_at_first() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let empty = json!({
        "id": null, "lines": [], "subtotal": 0, "discount": 0, "total": 0, "currency": null, "expires_at": null,
        "version": 0,
    });
    for person in [Person::guest(&shop, 1), Person::customer(&shop, 1), Person::admin(&shop)] {
        assert_eq!(person.read("/cart").await, empty);
        person.delete("/cart").send().await.expect(204);
        assert_eq!(person.read("/cart").await, empty, "an empty cart is cleared as well");
    }
    let stranger = shop.client.get("/cart").send().await.expect(200);
    assert_ne!(stranger.header("x-session-id"), "", "a guest without a session is given one");
}

#[tokio::test]
async fn line_holds_its_units_and_the_cart_says_what_it_costs() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let mug = shop.product("MUG", 10).await;
    let book = special(&shop, "BOOK", 5, json!({ "reserve_on": "checkout" })).await;
    let guest = Person::guest(&shop, 1);
    let before = jiff::Timestamp::now().as_millisecond();

    let first = add(&guest, "MUG", 3).send().await.expect(201);

    expect_members(&first.body, &MEMBERS);
    expect_id(&first.body["id"], "cart_");
    let mug_line = &first.body["lines"][0];
    expect_members(mug_line, &LINE);
    expect_members(&mug_line["reservation"], &["status", "expires_at"]);
    let held = ms(&mug_line["reservation"]["expires_at"]) - before;
    assert!((15 * 60_000..16 * 60_000).contains(&held), "held for {held} ms");
    expect_moment(&first.body["expires_at"]);
    let kept = ms(&first.body["expires_at"]) - before;
    assert!((7 * DAY_MS..8 * DAY_MS).contains(&kept), "kept for {kept} ms");
    assert_ne!(first.header("journal-position"), "");
    assert!(first.header("etag").starts_with(&format!("\"{}-", first.body["version"])));

    let by_id = json!({ "product_id": book.id, "quantity": 2 });
    let both = guest.post("/cart/items", &by_id).send().await.expect(201).body;
    assert_eq!(told(&both), [line("MUG", 3, "active"), line("BOOK", 2, "none")]);
    assert_eq!(both["lines"][1]["reservation"], Value::Null, "held at checkout only");
    let rest = ["product_id", "name", "unit_price", "total"].map(|member| both["lines"][0][member].clone());
    assert_eq!(rest, [json!(mug.id), json!("MUG"), json!(1_999), json!(5_997)]);
    let sums = ["subtotal", "discount", "total", "currency"].map(|member| both[member].clone());
    assert_eq!(sums, [json!(6_997), json!(0), json!(6_997), json!("EUR")]);
    assert_eq!(both["id"], first.body["id"], "one cart for each");
    assert_eq!(guest.read("/cart").await, both);
    assert_eq!(shop.figures("MUG").await, [10, 7, 3, 0]);
    assert_eq!(shop.figures("BOOK").await, [5, 5, 0, 0]);
}

#[tokio::test]
async fn lines_are_added_to_and_set_and_taken_out() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    shop.product("MUG", 10).await;
    shop.product("CUP", 10).await;
    let guest = Person::guest(&shop, 1);

    guest.add("MUG", 2).await;
    assert_eq!(told(&guest.add("MUG", 3).await), [line("MUG", 5, "active")], "quantities add up");
    let both = set(&guest, "CUP", 4).send().await.expect(200).body;
    assert_eq!(told(&both), [line("MUG", 5, "active"), line("CUP", 4, "active")], "a new line can be set");
    let fewer = set(&guest, "MUG", 1).send().await.expect(200).body;
    assert_eq!(told(&fewer), [line("MUG", 1, "active"), line("CUP", 4, "active")]);
    assert_eq!(shop.figures("MUG").await, [10, 9, 1, 0]);
    assert_eq!(told(&set(&guest, "MUG", 0).send().await.expect(200).body), [line("CUP", 4, "active")]);
    assert_eq!(told(&set(&guest, "MUG", 0).send().await.expect(200).body), [line("CUP", 4, "active")]);
    assert_eq!(shop.figures("MUG").await, [10, 10, 0, 0]);
    let gone = guest.delete("/cart/items/CUP").send().await.expect(200);
    assert_eq!((told(&gone.body), &gone.body["currency"]), (vec![], &Value::Null));
    guest.delete("/cart/items/CUP").send().await.expect_problem(404, "not_found");
    guest.add("MUG", 10).await;
    guest.add("CUP", 1).await;
    let cleared = guest.delete("/cart").send().await.expect(204);
    assert_ne!(cleared.header("journal-position"), "");
    assert_eq!(told(&guest.read("/cart").await), []);
    for sku in ["MUG", "CUP"] {
        assert_eq!(shop.figures(sku).await, [10, 10, 0, 0]);
        shop.expect_books(sku).await;
    }
}

#[tokio::test]
async fn nobody_is_refused_because_of_their_own_hold() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    special(&shop, "FEW", 5, json!({ "per_customer_limit": 5, "per_order_limit": 5 })).await;
    let (one, other) = (Person::guest(&shop, 1), Person::guest(&shop, 2));
    one.add("FEW", 3).await;

    let refused = add(&other, "FEW", 3).send().await.expect_problem(409, "insufficient_stock");
    let expected = json!([{
        "index": 0, "sku": "FEW", "code": "insufficient_stock", "requested": 3, "available": 2, "reserved": 3,
    }]);
    assert_eq!(refused.body["lines"], expected);
    assert_eq!(told(&one.add("FEW", 2).await), [line("FEW", 5, "active")], "up to the last unit");
    let all = add(&one, "FEW", 1).send().await;
    assert_eq!(all.status, 409, "{}", all.text);
    set(&one, "FEW", 5).send().await.expect(200);
    assert_eq!(told(&one.read("/cart").await), [line("FEW", 5, "active")]);
    assert_eq!(shop.figures("FEW").await, [5, 0, 5, 0]);
    add(&other, "FEW", 1).send().await.expect_problem(409, "insufficient_stock");
    assert_eq!(told(&other.read("/cart").await), [], "what is refused changes nothing");
    shop.expect_books("FEW").await;
}

#[tokio::test]
async fn own_cart_is_not_in_the_way_of_a_purchase() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let few = special(&shop, "FEW", 3, json!({})).await;
    let (one, other) = (Person::guest(&shop, 1), Person::guest(&shop, 2));
    one.add("FEW", 3).await;
    other.purchase(&few, 1).await.expect_problem(409, "insufficient_stock");
    one.purchase(&few, 2).await.expect(201);
    let [on_hand, available, reserved, committed] = shop.figures("FEW").await;
    assert_eq!((on_hand, available + reserved, committed), (3, 1, 2));
    shop.expect_books("FEW").await;
}

#[tokio::test]
async fn what_cannot_be_sold_does_not_get_into_a_cart() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let few = special(&shop, "FEW", 9, json!({ "per_order_limit": 3 })).await;
    special(&shop, "OLD", 9, json!({ "status": "archived" })).await;
    special(&shop, "NEW", 9, json!({ "status": "draft" })).await;
    special(&shop, "YEN", 9, json!({ "currency": "JPY" })).await;
    let variants = json!([{ "sku": "TEE-S", "initial_stock": 1 }, { "sku": "TEE-M", "initial_stock": 1 }]);
    let tee = json!({ "name": "Tee", "price": 100, "currency": "EUR", "variants": variants });
    let tee = shop.make(&tee).await;
    let guest = Person::guest(&shop, 1);

    let limited = add(&guest, "FEW", 4).send().await.expect_problem(409, "limit_exceeded");
    assert_eq!((&limited.body["limit"], &limited.body["lines"][0]["sku"]), (&json!(3), &json!("FEW")));
    guest.add("FEW", 2).await;
    add(&guest, "FEW", 2).send().await.expect_problem(409, "limit_exceeded");
    add(&guest, "OLD", 1).send().await.expect_problem(409, "invalid_state");
    add(&guest, "NEW", 1).send().await.expect_problem(404, "not_found");
    for sku in ["CUP", "a%20b"] {
        set(&guest, sku, 1).send().await.expect_problem(404, "not_found");
        guest.delete(&format!("/cart/items/{sku}")).send().await.expect_problem(404, "not_found");
    }
    let mixed = add(&guest, "YEN", 1).send().await.expect_problem(422, "validation_failed");
    assert_eq!(mixed.body["errors"][0]["code"], "currency_mismatch");
    let unnamed = guest.post("/cart/items", &json!({ "product_id": tee.id, "quantity": 1 })).send().await;
    assert_eq!(unnamed.expect_problem(422, "validation_failed").wrong_fields(), ["sku"]);
    let unknown = json!({ "product_id": "prod_01936f5e-7a5c-7000-8000-000000000000", "quantity": 1 });
    guest.post("/cart/items", &unknown).send().await.expect_problem(404, "not_found");
    for (body, fields) in [
        (json!({ "quantity": 1 }), vec!["sku"]),
        (json!({ "sku": "FEW", "product_id": few.id, "quantity": 1 }), vec!["product_id"]),
        (json!({ "sku": "a b" }), vec!["sku", "quantity"]),
        (json!({ "product_id": "FEW", "quantity": 0 }), vec!["product_id", "quantity"]),
        (json!({ "sku": "FEW", "quantity": 1, "unit_price": 0 }), vec!["unit_price"]),
    ] {
        let refused = guest.post("/cart/items", &body).send().await;
        assert_eq!(refused.expect_problem(422, "validation_failed").wrong_fields(), fields, "{body}");
    }
    for quantity in [json!(-1), json!(1.5), json!("1"), Value::Null, json!(1_000_001)] {
        let refused = guest.put("/cart/items/FEW", &json!({ "quantity": quantity })).send().await;
        assert_eq!(refused.expect_problem(422, "validation_failed").wrong_fields(), ["quantity"]);
    }
    let sum = add(&guest, "FEW", 1_000_000).send().await;
    sum.expect_problem(422, "validation_failed");
    assert_eq!(told(&guest.read("/cart").await), [line("FEW", 2, "active")]);
    assert_eq!(shop.figures("FEW").await, [9, 7, 2, 0]);
}

#[tokio::test]
async fn cart_has_at_most_a_hundred_lines() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let variant = |number: u32| json!({ "sku": format!("V-{number}"), "initial_stock": 1 });
    let half = |from: u32| {
        json!({
            "name": "Many", "price": 1, "currency": "EUR", "variants": (from..from + 51).map(variant).collect::<Value>(),
        })
    };
    shop.make(&half(0)).await;
    shop.make(&half(51)).await;
    let guest = Person::guest(&shop, 1);
    for number in 0..100 {
        guest.add(&format!("V-{number}"), 1).await;
    }
    add(&guest, "V-100", 1).send().await.expect_problem(422, "validation_failed");
    let cart = guest.read("/cart").await;
    assert_eq!((told(&cart).len(), &cart["total"]), (100, &json!(100)));
    guest.delete("/cart/items/V-0").send().await.expect(200);
    guest.add("V-100", 1).await;
}

#[tokio::test]
async fn lapsed_line_stays_marked_and_its_units_are_for_others_until_it_is_tried_again() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let hot = special(&shop, "HOT", 3, json!({ "reservation_ttl_seconds": 1 })).await;
    shop.product("MUG", 10).await;
    let (one, other) = (Person::guest(&shop, 1), Person::guest(&shop, 2));
    one.add("MUG", 1).await;
    let cart = one.add("HOT", 2).await;
    let deadline = ms(&cart["lines"][1]["reservation"]["expires_at"]);

    let lapsed = until("the line lapses", async || {
        let cart = one.read("/cart").await;
        let now = jiff::Timestamp::now().as_millisecond();
        let is_lapsed = told(&cart)[1] == line("HOT", 2, "expired");
        assert!(!is_lapsed || now >= deadline, "lapsed at {now}, not at {deadline}");
        is_lapsed.then_some(cart)
    })
    .await;
    assert_eq!(told(&lapsed)[0], line("MUG", 1, "active"), "other lines live on");
    assert_eq!(lapsed["total"], 1_999 + 1_000, "the line is still meant to be bought");
    until("its units are back", async || (shop.figures("HOT").await == [3, 3, 0, 0]).then_some(())).await;
    assert_eq!(other.purchase(&hot, 2).await.status, 201, "whoever is first");
    set(&one, "HOT", 2).send().await.expect_problem(409, "insufficient_stock");
    let again = set(&one, "HOT", 1).send().await.expect(200).body;
    assert_eq!(told(&again), [line("MUG", 1, "active"), line("HOT", 1, "active")]);
    assert_eq!(shop.figures("HOT").await, [3, 0, 1, 2]);
    until("it lapses again", async || (shop.figures("HOT").await == [3, 1, 0, 2]).then_some(())).await;
    shop.expect_books("HOT").await;
}

#[tokio::test]
async fn change_of_the_cart_keeps_its_other_lines_held() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    special(&shop, "HOT", 3, json!({ "reservation_ttl_seconds": 2 })).await;
    shop.product("MUG", 10).await;
    let guest = Person::guest(&shop, 1);
    let first = guest.add("HOT", 2).await;
    let deadline = ms(&first["lines"][0]["reservation"]["expires_at"]);

    // Busy all the time until the first deadline is over: the line must be alive then.
    let busy = until("the first deadline is over", async || {
        let cart = guest.add("MUG", 1).await;
        guest.delete("/cart/items/MUG").send().await.expect(200);
        (jiff::Timestamp::now().as_millisecond() > deadline).then_some(cart)
    })
    .await;
    assert_eq!(told(&busy)[0], line("HOT", 2, "active"));
    assert!(ms(&busy["lines"][0]["reservation"]["expires_at"]) > deadline);
    assert_eq!(shop.figures("HOT").await, [3, 1, 2, 0]);
}

#[tokio::test]
async fn prices_are_those_of_now_and_the_tag_notices() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let mug = shop.product("MUG", 10).await;
    let (one, other) = (Person::customer(&shop, 1), Person::customer(&shop, 2));
    one.add("MUG", 2).await;
    let first = one.get("/cart").send().await.expect(200);
    let known = |tag: &str| one.get("/cart").header("If-None-Match", tag).send();
    known(first.header("etag")).await.expect(304);

    let patch = json!({ "price": 2_500, "name": "Mug, large" });
    shop.client.patch(&format!("/products/{}", mug.id), &patch).token(&shop.admin).send().await.expect(200);

    let dearer = known(first.header("etag")).await.expect(200);
    assert_eq!(
        (&dearer.body["total"], &dearer.body["lines"][0]["name"]),
        (&json!(5_000), &json!("Mug, large"))
    );
    assert_eq!(dearer.body["version"], first.body["version"], "nobody changed the cart");
    let position = one.add("MUG", 1).await["version"].clone();
    assert_ne!(position, first.body["version"]);
    assert_eq!(told(&other.read("/cart").await), [], "a cart is its owner's alone");
    assert_eq!(told(&Person::admin(&shop).read("/cart").await), [], "also for an admin");
}

#[tokio::test]
async fn change_that_insists_on_another_version_is_refused() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    shop.product("MUG", 10).await;
    let guest = Person::guest(&shop, 1);
    let old = add(&guest, "MUG", 1).send().await.expect(201).header("etag").to_owned();
    let new = add(&guest, "MUG", 1).send().await.expect(201).header("etag").to_owned();
    for wrong in [old.as_str(), "\"999\"", "\"nonsense\""] {
        for ask in [
            set(&guest, "MUG", 5),
            guest.delete("/cart/items/MUG"),
            guest.delete("/cart"),
            set(&guest, "MUG", 0),
        ] {
            ask.header("If-Match", wrong).send().await.expect_problem(412, "version_mismatch");
        }
    }
    assert_eq!(told(&guest.read("/cart").await), [line("MUG", 2, "active")]);
    let keyed = || set(&guest, "MUG", 5).header("If-Match", &new).key("k").send();
    let changed = keyed().await.expect(200);
    assert_eq!(keyed().await.expect(200).body, changed.body, "a retry is no other change");
    let newest = changed.header("etag").to_owned();
    let either = |tag: &str| format!("{old}, {tag}");
    let newest = set(&guest, "MUG", 4).header("If-Match", &either(&newest)).send().await.expect(200);
    let newest = newest.header("etag").to_owned();
    guest.delete("/cart").header("If-Match", &either(&newest)).send().await.expect(204);
    set(&guest, "MUG", 1).header("If-Match", "*").send().await.expect(200);
}

#[tokio::test]
async fn cart_whose_total_would_not_fit_is_not_let_grow() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let guest = Person::guest(&shop, 1);
    let dear = json!({ "price": 1_000_000_000_000_i64, "reserve_on": "checkout" });
    for number in 0..10 {
        let sku = format!("DEAR-{number}");
        special(&shop, &sku, 1_000_000, dear.clone()).await;
        let added = add(&guest, &sku, 1_000_000).send().await;
        match number {
            9 => drop(added.expect_problem(422, "validation_failed")),
            _ => drop(added.expect(201)),
        }
    }
    assert_eq!(guest.read("/cart").await["total"], 9_000_000_000_000_000_000_i64);
}

#[tokio::test]
async fn cart_whose_product_is_gone_can_still_be_read_and_cleared() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let book = special(&shop, "BOOK", 5, json!({ "reserve_on": "checkout" })).await;
    shop.product("MUG", 10).await;
    let guest = Person::guest(&shop, 1);
    guest.add("BOOK", 2).await;
    guest.add("MUG", 1).await;
    let path = format!("/products/{}", book.id);
    shop.client.delete(&path).token(&shop.admin).send().await.expect(204);

    let left = guest.read("/cart").await;
    let gone = json!({
        "sku": null, "product_id": book.id, "name": null, "quantity": 2, "unit_price": 0, "total": 0,
        "reservation": null,
    });
    assert_eq!((&left["lines"][0], &left["total"]), (&gone, &json!(1_999)));
    guest.delete("/cart").send().await.expect(204);
    assert_eq!(shop.figures("MUG").await, [10, 10, 0, 0]);
}
