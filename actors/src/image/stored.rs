//! The stored schema of entries, version 1, as far as records do not know it already. As there, new variants go to the end,
//! and new fields need a new version.

use std::sync::Arc;

use holdfast_domain::account::Account;
use holdfast_domain::account::session::{Family, SPENT_BYTES, TokenHash};
use holdfast_domain::cart::Cart;
use holdfast_domain::order::{Bought, Event as OrderChange};
use holdfast_domain::price::Applied;
use holdfast_domain::product::{
    Core, Description, Levels, Line, Product, Totals, VARIANTS_EVER_MAX, Variant, VariantDescription,
    VariantNo,
};
use holdfast_domain::reservation::Reservation;
use holdfast_domain::{
    AccountId, Buyer, Item, Money, Order, OrderId, ProductId, Quantity, ReservationId, Timestamp,
};
use holdfast_persistence::Sequence;
use serde::{Deserialize, Serialize};

use crate::record::account::StoredAccount;
use crate::record::category::StoredCategory;
use crate::record::order::{OrderEvent, StoredPlaced, StoredStep};
use crate::record::outcome::{StoredCartLine, StoredOutcome};
use crate::record::price::StoredRule;
use crate::record::values::{
    Id, StoredDescription, StoredHold, StoredItem, StoredLevels, StoredLine, StoredOwner, StoredVariant,
    domain_items, domain_lines, quantity, stored_items, stored_lines,
};
use crate::record::{DecodeError, OrderFact};

/// Of a product, without those who have units of it.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredCore {
    description: StoredDescription,
    is_simple: bool,
    variants: Vec<StoredPlace>,
    version: u32,
    created_at: u64,
    updated_at: u64,
    last_sequence: u64,
}

/// Of a variant and its figures.
#[derive(Serialize, Deserialize)]
struct StoredPlace {
    description: StoredVariant,
    levels: StoredLevels,
    received: u64,
    fulfilled: u64,
    written_off: u64,
    version: u32,
    updated_at: u64,
    is_removed: bool,
}

/// Of units that are held, or committed.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredShare {
    buyer: Id,
    lines: Vec<StoredLine>,
}

/// Of an order.
#[derive(Serialize, Deserialize)]
pub(super) enum StoredOrder {
    /// A purchase that nothing happened to since.
    Bought(StoredBought),
    /// Any other.
    Placed(StoredHistory),
}

/// Of a purchase. What it says of its product is an entry of its own.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredBought {
    owner: StoredOwner,
    /// The name of a [`StoredSold`].
    sold: Id,
    quantity: u32,
    unit_price: i64,
    rules: Option<Vec<StoredStep>>,
    at: u64,
    mark: u64,
}

/// What purchases say of their product: [`super::Key::Variant`].
#[derive(Serialize, Deserialize)]
pub(super) struct StoredSold {
    product: Id,
    variant: u16,
    /// The name of a [`StoredDescription`]: [`super::Key::Description`].
    description: Id,
    shape: StoredVariant,
}

/// Of an order and what happened to it.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredHistory {
    placed: StoredPlaced,
    placed_at: u64,
    history: Vec<(u64, OrderEvent)>,
    mark: u64,
}

/// Of a reservation.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredReservation {
    owner: StoredOwner,
    items: Vec<StoredItem>,
    hold: StoredHold,
    order: Option<Id>,
    reference: Option<Box<str>>,
    metadata: Option<Box<str>>,
    updated_at: u64,
    version: u32,
}

/// Of a cart.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredCart {
    owner: StoredOwner,
    hold: Option<Id>,
    lines: Vec<StoredCartLine>,
    created_at: u64,
    updated_at: u64,
    version: u32,
}

/// Of an account.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredPerson {
    account: StoredAccount,
    version: u32,
}

/// Of a session.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredFamily {
    account: Id,
    token: [u8; 32],
    expires_at: u64,
    spent: Vec<[u8; SPENT_BYTES]>,
}

/// Of all price rules.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredRules {
    pub(super) rules: Vec<StoredRule>,
    pub(super) last_sequence: u64,
}

/// Of all categories.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredTree {
    pub(super) categories: Vec<StoredCategory>,
    pub(super) last_sequence: u64,
}

/// Of the outcome of a request with a key.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredRequest {
    pub(super) fingerprint: Id,
    pub(super) answered: StoredOutcome,
    pub(super) partition: u16,
    pub(super) sequence: u64,
    pub(super) at: u64,
}

/// Of a cart whose lines another one has.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredAbsorbed {
    pub(super) to: Id,
    pub(super) at: u64,
}

impl StoredCore {
    pub(super) fn from_domain(product: &Product, last_sequence: Sequence) -> Self {
        Self {
            description: StoredDescription::from_domain(product.description()),
            is_simple: product.is_simple(),
            variants: product.variants().iter().map(StoredPlace::from_domain).collect(),
            version: product.version(),
            created_at: product.created_at().0,
            updated_at: product.updated_at().0,
            last_sequence: last_sequence.0,
        }
    }

    pub(super) fn into_domain(self) -> Result<(Core, Sequence), DecodeError> {
        if self.variants.len() > VARIANTS_EVER_MAX {
            return Err(DecodeError::Value("number of variants"));
        }
        let core = Core {
            description: priced(self.description.into_domain()?)?,
            is_simple: self.is_simple,
            variants: self.variants.into_iter().map(StoredPlace::into_domain).collect::<Result<_, _>>()?,
            version: self.version,
            created_at: Timestamp(self.created_at),
            updated_at: Timestamp(self.updated_at),
        };
        Ok((core, Sequence(self.last_sequence)))
    }
}

impl StoredPlace {
    fn from_domain(variant: &Variant) -> Self {
        Self {
            description: StoredVariant::from_domain(&variant.description),
            levels: StoredLevels::from_domain(variant.levels),
            received: variant.totals.received,
            fulfilled: variant.totals.fulfilled,
            written_off: variant.totals.written_off,
            version: variant.version,
            updated_at: variant.updated_at.0,
            is_removed: variant.is_removed,
        }
    }

    fn into_domain(self) -> Result<Variant, DecodeError> {
        let totals =
            Totals { received: self.received, fulfilled: self.fulfilled, written_off: self.written_off };
        let levels = self.levels.into_domain();
        if !add_up(levels, totals) {
            return Err(DecodeError::Value("sum of a variant's figures"));
        }
        Ok(Variant {
            description: self.description.into_domain()?,
            levels,
            totals,
            version: self.version,
            updated_at: Timestamp(self.updated_at),
            is_removed: self.is_removed,
        })
    }
}

/// INV-1 and INV-4: sums that leave their range would panic later.
fn add_up(levels: Levels, totals: Totals) -> bool {
    let on_hand = levels.available.checked_add(levels.reserved);
    let on_hand = on_hand.and_then(|sum| sum.checked_add(levels.committed));
    let accounted = on_hand
        .and_then(|on_hand| totals.fulfilled.checked_add(u64::from(on_hand.0)))
        .and_then(|sum| sum.checked_add(totals.written_off));
    accounted == Some(totals.received)
}

/// Prices are computed with: what no product may cost would panic later.
fn priced(description: Arc<Description>) -> Result<Arc<Description>, DecodeError> {
    is_price(description.price).then_some(description).ok_or(DecodeError::Value("price"))
}

fn is_price(price: Money) -> bool {
    (0..=Money::PRICE_MAX).contains(&price.0)
}

impl StoredShare {
    pub(super) fn from_domain(Buyer(buyer): Buyer, lines: &[Line]) -> Self {
        Self { buyer: buyer.to_be_bytes(), lines: stored_lines(lines) }
    }

    pub(super) fn into_domain(self) -> Result<(Buyer, Vec<Line>), DecodeError> {
        Ok((Buyer(u128::from_be_bytes(self.buyer)), domain_lines(self.lines)?))
    }
}

/// What a purchase refers to, once it was read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Sold {
    pub(super) product: ProductId,
    pub(super) variant: VariantNo,
    pub(super) description: Arc<Description>,
    pub(super) shape: Arc<VariantDescription>,
}

impl StoredSold {
    pub(super) fn from_domain(item: &Item, description: u128, shape: &VariantDescription) -> Self {
        Self {
            product: item.product.0.to_be_bytes(),
            variant: item.variant.0,
            description: description.to_be_bytes(),
            shape: StoredVariant::from_domain(shape),
        }
    }

    /// The name of the description that it refers to.
    pub(super) const fn description(&self) -> u128 {
        u128::from_be_bytes(self.description)
    }

    pub(super) fn into_domain(self, description: Arc<Description>) -> Result<Sold, DecodeError> {
        Ok(Sold {
            product: ProductId(u128::from_be_bytes(self.product)),
            variant: VariantNo(self.variant),
            description,
            shape: self.shape.into_domain()?,
        })
    }
}

/// A description as purchases share it.
pub(super) fn description(stored: StoredDescription) -> Result<Arc<Description>, DecodeError> {
    priced(stored.into_domain()?)
}

impl StoredBought {
    pub(super) fn from_domain(bought: &Bought, sold: u128) -> Self {
        Self {
            owner: StoredOwner::from_domain(bought.owner),
            sold: sold.to_be_bytes(),
            quantity: bought.item.quantity.get(),
            unit_price: bought.unit_price.0,
            rules: bought.rules.as_ref().map(|steps| steps.iter().map(StoredStep::from_domain).collect()),
            at: bought.at.0,
            mark: bought.mark,
        }
    }

    /// The name of the [`StoredSold`] that it refers to.
    pub(super) const fn sold(&self) -> u128 {
        u128::from_be_bytes(self.sold)
    }

    pub(super) fn into_domain(self, sold: &Sold) -> Result<Bought, DecodeError> {
        let quantity: Quantity = quantity(self.quantity)?;
        let rules: Applied =
            self.rules.map(|steps| Arc::new(steps.into_iter().map(StoredStep::into_domain).collect()));
        let bought = Bought {
            owner: self.owner.into_domain(),
            item: Item { product: sold.product, variant: sold.variant, quantity },
            unit_price: Money(self.unit_price),
            rules,
            description: Arc::clone(&sold.description),
            variant: Arc::clone(&sold.shape),
            at: Timestamp(self.at),
            mark: self.mark,
        };
        if has_sound_price(&bought) { Ok(bought) } else { Err(DecodeError::Value("price of a purchase")) }
    }
}

/// The order that a purchase is goes through all steps of its price again.
fn has_sound_price(bought: &Bought) -> bool {
    let mut unit = bought.description.price.adjusted(bought.variant.price_adjustment);
    let mut steps = bought.rules.iter().flat_map(|steps| steps.iter());
    let is_sound = |unit: &mut Money, amount: Money| {
        *unit = Money(unit.0.saturating_add(amount.0));
        is_price(*unit)
    };
    is_price(bought.unit_price) && steps.all(|step| is_sound(&mut unit, step.amount))
}

impl StoredHistory {
    pub(super) fn from_domain(order: &Order) -> Self {
        let change = |(at, event): &(Timestamp, OrderChange)| (at.0, OrderEvent::from_change(event));
        Self {
            placed: StoredPlaced::from_domain(&order.placed),
            placed_at: order.placed_at.0,
            history: order.history.iter().map(change).collect(),
            mark: order.mark,
        }
    }

    pub(super) fn into_domain(self, id: OrderId) -> Result<Order, DecodeError> {
        let change = |(at, event): (u64, OrderEvent)| match event.into_domain()? {
            OrderFact::Changed(event) => Ok((Timestamp(at), event)),
            OrderFact::Placed(_) => Err(DecodeError::Value("change of an order")),
        };
        let history = self.history.into_iter().map(change).collect::<Result<_, _>>()?;
        Ok(Order::restored(id, self.placed.into_domain()?, Timestamp(self.placed_at), history, self.mark))
    }
}

impl StoredReservation {
    pub(super) fn from_domain(reservation: &Reservation) -> Self {
        Self {
            owner: StoredOwner::from_domain(reservation.owner),
            items: stored_items(&reservation.items),
            hold: StoredHold::from_domain(&reservation.hold),
            order: reservation.order.map(|order| order.0.to_be_bytes()),
            reference: reservation.reference.clone(),
            metadata: reservation.metadata.clone(),
            updated_at: reservation.updated_at.0,
            version: reservation.version,
        }
    }

    pub(super) fn into_domain(self) -> Result<Reservation, DecodeError> {
        Ok(Reservation {
            owner: self.owner.into_domain(),
            items: domain_items(self.items)?,
            hold: self.hold.into_domain(),
            order: self.order.map(|order| OrderId(u128::from_be_bytes(order))),
            reference: self.reference,
            metadata: self.metadata,
            updated_at: Timestamp(self.updated_at),
            version: self.version,
        })
    }
}

impl StoredCart {
    pub(super) fn from_domain(cart: &Cart) -> Self {
        Self {
            owner: StoredOwner::from_domain(cart.owner),
            hold: cart.hold.map(|hold| hold.0.to_be_bytes()),
            lines: cart.lines.iter().map(StoredCartLine::from_domain).collect(),
            created_at: cart.created_at.0,
            updated_at: cart.updated_at.0,
            version: cart.version,
        }
    }

    pub(super) fn into_domain(self) -> Result<Cart, DecodeError> {
        Ok(Cart {
            owner: self.owner.into_domain(),
            hold: self.hold.map(|hold| ReservationId(u128::from_be_bytes(hold))),
            lines: self.lines.into_iter().map(StoredCartLine::into_domain).collect::<Result<_, _>>()?,
            created_at: Timestamp(self.created_at),
            updated_at: Timestamp(self.updated_at),
            version: self.version,
        })
    }
}

impl StoredPerson {
    pub(super) fn from_domain(account: &Account) -> Self {
        Self { account: StoredAccount::from_domain(account), version: account.version }
    }

    pub(super) fn into_domain(self) -> Account {
        Account { version: self.version, ..self.account.into_domain() }
    }
}

impl StoredFamily {
    pub(super) fn from_domain(family: &Family) -> Self {
        Self {
            account: family.account().0.to_be_bytes(),
            token: family.token().0,
            expires_at: family.expires_at().0,
            spent: family.spent().to_vec(),
        }
    }

    pub(super) fn into_domain(self) -> Family {
        let account = AccountId(u128::from_be_bytes(self.account));
        Family::restored(account, TokenHash(self.token), Timestamp(self.expires_at), self.spent)
    }
}
