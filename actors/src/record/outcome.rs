//! Stored forms of what keyed requests were answered.

use holdfast_domain::product::{LimitKind, MovementKind, Refusal, Short, VariantNo};
use holdfast_domain::{Money, OrderId, ProductId, ReservationId, Timestamp, Units};
use holdfast_persistence::{Partition, Sequence};
use serde::{Deserialize, Serialize};

use crate::Position;
use crate::outcome::{
    Answered, Inventory, Outcome, ProductFacts, Purchased, ReservationFacts, ReservationStatus, StockChange,
    VariantFacts,
};

use super::DecodeError;
use super::account::StoredAccount;
use super::values::{
    Id, StoredDescription, StoredLevels, StoredLine, StoredReason, StoredStatus, StoredVariant, currency,
    domain_lines, quantity, sku, stored_lines,
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
    /// See [`Outcome::Reservation`].
    Reservation(StoredReservation),
    /// See [`Outcome::OrderMoved`].
    OrderMoved(Id),
    /// See [`Outcome::Account`].
    Account(StoredAccount),
}

/// A stored no.
#[derive(Serialize, Deserialize)]
pub enum StoredRefusal {
    /// See [`Refusal::InsufficientStock`].
    InsufficientStock(Vec<StoredShort>),
    /// See [`Refusal::LimitExceeded`].
    LimitExceeded(StoredLimitKind, u32, u64),
    /// See [`Refusal::ExtensionExceeded`].
    ExtensionExceeded,
    /// See [`Refusal::ReservationExpired`].
    ReservationExpired(u64),
    /// See [`Refusal::UnknownReservation`].
    UnknownReservation,
    /// See [`Refusal::UnknownOrder`].
    UnknownOrder,
    /// See [`Refusal::UnknownVariant`].
    UnknownVariant(u16),
    /// See [`Refusal::DeadlineOutOfRange`].
    DeadlineOutOfRange,
    /// See [`Refusal::InvalidState`].
    InvalidState,
    /// See [`Refusal::NotSellable`].
    NotSellable(StoredProductStatus),
    /// See [`Refusal::ExpectedMismatch`].
    ExpectedMismatch(u32, u32),
    /// See [`Refusal::StockOverflow`].
    StockOverflow,
    /// See [`Refusal::InUse`].
    InUse,
    /// See [`Refusal::VersionMismatch`].
    VersionMismatch(u32, u32),
    /// See [`Refusal::UnknownProduct`].
    UnknownProduct,
    /// See [`Refusal::TooLarge`].
    TooLarge(u32),
    /// See [`Refusal::OutOfBounds`].
    OutOfBounds,
}

/// Stored form.
#[derive(Serialize, Deserialize)]
pub struct StoredProductStatus(StoredStatus);

/// Stored form.
#[derive(Serialize, Deserialize)]
pub enum StoredLimitKind {
    /// See [`LimitKind::PerOrder`].
    PerOrder,
    /// See [`LimitKind::PerCustomer`].
    PerCustomer,
}

/// Stored form.
#[derive(Serialize, Deserialize)]
pub struct StoredShort {
    index: u32,
    variant: u16,
    requested: u32,
    available: u32,
    reserved: u32,
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

/// Stored form.
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

impl StoredOutcome {
    pub(super) fn from_domain(answered: &Answered) -> Self {
        match answered {
            Err(refusal) => Self::Refused(StoredRefusal::from_domain(refusal)),
            Ok(Outcome::Purchased(purchased)) => Self::Purchased(StoredPurchase::from_domain(purchased)),
            Ok(Outcome::StockChanged(change)) => Self::StockChanged(StoredStockChange::from_domain(change)),
            Ok(Outcome::Product(product)) => Self::Product(StoredProduct::from_domain(product)),
            Ok(Outcome::Deleted) => Self::Deleted,
            Ok(Outcome::Reservation(facts)) => Self::Reservation(StoredReservation::from_domain(facts)),
            Ok(Outcome::OrderMoved(order)) => Self::OrderMoved(order.0.to_be_bytes()),
            Ok(Outcome::Account(account)) => Self::Account(StoredAccount::from_domain(account)),
        }
    }

    pub(super) fn into_domain(self) -> Result<Answered, DecodeError> {
        Ok(match self {
            Self::Refused(refusal) => Err(refusal.into_domain()),
            Self::Purchased(purchase) => Ok(Outcome::Purchased(purchase.into_domain()?)),
            Self::StockChanged(change) => Ok(Outcome::StockChanged(change.into_domain()?)),
            Self::Product(product) => Ok(Outcome::Product(Box::new(product.into_domain()?))),
            Self::Deleted => Ok(Outcome::Deleted),
            Self::Reservation(facts) => Ok(Outcome::Reservation(facts.into_domain()?)),
            Self::OrderMoved(order) => Ok(Outcome::OrderMoved(OrderId(u128::from_be_bytes(order)))),
            Self::Account(account) => Ok(Outcome::Account(Box::new(account.into_domain()))),
        })
    }
}

impl StoredRefusal {
    fn from_domain(refusal: &Refusal) -> Self {
        match refusal {
            Refusal::InsufficientStock { lines } => {
                Self::InsufficientStock(lines.iter().map(StoredShort::from_domain).collect())
            }
            Refusal::LimitExceeded { kind, limit, counted } => {
                let kind = match kind {
                    LimitKind::PerOrder => StoredLimitKind::PerOrder,
                    LimitKind::PerCustomer => StoredLimitKind::PerCustomer,
                };
                Self::LimitExceeded(kind, limit.0, *counted)
            }
            Refusal::ExtensionExceeded => Self::ExtensionExceeded,
            Refusal::ReservationExpired { deadline } => Self::ReservationExpired(deadline.0),
            Refusal::UnknownReservation => Self::UnknownReservation,
            Refusal::UnknownOrder => Self::UnknownOrder,
            Refusal::UnknownVariant { variant } => Self::UnknownVariant(variant.0),
            Refusal::DeadlineOutOfRange => Self::DeadlineOutOfRange,
            Refusal::InvalidState => Self::InvalidState,
            Refusal::NotSellable { status } => {
                Self::NotSellable(StoredProductStatus(StoredStatus::from_domain(*status)))
            }
            Refusal::ExpectedMismatch { expected, on_hand } => Self::ExpectedMismatch(expected.0, on_hand.0),
            Refusal::StockOverflow => Self::StockOverflow,
            Refusal::InUse => Self::InUse,
            Refusal::VersionMismatch { expected, actual } => Self::VersionMismatch(*expected, *actual),
            Refusal::UnknownProduct => Self::UnknownProduct,
            Refusal::TooLarge { bytes_max } => Self::TooLarge(*bytes_max),
            Refusal::OutOfBounds => Self::OutOfBounds,
        }
    }

    fn into_domain(self) -> Refusal {
        match self {
            Self::InsufficientStock(lines) => Refusal::InsufficientStock {
                lines: lines.into_iter().map(StoredShort::into_domain).collect(),
            },
            Self::LimitExceeded(kind, limit, counted) => {
                let kind = match kind {
                    StoredLimitKind::PerOrder => LimitKind::PerOrder,
                    StoredLimitKind::PerCustomer => LimitKind::PerCustomer,
                };
                Refusal::LimitExceeded { kind, limit: Units(limit), counted }
            }
            Self::ExtensionExceeded => Refusal::ExtensionExceeded,
            Self::ReservationExpired(deadline) => {
                Refusal::ReservationExpired { deadline: Timestamp(deadline) }
            }
            Self::UnknownReservation => Refusal::UnknownReservation,
            Self::UnknownOrder => Refusal::UnknownOrder,
            Self::UnknownVariant(variant) => Refusal::UnknownVariant { variant: VariantNo(variant) },
            Self::DeadlineOutOfRange => Refusal::DeadlineOutOfRange,
            Self::InvalidState => Refusal::InvalidState,
            Self::NotSellable(status) => Refusal::NotSellable { status: status.0.into_domain() },
            Self::ExpectedMismatch(expected, on_hand) => {
                Refusal::ExpectedMismatch { expected: Units(expected), on_hand: Units(on_hand) }
            }
            Self::StockOverflow => Refusal::StockOverflow,
            Self::InUse => Refusal::InUse,
            Self::VersionMismatch(expected, actual) => Refusal::VersionMismatch { expected, actual },
            Self::UnknownProduct => Refusal::UnknownProduct,
            Self::TooLarge(bytes_max) => Refusal::TooLarge { bytes_max },
            Self::OutOfBounds => Refusal::OutOfBounds,
        }
    }
}

impl StoredShort {
    fn from_domain(short: &Short) -> Self {
        Self {
            index: u32::try_from(short.index).expect("a request has at most 10 000 lines"),
            variant: short.variant.0,
            requested: short.requested.0,
            available: short.available.0,
            reserved: short.reserved.0,
        }
    }

    fn into_domain(self) -> Short {
        Short {
            index: usize::try_from(self.index).expect("usize holds u32 on every target of ours"),
            variant: VariantNo(self.variant),
            requested: Units(self.requested),
            available: Units(self.available),
            reserved: Units(self.reserved),
        }
    }
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

impl StoredReservation {
    fn from_domain(facts: &ReservationFacts) -> Self {
        let status = match facts.status {
            ReservationStatus::Active { deadline } => {
                StoredReservationStatus::Active { deadline: deadline.0 }
            }
            ReservationStatus::Confirmed { order } => {
                StoredReservationStatus::Confirmed { order: order.0.to_be_bytes() }
            }
            ReservationStatus::Released => StoredReservationStatus::Released,
            ReservationStatus::Expired => StoredReservationStatus::Expired,
        };
        Self { id: facts.id.0.to_be_bytes(), lines: stored_lines(&facts.lines), status }
    }

    fn into_domain(self) -> Result<ReservationFacts, DecodeError> {
        let status = match self.status {
            StoredReservationStatus::Active { deadline } => {
                ReservationStatus::Active { deadline: Timestamp(deadline) }
            }
            StoredReservationStatus::Confirmed { order } => {
                ReservationStatus::Confirmed { order: OrderId(u128::from_be_bytes(order)) }
            }
            StoredReservationStatus::Released => ReservationStatus::Released,
            StoredReservationStatus::Expired => ReservationStatus::Expired,
        };
        Ok(ReservationFacts {
            id: ReservationId(u128::from_be_bytes(self.id)),
            lines: domain_lines(self.lines)?,
            status,
        })
    }
}
