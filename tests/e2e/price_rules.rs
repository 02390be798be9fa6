//! Price rules as their admins meet them: made, read, listed, changed, removed, retried, killed.

use serde_json::{Value, json};

use crate::categories;
use crate::client::{Ask, expect_id, expect_members, expect_moment};
use crate::person::Person;
use crate::prices::rule;
use crate::server::Folder;
use crate::shop::Shop;

const MEMBERS: [&str; 16] = [
    "id",
    "name",
    "kind",
    "percent_off",
    "amount_off",
    "skus",
    "category_ids",
    "min_quantity",
    "tier",
    "starts_at",
    "ends_at",
    "priority",
    "active",
    "version",
    "created_at",
    "updated_at",
];

fn bulk(name: &str) -> Value {
    json!({ "name": name, "kind": "bulk", "min_quantity": 10, "percent_off": 500 })
}

fn path_of(rule: &Value) -> String {
    format!("/price-rules/{}", rule["id"].as_str().expect("an id"))
}

fn put(shop: &Shop, path: &str, body: &Value) -> Ask {
    shop.client.ask("PUT", path).json(body).token(&shop.admin)
}

#[tokio::test]
async fn rule_is_made_read_changed_and_removed() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let admin = Person::admin(&shop);
    let body = json!({
        "name": "Spring", "kind": "seasonal", "amount_off": 250, "skus": ["MUG", "not-there-yet"],
        "starts_at": "2026-03-01T01:00:00+01:00", "ends_at": "2026-06-01T00:00:00.500Z", "priority": -3,
        "active": false,
    });

    let made = admin.post("/price-rules", &body).send().await.expect(201);
    expect_members(&made.body, &MEMBERS);
    expect_id(&made.body["id"], "rule_");
    let path = path_of(&made.body);
    assert_eq!(made.header("location"), format!("/api/v1{path}"));
    assert_eq!(made.header("etag"), "\"1\"");
    assert_ne!(made.header("journal-position"), "");
    expect_moment(&made.body["created_at"]);
    let mut expected = json!({
        "name": "Spring", "kind": "seasonal", "percent_off": null, "amount_off": 250,
        "skus": ["MUG", "not-there-yet"], "category_ids": [], "min_quantity": null, "tier": null,
        "starts_at": "2026-03-01T00:00:00.000Z", "ends_at": "2026-06-01T00:00:00.500Z", "priority": -3,
        "active": false, "version": 1,
    });
    for member in ["id", "created_at", "updated_at"] {
        expected[member] = made.body[member].clone();
    }
    assert_eq!(made.body, expected);
    let read = admin.get(&path).send().await.expect(200);
    assert_eq!((&read.body, read.header("etag")), (&made.body, "\"1\""));
    admin.get(&path).header("If-None-Match", "\"1\"").send().await.expect(304);

    let other = json!({ "name": "Thanks", "kind": "tier", "tier": "gold", "percent_off": 10_000 });
    put(&shop, &path, &other)
        .header("If-Match", "\"7\"")
        .send()
        .await
        .expect_problem(412, "version_mismatch");
    let changed = put(&shop, &path, &other).header("If-Match", "\"1\"").send().await.expect(200);
    assert_eq!((&changed.body["version"], changed.header("etag")), (&json!(2), "\"2\""));
    let rest = ["kind", "tier", "percent_off", "amount_off", "skus", "starts_at", "priority", "active"];
    let rest = rest.map(|member| changed.body[member].clone());
    let expected = [
        json!("tier"),
        json!("gold"),
        json!(10_000),
        Value::Null,
        json!([]),
        Value::Null,
        json!(0),
        json!(true),
    ];
    assert_eq!(rest, expected, "a change tells the whole rule");
    assert_eq!(changed.body["created_at"], made.body["created_at"]);
    let same = put(&shop, &path, &other).send().await.expect(200);
    assert_eq!(same.body, changed.body, "it is so already");

    let delete = |tag: &str| admin.delete(&path).header("If-Match", tag).send();
    delete("\"1\"").await.expect_problem(412, "version_mismatch");
    delete("\"2\"").await.expect(204);
    for gone in
        [admin.get(&path), admin.delete(&path), put(&shop, &path, &other), admin.get("/price-rules/x")]
    {
        gone.send().await.expect_problem(404, "not_found");
    }
}

#[tokio::test]
async fn category_that_a_rule_names_stays_until_no_rule_does_also_across_a_kill() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let of = |id: &str| json!({ "name": "R", "kind": "bulk", "min_quantity": 1, "percent_off": 1, "category_ids": [id] });
    let (tools, old) =
        (categories::make(&shop, "tools", None).await, categories::make(&shop, "old", None).await);
    let remove =
        |shop: &Shop, id: &str| shop.client.delete(&format!("/categories/{id}")).token(&shop.admin).send();
    let mut asleep = of(&tools);
    asleep["active"] = json!(false);
    let sleeping = path_of(&rule(&shop, &asleep).await);
    let waking = path_of(&rule(&shop, &of(&tools)).await);
    remove(&shop, &tools).await.expect_problem(409, "in_use");
    put(&shop, &waking, &of(&old)).send().await.expect(200);
    remove(&shop, &tools).await.expect_problem(409, "in_use");
    server.kill();

    let server = folder.start();
    let shop = Shop::of(&server);
    remove(&shop, &tools).await.expect_problem(409, "in_use");
    shop.client.delete(&sleeping).token(&shop.admin).send().await.expect(204);
    remove(&shop, &tools).await.expect(204);
    remove(&shop, &old).await.expect_problem(409, "in_use");
    let unknown = put(&shop, &waking, &of(&tools)).send().await.expect_problem(422, "validation_failed");
    assert_eq!(unknown.wrong_fields(), ["category_ids[0]"]);
    shop.client.delete(&waking).token(&shop.admin).send().await.expect(204);
    remove(&shop, &old).await.expect(204);
    assert!(server.terminate().status.success());
    folder.run(&["journal", "verify"]).expect_code(0);
}

#[tokio::test]
async fn rules_are_the_admins_alone() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let path = path_of(&rule(&shop, &bulk("Many")).await);
    let asks = [
        ("GET", "/price-rules"),
        ("POST", "/price-rules"),
        ("GET", &path),
        ("PUT", &path),
        ("DELETE", &path),
    ];
    for (method, path) in asks {
        let ask = || shop.client.ask(method, path).json(&bulk("Many"));
        ask().send().await.expect_problem(401, "unauthenticated");
        ask().token(&crate::tokens::customer(1)).send().await.expect_problem(403, "forbidden");
    }
    shop.client.ask("PATCH", &path).send().await.expect_problem(405, "method_not_allowed");
}

#[tokio::test]
async fn one_answer_names_everything_that_is_wrong_with_a_rule() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let category = "cat_01936f5e-7a5c-7000-8000-000000000000";
    let cases: [(Value, &[&str]); 17] = [
        (json!({}), &["kind", "name", "percent_off"]),
        (json!({ "kind": "seasonal" }), &["name", "percent_off", "starts_at"]),
        (json!({ "kind": "bulk", "tier": "gold" }), &["min_quantity", "name", "percent_off", "tier"]),
        (
            json!({ "kind": "sale", "name": "", "percent_off": 10_001, "amount_off": 0, "skus": ["a b", 7] }),
            &["amount_off", "kind", "name", "percent_off", "skus[0]", "skus[1]"],
        ),
        (with("percent_off", json!(0)), &["percent_off"]),
        (with("percent_off", json!(12.5)), &["percent_off"]),
        (with("amount_off", json!(1)), &["amount_off"]),
        (with("min_quantity", json!(0)), &["min_quantity"]),
        (with("min_quantity", Value::Null), &["min_quantity"]),
        (with("tier", json!("silver")), &["tier"]),
        (with("skus", json!(["A", "B", "A"])), &["skus[2]"]),
        (with("category_ids", json!(["cat_1", category])), &["category_ids[0]"]),
        (with("category_ids", json!([category])), &["category_ids[0]"]),
        (with("starts_at", json!("2026-03-01")), &["starts_at"]),
        (with("priority", json!(1_000_001)), &["priority"]),
        (with("active", json!("yes")), &["active"]),
        (with("discount", json!(1)), &["discount"]),
    ];
    let made = rule(&shop, &bulk("Many")).await;
    for (body, fields) in cases {
        for ask in
            [shop.client.post("/price-rules", &body).token(&shop.admin), put(&shop, &path_of(&made), &body)]
        {
            let refused = ask.send().await;
            assert_eq!(refused.status, 422, "{body}: {}", refused.text);
            let refused = refused.expect_problem(422, "validation_failed");
            let mut found = refused.wrong_fields();
            found.sort_unstable();
            assert_eq!(found, fields, "{body}");
        }
    }
    let window = json!({ "starts_at": "2026-03-01T00:00:00Z", "ends_at": "2026-03-01T01:00:00+01:00" });
    let mut body = bulk("Many");
    body.as_object_mut().expect("an object").extend(window.as_object().expect("an object").clone());
    let refused = shop.client.post("/price-rules", &body).token(&shop.admin).send().await;
    assert_eq!(
        refused.expect_problem(422, "validation_failed").wrong_fields(),
        ["ends_at"],
        "the same moment"
    );
    let listed = Person::admin(&shop).read("/price-rules").await;
    assert_eq!(listed["data"], json!([made]), "nothing was made or changed");
}

/// A sound rule with one member otherwise.
fn with(member: &str, value: Value) -> Value {
    let mut body = bulk("Many");
    body[member] = value;
    body
}

#[tokio::test]
async fn list_shows_every_rule_once_in_pages_and_by_kind() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let admin = Person::admin(&shop);
    let mut made = Vec::new();
    for number in 0..7 {
        let mut body = bulk(&format!("Rule {number}"));
        body["active"] = json!(number % 2 == 0);
        made.push(rule(&shop, &body).await);
    }
    let tier = json!({ "name": "Thanks", "kind": "tier", "tier": "gold", "percent_off": 1 });
    made.push(rule(&shop, &tier).await);

    for (sort, is_reversed) in [("", true), ("&sort=-created_at", true), ("&sort=created_at", false)] {
        let mut found = Vec::new();
        let mut cursor = String::new();
        for page in 0..4 {
            let path = format!("/price-rules?limit=3&include=total{sort}{cursor}");
            let body = admin.read(&path).await;
            expect_members(&body, &["data", "next_cursor", "total"]);
            let total = body["total"].as_u64().expect("a number");
            assert_eq!(total, 8 + page, "what was made meanwhile counts");
            found.extend(body["data"].as_array().expect("a page has data").iter().cloned());
            match body["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
            // A list is stable under writes: what is newer than its beginning is not in its way.
            rule(&shop, &bulk("Later")).await;
        }
        found.retain(|rule| rule["name"] != "Later");
        if is_reversed {
            found.reverse();
        }
        assert_eq!(found, made, "{sort}");
        let all = admin.read("/price-rules?limit=200").await;
        for later in all["data"].as_array().expect("data").iter().filter(|rule| rule["name"] == "Later") {
            admin.delete(&path_of(later)).send().await.expect(204);
        }
    }
    let count = async |query: &str| {
        let body = admin.read(&format!("/price-rules?{query}")).await;
        expect_members(&body, &["data", "next_cursor"]);
        body["data"].as_array().map(Vec::len)
    };
    assert_eq!(count("kind=tier").await, Some(1));
    assert_eq!(count("kind=bulk&active=false").await, Some(3));
    assert_eq!(count("active=true").await, Some(5));
    assert_eq!(count("kind=seasonal").await, Some(0));
    let first = admin.read("/price-rules?limit=1").await;
    let cursor = first["next_cursor"].as_str().expect("there is more");
    for query in [
        "limit=0",
        "kind=sale",
        "active=1",
        "sort=price",
        "include=all",
        "cursor=x",
        "page=2",
        &format!("kind=bulk&cursor={cursor}"),
    ] {
        let refused = admin.get(&format!("/price-rules?{query}")).send().await;
        assert_eq!(refused.status, 400, "{query}: {}", refused.text);
        refused.expect_problem(400, "malformed_request");
    }
}

#[tokio::test]
async fn retried_changes_of_rules_happen_once_also_across_a_kill() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let make = |shop: &Shop| shop.client.post("/price-rules", &bulk("Many")).token(&shop.admin).key("make");
    let made = make(&shop).send().await.expect(201);
    let path = path_of(&made.body);
    let change = |shop: &Shop| put(shop, &path, &bulk("More")).header("If-Match", "\"1\"").key("change");
    let changed = change(&shop).send().await.expect(200);
    let stale = |shop: &Shop| put(shop, &path, &bulk("Other")).header("If-Match", "\"1\"").key("stale");
    stale(&shop).send().await.expect_problem(412, "version_mismatch");
    let extra = rule(&shop, &bulk("Extra")).await;
    let extra = path_of(&extra);
    let remove = |shop: &Shop| shop.client.delete(&extra).token(&shop.admin).key("remove");
    let removed = remove(&shop).send().await.expect(204);
    server.kill();

    let server = folder.start();
    let shop = Shop::of(&server);
    for _ in 0..2 {
        for (ask, first) in [(make(&shop), &made), (change(&shop), &changed), (remove(&shop), &removed)] {
            let again = ask.send().await.expect(first.status);
            assert!(again.is_replayed());
            assert_eq!((&again.body, again.header("etag")), (&first.body, first.header("etag")));
            assert_eq!(again.header("journal-position"), first.header("journal-position"));
        }
        let again = stale(&shop).send().await.expect_problem(412, "version_mismatch");
        assert!(again.is_replayed());
    }
    let reused = shop.client.post("/price-rules", &bulk("Less")).token(&shop.admin).key("make").send().await;
    reused.expect_problem(422, "idempotency_key_reused");
    let listed = Person::admin(&shop).read("/price-rules").await;
    assert_eq!(listed["data"], json!([changed.body]));
    server.kill();
    folder.run(&["journal", "verify"]).expect_code(0);
}

#[tokio::test]
async fn kills_while_rules_change_and_mugs_are_sold_leave_what_was_answered() {
    let folder = Folder::new();
    let mut server = folder.start();
    let shop = Shop::of(&server);
    shop.product("MUG", 100_000).await;
    let made = rule(&shop, &json!({ "name": "A", "kind": "bulk", "min_quantity": 1, "amount_off": 1 })).await;
    let path = path_of(&made);
    for round in 0..5 {
        let shop = Shop::of(&server);
        let (editor, path_of_rule) = (shop.clone(), path.clone());
        let editing = tokio::spawn(async move {
            let mut last = None;
            for amount in 1..i64::MAX {
                let body =
                    json!({ "name": "A", "kind": "bulk", "min_quantity": 1, "amount_off": 1 + amount % 7 });
                match put(&editor, &path_of_rule, &body).try_send().await {
                    Some(answer) => last = Some(answer.expect(200).body),
                    None => break,
                }
            }
            last
        });
        let buyer = Person::guest(&shop, round);
        let mut sold = Vec::new();
        for _ in 0..30 {
            let order = buyer.order(&[("MUG", 1)], 3_600).await;
            sold.push(order);
        }
        server.kill();
        let last = editing.await.expect("an editor does not panic").expect("it was answered");
        server = folder.start();
        let shop = Shop::of(&server);
        let found = Person::admin(&shop).read(&path).await;
        let (version, answered) = (found["version"].as_u64(), last["version"].as_u64());
        assert!(version >= answered, "{version:?} is what {answered:?} became");
        let buyer = Person::guest(&shop, round);
        for order in sold {
            assert_eq!(buyer.read(&crate::person::at(&order)).await, order);
        }
    }
    server.kill();
    folder.run(&["journal", "verify"]).expect_code(0);
}
