//! `holdfast journal export` and `import`: a journal as text, and the same journal again, to the bit.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::server::{Folder, Server};
use crate::shop::{Product, Shop};

/// What no test can bring about without waiting, or without a crash between two steps.
const RARE: [&str; 12] = [
    "cart.lapsed",
    "cart.absorbed",
    "cart.closed",
    "order.expired",
    "order.refund_required",
    "order.refunded",
    "reservation.expired",
    "stock.expired",
    "stock.extended",
    "session.ended",
    "variant.described",
    "mail.sent",
];

/// Does a bit of everything that leaves facts.
async fn live(shop: &Shop) {
    let category = shop.change("POST", "/categories", &json!({ "name": "Lamps", "slug": "lamps" }));
    let category = category.send().await.expect(201).body["id"].as_str().expect("it is text").to_owned();
    let path = format!("/categories/{category}");
    shop.change("PUT", &path, &json!({ "name": "Lights", "slug": "lights" })).send().await.expect(200);
    let gone = shop.change("POST", "/categories", &json!({ "name": "Gone", "slug": "gone" }));
    let gone = gone.send().await.expect(201).body["id"].as_str().expect("it is text").to_owned();
    shop.change("DELETE", &format!("/categories/{gone}"), &Value::Null).send().await.expect(204);

    let lamp = shop.product("LAMP", 1_000).await;
    let body = json!({ "name": "Lämp \"ø\"", "category_ids": [category], "attributes": { "b": [1, null], "a": "é" } });
    shop.change("PATCH", &format!("/products/{}", lamp.id), &body).send().await.expect(200);
    let mug = json!({ "name": "Mug", "price": 900, "currency": "EUR", "reserve_on": "cart",
                      "variants": [{ "sku": "MUG-RED", "initial_stock": 50 }, { "sku": "MUG-BLUE", "initial_stock": 50 }] });
    let mug = shop.make(&mug).await;
    let variants = format!("/products/{}/variants", mug.id);
    shop.change("POST", &variants, &json!({ "sku": "MUG-GREEN" })).send().await.expect(201);
    shop.change("DELETE", "/variants/MUG-GREEN", &Value::Null).send().await.expect(204);
    let short_lived = shop.product("SHORT", 1).await;
    shop.change("DELETE", &format!("/products/{}", short_lived.id), &Value::Null).send().await.expect(204);

    stock(shop).await;
    people(shop).await;
    rules(shop).await;
    buy(shop, &lamp).await;
    shop_with_cart(shop).await;
}

async fn stock(shop: &Shop) {
    let adjust = json!({ "delta": 7, "reason": "restock", "reference": "D-1" });
    shop.change("POST", "/inventory/LAMP/adjustments", &adjust).send().await.expect(201);
    let adjust = json!({ "delta": -2, "reason": "damaged", "note": "fell\noff the shelf" });
    shop.change("POST", "/inventory/LAMP/adjustments", &adjust).key("adjust-1").send().await.expect(201);
    shop.change("POST", "/inventory/LAMP/counts", &json!({ "on_hand": 1_003 })).send().await.expect(200);
    let line = |sku| json!({ "sku": sku, "adjust": { "delta": 1, "reason": "correction" } });
    let batch = json!({ "mode": "independent", "operations": [line("LAMP"), line("MUG-RED"), line("NONE")] });
    shop.change("POST", "/inventory/batch", &batch).send().await;
}

async fn people(shop: &Shop) {
    let body = json!({ "email": "ada@example.test", "password": "correct horse battery", "name": "Ada" });
    let user = shop.client.post("/auth/register", &body).send().await.expect(201).body;
    let id = user["user"]["id"].as_str().expect("it is text").to_owned();
    let body = json!({ "email": "ada@example.test", "password": "correct horse battery" });
    let pair = shop.client.post("/auth/login", &body).send().await.expect(200).body;
    let spent = json!({ "refresh_token": pair["refresh_token"] });
    shop.client.post("/auth/refresh", &spent).send().await.expect(200);
    shop.change("PATCH", &format!("/users/{id}"), &json!({ "tier": "gold" })).send().await.expect(200);
}

async fn rules(shop: &Shop) {
    let bulk =
        json!({ "name": "Many", "kind": "bulk", "percent_off": 1_000, "min_quantity": 10, "skus": ["LAMP"] });
    let rule = shop.change("POST", "/price-rules", &bulk).send().await.expect(201);
    let path = format!("/price-rules/{}", rule.body["id"].as_str().expect("it is text"));
    let bulk =
        json!({ "name": "Many", "kind": "bulk", "amount_off": 100, "min_quantity": 5, "skus": ["LAMP"] });
    shop.change("PUT", &path, &bulk).send().await.expect(200);
    let gold = json!({ "name": "Gold", "kind": "tier", "percent_off": 500, "tier": "gold" });
    let rule = shop.change("POST", "/price-rules", &gold).send().await.expect(201);
    let path = format!("/price-rules/{}", rule.body["id"].as_str().expect("it is text"));
    shop.change("DELETE", &path, &Value::Null).send().await.expect(204);
}

async fn buy(shop: &Shop, lamp: &Product) {
    shop.purchase(lamp, 1).send().await.expect(201);
    // Twice with one key, once in vain.
    let bought = shop.purchase(lamp, 6).key("buy-6").session("export-guest-000001").send().await.expect(201);
    let again = shop.purchase(lamp, 6).key("buy-6").session("export-guest-000001").send().await.expect(201);
    assert_eq!(again.body, bought.body);
    shop.purchase(lamp, 900_000).key("buy-too-many").send().await.expect(409);

    let post = |path: &str, body: &Value| shop.change("POST", path, body);
    let lines = json!([{ "sku": "LAMP", "quantity": 2 }, { "sku": "MUG-RED", "quantity": 1 }]);
    let hold = json!({ "lines": lines, "ttl_seconds": 600, "reference": "R", "metadata": { "table": 4 } });
    for ending in ["release", "confirm"] {
        let held = post("/reservations", &hold).send().await.expect(201).body;
        let path = format!("/reservations/{}", held["id"].as_str().expect("it is text"));
        post(&format!("{path}/extend"), &json!({ "ttl_seconds": 1_200 })).send().await.expect(200);
        post(&format!("{path}/{ending}"), &Value::Null).send().await.expect(200);
    }
    let order =
        json!({ "lines": lines, "email": "bob@example.test", "shipping_address": { "city": "Köln" } });
    for steps in [&["confirm", "fulfill"][..], &["confirm", "cancel"], &["cancel"]] {
        let placed = post("/orders", &order).send().await.expect(201).body;
        for step in steps {
            let path = format!("/orders/{}/{step}", placed["id"].as_str().expect("it is text"));
            post(&path, &Value::Null).send().await.expect(200);
        }
    }
    let paid = json!({ "lines": lines, "payment": { "method": "simulated", "token": "tok_declined" } });
    post("/orders", &paid).send().await.expect_problem(402, "payment_failed");
}

async fn shop_with_cart(shop: &Shop) {
    let guest = "export-guest-000002";
    let ask =
        |method: &str, path: &str, body: Value| shop.client.ask(method, path).json(&body).session(guest);
    ask("POST", "/cart/items", json!({ "sku": "MUG-RED", "quantity": 2 })).send().await.expect(201);
    ask("POST", "/cart/items", json!({ "sku": "MUG-BLUE", "quantity": 1 })).send().await.expect(201);
    ask("PUT", "/cart/items/MUG-RED", json!({ "quantity": 3 })).send().await.expect(200);
    shop.client.delete("/cart/items/MUG-BLUE").session(guest).send().await.expect(200);
    shop.client.delete("/cart").session(guest).send().await.expect(204);
    ask("POST", "/cart/items", json!({ "sku": "MUG-RED", "quantity": 2 })).send().await.expect(201);
    let payment = json!({ "method": "simulated", "token": "tok_ok" });
    ask("POST", "/orders", json!({ "email": "c@example.test", "payment": payment })).send().await.expect(201);
}

/// Exports into a file beside the data folder.
fn export(folder: &Folder, data: &Path, name: &str) -> PathBuf {
    let out = folder.parent().join(name);
    let data = data.to_str().expect("it is UTF-8");
    folder
        .run(&["journal", "export", "--data-dir", data, "--out", out.to_str().expect("it is UTF-8")])
        .expect_code(0);
    out
}

fn import(folder: &Folder, file: &Path, name: &str) -> PathBuf {
    let into = folder.parent().join(name);
    let arguments = [
        "journal",
        "import",
        file.to_str().expect("it is UTF-8"),
        "--into",
        into.to_str().expect("it is UTF-8"),
        "--json",
    ];
    let ended = folder.run(&arguments).expect_code(0);
    let document: Value = serde_json::from_str(&ended.stdout).expect("it is JSON");
    assert_eq!(document["verified"], true);
    into
}

fn types(file: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(file).expect("the folder is ours");
    let records = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("it is JSON"));
    let events = records.flat_map(|line| line["record"]["events"].as_array().cloned().unwrap_or_default());
    events.map(|event| event["type"].as_str().expect("it is text").to_owned()).collect()
}

#[tokio::test]
async fn journal_comes_back_from_its_export_to_the_bit() {
    let folder = Folder::new();
    let (server, shop) = Shop::new(&folder).await;
    live(&shop).await;
    let figures = shop.figures("LAMP").await;
    let movements = shop.movements("LAMP").await;
    server.kill();

    let first = export(&folder, &folder.data(), "first.jsonl");
    let imported = import(&folder, &first, "imported");
    let second = export(&folder, &imported, "second.jsonl");
    assert!(
        fs::read(&first).expect("the folder is ours") == fs::read(&second).expect("the folder is ours"),
        "the export of the import is the export"
    );
    let text = fs::read_to_string(&first).expect("the folder is ours");
    assert!(!text.contains(r#""payload":"#), "what is written today is told in words");

    let told = types(&first);
    let known = holdfast::facts::TYPES.iter().copied().filter(|kind| !RARE.contains(kind));
    let missing: Vec<_> = known.filter(|kind| !told.contains(*kind)).collect();
    assert!(missing.is_empty(), "nothing tells of {missing:?}");

    let data = imported.to_str().expect("it is UTF-8");
    folder.run(&["journal", "verify", "--data-dir", data]).expect_code(0);
    let mut serve = folder.serve_empty();
    serve.env("HOLDFAST_DATA_DIR", data);
    let server = Server::start(serve);
    let shop = Shop { admin: shop.admin.clone(), ..Shop::of(&server) };
    assert_eq!(shop.figures("LAMP").await, figures);
    assert_eq!(shop.movements("LAMP").await, movements, "positions and all");
    // The answer to a request from before, out of the imported journal.
    let lamp = Product { id: product_id(&shop, "LAMP").await, sku: "LAMP".to_owned() };
    let again = shop.purchase(&lamp, 6).key("buy-6").session("export-guest-000001").send().await.expect(201);
    assert!(again.is_replayed());
    server.terminate();
}

async fn product_id(shop: &Shop, sku: &str) -> String {
    shop.inventory(sku).await["product_id"].as_str().expect("it is text").to_owned()
}

#[tokio::test]
async fn running_server_is_exported_while_it_sells() {
    let folder = Folder::new();
    let (server, shop) = Shop::new(&folder).await;
    let hot = shop.product("HOT", 10_000).await;
    let (stop, mut stopped) = tokio::sync::watch::channel(false);
    let seller = tokio::spawn({
        let shop = shop.clone();
        async move {
            let mut sold = 0_u64;
            while !*stopped.borrow_and_update() {
                shop.purchase(&hot, 1).send().await.expect(201);
                sold += 1;
            }
            sold
        }
    });
    let data = folder.data();
    let exporting = tokio::task::spawn_blocking(move || (export(&folder, &data, "live.jsonl"), folder));
    let (file, folder) = exporting.await.unwrap();
    stop.send(true).unwrap();
    let sold = seller.await.unwrap();
    let imported = import(&folder, &file, "imported");
    server.terminate();

    let mut serve = folder.serve_empty();
    serve.env("HOLDFAST_DATA_DIR", imported.to_str().expect("it is UTF-8"));
    let server = Server::start(serve);
    let copy = Shop { admin: shop.admin.clone(), ..Shop::of(&server) };
    let committed = copy.figures("HOT").await[3];
    assert!((1..=sold).contains(&committed), "{committed} of {sold} were sold before it ended");
    copy.expect_books("HOT").await;
}

#[tokio::test]
async fn trimmed_journal_comes_back_from_its_checkpoint() {
    let folder = Folder::new();
    let (server, shop) = Shop::new(&folder).await;
    live(&shop).await;
    server.terminate();
    folder.run(&["journal", "checkpoint"]).expect_code(0);
    folder.run(&["journal", "trim", "--retain", "1s"]).expect_code(0);
    let server = Server::start(folder.serve_empty());
    let shop = Shop { admin: shop.admin.clone(), ..Shop::of(&server) };
    shop_with_cart(&shop).await;
    let figures = shop.figures("MUG-RED").await;
    server.kill();

    let first = export(&folder, &folder.data(), "first.jsonl");
    let text = fs::read_to_string(&first).expect("the folder is ours");
    assert!(text.lines().any(|line| line.starts_with(r#"{"entry":"#)), "it was trimmed");
    let imported = import(&folder, &first, "imported");
    let second = export(&folder, &imported, "second.jsonl");
    assert!(
        text == fs::read_to_string(&second).expect("the folder is ours"),
        "the export of the import is the export"
    );
    let mut serve = folder.serve_empty();
    serve.env("HOLDFAST_DATA_DIR", imported.to_str().expect("it is UTF-8"));
    let server = Server::start(serve);
    let copy = Shop { admin: shop.admin.clone(), ..Shop::of(&server) };
    assert_eq!(copy.figures("MUG-RED").await, figures);
}
