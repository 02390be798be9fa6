//! What one turn's record costs on its way to the journal and back.
//!
//! `cargo bench -p holdfast-actors --bench record`. Values to bytes and bytes to values: the frame around them is measured in
//! `persistence`, what is decided in `domain`.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use holdfast_actors::domain::product::{Event, Line, VariantNo};
use holdfast_actors::domain::{
    Buyer, Currency, Money, OrderId, ProductId, Quantity, ReservationId, Timestamp,
};
use holdfast_actors::record::{Entity, Events, Turn, decode, encode};
use holdfast_actors::{Actor, RequestId};

/// Events of a record of a batch.
const BATCH: u128 = 64;

fn records(bencher: &mut Criterion) {
    let line = Line { variant: VariantNo(0), quantity: Quantity::new(1).expect("in range") };
    let purchased = Event::Purchased {
        order: OrderId(0x0193_0000_0000_7000_8000_0000_0000_0001),
        buyer: Buyer(u128::MAX / 3),
        line,
        unit_price: Money(1_999),
        currency: Currency::new("EUR").expect("three capitals"),
        rules: Default::default(),
    };
    let reserved = |number| Event::Reserved {
        reservation: ReservationId(0x0193_0000_0000_7000_8000_0000_0000_0000 + number),
        buyer: Buyer(u128::MAX / 3),
        lines: vec![line],
        deadline: Timestamp(1_700_000_900_000),
    };
    let cases = [
        ("a purchase", vec![purchased]),
        ("a reserve", vec![reserved(1)]),
        ("64 reserves", (0..BATCH).map(reserved).collect()),
    ];
    let mut group = bencher.benchmark_group("record");
    for (name, events) in cases {
        let turn = Turn {
            request_id: RequestId::Made(7),
            actor: Actor::Guest(u128::MAX / 3),
            entity: Entity::Product(ProductId(u128::MAX / 5)),
            previous: 1_000_000,
            key: None,
            events: Events::Product(events),
        };
        let bytes = encode(&turn, Vec::new());
        assert_eq!(decode(&bytes).expect("it was encoded"), turn);
        group.throughput(Throughput::Bytes(u64::try_from(bytes.len()).expect("a record is small")));
        let mut buffer = Some(Vec::new());
        group.bench_function(format!("encode {name}"), |bench| {
            bench.iter(|| {
                let mut emptied = buffer.take().expect("it comes back");
                emptied.clear();
                buffer = Some(encode(black_box(&turn), emptied));
            });
        });
        group.bench_function(format!("decode {name}"), |bench| bench.iter(|| decode(black_box(&bytes))));
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = records
}
criterion_main!(benches);
