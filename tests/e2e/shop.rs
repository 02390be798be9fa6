//! A shop as its clients know it: products, purchases, figures, the ledger, and whether the books balance.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value, json};

use crate::client::{Answer, Ask, Client};
use crate::server::{Folder, Server};
use crate::tokens;

/// More pages than any test makes.
const PAGES_MAX: usize = 1_000;

/// A client with an admin's token.
#[derive(Clone)]
pub(crate) struct Shop {
    pub(crate) client: Client,
    pub(crate) admin: String,
}

/// A product of one variant.
#[derive(Clone, Debug)]
pub(crate) struct Product {
    pub(crate) id: String,
    pub(crate) sku: String,
}

/// What the ledger says of an order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sale {
    /// In how many movements it is: one, if all is well.
    pub(crate) count: u32,
    pub(crate) units: u64,
    /// Whether its buyer has an account.
    pub(crate) is_to_customer: bool,
}

impl Shop {
    pub(crate) fn of(server: &Server) -> Self {
        Self { client: Client::of(server), admin: tokens::admin() }
    }

    /// A new shop whose first admin comes from the settings: its journal was opened by its server alone.
    pub(crate) async fn new(folder: &Folder) -> (Server, Self) {
        let (email, password) = ("admin@example.test", "correct horse battery");
        let mut serve = folder.serve_empty();
        serve.env("HOLDFAST_ADMIN_EMAIL", email).env("HOLDFAST_ADMIN_PASSWORD", password);
        let server = Server::start(serve);
        let client = Client::of(&server);
        let body = json!({ "email": email, "password": password });
        let pair = client.post("/auth/login", &body).send().await.expect(200).body;
        let admin = pair["access_token"].as_str().expect("a login has a token").to_owned();
        (server, Self { client, admin })
    }

    /// Makes a product of one variant.
    pub(crate) async fn product(&self, sku: &str, stock: u32) -> Product {
        let body =
            json!({ "name": sku, "price": 1_999, "currency": "EUR", "sku": sku, "initial_stock": stock });
        self.make(&body).await
    }

    /// Makes a product.
    pub(crate) async fn make(&self, body: &Value) -> Product {
        let made = self.client.post("/products", body).token(&self.admin).send().await.expect(201);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Product { id: text(&made.body["id"]), sku: text(&made.body["sku"]) }
    }

    /// A write by the admin, to be sent.
    pub(crate) fn change(&self, method: &str, path: &str, body: &Value) -> Ask {
        let ask = self.client.ask(method, path).token(&self.admin);
        if body.is_null() { ask } else { ask.json(body) }
    }

    /// The skus of a product's variants, with what is available of each.
    pub(crate) fn stocks(product: &Value) -> Vec<(&str, u64)> {
        let variants = product["variants"].as_array().expect("a product has variants");
        let stock = |variant: &'_ Value| variant["available"].as_u64().expect("a number of units");
        variants.iter().map(|it| (it["sku"].as_str().expect("a sku is text"), stock(it))).collect()
    }

    /// A purchase to be sent.
    pub(crate) fn purchase(&self, product: &Product, quantity: u32) -> Ask {
        self.client.post(&format!("/products/{}/purchase", product.id), &json!({ "quantity": quantity }))
    }

    pub(crate) async fn read(&self, product: &Product) -> Answer {
        self.client.get(&format!("/products/{}", product.id)).token(&self.admin).send().await.expect(200)
    }

    /// The figures of a sku.
    pub(crate) async fn inventory(&self, sku: &str) -> Value {
        self.client.get(&format!("/inventory/{sku}")).token(&self.admin).send().await.expect(200).body
    }

    /// On hand, available, reserved, committed.
    pub(crate) async fn figures(&self, sku: &str) -> [u64; 4] {
        let figures = figures(&self.inventory(sku).await);
        assert_eq!(figures[0], figures[1] + figures[2] + figures[3], "{sku}: {figures:?}");
        figures
    }

    /// The whole ledger of a sku, newest first.
    pub(crate) async fn movements(&self, sku: &str) -> Vec<Value> {
        let mut all = Vec::new();
        let mut cursor = String::new();
        for _ in 0..PAGES_MAX {
            let path = format!("/inventory/{sku}/movements?limit=200{cursor}");
            let page = self.client.get(&path).token(&self.admin).send().await.expect(200).body;
            all.extend(page["data"].as_array().expect("a page has data").iter().cloned());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return all,
            }
        }
        panic!("{sku} has more than {PAGES_MAX} pages of movements");
    }

    /// What the ledger says of each order that sold units of a sku, by its id.
    pub(crate) async fn orders(&self, sku: &str) -> BTreeMap<String, Sale> {
        let mut orders: BTreeMap<String, Sale> = BTreeMap::new();
        for movement in self.movements(sku).await {
            if movement["kind"] == "committed" {
                assert_eq!(movement["cause"]["type"], "order", "{movement}");
                let id = movement["cause"]["id"].as_str().expect("an order has an id").to_owned();
                let sale = orders.entry(id).or_default();
                sale.count += 1;
                sale.units += movement["delta"].as_u64().expect("a sale has units");
                sale.is_to_customer = movement["actor"]["type"] == "customer";
            }
        }
        orders
    }

    /// Checks that the ledger, from the first movement on, leads to the figures: every line adds up by itself,
    /// follows from the one before, and the last is what the inventory says.
    #[track_caller]
    pub(crate) fn expect_balanced(movements: &[Value], inventory: &Value) {
        let mut levels: HashMap<&str, i64> = HashMap::new();
        for movement in movements.iter().rev() {
            let delta = movement["delta"].as_i64().expect("a movement has a delta");
            let held_before = levels.get("reserved").copied().unwrap_or_default();
            let mut add = |name, delta| *levels.entry(name).or_default() += delta;
            match movement["kind"].as_str().expect("a movement has a kind") {
                "received" | "adjusted" | "counted" => add("available", delta),
                "reserved" | "released" | "expired" => {
                    add("available", -delta);
                    add("reserved", delta);
                }
                "extended" => assert_eq!(delta, 0, "no unit moves: {movement}"),
                "committed" => {
                    // What was held is sold, or, in one turn, what was available.
                    let is_held = movement["after"]["reserved"] == held_before - delta;
                    add(if is_held { "reserved" } else { "available" }, -delta);
                    add("committed", delta);
                }
                "canceled" => {
                    add("available", -delta);
                    add("committed", delta);
                }
                "fulfilled" => add("committed", delta),
                other => panic!("there is no such kind as {other}: {movement}"),
            }
            let level = |name: &str| levels.get(name).copied().unwrap_or_default();
            let total = level("available") + level("reserved") + level("committed");
            let expected = [total, level("available"), level("reserved"), level("committed")];
            let after =
                figures(&movement["after"]).map(|figure| i64::try_from(figure).expect("figures are small"));
            assert_eq!(after, expected, "{movement}");
        }
        let last = movements.first().map_or([0; 4], |movement| figures(&movement["after"]));
        assert_eq!(figures(inventory), last, "the newest movement leads to the inventory");
    }

    /// Checks the books of a sku.
    pub(crate) async fn expect_books(&self, sku: &str) {
        Self::expect_balanced(&self.movements(sku).await, &self.inventory(sku).await);
    }
}

/// On hand, available, reserved, committed of an object that has them.
#[track_caller]
pub(crate) fn figures(object: &Value) -> [u64; 4] {
    ["on_hand", "available", "reserved", "committed"].map(|name| {
        object[name].as_u64().unwrap_or_else(|| panic!("{name} is a whole number of units: {object}"))
    })
}
