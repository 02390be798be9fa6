//! Orders in a story.

use std::collections::BTreeSet;

use holdfast_domain::order::{
    By, Cancelation, Charge, Claim, Event, Next, Payment, Refusal, Source, Standing, Status, Through,
};
use holdfast_domain::product::Command;
use holdfast_domain::{Order, OrderId, ProductId, ReservationId, Timestamp, saga};

use super::items::{bought, cart_items, items, items_text, name, one_item, order_text, place, placed};
use super::{Fact, Office};
use crate::story::teller::Outcome;
use crate::story::words::{self, Words, buyer_text, time_text};

pub(super) fn live(office: &mut Office, verb: &str, words: &mut Words<'_>) -> Option<Outcome> {
    if verb == "orders" {
        return Some(Outcome::to_be_told(list(office, words)));
    }
    let id = words::order(words.next_if(|word| word.starts_with('@'))?);
    if let Some(outcome) = place_order(office, verb, id, words) {
        return Some(outcome);
    }
    let Some(order) = office.books.orders.get(id) else { return Some(Outcome::to_be_told("unknown")) };
    if let Some(text) = look(&order, verb, words, office.now) {
        return Some(Outcome::to_be_told(text));
    }
    Some(change(office, &order, verb, words))
}

/// Expires what nobody paid.
pub(super) fn sweep(office: &mut Office) -> Vec<String> {
    let orders = office.books.orders.placed();
    let due: Vec<_> =
        orders.filter_map(|order| order.decide_expire(office.now).map(|event| (order.id, event))).collect();
    for (id, event) in &due {
        office.take(Fact::Order(*id, event.clone()));
    }
    due.into_iter().map(|(id, _)| format!("{} expired", order_text(id))).collect()
}

/// `order @1 2 A, 1 C by ann as #9 until 12:05 taking A`, `order @1 from $1 as #9`, `buy @1 2 A by ann`.
fn place_order(office: &mut Office, verb: &str, id: OrderId, words: &mut Words<'_>) -> Option<Outcome> {
    let fact = match verb {
        "buy" => {
            let (item, owner) = (one_item(words), words.owner());
            Fact::Bought(id, bought(owner, item, office.now, office.mark() + 1))
        }
        "order" if words.take("from") => {
            let cart = words::cart(words.next());
            let (owner, items) = {
                let cart = office.books.carts.get(cart).expect("stories order open carts");
                (cart.owner, cart_items(cart))
            };
            let (hold, deadline) = (hold(id, words), words.deadline(office.now));
            Fact::Placed(id, placed(owner, Source::Cart(cart), hold, &items, Some(deadline), Vec::new()))
        }
        "order" if words.is_at_number() => {
            let (items, owner, hold) = (items(words), words.owner(), hold(id, words));
            let deadline = words.deadline(office.now);
            let mut taken_over = BTreeSet::<ProductId>::new();
            if words.take("taking") {
                taken_over.insert(place(words.variant()).0);
            }
            let taken_over = taken_over.into_iter().collect();
            Fact::Placed(id, placed(owner, Source::Lines, hold, &items, Some(deadline), taken_over))
        }
        _ => return None,
    };
    office.take(fact);
    Some(Outcome::success("done"))
}

/// `as #9`, where it is said; else the order's own number.
fn hold(id: OrderId, words: &mut Words<'_>) -> ReservationId {
    if words.take("as") { words::reservations(words.next())[0] } else { ReservationId(id.0) }
}

fn change(office: &mut Office, order: &Order, verb: &str, words: &mut Words<'_>) -> Outcome {
    let now = office.now;
    let decided = match verb {
        "pay" | "retake" | "gone" => {
            let through = if words.take("elsewhere") { Through::Elsewhere } else { Through::Gateway };
            let reference = Some("tok".into());
            match verb {
                "pay" => order.decide_confirm(reference, through, now),
                "retake" => Ok(Next::Go(order.confirmed(reference, through, hold(order.id, words)))),
                _ => Ok(Next::Go(Event::RefundRequired { reference, through })),
            }
        }
        "cancel" => {
            let by = match words.next() {
                "by-owner" => By::Owner,
                "by-admin" => By::Admin,
                other => panic!("`{other}` cancels nothing"),
            };
            order.decide_cancel(by, Some("changed my mind".into()), now)
        }
        "fulfil" => order.decide_fulfil(),
        "decline" => Ok(order.decide_decline().map_or(Next::Already, Next::Go)),
        "refund" => Ok(if order.owes_refund() { Next::Go(Event::Refunded) } else { Next::Already }),
        _ => panic!("`{verb}` is not a verb of orders"),
    };
    match decided {
        Ok(Next::Already) => Outcome::success("already so"),
        Ok(Next::TakeAgain) => Outcome::to_be_told("take again"),
        Ok(Next::Go(event)) => {
            office.take(Fact::Order(order.id, event));
            Outcome::success("done")
        }
        Err(refusal) => {
            // The first time that is a fact.
            if refusal == (Refusal::RefundRequired { is_known: false }) {
                let (reference, through) = (Some("late".into()), Through::Gateway);
                office.take(Fact::Order(order.id, Event::RefundRequired { reference, through }));
            }
            Outcome::to_be_told(refused(refusal))
        }
    }
}

fn refused(refusal: Refusal) -> String {
    match refusal {
        Refusal::InvalidState => "refused: invalid state".into(),
        Refusal::Expired => "refused: expired".into(),
        Refusal::RefundRequired { is_known: false } => "refused: refund required".into(),
        Refusal::RefundRequired { is_known: true } => "refused: refund required, as is known".into(),
        Refusal::ExpiredAndGone => "refused: expired and gone".into(),
    }
}

fn look(order: &Order, verb: &str, words: &mut Words<'_>, now: Timestamp) -> Option<String> {
    Some(match verb {
        "order" if words.take("at") => standing(&order.as_of(words.number())),
        "order" => standing(&order.standing),
        "lines" => {
            let placed = &order.placed;
            let owner = buyer_text(placed.owner.buyer());
            format!(
                "{} for {owner}, {} {}",
                items_text(order.items()),
                words::money_text(placed.total),
                placed.currency
            )
        }
        "charge" => match order.decide_charge(now) {
            Ok(Charge::Open) => "open".into(),
            Ok(Charge::Paid) => "paid".into(),
            Err(refusal) => refused(refusal),
        },
        "claim" => match order.claim() {
            Claim::Held(hold) => format!("held as {}", name(hold)),
            Claim::Committed => "committed".into(),
            Claim::Nothing => "nothing".into(),
        },
        "duties" => duties(order),
        "owes" => if order.owes_refund() { "a refund" } else { "nothing" }.into(),
        "deadline" => order.next_deadline().map_or_else(|| "none".into(), time_text),
        "version" => order.standing.version.to_string(),
        _ => return None,
    })
}

/// `confirmed, paid; confirmed 12:01`: where it is, where its money is, and when what happened.
fn standing(standing: &Standing) -> String {
    let status = match standing.status {
        Status::PendingPayment => "pending",
        Status::Confirmed => "confirmed",
        Status::Fulfilled => "fulfilled",
        Status::Canceled => "canceled",
        Status::Expired => "expired",
    };
    let payment = match standing.payment {
        Payment::Pending => "unpaid",
        Payment::Paid => "paid",
        Payment::Failed => "payment failed",
        Payment::RefundRequired => "refund required",
        Payment::Refunded => "refunded",
    };
    let mut text = format!("{status}, {payment}");
    if standing.is_reacquired {
        text += ", taken again";
    }
    match &standing.cancelation {
        Some((Cancelation::Declined, None)) => text += ", declined",
        Some((Cancelation::ByOwner, Some(_))) => text += ", by its owner",
        Some((Cancelation::ByAdmin, Some(_))) => text += ", by an admin",
        Some(other) => panic!("{other:?}"),
        None => {}
    }
    let times = [
        ("confirmed", standing.confirmed_at),
        ("fulfilled", standing.fulfilled_at),
        ("canceled", standing.canceled_at),
    ];
    for (what, at) in times.into_iter().filter_map(|(what, at)| at.map(|at| (what, at))) {
        text += &format!("; {what} {}", time_text(at));
    }
    text
}

/// `p1, p2: confirm #1`.
fn duties(order: &Order) -> String {
    let duties = saga::duties(order);
    let Some((_, command)) = duties.first() else { return "none".into() };
    assert!(duties.iter().all(|(_, other)| other == command), "all products are told the same");
    let products: Vec<_> = duties.iter().map(|(product, _)| format!("p{}", product.0)).collect();
    let command = match command {
        Command::Confirm { reservation, order } => {
            format!("confirm {} as {}", name(*reservation), order_text(*order))
        }
        Command::Release { reservation, ending } => {
            format!("release {}, {}", name(*reservation), format!("{ending:?}").to_lowercase())
        }
        Command::Cancel { order } => format!("cancel {}", order_text(*order)),
        Command::Fulfil { order } => format!("fulfil {}", order_text(*order)),
        other => panic!("{other:?} is no duty"),
    };
    format!("{}: {command}", products.join(", "))
}

/// `orders`, `orders of ann`, `orders confirmed`, `orders of ann canceled before @3 first 2`: newest first.
fn list(office: &Office, words: &mut Words<'_>) -> String {
    let owner = words.take("of").then(|| words::buyer(words.next()));
    let status = words.next_if(|word| !matches!(word, "before" | "first")).map(|word| match word {
        "pending" => Status::PendingPayment,
        "confirmed" => Status::Confirmed,
        "fulfilled" => Status::Fulfilled,
        "canceled" => Status::Canceled,
        "expired" => Status::Expired,
        other => panic!("`{other}` is not a status"),
    });
    let before = words.take("before").then(|| words::order(words.next()));
    let count_max = if words.take("first") { words.number() } else { usize::MAX };
    let before = before.unwrap_or(OrderId(u128::MAX));
    let ids = office.books.orders.ids_before(owner, status, before, count_max);
    let ids: Vec<_> = ids.into_iter().map(order_text).collect();
    if ids.is_empty() { "none".into() } else { ids.join(" ") }
}
