//! Random runs of a product against a naive model that knows nothing but a list of facts.

mod model {
    pub(crate) mod facts;
    pub(crate) mod shapes;
    pub(crate) mod variants;
    pub(crate) mod wish;

    /// How many variants the product of a run has at first.
    pub(crate) const VARIANTS: usize = 3;
    /// How many identities a run uses, over and over.
    pub(crate) const RESERVATIONS: u128 = 4;
    pub(crate) const ORDERS: u128 = 3;
    pub(crate) const BUYERS: u128 = 3;
}

use std::sync::Arc;

use holdfast_domain::product::{
    Description, Event, Levels, NewProduct, NewVariant, Product, VariantDescription, VariantNo, apply,
    decide_create, invariant,
};
use holdfast_domain::{Buyer, Currency, Money, OrderId, ReservationId, Sku, Timestamp};
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;

use model::facts::{Expected, Model};
use model::wish::{Wish, wishes};
use model::{BUYERS, ORDERS, RESERVATIONS, VARIANTS};

const START: Timestamp = Timestamp(1_700_000_000_000);

proptest! {
    // A failure prints its seed and keeps it in `model.regressions`, next to this file.
    #![proptest_config(ProptestConfig {
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        ..ProptestConfig::default()
    })]

    #[test]
    fn product_does_what_the_model_says(wishes in wishes()) {
        let mut run = Run::start();
        for wish in wishes {
            run.turn(wish);
            if run.model.is_deleted {
                break;
            }
        }
        run.end();
    }
}

struct Run {
    slot: Option<Product>,
    journal: Vec<(Timestamp, Event)>,
    model: Model,
    now: Timestamp,
}

impl Run {
    fn start() -> Self {
        let new = product();
        let model = Model::new(&new);
        let mut run = Self { slot: None, journal: Vec::new(), model, now: START };
        run.take(decide_create(&new).expect("well formed"));
        run
    }

    /// One turn of the shell, with every law and every figure checked after it.
    fn turn(&mut self, wish: Wish) {
        self.now.0 += 1;
        let product = self.product();
        let command = wish.command(product);

        let before = product.clone();
        let decided = product.decide(&command);
        assert_eq!(*self.product(), before, "decide changes nothing");
        let expected = self.model.turn(&command);
        let actual = match &decided {
            Ok(events) if events.is_empty() => Expected::AlreadySo,
            Ok(_) => Expected::Done,
            Err(refusal) => Expected::Refused(refusal.clone()),
        };
        assert_eq!(actual, expected, "{command:?}");

        self.take(decided.unwrap_or_default());
        if let Some(product) = &self.slot {
            assert_eq!(invariant::check(product), Ok(()));
            self.compare(product);
        }
    }

    fn compare(&self, product: &Product) {
        let model = &self.model;
        let live = product.live_variants().map(|(no, it)| (no, VariantDescription::clone(&it.description)));
        assert_eq!(live.collect::<Vec<_>>(), model.live());
        assert_eq!((product.variants().len(), product.sku().is_some()), (model.places(), model.is_simple()));
        for (index, variant) in product.variants().iter().enumerate() {
            let no = VariantNo::from_index(index);
            let Levels { available, reserved, committed } = variant.levels;
            let levels = (available.signed(), reserved.signed(), committed.signed());
            assert_eq!(levels, (model.available(no), model.reserved(no), model.committed(no)), "{no:?}");
            let totals = (variant.totals.received, variant.totals.fulfilled, variant.totals.written_off);
            assert_eq!(totals, model.totals(no), "totals of {no:?}");
        }
        for id in (0..RESERVATIONS).map(ReservationId) {
            let actual = product.reservation(id).map(|hold| (hold.buyer, hold.lines.clone()));
            let expected = model.hold(id).map(|hold| (hold.buyer, hold.lines));
            assert_eq!(actual, expected, "{id:?}");
        }
        for id in (0..ORDERS).map(OrderId) {
            let actual = product.commitment(id).map(|order| (order.buyer, order.lines.clone()));
            assert_eq!(actual, model.order(id).map(|order| (order.buyer, order.lines)), "{id:?}");
        }
        for buyer in (0..BUYERS).map(Buyer) {
            assert_eq!(product.units_of(buyer), model.counted(buyer), "{buyer:?}");
        }
        assert_eq!(product.version(), model.version());
    }

    /// The journal alone gives the state (INV-7), and the ledger read backwards takes every unit out again.
    fn end(self) {
        let (mut replayed, mut last) = (None, None);
        for (at, event) in &self.journal {
            apply(&mut replayed, event, *at);
            last = replayed.clone().or(last);
        }
        assert_eq!(replayed, self.slot, "INV-7: replay gives the state in memory");

        let last = last.expect("made");
        let mut levels: Vec<Levels> = last.variants().iter().map(|variant| variant.levels).collect();
        for (_, event) in self.journal.iter().rev() {
            let mut movements = Vec::new();
            event.movements(|movement| movements.push(movement));
            for movement in movements.iter().rev() {
                levels[movement.variant.index()].shift(movement.kind, -movement.quantity);
            }
        }
        assert!(
            levels.iter().all(|levels| *levels == Levels::default()),
            "the ledger accounts for every unit"
        );
    }

    fn take(&mut self, events: Vec<Event>) {
        for event in events {
            apply(&mut self.slot, &event, self.now);
            self.journal.push((self.now, event));
        }
    }

    fn product(&self) -> &Product {
        self.slot.as_ref().expect("a run ends when its product is deleted")
    }
}

fn product() -> NewProduct {
    let variant = |index: usize| NewVariant {
        description: Arc::new(VariantDescription::plain(
            Sku::new(&format!("v{index}")).expect("well formed"),
        )),
        initial_stock: None,
    };
    NewProduct {
        description: Arc::new(Description::plain(
            "Lamp",
            Money(1000),
            Currency::new("EUR").expect("three capitals"),
        )),
        is_simple: false,
        variants: (0..VARIANTS).map(variant).collect(),
    }
}
