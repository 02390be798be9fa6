//! Real servers, each sold out by a crowd over HTTP, and books that were tampered with.

use std::collections::BTreeSet;
use std::sync::mpsc;
use std::thread;

use actix_web::dev::ServerHandle;
use actix_web::rt::System;

use super::*;
use crate::caller::{Caller, Reply};
use crate::load::{ProductTally, Tally};
use crate::shop::{Problem, Receipt};
use crate::wire::{Request, Style};

const UNITS: u32 = 40;
const BUYERS: u64 = 12;
const PURCHASES_EACH: u64 = 8;

/// Starts a front in this process: the program under test is not the load test itself.
fn front_thread(settings: &Settings, _log: &Path) -> anyhow::Result<(SocketAddr, Front)> {
    let (sender, receiver) = mpsc::channel();
    let settings = settings.clone();
    thread::spawn(move || {
        System::new().block_on(async move {
            let (server, address) = front::bind(settings).await.expect("a database");
            sender.send((address, server.handle())).expect("the test waits");
            server.await.expect("serve");
        });
    });
    let (address, server) = receiver.recv().expect("the front binds");
    Ok((address, Front::Thread(server)))
}

pub(super) fn stop(server: &ServerHandle) {
    System::new().block_on(server.stop(false));
}

fn contender(kind: Kind) -> Contender {
    let stock = Stock::new([("HOT-1".to_owned(), UNITS), ("COLD-1".to_owned(), 3)]);
    start_with(kind, kind.connections(), &stock, None, front_thread).expect("an installed database server")
}

impl Contender {
    fn buy(&self, at: usize, buyer: u64) -> Reply {
        let style = Style { host: self.endpoint.address.to_string(), run: "00000000".into() };
        let mut request = Request::purchase(&style, &self.stock.products[at].id, false);
        request.set_session(buyer);
        Caller::new(self.endpoint.address, style.host).send(request.bytes()).expect("an answer")
    }

    fn heard(&self, taken: [u64; 2]) -> Heard {
        let ids: Vec<String> = self.stock.products.iter().map(|product| product.id.clone()).collect();
        let products = taken.map(|taken| ProductTally { taken, ..ProductTally::default() }).to_vec();
        let mut heard = Heard::default();
        heard.add(&ids, &Tally { products, ..Tally::default() });
        heard
    }
}

/// The hot product is sold out by a crowd: what they were answered.
fn sell_out(contender: &Contender) -> (Vec<Receipt>, Vec<Problem>) {
    let (mut receipts, mut problems) = (Vec::new(), Vec::new());
    thread::scope(|scope| {
        let crowd =
            |buyer| move || -> Vec<Reply> { (0..PURCHASES_EACH).map(|_| contender.buy(0, buyer)).collect() };
        let buyers: Vec<_> = (0..BUYERS).map(|buyer| scope.spawn(crowd(buyer))).collect();
        for reply in buyers.into_iter().flat_map(|buyer| buyer.join().expect("a buyer")) {
            match reply.status {
                201 => receipts.push(serde_json::from_slice(&reply.body).expect("a receipt")),
                409 => problems.push(serde_json::from_slice(&reply.body).expect("a problem")),
                status => panic!("{status}: {}", String::from_utf8_lossy(&reply.body)),
            }
        }
    });
    (receipts, problems)
}

fn sells_exactly_its_stock(kind: Kind) -> Contender {
    let contender = contender(kind);
    let (receipts, problems) = sell_out(&contender);
    assert_eq!(receipts.len(), usize::try_from(UNITS).expect("few"));
    assert_eq!(problems.len() + receipts.len(), usize::try_from(BUYERS * PURCHASES_EACH).expect("few"));
    let orders: BTreeSet<&str> = receipts.iter().map(|receipt| receipt.order_id.as_str()).collect();
    let left: BTreeSet<u32> = receipts.iter().map(|receipt| receipt.available).collect();
    assert_eq!((orders.len(), left), (receipts.len(), (0..UNITS).collect()));
    assert!(orders.iter().all(|id| id.starts_with("ord_") && id.len() == 40), "{orders:?}");
    assert!(receipts.iter().all(|receipt| receipt.quantity == 1));
    for problem in problems {
        let lines: Vec<_> = problem.lines.iter().map(|line| (line.requested, line.available)).collect();
        assert_eq!((problem.code.as_str(), lines), ("insufficient_stock", vec![(1, 0)]));
    }
    assert_eq!(contender.buy(1, 1).status, 201);
    contender
}

fn audit(mut contender: Contender, taken: [u64; 2]) -> Vec<String> {
    let heard = contender.heard(taken);
    contender.audit(&heard).expect("the database answers")
}

#[test]
fn guarded_update_sells_exactly_its_stock() {
    let contender = sells_exactly_its_stock(Kind::PostgresGuarded);
    assert!(contender.rival.version.starts_with("PostgreSQL 1"), "{}", contender.rival.version);
    for setting in ["fsync = on", "synchronous_commit = on", "full_page_writes = on"] {
        assert!(contender.rival.settings.iter().any(|other| other == setting), "{setting}");
    }
    assert_eq!(audit(contender, [u64::from(UNITS), 1]), [""; 0]);
}

#[test]
fn select_for_update_sells_exactly_its_stock() {
    let contender = sells_exactly_its_stock(Kind::PostgresForUpdate);
    assert_eq!(audit(contender, [u64::from(UNITS), 1]), [""; 0]);
}

#[test]
fn version_column_sells_exactly_its_stock() {
    let contender = sells_exactly_its_stock(Kind::PostgresOptimistic);
    assert_eq!(audit(contender, [u64::from(UNITS), 1]), [""; 0]);
}

#[test]
fn script_sells_exactly_its_stock() {
    let contender = sells_exactly_its_stock(Kind::RedisAlways);
    assert!(contender.rival.version.starts_with("Redis "), "{}", contender.rival.version);
    for setting in ["appendonly = yes", "appendfsync = always", "save = \"\""] {
        assert!(contender.rival.settings.iter().any(|other| other == setting), "{setting}");
    }
    assert_eq!(audit(contender, [u64::from(UNITS), 1]), [""; 0]);
}

#[test]
fn script_with_a_lazy_log_sells_exactly_its_stock() {
    let contender = sells_exactly_its_stock(Kind::RedisEverysec);
    assert!(contender.rival.settings.iter().any(|setting| setting == "appendfsync = everysec"));
    assert_eq!(audit(contender, [u64::from(UNITS), 1]), [""; 0]);
}

#[test]
fn forged_row_is_found() {
    let contender = contender(Kind::PostgresGuarded);
    assert_eq!(contender.buy(0, 1).status, 201);
    let Database::Postgres(server) = &contender.database else { panic!("it is PostgreSQL") };
    server.forge(
        "INSERT INTO purchases SELECT gen_random_uuid(), product_id, quantity, unit_price, buyer FROM purchases",
    );
    let wrong = audit(contender, [1, 0]);
    assert_eq!(wrong.len(), 2, "{wrong:?}");
    assert_eq!(wrong[0], "postgres-guarded: HOT-1 went from 40 to 39 units, and 2 were taken");
    assert!(wrong[1].contains("2 units were taken, buyers heard of 1"), "{wrong:?}");
}

#[test]
fn forged_entry_and_missing_units_are_found() {
    let mut contender = contender(Kind::RedisAlways);
    assert_eq!(contender.buy(0, 1).status, 201);
    let id = uuid(&contender.stock.products[0]).expect("an id");
    let (hot, cold) =
        (store::redis::key(id), store::redis::key(uuid(&contender.stock.products[1]).expect("an id")));
    let Database::Redis(server) = &mut contender.database else { panic!("it is Redis") };
    for _ in 0..2 {
        server.forge(&["XADD", store::redis::PURCHASES, "*", "order", "o", "product", &hot, "quantity", "1"]);
    }
    server.forge(&["HINCRBY", &cold, "stock", "-4"]);
    let wrong = audit(contender, [1, 0]);
    let expect = [
        "3 purchases share 2 order ids",
        "HOT-1 went from 40 to 39 units, and 3 were taken",
        "HOT-1: 3 units were taken, buyers heard of 1",
        "COLD-1 is at -1 units",
        "COLD-1 went from 3 to -1 units, and 0 were taken",
    ];
    assert_eq!(wrong.len(), expect.len(), "{wrong:?}");
    for (wrong, expect) in wrong.iter().zip(expect) {
        assert!(wrong.contains(expect), "{wrong} lacks {expect}");
    }
}

#[test]
fn front_refuses_what_is_no_purchase() {
    let contender = contender(Kind::RedisEverysec);
    let address = contender.endpoint.address;
    let id = contender.stock.products[0].id.clone();
    let send = |path: &str, session: &str, body: &str| {
        let length = body.len();
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: a\r\n{session}Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        Caller::new(address, "a".into()).send(request.as_bytes()).expect("an answer").status
    };
    let (path, session) = (format!("/api/v1/products/{id}/purchase"), "X-Session-ID: a\r\n");
    let stranger = format!("/api/v1/products/prod_{}/purchase", Uuid::now_v7());
    assert_eq!(send(&path, session, r#"{"quantity":0}"#), 422);
    assert_eq!(send(&path, session, r#"{"quantity":1,"sku":""}"#), 422);
    assert_eq!(send(&path, session, r#"{"quantity":1,"price":1}"#), 400);
    assert_eq!(send(&path, "", r#"{"quantity":1}"#), 400);
    assert_eq!(send("/api/v1/products/prod_1/purchase", session, r#"{"quantity":1}"#), 404);
    assert_eq!(send(&stranger, session, r#"{"quantity":1}"#), 404);
    assert_eq!(send(&path, session, r#"{"quantity":1,"sku":"HOT-1"}"#), 201);
    assert_eq!(audit(contender, [1, 0]), [""; 0]);
}

#[test]
fn what_it_started_is_gone_when_a_contender_is_dropped() {
    for kind in [Kind::PostgresGuarded, Kind::RedisAlways] {
        let contender = contender(kind);
        let process = format!("/proc/{}", contender.database.process());
        let folders = contender.database.folders();
        let folders = [folders.data.clone(), folders.socket.clone()];
        assert!(Path::new(&process).exists() && folders.iter().all(|folder| folder.exists()));
        drop(contender);
        assert!(!Path::new(&process).exists() && folders.iter().all(|folder| !folder.exists()));
    }
}
