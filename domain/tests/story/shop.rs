//! A shop that lives through a story: it does in a turn what the shell does, and checks the laws after it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use holdfast_domain::product::{
    Command, Description, EXPIRE_COUNT_MAX, Event, NewProduct, NewVariant, Product, Refusal, ReserveOn,
    Status, VariantDescription, VariantNo, apply, decide_create, invariant,
};
use holdfast_domain::{Currency, Money, Sku, Timestamp};

use super::answer;
use super::ask::{self, Ask};
use super::words;

/// Tells a story to a new shop, and fails at the first line that does not come out as told.
///
/// Each line is `TIME  command  expected outcome`, with two spaces or more between the columns. A command
/// without an expected outcome must not be refused; a look at the books needs one.
///
/// The shop sells one product in three variants: `A` for 10.00 EUR, `B` for 2.50 more, `C` for 20.00 less.
/// Each line is a turn: what is due expires first, unless the command ends with `before expiry`.
pub(crate) fn check(story: &str) {
    let lines: Vec<&str> = story.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let mut shop = Shop::open();
    for (index, line) in lines.iter().enumerate() {
        let actual = catch_unwind(AssertUnwindSafe(|| shop.live(line)));
        let difference = match actual {
            Ok(None) => continue,
            Ok(Some(difference)) => difference,
            Err(bug) => format!("         panicked: {}", message(bug.as_ref())),
        };
        let told = |(at, line): (usize, &&str)| match at == index {
            true => format!("  > {line}\n{difference}\n"),
            false => format!("    {line}\n"),
        };
        let diary: String = lines.iter().enumerate().map(told).collect();
        panic!("the story went otherwise:\n\n{diary}");
    }
    shop.replay();
}

fn message(bug: &(dyn std::any::Any + Send)) -> &str {
    bug.downcast_ref::<String>().map(String::as_str).or(bug.downcast_ref().copied()).unwrap_or("a bug")
}

struct Shop {
    slot: Option<Product>,
    journal: Vec<(Timestamp, Event)>,
    now: Timestamp,
}

impl Shop {
    fn open() -> Self {
        let mut shop = Self { slot: None, journal: Vec::new(), now: words::time("00:00") };
        let events = decide_create(&product()).expect("the product is well formed");
        shop.take(&events);
        shop
    }

    /// Lives through one line; returns what is wrong with it.
    fn live(&mut self, line: &str) -> Option<String> {
        let (time, rest) = line.split_once("  ").expect("a time, two spaces, a command");
        let (command, expected) = match rest.trim_start().split_once("  ") {
            Some((command, expected)) => (command, Some(expected.trim())),
            None => (rest.trim_start(), None),
        };
        let now = words::time(time);
        invariant::time_goes_on(self.now, now).expect("stories go forward");
        self.now = now;

        let (command, is_swept) =
            command.strip_suffix(" before expiry").map_or((command, true), |command| (command, false));
        let expired = if is_swept { self.expire() } else { 0 };
        let (actual, is_success) = self.answer(ask::read(command, now), expired);
        if let Err(violation) = self.check_laws(is_swept && expired < EXPIRE_COUNT_MAX) {
            return Some(format!("         broken: {violation:?}"));
        }
        let is_as_told = expected.map_or(is_success, |expected| expected == actual);
        let difference = || {
            format!("         expected: {}\n         actual:   {actual}", expected.unwrap_or("no refusal"))
        };
        (!is_as_told).then(difference)
    }

    /// What the shell does first in each turn; returns how many holds expired.
    fn expire(&mut self) -> usize {
        let events = self.slot.as_ref().map(|product| product.decide_expire(self.now)).unwrap_or_default();
        self.take(&events);
        events.len()
    }

    /// The answer, and whether it will do where the story expects nothing.
    fn answer(&mut self, ask: Ask, expired: usize) -> (String, bool) {
        let commands = match ask {
            Ask::Do(commands) => commands,
            Ask::Describe(change, version) => match &self.slot {
                Some(product) => {
                    vec![Command::Describe { description: change.of(product.description()), version }]
                }
                None => Vec::new(),
            },
            look => return (self.look(&look, expired), matches!(look, Ask::Wake)),
        };
        let mut answer = ("no product".into(), false);
        for command in &commands {
            answer = match self.turn(command) {
                Some(Ok(events)) => (answer::done(&events), true),
                Some(Err(refusal)) => return (answer::refused(&refusal), false),
                None => return ("no product".into(), false),
            };
        }
        answer
    }

    fn turn(&mut self, command: &Command) -> Option<Result<Vec<Event>, Refusal>> {
        let product = self.slot.as_ref()?;
        let before = product.clone();
        let decided = product.decide(command, self.now);
        assert_eq!(*product, before, "decide changes nothing");
        if let Ok(events) = &decided {
            self.take(events);
        }
        Some(decided)
    }

    fn take(&mut self, events: &[Event]) {
        for event in events {
            apply(&mut self.slot, event, self.now);
            self.journal.push((self.now, event.clone()));
        }
    }

    fn look(&self, look: &Ask, expired: usize) -> String {
        let Some(product) = &self.slot else { return "no product".into() };
        let variant = |no: VariantNo| product.variant(no).expect("look at variants that exist");
        match look {
            Ask::Do(_) | Ask::Describe(..) => unreachable!("not a look"),
            Ask::Wake => format!("{expired} expired"),
            Ask::Stock(no) => answer::levels(&variant(*no).levels),
            Ask::Totals(no) => answer::totals(&variant(*no).totals),
            Ask::Ledger(no) => answer::ledger(self.journal.iter().map(|(_, event)| event), *no),
            Ask::Hold(id) => answer::hold(product, *id),
            Ask::Order(id) => answer::order(product, *id),
            Ask::Counted(buyer) => product.units_of(*buyer).to_string(),
            Ask::Version => product.version().to_string(),
            Ask::NextDeadline => answer::deadline(product.next_deadline()),
        }
    }

    fn check_laws(&self, is_all_due_expired: bool) -> Result<(), invariant::Violation> {
        let Some(product) = &self.slot else { return Ok(()) };
        invariant::check(product)?;
        if is_all_due_expired { invariant::deadlines_are_kept(product, self.now) } else { Ok(()) }
    }

    /// INV-7: the journal alone gives the state in memory.
    fn replay(&self) {
        let mut replayed = None;
        for (at, event) in &self.journal {
            apply(&mut replayed, event, *at);
        }
        assert_eq!(replayed, self.slot, "INV-7: replay gives the state in memory");
    }
}

fn product() -> NewProduct {
    let variant = |(sku, adjustment): (&str, i64)| NewVariant {
        description: Arc::new(VariantDescription {
            sku: Sku::new(sku).expect("a letter"),
            name: None,
            attributes: "{}".into(),
            price_adjustment: Money(adjustment),
        }),
        initial_stock: None,
    };
    NewProduct {
        description: Arc::new(Description {
            name: "Lamp".into(),
            text: None,
            status: Status::Active,
            price: Money(1000),
            currency: Currency::new("EUR").expect("three capitals"),
            category_ids: Vec::new(),
            attributes: "{}".into(),
            reserve_on: ReserveOn::Cart,
            reservation_ttl: None,
            per_order_limit: None,
            per_customer_limit: None,
        }),
        is_simple: false,
        variants: [("A", 0), ("B", 250), ("C", -2000)].map(variant).into(),
    }
}
