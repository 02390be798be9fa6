//! What a mail is called and what it carries, made of the facts; numbers and words are those of the API.

use holdfast_actors::OrderFacts;
use holdfast_actors::domain::order::{Cancelation, OrderLine};
use holdfast_actors::domain::{AccountId, OrderId};
use holdfast_actors::mails::{About, MailFacts, Unsent};
use uuid::Uuid;

use crate::http::orders::{number, payment_status};
use crate::http::values::{self, Id};
use crate::http::view::order_id;
use crate::mail::{Kind, Line, Mail, Order};

/// What the names of mails end with.
const KINDS: [(Kind, &str); 4] = [
    (Kind::Welcome, "welcome"),
    (Kind::OrderConfirmed, "order_confirmed"),
    (Kind::OrderCanceled, "order_canceled"),
    (Kind::OrderExpired, "order_expired"),
];

/// The mail that tells these facts.
pub(super) fn mail(unsent: Unsent, facts: MailFacts) -> Mail {
    Mail {
        id: name(unsent.about),
        kind: kind(unsent.about),
        to: facts.to.into(),
        name: facts.name.map(Into::into),
        at_ms: unsent.at.0,
        order: facts.order.as_ref().map(order),
    }
}

/// The name of a mail, the same for ever: `ord_….order_confirmed`.
pub(super) fn name(about: About) -> String {
    let kind = kind(about);
    let (_, word) = KINDS.iter().find(|(it, _)| *it == kind).expect("each kind has a word");
    match about {
        About::Registered(AccountId(id)) => {
            format!("{}.{word}", Id::<values::User>::new(Uuid::from_u128(id)))
        }
        About::Confirmed(order) | About::Canceled(order) | About::Expired(order) => {
            format!("{}.{word}", order_id(order))
        }
    }
}

/// What the mail of that name is about; none when it is no name of ours.
pub(super) fn about(name: &str) -> Option<About> {
    let (id, word) = name.split_once('.')?;
    let (kind, _) = KINDS.iter().find(|(_, it)| *it == word)?;
    let order = || Some(OrderId(Id::<values::Order>::parse(id)?.uuid().as_u128()));
    match kind {
        Kind::Welcome => Some(About::Registered(AccountId(Id::<values::User>::parse(id)?.uuid().as_u128()))),
        Kind::OrderConfirmed => order().map(About::Confirmed),
        Kind::OrderCanceled => order().map(About::Canceled),
        Kind::OrderExpired => order().map(About::Expired),
    }
}

const fn kind(about: About) -> Kind {
    match about {
        About::Registered(_) => Kind::Welcome,
        About::Confirmed(_) => Kind::OrderConfirmed,
        About::Canceled(_) => Kind::OrderCanceled,
        About::Expired(_) => Kind::OrderExpired,
    }
}

fn order(facts: &OrderFacts) -> Order {
    let (placed, standing) = (&*facts.placed, &facts.standing);
    let (canceled, reason) =
        standing.cancelation.as_ref().map(|(why, reason)| (*why, reason.clone())).unzip();
    // The shop's own words alone: a guest names any address, and must not choose what we write to it.
    let reason = reason.flatten().filter(|_| canceled == Some(Cancelation::ByAdmin));
    Order {
        id: order_id(facts.id).to_string(),
        number: number(facts.id),
        lines: placed.lines.iter().map(line).collect(),
        subtotal: placed.subtotal.0,
        discount: placed.discount.0,
        total: placed.total.0,
        currency: placed.currency.as_str().into(),
        canceled: canceled.map(|why| cancelation(why).into()),
        reason: reason.map(Into::into),
        payment_status: payment_status(standing.payment).into(),
    }
}

fn line(line: &OrderLine) -> Line {
    Line {
        sku: line.sku.as_str().into(),
        name: line.name.as_ref().into(),
        quantity: line.item.quantity.get(),
        unit_price: line.unit_price.0,
        total: line.total.0,
    }
}

const fn cancelation(why: Cancelation) -> &'static str {
    match why {
        Cancelation::Declined => "declined",
        Cancelation::ByOwner => "by_owner",
        Cancelation::ByAdmin => "by_admin",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_says_what_a_mail_is_about() {
        let (account, order) = (AccountId(0x0193 << 112 | 7), OrderId(0x0194 << 112 | 8));
        let named = [
            (About::Registered(account), "usr_01930000-0000-0000-0000-000000000007.welcome"),
            (About::Confirmed(order), "ord_01940000-0000-0000-0000-000000000008.order_confirmed"),
            (About::Canceled(order), "ord_01940000-0000-0000-0000-000000000008.order_canceled"),
            (About::Expired(order), "ord_01940000-0000-0000-0000-000000000008.order_expired"),
        ];
        for (it, text) in named {
            assert_eq!(name(it), text);
            assert_eq!(about(text), Some(it));
        }
    }

    #[test]
    fn other_names_are_about_nothing() {
        let id = "01940000-0000-0000-0000-000000000008";
        for kind in ["welcome", "order_confirmed", "order_shipped", ""] {
            for prefix in ["", "cart_", "ord_x"] {
                assert_eq!(about(&format!("{prefix}{id}.{kind}")), None);
            }
        }
        assert_eq!(about(&format!("usr_{id}.order_confirmed")), None);
        assert_eq!(about(&format!("ord_{id}.welcome")), None);
        assert_eq!(about(&format!("ord_{id}")), None);
        assert_eq!(about(""), None);
    }

    #[test]
    fn words_of_kinds_are_those_of_the_json() {
        for (kind, word) in KINDS {
            assert_eq!(serde_json::to_value(kind).expect("it is plain"), word);
        }
    }
}
