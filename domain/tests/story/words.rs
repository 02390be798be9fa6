//! The small words of a story: times, spans, units, names. Reading and writing are kept side by side.

use std::collections::VecDeque;
use std::str::FromStr;

use holdfast_domain::product::{Line, Reason, Status, VariantNo};
use holdfast_domain::{
    AccountId, Buyer, CartId, Millis, Money, OrderId, Owner, Quantity, ReservationId, Timestamp, Units,
};

/// Stories begin on a day well after the epoch, so that nothing gets by on times near zero.
const FIRST_DAY: u64 = 20_000 * DAY;
const DAY: u64 = 24 * HOUR;
const HOUR: u64 = 60 * MINUTE;
const MINUTE: u64 = 60_000;

/// The words of one command, eaten from the left.
pub(crate) struct Words<'a>(VecDeque<&'a str>);

impl<'a> Words<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self(text.split_whitespace().collect())
    }

    pub(crate) fn next(&mut self) -> &'a str {
        self.0.pop_front().expect("the command ends too early")
    }

    /// Eats `word`, if it is the next one.
    pub(crate) fn take(&mut self, word: &str) -> bool {
        self.next_if(|next| next == word).is_some()
    }

    pub(crate) fn next_if(&mut self, is_wanted: impl FnOnce(&str) -> bool) -> Option<&'a str> {
        if is_wanted(self.0.front()?) { self.0.pop_front() } else { None }
    }

    pub(crate) fn number<N: FromStr>(&mut self) -> N {
        number(self.next())
    }

    /// `version 2`, where it is said.
    pub(crate) fn version(&mut self) -> Option<u32> {
        self.take("version").then(|| self.number())
    }

    /// `A`, where it is said; else the first variant.
    pub(crate) fn variant(&mut self) -> VariantNo {
        self.next_if(is_variant).map_or(VariantNo(0), variant)
    }

    /// `by ann`, where it is said.
    pub(crate) fn buyer(&mut self) -> Buyer {
        let name = if self.take("by") { self.next() } else { "somebody" };
        buyer(name)
    }

    /// The same as an owner: a guest is called so, all others have an account.
    pub(crate) fn owner(&mut self) -> Owner {
        owner(if self.take("by") { self.next() } else { "somebody" })
    }

    pub(crate) fn is_at_number(&self) -> bool {
        self.0.front().is_some_and(|next| next.starts_with(|letter: char| letter.is_ascii_digit()))
    }

    /// `for 15m` or `until 12:15`, where it is said; else a quarter of an hour.
    pub(crate) fn deadline(&mut self, now: Timestamp) -> Timestamp {
        match self.next_if(|next| matches!(next, "for" | "until")) {
            Some("for") => now.after(span(self.next())),
            Some(_) => time(self.next()),
            None => now.after(Millis(15 * MINUTE)),
        }
    }

    /// `3`, `2 A, 1 B` or `nothing`.
    pub(crate) fn lines(&mut self) -> Vec<Line> {
        let mut lines = Vec::new();
        let mut is_more = !self.take("nothing");
        while is_more {
            let count = self.next();
            let name = self.next_if(|next| is_variant(next.trim_end_matches(',')));
            is_more = name.unwrap_or(count).ends_with(',');
            let quantity = quantity(count.trim_end_matches(','));
            lines.push(Line { variant: name.map_or(VariantNo(0), variant), quantity });
        }
        lines
    }

    pub(crate) fn end(self) {
        assert!(self.0.is_empty(), "left over: {:?}", self.0);
    }
}

fn number<N: FromStr>(word: &str) -> N {
    word.parse().unwrap_or_else(|_| panic!("`{word}` is not a number that fits"))
}

pub(crate) fn quantity(word: &str) -> Quantity {
    Quantity::new(number(word)).unwrap_or_else(|| panic!("`{word}` is not a quantity"))
}

pub(crate) fn limit(word: &str) -> Option<Quantity> {
    (word != "none").then(|| quantity(word))
}

pub(crate) fn units(word: &str) -> Units {
    Units(number(word))
}

fn is_variant(word: &str) -> bool {
    word.len() == 1 && word.bytes().all(|letter| letter.is_ascii_uppercase())
}

fn variant(word: &str) -> VariantNo {
    VariantNo(u16::from(word.as_bytes()[0] - b'A'))
}

pub(crate) fn variant_text(no: VariantNo) -> char {
    let letter = u8::try_from(no.0).expect("stories have few variants");
    char::from(b'A' + letter)
}

/// `#1`, or `#1..600` for so many.
pub(crate) fn reservations(word: &str) -> Vec<ReservationId> {
    let text = word.strip_prefix('#').unwrap_or_else(|| panic!("`{word}` is not a reservation"));
    let (first, last) = text.split_once("..").unwrap_or((text, text));
    (number(first)..=number(last)).map(ReservationId).collect()
}

pub(crate) fn order(word: &str) -> OrderId {
    OrderId(number(word.strip_prefix('@').unwrap_or_else(|| panic!("`{word}` is not an order"))))
}

pub(crate) fn cart(word: &str) -> CartId {
    CartId(number(word.strip_prefix('$').unwrap_or_else(|| panic!("`{word}` is not a cart"))))
}

pub(crate) fn buyer(name: &str) -> Buyer {
    assert!(name.len() < 16, "`{name}` is too long a name");
    Buyer(name.bytes().fold(0, |digest, letter| digest << 8 | u128::from(letter)))
}

pub(crate) fn owner(name: &str) -> Owner {
    let Buyer(digest) = buyer(name);
    if name == "guest" { Owner::Guest(digest) } else { Owner::Account(AccountId(digest)) }
}

pub(crate) fn buyer_text(buyer: Buyer) -> String {
    buyer.0.to_be_bytes().into_iter().filter(|letter| *letter != 0).map(char::from).collect()
}

pub(crate) fn reason(word: &str) -> Reason {
    match word {
        "received" => Reason::Received,
        "correction" => Reason::Correction,
        "damaged" => Reason::Damaged,
        "shrinkage" => Reason::Shrinkage,
        "restock" => Reason::Restock,
        "cycle-count" => Reason::CycleCount,
        "other" => Reason::Other,
        _ => panic!("`{word}` is not a reason"),
    }
}

pub(crate) fn status(word: &str) -> Status {
    match word {
        "draft" => Status::Draft,
        "active" => Status::Active,
        "archived" => Status::Archived,
        _ => panic!("`{word}` is not a status"),
    }
}

/// `12.50` or `-0.01`, in whole and hundredth.
pub(crate) fn money(word: &str) -> Money {
    let (sign, text) = word.strip_prefix('-').map_or((1, word), |text| (-1, text));
    let (whole, hundredths) = text.split_once('.').unwrap_or((text, "0"));
    Money(sign * (number::<i64>(whole) * 100 + number::<i64>(hundredths)))
}

pub(crate) fn money_text(money: Money) -> String {
    format!("{}.{:02}", money.0 / 100, money.0 % 100)
}

/// `12:00`, `12:14:59.999`, or `12:00+1d` for the day after.
pub(crate) fn time(word: &str) -> Timestamp {
    let (clock, days) = word.split_once('+').unwrap_or((word, "0d"));
    let days: u64 = number(days.trim_end_matches('d'));
    let (clock, ms) = clock.split_once('.').unwrap_or((clock, "0"));
    let mut places = [0_u64; 3];
    for (place, text) in places.iter_mut().zip(clock.split(':')) {
        *place = number(text);
    }
    let [hours, minutes, seconds] = places;
    let of_day = hours * HOUR + minutes * MINUTE + seconds * 1000 + number::<u64>(ms);
    Timestamp(FIRST_DAY + days * DAY + of_day)
}

pub(crate) fn time_text(at: Timestamp) -> String {
    let since = at.0 - FIRST_DAY;
    let (days, of_day) = (since / DAY, since % DAY);
    let mut text = format!("{:02}:{:02}", of_day / HOUR, of_day % HOUR / MINUTE);
    let (seconds, ms) = (of_day % MINUTE / 1000, of_day % 1000);
    if seconds > 0 || ms > 0 {
        text += &format!(":{seconds:02}");
    }
    if ms > 0 {
        text += &format!(".{ms:03}");
    }
    if days > 0 {
        text += &format!("+{days}d");
    }
    text
}

/// `15m`, `1h1ms`, `90s`.
fn span(word: &str) -> Millis {
    let mut rest = word;
    let mut ms = 0;
    while !rest.is_empty() {
        let (count, tail) = split_where(rest, |letter| !letter.is_ascii_digit());
        let (unit, tail) = split_where(tail, |letter| letter.is_ascii_digit());
        let unit_ms = match unit {
            "d" => DAY,
            "h" => HOUR,
            "m" => MINUTE,
            "s" => 1000,
            "ms" => 1,
            _ => panic!("`{word}` is not a span"),
        };
        ms += number::<u64>(count) * unit_ms;
        rest = tail;
    }
    Millis(ms)
}

fn split_where(text: &str, is_border: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(is_border).unwrap_or(text.len()))
}
