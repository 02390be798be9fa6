//! Somebody who buys: a guest with a session, a customer, or an admin; and waiting for what time brings.

use std::future::Future;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::client::{Answer, Ask, Client};
use crate::server::WAIT_MAX;
use crate::shop::{Product, Shop};
use crate::tokens;

/// Between two looks at something that time brings.
const LOOK_PAUSE: Duration = Duration::from_millis(10);

/// Somebody at one shop.
#[derive(Clone)]
pub(crate) struct Person {
    client: Client,
    who: Who,
}

#[derive(Clone)]
enum Who {
    Session(String),
    Token(String),
}

impl Person {
    /// A guest; each number is another one.
    pub(crate) fn guest(shop: &Shop, number: u32) -> Self {
        Self { client: shop.client.clone(), who: Who::Session(format!("session-of-guest-{number:05}")) }
    }

    /// A customer; each number is another one.
    pub(crate) fn customer(shop: &Shop, number: u128) -> Self {
        Self::with_token(shop, &tokens::customer(number))
    }

    pub(crate) fn admin(shop: &Shop) -> Self {
        Self::with_token(shop, &shop.admin)
    }

    pub(crate) fn with_token(shop: &Shop, token: &str) -> Self {
        Self { client: shop.client.clone(), who: Who::Token(token.to_owned()) }
    }

    fn ask(&self, method: &str, path: &str) -> Ask {
        let ask = self.client.ask(method, path);
        match &self.who {
            Who::Session(session) => ask.session(session),
            Who::Token(token) => ask.token(token),
        }
    }

    pub(crate) fn get(&self, path: &str) -> Ask {
        self.ask("GET", path)
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Ask {
        self.ask("POST", path).json(body)
    }

    /// A POST without a body.
    pub(crate) fn tell(&self, path: &str) -> Ask {
        self.ask("POST", path)
    }

    pub(crate) fn put(&self, path: &str, body: &Value) -> Ask {
        self.ask("PUT", path).json(body)
    }

    pub(crate) fn delete(&self, path: &str) -> Ask {
        self.ask("DELETE", path)
    }

    /// What is at a path that can be read.
    pub(crate) async fn read(&self, path: &str) -> Value {
        self.get(path).send().await.expect(200).body
    }

    /// Holds units of some skus for so many seconds.
    pub(crate) async fn reserve(&self, lines: &[(&str, u32)], ttl_seconds: u32) -> Value {
        let body = json!({ "lines": to_lines(lines), "ttl_seconds": ttl_seconds });
        self.post("/reservations", &body).send().await.expect(201).body
    }

    /// Adds units to the cart.
    pub(crate) async fn add(&self, sku: &str, quantity: u32) -> Value {
        let body = json!({ "sku": sku, "quantity": quantity });
        self.post("/cart/items", &body).send().await.expect(201).body
    }

    /// Orders some skus, to be paid within so many seconds.
    pub(crate) async fn order(&self, lines: &[(&str, u32)], ttl_seconds: u32) -> Value {
        let body = json!({ "lines": to_lines(lines), "ttl_seconds": ttl_seconds });
        self.post("/orders", &body).send().await.expect(201).body
    }

    /// Pays an order with the token of that name.
    pub(crate) fn pay(&self, order: &Value, token: &str) -> Ask {
        self.post(&format!("{}/pay", at(order)), &json!({ "method": "simulated", "token": token }))
    }

    pub(crate) async fn purchase(&self, product: &Product, quantity: u32) -> Answer {
        let path = format!("/products/{}/purchase", product.id);
        self.post(&path, &json!({ "quantity": quantity })).send().await
    }

    /// Waits until a reservation or an order has that status.
    pub(crate) async fn wait_for(&self, thing: &Value, status: &str) -> Value {
        let path = at(thing);
        until(&format!("{path} is {status}"), async || {
            let found = self.read(&path).await;
            (found["status"] == status).then_some(found)
        })
        .await
    }
}

/// The path of a reservation or an order.
#[track_caller]
pub(crate) fn at(thing: &Value) -> String {
    let id = thing["id"].as_str().unwrap_or_else(|| panic!("no id: {thing}"));
    match id.split_once('_').map(|(prefix, _)| prefix) {
        Some("res") => format!("/reservations/{id}"),
        Some("ord") => format!("/orders/{id}"),
        _ => panic!("neither a reservation nor an order: {id}"),
    }
}

/// The lines of a body.
pub(crate) fn to_lines(lines: &[(&str, u32)]) -> Value {
    lines.iter().map(|(sku, quantity)| json!({ "sku": sku, "quantity": quantity })).collect()
}

/// Looks again and again until there is something; time alone brings it about.
pub(crate) async fn until<T, F: Future<Output = Option<T>>>(what: &str, look: impl Fn() -> F) -> T {
    let found = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            sleep(LOOK_PAUSE).await;
        }
    };
    timeout(WAIT_MAX, found).await.unwrap_or_else(|_| panic!("{what}: not within {WAIT_MAX:?}"))
}

/// Milliseconds since 1970 of a moment on the wire.
#[track_caller]
pub(crate) fn ms(moment: &Value) -> i64 {
    let text = moment.as_str().unwrap_or_else(|| panic!("no moment: {moment}"));
    text.parse::<jiff::Timestamp>().unwrap_or_else(|error| panic!("{text}: {error}")).as_millisecond()
}
