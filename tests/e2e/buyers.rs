//! Eight buyers who buy until the server is gone, and who remember every answer they got.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::Value;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::client::Ask;
use crate::server::{Server, WAIT_MAX};
use crate::shop::{Product, Shop};
use crate::tokens;

const BUYERS: usize = 8;
const STOCK: u32 = 1_000_000;
const SKU: &str = "HOT";

/// The buyers and what they know.
pub(crate) struct Buyers {
    hot: Product,
    memory: Arc<Memory>,
    tasks: JoinSet<()>,
}

#[derive(Default)]
struct Memory {
    known: Mutex<Known>,
    answered: Notify,
}

#[derive(Default)]
struct Known {
    /// Orders that were answered, and their units.
    acknowledged: BTreeMap<String, u64>,
    /// Purchases without a key that got no answer: each may have happened or not.
    unanswered: usize,
    /// The same with a key: they are asked again.
    to_ask_again: Vec<Keyed>,
    next: u64,
}

struct Keyed {
    buyer: usize,
    key: String,
    units: u32,
}

impl Memory {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().expect("nothing panics while it holds this")
    }

    fn note(&self, order: &Value, units: u32) {
        let id = order["order_id"].as_str().expect("an order has an id").to_owned();
        let before = self.known().acknowledged.insert(id, units.into());
        assert!(before.is_none(), "one order is the answer to two requests: {order}");
        self.answered.notify_one();
    }
}

impl Buyers {
    /// Makes what they buy.
    pub(crate) async fn at(shop: &Shop) -> Self {
        let hot = shop.product(SKU, STOCK).await;
        Self { hot, memory: Arc::default(), tasks: JoinSet::new() }
    }

    /// Lets them in.
    pub(crate) fn open(&mut self, server: &Server) {
        for buyer in 0..BUYERS {
            // A client each: they share no connection.
            self.tasks.spawn(buy(Shop::of(server), self.hot.clone(), buyer, Arc::clone(&self.memory)));
        }
    }

    /// Waits until so many more purchases were answered.
    pub(crate) async fn wait_for_answers(&self, count: usize) {
        let goal = self.answered_count() + count;
        let enough = async {
            while self.answered_count() < goal {
                self.memory.answered.notified().await;
            }
        };
        timeout(WAIT_MAX, enough).await.expect("purchases are answered");
    }

    pub(crate) fn answered_count(&self) -> usize {
        self.memory.known().acknowledged.len()
    }

    /// The orders that were answered.
    pub(crate) fn acknowledged(&self) -> BTreeSet<String> {
        self.memory.known().acknowledged.keys().cloned().collect()
    }

    /// Waits for all to notice that the server is gone, or that it sells nothing any more.
    pub(crate) async fn go_home(&mut self) {
        let all = async {
            while let Some(ended) = self.tasks.join_next().await {
                ended.expect("a buyer does not panic");
            }
        };
        timeout(WAIT_MAX, all).await.expect("buyers notice that the server is gone");
    }

    /// Asks again what got no answer: whether it happened or not, now it happened once.
    pub(crate) async fn ask_again(&mut self, shop: &Shop) {
        let again = std::mem::take(&mut self.memory.known().to_ask_again);
        for Keyed { buyer, key, units } in again {
            let ask = || as_buyer(shop.purchase(&self.hot, units), buyer, Some(&key)).send();
            let first = ask().await.expect(201);
            self.memory.note(&first.body, units);
            assert_eq!(ask().await.expect(201).text, first.text);
        }
    }

    /// Every acknowledged order is in the ledger once with its units. What is there besides is no more than what went
    /// unanswered: for customers, whose retries have keys, nothing at all once they have asked again.
    pub(crate) async fn audit(&self, shop: &Shop) {
        let orders = shop.orders(SKU).await;
        let sold = orders.values().map(|sale| sale.units).sum::<u64>();
        {
            let known = self.memory.known();
            for (order, sale) in &orders {
                assert_eq!(sale.count, 1, "{order} is in the ledger once");
                let expected = known.acknowledged.get(order).unwrap_or(&sale.units);
                assert_eq!(*expected, sale.units, "{order} sold its units");
            }
            let lost: Vec<_> =
                known.acknowledged.keys().filter(|order| !orders.contains_key(*order)).collect();
            assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
            let unexplained = |is_to_customer| {
                let of_theirs = orders.iter().filter(move |(_, sale)| sale.is_to_customer == is_to_customer);
                of_theirs.filter(|(order, _)| !known.acknowledged.contains_key(*order)).count()
            };
            let (customers, guests) = (unexplained(true), unexplained(false));
            let to_ask_again = known.to_ask_again.len();
            assert!(customers <= to_ask_again, "{customers} bought twice; {to_ask_again} had no answer");
            assert!(
                guests <= known.unanswered,
                "{guests} orders too many; {} had no answer",
                known.unanswered
            );
        }
        assert_eq!(shop.figures(SKU).await, [STOCK.into(), u64::from(STOCK) - sold, 0, sold]);
        shop.expect_books(SKU).await;
    }
}

/// Every second buyer is a customer and sends keys; the others are guests and send none.
fn as_buyer(ask: Ask, buyer: usize, key: Option<&String>) -> Ask {
    match key {
        Some(key) => ask.token(&tokens::customer(u128::try_from(buyer).expect("it is small"))).key(key),
        None => ask.session(&format!("buyer-session-{buyer:04}")),
    }
}

/// Buys until the server is gone or refuses.
async fn buy(shop: Shop, product: Product, buyer: usize, memory: Arc<Memory>) {
    loop {
        let number = {
            let mut known = memory.known();
            known.next += 1;
            known.next
        };
        let units = u32::try_from(1 + number % 3).expect("it is small");
        let key = buyer.is_multiple_of(2).then(|| format!("k-{number}"));
        let ask = as_buyer(shop.purchase(&product, units), buyer, key.as_ref());
        match ask.try_send().await {
            Some(answer) if answer.status == 201 => memory.note(&answer.body, units),
            // Refused before anything was done.
            Some(answer) if answer.body["code"] == "overloaded" => return,
            // The journal stopped: nobody can say.
            Some(answer) if answer.body["code"] == "not_ready" => {
                return memory.known().forget(buyer, key, units);
            }
            Some(answer) => panic!("a purchase is answered with {}", answer.text),
            None => return memory.known().forget(buyer, key, units),
        }
    }
}

impl Known {
    fn forget(&mut self, buyer: usize, key: Option<String>, units: u32) {
        match key {
            Some(key) => self.to_ask_again.push(Keyed { buyer, key, units }),
            None => self.unanswered += 1,
        }
    }
}
