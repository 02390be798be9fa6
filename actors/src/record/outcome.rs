//! Stored forms of what keyed requests were answered.

use holdfast_domain::account::{Account, FIRST_VERSION};
use holdfast_domain::cart::CartLine;
use holdfast_domain::product::{MovementKind, Refusal};
use holdfast_domain::{CartId, Money, OrderId, ProductId, ReservationId, Timestamp, Units};
use holdfast_persistence::{Partition, Sequence};
use serde::{Deserialize, Serialize};

use crate::Position;
use crate::outcome::{
    Answered, CartFacts, Inventory, Outcome, ProductFacts, Purchased, Refused, ReservationMoment,
    StockChange, VariantFacts,
};

use super::DecodeError;
use super::account::StoredAccount;
use super::category::StoredCategory;
use super::price::StoredRule;
use super::refusal::StoredRefusal;
use super::values::{
    Id, StoredDescription, StoredHold, StoredItem, StoredLevels, StoredLine, StoredReason, StoredVariant,
    currency, quantity, sku,
};

/// A stored answer.
#[derive(Serialize, Deserialize)]
pub enum StoredOutcome {
    /// No.
    Refused(StoredRefusal),
    /// See [`Outcome::Purchased`].
    Purchased(StoredPurchase),
    /// See [`Outcome::StockChanged`].
    StockChanged(StoredStockChange),
    /// See [`Outcome::Product`].
    Product(StoredProduct),
    /// See [`Outcome::Deleted`].
    Deleted,
    /// Written while products owned deadlines, and only read since: [`Outcome::Done`].
    Reservation(StoredReservation),
    /// The same, of an order.
    OrderMoved(Id),
    /// See [`Outcome::Account`].
    Account(StoredAccount),
    /// See [`Outcome::Done`].
    Done,
    /// See [`Outcome::Order`].
    Order {
        /// Which.
        order: Id,
        /// From 1.
        version: u32,
    },
    /// See [`Outcome::Reservation`].
    ReservationMoment(StoredMoment),
    /// See [`Outcome::Cart`].
    Cart(StoredCart),
    /// See [`Outcome::Each`].
    Each(Vec<StoredOneOfMany>),
    /// See [`Outcome::Begun`].
    Begun(u64),
    /// See [`Outcome::Rule`].
    Rule(StoredRule),
    /// See [`Outcome::Category`].
    Category(StoredCategory),
    /// See [`Outcome::Account`]: one that was changed since it was made, and its version.
    ChangedAccount(StoredAccount, u32),
}

/// The answer to one of many commands. Not a [`StoredOutcome`]: bytes that hold themselves can be nested as deep as a
/// record is long, and reading them overflows the stack.
#[derive(Serialize, Deserialize)]
pub enum StoredOneOfMany {
    /// No.
    Refused(StoredRefusal),
    /// See [`Outcome::StockChanged`].
    StockChanged(StoredStockChange),
    /// See [`Outcome::Done`].
    Done,
}

/// Stored form.
#[derive(Serialize, Deserialize)]
pub struct StoredPurchase {
    order: Id,
    sku: Box<str>,
    quantity: u32,
    unit_price: i64,
    currency: [u8; 3],
    available: u32,
}

/// Stored form.
#[derive(Serialize, Deserialize)]
pub struct StoredStockChange {
    product: Id,
    sku: Box<str>,
    levels: StoredLevels,
    version: u32,
    updated_at: u64,
    kind: StoredStockKind,
    delta: i64,
    reason: Option<StoredReason>,
    reference: Option<Box<str>>,
    note: Option<Box<str>>,
    at: u64,
    partition: u16,
    sequence: u64,
}

#[derive(Serialize, Deserialize)]
enum StoredStockKind {
    Received,
    Adjusted,
    Counted,
}

/// Stored form.
#[derive(Serialize, Deserialize)]
pub struct StoredProduct {
    id: Id,
    description: StoredDescription,
    is_simple: bool,
    variants: Vec<StoredVariantFacts>,
    version: u32,
    created_at: u64,
    updated_at: u64,
}

#[derive(Serialize, Deserialize)]
struct StoredVariantFacts {
    description: StoredVariant,
    levels: StoredLevels,
    version: u32,
    updated_at: u64,
}

/// Stored form of what journals hold from before reservations had owners.
#[derive(Serialize, Deserialize)]
pub struct StoredReservation {
    id: Id,
    lines: Vec<StoredLine>,
    status: StoredReservationStatus,
}

#[derive(Serialize, Deserialize)]
enum StoredReservationStatus {
    Active { deadline: u64 },
    Confirmed { order: Id },
    Released,
    Expired,
}

/// Stored form.
#[derive(Serialize, Deserialize)]
pub struct StoredMoment {
    id: Id,
    hold: StoredHold,
    order: Option<Id>,
    updated_at: u64,
    version: u32,
}

/// Stored form.
#[derive(Serialize, Deserialize)]
pub struct StoredCart {
    id: Option<Id>,
    lines: Vec<StoredCartLine>,
    expires_at: Option<u64>,
    version: u32,
}

/// Stored form of a line, whose units may be held.
#[derive(Serialize, Deserialize)]
pub(crate) struct StoredCartLine {
    item: StoredItem,
    hold: Option<StoredHold>,
}

impl StoredOutcome {
    pub(crate) fn from_domain(answered: &Answered) -> Self {
        match answered {
            Err(refused) => Self::Refused(StoredRefusal::from_domain(refused)),
            Ok(Outcome::Done) => Self::Done,
            Ok(Outcome::Begun(at)) => Self::Begun(at.0),
            Ok(Outcome::Purchased(purchased)) => Self::Purchased(StoredPurchase::from_domain(purchased)),
            Ok(Outcome::StockChanged(change)) => Self::StockChanged(StoredStockChange::from_domain(change)),
            Ok(Outcome::Product(product)) => Self::Product(StoredProduct::from_domain(product)),
            Ok(Outcome::Deleted) => Self::Deleted,
            Ok(Outcome::Account(account)) => match account.version {
                FIRST_VERSION => Self::Account(StoredAccount::from_domain(account)),
                version => Self::ChangedAccount(StoredAccount::from_domain(account), version),
            },
            Ok(Outcome::Each(answers)) => {
                Self::Each(answers.iter().map(StoredOneOfMany::from_domain).collect())
            }
            Ok(Outcome::Order { order, version }) => {
                Self::Order { order: order.0.to_be_bytes(), version: *version }
            }
            Ok(Outcome::Reservation(moment)) => Self::ReservationMoment(StoredMoment::from_domain(moment)),
            Ok(Outcome::Cart(cart)) => Self::Cart(StoredCart::from_domain(cart)),
            Ok(Outcome::Rule(rule)) => Self::Rule(StoredRule::from_domain(rule)),
            Ok(Outcome::Category(category)) => Self::Category(StoredCategory::from_domain(category)),
        }
    }

    pub(crate) fn into_domain(self) -> Result<Answered, DecodeError> {
        Ok(Ok(match self {
            Self::Each(answers) => {
                let answers = answers.into_iter().map(StoredOneOfMany::into_domain);
                Outcome::Each(answers.collect::<Result<_, _>>()?)
            }
            Self::Refused(refusal) => return Ok(Err(refusal.into_domain()?)),
            Self::Purchased(purchase) => Outcome::Purchased(purchase.into_domain()?),
            Self::StockChanged(change) => Outcome::StockChanged(change.into_domain()?),
            Self::Product(product) => Outcome::Product(Box::new(product.into_domain()?)),
            Self::Deleted => Outcome::Deleted,
            Self::Account(account) => Outcome::Account(Box::new(account.into_domain())),
            Self::ChangedAccount(account, version) => {
                Outcome::Account(Box::new(Account { version, ..account.into_domain() }))
            }
            Self::Begun(at) => Outcome::Begun(Timestamp(at)),
            Self::Done | Self::Reservation(_) | Self::OrderMoved(_) => Outcome::Done,
            Self::Order { order, version } => {
                Outcome::Order { order: OrderId(u128::from_be_bytes(order)), version }
            }
            Self::ReservationMoment(moment) => Outcome::Reservation(moment.into_domain()),
            Self::Cart(cart) => Outcome::Cart(Box::new(cart.into_domain()?)),
            Self::Rule(rule) => Outcome::Rule(rule.into_domain()?),
            Self::Category(category) => Outcome::Category(Box::new(category.into_domain())),
        }))
    }
}

impl StoredOneOfMany {
    fn from_domain(answer: &Result<Outcome, Refusal>) -> Self {
        match answer {
            Err(refusal) => Self::Refused(StoredRefusal::from_product(refusal)),
            Ok(Outcome::StockChanged(change)) => {
                Self::StockChanged(StoredStockChange::from_domain(&without_texts(change.clone())))
            }
            Ok(_) => Self::Done,
        }
    }

    fn into_domain(self) -> Result<Result<Outcome, Refusal>, DecodeError> {
        match self {
            Self::Refused(refusal) => match refusal.into_domain()? {
                Refused::Product(refusal) => Ok(Err(refusal)),
                _ => Err(DecodeError::Value("refusal of a product")),
            },
            Self::StockChanged(change) => Ok(Ok(Outcome::StockChanged(without_texts(change.into_domain()?)))),
            Self::Done => Ok(Ok(Outcome::Done)),
        }
    }
}

/// The texts of an adjustment are in its event, and the answer to many does not repeat them.
fn without_texts(change: StockChange) -> StockChange {
    StockChange { reference: None, note: None, ..change }
}

impl StoredPurchase {
    fn from_domain(purchased: &Purchased) -> Self {
        Self {
            order: purchased.order.0.to_be_bytes(),
            sku: purchased.sku.as_str().into(),
            quantity: purchased.quantity.get(),
            unit_price: purchased.unit_price.0,
            currency: purchased.currency.bytes(),
            available: purchased.available.0,
        }
    }

    fn into_domain(self) -> Result<Purchased, DecodeError> {
        Ok(Purchased {
            order: OrderId(u128::from_be_bytes(self.order)),
            sku: sku(&self.sku)?,
            quantity: quantity(self.quantity)?,
            unit_price: Money(self.unit_price),
            currency: currency(self.currency)?,
            available: Units(self.available),
        })
    }
}

impl StoredStockChange {
    fn from_domain(change: &StockChange) -> Self {
        Self {
            product: change.inventory.product.0.to_be_bytes(),
            sku: change.inventory.sku.as_str().into(),
            levels: StoredLevels::from_domain(change.inventory.levels),
            version: change.inventory.version,
            updated_at: change.inventory.updated_at.0,
            kind: match change.kind {
                MovementKind::Received => StoredStockKind::Received,
                MovementKind::Counted => StoredStockKind::Counted,
                _ => StoredStockKind::Adjusted,
            },
            delta: change.delta,
            reason: change.reason.map(StoredReason::from_domain),
            reference: change.reference.clone(),
            note: change.note.clone(),
            at: change.at.0,
            partition: change.position.partition.0,
            sequence: change.position.sequence.0,
        }
    }

    fn into_domain(self) -> Result<StockChange, DecodeError> {
        Ok(StockChange {
            inventory: Inventory {
                product: ProductId(u128::from_be_bytes(self.product)),
                sku: sku(&self.sku)?,
                levels: self.levels.into_domain(),
                version: self.version,
                updated_at: Timestamp(self.updated_at),
            },
            kind: match self.kind {
                StoredStockKind::Received => MovementKind::Received,
                StoredStockKind::Adjusted => MovementKind::Adjusted,
                StoredStockKind::Counted => MovementKind::Counted,
            },
            delta: self.delta,
            reason: self.reason.map(StoredReason::into_domain),
            reference: self.reference,
            note: self.note,
            at: Timestamp(self.at),
            position: Position { partition: Partition(self.partition), sequence: Sequence(self.sequence) },
        })
    }
}

impl StoredProduct {
    fn from_domain(facts: &ProductFacts) -> Self {
        let variant = |variant: &VariantFacts| StoredVariantFacts {
            description: StoredVariant::from_domain(&variant.description),
            levels: StoredLevels::from_domain(variant.levels),
            version: variant.version,
            updated_at: variant.updated_at.0,
        };
        Self {
            id: facts.id.0.to_be_bytes(),
            description: StoredDescription::from_domain(&facts.description),
            is_simple: facts.is_simple,
            variants: facts.variants.iter().map(variant).collect(),
            version: facts.version,
            created_at: facts.created_at.0,
            updated_at: facts.updated_at.0,
        }
    }

    fn into_domain(self) -> Result<ProductFacts, DecodeError> {
        let variant = |variant: StoredVariantFacts| {
            Ok(VariantFacts {
                description: variant.description.into_domain()?,
                levels: variant.levels.into_domain(),
                version: variant.version,
                updated_at: Timestamp(variant.updated_at),
            })
        };
        Ok(ProductFacts {
            id: ProductId(u128::from_be_bytes(self.id)),
            description: self.description.into_domain()?,
            is_simple: self.is_simple,
            variants: self.variants.into_iter().map(variant).collect::<Result<_, DecodeError>>()?,
            version: self.version,
            created_at: Timestamp(self.created_at),
            updated_at: Timestamp(self.updated_at),
        })
    }
}

impl StoredMoment {
    fn from_domain(moment: &ReservationMoment) -> Self {
        Self {
            id: moment.id.0.to_be_bytes(),
            hold: StoredHold::from_domain(&moment.hold),
            order: moment.order.map(|order| order.0.to_be_bytes()),
            updated_at: moment.updated_at.0,
            version: moment.version,
        }
    }

    fn into_domain(self) -> ReservationMoment {
        ReservationMoment {
            id: ReservationId(u128::from_be_bytes(self.id)),
            hold: self.hold.into_domain(),
            order: self.order.map(|order| OrderId(u128::from_be_bytes(order))),
            updated_at: Timestamp(self.updated_at),
            version: self.version,
        }
    }
}

impl StoredCart {
    fn from_domain(cart: &CartFacts) -> Self {
        Self {
            id: cart.id.map(|id| id.0.to_be_bytes()),
            lines: cart.lines.iter().map(StoredCartLine::from_domain).collect(),
            expires_at: cart.expires_at.map(|at| at.0),
            version: cart.version,
        }
    }

    fn into_domain(self) -> Result<CartFacts, DecodeError> {
        Ok(CartFacts {
            id: self.id.map(|id| CartId(u128::from_be_bytes(id))),
            lines: self.lines.into_iter().map(StoredCartLine::into_domain).collect::<Result<_, _>>()?,
            expires_at: self.expires_at.map(Timestamp),
            version: self.version,
        })
    }
}

impl StoredCartLine {
    pub(crate) fn from_domain(line: &CartLine) -> Self {
        Self {
            item: StoredItem::from_domain(&line.item),
            hold: line.hold.as_ref().map(StoredHold::from_domain),
        }
    }

    pub(crate) fn into_domain(self) -> Result<CartLine, DecodeError> {
        let hold = self.hold.map(StoredHold::into_domain);
        Ok(CartLine { item: self.item.into_domain()?, hold })
    }
}
