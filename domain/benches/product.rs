//! What the rules cost by themselves: a purchase, a reserve and its release, a refusal, each decided and applied.
//!
//! `cargo bench -p holdfast-domain`. Nothing else is in it: no actor, no journal, no answer.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use holdfast_domain::hold::Ending;
use holdfast_domain::product::{
    Command, Description, Line, NewProduct, NewVariant, Product, VariantDescription, VariantNo, apply,
    decide_create,
};
use holdfast_domain::{Buyer, Currency, Money, OrderId, Quantity, ReservationId, Sku, Timestamp};

const NOW: Timestamp = Timestamp(1_700_000_000_000);
const DEADLINE: Timestamp = Timestamp(1_700_000_900_000);
/// Holds of others that a product has while one more comes and goes.
const HOLDS: u128 = 1_000;

fn purchases(bencher: &mut Criterion) {
    let mut product = made(Quantity::MAX);
    let mut order = 0;
    let mut group = bencher.benchmark_group("purchase");
    group.bench_function("decide", |bench| {
        bench.iter(|| product.as_ref().map(|it| it.decide(black_box(&purchase(1)))));
    });
    // Canceled again, so that a product has as many orders at the end as at the beginning.
    group.bench_function("decide and apply, and its cancellation", |bench| {
        bench.iter(|| {
            order += 1;
            carry_out(&mut product, &purchase(order));
            carry_out(&mut product, &Command::Cancel { order: OrderId(order) });
        });
    });
    group.finish();
}

fn reserves(bencher: &mut Criterion) {
    let mut product = made(Quantity::MAX);
    (1..=HOLDS).for_each(|number| carry_out(&mut product, &reserve(number)));
    let mut number = HOLDS;
    let mut group = bencher.benchmark_group("reserve");
    group.bench_function("decide", |bench| {
        bench.iter(|| product.as_ref().map(|it| it.decide(black_box(&reserve(0)))));
    });
    group.bench_function("decide and apply, and its release", |bench| {
        bench.iter(|| {
            number += 1;
            carry_out(&mut product, &reserve(number));
            let release = Command::Release { reservation: ReservationId(number), ending: Ending::Released };
            carry_out(&mut product, &release);
        });
    });
    group.finish();
}

fn refusals(bencher: &mut Criterion) {
    let product = made(1);
    let product = product.as_ref().expect("it was made");
    let wanted = Command::Purchase { order: OrderId(1), buyer: Buyer(1), line: line(2) };
    assert!(product.decide(&wanted).is_err(), "there is one unit");
    bencher.bench_function("refusal/sold out", |bench| bench.iter(|| product.decide(black_box(&wanted))));
}

fn carry_out(slot: &mut Option<Product>, command: &Command) {
    let product = slot.as_ref().expect("it was made");
    let events = product.decide(command).expect("there is enough");
    assert!(!events.is_empty(), "it changes something");
    events.iter().for_each(|event| apply(slot, event, NOW));
}

fn purchase(order: u128) -> Command {
    Command::Purchase { order: OrderId(order), buyer: Buyer(order), line: line(1) }
}

fn reserve(number: u128) -> Command {
    let reservation = ReservationId(number);
    Command::Reserve { reservation, buyer: Buyer(number), lines: vec![line(1)], deadline: DEADLINE }
}

fn line(quantity: u32) -> Line {
    Line { variant: VariantNo(0), quantity: Quantity::new(quantity).expect("in range") }
}

fn made(units: u32) -> Option<Product> {
    let description = Description::plain("Lamp", Money(1_999), Currency::new("EUR").expect("three capitals"));
    let sku = Sku::new("LAMP-1").expect("well formed");
    let variant = VariantDescription::plain(sku);
    let variants = vec![NewVariant { description: Arc::new(variant), initial_stock: Quantity::new(units) }];
    let new = NewProduct { description: Arc::new(description), is_simple: true, variants };
    let mut slot = None;
    for event in decide_create(&new).expect("well formed") {
        apply(&mut slot, &event, NOW);
    }
    slot
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(std::time::Duration::from_millis(500))
        .measurement_time(std::time::Duration::from_secs(2));
    targets = purchases, reserves, refusals
}
criterion_main!(benches);
