//! Variants that come and go while products are sold: nobody sees half of it, and no sku has two owners.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use holdfast_actors::domain::order::Payment;
use holdfast_actors::domain::product::{
    Command, NewProduct, Product, Refusal, Replacement, VARIANTS_MAX, VariantDescription, WantedVariant,
};
use holdfast_actors::domain::{Money, Owner, ProductId, Units, saga};
use holdfast_actors::{Answer, Failure, Outcome, ProductFacts, VariantFacts};

use crate::common::every_saga::{CUSTOMER, MINE};
use crate::common::wants::{BUYER, no, no_by_product as refusal};
use crate::common::{
    HOLD, NOW, Shop, context, fresh_product, keyed, let_others, look, new_product, new_variant, quantity,
    run, sku,
};

/// Of products that want one more.
const SKUS: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];

const GUEST: Owner = Owner::Guest(2);

/// Times that an answer is looked for before a test believes that it is sealed.
const LOOKS: u32 = 50;

impl Shop {
    async fn add_variant(
        &self,
        product: ProductId,
        text: &str,
        stock: u32,
    ) -> Result<Answer<ProductFacts>, Failure> {
        self.engine.add_variant(&context(), product, None, new_variant(text, stock)).await
    }

    async fn remove_variant(&self, text: &str) -> Result<Answer<ProductFacts>, Failure> {
        self.engine.remove_variant(&context(), &sku(text), None).await
    }

    async fn rename_variant(&self, from: &str, to: &str) -> Result<Answer<ProductFacts>, Failure> {
        let to = sku(to);
        let edit = |present: &VariantDescription| VariantDescription { sku: to, ..present.clone() };
        self.engine.describe_variant(&context(), &sku(from), None, edit).await
    }

    /// A product of these variants, of which nothing is held before the order.
    async fn make_of(&self, variants: &[(&str, u32)]) -> ProductId {
        let variants: Vec<_> = variants.iter().map(|(text, stock)| new_variant(text, *stock)).collect();
        let new = NewProduct { is_simple: false, variants, ..new_product("unused", 0) };
        let id = fresh_product();
        self.engine.create(&context(), id, new).await.expect("the skus are free");
        id
    }
}

fn stocks(facts: &ProductFacts) -> Vec<(&str, u32)> {
    let stock = |variant: &VariantFacts| variant.levels.available.0;
    facts.variants.iter().map(|variant| (variant.description.sku.as_str(), stock(variant))).collect()
}

#[test]
fn reader_waits_for_the_variant_that_is_shown() {
    run(async {
        let (shop, holder) = Shop::held(|_| {});
        holder.let_through();
        let product = shop.make("lamp", 1).await;
        let mut added = pin!(shop.add_variant(product, "shade", 2));
        assert!(look(added.as_mut()).await.is_pending());
        holder.append_waits();
        holder.append_waits();
        shop.settle().await;
        let mut read = pin!(shop.engine.product(product));
        let shade = sku("shade");
        let buying = context();
        let mut bought = pin!(shop.engine.purchase(&buying, product, Some(&shade), quantity(3)));
        for _ in 0..LOOKS {
            assert!(look(added.as_mut()).await.is_pending());
            assert!(look(read.as_mut()).await.is_pending());
            assert!(look(bought.as_mut()).await.is_pending(), "sold out, but who knows of what");
            let_others().await;
        }
        holder.let_through();
        let shown = [("lamp", 1), ("shade", 2)];
        assert_eq!(stocks(&added.await.expect("the sku is free").value), shown);
        assert_eq!(stocks(&read.await.expect("it is there")), shown);
        assert!(matches!(refusal(bought.await), Refusal::InsufficientStock { .. }));
    });
}

#[test]
fn reader_who_finds_no_variant_waits_until_it_is_certainly_gone() {
    run(async {
        let (shop, holder) = Shop::held(|_| {});
        holder.let_through();
        shop.make_of(&[("a", 1), ("b", 1)]).await;
        let mut removed = pin!(shop.remove_variant("a"));
        assert!(look(removed.as_mut()).await.is_pending());
        holder.append_waits();
        holder.append_waits();
        shop.settle().await;
        assert_eq!(shop.engine.find(&sku("a")), None);
        let mut absence = pin!(shop.engine.until_absence_is_certain());
        for _ in 0..LOOKS {
            assert!(look(absence.as_mut()).await.is_pending());
            let_others().await;
        }
        holder.let_through();
        absence.await.expect("the journal runs");
        removed.await.expect("nobody holds any");
    });
}

#[test]
fn of_many_who_want_a_sku_at_once_one_gets_it() {
    run(async {
        let shop = Shop::open();
        let products = join_all(SKUS.map(|name| shop.make(name, 1))).await;
        for round in 0..20 {
            let wanted = products.iter().map(|product| shop.add_variant(*product, "wanted", 1));
            let answers = join_all(wanted).await;
            let winners: Vec<_> =
                answers.iter().zip(&products).filter(|(answer, _)| answer.is_ok()).collect();
            assert_eq!(winners.len(), 1, "round {round}");
            let winner = *winners[0].1;
            for answer in answers.into_iter().filter(Result::is_err) {
                assert_eq!(refusal(answer), Refusal::SkuTaken { sku: sku("wanted") });
            }
            assert_eq!(shop.engine.find(&sku("wanted")).map(|(id, _)| id), Some(winner));
            if round % 2 == 0 {
                shop.remove_variant("wanted").await.expect("nobody holds any");
            } else {
                let former = format!("former-{round}");
                shop.rename_variant("wanted", &former).await.expect("the new sku is free");
                assert_eq!(shop.engine.find(&sku(&former)).map(|(id, _)| id), Some(winner));
            }
            assert_eq!(shop.engine.find(&sku("wanted")), None);
        }
        shop.close().await;
    });
}

#[test]
fn deleted_product_takes_no_sku_along_that_is_anothers_by_now() {
    run(async {
        let shop = Shop::open();
        let (first, second) = (shop.make_of(&[("a", 1), ("b", 1)]).await, shop.make("c", 1).await);
        shop.remove_variant("a").await.expect("nobody holds any");
        shop.add_variant(second, "a", 7).await.expect("it is free");
        let deleted = shop.command(first, Command::Delete { version: None }).await;
        assert_eq!(deleted.expect("nobody holds any").value, Outcome::Deleted);
        assert_eq!(shop.engine.find(&sku("a")).map(|(id, _)| id), Some(second));
        assert_eq!(shop.engine.find(&sku("b")), None);
        let shop = shop.reopen();
        assert_eq!(shop.engine.find(&sku("a")).map(|(id, _)| id), Some(second));
        shop.close().await;
    });
}

#[test]
fn variants_come_and_go_while_others_are_sold_and_actors_leave() {
    const ROUNDS: u32 = 300;
    run(async {
        let shop = Shop::open_with(|options| options.idle = Duration::from_millis(1));
        let product = shop.make_of(&[("lamp", 10_000)]).await;
        let change = async {
            for round in 0..ROUNDS {
                let (made, named) = (format!("made-{round}"), format!("named-{round}"));
                shop.add_variant(product, &made, 5).await.expect("the sku is free");
                let facts = shop.rename_variant(&made, &named).await.expect("the sku is free").value;
                assert_eq!(facts.variant(&sku(&named)).map(|it| it.levels.available), Some(Units(5)));
                shop.remove_variant(&named).await.expect("nobody holds any");
                let read = shop.engine.product(product).await.expect("it is there");
                assert_eq!(read.variants.len(), 1, "{:?}", stocks(&read));
            }
        };
        let sell = async {
            let lamp = sku("lamp");
            let mut last = 10_000;
            for _ in 0..ROUNDS * 3 {
                let sold = shop.engine.purchase(&context(), product, Some(&lamp), quantity(1)).await;
                let available = sold.expect("there are plenty").value.available.0;
                assert_eq!(available, last - 1, "one buyer at a time");
                last = available;
            }
        };
        futures_util::future::join(change, sell).await;
        assert_eq!(shop.levels(product).await, (10_000 - ROUNDS * 3, 0, ROUNDS * 3));
        let products = shop.close().await;
        assert_eq!(products[&product].version(), 1 + ROUNDS * 3);
    });
}

/// As many variants as there may be, with as much text as there may be.
fn largest(
    letter: char,
    stock: Option<Units>,
) -> impl FnOnce(&Product) -> Result<Replacement, Refusal> + Send {
    move |present| {
        let text: String = std::iter::repeat_n(letter, 240).collect();
        let variants = (0..VARIANTS_MAX).map(|number| WantedVariant {
            description: Arc::new(VariantDescription {
                sku: sku(&format!("{letter}-{number:060}")),
                name: Some(text.as_str().into()),
                attributes: "{}".into(),
                price_adjustment: Money(i64::try_from(number).expect("small")),
            }),
            initial_stock: stock,
        });
        let description = Arc::clone(present.description());
        Ok(Replacement { description, is_simple: false, variants: variants.collect(), version: None })
    }
}

#[test]
fn largest_replacement_fits_a_record_and_its_retry_is_answered_the_same_after_a_restart() {
    run(async {
        let shop = Shop::open();
        let product = shop.make("lamp", 1).await;
        let first = shop.engine.replace(&keyed(1, 1), product, largest('a', Some(Units(1_000_000)))).await;
        let first = first.expect("it is as large as it may be");
        assert_eq!(first.value.variants.len(), VARIANTS_MAX);
        let second = shop.engine.replace(&keyed(2, 2), product, largest('b', Some(Units(1_000_000)))).await;
        let second = second.expect("nobody holds any");
        let shop = shop.reopen();
        for (key, before) in [(1, first), (2, second)] {
            let again = shop.engine.replace(&keyed(key, key), product, largest('c', None)).await;
            assert_eq!(again, Ok(Answer { is_replayed: true, ..before }));
        }
        assert_eq!(shop.engine.find(&sku(&format!("a-{:060}", 0))), None);
        shop.close().await;
    });
}

#[test]
fn late_money_for_a_removed_variant_must_go_back() {
    run(async {
        let shop = Shop::open();
        shop.make_of(&[("a", 5), ("b", 5)]).await;
        let order = shop.place(BUYER, &[("a", 2), ("b", 1)]).await.expect("five are free").value.id;
        assert_eq!(refusal(shop.remove_variant("a").await), Refusal::InUse);
        shop.clock.set(NOW.after(HOLD));
        shop.quiet().await;
        shop.remove_variant("a").await.expect("they came back");
        let refused = no(shop.engine.confirm_order(&context(), order, None).await);
        assert_eq!(refused, saga::Refusal::RefundRequired { is_expired: true });
        let facts = shop.engine.order(MINE, order).await.expect("orders stay");
        assert_eq!(facts.standing.payment, Payment::RefundRequired);
        assert_eq!(facts.placed.lines[0].sku, sku("a"), "an order keeps its own words");
        shop.close().await;
    });
}

#[test]
fn lapsed_line_of_a_removed_variant_does_not_cost_a_merged_cart_its_units() {
    run(async {
        let shop = Shop::open();
        let product = shop.make_of(&[("a", 5), ("b", 5)]).await;
        shop.add(GUEST, "a", 1).await.expect("five are free");
        shop.clock.set(NOW.after(HOLD));
        shop.quiet().await;
        shop.remove_variant("a").await.expect("its hold lapsed");
        shop.add(GUEST, "b", 2).await.expect("five are free");
        assert_eq!(lines(&shop, GUEST).await, [2], "a change of the cart tidies it");
        shop.add_variant(product, "c", 5).await.expect("the sku is free");
        shop.engine.merge_carts(GUEST, CUSTOMER).await.expect("the journal runs");
        assert_eq!(lines(&shop, CUSTOMER).await, [2]);
        let facts = shop.engine.product(product).await.expect("it is there");
        assert_eq!(facts.variant(&sku("b")).map(|it| it.levels.reserved), Some(Units(2)));
        shop.close().await;
    });
}

#[test]
fn guests_line_of_a_removed_variant_stays_behind() {
    run(async {
        let shop = Shop::open();
        let product = shop.make_of(&[("a", 5), ("b", 5)]).await;
        shop.add(GUEST, "b", 2).await.expect("five are free");
        shop.add(GUEST, "a", 1).await.expect("five are free");
        shop.clock.set(NOW.after(HOLD));
        shop.quiet().await;
        shop.remove_variant("a").await.expect("its hold lapsed");
        shop.engine.merge_carts(GUEST, CUSTOMER).await.expect("the journal runs");
        assert_eq!(lines(&shop, CUSTOMER).await, [2]);
        let facts = shop.engine.product(product).await.expect("it is there");
        assert_eq!(
            facts.variant(&sku("b")).map(|it| it.levels.reserved),
            Some(Units(2)),
            "tried again and held"
        );
        shop.close().await;
    });
}

/// The quantities of a cart.
async fn lines(shop: &Shop, owner: Owner) -> Vec<u32> {
    let cart = shop.engine.cart(owner).await.expect("the journal runs");
    cart.lines.iter().map(|line| line.item.quantity.get()).collect()
}
