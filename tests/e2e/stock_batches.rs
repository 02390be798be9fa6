//! Many adjustments and counts in one request: each on its own, or all or none.

use serde_json::{Value, json};

use crate::client::{Answer, expect_members};
use crate::person::Person;
use crate::server::Folder;
use crate::shop::Shop;

async fn send(person: &Person, mode: &str, operations: &Value) -> Answer {
    person.post("/inventory/batch", &json!({ "mode": mode, "operations": operations })).send().await
}

fn adjust(sku: &str, delta: i64) -> Value {
    json!({ "sku": sku, "adjust": { "delta": delta, "reason": "correction" } })
}

fn count(sku: &str, on_hand: u64, expected: Option<u64>) -> Value {
    json!({ "sku": sku, "count": { "on_hand": on_hand, "expected": expected } })
}

/// Index, sku, status and code of each result.
fn told(batch: &Value) -> Vec<[Value; 4]> {
    let results = batch["results"].as_array().expect("a result for each");
    results.iter().map(|it| ["index", "sku", "status", "code"].map(|member| it[member].clone())).collect()
}

async fn fill(shop: &Shop) {
    let mug = shop.product("MUG", 10).await;
    shop.product("CUP", 5).await;
    let variants = json!([{ "sku": "TEE-S", "initial_stock": 3 }, { "sku": "TEE-M", "initial_stock": 4 }]);
    shop.make(&json!({ "name": "Tee", "price": 9, "currency": "EUR", "variants": variants })).await;
    Person::guest(shop, 1).purchase(&mug, 4).await.expect(201);
}

/// Figures of all skus.
async fn books(shop: &Shop) -> Vec<[u64; 4]> {
    let mut all = Vec::new();
    for sku in ["MUG", "CUP", "TEE-S", "TEE-M"] {
        all.push(shop.figures(sku).await);
        shop.expect_books(sku).await;
    }
    all
}

#[tokio::test]
async fn independent_operations_are_done_or_refused_each_by_itself_and_in_order() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    fill(&shop).await;
    let operations = json!([
        adjust("MUG", 5),
        count("CUP", 7, Some(5)),
        adjust("NONE", 1),
        count("TEE-S", 9, Some(4)),
        adjust("TEE-M", -5),
        adjust("CUP", -7),
        { "sku": "MUG", "adjust": 2, "reason": "received", "reference": "PO 7", "note": "late" },
        { "sku": "TEE-S", "count": 8, "expected": 3 },
        adjust("CUP", -1),
    ]);

    let done = send(&Person::admin(&shop), "independent", &operations).await.expect(200);

    expect_members(&done.body, &["results", "succeeded", "failed"]);
    assert_eq!((&done.body["succeeded"], &done.body["failed"]), (&json!(5), &json!(4)));
    let good = |index: u32, sku: &str| [json!(index), json!(sku), json!(200), Value::Null];
    let bad = |index: u32, sku: &str, status: u16, code: &str| {
        [json!(index), json!(sku), json!(status), json!(code)]
    };
    let expected = [
        good(0, "MUG"),
        good(1, "CUP"),
        bad(2, "NONE", 404, "not_found"),
        bad(3, "TEE-S", 409, "expected_mismatch"),
        bad(4, "TEE-M", 409, "insufficient_stock"),
        good(5, "CUP"),
        good(6, "MUG"),
        good(7, "TEE-S"),
        bad(8, "CUP", 409, "insufficient_stock"),
    ];
    assert_eq!(told(&done.body), expected);
    let results = done.body["results"].as_array().expect("results");
    assert_eq!(results[6]["inventory"], shop.inventory("MUG").await);
    assert_ne!(done.header("journal-position"), "");
    assert_eq!(books(&shop).await, [[17, 13, 0, 4], [0, 0, 0, 0], [8, 8, 0, 0], [4, 4, 0, 0]]);
    let row = &shop.movements("MUG").await[0];
    assert_eq!([&row["kind"], &row["reference"], &row["note"]], ["received", "PO 7", "late"]);
}

#[tokio::test]
async fn atomic_operations_are_done_all_or_none_and_every_failing_one_is_named() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    fill(&shop).await;
    let admin = Person::admin(&shop);
    let before = books(&shop).await;
    let rows = shop.movements("MUG").await.len();

    for (bad, code) in [
        (vec![adjust("CUP", -6)], "insufficient_stock"),
        (vec![count("TEE-M", 1, Some(3))], "expected_mismatch"),
        (vec![count("TEE-M", 1, Some(3)), adjust("CUP", -6)], "expected_mismatch"),
        (vec![adjust("CUP", -3), adjust("CUP", -3)], "insufficient_stock"),
        (vec![adjust("NONE", 1)], "invalid_state"),
    ] {
        let good = vec![adjust("MUG", 3), adjust("TEE-S", -1), adjust("MUG", -2)];
        let operations = json!([good.clone(), bad.clone()].concat());
        let refused = send(&admin, "atomic", &operations).await;
        assert_eq!(refused.status, 409, "{operations}: {}", refused.text);
        let refused = refused.expect_problem(409, code);
        let lines = refused.body["lines"].as_array().expect("every failing line");
        let first = if bad.len() == 2 && bad[0] == bad[1] { 4 } else { 3 };
        let indexes: Vec<_> = lines.iter().map(|line| line["index"].as_u64().expect("an index")).collect();
        assert_eq!(
            indexes,
            (first..3 + u64::try_from(bad.len()).expect("few")).collect::<Vec<_>>(),
            "{operations}"
        );
        assert_eq!(books(&shop).await, before, "{operations}");
    }
    assert_eq!(shop.movements("MUG").await.len(), rows, "nothing is done and undone");

    let operations =
        json!([adjust("MUG", 3), count("TEE-S", 1, Some(3)), adjust("CUP", -5), adjust("TEE-M", 1)]);
    let done = send(&admin, "atomic", &operations).await.expect(200).body;
    assert_eq!((&done["succeeded"], &done["failed"]), (&json!(4), &json!(0)));
    assert_eq!(books(&shop).await, [[13, 9, 0, 4], [0, 0, 0, 0], [1, 1, 0, 0], [5, 5, 0, 0]]);
}

#[tokio::test]
async fn batch_of_the_wrong_form_names_every_wrong_field_and_changes_nothing() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    fill(&shop).await;
    let admin = Person::admin(&shop);
    let before = books(&shop).await;
    for (operations, fields) in [
        (json!([]), vec!["operations"]),
        (json!({}), vec!["operations"]),
        (json!([{ "sku": "MUG" }]), vec!["operations[0].adjust"]),
        (json!([adjust("MUG", 1), adjust("a b", 0)]), vec!["operations[1].sku", "operations[1].delta"]),
        (json!([{ "sku": "MUG", "adjust": 1 }]), vec!["operations[0].reason"]),
        (json!([{ "sku": "MUG", "count": -1 }]), vec!["operations[0].count"]),
        (json!([{ "sku": "MUG", "adjust": 1.5, "reason": "other" }]), vec!["operations[0].adjust"]),
        (
            json!([{ "sku": "MUG", "adjust": { "delta": 1, "reason": "theft" } }]),
            vec!["operations[0].reason"],
        ),
        (json!([{ "sku": "MUG", "adjust": 1, "count": 1, "reason": "other" }]), vec!["operations[0].count"]),
        (json!([{ "sku": "MUG", "move": 1 }]), vec!["operations[0].move"]),
        ((0..10_001).map(|_| adjust("MUG", 1)).collect(), vec!["operations"]),
    ] {
        let refused = send(&admin, "independent", &operations).await;
        assert_eq!(refused.status, 422, "{}", refused.text);
        assert_eq!(refused.expect_problem(422, "validation_failed").wrong_fields(), fields);
    }
    let refused = send(&admin, "sometimes", &json!([adjust("MUG", 1)])).await;
    assert_eq!(refused.expect_problem(422, "validation_failed").wrong_fields(), ["mode"]);
    let refused = admin.post("/inventory/batch", &json!({})).send().await;
    assert_eq!(refused.expect_problem(422, "validation_failed").wrong_fields(), ["mode", "operations"]);
    send(&Person::guest(&shop, 1), "atomic", &json!([adjust("MUG", 1)]))
        .await
        .expect_problem(401, "unauthenticated");
    send(&Person::customer(&shop, 1), "atomic", &json!([adjust("MUG", 1)]))
        .await
        .expect_problem(403, "forbidden");
    assert_eq!(books(&shop).await, before);
}

#[tokio::test]
async fn large_batch_is_done() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    fill(&shop).await;
    let operations = (0..10_000).map(|it| adjust(if it % 2 == 0 { "MUG" } else { "CUP" }, 1)).collect();
    for mode in ["atomic", "independent"] {
        let done = send(&Person::admin(&shop), mode, &operations).await.expect(200).body;
        assert_eq!(done["succeeded"], 10_000, "{mode}");
    }
    assert_eq!(shop.figures("MUG").await, [10_010, 10_006, 0, 4]);
    assert_eq!(shop.figures("CUP").await, [10_005, 10_005, 0, 0]);
}

#[tokio::test]
async fn retried_batch_is_done_once_also_after_kill_minus_9() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    fill(&shop).await;
    let batch = |mode: &str| {
        let operations =
            json!([adjust("MUG", 3), adjust("CUP", -2), count("TEE-S", 7, None), adjust("MUG", -1)]);
        json!({ "mode": mode, "operations": operations })
    };
    let ask = |shop: &Shop, mode: &str| {
        Person::admin(shop).post("/inventory/batch", &batch(mode)).key(&format!("key {mode}")).send()
    };
    let mut first = Vec::new();
    for mode in ["atomic", "independent"] {
        let done = ask(&shop, mode).await.expect(200).body;
        assert_eq!(ask(&shop, mode).await.expect(200).body, done);
        first.push((mode, done));
    }
    let before = books(&shop).await;
    assert_eq!(before[0], [14, 10, 0, 4]);
    server.kill();

    let server = folder.start();
    let shop = Shop::of(&server);
    for (mode, done) in first {
        assert_eq!(ask(&shop, mode).await.expect(200).body, done);
        let other = json!({ "mode": mode, "operations": [adjust("MUG", 1)] });
        let misused =
            Person::admin(&shop).post("/inventory/batch", &other).key(&format!("key {mode}")).send().await;
        misused.expect_problem(422, "idempotency_key_reused");
    }
    assert_eq!(books(&shop).await, before);
}
