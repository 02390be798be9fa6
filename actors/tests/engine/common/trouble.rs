//! What can be wrong with a product when somebody wants two of its five units, and what is left as it was after a no.

use std::collections::BTreeMap;
use std::sync::Arc;

use holdfast_actors::domain::hold::Ending;
use holdfast_actors::domain::product::{
    Command, Commitment, Description, Levels, LimitKind, Rehold, Reservation, Status, Totals,
};
use holdfast_actors::domain::saga::{Books, Why};
use holdfast_actors::domain::{Buyer, OrderId, Owner, Product, ProductId, ReservationId, Units};
use holdfast_actors::persistence::Partition;
use holdfast_actors::slots::Slots;
use holdfast_actors::{Actor, Answer, Context, Failure};

use super::audit::carts;
use super::wants::{BUYER, Lines, again, by, failing, fresh_product_on, no, short, somebody};
use super::{Everything, NOW, PARTITIONS, Shop, context, fresh, new_product, quantity};

/// How many units each product of these stories has.
pub(crate) const STOCK: u32 = 5;
/// How many are wanted of each.
pub(crate) const WANTED: u32 = 2;

/// What is wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Trouble {
    /// Others hold all but one.
    Held,
    /// Others bought all.
    Sold,
    /// One order may have one only.
    OrderLimit,
    /// The buyer has bought as many as one customer may.
    CustomerLimit,
    /// It is not sold any more.
    Archived,
}

pub(crate) const TROUBLES: [Trouble; 5] =
    [Trouble::Held, Trouble::Sold, Trouble::OrderLimit, Trouble::CustomerLimit, Trouble::Archived];

/// Three lines in every order; products have ascending ids.
const ORDERS_OF_LINES: [[usize; 3]; 6] = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];

/// Which of three products are in trouble: each choice but none.
fn choices() -> impl Iterator<Item = [bool; 3]> {
    (1..8_u8).map(|bits| [bits & 1 > 0, bits & 2 > 0, bits & 4 > 0])
}

/// Asks for three lines in every order, with every choice of products in every trouble, and expects a no that names
/// every failing line with its place and changes nothing: without a key, with one, and replayed. The way back is taken
/// once more each time. `edit` says what the products are like; `prepare` comes before the trouble.
pub(crate) async fn each_trouble<T: std::fmt::Debug>(
    edit: impl Fn(&mut Description),
    prepare: impl AsyncFn(&Shop, Lines<'_>),
    ask: impl AsyncFn(&Shop, &Context, Lines<'_>) -> Result<Answer<T>, Failure>,
) {
    for trouble in TROUBLES {
        for choice in choices() {
            let shop = Shop::open();
            for (round, places) in ORDERS_OF_LINES.into_iter().enumerate() {
                let skus = ["lamp", "chair", "table"].map(|name| format!("{name}-{round}"));
                let mut products = Vec::new();
                for (number, name) in skus.iter().enumerate() {
                    let mut new = new_product(name, STOCK);
                    edit(Arc::make_mut(&mut new.description));
                    // The second on another thread than the first and the third.
                    let id = fresh_product_on(number % 2);
                    shop.engine.create(&context(), id, new).await.expect("the sku is free");
                    products.push(id);
                }
                let lines = places.map(|place| (skus[place].as_str(), WANTED));
                prepare(&shop, &lines).await;
                for number in (0..3).filter(|number| choice[*number]) {
                    trouble.bring(&shop, products[number], &skus[number], BUYER).await;
                }
                let failing = (0..3).filter(|index| choice[places[*index]]);
                let expected: Vec<_> = failing.map(|index| (index, trouble.why())).collect();
                let said = format!("{trouble:?} {choice:?} {places:?}");
                is_refused(&shop, &expected, &said, async |context| ask(&shop, context, &lines).await).await;
            }
            shop.close().await;
        }
    }
}

async fn is_refused<T: std::fmt::Debug>(
    shop: &Shop,
    expected: &[(usize, Why)],
    said: &str,
    ask: impl AsyncFn(&Context) -> Result<Answer<T>, Failure>,
) {
    let before = shop.as_it_is().await;
    let key = again(fresh());
    let mut is_replayed = false;
    for context in [&context(), &key, &key] {
        let answer = ask(context).await;
        is_replayed = matches!(&answer, Err(Failure::Refused(answer)) if answer.is_replayed);
        assert_eq!(failing(no(answer)), expected, "{said}");
        assert_eq!(substance(&shop.quiet().await), before, "{said}");
    }
    assert!(is_replayed, "the third is the second again");
    shop.undo_again().await;
    assert_eq!(substance(&shop.quiet().await), before, "{said}, the way back twice");
}

impl Trouble {
    /// Makes it so for `buyer`.
    pub(crate) async fn bring(self, shop: &Shop, product: ProductId, sku: &str, buyer: Owner) {
        let describe = async |edit: fn(&mut Description)| {
            let edit = move |now: &Description| {
                let mut description = now.clone();
                edit(&mut description);
                description
            };
            shop.engine.edit(&context(), product, None, edit).await.expect("anything may be written");
        };
        match self {
            Self::Held => {
                shop.reserve(somebody(), &[(sku, STOCK - 1)]).await.expect("nobody has any");
            }
            Self::Sold => {
                shop.buy_as(&by(somebody()), product, STOCK).await.expect("nobody has any");
            }
            Self::OrderLimit => describe(|it| it.per_order_limit = Some(quantity(WANTED - 1))).await,
            Self::CustomerLimit => {
                describe(|it| it.per_customer_limit = Some(quantity(WANTED))).await;
                shop.buy_as(&by(buyer), product, 1).await.expect("one may have two");
            }
            Self::Archived => describe(|it| it.status = Status::Archived).await,
        }
    }

    /// What the line of such a product is told.
    pub(crate) fn why(self) -> Why {
        let limit = |kind, limit, counted| Why::Limit { kind, limit: Units(limit), counted };
        match self {
            Self::Held => short(1, STOCK - 1),
            Self::Sold => short(0, 0),
            Self::OrderLimit => limit(LimitKind::PerOrder, WANTED - 1, 0),
            Self::CustomerLimit => limit(LimitKind::PerCustomer, WANTED, 1),
            Self::Archived => Why::NotSellable,
        }
    }
}

/// A product without the numbers that only count its movements: what was taken and given back has moved.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Substance {
    description: Arc<Description>,
    variants: Vec<(Levels, Totals)>,
    reservations: BTreeMap<ReservationId, Reservation>,
    commitments: BTreeMap<OrderId, Commitment>,
    counted: Vec<u64>,
}

/// What a refusal must leave as it was.
pub(crate) fn substance(everything: &Everything) -> (BTreeMap<ProductId, Substance>, Vec<Books>) {
    let buyers: Vec<Buyer> = everything.owners.iter().flat_map(buyers).collect();
    let products = everything.products.iter().map(|(id, product)| (*id, of(product, &buyers))).collect();
    (products, everything.owners.clone())
}

fn of(product: &Product, buyers: &[Buyer]) -> Substance {
    Substance {
        description: Arc::clone(product.description()),
        variants: product.variants().iter().map(|it| (it.levels, it.totals)).collect(),
        reservations: product.reservations().clone(),
        commitments: product.commitments().clone(),
        counted: buyers.iter().map(|buyer| product.units_of(*buyer)).collect(),
    }
}

fn buyers(books: &Books) -> Vec<Buyer> {
    let reservations = books.reservations.iter().map(|(_, it)| it.owner.buyer());
    let carts = books.carts.iter().map(|(_, it)| it.owner.buyer());
    let orders = super::audit::orders(std::slice::from_ref(books)).map(|it| it.placed.owner.buyer());
    let orders: Vec<_> = orders.collect();
    reservations.chain(carts).chain(orders).collect()
}

impl Shop {
    /// Everything but the ids given so far: whatever is asked next can be told from them by [`Shop::undo_again`].
    pub(crate) async fn as_it_is(&self) -> (BTreeMap<ProductId, Substance>, Vec<Books>) {
        let now = substance(&self.quiet().await);
        self.given.lock().expect("nothing panics while it holds this").clear();
        now
    }

    /// Tells every product once more what a way back tells it: that nothing is held under the names that the saga
    /// used, and that carts have what they had.
    pub(crate) async fn undo_again(&self) {
        let everything = self.everything().await;
        let given = self.given.lock().expect("nothing panics while it holds this").clone();
        let slots = Slots::new(PARTITIONS, 2);
        let names = |id: u128| {
            let placed = (0..PARTITIONS).map(move |partition| slots.place(id, Partition(partition)));
            placed.chain([id]).map(ReservationId).collect::<Vec<_>>()
        };
        let names: Vec<_> = given.into_iter().flat_map(names).collect();
        let is_owned = |name: &ReservationId| {
            everything.products.values().any(|product| product.reservation(*name).is_some())
        };
        let system = Context { actor: Actor::System, ..context() };
        for product in everything.products.keys() {
            for name in names.iter().filter(|name| !is_owned(name)) {
                let again = Command::Release { reservation: *name, ending: Ending::Released };
                self.engine.command(&system, *product, again).await.expect("giving back is never refused");
            }
        }
        for cart in carts(&everything.owners) {
            for (product, lines) in cart.held() {
                let name = cart.hold.expect("it holds something");
                for from in names.iter().filter(|name| !is_owned(name)).chain([&name]) {
                    let rehold = Rehold {
                        from: *from,
                        to: name,
                        buyer: cart.owner.buyer(),
                        lines: lines.clone(),
                        deadline: NOW,
                        ending: Ending::Released,
                        is_owed: true,
                    };
                    let again = Command::Rehold(Box::new(rehold));
                    self.engine.command(&system, product, again).await.expect("it has them");
                }
            }
        }
    }
}
