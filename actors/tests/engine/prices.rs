//! Price rules: whoever sells asks the same list at the same moment, and what was sold keeps its price.

use std::pin::pin;
use std::sync::Arc;

use holdfast_actors::domain::account::{Role, Tier};
use holdfast_actors::domain::order::Placed;
use holdfast_actors::domain::price::{Kind, Off, Refusal, Rule, StepKind, Terms};
use holdfast_actors::domain::product::Description;
use holdfast_actors::domain::{
    Account, AccountId, CategoryId, Item, Money, OrderId, Owner, RuleId, Timestamp, saga,
};
use holdfast_actors::engine::{NewOrder, Quote, QuoteFor};
use holdfast_actors::recovery::recover;
use holdfast_actors::{Answer, Engine, Failure, Refused, Who};

use crate::common::wants::{BUYER, by, cart_order, new_order, no, wanted};
use crate::common::{NOW, Shop, context, fresh, fresh_id, keyed, let_others, look, quantity, run, sku};

/// Times that an answer is looked for before a test believes that it is sealed.
const LOOKS: u32 = 50;

const STANDARD: QuoteFor = QuoteFor { tier: Tier::Standard, at: None, sees_drafts: false };

#[test]
fn quote_cart_purchase_order_and_reservation_cost_the_same() {
    run(async {
        let shop = Shop::open();
        let lamp = shop.make("lamp", 100).await;
        let gold = customer(&shop, Tier::Gold).await;
        rule(&shop, percent(seasonal(), 1_500)).await;
        rule(&shop, percent(bulk(3), 500)).await;
        rule(&shop, amount(Kind::Tier { tier: Tier::Gold }, 14)).await;
        for (owner, unit) in [(BUYER, 1_614), (gold, 1_600)] {
            let quote = quoted(&shop, 3, shop.engine.tier(owner)).await;
            assert_eq!(quote.lines[0].price.unit, Money(unit));
            assert_eq!((quote.subtotal, quote.discount), (Money(5_997), Money(5_997 - 3 * unit)));
            let steps = &quote.lines[0].price.breakdown;

            let cart = shop.add(owner, "lamp", 3).await.expect("there are enough").value;
            let items: Vec<Item> = cart.lines.iter().map(|line| line.item).collect();
            let shown = shop.engine.prices_of(&items, shop.engine.tier(owner), None).await;
            let shown = shown.expect("the journal runs").remove(0).expect("it is there").1;
            assert_eq!(shown, quote.lines[0].price);

            let sold = shop.engine.purchase(&by(owner), lamp, None, quantity(3)).await;
            let sold = sold.expect("there are enough").value;
            assert_eq!(sold.unit_price, Money(unit));
            let reserved = shop.reserve(owner, &[("lamp", 3)]).await.expect("there are enough").value;
            let confirmed = shop.engine.confirm_reservation(&context(), Who::Admin, reserved.id).await;
            let confirmed = confirmed.expect("it is active").value.reservation.order.expect("it is sold");
            let of_lines = shop.place(owner, &[("lamp", 3)]).await.expect("there are enough").value.id;
            let of_cart = shop.place_cart(owner).await.expect("there are enough").value.id;
            for order in [sold.order, confirmed, of_lines, of_cart] {
                let placed = placed(&shop, order).await;
                assert_eq!((placed.subtotal, placed.discount), (quote.subtotal, quote.discount));
                assert_eq!(placed.total, quote.total);
                assert_eq!((placed.lines[0].unit_price, &placed.lines[0].breakdown), (Money(unit), steps));
            }
        }
        shop.close().await;
    });
}

#[test]
fn placed_orders_keep_their_prices_whatever_rules_and_products_become() {
    run(async {
        let shop = Shop::open();
        let lamp = shop.make("lamp", 100).await;
        let half = rule(&shop, percent(seasonal(), 5_000)).await;
        let bought = shop.buy(lamp, 2).await.expect("there are enough").value;
        let ordered = shop.place(BUYER, &[("lamp", 2)]).await.expect("there are enough").value;
        let before = [placed(&shop, bought.order).await, placed(&shop, ordered.id).await];
        let steps: Vec<_> =
            before[0].lines[0].breakdown.iter().map(|step| (step.kind, step.rule, step.amount)).collect();
        let base = (StepKind::Base, None, Money(1_999));
        assert_eq!(steps, [base, (StepKind::Seasonal, Some(half.id), Money(-999))]);

        let other = Terms { name: "Other".into(), ..amount(seasonal(), 1) };
        shop.engine.change_rule(&context(), half.id, other, Some(1)).await.expect("it is there");
        let dearer = |now: &Description| Description { price: Money(9_999), ..now.clone() };
        shop.engine.edit(&context(), lamp, None, dearer).await.expect("nobody minds");
        assert_eq!(shop.buy(lamp, 1).await.expect("there are enough").value.unit_price, Money(9_998));
        shop.engine.delete_rule(&context(), half.id, Some(2)).await.expect("it is there");
        assert_eq!(shop.buy(lamp, 1).await.expect("there are enough").value.unit_price, Money(9_999));
        let shop = shop.reopen();
        let after = [placed(&shop, bought.order).await, placed(&shop, ordered.id).await];
        assert_eq!(after, before);
        // Whatever happens to a purchase, its price stays with it.
        shop.engine.fulfil(&context(), bought.order).await.expect("it is sold");
        assert_eq!(placed(&shop, bought.order).await, before[0]);
        shop.close().await;
    });
}

#[test]
fn rules_are_there_again_after_a_restart_and_memory_is_what_replay_gives() {
    run(async {
        let shop = Shop::open();
        // Their records share a partition with those of products and accounts.
        for number in 0..40 {
            shop.make(&format!("lamp-{number}"), 5).await;
        }
        customer(&shop, Tier::Silver).await;
        let kept = rule(&shop, percent(seasonal(), 1_000)).await;
        let changed = rule(&shop, percent(bulk(2), 2_000)).await;
        let gone = rule(&shop, percent(bulk(1), 9_000)).await;
        shop.clock.set(Timestamp(NOW.0 + 50));
        shop.engine
            .change_rule(&context(), changed.id, percent(bulk(3), 10), None)
            .await
            .expect("it is there");
        shop.engine.delete_rule(&context(), gone.id, None).await.expect("it is there");
        let before = shop.engine.prices().await.expect("the journal runs").value.clone();
        assert_eq!(before.iter().map(|rule| rule.id).collect::<Vec<_>>(), [kept.id, changed.id]);
        let rule = before.get(changed.id).expect("it is there");
        assert_eq!((rule.version, rule.created_at, rule.updated_at), (2, NOW, Timestamp(NOW.0 + 50)));
        let replayed = recover(&mut shop.disk.journal()).expect("the journal is sound");
        assert_eq!(*replayed.prices(), before, "INV-7");
        let shop = shop.reopen();
        assert_eq!(shop.engine.prices().await.expect("the journal runs").value, before);
        let again = shop.engine.change_rule(&context(), kept.id, percent(seasonal(), 1), Some(1)).await;
        assert_eq!(again.expect("the chain goes on").value.version, 2);
        shop.reopen().close().await;
    });
}

#[test]
fn each_change_of_a_rule_happens_once_for_each_key() {
    run(async {
        let shop = Shop::open();
        let id = || RuleId(fresh_id());
        let terms = || percent(seasonal(), 1_000);
        let made = shop.engine.create_rule(&keyed(1, 1), id(), terms()).await.expect("it is sound");
        let change = |shop: &Shop| {
            let engine = shop.engine.clone();
            let id = made.value.id;
            async move { engine.change_rule(&keyed(2, 2), id, amount(seasonal(), 5), Some(1)).await }
        };
        let delete = |shop: &Shop| {
            let engine = shop.engine.clone();
            let id = made.value.id;
            async move { engine.delete_rule(&keyed(4, 4), id, Some(2)).await }
        };
        let changed = change(&shop).await.expect("it has that version");
        let stale = shop.engine.change_rule(&keyed(3, 3), made.value.id, terms(), Some(1)).await;
        let mismatch = Refusal::VersionMismatch { expected: 1, actual: 2 };
        assert_eq!(refusal(stale), (mismatch.clone(), false));
        let deleted = delete(&shop).await.expect("it has that version");
        let reused = shop.engine.create_rule(&keyed(1, 2), id(), terms()).await;
        assert_eq!(reused, Err(Failure::KeyReused));
        let mut shop = shop;
        for _ in 0..2 {
            let again = shop.engine.create_rule(&keyed(1, 1), id(), terms()).await.expect("it was made");
            assert_eq!(again, Answer { is_replayed: true, ..made.clone() });
            assert_eq!(change(&shop).await, Ok(Answer { is_replayed: true, ..changed.clone() }));
            let stale = shop.engine.change_rule(&keyed(3, 3), made.value.id, terms(), Some(1)).await;
            assert_eq!(refusal(stale), (mismatch.clone(), true));
            assert_eq!(delete(&shop).await, Ok(Answer { is_replayed: true, ..deleted }));
            assert!(shop.engine.prices().await.expect("the journal runs").value.is_empty());
            shop = shop.reopen();
        }
        // What does not exist is not kept: it may come to be.
        let unknown = shop.engine.delete_rule(&keyed(5, 5), RuleId(7), None).await;
        assert_eq!(refusal(unknown), (Refusal::Unknown, false));
        let unknown = shop.engine.delete_rule(&keyed(5, 5), RuleId(7), None).await;
        assert_eq!(refusal(unknown), (Refusal::Unknown, false));
        shop.close().await;
    });
}

#[test]
fn unsound_rules_and_unknown_categories_are_refused() {
    run(async {
        let shop = Shop::open();
        let create = |terms| {
            let engine = shop.engine.clone();
            async move { engine.create_rule(&context(), RuleId(fresh_id()), terms).await }
        };
        assert_eq!(refusal(create(percent(seasonal(), 0)).await), (Refusal::OutOfBounds, false));
        let categories = vec![CategoryId(1), CategoryId(2)];
        let refused = create(Terms { categories, ..percent(seasonal(), 1) }).await;
        assert_eq!(refusal(refused), (Refusal::UnknownCategories(vec![0, 1]), false));
        assert!(shop.engine.prices().await.expect("the journal runs").value.is_empty());
        shop.close().await;
    });
}

#[test]
fn refusal_of_a_rule_waits_until_the_category_that_it_names_is_gone_for_good() {
    run(async {
        let (shop, holder) = Shop::held(|_| {});
        let context = context();
        holder.let_through();
        let tools = CategoryId(fresh_id());
        let described = crate::categories::described("tools", None);
        shop.engine.create_category(&context, tools, described).await.expect("it has a place");
        holder.append_waits();
        let mut removing = pin!(shop.engine.delete_category(&context, tools, None));
        assert!(look(removing.as_mut()).await.is_pending());
        holder.append_waits();
        let terms = Terms { categories: vec![tools], ..percent(seasonal(), 1) };
        let mut refused = pin!(shop.engine.create_rule(&context, RuleId(fresh_id()), terms));
        for _ in 0..LOOKS {
            assert!(look(refused.as_mut()).await.is_pending());
            shop.settle().await;
        }
        holder.let_through();
        removing.await.expect("nobody uses it");
        assert_eq!(refusal(refused.await), (Refusal::UnknownCategories(vec![0]), false));
    });
}

#[test]
fn rule_holds_from_its_first_moment_to_its_last() {
    run(async {
        let shop = Shop::open();
        let lamp = shop.make("lamp", 100).await;
        let (start, end) = (Timestamp(NOW.0 + 1_000), Timestamp(NOW.0 + 2_000));
        rule(&shop, Terms { starts_at: Some(start), ends_at: Some(end), ..amount(seasonal(), 999) }).await;
        for (at, unit) in [(0, 1_999), (999, 1_999), (1_000, 1_000), (1_999, 1_000), (2_000, 1_999)] {
            shop.clock.set(Timestamp(NOW.0 + at));
            assert_eq!(quoted(&shop, 1, Tier::Standard).await.total, Money(unit), "at {at}");
            let sold = shop.buy(lamp, 1).await.expect("there are enough").value;
            assert_eq!(sold.unit_price, Money(unit), "at {at}");
            let ordered = shop.place(BUYER, &[("lamp", 1)]).await.expect("there are enough").value;
            assert_eq!(ordered.placed.total, Money(unit), "at {at}");
        }
        let at = QuoteFor { at: Some(start), ..STANDARD };
        let quote = shop.engine.quote(&wanted(&[("lamp", 1)]), at).await.expect("it is sold");
        assert_eq!(quote.total, Money(1_000), "a quote may ask for any moment");
        shop.close().await;
    });
}

#[test]
fn order_at_a_price_that_was_expected_otherwise_is_refused_with_the_new_total() {
    run(async {
        let shop = Shop::open();
        shop.make("lamp", 100).await;
        let expecting = |total, order| NewOrder { expected_total: Some(Money(total)), ..order };
        shop.add(BUYER, "lamp", 2).await.expect("there are enough");
        rule(&shop, percent(seasonal(), 1_000)).await;
        for order in [cart_order, || new_order(&[("lamp", 2)])] {
            let refused = shop.engine.place(&by(BUYER), BUYER, expecting(3_998, order())).await;
            assert_eq!(no(refused), saga::Refusal::PriceChanged { total: Money(3_598) });
        }
        let placed = shop.engine.place(&by(BUYER), BUYER, expecting(3_598, cart_order())).await;
        assert_eq!(placed.expect("so it is").value.placed.discount, Money(400));
        shop.close().await;
    });
}

/// The last units are in the buyer's own cart: an order takes them over, at the buyer's price.
#[test]
fn purchase_of_what_is_in_ones_own_cart_costs_what_the_rules_say() {
    run(async {
        let shop = Shop::open();
        let lamp = shop.make("lamp", 2).await;
        let gold = customer(&shop, Tier::Gold).await;
        rule(&shop, amount(Kind::Tier { tier: Tier::Gold }, 999)).await;
        shop.add(gold, "lamp", 2).await.expect("there are two");
        let sold = shop.engine.purchase(&by(gold), lamp, None, quantity(2)).await;
        assert_eq!(sold.expect("they are theirs").value.unit_price, Money(1_000));
        shop.close().await;
    });
}

#[test]
fn names_of_rules_give_way_where_an_order_has_too_much_text() {
    run(async {
        let shop = Shop::open();
        let name = "x".repeat(200);
        let skus: Vec<String> = (0..100).map(|number| format!("{}-{number:03}", "s".repeat(60))).collect();
        for text in &skus {
            shop.make_as(text, 5, |new| new.name = name.as_str().into()).await;
        }
        let lines: Vec<(&str, u32)> = skus.iter().map(|text| (text.as_str(), 1)).collect();
        let reserved = shop.reserve(BUYER, &lines).await.expect("their texts fit").value;
        let made = rule(&shop, Terms { name: "y".repeat(100).into(), ..percent(seasonal(), 1_000) }).await;
        let confirmed = shop.engine.confirm_reservation(&context(), Who::Owner(BUYER), reserved.id).await;
        let order = confirmed.expect("no rule may spoil it").value.reservation.order.expect("it is sold");
        let placed = placed(&shop, order).await;
        let step = &placed.lines[99].breakdown[1];
        assert_eq!((step.rule, &step.name, step.amount), (Some(made.id), &None, Money(-200)));
        shop.close().await;
    });
}

#[test]
fn quote_names_what_it_does_not_know_and_keeps_drafts_to_admins() {
    run(async {
        use holdfast_actors::domain::product::Status;
        let shop = Shop::open();
        shop.make("lamp", 0).await;
        let draft = shop.make_as("draft", 0, |new| new.status = Status::Draft).await;
        let yen = holdfast_actors::domain::Currency::new("JPY").expect("three capitals");
        shop.make_as("tea", 0, |new| new.currency = yen).await;
        let quote = |lines, to| {
            let (engine, lines) = (shop.engine.clone(), wanted(lines));
            async move { engine.quote(&lines, to).await }
        };
        let unknown = quote(&[("lamp", 1), ("draft", 1), ("sofa", 1)], STANDARD).await;
        assert_eq!(unknown, Err(Failure::UnknownSkus(vec![(1, sku("draft")), (2, sku("sofa"))])));
        let admin = QuoteFor { sees_drafts: true, ..STANDARD };
        let all = quote(&[("lamp", 1), ("draft", 2), ("lamp", 1)], admin).await.expect("they are there");
        assert_eq!((all.lines.len(), all.total), (3, Money(4 * 1_999)), "line by line, and without stock");
        let mixed = quote(&[("lamp", 1), ("tea", 1)], STANDARD).await;
        assert_eq!(no(mixed.map(answer)), saga::Refusal::MixedCurrencies);
        let one = |to| shop.engine.quote_product(draft, (None, quantity(1)), to);
        assert_eq!(one(STANDARD).await, Err(Failure::NotFound));
        assert_eq!(one(admin).await.expect("it is there").total, Money(1_999));
        shop.close().await;
    });
}

#[test]
fn neither_a_rule_nor_a_price_it_makes_is_shown_before_it_is_durable() {
    run(async {
        let (shop, holder) = Shop::held(|_| {});
        holder.let_through();
        let lamp = shop.make("lamp", 5).await;
        let terms = percent(seasonal(), 5_000);
        let (context, id) = (context(), RuleId(fresh_id()));
        let mut made = pin!(shop.engine.create_rule(&context, id, terms));
        assert!(look(made.as_mut()).await.is_pending());
        holder.append_waits();
        holder.append_waits();
        let lines = wanted(&[("lamp", 1)]);
        let mut listed = pin!(shop.engine.prices());
        let mut quote = pin!(shop.engine.quote(&lines, STANDARD));
        let mut sale = pin!(shop.buy(lamp, 1));
        for _ in 0..50 {
            assert!(look(made.as_mut()).await.is_pending());
            assert!(look(listed.as_mut()).await.is_pending());
            assert!(look(quote.as_mut()).await.is_pending());
            assert!(look(sale.as_mut()).await.is_pending());
            shop.settle().await;
            let_others().await;
        }
        drop(holder);
        let made = made.await.expect("it is sound").value;
        assert_eq!(listed.await.expect("the journal runs").value.get(made.id), Some(&made));
        assert_eq!(quote.await.expect("it is sold").total, Money(1_000));
        assert_eq!(sale.await.expect("there are five").value.unit_price, Money(1_000));
    });
}

/// That there is no rule any more is a fact, too.
#[test]
fn base_price_is_not_shown_before_the_end_of_the_last_rule_is_durable() {
    run(async {
        let (shop, holder) = Shop::held(|_| {});
        holder.let_through();
        shop.make("lamp", 5).await;
        holder.append_waits();
        holder.let_through();
        let made = rule(&shop, percent(seasonal(), 5_000)).await;
        holder.append_waits();
        let context = context();
        let mut gone = pin!(shop.engine.delete_rule(&context, made.id, None));
        assert!(look(gone.as_mut()).await.is_pending());
        holder.append_waits();
        let lines = wanted(&[("lamp", 1)]);
        let mut quote = pin!(shop.engine.quote(&lines, STANDARD));
        for _ in 0..50 {
            assert!(look(quote.as_mut()).await.is_pending());
            shop.settle().await;
            let_others().await;
        }
        drop(holder);
        gone.await.expect("it is there");
        assert_eq!(quote.await.expect("it is sold").total, Money(1_999));
    });
}

/// Many change rules and many buy, all at once: each sale has a price that some list made, and replay finds the same.
#[test]
fn sales_beside_changes_of_rules_have_the_price_of_one_list_or_another() {
    run(async {
        let shop = Shop::open();
        let lamp = shop.make("lamp", 1_000).await;
        let made = rule(&shop, amount(seasonal(), 1)).await;
        let stories = crate::common::on_threads(4, |number| {
            let engine: Engine = shop.engine.clone();
            let id = made.id;
            move || {
                Box::pin(async move {
                    let mut prices = Vec::new();
                    for round in 0..50_i64 {
                        if number == 0 {
                            let terms = amount(seasonal(), 1 + (round + 1) % 3);
                            engine.change_rule(&context(), id, terms, None).await.expect("it is there");
                        } else {
                            let sold = engine.purchase(&context(), lamp, None, quantity(1)).await;
                            prices.push(sold.expect("there are enough").value);
                        }
                    }
                    prices
                })
            }
        });
        for sold in stories.await.into_iter().flatten() {
            let placed = placed(&shop, sold.order).await;
            assert_eq!(placed.lines[0].unit_price, sold.unit_price);
            assert!((1_996..=1_998).contains(&sold.unit_price.0), "{sold:?}");
            assert_eq!(placed.lines[0].breakdown[1].amount.0, sold.unit_price.0 - 1_999);
        }
        shop.close().await;
    });
}

fn seasonal() -> Kind {
    Kind::Seasonal
}

fn bulk(units: u32) -> Kind {
    Kind::Bulk { min_quantity: quantity(units) }
}

fn percent(kind: Kind, points: u16) -> Terms {
    let starts_at = (kind == Kind::Seasonal).then_some(Timestamp(0));
    Terms {
        name: "Rule".into(),
        kind,
        off: Off::Percent(points),
        skus: Vec::new(),
        categories: Vec::new(),
        starts_at,
        ends_at: None,
        priority: 0,
        is_active: true,
    }
}

fn amount(kind: Kind, minor: i64) -> Terms {
    Terms { off: Off::Amount(Money(minor)), ..percent(kind, 1) }
}

async fn rule(shop: &Shop, terms: Terms) -> Arc<Rule> {
    shop.engine.create_rule(&context(), RuleId(fresh_id()), terms).await.expect("it is sound").value
}

async fn customer(shop: &Shop, tier: Tier) -> Owner {
    let id = AccountId(fresh_id());
    let account = Account {
        id,
        email: format!("customer-{}@example.org", fresh()).into(),
        name: None,
        role: Role::Customer,
        tier,
        password_hash: "$argon2id$".into(),
        created_at: Timestamp(0),
        version: 1,
    };
    shop.engine.create_account(&context(), account).await.expect("the email is free");
    Owner::Account(id)
}

async fn quoted(shop: &Shop, units: u32, tier: Tier) -> Quote {
    let to = QuoteFor { tier, ..STANDARD };
    shop.engine.quote(&wanted(&[("lamp", units)]), to).await.expect("it is sold")
}

async fn placed(shop: &Shop, order: OrderId) -> Arc<Placed> {
    shop.engine.order(Who::Admin, order).await.expect("it is there").placed
}

/// Why the price list said no, and whether it said so before.
fn refusal<T: std::fmt::Debug>(answer: Result<Answer<T>, Failure>) -> (Refusal, bool) {
    match answer {
        Err(Failure::Refused(Answer { value: Refused::Prices(refusal), is_replayed, .. })) => {
            (refusal, is_replayed)
        }
        other => panic!("not refused by the price list: {other:?}"),
    }
}

fn answer(value: Quote) -> Answer<Quote> {
    Answer { value, position: None, is_replayed: false }
}
