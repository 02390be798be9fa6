//! Mails of every shape there is, for trying templates with.

use super::super::{Kind, Line, Mail, Order};

const AT_MS: u64 = 1_795_262_400_000;

/// One of each: with and without name, discount, reason, decimals; every reason and state of payment.
pub(super) fn all() -> Vec<Mail> {
    let mut all = vec![mail(Kind::Welcome, Some("Ada"), None), mail(Kind::Welcome, None, None)];
    for (kind, canceled) in [
        (Kind::OrderConfirmed, &[None][..]),
        (Kind::OrderCanceled, &[None, Some("declined"), Some("by_owner"), Some("by_admin")]),
        (Kind::OrderExpired, &[None]),
    ] {
        for canceled in canceled {
            for payment_status in ["pending", "paid", "failed", "refund_required", "refunded"] {
                for (name, reason, currency) in
                    [(Some("Ada"), Some("Out of stock"), "EUR"), (None, None, "JPY")]
                {
                    all.push(mail(kind, name, Some(order(*canceled, reason, payment_status, currency))));
                }
            }
        }
    }
    all
}

pub(super) fn mail(kind: Kind, name: Option<&str>, order: Option<Order>) -> Mail {
    Mail {
        id: "sample.mail".to_owned(),
        kind,
        to: "ada@example.org".to_owned(),
        name: name.map(str::to_owned),
        at_ms: AT_MS,
        order,
    }
}

pub(super) fn order(
    canceled: Option<&str>,
    reason: Option<&str>,
    payment_status: &str,
    currency: &str,
) -> Order {
    let line = |sku: &str, quantity: u32, unit_price: i64| Line {
        sku: sku.to_owned(),
        name: format!("Sample {sku}"),
        quantity,
        unit_price,
        total: unit_price * i64::from(quantity),
    };
    let mut lines = vec![line("MUG-1", 2, 1_250)];
    let mut discount = 0;
    // The longer sample has a discount as well.
    if reason.is_some() {
        lines.push(line("BAG-<2>", 1, 47_300));
        discount = 500;
    }
    let subtotal = lines.iter().map(|line| line.total).sum::<i64>();
    Order {
        id: "ord_sample".to_owned(),
        number: "S-1".to_owned(),
        lines,
        subtotal,
        discount,
        total: subtotal - discount,
        currency: currency.to_owned(),
        canceled: canceled.map(str::to_owned),
        reason: reason.map(str::to_owned),
        payment_status: payment_status.to_owned(),
    }
}
