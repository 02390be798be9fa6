//! Mails from what happened to whom it happened: with and without Redis, with and without a mail server, the same.

use std::path::Path;

use serde_json::{Value, json};

use crate::mailbox::{Expected, Letter, address_of, expect_letters, stat, until_empty};
use crate::person::{Person, at, to_lines, until};
use crate::redis_server::RedisServer;
use crate::server::{Folder, Server};
use crate::shop::Shop;
use crate::smtp::{SmtpServer, Way};
use crate::worker::Worker;

const CONFIRMED: &str = "order_confirmed";
const CANCELED: &str = "order_canceled";
const EXPIRED: &str = "order_expired";

/// Words of a buyer, who may have named anybody's address.
const OF_STRANGERS: &str = "zebra";

const NOT_CHARGED: &str = "You were not charged.";

/// What happens in a shop, and the mails that are due for it.
struct Story<'a> {
    shop: &'a Shop,
    expected: Vec<Expected>,
}

fn payment(token: &str) -> Value {
    json!({ "method": "simulated", "token": token })
}

/// Everything that somebody is written to about, and some things that nobody is.
async fn story(shop: &Shop) -> Vec<Expected> {
    for (sku, price, currency) in [("MUG", 1_999, "EUR"), ("SAKE", 1_200, "JPY")] {
        let body =
            json!({ "name": sku, "price": price, "currency": currency, "sku": sku, "initial_stock": 100 });
        shop.make(&body).await;
    }
    let rule = json!({ "name": "Ten", "kind": "bulk", "min_quantity": 10, "percent_off": 500 });
    shop.change("POST", "/price-rules", &rule).send().await.expect(201);
    let mut story = Story { shop, expected: Vec::new() };
    story.registrations().await;
    story.sales().await;
    story.late_payments().await;
    story.cancelations().await;
    story.people_without_address().await;
    story.expected
}

impl Story<'_> {
    fn expect(&mut self, order: &Value, kind: &str) -> &mut Expected {
        let address = match (order["email"].as_str(), order["customer_id"].as_str()) {
            (Some(email), _) => email.to_owned(),
            (None, customer) => address_of(customer.expect("somebody can be written to")),
        };
        self.expected.push(Expected::of(order, kind, &address));
        self.expected.last_mut().expect("it has one")
    }

    /// Reads the order whose id that is, and expects its confirmation.
    async fn expect_sold(&mut self, person: &Person, id: &Value) -> Value {
        let order = person.read(&at(&json!({ "id": id }))).await;
        assert_eq!(order["status"], "confirmed");
        self.expect(&order, CONFIRMED);
        order
    }

    async fn registrations(&mut self) {
        let body = json!({ "email": "ada@example.test", "password": "correct horse battery", "name": "Ada" });
        let made = self.shop.client.post("/auth/register", &body).send().await.expect(201).body;
        self.expected.push(Expected {
            name: format!("{}.welcome", made["user"]["id"].as_str().expect("an account has an id")),
            to: "ada@example.test".to_owned(),
            subject: "Welcome to Holdfast".to_owned(),
            lines: vec!["Hello Ada,".to_owned()],
            html: vec!["Hello Ada,".to_owned()],
        });
        let again = self.shop.client.post("/auth/register", &body).send().await;
        again.expect_problem(409, "email_taken");
    }

    async fn sales(&mut self) {
        let (guest, customer) = (Person::guest(self.shop, 1), Person::customer(self.shop, 1));
        let place =
            async |person: &Person, body: Value| person.post("/orders", &body).send().await.expect(201);
        let body = json!({
            "lines": to_lines(&[("MUG", 12)]), "email": "guest@example.test", "payment": payment("tok_ok"),
        });
        let paid = place(&guest, body).await.body;
        assert!(paid["discount"].as_u64() > Some(0), "{paid}");
        self.expect_sold(&guest, &paid["id"]).await;
        let body = json!({ "lines": to_lines(&[("SAKE", 2)]), "payment": payment("tok_ok") });
        let yen = place(&customer, body).await.body;
        self.expect_sold(&customer, &yen["id"]).await;

        // The address of the order goes before that of the account.
        let body = json!({ "lines": to_lines(&[("MUG", 1)]), "email": "work@example.test" });
        let unpaid = place(&customer, body).await.body;
        customer.pay(&unpaid, "tok_timeout").send().await.expect_problem(402, "payment_failed");
        for _ in 0..2 {
            customer.pay(&unpaid, "tok_ok").send().await.expect(200);
        }
        self.expect_sold(&customer, &unpaid["id"]).await;

        let products = self.shop.client.get("/products?limit=200").send().await.expect(200).body;
        let mug = products["data"].as_array().and_then(|all| all.iter().find(|it| it["sku"] == "MUG"));
        let path = format!("/products/{}/purchase", mug.expect("it is sold")["id"].as_str().expect("an id"));
        let bought =
            customer.post(&path, &json!({ "quantity": 1 })).key("once").send().await.expect(201).body;
        let again = customer.post(&path, &json!({ "quantity": 1 })).key("once").send().await.expect(201);
        assert!(again.is_replayed());
        self.expect_sold(&customer, &bought["order_id"]).await;

        let held = customer.reserve(&[("MUG", 2)], 60).await;
        for _ in 0..2 {
            customer.tell(&format!("{}/confirm", at(&held))).send().await.expect(200);
        }
        let held = customer.read(&at(&held)).await;
        self.expect_sold(&customer, &held["order_id"]).await;

        guest.add("MUG", 3).await;
        let body = json!({ "email": "cart@example.test", "payment": payment("tok_ok") });
        let from_cart = place(&guest, body).await.body;
        self.expect_sold(&guest, &from_cart["id"]).await;
    }

    async fn late_payments(&mut self) {
        let (customer, admin) = (Person::customer(self.shop, 2), Person::admin(self.shop));
        let late = customer.order(&[("MUG", 1)], 1).await;
        let never = customer.order(&[("MUG", 1)], 1).await;
        for order in [&late, &never] {
            let expired = customer.wait_for(order, "expired").await;
            self.expect(&expired, EXPIRED).lines.push(NOT_CHARGED.to_owned());
        }
        admin.tell(&format!("{}/confirm", at(&late))).send().await.expect(200);
        self.expect_sold(&customer, &late["id"]).await;
    }

    async fn cancelations(&mut self) {
        let (customer, admin) = (Person::customer(self.shop, 3), Person::admin(self.shop));
        let cancel = async |person: &Person, order: &Value, reason: &str| {
            let body = json!({ "reason": reason });
            person.post(&format!("{}/cancel", at(order)), &body).send().await.expect(200).body
        };
        let own = customer.order(&[("MUG", 1)], 60).await;
        let canceled = cancel(&customer, &own, OF_STRANGERS).await;
        assert_eq!(cancel(&customer, &own, OF_STRANGERS).await, canceled);
        let lines = ["your order is canceled, as you asked.", NOT_CHARGED];
        self.expect(&canceled, CANCELED).lines.extend(lines.map(str::to_owned));

        let paid = customer.order(&[("MUG", 2)], 60).await;
        customer.pay(&paid, "tok_ok").send().await.expect(200);
        let paid = self.expect_sold(&customer, &paid["id"]).await;
        let canceled = cancel(&admin, &paid, "sold out").await;
        assert_eq!(canceled["status"], "canceled");
        let lines = [
            "we are sorry: we had to cancel your order.",
            "Reason: sold out",
            "You have paid 39.98 EUR. We will pay it back; that may take a few days.",
        ];
        self.expect(&canceled, CANCELED).lines.extend(lines.map(str::to_owned));

        let guest = Person::guest(self.shop, 3);
        let body = json!({
            "lines": to_lines(&[("MUG", 1)]), "email": "poor@example.test", "payment": payment("tok_declined"),
        });
        let refused = guest.post("/orders", &body).send().await.expect_problem(402, "payment_failed");
        let order = guest.read(&at(&json!({ "id": refused.body["order_id"] }))).await;
        let lines = ["your order is canceled, because the payment was declined.", NOT_CHARGED];
        self.expect(&order, CANCELED).lines.extend(lines.map(str::to_owned));
    }

    /// Nobody can be written to about these.
    async fn people_without_address(&mut self) {
        let guest = Person::guest(self.shop, 4);
        let lines = to_lines(&[("MUG", 1)]);
        let body = json!({ "lines": lines, "payment": payment("tok_ok") });
        guest.post("/orders", &body).send().await.expect(201);
        let body = json!({ "lines": lines, "payment": payment("tok_declined") });
        guest.post("/orders", &body).send().await.expect_problem(402, "payment_failed");
        let order = guest.order(&[("MUG", 1)], 1).await;
        guest.wait_for(&order, "expired").await;
        let held = guest.reserve(&[("MUG", 1)], 60).await;
        guest.tell(&format!("{}/confirm", at(&held))).send().await.expect(200);
        let other = self.shop.product("OTHER", 1).await;
        assert_eq!(guest.purchase(&other, 1).await.status, 201);
    }
}

/// A server with these variables set.
fn serve(folder: &Folder, variables: &[(&str, &str)]) -> Server {
    let mut command = folder.serve();
    command.envs(variables.iter().copied());
    Server::start(command)
}

/// Waits for the mails, and checks that they and no others are there when all has ended as well.
async fn expect_outcome(
    expected: &[Expected],
    folder: &Folder,
    redis: Option<&RedisServer>,
    letters: impl Fn() -> Vec<Letter>,
    end: impl FnOnce(),
) {
    let enough = async || (letters().len() >= expected.len()).then_some(());
    until(&format!("{} mails", expected.len()), enough).await;
    until_empty(folder, redis).await;
    end();
    let letters = letters();
    expect_letters(&letters, expected);
    let is_told = |letter: &Letter| String::from_utf8_lossy(&letter.bytes).contains(OF_STRANGERS);
    assert!(!letters.iter().any(is_told), "buyers say what a mail says");
}

#[tokio::test]
async fn without_redis_and_mail_server_mails_are_files_in_the_data_folder() {
    let folder = Folder::new();
    let server = serve(&folder, &[]);
    let expected = story(&Shop::of(&server)).await;
    let letters = || Letter::in_folder(&folder.data());
    let end = || drop(server.terminate().expect_code(0));
    expect_outcome(&expected, &folder, None, letters, end).await;
    folder.run(&["journal", "verify"]).expect_code(0);
}

#[tokio::test]
async fn without_redis_the_server_posts_by_itself() {
    let folder = Folder::new();
    let smtp = SmtpServer::start(Way::Plain);
    let server = serve(&folder, &[("SMTP_URL", &smtp.url(""))]);
    let expected = story(&Shop::of(&server)).await;
    let end = || drop(server.terminate().expect_code(0));
    expect_outcome(&expected, &folder, None, || Letter::all_of(&smtp), end).await;
    assert!(!folder.data().join("outbox").exists());
}

#[tokio::test]
async fn with_redis_and_mail_server_the_server_posts_by_itself() {
    let folder = Folder::new();
    let (redis, smtp) = (RedisServer::start(), SmtpServer::start(Way::Plain));
    let server = serve(&folder, &[("SMTP_URL", &smtp.url("")), ("REDIS_URL", &redis.url())]);
    let expected = story(&Shop::of(&server)).await;
    let end = || drop(server.terminate().expect_code(0));
    expect_outcome(&expected, &folder, Some(&redis), || Letter::all_of(&smtp), end).await;
    assert!(!folder.data().join("outbox").exists());
}

#[tokio::test]
async fn with_redis_alone_mails_wait_for_a_worker_that_posts() {
    let folder = Folder::new();
    let redis = RedisServer::start();
    let server = serve(&folder, &[("REDIS_URL", &redis.url())]);
    let expected = story(&Shop::of(&server)).await;
    expect_waiting(&expected, &folder, &redis).await;
    let smtp = SmtpServer::start(Way::Plain);
    let worker = Worker::posting(&redis, &smtp, &[]);
    let end = || {
        worker.terminate();
        server.terminate().expect_code(0);
    };
    expect_outcome(&expected, &folder, Some(&redis), || Letter::all_of(&smtp), end).await;
    assert!(!folder.data().join("outbox").exists());
}

#[tokio::test]
async fn with_redis_alone_mails_wait_for_a_worker_that_writes_files() {
    let folder = Folder::new();
    let redis = RedisServer::start();
    let server = serve(&folder, &[("REDIS_URL", &redis.url())]);
    let expected = story(&Shop::of(&server)).await;
    expect_waiting(&expected, &folder, &redis).await;
    let worker = Worker::start(&redis, &[]);
    let data = worker.folder.data();
    let folder_of_worker: &Path = &data;
    let enough = async || {
        let letters = Letter::in_folder(folder_of_worker);
        (letters.len() >= expected.len()).then_some(letters)
    };
    let letters = until("all files are written", enough).await;
    until_empty(&folder, Some(&redis)).await;
    expect_letters(&letters, &expected);
    assert!(!folder.data().join("outbox").exists());
    worker.terminate();
    server.terminate().expect_code(0);
}

/// All of them are queued, and the server sends none.
async fn expect_waiting(expected: &[Expected], folder: &Folder, redis: &RedisServer) {
    let are_queued = async || (stat(folder, Some(redis))["ready"] == expected.len()).then_some(());
    until("all mails are queued", are_queued).await;
}
