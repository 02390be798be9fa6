//! What a client is told when the engine did not do something: the one place where its words become codes.
//!
//! Failing lines are named by the sku and the place that the client knows them by.

mod categories;
mod lines;

use std::borrow::Cow;

use holdfast_actors::domain::product::{LimitKind, Refusal, Short, VARIANTS_EVER_MAX};
use holdfast_actors::domain::{ProductId, Sku, Units, account, price, saga};
use holdfast_actors::{Engine, Failure, Overload, Refused};

use super::lines::Line;
use super::problem::{Code, FieldError, LineProblem, Problem};

/// An operator has to make room first.
const RETRY_AFTER_SECONDS_DISK: u32 = 10;

/// What a request was about.
#[derive(Clone, Copy, Debug)]
pub enum Asked<'a> {
    /// Nothing that has a sku.
    Nothing,
    /// A product.
    Product(ProductId),
    /// These lines.
    Lines(&'a [Line]),
}

/// The problem that a failure is for the client.
pub fn problem(failure: &Failure, engine: &Engine, asked: Asked<'_>) -> Problem {
    match failure {
        Failure::Refused(answer) => match &answer.value {
            Refused::Product(refusal) => by_product(refusal, engine, asked),
            Refused::Owner(refusal) => by_owner(refusal, engine, asked),
            Refused::Prices(refusal) => by_prices(refusal),
            Refused::Category(refusal) => categories::problem(refusal),
            Refused::Account(refusal) => by_accounts(*refusal),
        },
        Failure::NotFound => Problem::new(Code::NotFound, "There is no such thing here."),
        Failure::UnknownSkus(skus) => unknown_skus(skus, asked),
        Failure::SkuRequired => {
            invalid("sku", "required", "The product has several variants; name one of them.")
        }
        Failure::DuplicateSku(sku) => duplicate_sku(sku),
        Failure::KeyReused => {
            let detail = "The idempotency key came with another request before; use a new one.";
            Problem::new(Code::IdempotencyKeyReused, detail)
        }
        Failure::Overloaded(Overload::Requests) => {
            Problem::new(Code::Overloaded, "Too many requests at once; nothing was done. Try again.")
        }
        Failure::Overloaded(Overload::Disk) => {
            let detail = "The journal's disk is nearly full; nothing was done. Reads go on.";
            Problem::new(Code::Overloaded, detail).retry_after(RETRY_AFTER_SECONDS_DISK)
        }
        Failure::Stopped => {
            let detail = "The journal stopped; ask again after the restart whether this was done.";
            Problem::new(Code::NotReady, detail)
        }
    }
}

fn by_product(refusal: &Refusal, engine: &Engine, asked: Asked<'_>) -> Problem {
    match refusal {
        Refusal::InsufficientStock { lines } => insufficient_stock(lines, engine, asked),
        Refusal::LimitExceeded { kind, limit, counted } => limit_exceeded(*kind, *limit, *counted),
        Refusal::ExtensionExceeded => extension_exceeded(),
        Refusal::ReservationExpired { .. } => expired(),
        Refusal::UnknownProduct
        | Refusal::UnknownVariant { .. }
        | Refusal::UnknownReservation
        | Refusal::UnknownOrder => Problem::new(Code::NotFound, "There is no such thing, or not any more."),
        Refusal::InvalidState => invalid_state(),
        Refusal::NotSellable { .. } => {
            Problem::new(Code::InvalidState, "The product is not sold at present.")
        }
        Refusal::ExpectedMismatch { expected, on_hand } => {
            let detail = format!("The books say {on_hand} on hand, not {expected}.");
            Problem::new(Code::ExpectedMismatch, detail)
                .with("expected", expected.0)
                .with("on_hand", on_hand.0)
        }
        Refusal::InUse => Problem::new(Code::InUse, "Units of it are reserved or committed."),
        Refusal::VersionMismatch { actual, .. } => version_mismatch(*actual),
        Refusal::StockOverflow => out_of_range("", "More units than the books can hold."),
        Refusal::DeadlineOutOfRange => deadline_out_of_range(),
        Refusal::OutOfBounds => out_of_range("", "A value is out of its bounds."),
        Refusal::TooLarge { bytes_max } => too_large(*bytes_max),
        Refusal::SkuTaken { sku } => duplicate_sku(sku),
        Refusal::StockFixed { indexes } => stock_fixed(indexes),
        Refusal::TooManyVariants { count_max } => {
            let detail = match *count_max {
                VARIANTS_EVER_MAX => format!("In all its life a product has at most {count_max} variants."),
                _ => format!("A product has at most {count_max} variants."),
            };
            Problem::new(Code::LimitExceeded, detail).with("limit", *count_max)
        }
    }
}

fn by_owner(refusal: &saga::Refusal, engine: &Engine, asked: Asked<'_>) -> Problem {
    use saga::Refusal as Owner;

    match refusal {
        Owner::Lines(lines) => lines::problem(lines, engine, asked),
        Owner::Expired { .. } => expired(),
        Owner::InvalidState => invalid_state(),
        Owner::DeadlineOutOfRange => deadline_out_of_range(),
        Owner::ExtensionExceeded => extension_exceeded(),
        Owner::NotFound => Problem::new(Code::NotFound, "There is no such thing here."),
        Owner::CartEmpty => Problem::new(Code::CartEmpty, "There is nothing in the cart to order."),
        Owner::PriceChanged { total } => {
            let detail = format!("The total is {} now; nothing was ordered.", total.0);
            Problem::new(Code::PriceChanged, detail).with("total", total.0)
        }
        Owner::PaymentDeclined { order } => {
            let detail = "The payment was declined; the order is canceled and its units are free again.";
            Problem::new(Code::PaymentFailed, detail)
                .with("order_id", super::view::order_id(*order).to_string())
        }
        Owner::PaymentUnknown { order } => {
            let detail = "The payment provider did not answer; the order still waits for its payment.";
            Problem::new(Code::PaymentFailed, detail)
                .with("order_id", super::view::order_id(*order).to_string())
        }
        Owner::RefundRequired { is_expired } => {
            let (code, detail) = match is_expired {
                true => (
                    Code::ReservationExpired,
                    "The order expired and its units are gone: refund the payment.",
                ),
                false => (Code::InvalidState, "The order was canceled: refund the payment."),
            };
            Problem::new(code, detail).with("refund_required", true)
        }
        Owner::MixedCurrencies => {
            invalid("lines", "currency_mismatch", "All lines must be of products in one currency.")
        }
        Owner::TooManyLines => out_of_range("lines", "A cart has at most 100 lines."),
        Owner::QuantityOutOfRange => {
            let field = if matches!(asked, Asked::Lines(_)) { "lines" } else { "quantity" };
            out_of_range(field, "The units of a line, or the total of all lines, would be too many.")
        }
        Owner::TooLarge { bytes_max } => too_large(*bytes_max),
        Owner::VersionMismatch { actual, .. } => version_mismatch(*actual),
    }
}

fn by_prices(refusal: &price::Refusal) -> Problem {
    match refusal {
        price::Refusal::Unknown => Problem::new(Code::NotFound, "There is no such thing here."),
        price::Refusal::VersionMismatch { actual, .. } => version_mismatch(*actual),
        price::Refusal::TooMany => {
            out_of_range("", "There are at most 1 000 rules, which name at most 20 000 skus and categories.")
        }
        price::Refusal::OutOfBounds => out_of_range("", "A value is out of its bounds."),
        price::Refusal::UnknownCategories(places) => {
            let detail = Cow::Borrowed("There is no such category.");
            let field = |place| format!("category_ids[{place}]");
            let error = |place| FieldError { field: field(place), code: "unknown", detail: detail.clone() };
            Problem::invalid(places.iter().map(error).collect())
        }
    }
}

fn duplicate_sku(sku: &Sku) -> Problem {
    let detail = format!("The sku {sku} belongs to another product or variant.");
    Problem::new(Code::DuplicateSku, detail).with("sku", sku.as_str())
}

/// An initial stock for what exists; of a product without options where no place is named.
fn stock_fixed(indexes: &[usize]) -> Problem {
    let error = |field: String| FieldError {
        field,
        code: "fixed",
        detail: "It exists already; use adjustments to change its stock.".into(),
    };
    match indexes {
        [] => Problem::invalid(vec![error("initial_stock".into())]),
        indexes => {
            let field = |index: &usize| format!("variants[{index}].initial_stock");
            Problem::invalid(indexes.iter().map(|index| error(field(index))).collect())
        }
    }
}

fn by_accounts(refusal: account::Refusal) -> Problem {
    match refusal {
        account::Refusal::EmailTaken => {
            Problem::new(Code::EmailTaken, "An account has this email address already.")
        }
        account::Refusal::NotFound => Problem::new(Code::NotFound, "There is no such account."),
        account::Refusal::LastAdmin => {
            Problem::new(Code::InvalidState, "It is the last admin; make another one first.")
        }
        account::Refusal::VersionMismatch { actual, .. } => version_mismatch(actual),
    }
}

fn limit_exceeded(kind: LimitKind, limit: Units, counted: u64) -> Problem {
    let detail = match kind {
        LimitKind::PerOrder => format!("One order may have at most {limit} units of this product."),
        LimitKind::PerCustomer => format!(
            "One customer may have at most {limit} units of this product; {counted} are held or bought."
        ),
    };
    Problem::new(Code::LimitExceeded, detail).with("limit", limit.0)
}

fn version_mismatch(actual: u32) -> Problem {
    let detail = format!("The resource has version {actual}; read it again.");
    Problem::new(Code::VersionMismatch, detail).with("version", actual)
}

fn extension_exceeded() -> Problem {
    let detail = "A reservation is extended at most 3 times and lives at most 1 h.";
    Problem::new(Code::LimitExceeded, detail)
}

fn expired() -> Problem {
    Problem::new(Code::ReservationExpired, "The reservation has expired.")
}

fn invalid_state() -> Problem {
    Problem::new(Code::InvalidState, "Its state does not allow this.")
}

fn deadline_out_of_range() -> Problem {
    out_of_range("ttl_seconds", "The deadline has passed already, or is too far ahead.")
}

fn too_large(bytes_max: u32) -> Problem {
    invalid("", "too_large", format!("All texts together may have {bytes_max} bytes."))
}

fn out_of_range(field: &str, detail: &'static str) -> Problem {
    invalid(field, "out_of_range", detail)
}

fn invalid(field: &str, code: &'static str, detail: impl Into<Cow<'static, str>>) -> Problem {
    Problem::invalid(vec![FieldError { field: field.to_owned(), code, detail: detail.into() }])
}

fn unknown_skus(skus: &[(usize, Sku)], asked: Asked<'_>) -> Problem {
    let line = |(index, sku): &(usize, Sku)| LineProblem {
        index: *index,
        sku: sku.as_str().to_owned(),
        code: Code::NotFound,
        requested: lines::asked_line(asked, *index).map_or(0, |line| line.quantity.count()),
        available: 0,
        reserved: 0,
    };
    Problem::new(Code::NotFound, "Not every sku is known; see lines.")
        .with_lines(skus.iter().map(line).collect())
}

fn insufficient_stock(short: &[Short], engine: &Engine, asked: Asked<'_>) -> Problem {
    // A product names variants; one that is deleted meanwhile has no skus any more.
    let sku = |short: &Short| match asked {
        Asked::Product(product) => lines::sku(engine, product, short.variant),
        Asked::Nothing | Asked::Lines(_) => String::new(),
    };
    let line = |short: &Short| LineProblem {
        index: short.index,
        sku: sku(short),
        code: Code::InsufficientStock,
        requested: short.requested.0,
        available: short.available.0,
        reserved: short.reserved.0,
    };
    let detail = match short {
        [only] => format!("{} available, {} requested.", only.available, only.requested),
        _ => format!("{} lines cannot be served; see lines.", short.len()),
    };
    Problem::new(Code::InsufficientStock, detail).with_lines(short.iter().map(line).collect())
}
