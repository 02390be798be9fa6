//! Stored forms of what happens to carts.

use holdfast_domain::cart::Event;
use holdfast_domain::product::VariantNo;
use holdfast_domain::{CartId, ProductId, ReservationId, Timestamp};
use serde::{Deserialize, Serialize};

use super::DecodeError;
use super::values::{Id, StoredItem, StoredOwner};

/// A stored fact about a cart.
#[derive(Serialize, Deserialize)]
pub(super) enum CartEvent {
    /// See [`Event::Opened`].
    Opened(Opened),
    /// See [`Event::LineSet`].
    LineSet(LineSet),
    /// See [`Event::LineRemoved`].
    LineRemoved(StoredKey),
    /// See [`Event::Renewed`].
    Renewed(Renewed),
    /// See [`Event::Lapsed`].
    Lapsed(Lapsed),
    /// See [`Event::Emptied`].
    Emptied,
    /// See [`Event::Absorbed`].
    Absorbed(Absorbed),
    /// See [`Event::Closed`].
    Closed(Closed),
}

/// Stored form.
#[derive(Serialize, Deserialize)]
pub(super) struct Opened {
    owner: StoredOwner,
}

/// Stored form.
#[derive(Serialize, Deserialize)]
pub(super) struct LineSet {
    item: StoredItem,
    held: Option<Held>,
}

#[derive(Serialize, Deserialize)]
struct Held {
    reservation: Id,
    deadline: u64,
}

/// What names a line.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredKey {
    product: Id,
    variant: u16,
}

/// Stored form.
#[derive(Serialize, Deserialize)]
pub(super) struct Renewed {
    lines: Vec<Renewal>,
}

#[derive(Serialize, Deserialize)]
struct Renewal {
    line: StoredKey,
    deadline: u64,
}

/// Stored form.
#[derive(Serialize, Deserialize)]
pub(super) struct Lapsed {
    lines: Vec<StoredKey>,
}

/// Stored form.
#[derive(Serialize, Deserialize)]
pub(super) struct Absorbed {
    from: Id,
}

/// Stored form.
#[derive(Serialize, Deserialize)]
pub(super) struct Closed {
    to: Option<Id>,
}

impl CartEvent {
    pub(super) fn from_domain(event: &Event) -> Self {
        match event {
            Event::Opened { owner } => Self::Opened(Opened { owner: StoredOwner::from_domain(*owner) }),
            Event::LineSet { item, held } => Self::LineSet(LineSet {
                item: StoredItem::from_domain(item),
                held: held.map(|(reservation, deadline)| Held {
                    reservation: reservation.0.to_be_bytes(),
                    deadline: deadline.0,
                }),
            }),
            Event::LineRemoved { product, variant } => {
                Self::LineRemoved(StoredKey::from_domain(*product, *variant))
            }
            Event::Renewed { lines } => {
                let renewal = |(product, variant, deadline): &(ProductId, VariantNo, Timestamp)| Renewal {
                    line: StoredKey::from_domain(*product, *variant),
                    deadline: deadline.0,
                };
                Self::Renewed(Renewed { lines: lines.iter().map(renewal).collect() })
            }
            Event::Lapsed { lines } => {
                let key =
                    |(product, variant): &(ProductId, VariantNo)| StoredKey::from_domain(*product, *variant);
                Self::Lapsed(Lapsed { lines: lines.iter().map(key).collect() })
            }
            Event::Emptied => Self::Emptied,
            Event::Absorbed { from } => Self::Absorbed(Absorbed { from: from.0.to_be_bytes() }),
            Event::Closed { to } => Self::Closed(Closed { to: to.map(|to| to.0.to_be_bytes()) }),
        }
    }

    pub(super) fn into_domain(self) -> Result<Event, DecodeError> {
        Ok(match self {
            Self::Opened(stored) => Event::Opened { owner: stored.owner.into_domain() },
            Self::LineSet(stored) => {
                let name = |id| ReservationId(u128::from_be_bytes(id));
                let held = stored.held.map(|held| (name(held.reservation), Timestamp(held.deadline)));
                Event::LineSet { item: stored.item.into_domain()?, held }
            }
            Self::LineRemoved(stored) => {
                let (product, variant) = stored.into_domain();
                Event::LineRemoved { product, variant }
            }
            Self::Renewed(stored) => {
                let renewal = |renewal: Renewal| {
                    let (product, variant) = renewal.line.into_domain();
                    (product, variant, Timestamp(renewal.deadline))
                };
                Event::Renewed { lines: stored.lines.into_iter().map(renewal).collect() }
            }
            Self::Lapsed(stored) => {
                Event::Lapsed { lines: stored.lines.into_iter().map(StoredKey::into_domain).collect() }
            }
            Self::Emptied => Event::Emptied,
            Self::Absorbed(stored) => Event::Absorbed { from: CartId(u128::from_be_bytes(stored.from)) },
            Self::Closed(stored) => Event::Closed { to: stored.to.map(|to| CartId(u128::from_be_bytes(to))) },
        })
    }
}

impl StoredKey {
    const fn from_domain(product: ProductId, variant: VariantNo) -> Self {
        Self { product: product.0.to_be_bytes(), variant: variant.0 }
    }

    const fn into_domain(self) -> (ProductId, VariantNo) {
        (ProductId(u128::from_be_bytes(self.product)), VariantNo(self.variant))
    }
}
