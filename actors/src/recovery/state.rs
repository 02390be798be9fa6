//! All partitions in the making, and what is said of all of them together: the laws, and what a crash kept from being said.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use holdfast_domain::product::invariant::{self, Violation};
use holdfast_domain::saga::{self, Unmet};
use holdfast_domain::{Cart, CartId, ProductId, Sku, Timestamp, cart};
use holdfast_persistence::{Cause, Head, Partition, Record};

use super::part::{Elsewhere, Part};
use super::{Error, Startup};
use crate::image::Key;
use crate::keys::Keys;
use crate::slots::{ACCOUNTS_PARTITION, Slots};

/// Everything that a journal leads to, by partition.
pub(super) struct State {
    pub(super) slots: Slots,
    pub(super) parts: Vec<Part>,
    pub(super) keys: Arc<Keys>,
}

/// See [`Startup::close`] and [`Startup::open`].
type Absorbed = (Vec<(CartId, CartId)>, Vec<(CartId, Cart)>);

impl State {
    /// Nothing yet.
    pub(super) fn new(partitions: u16) -> Self {
        // Which thread serves a partition is of no importance here.
        let slots = Slots::new(partitions, 1);
        let keys = Arc::<Keys>::default();
        let part = |number| Part::new(Partition(number), slots, Arc::clone(&keys));
        Self { slots, parts: (0..partitions).map(part).collect(), keys: Arc::clone(&keys) }
    }

    /// Takes one record, whatever partition it speaks of.
    pub(super) fn take(&mut self, record: Record<'_>) -> Result<(), Cause> {
        let mut foreign = Vec::new();
        self.parts[index(record.header.partition)].take(record, &mut |it| foreign.push(it))?;
        for it in foreign {
            let Elsewhere { order, .. } = it;
            self.parts[index(self.slots.partition(order.0))].take_foreign(it);
        }
        Ok(())
    }

    /// Everything was read, up to `head`: proves the laws, and finds what a crash kept from being said.
    pub(super) fn finish(&mut self, head: &Head) -> Result<Startup, Error> {
        let now = head.partitions().iter().map(|partition| Timestamp(partition.time_ms)).max();
        self.keys.restored(now.unwrap_or_default());
        self.check()?;
        // First the carts: one that was absorbed claims nothing any more.
        let (close, open) = self.close_absorbed();
        let products = self.parts.iter().flat_map(|part| &part.products);
        let products = products.filter_map(|(id, live)| Some((*id, live.product.as_ref()?)));
        let tell = saga::mend(products, self.parts.iter().map(|part| &part.books)).map_err(unmet)?;
        Ok(Startup { tell, close, open })
    }

    /// Closes every cart that is still open though another has its lines; tells which other, and what it was like.
    fn close_absorbed(&mut self) -> Absorbed {
        let mut absorbed = BTreeMap::new();
        self.parts.iter_mut().for_each(|part| absorbed.append(&mut part.absorbed));
        let (mut closed, mut open) = (Vec::new(), Vec::new());
        for (from, to) in absorbed {
            let part = &mut self.parts[index(self.slots.partition(from.0))];
            let Some(cart) = part.books.carts.get(from).cloned() else { continue };
            part.touch(Key::Cart(from));
            part.books.apply_cart(from, &cart::Event::Closed { to: Some(to) }, cart.updated_at);
            closed.push((from, to));
            open.push((from, cart));
        }
        (closed, open)
    }

    /// The laws, for every product; and no sku may belong to two.
    fn check(&self) -> Result<(), Error> {
        let categories = &self.parts[index(ACCOUNTS_PARTITION)].categories.categories;
        let mut skus: HashMap<&Sku, ProductId> = HashMap::new();
        for live in self.parts.iter().flat_map(|part| part.products.values()) {
            let Some(product) = &live.product else { continue };
            invariant::check(product).map_err(|violation| law(live.id, violation))?;
            if categories.check_listing(&product.description().category_ids).is_err() {
                let found = String::from("it is listed in a category that does not exist");
                return Err(Error::Law { law: "known categories", whose: name(live.id), found });
            }
            for (_, variant) in product.live_variants() {
                let sku = &variant.description.sku;
                if skus.insert(sku, live.id).is_some() {
                    let found = String::from("two products have it");
                    return Err(Error::Law { law: "unique skus", whose: sku.to_string(), found });
                }
            }
        }
        Ok(())
    }
}

pub(super) fn index(partition: Partition) -> usize {
    usize::from(partition.0)
}

fn law(product: ProductId, Violation { law, found }: Violation) -> Error {
    Error::Law { law, whose: name(product), found }
}

fn unmet(Unmet { product, found }: Unmet) -> Error {
    Error::Law { law: "INV-10", whose: name(product), found }
}

fn name(product: ProductId) -> String {
    format!("product {}", uuid::Uuid::from_u128(product.0))
}
