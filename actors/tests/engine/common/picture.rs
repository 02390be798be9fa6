//! What a shop looks like, in one line: two shops that look the same have the same units in the same hands.

use std::fmt::Write as _;

use holdfast_actors::domain::order::{Payment, Status};
use holdfast_actors::domain::saga::Books;

use super::Everything;
use super::audit::{carts, orders};

/// For example `5/0/0 3/2/0 | active | pending | 1:2+ 2:1-`: available, reserved and committed units of each product,
/// oldest first; reservations, oldest first; orders, oldest first; the lines of each cart, by the place of the product
/// and held (+) or not (-).
pub(crate) fn picture(everything: &Everything) -> String {
    let mut said = String::new();
    for product in everything.products.values() {
        let levels = product.variants()[0].levels;
        write!(said, "{}/{}/{} ", levels.available, levels.reserved, levels.committed)
            .expect("it is a string");
    }
    said.push_str("| ");
    for (_, state) in reservations(&everything.owners) {
        said.push_str(&state);
        said.push(' ');
    }
    said.push_str("| ");
    let mut orders: Vec<_> = orders(&everything.owners).collect();
    orders.sort_unstable_by_key(|order| order.id);
    for order in orders {
        said.push_str(order_word(order.standing.status, order.standing.payment));
        said.push(' ');
    }
    said.push('|');
    let mut carts: Vec<_> = carts(&everything.owners).collect();
    carts.sort_unstable_by_key(|cart| cart.owner);
    for cart in carts {
        let place = |id| 1 + everything.products.keys().position(|it| *it == id).expect("it is there");
        let line = |line: &holdfast_actors::domain::cart::CartLine| {
            let sign = if line.is_held() { '+' } else { '-' };
            format!(" {}:{}{sign}", place(line.item.product), line.item.quantity)
        };
        let lines: String = cart.lines.iter().map(line).collect();
        said.push_str(if lines.is_empty() { " empty" } else { &lines });
    }
    said
}

fn reservations(owners: &[Books]) -> Vec<(u128, String)> {
    let all = owners.iter().flat_map(|books| books.reservations.iter());
    let word = |state| format!("{state:?}").to_lowercase();
    let mut all: Vec<_> = all.map(|(id, it)| (id.0, word(it.hold.state))).collect();
    all.sort_unstable();
    all
}

const fn order_word(status: Status, payment: Payment) -> &'static str {
    match (status, payment) {
        (Status::PendingPayment, _) => "pending",
        (Status::Confirmed, _) => "confirmed",
        (Status::Fulfilled, _) => "fulfilled",
        (Status::Canceled, Payment::RefundRequired) => "canceled-owing",
        (Status::Canceled, Payment::Refunded) => "canceled-refunded",
        (Status::Canceled, Payment::Failed) => "declined",
        (Status::Canceled, _) => "canceled",
        (Status::Expired, Payment::RefundRequired) => "expired-owing",
        (Status::Expired, Payment::Refunded) => "expired-refunded",
        (Status::Expired, _) => "expired",
    }
}
