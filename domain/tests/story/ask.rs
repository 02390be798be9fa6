//! What one line of a story asks: a change, or a look at the books.

use std::sync::Arc;

use holdfast_domain::hold::Ending;
use holdfast_domain::product::{Command, Description, Reason, Rehold, Status, VariantNo};
use holdfast_domain::{Buyer, Millis, Money, OrderId, Quantity, ReservationId, Timestamp};

use super::variants::{self, Shape};
use super::words::{self, Words};

/// A line's wish.
pub(crate) enum Ask {
    /// One turn for each command; the first refusal is the answer.
    Do(Vec<Command>),
    /// Change one thing of the description.
    Describe(Change, Option<u32>),
    Stock(VariantNo),
    Totals(VariantNo),
    Ledger(VariantNo),
    Hold(ReservationId),
    Order(OrderId),
    /// How many units of somebody are counted.
    Counted(Buyer),
    /// Change the variants.
    Shape(Shape),
    /// The skus of all variants, and the product's own.
    Skus,
    /// Of the description.
    Version,
    /// The version of a variant's figures.
    Moves(VariantNo),
}

/// One thing of a description.
pub(crate) enum Change {
    Price(Money),
    Name(String),
    Status(Status),
    PerOrder(Option<Quantity>),
    PerCustomer(Option<Quantity>),
}

impl Change {
    pub(crate) fn of(self, before: &Description) -> Arc<Description> {
        let mut description = before.clone();
        match self {
            Self::Price(price) => description.price = price,
            Self::Name(name) => description.name = name.into(),
            Self::Status(status) => description.status = status,
            Self::PerOrder(limit) => description.per_order_limit = limit,
            Self::PerCustomer(limit) => description.per_customer_limit = limit,
        }
        Arc::new(description)
    }
}

/// Reads one command.
///
/// # Panics
///
/// When it cannot: the story is wrong.
pub(crate) fn read(text: &str, now: Timestamp) -> Ask {
    let mut words = Words::new(text);
    let verb = words.next();
    let ask = look(verb, &mut words)
        .or_else(|| stock(verb, &mut words))
        .or_else(|| hold(verb, &mut words, now))
        .or_else(|| rehold(verb, &mut words, now))
        .or_else(|| order(verb, &mut words))
        .or_else(|| describe(verb, &mut words))
        .or_else(|| variants::read(verb, &mut words).map(Ask::Shape));
    words.end();
    ask.unwrap_or_else(|| panic!("`{verb}` is not a verb"))
}

fn look(verb: &str, words: &mut Words<'_>) -> Option<Ask> {
    Some(match verb {
        "stock" => Ask::Stock(words.variant()),
        "totals" => Ask::Totals(words.variant()),
        "ledger" => Ask::Ledger(words.variant()),
        "hold" => Ask::Hold(words::reservations(words.next())[0]),
        "order" => Ask::Order(words::order(words.next())),
        "counted" => Ask::Counted(words::buyer(words.next())),
        "skus" => Ask::Skus,
        "version" => Ask::Version,
        "moves" => Ask::Moves(words.variant()),
        _ => return None,
    })
}

fn stock(verb: &str, words: &mut Words<'_>) -> Option<Ask> {
    let command = match verb {
        "receive" => adjust(words.number(), words.variant(), Reason::Received),
        // `adjust -3 A damaged`
        "adjust" => adjust(words.number(), words.variant(), words::reason(words.next())),
        "count" => Command::Count {
            on_hand: words::units(words.next()),
            variant: words.variant(),
            expected: words.take("expecting").then(|| words::units(words.next())),
        },
        _ => return None,
    };
    Some(Ask::Do(vec![command]))
}

fn adjust(delta: i32, variant: VariantNo, reason: Reason) -> Command {
    Command::Adjust { variant, delta, reason, reference: None, note: None }
}

fn hold(verb: &str, words: &mut Words<'_>, now: Timestamp) -> Option<Ask> {
    if !matches!(verb, "reserve" | "extend" | "confirm" | "release") {
        return None;
    }
    let ids = words::reservations(words.next());
    let commands: Vec<_> = match verb {
        "reserve" => {
            let (lines, deadline, buyer) = (words.lines(), words.deadline(now), words.buyer());
            let reserve =
                |reservation| Command::Reserve { reservation, buyer, lines: lines.clone(), deadline };
            ids.into_iter().map(reserve).collect()
        }
        "extend" => {
            let deadline = words.deadline(now);
            ids.into_iter().map(|reservation| Command::Extend { reservation, deadline }).collect()
        }
        "confirm" => {
            let order = words.take("order").then(|| words::order(words.next()));
            let confirm = |reservation: ReservationId| Command::Confirm {
                reservation,
                order: order.unwrap_or(OrderId(reservation.0)),
            };
            ids.into_iter().map(confirm).collect()
        }
        _ => {
            let ending = ending(words);
            ids.into_iter().map(|reservation| Command::Release { reservation, ending }).collect()
        }
    };
    Some(Ask::Do(commands))
}

/// `rehold #1 5`, `check #1 as #2 3 A, 1 B by ann owed lapsed`.
fn rehold(verb: &str, words: &mut Words<'_>, now: Timestamp) -> Option<Ask> {
    if !matches!(verb, "rehold" | "take" | "check") {
        return None;
    }
    let from = words::reservations(words.next())[0];
    let to = if words.take("as") { words::reservations(words.next())[0] } else { from };
    let rehold = Box::new(Rehold {
        from,
        to,
        lines: words.lines(),
        buyer: words.buyer(),
        deadline: now.after(Millis::from_secs(15 * 60)),
        is_owed: words.take("owed"),
        ending: ending(words),
    });
    let command = match verb {
        "rehold" => Command::Rehold(rehold),
        "take" => Command::Take(rehold),
        _ => Command::Check(rehold),
    };
    Some(Ask::Do(vec![command]))
}

/// `lapsed`, where it is said: the deadline passed.
fn ending(words: &mut Words<'_>) -> Ending {
    if words.take("lapsed") { Ending::Expired } else { Ending::Released }
}

fn order(verb: &str, words: &mut Words<'_>) -> Option<Ask> {
    let command = match verb {
        "purchase" => {
            let (order, lines) = (words::order(words.next()), words.lines());
            let [line] = lines[..] else { panic!("a purchase has one line") };
            Command::Purchase { order, line, buyer: words.buyer() }
        }
        "fulfil" => Command::Fulfil { order: words::order(words.next()) },
        "cancel" => Command::Cancel { order: words::order(words.next()) },
        _ => return None,
    };
    Some(Ask::Do(vec![command]))
}

fn describe(verb: &str, words: &mut Words<'_>) -> Option<Ask> {
    let change = match verb {
        "delete" => return Some(Ask::Do(vec![Command::Delete { version: words.version() }])),
        "price" => Change::Price(words::money(words.next())),
        // `name Lamp`, or `name of 40000 bytes`
        "name" if words.take("of") => {
            let name = "x".repeat(words.number());
            assert!(words.take("bytes"), "a name is so many bytes long");
            Change::Name(name)
        }
        "name" => Change::Name(words.next().into()),
        "status" => Change::Status(words::status(words.next())),
        // `limit order 2`, `limit customer none`
        "limit" => match words.next() {
            "order" => Change::PerOrder(words::limit(words.next())),
            "customer" => Change::PerCustomer(words::limit(words.next())),
            other => panic!("limit what: `{other}`?"),
        },
        _ => return None,
    };
    Some(Ask::Describe(change, words.version()))
}
