//! Stored forms of a no that a keyed request was answered.

use holdfast_domain::account::Refusal as AccountRefusal;
use holdfast_domain::product::{LimitKind, Refusal, Short, VariantNo};
use holdfast_domain::saga::{LineRefusal, Refusal as OwnerRefusal, Why};
use holdfast_domain::{Money, OrderId, ProductId, Timestamp, Units};
use serde::{Deserialize, Serialize};

use crate::outcome::Refused;

use super::DecodeError;
use super::category::StoredCategoryRefusal;
use super::price::StoredPriceRefusal;
use super::values::{Id, StoredStatus, sku};

/// A stored no: first those of products, then those of owners.
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
    /// See [`OwnerRefusal::Lines`].
    Lines(Vec<StoredLineRefusal>),
    /// See [`OwnerRefusal::Expired`].
    OwnerExpired {
        /// Since when.
        deadline: u64,
    },
    /// See [`OwnerRefusal::InvalidState`].
    OwnerInvalidState,
    /// See [`OwnerRefusal::DeadlineOutOfRange`].
    OwnerDeadlineOutOfRange,
    /// See [`OwnerRefusal::ExtensionExceeded`].
    OwnerExtensionExceeded,
    /// See [`OwnerRefusal::NotFound`].
    NotFound,
    /// See [`OwnerRefusal::CartEmpty`].
    CartEmpty,
    /// See [`OwnerRefusal::PriceChanged`].
    PriceChanged {
        /// What it is.
        total: i64,
    },
    /// See [`OwnerRefusal::PaymentDeclined`].
    PaymentDeclined {
        /// Which.
        order: Id,
    },
    /// See [`OwnerRefusal::PaymentUnknown`].
    PaymentUnknown {
        /// Which.
        order: Id,
    },
    /// See [`OwnerRefusal::RefundRequired`].
    RefundRequired {
        /// Whether the order expired.
        is_expired: bool,
    },
    /// See [`OwnerRefusal::MixedCurrencies`].
    MixedCurrencies,
    /// See [`OwnerRefusal::TooManyLines`].
    TooManyLines,
    /// See [`OwnerRefusal::QuantityOutOfRange`].
    QuantityOutOfRange,
    /// See [`OwnerRefusal::TooLarge`].
    OwnerTooLarge {
        /// How many bytes there may be.
        bytes_max: u32,
    },
    /// See [`OwnerRefusal::VersionMismatch`].
    OwnerVersionMismatch(u32, u32),
    /// By the price list.
    Prices(StoredPriceRefusal),
    /// See [`Refused::Category`].
    Category(StoredCategoryRefusal),
    /// See [`Refusal::SkuTaken`].
    SkuTaken(Box<str>),
    /// See [`Refusal::StockFixed`].
    StockFixed(Vec<u32>),
    /// See [`Refusal::TooManyVariants`].
    TooManyVariants(u32),
    /// By the accounts.
    Account(StoredAccountRefusal),
}

/// Stored form.
#[derive(Serialize, Deserialize)]
pub enum StoredAccountRefusal {
    /// See [`AccountRefusal::EmailTaken`].
    EmailTaken,
    /// See [`AccountRefusal::NotFound`].
    NotFound,
    /// See [`AccountRefusal::LastAdmin`].
    LastAdmin,
    /// See [`AccountRefusal::VersionMismatch`].
    VersionMismatch(u32, u32),
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
pub struct StoredLineRefusal {
    index: u32,
    product: Id,
    variant: u16,
    requested: u32,
    why: StoredWhy,
}

#[derive(Serialize, Deserialize)]
enum StoredWhy {
    Short { available: u32, reserved: u32 },
    Limit { kind: StoredLimitKind, limit: u32, counted: u64 },
    NotSellable,
    Unknown,
}

impl StoredRefusal {
    pub(super) fn from_domain(refused: &Refused) -> Self {
        match refused {
            Refused::Product(refusal) => Self::from_product(refusal),
            Refused::Owner(refusal) => Self::from_owner(refusal),
            Refused::Prices(refusal) => Self::Prices(StoredPriceRefusal::from_domain(refusal)),
            Refused::Category(refusal) => Self::Category(StoredCategoryRefusal::from_domain(refusal)),
            Refused::Account(refusal) => Self::Account(StoredAccountRefusal::from_domain(*refusal)),
        }
    }

    pub(super) fn into_domain(self) -> Result<Refused, DecodeError> {
        Ok(match self {
            Self::InsufficientStock(lines) => {
                let lines = lines.into_iter().map(StoredShort::into_domain).collect();
                Refusal::InsufficientStock { lines }.into()
            }
            Self::LimitExceeded(kind, limit, counted) => {
                let (kind, limit) = (kind.into_domain(), Units(limit));
                Refusal::LimitExceeded { kind, limit, counted }.into()
            }
            Self::ExtensionExceeded => Refusal::ExtensionExceeded.into(),
            Self::ReservationExpired(deadline) => {
                Refusal::ReservationExpired { deadline: Timestamp(deadline) }.into()
            }
            Self::UnknownReservation => Refusal::UnknownReservation.into(),
            Self::UnknownOrder => Refusal::UnknownOrder.into(),
            Self::UnknownVariant(variant) => Refusal::UnknownVariant { variant: VariantNo(variant) }.into(),
            Self::DeadlineOutOfRange => Refusal::DeadlineOutOfRange.into(),
            Self::InvalidState => Refusal::InvalidState.into(),
            Self::NotSellable(status) => Refusal::NotSellable { status: status.0.into_domain() }.into(),
            Self::ExpectedMismatch(expected, on_hand) => {
                Refusal::ExpectedMismatch { expected: Units(expected), on_hand: Units(on_hand) }.into()
            }
            Self::StockOverflow => Refusal::StockOverflow.into(),
            Self::InUse => Refusal::InUse.into(),
            Self::VersionMismatch(expected, actual) => Refusal::VersionMismatch { expected, actual }.into(),
            Self::UnknownProduct => Refusal::UnknownProduct.into(),
            Self::TooLarge(bytes_max) => Refusal::TooLarge { bytes_max }.into(),
            Self::OutOfBounds => Refusal::OutOfBounds.into(),
            Self::Lines(lines) => {
                OwnerRefusal::Lines(lines.into_iter().map(StoredLineRefusal::into_domain).collect()).into()
            }
            Self::OwnerExpired { deadline } => OwnerRefusal::Expired { deadline: Timestamp(deadline) }.into(),
            Self::OwnerInvalidState => OwnerRefusal::InvalidState.into(),
            Self::OwnerDeadlineOutOfRange => OwnerRefusal::DeadlineOutOfRange.into(),
            Self::OwnerExtensionExceeded => OwnerRefusal::ExtensionExceeded.into(),
            Self::NotFound => OwnerRefusal::NotFound.into(),
            Self::CartEmpty => OwnerRefusal::CartEmpty.into(),
            Self::PriceChanged { total } => OwnerRefusal::PriceChanged { total: Money(total) }.into(),
            Self::PaymentDeclined { order } => {
                OwnerRefusal::PaymentDeclined { order: domain_order(order) }.into()
            }
            Self::PaymentUnknown { order } => {
                OwnerRefusal::PaymentUnknown { order: domain_order(order) }.into()
            }
            Self::RefundRequired { is_expired } => OwnerRefusal::RefundRequired { is_expired }.into(),
            Self::MixedCurrencies => OwnerRefusal::MixedCurrencies.into(),
            Self::TooManyLines => OwnerRefusal::TooManyLines.into(),
            Self::QuantityOutOfRange => OwnerRefusal::QuantityOutOfRange.into(),
            Self::OwnerTooLarge { bytes_max } => OwnerRefusal::TooLarge { bytes_max }.into(),
            Self::OwnerVersionMismatch(expected, actual) => {
                OwnerRefusal::VersionMismatch { expected, actual }.into()
            }
            Self::Prices(refusal) => refusal.into_domain().into(),
            Self::Category(refusal) => refusal.into_domain().into(),
            Self::SkuTaken(text) => Refusal::SkuTaken { sku: sku(&text)? }.into(),
            Self::StockFixed(indexes) => {
                Refusal::StockFixed { indexes: indexes.into_iter().map(domain_index).collect() }.into()
            }
            Self::TooManyVariants(count_max) => {
                Refusal::TooManyVariants { count_max: domain_index(count_max) }.into()
            }
            Self::Account(refusal) => Refused::Account(refusal.into_domain()),
        })
    }

    pub(super) fn from_product(refusal: &Refusal) -> Self {
        match refusal {
            Refusal::InsufficientStock { lines } => {
                Self::InsufficientStock(lines.iter().map(StoredShort::from_domain).collect())
            }
            Refusal::LimitExceeded { kind, limit, counted } => {
                Self::LimitExceeded(StoredLimitKind::from_domain(*kind), limit.0, *counted)
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
            Refusal::SkuTaken { sku } => Self::SkuTaken(sku.as_str().into()),
            Refusal::StockFixed { indexes } => {
                Self::StockFixed(indexes.iter().map(|index| stored_index(*index)).collect())
            }
            Refusal::TooManyVariants { count_max } => Self::TooManyVariants(stored_index(*count_max)),
        }
    }

    fn from_owner(refusal: &OwnerRefusal) -> Self {
        match refusal {
            OwnerRefusal::Lines(lines) => {
                Self::Lines(lines.iter().map(StoredLineRefusal::from_domain).collect())
            }
            OwnerRefusal::Expired { deadline } => Self::OwnerExpired { deadline: deadline.0 },
            OwnerRefusal::InvalidState => Self::OwnerInvalidState,
            OwnerRefusal::DeadlineOutOfRange => Self::OwnerDeadlineOutOfRange,
            OwnerRefusal::ExtensionExceeded => Self::OwnerExtensionExceeded,
            OwnerRefusal::NotFound => Self::NotFound,
            OwnerRefusal::CartEmpty => Self::CartEmpty,
            OwnerRefusal::PriceChanged { total } => Self::PriceChanged { total: total.0 },
            OwnerRefusal::PaymentDeclined { order } => Self::PaymentDeclined { order: order.0.to_be_bytes() },
            OwnerRefusal::PaymentUnknown { order } => Self::PaymentUnknown { order: order.0.to_be_bytes() },
            OwnerRefusal::RefundRequired { is_expired } => Self::RefundRequired { is_expired: *is_expired },
            OwnerRefusal::MixedCurrencies => Self::MixedCurrencies,
            OwnerRefusal::TooManyLines => Self::TooManyLines,
            OwnerRefusal::QuantityOutOfRange => Self::QuantityOutOfRange,
            OwnerRefusal::TooLarge { bytes_max } => Self::OwnerTooLarge { bytes_max: *bytes_max },
            OwnerRefusal::VersionMismatch { expected, actual } => {
                Self::OwnerVersionMismatch(*expected, *actual)
            }
        }
    }
}

impl StoredAccountRefusal {
    const fn from_domain(refusal: AccountRefusal) -> Self {
        match refusal {
            AccountRefusal::EmailTaken => Self::EmailTaken,
            AccountRefusal::NotFound => Self::NotFound,
            AccountRefusal::LastAdmin => Self::LastAdmin,
            AccountRefusal::VersionMismatch { expected, actual } => Self::VersionMismatch(expected, actual),
        }
    }

    const fn into_domain(self) -> AccountRefusal {
        match self {
            Self::EmailTaken => AccountRefusal::EmailTaken,
            Self::NotFound => AccountRefusal::NotFound,
            Self::LastAdmin => AccountRefusal::LastAdmin,
            Self::VersionMismatch(expected, actual) => AccountRefusal::VersionMismatch { expected, actual },
        }
    }
}

impl StoredLimitKind {
    const fn from_domain(kind: LimitKind) -> Self {
        match kind {
            LimitKind::PerOrder => Self::PerOrder,
            LimitKind::PerCustomer => Self::PerCustomer,
        }
    }

    const fn into_domain(self) -> LimitKind {
        match self {
            Self::PerOrder => LimitKind::PerOrder,
            Self::PerCustomer => LimitKind::PerCustomer,
        }
    }
}

impl StoredShort {
    fn from_domain(short: &Short) -> Self {
        Self {
            index: stored_index(short.index),
            variant: short.variant.0,
            requested: short.requested.0,
            available: short.available.0,
            reserved: short.reserved.0,
        }
    }

    fn into_domain(self) -> Short {
        Short {
            index: domain_index(self.index),
            variant: VariantNo(self.variant),
            requested: Units(self.requested),
            available: Units(self.available),
            reserved: Units(self.reserved),
        }
    }
}

impl StoredLineRefusal {
    fn from_domain(line: &LineRefusal) -> Self {
        Self {
            index: stored_index(line.index),
            product: line.product.0.to_be_bytes(),
            variant: line.variant.0,
            requested: line.requested.0,
            why: StoredWhy::from_domain(line.why),
        }
    }

    fn into_domain(self) -> LineRefusal {
        LineRefusal {
            index: domain_index(self.index),
            product: ProductId(u128::from_be_bytes(self.product)),
            variant: VariantNo(self.variant),
            requested: Units(self.requested),
            why: self.why.into_domain(),
        }
    }
}

impl StoredWhy {
    const fn from_domain(why: Why) -> Self {
        match why {
            Why::Short { available, reserved } => {
                Self::Short { available: available.0, reserved: reserved.0 }
            }
            Why::Limit { kind, limit, counted } => {
                Self::Limit { kind: StoredLimitKind::from_domain(kind), limit: limit.0, counted }
            }
            Why::NotSellable => Self::NotSellable,
            Why::Unknown => Self::Unknown,
        }
    }

    const fn into_domain(self) -> Why {
        match self {
            Self::Short { available, reserved } => {
                Why::Short { available: Units(available), reserved: Units(reserved) }
            }
            Self::Limit { kind, limit, counted } => {
                Why::Limit { kind: kind.into_domain(), limit: Units(limit), counted }
            }
            Self::NotSellable => Why::NotSellable,
            Self::Unknown => Why::Unknown,
        }
    }
}

fn stored_index(index: usize) -> u32 {
    u32::try_from(index).expect("a request has at most 10 000 lines")
}

fn domain_index(index: u32) -> usize {
    usize::try_from(index).expect("usize holds u32 on every target of ours")
}

const fn domain_order(id: Id) -> OrderId {
    OrderId(u128::from_be_bytes(id))
}
