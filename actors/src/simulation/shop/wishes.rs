//! What people ask of the shop: mostly sensible, sometimes not, and always for the same few units.

use std::sync::Arc;

use holdfast_domain::product::{
    Command, Description, Line, NewProduct, NewVariant, Reason, ReserveOn, Status, VariantDescription,
    VariantNo,
};
use holdfast_domain::saga::Books;
use holdfast_domain::{
    AccountId, Currency, Item, Millis, Money, OrderId, Owner, Product, ProductId, Quantity, ReservationId,
    Sku,
};

use crate::sagas::Who;
use crate::sagas::carts::Change;

use super::super::Rng;
use super::ask::AskWish;
use super::mood::{Mood, Topic};
use super::process::Process;
use super::promises::Promises;

/// Who buys.
pub(super) const OWNERS: [Owner; 4] = [GUEST, Owner::Guest(12), CUSTOMER, Owner::Account(AccountId(22))];
pub(super) const GUEST: Owner = Owner::Guest(11);
pub(super) const CUSTOMER: Owner = Owner::Account(AccountId(21));

/// How often, in a hundred, a step is one of a purchase that nothing happened to yet.
const PURCHASES_PERCENT: u64 = 15;

/// How many products a world has at the most.
const PRODUCTS_MAX: usize = 4;

/// Whoever makes wishes up.
pub(super) struct Muse<'a> {
    pub(super) rng: &'a mut Rng,
    pub(super) mood: &'a Mood,
    pub(super) process: &'a Process,
    pub(super) promises: &'a Promises,
    /// Of the next product to be made.
    pub(super) product: ProductId,
}

impl Muse<'_> {
    pub(super) fn any(&mut self) -> AskWish {
        let owner = self.owner();
        match self.mood.topic(self.rng).unwrap_or(Topic::ChangeCart) {
            Topic::ChangeCart => self.change(owner),
            Topic::ClearCart => AskWish::Clear(owner, self.version(owner)),
            Topic::PlaceCart => self.place_cart(),
            Topic::PlaceLines => self.place_lines(owner),
            Topic::StepOfOrder => self.step_of_order(),
            Topic::Reserve => self.reserve(owner),
            Topic::StepOfReservation => self.step_of_reservation(),
            Topic::Many => self.many(owner),
            Topic::Merge => self.merge(),
            Topic::Purchase => self.purchase(owner),
            Topic::Adjust => self.adjust(),
            Topic::Edit => self.edit(),
            Topic::Delete => self.delete(),
            Topic::Create => self.create(),
        }
    }

    fn merge(&mut self) -> AskWish {
        let guests = self.with_carts(&OWNERS[..2]);
        let guest = self.rng.pick(&guests).copied().unwrap_or(GUEST);
        let customers = if self.mood.is_lonely { 1 } else { 2 };
        AskWish::Merge { guest, customer: OWNERS[2 + self.index(customers)] }
    }

    fn change(&mut self, owner: Owner) -> AskWish {
        let Some(Item { product, variant, .. }) = self.item() else { return AskWish::Clear(owner, None) };
        let quantity = self.quantity();
        let change = match self.rng.below(100) {
            0..=54 => Change::Add(quantity),
            55..=84 => Change::Set(quantity),
            _ => Change::Remove,
        };
        AskWish::Change(owner, product, variant, change, self.version(owner))
    }

    fn place_cart(&mut self) -> AskWish {
        let with_carts = self.with_carts(&OWNERS);
        let owner = self.rng.pick(&with_carts).copied().unwrap_or(GUEST);
        self.place(owner, None)
    }

    fn place_lines(&mut self, owner: Owner) -> AskWish {
        let items = self.items();
        self.place(owner, Some(items))
    }

    fn place(&mut self, owner: Owner, items: Option<Vec<Item>>) -> AskWish {
        AskWish::Place {
            owner,
            items,
            ttl: self.ttl(),
            expected: self.rng.percent(3).then_some(Money(1)),
            is_paid: self.rng.percent(30),
        }
    }

    fn reserve(&mut self, owner: Owner) -> AskWish {
        AskWish::Reserve { owner, items: self.items(), ttl: self.ttl() }
    }

    fn many(&mut self, owner: Owner) -> AskWish {
        let lots = (0..1 + self.rng.below(4)).map(|_| (self.items(), self.ttl())).collect();
        AskWish::Many { owner, lots }
    }

    fn purchase(&mut self, owner: Owner) -> AskWish {
        match self.item() {
            Some(item) => AskWish::Purchase { owner, product: item.product, line: item.line() },
            None => self.create(),
        }
    }

    fn step_of_order(&mut self) -> AskWish {
        let Some((id, owner)) = self.order() else { return self.place_cart() };
        match self.rng.below(100) {
            0..=39 => AskWish::Pay(Who::Owner(owner), id),
            40..=54 => AskWish::ConfirmOrder(id),
            55..=69 => AskWish::Cancel(Who::Owner(owner), id),
            70..=84 => AskWish::Cancel(Who::Admin, id),
            _ => AskWish::Fulfil(id),
        }
    }

    fn step_of_reservation(&mut self) -> AskWish {
        let Some((id, owner)) = self.reservation() else { return self.reserve(CUSTOMER) };
        let who = if self.rng.percent(80) { Who::Owner(owner) } else { Who::Admin };
        match self.rng.below(100) {
            0..=34 => AskWish::Extend(who, id, self.ttl()),
            35..=69 => AskWish::ConfirmReservation(who, id),
            _ => AskWish::Release(who, id),
        }
    }

    fn adjust(&mut self) -> AskWish {
        let Some(Item { product, variant, .. }) = self.item() else { return self.create() };
        let delta = [-1, 1, 1, 2][self.index(4)];
        let reason = if delta > 0 { Reason::Received } else { Reason::Shrinkage };
        let adjust = Command::Adjust { variant, delta, reason, reference: None, note: None };
        AskWish::Command(product, adjust)
    }

    fn edit(&mut self) -> AskWish {
        let Some(Item { product, .. }) = self.item() else { return self.create() };
        let state = self.process.product(product).expect("items are of what exists").clone();
        if self.rng.percent(30) {
            return AskWish::Command(product, self.shaped(product, &state));
        }
        AskWish::Edit(product, Arc::new(self.edited(&state)))
    }

    fn delete(&mut self) -> AskWish {
        let Some(Item { product, .. }) = self.item() else { return self.create() };
        AskWish::Command(product, Command::Delete { version: None })
    }

    fn create(&mut self) -> AskWish {
        if self.process.products.borrow().len() >= PRODUCTS_MAX {
            return self.delete();
        }
        AskWish::Create(self.product, any_product(self.rng, self.product))
    }

    fn edited(&mut self, product: &Product) -> Description {
        let mut description = (**product.description()).clone();
        match self.rng.below(5) {
            0 => description.status = any_status(self.rng),
            1 => description.reserve_on = any_reserve_on(self.rng),
            2 => description.per_customer_limit = any_limit(self.rng),
            3 => description.per_order_limit = any_limit(self.rng),
            _ => description.price.0 += 1,
        }
        description
    }

    /// A variant more or fewer, or one with another sku; those of a product are few, so that they come back.
    fn shaped(&mut self, id: ProductId, product: &Product) -> Command {
        let (version, place) = (None, i64::try_from(self.index(4)).expect("it is small"));
        let variant = VariantNo::from_index(self.index(product.variants().len()));
        match self.rng.below(10) {
            0..=3 => Command::RemoveVariant { variant, version },
            4..=7 => {
                let units = u32::try_from(self.index(5)).expect("it is small");
                let variant =
                    NewVariant { description: described(id, place), initial_stock: Quantity::new(units) };
                Command::AddVariant { variant, version }
            }
            _ => Command::DescribeVariant { variant, description: described(id, place), version },
        }
    }

    fn owner(&mut self) -> Owner {
        if self.mood.is_lonely { [GUEST, CUSTOMER][self.index(2)] } else { OWNERS[self.index(OWNERS.len())] }
    }

    /// The version that the cart must have: mostly any, sometimes what it has now.
    fn version(&mut self, owner: Owner) -> Option<u32> {
        if !self.rng.percent(5) {
            return None;
        }
        let of = |books: &Books| books.carts.of(owner).map(|(_, cart)| cart.version);
        self.process.door.look(owner.buyer().0, of)
    }

    /// Those whose carts are not empty.
    fn with_carts(&self, owners: &[Owner]) -> Vec<Owner> {
        let has_lines = |owner: &Owner| {
            let of = |books: &Books| books.carts.of(*owner).is_some_and(|(_, cart)| !cart.lines.is_empty());
            self.process.door.look(owner.buyer().0, of)
        };
        owners.iter().copied().filter(has_lines).collect()
    }

    fn order(&mut self) -> Option<(OrderId, Owner)> {
        if self.rng.percent(PURCHASES_PERCENT) {
            let books = self.process.door.books();
            let purchases = books.iter().flat_map(|books| books.orders.purchases());
            let purchases: Vec<_> = purchases.map(|(id, bought)| (id, bought.owner)).collect();
            return self.recent(&purchases);
        }
        let known: Vec<_> = self.promises.orders.values().map(|it| (it.id, it.placed.owner)).collect();
        self.recent(&known)
    }

    fn reservation(&mut self) -> Option<(ReservationId, Owner)> {
        let known: Vec<_> =
            self.promises.reservations.values().map(|it| (it.id, it.reservation.owner)).collect();
        self.recent(&known)
    }

    /// Mostly one of the newest three: that is where things happen.
    fn recent<T: Copy>(&mut self, known: &[T]) -> Option<T> {
        let newest = &known[known.len().saturating_sub(3)..];
        let known = if self.rng.percent(70) { newest } else { known };
        self.rng.pick(known).copied()
    }

    fn item(&mut self) -> Option<Item> {
        let products: Vec<_> = self.process.products.borrow().keys().copied().collect();
        let is_hot = self.rng.percent(self.mood.hot_percent);
        let product = if is_hot { *products.first()? } else { *self.rng.pick(&products)? };
        let count = self.process.product(product)?.variants().len();
        let variant = VariantNo::from_index(self.index(count));
        Some(Item { product, variant, quantity: self.quantity() })
    }

    /// A few lines, no variant twice.
    fn items(&mut self) -> Vec<Item> {
        let mut items: Vec<Item> = Vec::new();
        for _ in 0..1 + self.rng.below(3) {
            let Some(item) = self.item() else { continue };
            if !items.iter().any(|other| other.is_of(item.product, item.variant)) {
                items.push(item);
            }
        }
        items
    }

    fn quantity(&mut self) -> Quantity {
        let units = [1, 1, 1, 2, 2, 3][self.index(6)];
        Quantity::new(units).expect("in range")
    }

    fn ttl(&mut self) -> Millis {
        match self.rng.below(10) {
            0 => Millis(1 + self.rng.below(20)),
            1 => Millis::from_secs(60 * 60),
            _ => Millis::from_secs(60 + self.rng.below(15 * 60)),
        }
    }

    fn index(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).expect("a length fits 64 bits");
        usize::try_from(self.rng.below(end)).expect("below a length")
    }
}

/// A product with one to three variants of few units each.
pub(super) fn any_product(rng: &mut Rng, id: ProductId) -> NewProduct {
    let count = [1, 1, 2, 3][usize::try_from(rng.below(4)).expect("it is small")];
    let variants = (0..count).map(|place| {
        let units = u32::try_from(rng.below(7)).expect("it is small");
        NewVariant { description: described(id, place), initial_stock: Quantity::new(units) }
    });
    let variants = variants.collect();
    let description = Description {
        name: "Thing".into(),
        text: None,
        status: Status::Active,
        price: Money(1000),
        currency: Currency::new(if rng.percent(95) { "EUR" } else { "USD" }).expect("three capitals"),
        category_ids: Vec::new(),
        attributes: "{}".into(),
        reserve_on: any_reserve_on(rng),
        reservation_ttl: rng.percent(50).then(|| Millis::from_secs(60 + rng.below(20 * 60))),
        per_order_limit: any_limit(rng),
        per_customer_limit: any_limit(rng),
    };
    NewProduct { description: Arc::new(description), is_simple: count == 1, variants }
}

fn described(id: ProductId, place: i64) -> Arc<VariantDescription> {
    let sku = Sku::new(&format!("sku-{}-{place}", id.0)).expect("well formed");
    Arc::new(VariantDescription { sku, name: None, attributes: "{}".into(), price_adjustment: Money(place) })
}

fn any_status(rng: &mut Rng) -> Status {
    match rng.below(4) {
        0 => Status::Archived,
        1 => Status::Draft,
        _ => Status::Active,
    }
}

fn any_reserve_on(rng: &mut Rng) -> ReserveOn {
    if rng.percent(70) { ReserveOn::Cart } else { ReserveOn::Checkout }
}

fn any_limit(rng: &mut Rng) -> Option<Quantity> {
    if rng.percent(70) { None } else { Quantity::new(2 + u32::try_from(rng.below(3)).expect("it is small")) }
}

/// A line of so many units.
pub(super) fn line(variant: u16, units: u32) -> Line {
    Line { variant: VariantNo(variant), quantity: Quantity::new(units).expect("in range") }
}
