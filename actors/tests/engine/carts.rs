//! Carts: lines come, grow, shrink and go, and their units are held meanwhile; a no changes nothing.

use holdfast_actors::domain::cart::{CART_KEPT, LINES_MAX};
use holdfast_actors::domain::hold::State;
use holdfast_actors::domain::product::{Command, Description, NewProduct, ReserveOn, Status};
use holdfast_actors::domain::saga::{Refusal, Why};
use holdfast_actors::domain::{Currency, Millis, Owner, ProductId, Quantity, Timestamp};
use holdfast_actors::engine::CartItem;
use holdfast_actors::{Answer, CartFacts, Context, Engine, Failure};

use crate::common::repeats::same_answer_for_one_key;
use crate::common::trouble::{STOCK, TROUBLES, Trouble, WANTED, substance};
use crate::common::wants::{BUYER, again, by, failing, fresh_product_on, no, short, somebody};
use crate::common::{
    HOLD, NOW, Shop, context, description, fresh, fresh_product, new_product, new_variant, quantity, run, sku,
};

const DEADLINE: Timestamp = NOW.after(HOLD);

/// What is in the buyer's cart: how many of each, and until when they are held.
async fn lines(shop: &Shop) -> Vec<(String, u32, Option<Timestamp>)> {
    let cart = shop.engine.cart(BUYER).await.expect("the journal runs");
    let line = |line: &holdfast_actors::domain::cart::CartLine| {
        let item = line.item;
        let name = shop.engine.sku_of(item.product, item.variant).expect("it is there");
        let until = line.hold.filter(|hold| hold.state == State::Active).map(|hold| hold.deadline);
        (name.as_str().to_owned(), item.quantity.get(), until)
    };
    cart.lines.iter().map(line).collect()
}

fn held(name: &str, units: u32, until: Timestamp) -> (String, u32, Option<Timestamp>) {
    (name.to_owned(), units, Some(until))
}

#[test]
fn line_comes_grows_shrinks_and_goes_and_its_units_with_it() {
    run(async {
        let shop = Shop::open();
        let (lamp, chair) = (shop.make("lamp", 5).await, shop.make("chair", 5).await);
        let answer = shop.add(BUYER, "lamp", 2).await.expect("five are free");
        assert!(answer.position.is_some_and(|position| shop.engine.has_reached(position)));
        assert_eq!(answer.value.expires_at, Some(NOW.after(CART_KEPT)));
        shop.add(BUYER, "chair", 1).await.expect("five are free");
        shop.add(BUYER, "lamp", 1).await.expect("three are free");
        assert_eq!(lines(&shop).await, [held("lamp", 3, DEADLINE), held("chair", 1, DEADLINE)]);
        assert_eq!((shop.levels(lamp).await, shop.levels(chair).await), ((2, 3, 0), (4, 1, 0)));
        let shop = shop.reopen();
        shop.set(BUYER, "lamp", 1).await.expect("fewer is always possible");
        assert_eq!(shop.levels(lamp).await, (4, 1, 0));
        shop.set(BUYER, "lamp", 5).await.expect("five are there");
        assert_eq!(shop.levels(lamp).await, (0, 5, 0));
        let by_product = CartItem::Product(chair);
        shop.engine.cart_add(&context(), BUYER, by_product, quantity(1)).await.expect("four are free");
        shop.engine.cart_remove(&context(), BUYER, &sku("lamp"), None).await.expect("it is there");
        assert_eq!(lines(&shop).await, [held("chair", 2, DEADLINE)]);
        assert_eq!((shop.levels(lamp).await, shop.levels(chair).await), ((5, 0, 0), (3, 2, 0)));
        let cleared = shop.engine.cart_clear(&context(), BUYER, None).await.expect("nothing is in the way");
        assert!(cleared.value.lines.is_empty() && cleared.value.id.is_some());
        assert_eq!(shop.levels(chair).await, (5, 0, 0));
        shop.close().await;
    });
}

#[test]
fn each_change_of_a_key_is_made_once_and_answered_the_same_for_ever() {
    run(async {
        let shop = Shop::open();
        let (lamp, chair) = (shop.make("lamp", 9).await, shop.make("chair", 9).await);
        shop.add(BUYER, "chair", 2).await.expect("nine are free");
        let add = async |engine: &Engine, context: &Context| {
            engine.cart_add(context, BUYER, CartItem::Sku(sku("lamp")), quantity(2)).await
        };
        let (shop, _) = same_answer_for_one_key(shop, add).await;
        let (shop, second) = same_answer_for_one_key(shop, add).await;
        assert_eq!(second.expect("seven are free").value.lines[1].item.quantity, quantity(4));
        let set = async |engine: &Engine, context: &Context| {
            engine.cart_set(context, BUYER, &sku("lamp"), Quantity::new(3), None).await
        };
        let (shop, _) = same_answer_for_one_key(shop, set).await;
        let (shop, _) = same_answer_for_one_key(shop, set).await;
        assert_eq!((shop.levels(lamp).await, shop.levels(chair).await), ((6, 3, 0), (7, 2, 0)));
        let remove = async |engine: &Engine, context: &Context| {
            engine.cart_remove(context, BUYER, &sku("lamp"), None).await
        };
        let (shop, _) = same_answer_for_one_key(shop, remove).await;
        assert_eq!(shop.levels(lamp).await, (9, 0, 0));
        let gone = shop.engine.cart_remove(&context(), BUYER, &sku("lamp"), None).await;
        assert_eq!(gone.map(|it| it.value), Err(Failure::NotFound));
        let clear = async |engine: &Engine, context: &Context| engine.cart_clear(context, BUYER, None).await;
        let (shop, _) = same_answer_for_one_key(shop, clear).await;
        let (shop, cleared) = same_answer_for_one_key(shop, clear).await;
        assert!(cleared.expect("nothing is in the way").value.lines.is_empty());
        assert_eq!(shop.levels(chair).await, (9, 0, 0));
        shop.close().await;
    });
}

#[test]
fn repeated_changes_without_a_key_change_nothing_where_it_is_so_already() {
    run(async {
        let shop = Shop::open();
        let lamp = shop.make("lamp", 9).await;
        for _ in 0..3 {
            shop.set(BUYER, "lamp", 4).await.expect("nine are there");
            assert_eq!(shop.levels(lamp).await, (5, 4, 0));
        }
        let shop = shop.reopen();
        for _ in 0..3 {
            shop.set(BUYER, "lamp", 0).await.expect("it may be gone");
            shop.engine.cart_clear(&context(), BUYER, None).await.expect("it may be empty");
            assert_eq!(shop.levels(lamp).await, (9, 0, 0));
        }
        let unknown = shop.engine.cart_clear(&context(), somebody(), None).await.expect("nothing to do");
        assert_eq!(unknown.value, CartFacts::default());
        shop.close().await;
    });
}

/// Three lines, each in each trouble: as a new line, as a line that grows, and as one that is set.
#[test]
fn refused_change_names_its_line_and_leaves_everything_as_it_was() {
    run(async {
        for (trouble, failing_at) in TROUBLES.into_iter().flat_map(|it| [0, 1, 2].map(|place| (it, place))) {
            for is_there in [false, true] {
                refused_change(trouble, failing_at, is_there).await;
            }
        }
    });
}

async fn refused_change(trouble: Trouble, failing_at: usize, is_there: bool) {
    let shop = Shop::open();
    let names = ["lamp", "chair", "table"];
    let mut products = Vec::new();
    for (number, name) in names.into_iter().enumerate() {
        let id = fresh_product_on(number % 2);
        shop.engine.create(&context(), id, new_product(name, STOCK)).await.expect("the sku is free");
        products.push(id);
        let units = match number == failing_at {
            true if is_there => 1,
            true => continue,
            false => WANTED,
        };
        shop.add(BUYER, name, units).await.expect("five are free");
    }
    if trouble == Trouble::Held && is_there {
        shop.reserve(somebody(), &[(names[failing_at], STOCK - 1)]).await.expect("four are free");
    } else if trouble == Trouble::Sold && is_there {
        shop.buy_as(&by(somebody()), products[failing_at], STOCK - 1).await.expect("four are free");
    } else {
        trouble.bring(&shop, products[failing_at], names[failing_at], BUYER).await;
    }
    let why = match trouble {
        Trouble::Sold if is_there => short(1, 0),
        _ => trouble.why(),
    };
    let before = shop.as_it_is().await;
    let change = async |context: &Context, is_add: bool| -> Result<Answer<CartFacts>, Failure> {
        let (name, more) = (sku(names[failing_at]), WANTED - u32::from(is_there));
        match is_add {
            true => shop.engine.cart_add(context, BUYER, CartItem::Sku(name), quantity(more)).await,
            false => shop.engine.cart_set(context, BUYER, &name, Quantity::new(WANTED), None).await,
        }
    };
    for is_add in [true, false] {
        let key = again(fresh());
        for context in [&context(), &key, &key] {
            let said = format!("{trouble:?} at {failing_at}, {is_there} {is_add}");
            assert_eq!(failing(no(change(context, is_add).await)), [(0, why)], "{said}");
            assert_eq!(substance(&shop.quiet().await), before, "{said}");
        }
    }
    shop.undo_again().await;
    assert_eq!(substance(&shop.quiet().await), before);
    shop.close().await;
}

#[test]
fn what_cannot_be_in_the_cart_changes_nothing() {
    run(async {
        let shop = Shop::open();
        shop.make("lamp", 5).await;
        let draft = shop.make_as("draft", 5, |it| it.status = Status::Draft).await;
        let dollar = |it: &mut Description| it.currency = Currency::new("USD").expect("three capitals");
        shop.make_as("bench", 5, dollar).await;
        shop.make_as("grain", 5, |it| it.reserve_on = ReserveOn::Checkout).await;
        let pair = NewProduct {
            description: description().into(),
            is_simple: false,
            variants: vec![new_variant("red", 5), new_variant("blue", 5)],
        };
        let both = fresh_product();
        shop.engine.create(&context(), both, pair).await.expect("the skus are free");
        shop.add(BUYER, "lamp", 1).await.expect("five are free");
        shop.add(BUYER, "grain", 1_000_000).await.expect("it holds nothing");
        let before = shop.as_it_is().await;
        let add = async |item, units| shop.engine.cart_add(&context(), BUYER, item, quantity(units)).await;
        let by_sku = |text: &str| CartItem::Sku(sku(text));
        for item in
            [by_sku("sofa"), by_sku("draft"), CartItem::Product(draft), CartItem::Product(ProductId(7))]
        {
            assert_eq!(add(item, 1).await.map(|it| it.value), Err(Failure::NotFound));
        }
        assert_eq!(add(CartItem::Product(both), 1).await.map(|it| it.value), Err(Failure::SkuRequired));
        assert_eq!(no(add(by_sku("bench"), 1).await), Refusal::MixedCurrencies);
        assert_eq!(no(add(by_sku("grain"), 1).await), Refusal::QuantityOutOfRange);
        assert_eq!(shop.as_it_is().await, before);
        shop.close().await;
    });
}

#[test]
fn cart_has_a_hundred_lines_and_no_more() {
    run(async {
        let shop = Shop::open();
        for number in 0..=LINES_MAX {
            shop.make(&format!("lamp-{number}"), 5).await;
        }
        for number in 0..LINES_MAX {
            shop.add(BUYER, &format!("lamp-{number}"), 1).await.expect("there is room");
        }
        let before = shop.as_it_is().await;
        assert_eq!(no(shop.add(BUYER, "lamp-100", 1).await), Refusal::TooManyLines);
        assert_eq!(shop.as_it_is().await, before);
        shop.add(BUYER, "lamp-50", 1).await.expect("a line may grow");
        shop.set(BUYER, "lamp-0", 0).await.expect("a line may go");
        shop.add(BUYER, "lamp-100", 1).await.expect("there is room again");
        shop.place_cart(BUYER).await.expect("they are mine");
        shop.close().await;
    });
}

#[test]
fn each_change_renews_all_holds_for_an_hour_at_the_most() {
    run(async {
        let shop = Shop::open();
        let lamp = shop.make("lamp", 9).await;
        shop.make_as("chair", 9, |it| it.reservation_ttl = Some(Millis::from_secs(60))).await;
        shop.add(BUYER, "lamp", 1).await.expect("nine are free");
        let hour = NOW.after(Millis::from_secs(3600));
        for minutes in [10, 20, 30, 40, 50, 59] {
            shop.clock.set(NOW.after(Millis::from_secs(minutes * 60)));
            shop.add(BUYER, "chair", 1).await.expect("nine are free");
            let now = NOW.after(Millis::from_secs(minutes * 60));
            let until = now.after(HOLD).min(hour);
            assert_eq!(lines(&shop).await[0], held("lamp", 1, until), "after {minutes} minutes");
            assert_eq!(lines(&shop).await[1].2, Some(now.after(Millis::from_secs(60))));
        }
        shop.clock.set(Timestamp(hour.0 - 1));
        shop.quiet().await;
        assert_eq!(shop.levels(lamp).await, (8, 1, 0));
        shop.clock.set(hour);
        shop.until_levels(lamp, (9, 0, 0)).await;
        // It begins anew when it is touched.
        shop.set(BUYER, "lamp", 2).await.expect("they came back");
        assert_eq!(lines(&shop).await[0], held("lamp", 2, hour.after(HOLD)));
        shop.close().await;
    });
}

#[test]
fn lapsed_line_stays_while_others_live_and_the_cart_for_seven_days() {
    run(async {
        let shop = Shop::open();
        let lamp = shop.make("lamp", 9).await;
        let chair = shop.make_as("chair", 9, |it| it.reservation_ttl = Some(Millis::from_secs(60))).await;
        shop.add(BUYER, "chair", 2).await.expect("nine are free");
        shop.add(BUYER, "lamp", 3).await.expect("nine are free");
        shop.clock.set(NOW.after(Millis::from_secs(60)));
        shop.until_levels(chair, (9, 0, 0)).await;
        assert_eq!(lines(&shop).await, [("chair".to_owned(), 2, None), held("lamp", 3, DEADLINE)]);
        assert_eq!(shop.levels(lamp).await, (6, 3, 0));
        let shop = shop.reopen();
        shop.clock.set(Timestamp(NOW.after(CART_KEPT).0 - 1));
        shop.quiet().await;
        assert_eq!(lines(&shop).await, [("chair".to_owned(), 2, None), ("lamp".to_owned(), 3, None)]);
        shop.clock.set(NOW.after(CART_KEPT));
        shop.quiet().await;
        assert_eq!(shop.engine.cart(BUYER).await, Ok(CartFacts::default()));
        let answer = shop.add(BUYER, "lamp", 1).await.expect("nine are free").value;
        assert_eq!(answer.lines.len(), 1, "another cart");
        shop.close().await;
    });
}

#[test]
fn line_follows_when_its_product_is_held_at_another_time_now() {
    run(async {
        let shop = Shop::open();
        let lamp = shop.make("lamp", 5).await;
        let hold_on = async |reserve_on| {
            let edit = move |now: &Description| Description { reserve_on, ..now.clone() };
            shop.engine.edit(&context(), lamp, None, edit).await.expect("anything may be written");
        };
        shop.add(BUYER, "lamp", 2).await.expect("five are free");
        hold_on(ReserveOn::Checkout).await;
        shop.add(BUYER, "lamp", 1).await.expect("it needs none");
        assert_eq!(shop.levels(lamp).await, (5, 0, 0));
        hold_on(ReserveOn::Cart).await;
        shop.add(BUYER, "lamp", 1).await.expect("five are free");
        assert_eq!(shop.levels(lamp).await, (1, 4, 0));
        let facts = shop.set(BUYER, "lamp", 4).await.expect("it is so already").value;
        assert_eq!(facts.lines[0].item.quantity, quantity(4));
        shop.close().await;
    });
}

#[test]
fn line_of_a_deleted_product_can_be_taken_out() {
    run(async {
        let shop = Shop::open();
        let lamp = shop.make_as("lamp", 5, |it| it.reserve_on = ReserveOn::Checkout).await;
        shop.make("chair", 5).await;
        shop.add(BUYER, "lamp", 2).await.expect("it holds nothing");
        shop.add(BUYER, "chair", 2).await.expect("five are free");
        shop.command(lamp, Command::Delete { version: None }).await.expect("nobody holds any");
        let refused = shop.place_cart(BUYER).await;
        assert_eq!(failing(no(refused)), [(0, Why::Unknown)]);
        // Else the cart could never be ordered any more, but for being cleared.
        shop.engine.cart_remove(&context(), BUYER, &sku("lamp"), None).await.expect("it is in the cart");
        shop.place_cart(BUYER).await.expect("the rest is there");
        shop.close().await;
    });
}

#[test]
fn cart_of_another_version_is_not_changed() {
    run(async {
        let shop = Shop::open();
        let lamp = shop.make("lamp", 9).await;
        let first = shop.add(BUYER, "lamp", 2).await.expect("nine are free").value.version;
        let version = shop.add(BUYER, "lamp", 1).await.expect("seven are free").value.version;
        let before = shop.as_it_is().await;
        let set = async |context: &Context, version| {
            shop.engine.cart_set(context, BUYER, &sku("lamp"), Quantity::new(1), Some(version)).await
        };
        let mismatch = Refusal::VersionMismatch { expected: first, actual: version };
        for context in [context(), again(fresh())] {
            assert_eq!(no(set(&context, first).await), mismatch);
        }
        let refused = shop.engine.cart_remove(&context(), BUYER, &sku("lamp"), Some(first)).await;
        assert_eq!(no(refused), mismatch);
        assert_eq!(no(shop.engine.cart_clear(&context(), BUYER, Some(first)).await), mismatch);
        assert_eq!(shop.as_it_is().await, before);
        let key = again(fresh());
        assert!(set(&key, version).await.is_ok());
        // The retry meets its answer, though the version is another by now.
        assert!(set(&key, version).await.expect("it was set").is_replayed);
        assert_eq!(shop.levels(lamp).await, (8, 1, 0));
        shop.close().await;
    });
}

#[test]
fn many_changes_of_one_cart_at_once_come_one_after_the_other() {
    run(async {
        let shop = Shop::open();
        let names: Vec<String> = (0..8).map(|number| format!("lamp-{number}")).collect();
        for name in &names {
            shop.make(name, 100).await;
        }
        let owner: Owner = BUYER;
        let adds = (0..160_usize).map(|number| shop.add(owner, &names[number % 8], 1));
        let answers = futures_util::future::join_all(adds).await;
        assert!(answers.iter().all(Result::is_ok));
        let versions: std::collections::BTreeSet<_> =
            answers.iter().flatten().map(|answer| answer.value.version).collect();
        assert_eq!(versions.len(), 160, "each has its own");
        assert!(lines(&shop).await.iter().all(|(_, units, _)| *units == 20));
        shop.close().await;
    });
}
