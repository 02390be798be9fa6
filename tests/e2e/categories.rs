//! Categories: a tree that admins grow, everybody reads, and no crash forgets.

use serde_json::{Value, json};

use crate::client::{Answer, expect_id, expect_members, expect_moment};
use crate::server::Folder;
use crate::shop::Shop;
use crate::tokens;

const PLAIN: [&str; 7] = ["id", "name", "slug", "parent_id", "version", "created_at", "updated_at"];

/// Makes a category, and gives its id.
pub(crate) async fn make(shop: &Shop, slug: &str, parent: Option<&str>) -> String {
    let made = post(shop, slug, parent).await.expect(201);
    made.body["id"].as_str().expect("it has an id").to_owned()
}

async fn post(shop: &Shop, slug: &str, parent: Option<&str>) -> Answer {
    let body = json!({ "name": slug.to_uppercase(), "slug": slug, "parent_id": parent });
    shop.client.post("/categories", &body).token(&shop.admin).send().await
}

async fn put(shop: &Shop, id: &str, body: Value, tag: Option<&str>) -> Answer {
    let ask = shop.client.ask("PUT", &format!("/categories/{id}")).json(&body).token(&shop.admin);
    let ask = match tag {
        Some(tag) => ask.header("If-Match", tag),
        None => ask,
    };
    ask.send().await
}

async fn delete(shop: &Shop, id: &str) -> Answer {
    shop.client.delete(&format!("/categories/{id}")).token(&shop.admin).send().await
}

fn slugs(list: &Value) -> Vec<&str> {
    let list = list.as_array().unwrap_or_else(|| panic!("a list: {list}"));
    list.iter().map(|it| it["slug"].as_str().expect("it has a slug")).collect()
}

#[tokio::test]
async fn category_reads_as_it_was_made_with_its_branch_and_the_way_to_it() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let clothes = post(&shop, "clothes", None).await.expect(201);
    expect_members(&clothes.body, &PLAIN);
    expect_id(&clothes.body["id"], "cat_");
    expect_moment(&clothes.body["created_at"]);
    assert_eq!(clothes.body["version"], 1);
    assert_eq!((&clothes.body["name"], &clothes.body["parent_id"]), (&json!("CLOTHES"), &Value::Null));
    assert_eq!(clothes.header("location"), "/api/v1/categories/clothes");
    assert_ne!(clothes.header("journal-position"), "");
    assert_eq!(clothes.header("etag"), "\"1\"");
    let clothes = clothes.body["id"].as_str().expect("an id").to_owned();
    let coats = make(&shop, "coats", Some(&clothes)).await;
    make(&shop, "rain-coats", Some(&coats)).await;
    make(&shop, "hats", Some(&clothes)).await;
    make(&shop, "tools", None).await;

    let tree = shop.client.get("/categories").send().await.expect(200);
    expect_members(&tree.body, &["data"]);
    assert_eq!(slugs(&tree.body["data"]), ["clothes", "tools"]);
    let below = &tree.body["data"][0]["children"];
    assert_eq!(slugs(below), ["coats", "hats"]);
    assert_eq!(slugs(&below[0]["children"]), ["rain-coats"]);
    assert_eq!(tree.body["data"][1]["children"], json!([]));
    expect_members(&below[0], &[&PLAIN[..], &["children"]].concat());
    let same = shop.client.get("/categories").header("If-None-Match", tree.header("etag")).send().await;
    same.expect(304);

    let by_slug = shop.client.get("/categories/coats").send().await.expect(200);
    expect_members(&by_slug.body, &[&PLAIN[..], &["children", "path"]].concat());
    assert_eq!(slugs(&by_slug.body["children"]), ["rain-coats"]);
    assert_eq!(slugs(&by_slug.body["path"]), ["clothes", "coats"]);
    let by_id = shop.client.get(&format!("/categories/{coats}")).send().await.expect(200);
    assert_eq!((&by_id.body, by_id.header("etag")), (&by_slug.body, by_slug.header("etag")));
    let tag = by_slug.header("etag").to_owned();
    shop.client.get("/categories/coats").header("If-None-Match", &tag).send().await.expect(304);
    // The branch is part of what is read.
    make(&shop, "wool-coats", Some(&coats)).await;
    let grown = shop.client.get("/categories/coats").header("If-None-Match", &tag).send().await.expect(200);
    // But not of what `If-Match` compares.
    let body = json!({ "name": "Coats", "slug": "coats", "parent_id": clothes });
    assert_eq!(put(&shop, &coats, body, Some(&tag)).await.expect(200).body["version"], 2);
    assert_ne!(grown.header("etag"), tag);
}

#[tokio::test]
async fn category_is_replaced_moved_and_removed() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let (clothes, tools) = (make(&shop, "clothes", None).await, make(&shop, "tools", None).await);
    let coats = make(&shop, "coats", Some(&clothes)).await;
    let moved = json!({ "name": "Jackets", "slug": "jackets", "parent_id": tools });

    for wrong in ["\"2\"", "\"nonsense\"", "W/\"1\""] {
        put(&shop, &coats, moved.clone(), Some(wrong)).await.expect_problem(412, "version_mismatch");
        let ask = shop.client.delete(&format!("/categories/{coats}")).token(&shop.admin);
        ask.header("If-Match", wrong).send().await.expect_problem(412, "version_mismatch");
    }
    let changed = put(&shop, &coats, moved.clone(), Some("\"1\"")).await.expect(200);
    expect_members(&changed.body, &PLAIN);
    assert_eq!((&changed.body["slug"], &changed.body["version"]), (&json!("jackets"), &json!(2)));
    assert_eq!(changed.header("etag"), "\"2\"");
    assert_ne!(changed.header("journal-position"), "");
    let unchanged = put(&shop, &coats, moved, None).await.expect(200);
    assert_eq!(unchanged.body["version"], 2, "what is so already is no change");
    shop.client.get("/categories/coats").send().await.expect_problem(404, "not_found");
    let found = shop.client.get("/categories/jackets").send().await.expect(200);
    assert_eq!(slugs(&found.body["path"]), ["tools", "jackets"]);
    // Absent parent: to the top.
    let top = put(&shop, &coats, json!({ "name": "Jackets", "slug": "jackets" }), None).await.expect(200);
    assert_eq!(top.body["parent_id"], Value::Null);

    let gone = delete(&shop, &coats).await.expect(204);
    assert_ne!(gone.header("journal-position"), "");
    delete(&shop, &coats).await.expect_problem(404, "not_found");
    put(&shop, &coats, json!({ "name": "x", "slug": "x" }), None).await.expect_problem(404, "not_found");
    // Writes name an id, never a slug: those may be somebody else's tomorrow.
    delete(&shop, "tools").await.expect_problem(404, "not_found");
    delete(&shop, "cat_1").await.expect_problem(404, "not_found");
}

#[tokio::test]
async fn what_has_no_place_is_refused_by_field() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let clothes = make(&shop, "clothes", None).await;
    let coats = make(&shop, "coats", Some(&clothes)).await;
    let nobody = "cat_01936f5e-7a5c-7000-8000-000000000000";

    let twice = json!({ "name": "x", "slug": "clothes", "parent_id": nobody });
    let refused = shop.client.post("/categories", &twice).token(&shop.admin).send().await;
    let refused = refused.expect_problem(422, "validation_failed");
    assert_eq!(refused.wrong_fields(), ["slug", "parent_id"]);
    assert_eq!(refused.body["errors"][0]["code"], "taken");
    assert_eq!(refused.body["errors"][1]["code"], "unknown");
    for parent in [&clothes, &coats] {
        let body = json!({ "name": "Clothes", "slug": "clothes", "parent_id": parent });
        let refused = put(&shop, &clothes, body, None).await.expect_problem(422, "validation_failed");
        assert_eq!(refused.wrong_fields(), ["parent_id"]);
        assert_eq!(refused.body["errors"][0]["code"], "cycle");
    }
    let long = "s".repeat(65);
    let cases = [
        ("slug", json!("")),
        ("slug", json!(long)),
        ("slug", json!("Coats")),
        ("slug", json!("rain coats")),
        ("slug", json!("-coats")),
        ("slug", json!("coats-")),
        ("slug", json!("mäntel")),
        ("slug", json!(7)),
        ("slug", Value::Null),
        ("name", json!("")),
        ("name", Value::Null),
        ("parent_id", json!("clothes")),
        ("parent_id", json!(7)),
        ("colour", json!("red")),
    ];
    for (field, value) in cases {
        let mut body = json!({ "name": "x", "slug": "x", "parent_id": null });
        body[field] = value;
        let refused = shop.client.post("/categories", &body).token(&shop.admin).send().await;
        assert_eq!(refused.expect_problem(422, "validation_failed").wrong_fields(), [field], "{body}");
    }
    shop.client.get("/categories?limit=1").send().await.expect_problem(400, "malformed_request");
    shop.client.get("/categories/none").send().await.expect_problem(404, "not_found");
    let mut parent = clothes;
    for depth in 2..=16 {
        parent = make(&shop, &format!("level-{depth}"), Some(&parent)).await;
    }
    let refused = post(&shop, "too-deep", Some(&parent)).await.expect_problem(422, "validation_failed");
    assert_eq!(refused.body["errors"][0]["code"], "too_deep");
}

#[tokio::test]
async fn only_admins_change_the_tree() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let id = make(&shop, "tools", None).await;
    let body = json!({ "name": "x", "slug": "x" });
    let path = format!("/categories/{id}");
    for (method, path) in [("POST", "/categories"), ("PUT", &path), ("DELETE", &path)] {
        let ask = || shop.client.ask(method, path).json(&body);
        ask().send().await.expect_problem(401, "unauthenticated");
        ask().token(&tokens::customer(1)).send().await.expect_problem(403, "forbidden");
    }
    shop.client.ask("PATCH", &path).json(&body).send().await.expect_problem(405, "method_not_allowed");
}

#[tokio::test]
async fn category_in_use_stays() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let clothes = make(&shop, "clothes", None).await;
    let coats = make(&shop, "coats", Some(&clothes)).await;
    delete(&shop, &clothes).await.expect_problem(409, "in_use");
    let body = json!({ "name": "Coat", "price": 1, "currency": "EUR", "category_ids": [coats] });
    let coat = shop.make(&body).await;
    assert_eq!(shop.read(&coat).await.body["category_ids"], json!([coats]));
    delete(&shop, &coats).await.expect_problem(409, "in_use");
    let path = format!("/products/{}", coat.id);
    let patch =
        |ids: Value| shop.client.patch(&path, &json!({ "category_ids": ids })).token(&shop.admin).send();
    assert_eq!(
        patch(json!([clothes, coats])).await.expect(200).body["category_ids"],
        json!([clothes, coats])
    );
    assert_eq!(patch(json!([clothes])).await.expect(200).body["category_ids"], json!([clothes]));
    delete(&shop, &coats).await.expect(204);
    delete(&shop, &clothes).await.expect_problem(409, "in_use");
    assert_eq!(patch(Value::Null).await.expect(200).body["category_ids"], json!([]));
    assert_eq!(patch(json!([clothes])).await.expect(200).body["category_ids"], json!([clothes]));
    shop.client.delete(&path).token(&shop.admin).send().await.expect(204);
    delete(&shop, &clothes).await.expect(204);
}

#[tokio::test]
async fn product_names_categories_that_exist_each_once() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let tools = make(&shop, "tools", None).await;
    let nobody = "cat_01936f5e-7a5c-7000-8000-000000000000";
    let product = |ids: Value| json!({ "name": "Saw", "price": 1, "currency": "EUR", "sku": "SAW", "category_ids": ids });
    let saw = shop.make(&product(json!([tools]))).await;
    let path = format!("/products/{}", saw.id);
    let many: Vec<&str> = vec![nobody; 51];
    let cases = [
        (json!([nobody, tools]), vec!["category_ids[0]"], "unknown"),
        (json!([tools, tools]), vec!["category_ids[1]"], "duplicate"),
        (json!(["tools"]), vec!["category_ids[0]"], "malformed"),
        (json!(many), vec!["category_ids"], "out_of_range"),
        (json!("tools"), vec!["category_ids"], "wrong_type"),
    ];
    for (ids, fields, code) in cases {
        let made = shop.client.post("/products", &product(ids.clone())).token(&shop.admin).send().await;
        let patched =
            shop.client.patch(&path, &json!({ "category_ids": ids })).token(&shop.admin).send().await;
        // The sku is taken already: the form of the fields comes first, and what exists after that.
        let made = if code == "unknown" { made.expect_problem(409, "duplicate_sku") } else { made };
        for refused in [Some(patched), (code != "unknown").then_some(made)].into_iter().flatten() {
            let refused = refused.expect_problem(422, "validation_failed");
            assert_eq!(refused.wrong_fields(), fields, "{ids}");
            assert_eq!(refused.body["errors"][0]["code"], code, "{ids}");
        }
    }
    assert_eq!(shop.read(&saw).await.body["category_ids"], json!([tools]));
}

#[tokio::test]
async fn retries_and_the_tree_outlive_a_kill() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let tools = make(&shop, "tools", None).await;
    let body = json!({ "name": "Saws", "slug": "saws", "parent_id": tools });
    let ask =
        |shop: &Shop, key: &str| shop.client.post("/categories", &body).token(&shop.admin).key(key).send();
    let made = ask(&shop, "make").await.expect(201);
    let saws = made.body["id"].as_str().expect("an id").to_owned();
    let renamed = json!({ "name": "Saws", "slug": "hand-saws", "parent_id": tools });
    let rename = |shop: &Shop| {
        let ask = shop.client.ask("PUT", &format!("/categories/{saws}")).json(&renamed);
        ask.token(&shop.admin).key("rename").header("If-Match", "\"1\"").send()
    };
    let changed = rename(&shop).await.expect(200);
    let old = make(&shop, "old", None).await;
    let remove = |shop: &Shop| {
        shop.client.delete(&format!("/categories/{old}")).token(&shop.admin).key("remove").send()
    };
    remove(&shop).await.expect(204);
    let refused = |shop: &Shop| {
        shop.client.delete(&format!("/categories/{tools}")).token(&shop.admin).key("refused").send()
    };
    refused(&shop).await.expect_problem(409, "in_use");
    let saw = json!({ "name": "Saw", "price": 1, "currency": "EUR", "sku": "SAW", "category_ids": [saws] });
    shop.make(&saw).await;
    let before = shop.client.get("/categories").send().await.expect(200);
    server.kill();

    let server = folder.start();
    let shop = Shop::of(&server);
    let after = shop.client.get("/categories").send().await.expect(200);
    assert_eq!((&after.text, after.header("etag")), (&before.text, before.header("etag")));
    for (again, first) in [(ask(&shop, "make").await, &made), (rename(&shop).await, &changed)] {
        assert!(again.is_replayed());
        assert_eq!((again.status, &again.text), (first.status, &first.text));
        for name in ["etag", "location", "journal-position"] {
            assert_eq!(again.header(name), first.header(name), "{name}");
        }
    }
    assert!(remove(&shop).await.expect(204).is_replayed());
    assert!(refused(&shop).await.expect_problem(409, "in_use").is_replayed());
    let other = json!({ "name": "Other", "slug": "other" });
    let reused = shop.client.post("/categories", &other).token(&shop.admin).key("make").send().await;
    reused.expect_problem(422, "idempotency_key_reused");
    delete(&shop, &saws).await.expect_problem(409, "in_use");
    let page = shop.client.get("/products?category=tools").send().await.expect(200);
    assert_eq!(page.body["data"][0]["sku"], "SAW");
    assert!(server.terminate().status.success());
    folder.run(&["journal", "verify"]).expect_code(0);
}
