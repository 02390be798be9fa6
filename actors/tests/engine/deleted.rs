//! A product that goes away between being found and being asked: the line is named, and everything is as it was.

use std::pin::Pin;

use actix::Arbiter;
use holdfast_actors::domain::order::Payment;
use holdfast_actors::domain::product::{Command, ReserveOn};
use holdfast_actors::domain::saga::{Refusal, Why};
use holdfast_actors::domain::{OrderId, ProductId};
use holdfast_actors::engine::CartItem;
use holdfast_actors::{Answer, Engine, Failure, Outcome};

use crate::common::every_saga::MINE;
use crate::common::trouble::substance;
use crate::common::turnstile::stop;
use crate::common::wants::{
    BUYER, cart_order, failing, fresh_product_on, new_order, new_reservation, no, shard_of,
};
use crate::common::{HOLD, NOW, Shop, context, look, new_product, quantity, run, sku};

/// So often a message goes to the buyer's thread and back before whatever was asked there before has its turn.
const ROUND_TRIPS: u32 = 20;

/// The lamp and the table are on the buyer's thread, the chair on the other: it goes away.
const SKUS: [&str; 3] = ["lamp", "chair", "table"];

type Coming<T> = Pin<Box<dyn Future<Output = T>>>;

/// A shop on two threads of our own.
struct Scene {
    shop: Shop,
    chair: ProductId,
    hosts: [Arbiter; 2],
}

impl Scene {
    async fn open(reserve_on: ReserveOn) -> Self {
        assert_eq!(shard_of(BUYER.buyer().0), 0);
        let hosts = [Arbiter::new(), Arbiter::new()];
        let handles = hosts.iter().map(Arbiter::handle).collect();
        let shop = Shop::open_with(|options| options.hosts = handles);
        let mut products = Vec::new();
        for (number, name) in SKUS.into_iter().enumerate() {
            let mut new = new_product(name, 5);
            std::sync::Arc::make_mut(&mut new.description).reserve_on = reserve_on;
            let id = fresh_product_on(number % 2);
            shop.engine.create(&context(), id, new).await.expect("the sku is free");
            products.push(id);
        }
        Self { shop, chair: products[1], hosts }
    }

    /// Asks while the chair's thread stands still with the chair's deletion before it.
    async fn ask_too_late<T: std::fmt::Debug>(
        &self,
        ask: impl FnOnce(Engine) -> Coming<Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let stopped = stop(&self.hosts[1]);
        let (engine, chair) = (self.shop.engine.clone(), self.chair);
        let mut deleting: Coming<Result<Answer<Outcome>, Failure>> =
            Box::pin(
                async move { engine.command(&context(), chair, Command::Delete { version: None }).await },
            );
        assert!(look(deleting.as_mut()).await.is_pending());
        let mut asking = ask(self.shop.engine.clone());
        for _ in 0..ROUND_TRIPS {
            assert!(look(asking.as_mut()).await.is_pending());
            self.shop.engine.cart(BUYER).await.expect("the buyer's thread runs");
        }
        drop(stopped);
        let answer = asking.await;
        deleting.await.expect("nobody holds any");
        answer
    }

    async fn close(self) {
        self.shop.close().await;
        for host in &self.hosts {
            host.stop();
        }
    }
}

/// Everything but the chair, which is gone.
async fn rest(scene: &Scene) -> impl PartialEq + std::fmt::Debug + use<> {
    let (mut products, owners) = substance(&scene.shop.quiet().await);
    products.remove(&scene.chair);
    (products, owners)
}

fn lines() -> [(&'static str, u32); 3] {
    SKUS.map(|name| (name, 2))
}

#[test]
fn reserving_and_ordering_give_back_what_they_took() {
    run(async {
        for is_order in [false, true] {
            let scene = Scene::open(ReserveOn::Cart).await;
            let before = rest(&scene).await;
            let refused = scene.ask_too_late(|engine| {
                Box::pin(async move {
                    if is_order {
                        return engine
                            .place(&context(), BUYER, new_order(&lines()))
                            .await
                            .map(|it| it.map(drop));
                    }
                    let new = new_reservation(&lines());
                    engine.reserve(&context(), BUYER, new).await.map(|it| it.map(drop))
                })
            });
            assert_eq!(failing(no(refused.await)), [(1, Why::Unknown)]);
            assert_eq!(rest(&scene).await, before);
            scene.shop.undo_again().await;
            assert_eq!(rest(&scene).await, before);
            scene.close().await;
        }
    });
}

#[test]
fn reserving_many_gives_back_what_it_took() {
    run(async {
        let scene = Scene::open(ReserveOn::Cart).await;
        let made = scene.ask_too_late(|engine| {
            Box::pin(async move {
                let wanted = vec![new_reservation(&lines()), new_reservation(&[("chair", 1)])];
                engine.reserve_batch(&context(), BUYER, wanted).await
            })
        });
        for (made, place) in made.await.expect("they are tried").value.into_iter().zip([1, 0]) {
            let answer = made.map(|value| Answer { value, position: None, is_replayed: false });
            assert_eq!(failing(no(answer)), [(place, Why::Unknown)]);
        }
        let lamp = scene.shop.engine.find(&sku("lamp")).expect("it is there").0;
        assert_eq!(scene.shop.levels(lamp).await, (5, 0, 0));
        scene.close().await;
    });
}

#[test]
fn cart_keeps_what_it_had() {
    run(async {
        for is_checkout in [false, true] {
            let scene = Scene::open(if is_checkout { ReserveOn::Checkout } else { ReserveOn::Cart }).await;
            scene.shop.add(BUYER, "table", 2).await.expect("five are free");
            if is_checkout {
                scene.shop.add(BUYER, "chair", 2).await.expect("it holds nothing");
            }
            let before = rest(&scene).await;
            let refused = scene.ask_too_late(|engine| {
                Box::pin(async move {
                    if is_checkout {
                        return engine.place(&context(), BUYER, cart_order()).await.map(|it| it.map(drop));
                    }
                    let chair = CartItem::Sku(sku("chair"));
                    engine.cart_add(&context(), BUYER, chair, quantity(1)).await.map(|it| it.map(drop))
                })
            });
            let place = usize::from(is_checkout);
            assert_eq!(failing(no(refused.await)), [(place, Why::Unknown)]);
            assert_eq!(rest(&scene).await, before);
            scene.close().await;
        }
    });
}

#[test]
fn late_money_for_what_is_gone_must_go_back() {
    run(async {
        let scene = Scene::open(ReserveOn::Cart).await;
        let order: OrderId = scene.shop.place(BUYER, &lines()).await.expect("five are free").value.id;
        scene.shop.clock.set(NOW.after(HOLD));
        scene.shop.quiet().await;
        let refused = scene.ask_too_late(|engine| {
            Box::pin(async move { engine.confirm_order(&context(), order, None).await })
        });
        assert_eq!(no(refused.await), Refusal::RefundRequired { is_expired: true });
        let facts = scene.shop.engine.order(MINE, order).await.expect("orders stay");
        assert_eq!(facts.standing.payment, Payment::RefundRequired);
        let lamp = scene.shop.engine.find(&sku("lamp")).expect("it is there").0;
        assert_eq!(scene.shop.levels(lamp).await, (5, 0, 0));
        scene.close().await;
    });
}
