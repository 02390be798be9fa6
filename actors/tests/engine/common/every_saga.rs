//! Every saga there is, asked for by one buyer in a shop that is ready for all of them.

use std::pin::Pin;

use holdfast_actors::domain::{AccountId, OrderId, Owner, ReservationId};
use holdfast_actors::engine::CartItem;
use holdfast_actors::{Answer, Context, Engine, Failure, Who};

use super::wants::{BUYER, by, cart_order, fresh_product_on, new_order, new_reservation, paid, token};
use super::{HOLD, Shop, context, new_product, quantity, sku};

pub(crate) const SKUS: [&str; 3] = ["lamp", "chair", "table"];
pub(crate) const MINE: Who = Who::Owner(BUYER);
pub(crate) const CUSTOMER: Owner = Owner::Account(AccountId(4));

/// Something that will be answered.
pub(crate) type Coming<T> = Pin<Box<dyn Future<Output = T>>>;

/// How a saga was answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Said {
    Yes,
    /// The same, as an answer of before.
    YesAgain,
    No,
    NoAgain,
    /// It was shed.
    Shed,
    /// The journal stopped.
    Stopped,
}

/// What is there before.
#[derive(Clone, Copy)]
pub(crate) struct Made {
    pub(crate) reservation: ReservationId,
    pub(crate) pending: OrderId,
    pub(crate) paid: OrderId,
}

/// One of them.
#[derive(Clone, Copy)]
pub(crate) struct Saga {
    pub(crate) name: &'static str,
    /// What it is answered the first time.
    pub(crate) said: Said,
    /// Whether a retry of its key is told that it is one.
    pub(crate) is_keyed: bool,
    pub(crate) ask: fn(Engine, Context, Made) -> Coming<Said>,
}

impl Saga {
    /// What a retry of the same key is answered.
    pub(crate) fn said_again(&self) -> Said {
        match self.said {
            Said::Yes if self.is_keyed => Said::YesAgain,
            Said::No if self.is_keyed => Said::NoAgain,
            said => said,
        }
    }
}

/// Three products on two threads, nine of each: one in the buyer's cart, one reserved, one in an unpaid order and one in a
/// paid one.
pub(crate) async fn open() -> (Shop, Made) {
    let shop = Shop::open();
    for (number, name) in SKUS.into_iter().enumerate() {
        let id = fresh_product_on(number % 2);
        shop.engine.create(&context(), id, new_product(name, 9)).await.expect("the sku is free");
        shop.add(BUYER, name, 1).await.expect("nine are free");
    }
    let order = paid("tok_ok", new_order(&one_of_each()));
    let made = Made {
        reservation: shop.reserve(BUYER, &one_of_each()).await.expect("eight are free").value.id,
        pending: shop.place(BUYER, &one_of_each()).await.expect("seven are free").value.id,
        paid: shop.engine.place(&by(BUYER), BUYER, order).await.expect("six are free").value.id,
    };
    (shop, made)
}

fn one_of_each() -> [(&'static str, u32); 3] {
    SKUS.map(|name| (name, 1))
}

/// The last cannot be had.
const TOO_MANY: [(&str, u32); 3] = [("lamp", 1), ("chair", 1), ("table", 9)];

fn said<T>(answer: Result<Answer<T>, Failure>) -> Said {
    match answer {
        Ok(answer) if answer.is_replayed => Said::YesAgain,
        Ok(_) => Said::Yes,
        Err(Failure::Refused(answer)) if answer.is_replayed => Said::NoAgain,
        Err(Failure::Refused(_)) => Said::No,
        Err(Failure::Overloaded(_)) => Said::Shed,
        Err(Failure::Stopped) => Said::Stopped,
        Err(failure) => panic!("that is no answer to a saga: {failure:?}"),
    }
}

macro_rules! sagas {
    ($($name:ident: $said:ident, |$engine:ident, $context:ident, $made:ident| $ask:expr;)*) => {
        /// All that take a key.
        pub(crate) const SAGAS: &[Saga] = &[$(Saga {
            name: stringify!($name),
            said: Said::$said,
            is_keyed: true,
            ask: |$engine, $context, $made| Box::pin(async move {
                let _made = $made;
                said($ask.await)
            }),
        },)*];
    };
}

sagas! {
    reserving: Yes, |engine, context, made|
        engine.reserve(&context, BUYER, new_reservation(&one_of_each()));
    reserving_too_many: No, |engine, context, made|
        engine.reserve(&context, BUYER, new_reservation(&TOO_MANY));
    extending: Yes, |engine, context, made| engine.extend(&context, MINE, made.reservation, HOLD);
    confirming_a_reservation: Yes, |engine, context, made|
        engine.confirm_reservation(&context, MINE, made.reservation);
    releasing: Yes, |engine, context, made| engine.release(&context, MINE, made.reservation);
    ordering_lines: Yes, |engine, context, made|
        engine.place(&context, BUYER, new_order(&one_of_each()));
    ordering_too_many: No, |engine, context, made| engine.place(&context, BUYER, new_order(&TOO_MANY));
    ordering_the_cart: Yes, |engine, context, made| engine.place(&context, BUYER, cart_order());
    ordering_and_paying: Yes, |engine, context, made|
        engine.place(&context, BUYER, paid("tok_ok", cart_order()));
    ordering_and_being_declined: No, |engine, context, made|
        engine.place(&context, BUYER, paid("tok_declined", cart_order()));
    paying: Yes, |engine, context, made| engine.pay(&context, MINE, made.pending, token("tok_ok"));
    being_declined: No, |engine, context, made|
        engine.pay(&context, MINE, made.pending, token("tok_declined"));
    confirming: Yes, |engine, context, made| engine.confirm_order(&context, made.pending, None);
    canceling_what_is_unpaid: Yes, |engine, context, made|
        engine.cancel_order(&context, MINE, made.pending, None);
    canceling_what_is_paid: Yes, |engine, context, made|
        engine.cancel_order(&context, Who::Admin, made.paid, None);
    shipping: Yes, |engine, context, made| engine.fulfil(&context, made.paid);
    adding: Yes, |engine, context, made|
        engine.cart_add(&context, BUYER, CartItem::Sku(sku("chair")), quantity(1));
    adding_too_many: No, |engine, context, made|
        engine.cart_add(&context, BUYER, CartItem::Sku(sku("chair")), quantity(9));
    setting: Yes, |engine, context, made|
        engine.cart_set(&context, BUYER, &sku("chair"), Some(quantity(3)), None);
    removing: Yes, |engine, context, made| engine.cart_remove(&context, BUYER, &sku("chair"), None);
    clearing: Yes, |engine, context, made| engine.cart_clear(&context, BUYER, None);
}

/// All of them.
pub(crate) fn all() -> Vec<Saga> {
    let mut all = SAGAS.to_vec();
    all.push(Saga {
        name: "merging",
        said: Said::Yes,
        is_keyed: false,
        ask: |engine, _, _| {
            Box::pin(async move {
                let merged = engine.merge_carts(BUYER, CUSTOMER).await;
                said(merged.map(|value| Answer { value, position: None, is_replayed: false }))
            })
        },
    });
    all.push(Saga {
        name: "reserving_many",
        said: Said::Yes,
        is_keyed: false,
        ask: |engine, context, _| {
            Box::pin(async move {
                let wanted = vec![new_reservation(&one_of_each()), new_reservation(&[("lamp", 1)])];
                said(engine.reserve_batch(&context, BUYER, wanted).await)
            })
        },
    });
    all
}
