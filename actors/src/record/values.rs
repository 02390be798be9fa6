//! Stored forms of the small values that events and outcomes share.

use std::sync::Arc;

use holdfast_domain::hold::{Ending, Hold, State};
use holdfast_domain::product::{
    Description, Levels, Line, Reason, ReserveOn, Status, VariantDescription, VariantNo,
};
use holdfast_domain::{
    AccountId, CategoryId, Currency, Item, Millis, Money, Owner, ProductId, Quantity, Sku, Timestamp, Units,
};
use serde::{Deserialize, Serialize};

use super::DecodeError;

pub(crate) type Id = [u8; 16];

#[derive(Serialize, Deserialize)]
pub(crate) struct StoredDescription {
    name: Box<str>,
    text: Option<Box<str>>,
    status: StoredStatus,
    price: i64,
    currency: [u8; 3],
    category_ids: Vec<Id>,
    attributes: Box<str>,
    reserve_on: StoredReserveOn,
    reservation_ttl_ms: Option<u64>,
    per_order_limit: Option<u32>,
    per_customer_limit: Option<u32>,
}

#[derive(Serialize, Deserialize, Clone, Copy)]
pub(crate) enum StoredStatus {
    Draft,
    Active,
    Archived,
}

#[derive(Serialize, Deserialize)]
enum StoredReserveOn {
    Cart,
    Checkout,
}

#[derive(Serialize, Deserialize, Clone, Copy)]
pub(crate) enum StoredReason {
    Received,
    Correction,
    Damaged,
    Shrinkage,
    Restock,
    CycleCount,
    Other,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct StoredVariant {
    sku: Box<str>,
    name: Option<Box<str>>,
    attributes: Box<str>,
    price_adjustment: i64,
}

#[derive(Serialize, Deserialize, Clone, Copy)]
pub(crate) struct StoredLine {
    variant: u16,
    quantity: u32,
}

#[derive(Serialize, Deserialize, Clone, Copy)]
pub(crate) struct StoredLevels {
    available: u32,
    reserved: u32,
    committed: u32,
}

#[derive(Serialize, Deserialize)]
pub(crate) enum StoredOwner {
    Guest(Id),
    Account(Id),
}

#[derive(Serialize, Deserialize)]
pub(crate) struct StoredItem {
    product: Id,
    variant: u16,
    quantity: u32,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct StoredHold {
    created_at: u64,
    deadline: u64,
    extensions: u8,
    state: StoredHoldState,
}

#[derive(Serialize, Deserialize)]
enum StoredHoldState {
    Active,
    Confirmed,
    Released,
    Expired,
}

#[derive(Serialize, Deserialize)]
pub(crate) enum StoredEnding {
    Released,
    Expired,
}

impl StoredDescription {
    pub(crate) fn from_domain(description: &Description) -> Self {
        Self {
            name: description.name.clone(),
            text: description.text.clone(),
            status: StoredStatus::from_domain(description.status),
            price: description.price.0,
            currency: description.currency.bytes(),
            category_ids: description.category_ids.iter().map(|id| id.0.to_be_bytes()).collect(),
            attributes: description.attributes.clone(),
            reserve_on: match description.reserve_on {
                ReserveOn::Cart => StoredReserveOn::Cart,
                ReserveOn::Checkout => StoredReserveOn::Checkout,
            },
            reservation_ttl_ms: description.reservation_ttl.map(|ttl| ttl.0),
            per_order_limit: description.per_order_limit.map(Quantity::get),
            per_customer_limit: description.per_customer_limit.map(Quantity::get),
        }
    }

    pub(crate) fn into_domain(self) -> Result<Arc<Description>, DecodeError> {
        Ok(Arc::new(Description {
            name: self.name,
            text: self.text,
            status: self.status.into_domain(),
            price: Money(self.price),
            currency: currency(self.currency)?,
            category_ids: self
                .category_ids
                .into_iter()
                .map(|id| CategoryId(u128::from_be_bytes(id)))
                .collect(),
            attributes: self.attributes,
            reserve_on: match self.reserve_on {
                StoredReserveOn::Cart => ReserveOn::Cart,
                StoredReserveOn::Checkout => ReserveOn::Checkout,
            },
            reservation_ttl: self.reservation_ttl_ms.map(Millis),
            per_order_limit: self.per_order_limit.map(quantity).transpose()?,
            per_customer_limit: self.per_customer_limit.map(quantity).transpose()?,
        }))
    }
}

impl StoredStatus {
    pub(crate) const fn from_domain(status: Status) -> Self {
        match status {
            Status::Draft => Self::Draft,
            Status::Active => Self::Active,
            Status::Archived => Self::Archived,
        }
    }

    pub(crate) const fn into_domain(self) -> Status {
        match self {
            Self::Draft => Status::Draft,
            Self::Active => Status::Active,
            Self::Archived => Status::Archived,
        }
    }
}

impl StoredReason {
    pub(crate) const fn from_domain(reason: Reason) -> Self {
        match reason {
            Reason::Received => Self::Received,
            Reason::Correction => Self::Correction,
            Reason::Damaged => Self::Damaged,
            Reason::Shrinkage => Self::Shrinkage,
            Reason::Restock => Self::Restock,
            Reason::CycleCount => Self::CycleCount,
            Reason::Other => Self::Other,
        }
    }

    pub(crate) const fn into_domain(self) -> Reason {
        match self {
            Self::Received => Reason::Received,
            Self::Correction => Reason::Correction,
            Self::Damaged => Reason::Damaged,
            Self::Shrinkage => Reason::Shrinkage,
            Self::Restock => Reason::Restock,
            Self::CycleCount => Reason::CycleCount,
            Self::Other => Reason::Other,
        }
    }
}

impl StoredVariant {
    pub(crate) fn from_domain(variant: &VariantDescription) -> Self {
        Self {
            sku: variant.sku.as_str().into(),
            name: variant.name.clone(),
            attributes: variant.attributes.clone(),
            price_adjustment: variant.price_adjustment.0,
        }
    }

    pub(crate) fn into_domain(self) -> Result<Arc<VariantDescription>, DecodeError> {
        Ok(Arc::new(VariantDescription {
            sku: sku(&self.sku)?,
            name: self.name,
            attributes: self.attributes,
            price_adjustment: Money(self.price_adjustment),
        }))
    }
}

impl StoredLine {
    pub(crate) const fn from_domain(line: &Line) -> Self {
        Self { variant: line.variant.0, quantity: line.quantity.get() }
    }

    pub(crate) fn into_domain(self) -> Result<Line, DecodeError> {
        Ok(Line { variant: VariantNo(self.variant), quantity: quantity(self.quantity)? })
    }
}

impl StoredLevels {
    pub(crate) const fn from_domain(levels: Levels) -> Self {
        Self { available: levels.available.0, reserved: levels.reserved.0, committed: levels.committed.0 }
    }

    pub(crate) const fn into_domain(self) -> Levels {
        Levels {
            available: Units(self.available),
            reserved: Units(self.reserved),
            committed: Units(self.committed),
        }
    }
}

impl StoredOwner {
    pub(crate) const fn from_domain(owner: Owner) -> Self {
        match owner {
            Owner::Guest(digest) => Self::Guest(digest.to_be_bytes()),
            Owner::Account(AccountId(id)) => Self::Account(id.to_be_bytes()),
        }
    }

    pub(crate) const fn into_domain(self) -> Owner {
        match self {
            Self::Guest(digest) => Owner::Guest(u128::from_be_bytes(digest)),
            Self::Account(id) => Owner::Account(AccountId(u128::from_be_bytes(id))),
        }
    }
}

impl StoredItem {
    pub(crate) const fn from_domain(item: &Item) -> Self {
        Self { product: item.product.0.to_be_bytes(), variant: item.variant.0, quantity: item.quantity.get() }
    }

    pub(crate) fn into_domain(self) -> Result<Item, DecodeError> {
        Ok(Item {
            product: ProductId(u128::from_be_bytes(self.product)),
            variant: VariantNo(self.variant),
            quantity: quantity(self.quantity)?,
        })
    }
}

impl StoredHold {
    pub(crate) const fn from_domain(hold: &Hold) -> Self {
        Self {
            created_at: hold.created_at.0,
            deadline: hold.deadline.0,
            extensions: hold.extensions,
            state: match hold.state {
                State::Active => StoredHoldState::Active,
                State::Confirmed => StoredHoldState::Confirmed,
                State::Released => StoredHoldState::Released,
                State::Expired => StoredHoldState::Expired,
            },
        }
    }

    pub(crate) const fn into_domain(self) -> Hold {
        Hold {
            created_at: Timestamp(self.created_at),
            deadline: Timestamp(self.deadline),
            extensions: self.extensions,
            state: match self.state {
                StoredHoldState::Active => State::Active,
                StoredHoldState::Confirmed => State::Confirmed,
                StoredHoldState::Released => State::Released,
                StoredHoldState::Expired => State::Expired,
            },
        }
    }
}

impl StoredEnding {
    pub(crate) const fn from_domain(ending: Ending) -> Self {
        match ending {
            Ending::Released => Self::Released,
            Ending::Expired => Self::Expired,
        }
    }

    pub(crate) const fn into_domain(self) -> Ending {
        match self {
            Self::Released => Ending::Released,
            Self::Expired => Ending::Expired,
        }
    }
}

pub(crate) fn stored_items(items: &[Item]) -> Vec<StoredItem> {
    items.iter().map(StoredItem::from_domain).collect()
}

pub(crate) fn domain_items(items: Vec<StoredItem>) -> Result<Vec<Item>, DecodeError> {
    items.into_iter().map(StoredItem::into_domain).collect()
}

pub(crate) fn stored_lines(lines: &[Line]) -> Vec<StoredLine> {
    lines.iter().map(StoredLine::from_domain).collect()
}

pub(crate) fn domain_lines(lines: Vec<StoredLine>) -> Result<Vec<Line>, DecodeError> {
    lines.into_iter().map(StoredLine::into_domain).collect()
}

pub(crate) fn quantity(units: u32) -> Result<Quantity, DecodeError> {
    Quantity::new(units).ok_or(DecodeError::Value("quantity"))
}

pub(crate) fn sku(text: &str) -> Result<Sku, DecodeError> {
    Sku::new(text).ok_or(DecodeError::Value("sku"))
}

pub(crate) fn currency(code: [u8; 3]) -> Result<Currency, DecodeError> {
    Currency::from_bytes(code).ok_or(DecodeError::Value("currency"))
}
