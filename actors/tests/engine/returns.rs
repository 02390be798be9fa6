//! A declined payment gives the cart its lines back, whatever happens to the cart at that moment.

use std::pin::Pin;
use std::sync::Arc;

use actix::Arbiter;
use holdfast_actors::domain::ProductId;
use holdfast_actors::domain::product::ReserveOn;
use holdfast_actors::domain::saga::Refusal;
use holdfast_actors::{Answer, Failure, OrderFacts, Who};

use crate::common::till::Till;
use crate::common::turnstile::stop;
use crate::common::wants::{BUYER, cart_order, fresh_product_on, no, shard_of, token};
use crate::common::{Shop, context, let_others, look, new_product, quantity, run, sku};

/// So often a message goes to the buyer's thread and back before whatever was asked there before has its turn.
const ROUND_TRIPS: u32 = 20;

const MINE: Who = Who::Owner(BUYER);

type Coming<T> = Pin<Box<dyn Future<Output = Result<Answer<T>, Failure>>>>;

/// A shop on two threads of our own, whose payments wait.
struct Scene {
    shop: Shop,
    till: Till,
    hosts: [Arbiter; 2],
}

impl Scene {
    /// Two lamps, ordered from the cart and not paid yet, live on the buyer's thread; chairs on the other.
    async fn open(reserve_on: ReserveOn) -> (Self, Coming<OrderFacts>) {
        assert_eq!(shard_of(BUYER.buyer().0), 0);
        let (till, hosts) = (Till::default(), [Arbiter::new(), Arbiter::new()]);
        let (gateway, handles) = (Arc::new(till.clone()), hosts.iter().map(Arbiter::handle).collect());
        let shop = Shop::open_with(|options| {
            options.gateway = gateway;
            options.hosts = handles;
        });
        for (number, name) in ["lamp", "chair"].into_iter().enumerate() {
            let id: ProductId = fresh_product_on(number);
            let mut new = new_product(name, 5);
            Arc::make_mut(&mut new.description).reserve_on = reserve_on;
            shop.engine.create(&context(), id, new).await.expect("the sku is free");
        }
        shop.add(BUYER, "lamp", 2).await.expect("five are free");
        let order = shop.place_cart(BUYER).await.expect("they are mine").value.id;
        let engine = shop.engine.clone();
        let mut paying: Coming<OrderFacts> =
            Box::pin(async move { engine.pay(&context(), MINE, order, token("card")).await });
        while till.waiting() == 0 {
            assert!(look(paying.as_mut()).await.is_pending());
            let_others().await;
        }
        (Self { shop, till, hosts }, paying)
    }

    /// Declines, while something that waits for the chairs is under way, and lets both go on.
    async fn decline_during<T>(
        &self,
        paying: Coming<OrderFacts>,
        mut during: Coming<T>,
    ) -> Result<Answer<T>, Failure> {
        let stopped = stop(&self.hosts[1]);
        for _ in 0..ROUND_TRIPS {
            assert!(look(during.as_mut()).await.is_pending());
            self.shop.engine.cart(BUYER).await.expect("the buyer's thread runs");
        }
        self.till.decline();
        let declined = async {
            // It may be through at once, or wait until nobody else is at the cart.
            for _ in 0..ROUND_TRIPS {
                self.shop.engine.cart(BUYER).await.expect("the buyer's thread runs");
            }
            drop(stopped);
        };
        let (declined, (), during) = futures_util::future::join3(paying, declined, during).await;
        assert!(matches!(no(declined), Refusal::PaymentDeclined { .. }));
        during
    }

    async fn lamps_in_the_cart(&self) -> u32 {
        let lamp = self.shop.engine.find(&sku("lamp")).expect("it is there").0;
        let cart = self.shop.engine.cart(BUYER).await.expect("the journal runs");
        cart.lines.iter().filter(|line| line.item.product == lamp).map(|line| line.item.quantity.get()).sum()
    }

    async fn close(self) {
        self.shop.close().await;
        for host in &self.hosts {
            host.stop();
        }
    }
}

#[test]
fn line_that_comes_back_during_another_checkout_stays_in_the_cart() {
    run(async {
        let (scene, paying) = Scene::open(ReserveOn::Checkout).await;
        scene.shop.add(BUYER, "chair", 1).await.expect("it holds nothing");
        let engine = scene.shop.engine.clone();
        let placing = Box::pin(async move { engine.place(&context(), BUYER, cart_order()).await });
        let placed = scene.decline_during(paying, placing).await.expect("five are free").value;
        assert_eq!(placed.placed.lines.len(), 1, "the chair");
        assert_eq!(scene.lamps_in_the_cart().await, 2, "402: the cart is kept");
        scene.close().await;
    });
}

#[test]
fn line_that_comes_back_during_a_change_stays_in_the_cart() {
    run(async {
        let (scene, paying) = Scene::open(ReserveOn::Cart).await;
        let engine = scene.shop.engine.clone();
        let adding = Box::pin(async move {
            let chair = holdfast_actors::engine::CartItem::Sku(sku("chair"));
            engine.cart_add(&context(), BUYER, chair, quantity(1)).await
        });
        scene.decline_during(paying, adding).await.expect("five are free");
        assert_eq!(scene.lamps_in_the_cart().await, 2);
        scene.close().await;
    });
}
