//! A shop that lives through a story: it does in a turn what the shell does, and checks the laws after it.

use std::sync::Arc;

use holdfast_domain::product::{
    Command, Description, Event, NewProduct, NewVariant, Product, Refusal, VariantDescription, VariantNo,
    apply, decide_create, invariant,
};
use holdfast_domain::{Currency, Money, Sku, Timestamp};

use super::answer;
use super::ask::{self, Ask};
use super::teller::{Outcome, tell};
use super::words;

/// Tells a story to a new shop; how its lines read is told at [`tell`].
///
/// The shop sells one product in three variants: `A` for 10.00 EUR, `B` for 2.50 more, `C` for 20.00 less.
/// Time passes, and means nothing: how long a hold lasts is for its owner to say.
pub(crate) fn check(story: &str) {
    let mut shop = Shop::open();
    tell(story, |now, command| shop.live(now, command));
    shop.replay();
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

    fn live(&mut self, now: Timestamp, command: &str) -> Outcome {
        self.now = now;
        let outcome = self.answer(ask::read(command, now));
        if let Some(product) = &self.slot {
            invariant::check(product).expect("the laws hold after each turn");
        }
        outcome
    }

    fn answer(&mut self, ask: Ask) -> Outcome {
        let commands = match ask {
            Ask::Do(commands) => commands,
            Ask::Describe(change, version) => match &self.slot {
                Some(product) => {
                    vec![Command::Describe { description: change.of(product.description()), version }]
                }
                None => Vec::new(),
            },
            Ask::Shape(shape) => self.slot.as_ref().map(|product| shape.of(product)).into_iter().collect(),
            look => return Outcome::to_be_told(self.look(&look)),
        };
        let mut outcome = Outcome::to_be_told("no product");
        for command in &commands {
            outcome = match self.turn(command) {
                Some(Ok(events)) => Outcome::success(answer::done(&events)),
                Some(Err(refusal)) => return Outcome::to_be_told(answer::refused(&refusal)),
                None => return Outcome::to_be_told("no product"),
            };
        }
        outcome
    }

    fn turn(&mut self, command: &Command) -> Option<Result<Vec<Event>, Refusal>> {
        let product = self.slot.as_ref()?;
        let before = product.clone();
        let decided = product.decide(command);
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

    fn look(&self, look: &Ask) -> String {
        let Some(product) = &self.slot else { return "no product".into() };
        let variant = |no: VariantNo| &product.variants()[no.index()];
        match look {
            Ask::Do(_) | Ask::Describe(..) | Ask::Shape(_) => unreachable!("not a look"),
            Ask::Stock(no) => answer::levels(&variant(*no).levels),
            Ask::Totals(no) => answer::totals(&variant(*no).totals),
            Ask::Ledger(no) => answer::ledger(self.journal.iter().map(|(_, event)| event), *no),
            Ask::Hold(id) => answer::hold(product, *id),
            Ask::Order(id) => answer::order(product, *id),
            Ask::Counted(buyer) => product.units_of(*buyer).to_string(),
            Ask::Skus => answer::skus(product),
            Ask::Version => product.version().to_string(),
            Ask::Moves(no) => variant(*no).version.to_string(),
        }
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
        description: Arc::new(Description::plain(
            "Lamp",
            Money(1000),
            Currency::new("EUR").expect("three capitals"),
        )),
        is_simple: false,
        variants: [("A", 0), ("B", 250), ("C", -2000)].map(variant).into(),
    }
}
