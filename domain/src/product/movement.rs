//! The ledger's view of an event: which units moved where. Books and ledger come from the same function.

use std::collections::BTreeMap;

use crate::hold::Ending;
use crate::{OrderId, ReservationId, Units};

use super::{Event, Line, Reason, VariantNo};

/// What a movement did.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum MovementKind {
    /// Units came in.
    Received,
    /// Units came or went for another reason.
    Adjusted,
    /// A count found more or fewer.
    Counted,
    /// Available units are held.
    Reserved,
    /// A deadline moved, units did not.
    Extended,
    /// Held units are available again.
    Released,
    /// The same, because the deadline passed.
    Expired,
    /// Held units are sold.
    Committed,
    /// Available units are sold in one turn; the ledger's readers see `committed`.
    Purchased,
    /// Sold units left the house.
    Fulfilled,
    /// Sold units are available again.
    Canceled,
}

/// What brought a movement about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cause {
    /// An admin's adjustment or count.
    Stocktaking,
    /// A hold.
    Reservation(ReservationId),
    /// An order.
    Order(OrderId),
}

/// Units of one variant that moved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Movement {
    /// Of what.
    pub variant: VariantNo,
    /// How.
    pub kind: MovementKind,
    /// How many, in the bucket that the kind names; see [`super::Levels::shift`].
    pub quantity: i64,
    /// Why.
    pub cause: Cause,
    /// An adjustment's reason.
    pub reason: Option<Reason>,
}

impl Event {
    /// Calls `visit` for each movement of the event, in the order of its lines.
    pub fn movements(&self, mut visit: impl FnMut(Movement)) {
        let mut lines = |lines: &[Line], kind, sign: i64, cause| {
            for line in lines {
                let quantity = sign * line.quantity.units().signed();
                visit(Movement { variant: line.variant, kind, quantity, cause, reason: None });
            }
        };
        match self {
            Self::Created { .. }
            | Self::Described { .. }
            | Self::Deleted
            | Self::VariantAdded { .. }
            | Self::VariantDescribed { .. } => {}
            Self::Adjusted { variant, delta, reason, .. } => {
                let is_received = matches!(reason, Reason::Received | Reason::Restock) && *delta > 0;
                let kind = if is_received { MovementKind::Received } else { MovementKind::Adjusted };
                visit(Movement {
                    variant: *variant,
                    kind,
                    quantity: i64::from(*delta),
                    cause: Cause::Stocktaking,
                    reason: Some(*reason),
                });
            }
            Self::Counted { variant, delta, .. } => visit(Movement {
                variant: *variant,
                kind: MovementKind::Counted,
                quantity: *delta,
                cause: Cause::Stocktaking,
                reason: None,
            }),
            Self::Reserved { reservation, lines: held, .. } => {
                lines(held, MovementKind::Reserved, 1, Cause::Reservation(*reservation));
            }
            Self::Extended { reservation, lines: held, .. } => {
                lines(held, MovementKind::Extended, 0, Cause::Reservation(*reservation));
            }
            Self::Released { reservation, lines: held } => {
                lines(held, MovementKind::Released, -1, Cause::Reservation(*reservation));
            }
            Self::Expired { reservation, lines: held } => {
                lines(held, MovementKind::Expired, -1, Cause::Reservation(*reservation));
            }
            Self::Confirmed { order, lines: sold, .. } => {
                lines(sold, MovementKind::Committed, 1, Cause::Order(*order));
            }
            Self::Purchased { order, line, .. } => {
                lines(&[*line], MovementKind::Purchased, 1, Cause::Order(*order));
            }
            Self::Fulfilled { order, lines: shipped } => {
                lines(shipped, MovementKind::Fulfilled, -1, Cause::Order(*order));
            }
            Self::Canceled { order, lines: returned } => {
                lines(returned, MovementKind::Canceled, -1, Cause::Order(*order));
            }
            Self::Reheld { to, before, lines, ending, .. } => {
                for (variant, quantity) in differences(before, lines) {
                    let kind = match ending {
                        _ if quantity > 0 => MovementKind::Reserved,
                        Ending::Released => MovementKind::Released,
                        Ending::Expired => MovementKind::Expired,
                    };
                    visit(Movement { variant, kind, quantity, cause: Cause::Reservation(*to), reason: None });
                }
            }
            Self::VariantRemoved { variant, units, .. } => {
                written_off(*variant, *units).into_iter().for_each(visit);
            }
        }
    }
}

/// The units that went with a variant, if there were any.
fn written_off(variant: VariantNo, units: Units) -> Option<Movement> {
    let (kind, cause, reason) = (MovementKind::Adjusted, Cause::Stocktaking, Some(Reason::Other));
    (units.0 > 0).then(|| Movement { variant, kind, quantity: -units.signed(), cause, reason })
}

/// How many more units of each variant `after` has than `before`; nothing for those that are equal.
fn differences(before: &[Line], after: &[Line]) -> impl Iterator<Item = (VariantNo, i64)> {
    let mut units: BTreeMap<VariantNo, i64> = BTreeMap::new();
    for line in after {
        *units.entry(line.variant).or_default() += line.quantity.units().signed();
    }
    for line in before {
        *units.entry(line.variant).or_default() -= line.quantity.units().signed();
    }
    units.into_iter().filter(|(_, units)| *units != 0)
}
