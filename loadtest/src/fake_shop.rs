//! Fake shop: a little shop in memory behind the same paths, honest or cheating on purpose.
//!
//! For tests only: it proves that the sale and its auditor see through a server that lies over real HTTP.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, mpsc};
use std::thread;

use actix_web::rt::System;
use actix_web::web::{self, Data, Json, Path, Query};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::sale::Target;

/// In what way the shop lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cheat {
    Honest,
    /// Sells ten units more than there are.
    Oversells,
    /// Does not write every tenth sale into its books.
    Forgets,
    /// Books a sale nobody made.
    Invents,
    /// Gives the same order id to two buyers.
    RepeatsOrderIds,
    /// Answers every hundredth request with 500.
    Fails,
    /// Refuses while the last ten units are on the shelf.
    HoldsBack,
}

struct Shelf {
    sku: String,
    stock: i64,
    asked: i64,
    sold: i64,
    orders: Vec<(String, i64)>,
}

struct FakeShop {
    cheat: Cheat,
    shelves: Mutex<HashMap<String, Shelf>>,
}

#[derive(Deserialize)]
struct NewProduct {
    sku: String,
    initial_stock: i64,
}

#[derive(Deserialize)]
struct Purchase {
    quantity: i64,
}

#[derive(Deserialize)]
struct Page {
    kind: String,
    limit: usize,
    cursor: Option<String>,
}

/// Opens a shop in this process for as long as the test runs.
pub(crate) fn open(cheat: Cheat) -> Target {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let shop = Data::new(FakeShop { cheat, shelves: Mutex::default() });
        System::new().block_on(async move {
            let server = HttpServer::new(move || {
                App::new()
                    .app_data(shop.clone())
                    .route("/health/ready", web::get().to(HttpResponse::Ok))
                    .route("/api/v1/auth/login", web::post().to(log_in))
                    .route("/api/v1/products", web::post().to(create))
                    .route("/api/v1/products/{id}/purchase", web::post().to(purchase))
                    .route("/api/v1/inventory/{sku}", web::get().to(inventory))
                    .route("/api/v1/inventory/{sku}/movements", web::get().to(movements))
            });
            let server = server.workers(2).disable_signals().bind(("127.0.0.1", 0)).expect("a port");
            sender.send(server.addrs()[0]).expect("the test waits");
            server.run().await.expect("serve");
        });
    });
    let address = receiver.recv().expect("the shop opens");
    let (email, password) = ("admin@example.com".into(), "password".into());
    Target { address, host: address.to_string(), email, password, process: Some(std::process::id()) }
}

impl FakeShop {
    fn shelves(&self) -> MutexGuard<'_, HashMap<String, Shelf>> {
        self.shelves.lock().expect("no handler panics")
    }
}

fn is_admin(request: &HttpRequest) -> bool {
    request.headers().get("authorization").is_some_and(|token| token == "Bearer token")
}

async fn log_in(body: Json<Value>) -> HttpResponse {
    assert_eq!(body["password"], "password");
    HttpResponse::Ok().json(json!({ "access_token": "token", "token_type": "Bearer" }))
}

async fn create(request: HttpRequest, shop: Data<FakeShop>, body: Json<NewProduct>) -> HttpResponse {
    if !is_admin(&request) {
        return HttpResponse::Forbidden().finish();
    }
    let mut shelves = shop.shelves();
    let id = format!("prod_{:04}", shelves.len());
    let NewProduct { sku, initial_stock: stock } = body.into_inner();
    let answer = json!({ "id": id, "sku": sku });
    let orders = match shop.cheat {
        Cheat::Invents => vec![("ord_ghost".to_owned(), 1)],
        _ => Vec::new(),
    };
    shelves.insert(id, Shelf { sku, stock, asked: 0, sold: 0, orders });
    HttpResponse::Created().json(answer)
}

async fn purchase(shop: Data<FakeShop>, id: Path<String>, body: Json<Purchase>) -> HttpResponse {
    let mut shelves = shop.shelves();
    let Some(shelf) = shelves.get_mut(id.as_str()) else { return HttpResponse::NotFound().finish() };
    shelf.asked += 1;
    if shop.cheat == Cheat::Fails && shelf.asked % 100 == 0 {
        return HttpResponse::InternalServerError().body("deadlock detected");
    }
    let for_sale = match shop.cheat {
        Cheat::Oversells => shelf.stock + 10,
        Cheat::HoldsBack => shelf.stock - 10,
        _ => shelf.stock,
    };
    if shelf.sold + body.quantity > for_sale {
        let line = json!({ "index": 0, "sku": shelf.sku, "requested": body.quantity, "available": 0, "reserved": 0 });
        let problem = json!({ "status": 409, "code": "insufficient_stock", "lines": [line] });
        return HttpResponse::Conflict().json(problem);
    }
    shelf.sold += body.quantity;
    let number = if shop.cheat == Cheat::RepeatsOrderIds { shelf.sold / 2 } else { shelf.sold };
    let order_id = format!("ord_{number:06}");
    if shop.cheat != Cheat::Forgets || shelf.sold % 10 != 0 {
        shelf.orders.push((order_id.clone(), body.quantity));
    }
    let available = (shelf.stock - shelf.sold).max(0);
    HttpResponse::Created().json(json!({
        "order_id": order_id, "sku": shelf.sku, "quantity": body.quantity, "available": available,
    }))
}

fn with_sku(shop: &FakeShop, sku: &str, answer: impl Fn(&Shelf) -> Value) -> HttpResponse {
    match shop.shelves().values().find(|shelf| shelf.sku == sku) {
        Some(shelf) => HttpResponse::Ok().json(answer(shelf)),
        None => HttpResponse::NotFound().finish(),
    }
}

async fn inventory(shop: Data<FakeShop>, sku: Path<String>) -> HttpResponse {
    with_sku(&shop, &sku, |shelf| {
        let committed: i64 = shelf.orders.iter().map(|(_, quantity)| quantity).sum();
        let available = shelf.stock - committed;
        json!({ "on_hand": shelf.stock, "available": available, "reserved": 0, "committed": committed })
    })
}

async fn movements(
    request: HttpRequest,
    shop: Data<FakeShop>,
    sku: Path<String>,
    page: Query<Page>,
) -> HttpResponse {
    if !is_admin(&request) || page.kind != "committed" {
        return HttpResponse::Forbidden().finish();
    }
    with_sku(&shop, &sku, |shelf| {
        let start: usize = page.cursor.as_ref().map_or(0, |cursor| cursor.parse().expect("our own cursor"));
        let rows: Vec<Value> = shelf
            .orders
            .iter()
            .rev()
            .skip(start)
            .take(page.limit)
            .map(|(order_id, quantity)| {
                json!({ "kind": "committed", "delta": quantity, "cause": { "type": "order", "id": order_id } })
            })
            .collect();
        let end = start + rows.len();
        let next = (end < shelf.orders.len()).then(|| end.to_string());
        json!({ "data": rows, "next_cursor": next })
    })
}
