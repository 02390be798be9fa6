//! What things cost: quotes, carts, purchases and orders agree, buyers get their own standing, orders keep it.

use serde_json::{Value, json};

use crate::client::{Answer, Ask, expect_members};
use crate::person::Person;
use crate::server::{Folder, Server};
use crate::shop::{Product, Shop};

const HOUR_MS: i64 = 60 * 60 * 1_000;

/// Makes a price rule.
pub(crate) async fn rule(shop: &Shop, body: &Value) -> Value {
    shop.client.post("/price-rules", body).token(&shop.admin).send().await.expect(201).body
}

fn seasonal(off: &Value) -> Value {
    merged(json!({ "name": "Spring", "kind": "seasonal", "starts_at": "2020-01-01T00:00:00Z" }), off)
}

fn bulk(min_quantity: u32, off: &Value) -> Value {
    merged(json!({ "name": "Many", "kind": "bulk", "min_quantity": min_quantity }), off)
}

fn tier(tier: &str, off: &Value) -> Value {
    merged(json!({ "name": "Thanks", "kind": "tier", "tier": tier }), off)
}

/// One object with the members of both.
fn merged(mut one: Value, other: &Value) -> Value {
    let members = one.as_object_mut().expect("an object");
    members.extend(other.as_object().expect("an object").clone());
    one
}

fn quote_lines(lines: &[(&str, u32)]) -> Value {
    json!({ "lines": crate::person::to_lines(lines) })
}

async fn quote(person: &Person, lines: &[(&str, u32)]) -> Value {
    person.post("/quotes", &quote_lines(lines)).send().await.expect(200).body
}

fn price_of(shop: &Shop, product: &Product, query: &str) -> Ask {
    shop.client.get(&format!("/products/{}/price{query}", product.id))
}

fn moment(ms: i64) -> String {
    let moment = jiff::Timestamp::from_millisecond(ms).expect("in range");
    format!("{moment:.3}")
}

fn sums(of: &Value) -> [i64; 3] {
    ["subtotal", "discount", "total"].map(|member| of[member].as_i64().expect("an amount"))
}

/// Step and amount of each row of a breakdown.
fn steps(line: &Value) -> Vec<(String, i64)> {
    let rows = line["breakdown"].as_array().unwrap_or_else(|| panic!("no breakdown: {line}"));
    let row = |row: &Value| {
        (row["step"].as_str().expect("a word").to_owned(), row["amount"].as_i64().expect("an amount"))
    };
    rows.iter().map(row).collect()
}

#[tokio::test]
async fn quote_cart_order_purchase_and_reservation_show_one_price() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let mug = shop.product("MUG", 100).await;
    let guest = Person::guest(&shop, 1);
    let spring = rule(&shop, &seasonal(&json!({ "percent_off": 1_500 }))).await;
    rule(&shop, &bulk(3, &json!({ "percent_off": 500, "skus": ["MUG"] }))).await;
    rule(&shop, &tier("gold", &json!({ "amount_off": 100 }))).await;

    let quoted = quote(&guest, &[("MUG", 3)]).await;
    expect_members(&quoted, &["currency", "subtotal", "discount", "total", "lines"]);
    let line = &quoted["lines"][0];
    let members = ["sku", "quantity", "base_unit_price", "unit_price", "total", "breakdown"];
    expect_members(line, &members);
    let whole = ["sku", "quantity", "base_unit_price", "unit_price", "total"].map(|it| line[it].clone());
    assert_eq!(whole, [json!("MUG"), json!(3), json!(1_999), json!(1_614), json!(4_842)]);
    assert_eq!(sums(&quoted), [5_997, 1_155, 4_842]);
    let expected =
        [("base", 1_999), ("seasonal", -300), ("bulk", -85)].map(|(step, it)| (step.to_owned(), it));
    assert_eq!(steps(line), expected);
    let season = &line["breakdown"][1];
    assert_eq!((&season["rule_id"], &season["rule"]), (&spring["id"], &json!("Spring")));
    assert_eq!(
        (&line["breakdown"][0]["rule_id"], &line["breakdown"][0]["rule"]),
        (&Value::Null, &Value::Null)
    );

    let one = price_of(&shop, &mug, "?quantity=3").send().await.expect(200).body;
    assert_eq!(one, quoted);
    let cart = guest.add("MUG", 3).await;
    assert_eq!(sums(&cart), sums(&quoted));
    assert_eq!((&cart["lines"][0]["unit_price"], &cart["lines"][0]["total"]), (&json!(1_614), &json!(4_842)));
    let sold = guest.purchase(&mug, 3).await.expect(201).body;
    assert_eq!((&sold["unit_price"], &sold["total"]), (&json!(1_614), &json!(4_842)));
    let reserved = guest.reserve(&[("MUG", 3)], 60).await;
    let path = format!("{}/confirm", crate::person::at(&reserved));
    let confirmed = guest.tell(&path).send().await.expect(200).body;
    let of_lines = guest.order(&[("MUG", 3)], 60).await;
    let of_cart = guest.post("/orders", &json!({ "expected_total": 4_842 })).send().await.expect(201).body;
    let ids = [&sold["order_id"], &confirmed["order_id"], &of_lines["id"], &of_cart["id"]];
    for id in ids {
        let order = guest.read(&format!("/orders/{}", id.as_str().expect("an id"))).await;
        assert_eq!(sums(&order), sums(&quoted), "{order}");
        assert_eq!(order["lines"][0]["breakdown"], line["breakdown"]);
        assert_eq!(order["lines"][0]["unit_price"], 1_614);
    }
}

#[tokio::test]
async fn orders_keep_their_prices_and_carts_follow_the_rules() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let mug = shop.product("MUG", 100).await;
    let guest = Person::guest(&shop, 1);
    let spring = rule(&shop, &seasonal(&json!({ "percent_off": 5_000 }))).await;
    let sold = guest.purchase(&mug, 2).await.expect(201).body;
    let ordered = guest.order(&[("MUG", 2)], 3_600).await;
    guest.add("MUG", 2).await;
    let paths =
        [&sold["order_id"], &ordered["id"]].map(|id| format!("/orders/{}", id.as_str().expect("an id")));
    let before = [guest.read(&paths[0]).await, guest.read(&paths[1]).await];
    let first = guest.get("/cart").send().await.expect(200);
    assert_eq!(sums(&first.body), [3_998, 1_998, 2_000], "1 999 less a half is 999.5, and that is 1 000");

    let path = format!("/price-rules/{}", spring["id"].as_str().expect("an id"));
    shop.client.delete(&path).token(&shop.admin).send().await.expect(204);
    let dearer = shop.client.patch(&format!("/products/{}", mug.id), &json!({ "price": 3_000 }));
    dearer.token(&shop.admin).send().await.expect(200);
    let unchanged = guest.get("/cart").header("If-None-Match", first.header("etag")).send().await;
    assert_eq!(sums(&unchanged.expect(200).body), [6_000, 0, 6_000], "another price, another tag");
    let expecting = json!({ "expected_total": 2_000 });
    let refused = guest.post("/orders", &expecting).send().await.expect_problem(409, "price_changed");
    assert_eq!(refused.body["total"], 6_000);
    server.kill();

    let server = folder.start();
    let guest = Person::guest(&Shop::of(&server), 1);
    assert_eq!([guest.read(&paths[0]).await, guest.read(&paths[1]).await], before);
    assert_eq!(sums(&guest.read("/cart").await), [6_000, 0, 6_000]);
    server.kill();
    folder.run(&["journal", "verify"]).expect_code(0);
}

#[tokio::test]
async fn customer_gets_their_own_standing_and_nobody_elses() {
    let folder = Folder::new();
    let server = Server::start(folder.command(&["serve", "--demo", "--listen", "127.0.0.1:0"]));
    let shop = Shop::of(&server);
    let printed = server.stdout();
    let log_in = async |who: &str| {
        let line = printed.lines().find(|line| line.trim_start().starts_with(who)).expect("they are printed");
        let words: Vec<_> = line.split_whitespace().collect();
        let body = json!({ "email": words[1], "password": words[2] });
        let tokens = shop.client.post("/auth/login", &body).send().await.expect(200).body;
        tokens["access_token"].as_str().expect("it is text").to_owned()
    };
    let shop = Shop { admin: log_in("admin").await, ..shop.clone() };
    let gold = Person::with_token(&shop, &log_in("customer").await);
    let (guest, admin) = (Person::guest(&shop, 1), Person::admin(&shop));
    let mug = shop.product("MUG", 100).await;
    rule(&shop, &tier("gold", &json!({ "percent_off": 1_000 }))).await;
    rule(&shop, &tier("silver", &json!({ "amount_off": 99 }))).await;

    for (person, unit) in [(&gold, 1_799), (&guest, 1_999), (&admin, 1_999)] {
        assert_eq!(quote(person, &[("MUG", 1)]).await["total"], unit);
        let one = person.get(&format!("/products/{}/price", mug.id)).send().await.expect(200).body;
        assert_eq!(one["total"], unit);
        assert_eq!(person.add("MUG", 1).await["total"], unit);
        assert_eq!(person.purchase(&mug, 1).await.expect(201).body["unit_price"], unit);
        assert_eq!(person.order(&[("MUG", 1)], 60).await["total"], unit);
    }
    for (word, unit) in [("standard", 1_999), ("silver", 1_900), ("gold", 1_799)] {
        let asked = price_of(&shop, &mug, &format!("?tier={word}"));
        assert_eq!(asked.token(&shop.admin).send().await.expect(200).body["total"], unit);
        let body = merged(quote_lines(&[("MUG", 1)]), &json!({ "tier": word }));
        assert_eq!(admin.post("/quotes", &body).send().await.expect(200).body["total"], unit);
        for person in [&gold, &guest] {
            person.post("/quotes", &body).send().await.expect_problem(403, "forbidden");
            let path = format!("/products/{}/price?tier={word}", mug.id);
            person.get(&path).send().await.expect_problem(403, "forbidden");
        }
    }
}

#[tokio::test]
async fn season_begins_and_ends_when_it_says() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    shop.product("MUG", 100).await;
    let (admin, guest) = (Person::admin(&shop), Person::guest(&shop, 1));
    let now = jiff::Timestamp::now().as_millisecond();
    let (start, end) = (now + HOUR_MS, now + 2 * HOUR_MS);
    let window = json!({ "percent_off": 1_000, "starts_at": moment(start), "ends_at": moment(end) });
    let made = rule(&shop, &seasonal(&window)).await;
    assert_eq!((&made["starts_at"], &made["ends_at"]), (&json!(moment(start)), &json!(moment(end))));

    let at = async |ms: i64| {
        let body = merged(quote_lines(&[("MUG", 1)]), &json!({ "at": moment(ms) }));
        admin.post("/quotes", &body).send().await.expect(200).body["total"].clone()
    };
    for (ms, unit) in [(start - 1, 1_999), (start, 1_799), (end - 1, 1_799), (end, 1_999), (0, 1_999)] {
        assert_eq!(at(ms).await, unit, "at {}", moment(ms));
    }
    assert_eq!(quote(&guest, &[("MUG", 1)]).await["total"], 1_999, "it has not begun");
    let body = merged(quote_lines(&[("MUG", 1)]), &json!({ "at": moment(now) }));
    guest.post("/quotes", &body).send().await.expect_problem(403, "forbidden");

    let until_soon = json!({ "amount_off": 500, "starts_at": null, "ends_at": moment(now + HOUR_MS / 2) });
    rule(&shop, &seasonal(&until_soon)).await;
    assert_eq!(quote(&guest, &[("MUG", 1)]).await["total"], 1_499, "one that is under way");
    assert_eq!(at(now + HOUR_MS / 2).await, 1_999);

    let never = "9999-12-31T23:59:59.999Z";
    let for_ever = rule(&shop, &seasonal(&json!({ "percent_off": 5_000, "ends_at": never }))).await;
    assert_eq!(for_ever["ends_at"], never);
    assert_eq!(at(now + HOUR_MS * 24 * 365).await, 1_000);
}

#[tokio::test]
async fn quotes_are_refused_as_orders_would_be() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let mug = shop.product("MUG", 0).await;
    let tea = json!({ "name": "Tea", "price": 5, "currency": "JPY", "sku": "TEA" });
    shop.make(&tea).await;
    let draft = json!({ "name": "Draft", "price": 5, "currency": "EUR", "sku": "DRAFT", "status": "draft" });
    let draft = shop.make(&draft).await;
    let options = json!({
        "name": "Shirt", "price": 1_000, "currency": "EUR",
        "variants": [{ "sku": "S" }, { "sku": "L", "price_adjustment": 200 }],
    });
    let shirt = shop.make(&options).await;
    let (admin, guest) = (Person::admin(&shop), Person::guest(&shop, 1));

    let asked = |body: Value| guest.post("/quotes", &body).send();
    let unknown = asked(quote_lines(&[("MUG", 1), ("SOFA", 2), ("DRAFT", 3)])).await;
    let unknown = unknown.expect_problem(404, "not_found");
    let lines: Vec<_> = unknown.body["lines"].as_array().expect("lines").iter().collect();
    let line = |line: &Value| [line["index"].clone(), line["sku"].clone(), line["requested"].clone()];
    let expected = [[json!(1), json!("SOFA"), json!(2)], [json!(2), json!("DRAFT"), json!(3)]];
    assert_eq!(lines.into_iter().map(line).collect::<Vec<_>>(), expected);
    let mixed = asked(quote_lines(&[("MUG", 1), ("TEA", 1)])).await.expect_problem(422, "validation_failed");
    assert_eq!(mixed.wrong_fields(), ["lines"]);
    for (body, field) in [
        (json!({}), "lines"),
        (json!({ "lines": [] }), "lines"),
        (json!({ "lines": [{ "sku": "MUG", "quantity": 0 }] }), "lines[0].quantity"),
        (json!({ "lines": [{ "sku": "MUG", "quantity": 1, "price": 1 }] }), "lines[0].price"),
        (merged(quote_lines(&[("MUG", 1)]), &json!({ "at": "tomorrow" })), "at"),
        (merged(quote_lines(&[("MUG", 1)]), &json!({ "tier": "platinum" })), "tier"),
        (merged(quote_lines(&[("MUG", 1)]), &json!({ "when": 1 })), "when"),
    ] {
        let refused = asked(body.clone()).await.expect_problem(422, "validation_failed");
        assert_eq!(refused.wrong_fields(), [field], "{body}");
    }
    let dear = json!({ "name": "Ship", "price": 1_000_000_000_000_i64, "currency": "EUR", "sku": "SHIP" });
    shop.make(&dear).await;
    let fleets = asked(quote_lines(&[("SHIP", 1_000_000); 10])).await;
    assert_eq!(fleets.expect_problem(422, "validation_failed").wrong_fields(), ["lines"]);
    let stranger = shop.client.post("/quotes", &json!({})).token("x").send().await;
    stranger.expect_problem(401, "unauthenticated");
    let nobody = shop.client.post("/quotes", &quote_lines(&[("MUG", 1)])).send().await.expect(200);
    assert_eq!(nobody.header("x-session-id"), "", "nobody is given a session for asking");
    let twice = asked(quote_lines(&[("MUG", 1), ("MUG", 2)])).await.expect(200).body;
    assert_eq!((twice["lines"].as_array().map(Vec::len), &twice["total"]), (Some(2), &json!(5_997)));

    let path = |product: &Product, query: &str| format!("/products/{}/price{query}", product.id);
    let unnamed = guest.get(&path(&shirt, "")).send().await.expect_problem(422, "validation_failed");
    assert_eq!(unnamed.wrong_fields(), ["sku"]);
    let large = guest.get(&path(&shirt, "?sku=L&quantity=2")).send().await.expect(200).body;
    assert_eq!((&large["lines"][0]["base_unit_price"], &large["total"]), (&json!(1_200), &json!(2_400)));
    for query in ["?quantity=0", "?quantity=x", "?quantity=1000001", "?tier=best", "?sku=a%20b", "?units=1"] {
        guest.get(&path(&mug, query)).send().await.expect_problem(400, "malformed_request");
    }
    for missing in [path(&draft, ""), path(&shirt, "?sku=XL"), "/products/prod_x/price".to_owned()] {
        guest.get(&missing).send().await.expect_problem(404, "not_found");
    }
    assert_eq!(admin.read(&path(&draft, "")).await["total"], 5, "drafts are there for admins");
    let theirs = admin.post("/quotes", &quote_lines(&[("DRAFT", 2)])).send().await;
    assert_eq!(theirs.expect(200).body["total"], 10);
}

#[tokio::test]
async fn quote_sees_at_least_the_rule_it_is_told_of_and_writes_nothing() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let mug = shop.product("MUG", 5).await;
    let guest = Person::guest(&shop, 1);
    let body = seasonal(&json!({ "percent_off": 1_000 }));
    let made = shop.client.post("/price-rules", &body).token(&shop.admin).send().await.expect(201);
    let position = made.header("journal-position").to_owned();
    assert_ne!(position, "");
    let written = async || shop.client.get("/health").send().await.expect(200).body["journal"].clone();
    let before = written().await["records_written"].clone();
    let quotes = [
        guest.post("/quotes", &quote_lines(&[("MUG", 1)])).key("a-key"),
        price_of(&shop, &mug, ""),
        guest.post("/quotes", &quote_lines(&[("MUG", 1)])).key("a-key"),
    ];
    for ask in quotes {
        let answer: Answer = ask.header("Min-Journal-Position", &position).send().await.expect(200);
        assert_eq!((&answer.body["total"], answer.header("journal-position")), (&json!(1_799), ""));
        assert!(!answer.is_replayed());
    }
    assert_eq!(written().await["records_written"], before);
    let beyond = guest.post("/quotes", &quote_lines(&[("MUG", 1)])).header("Min-Journal-Position", "x");
    beyond.send().await.expect_problem(400, "malformed_request");
}
