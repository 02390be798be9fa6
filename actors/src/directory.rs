//! Where every product is: its card, and the address of its actor while it has one.
//!
//! A look-up, and a message pushed under it, take a guard of the map; the guard is never held across an await.
//! Passivation takes the address out under the same guard, so no message can go to an actor that has left.

use std::borrow::Borrow;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, RwLock};

use actix::Addr;
use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use holdfast_domain::account::{Account, Role, Tier};
use holdfast_domain::category::Categories;
use holdfast_domain::price::PriceList;
use holdfast_domain::product::VariantDescription;
use holdfast_domain::{AccountId, Buyer, Owner, ProductId, Sku};
use holdfast_persistence::Ticket;

use crate::card::Card;
use crate::catalogue::{Catalogue, News};
use crate::listing::{Listings, Relisting};
use crate::mails::Unsents;
use crate::product_actor::ProductActor;

/// The one map of the process.
#[derive(Debug, Default)]
pub struct Directory {
    products: DashMap<Entered, Option<Addr<ProductActor>>>,
    skus: DashMap<Named, Whose>,
    /// The ticket of the newest turn that took a sku away.
    freed: AtomicU64,
    /// Whose carts hold units: they alone may buy what others cannot.
    cart_holders: DashMap<Buyer, ()>,
    /// Everybody who can log in.
    people: DashMap<AccountId, Person>,
    categories: RwLock<Arc<Published<Categories>>>,
    prices: RwLock<Arc<Published<PriceList>>>,
    /// Whether any of them is active: a shop without rules asks no more than this.
    has_price_rules: AtomicBool,
    listings: Listings,
    catalogue: Arc<Catalogue>,
    unsents: Unsents,
}

/// What everybody's requests ask of an account.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Person {
    /// What they may do.
    pub role: Role,
    /// For prices.
    pub tier: Tier,
}

/// A book as it was after a turn; nothing of it may be shown before `ticket` is durable.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Published<T> {
    /// As it was.
    pub value: T,
    /// Of the newest turn in it.
    pub ticket: Ticket,
}

/// A product's card, found by its id: kept beside it, the id would take as much again.
#[derive(Debug)]
struct Entered(Arc<Card>);

/// A variant's description, found by its sku, whose text it has.
#[derive(Debug)]
struct Named(Arc<VariantDescription>);

/// The id of the product that has a sku; as bytes it needs no room to be aligned in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Whose([u8; 16]);

/// Skus claimed for a product to be made; they are free again unless it is made.
#[derive(Debug)]
pub struct SkuClaim {
    directory: Arc<Directory>,
    skus: Vec<Arc<VariantDescription>>,
    is_kept: bool,
}

impl Directory {
    /// The card of a product.
    #[must_use]
    pub fn card(&self, product: ProductId) -> Option<Arc<Card>> {
        self.products.get(&product).map(|place| Arc::clone(&place.key().0))
    }

    /// The same of a product that is not deleted; a deleted one keeps its card until its actor leaves.
    #[must_use]
    pub fn live_card(&self, product: ProductId) -> Option<Arc<Card>> {
        self.card(product).filter(|card| !card.is_deleted())
    }

    /// The product that has this sku.
    #[must_use]
    pub fn by_sku(&self, sku: &Sku) -> Option<ProductId> {
        self.skus.get(sku).map(|whose| whose.product())
    }

    /// How many products there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.products.len()
    }

    /// Whether there is no product.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.products.is_empty()
    }

    /// Claims the skus of all these variants for `product`, or names the first that is taken.
    ///
    /// # Errors
    ///
    /// The taken sku; nothing is claimed then.
    pub fn claim(
        self: &Arc<Self>,
        product: ProductId,
        variants: Vec<Arc<VariantDescription>>,
    ) -> Result<SkuClaim, Sku> {
        let mut claim = SkuClaim { directory: Arc::clone(self), skus: Vec::new(), is_kept: false };
        for variant in variants {
            match self.skus.entry(Named(Arc::clone(&variant))) {
                Entry::Occupied(_) => return Err(variant.sku.clone()),
                Entry::Vacant(vacant) => {
                    vacant.insert(Whose::of(product));
                    claim.skus.push(variant);
                }
            }
        }
        Ok(claim)
    }

    /// Enters a product that recovery brought back, with its skus.
    pub(crate) fn restore(&self, card: Arc<Card>) {
        for (_, variant) in card.info().live() {
            self.skus.insert(Named(Arc::clone(variant)), Whose::of(card.id));
        }
        self.enter(Arc::clone(&card));
        self.relist(Some(Relisting::first()), Some(&card), Ticket::ZERO);
    }

    /// Enters a product; its skus are claimed already.
    pub(crate) fn enter(&self, card: Arc<Card>) {
        self.put(card, |_| None);
    }

    /// Puts another card in the place of a product's; its actor stays.
    pub(crate) fn renew(&self, card: Arc<Card>) {
        for (_, variant) in card.info().live() {
            // A variant that was described otherwise under the same sku: nobody needs what it was.
            if let Entry::Occupied(found) = self.skus.entry(Named(Arc::clone(variant)))
                && found.get().product() == card.id
            {
                drop(found.replace_entry(Whose::of(card.id)));
            }
        }
        self.put(card, |before| before.expect("a product that takes turns is entered").clone());
    }

    /// Puts a card in its place, with the actor that follows from the one before.
    fn put(
        &self,
        card: Arc<Card>,
        actor: impl FnOnce(Option<&Option<Addr<ProductActor>>>) -> Option<Addr<ProductActor>>,
    ) {
        match self.products.entry(Entered(card)) {
            Entry::Occupied(place) => {
                let actor = actor(Some(place.get()));
                // The key as well: it is the card.
                drop(place.replace_entry(actor));
            }
            Entry::Vacant(place) => drop(place.insert(actor(None))),
        }
    }

    /// Frees a sku that `product` has not any more since the turn of `ticket`.
    pub(crate) fn free(&self, product: ProductId, sku: &Sku, ticket: Ticket) {
        // Before: who finds that nobody has the sku also finds when that is certain.
        self.freed.fetch_max(ticket.number(), Ordering::AcqRel);
        self.skus.remove_if(sku, |_, whose| whose.product() == product);
    }

    /// The ticket that must be durable before it is certain that nobody has some sku.
    #[must_use]
    pub fn freed(&self) -> Ticket {
        Ticket::new(self.freed.load(Ordering::Acquire))
    }

    /// Frees the skus of a deleted product; its card stays until its actor leaves.
    pub(crate) fn unlist(&self, card: &Card) {
        let ticket = card.snapshot().ticket;
        for (_, variant) in card.info().live() {
            self.free(card.id, &variant.sku, ticket);
        }
    }

    /// Removes the last trace of a deleted product.
    pub(crate) fn leave(&self, product: ProductId) {
        self.products.remove(&product);
    }

    /// Calls `push` with the actor's address, if the product has one now. `push` must not wait.
    pub(crate) fn with_actor<M>(
        &self,
        product: ProductId,
        message: M,
        push: impl FnOnce(&Addr<ProductActor>, M),
    ) -> Result<(), M> {
        let place = self.products.get(&product);
        match place.as_ref().and_then(|place| place.value().as_ref()) {
            Some(actor) => {
                push(actor, message);
                Ok(())
            }
            None => Err(message),
        }
    }

    /// Publishes the address of a product's actor, or takes it back; true when the product is there and had none.
    pub(crate) fn set_actor(&self, product: ProductId, actor: Option<Addr<ProductActor>>) -> bool {
        let Some(mut place) = self.products.get_mut(&product) else { return false };
        std::mem::replace(&mut *place, actor).is_none()
    }

    /// Whether products hold units for somebody's cart, as far as is known.
    #[must_use]
    pub fn has_cart_units(&self, buyer: Buyer) -> bool {
        self.cart_holders.contains_key(&buyer)
    }

    /// Notes whether products hold units for somebody's cart.
    pub(crate) fn note_cart_units(&self, buyer: Buyer, has_units: bool) {
        if has_units {
            self.cart_holders.insert(buyer, ());
        } else {
            self.cart_holders.remove(&buyer);
        }
    }

    /// What requests may know of an account; nothing for one that does not exist.
    #[must_use]
    pub fn person(&self, account: AccountId) -> Option<Person> {
        self.people.get(&account).map(|person| *person)
    }

    /// Notes an account that was made or changed.
    pub(crate) fn note_person(&self, account: &Account) {
        self.people.insert(account.id, Person { role: account.role, tier: account.tier });
    }

    /// All categories, as they are now.
    #[must_use]
    pub fn categories(&self) -> Arc<Published<Categories>> {
        Arc::clone(&self.categories.read().expect("a panic aborts the process"))
    }

    /// Publishes the categories after a turn.
    pub(crate) fn publish_categories(&self, value: Categories, ticket: Ticket) {
        let published = Arc::new(Published { value, ticket });
        // First the lists: a product is listed in a category only after that was published.
        self.catalogue.note_categories(Arc::clone(&published));
        *self.categories.write().expect("a panic aborts the process") = published;
        self.catalogue.raise(News::Listing);
    }

    /// Who is listed where.
    pub(crate) const fn listings(&self) -> &Listings {
        &self.listings
    }

    /// What lists are made of.
    #[must_use]
    pub const fn catalogue(&self) -> &Arc<Catalogue> {
        &self.catalogue
    }

    /// Who must be written to.
    pub(crate) const fn unsents(&self) -> &Unsents {
        &self.unsents
    }

    /// All price rules, as they are now.
    #[must_use]
    pub fn prices(&self) -> Arc<Published<PriceList>> {
        Arc::clone(&self.prices.read().expect("a panic aborts the process"))
    }

    /// Publishes the price rules after a turn.
    pub(crate) fn publish_prices(&self, value: PriceList, ticket: Ticket) {
        let has_rules = !value.is_idle();
        *self.prices.write().expect("a panic aborts the process") = Arc::new(Published { value, ticket });
        self.has_price_rules.store(has_rules, Ordering::Release);
    }

    /// Whether a price can be other than the base price.
    pub(crate) fn has_price_rules(&self) -> bool {
        self.has_price_rules.load(Ordering::Acquire)
    }

    /// The standing of a buyer; guests and strangers have the first one.
    #[must_use]
    pub fn tier(&self, owner: Owner) -> Tier {
        let person = owner.account().and_then(|account| self.person(account));
        person.map_or(Tier::Standard, |person| person.tier)
    }

    /// How many products have an actor now.
    #[must_use]
    pub fn actors(&self) -> usize {
        self.products.iter().filter(|place| place.value().is_some()).count()
    }
}

impl Borrow<Sku> for Named {
    fn borrow(&self) -> &Sku {
        &self.0.sku
    }
}

impl Hash for Named {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.sku.hash(state);
    }
}

impl PartialEq for Named {
    fn eq(&self, other: &Self) -> bool {
        self.0.sku == other.0.sku
    }
}

impl Eq for Named {}

impl Whose {
    const fn of(product: ProductId) -> Self {
        Self(product.0.to_ne_bytes())
    }

    const fn product(self) -> ProductId {
        ProductId(u128::from_ne_bytes(self.0))
    }
}

impl Borrow<ProductId> for Entered {
    fn borrow(&self) -> &ProductId {
        &self.0.id
    }
}

impl Hash for Entered {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.id.hash(state);
    }
}

impl PartialEq for Entered {
    fn eq(&self, other: &Self) -> bool {
        self.0.id == other.0.id
    }
}

impl Eq for Entered {}

impl SkuClaim {
    /// The product was made: the skus are its own.
    pub fn keep(mut self) {
        self.is_kept = true;
    }
}

impl Drop for SkuClaim {
    fn drop(&mut self) {
        if !self.is_kept {
            for sku in &self.skus {
                self.directory.skus.remove(&sku.sku);
            }
        }
    }
}
