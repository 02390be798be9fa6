//! Answers in the words of a story.

use holdfast_domain::product::{
    Event, Levels, LimitKind, Line, MovementKind, Product, Refusal, Short, Status, Totals, VariantNo,
};
use holdfast_domain::{OrderId, ReservationId};

use super::words::{buyer_text, money_text, time_text, variant_text};

/// What the events of one command come to.
pub(crate) fn done(events: &[Event]) -> String {
    match events {
        [] => "already so".into(),
        [Event::Purchased { unit_price, currency, .. }] => {
            format!("sold at {} {currency}", money_text(*unit_price))
        }
        [Event::Counted { delta, .. }] => format!("books were off by {delta:+}"),
        [Event::Expired { .. }] => "expired".into(),
        _ => "done".into(),
    }
}

pub(crate) fn refused(refusal: &Refusal) -> String {
    format!("refused: {}", reason(refusal))
}

fn reason(refusal: &Refusal) -> String {
    match refusal {
        Refusal::InsufficientStock { lines } => match lines[..] {
            [Short { index: 0, variant: VariantNo(0), available, reserved, .. }] => {
                format!("insufficient stock, {available} available, {reserved} reserved")
            }
            _ => format!("insufficient stock; {}", lines.iter().map(short).collect::<Vec<_>>().join("; ")),
        },
        Refusal::LimitExceeded { kind: LimitKind::PerOrder, limit, .. } => {
            format!("limit of {limit} per order")
        }
        Refusal::LimitExceeded { kind: LimitKind::PerCustomer, limit, counted } => {
            format!("limit of {limit} per customer, {counted} counted")
        }
        Refusal::ExtensionExceeded => "extended enough".into(),
        Refusal::ReservationExpired { deadline } => format!("expired at {}", time_text(*deadline)),
        Refusal::UnknownReservation => "unknown reservation".into(),
        Refusal::UnknownOrder => "unknown order".into(),
        Refusal::UnknownVariant { variant } => format!("unknown variant {}", variant_text(*variant)),
        Refusal::DeadlineOutOfRange => "deadline out of range".into(),
        Refusal::InvalidState => "invalid state".into(),
        Refusal::NotSellable { status: Status::Draft } => "not sellable, draft".into(),
        Refusal::NotSellable { status } => format!("not sellable, {status:?}").to_lowercase(),
        Refusal::ExpectedMismatch { expected, on_hand } => format!("expected {expected}, on hand {on_hand}"),
        Refusal::StockOverflow => "stock overflow".into(),
        Refusal::InUse => "in use".into(),
        Refusal::VersionMismatch { expected, actual } => format!("version is {actual}, not {expected}"),
        Refusal::UnknownProduct => "unknown product".into(),
        Refusal::OutOfBounds => "out of bounds".into(),
        Refusal::TooLarge { bytes_max } => format!("texts beyond {bytes_max} bytes"),
        Refusal::SkuTaken { sku } => format!("sku {sku} is taken"),
        Refusal::StockFixed { indexes } => format!("stock of {indexes:?} is fixed"),
        Refusal::TooManyVariants { count_max } => format!("more than {count_max} variants"),
    }
}

fn short(short: &Short) -> String {
    let Short { index, variant, requested, available, reserved } = short;
    let variant = variant_text(*variant);
    format!("line {index}: {requested} {variant} asked, {available} available, {reserved} reserved")
}

/// `lamp-a, lamp-b`, or `own lamp`.
pub(crate) fn skus(product: &Product) -> String {
    let skus: Vec<_> = product.live_variants().map(|(_, it)| it.description.sku.as_str()).collect();
    let own = product.sku().map_or("", |_| "own ");
    format!("{own}{}", skus.join(", "))
}

pub(crate) fn levels(levels: &Levels) -> String {
    let Levels { available, reserved, committed } = levels;
    let on_hand = levels.on_hand();
    format!("on hand {on_hand}, available {available}, reserved {reserved}, committed {committed}")
}

pub(crate) fn totals(totals: &Totals) -> String {
    let Totals { received, fulfilled, written_off } = totals;
    format!("received {received}, fulfilled {fulfilled}, written off {written_off}")
}

/// `received +5, reserved +3, expired -3`.
pub(crate) fn ledger<'a>(events: impl Iterator<Item = &'a Event>, variant: VariantNo) -> String {
    let mut rows = Vec::new();
    for event in events {
        event.movements(|movement| {
            if movement.variant == variant {
                rows.push(format!("{} {:+}", kind(movement.kind), movement.quantity));
            }
        });
    }
    rows.join(", ")
}

fn kind(kind: MovementKind) -> String {
    format!("{kind:?}").to_lowercase()
}

/// What is held under a name.
pub(crate) fn hold(product: &Product, id: ReservationId) -> String {
    product.reservation(id).map_or_else(
        || "nothing".into(),
        |hold| format!("{} for {}", lines(&hold.lines), buyer_text(hold.buyer)),
    )
}

/// What an order has here.
pub(crate) fn order(product: &Product, id: OrderId) -> String {
    product.commitment(id).map_or_else(
        || "nothing".into(),
        |commitment| format!("{} for {}", lines(&commitment.lines), buyer_text(commitment.buyer)),
    )
}

pub(crate) fn lines(lines: &[Line]) -> String {
    let line = |line: &Line| format!("{} {}", line.quantity, variant_text(line.variant));
    lines.iter().map(line).collect::<Vec<_>>().join(", ")
}
