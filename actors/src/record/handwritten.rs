//! Journals written by hand, for the tests of whoever reads them.

use std::collections::BTreeMap;
use std::sync::Arc;

use holdfast_domain::order::{OrderLine, Placed, Source};
use holdfast_domain::product::{Description, Event, Line, Reason, VariantDescription, VariantNo};
use holdfast_domain::{
    Buyer, Currency, Item, Money, OrderId, Owner, ProductId, Quantity, ReservationId, Sku, Timestamp,
};
use holdfast_persistence::{Epoch, FrameBuilder, Head, Partition, RecordHeader, Sequence, Store};

use super::{Entity, Events, Turn, encode};
use crate::context::{Actor, RequestId};

/// Who does everything.
pub(crate) const GUEST: Owner = Owner::Guest(77);
/// What everything is about; in [`PRODUCT_PARTITION`] of 16.
pub(crate) const PRODUCT: ProductId = ProductId(1);
/// Where its records are.
pub(crate) const PRODUCT_PARTITION: u16 = 4;
/// When every hold ends.
pub(crate) const DEADLINE: Timestamp = Timestamp(1_000_000);

/// Writes every turn as a record of its partition, one a millisecond, as one frame of a new journal.
pub(crate) fn write<S: Store + ?Sized>(store: &mut S, turns: &[(u16, Turn)]) {
    let from = Head::before(&*store);
    let head = store.recover(from, &mut |_| Ok(())).expect("it is new").head;
    let mut sequences: BTreeMap<u16, Sequence> = BTreeMap::new();
    let mut frame = FrameBuilder::new();
    for (time_ms, (partition, turn)) in (1..).zip(turns) {
        let sequence = sequences.entry(*partition).or_default();
        *sequence = sequence.next();
        let (partition, sequence) = (Partition(*partition), *sequence);
        let header = RecordHeader { partition, epoch: Epoch(1), sequence, time_ms };
        frame.push(&header, &encode(turn, Vec::new()));
    }
    store.append(&[frame.finish(head.next_batch(), head.last_hash())]).expect("there is room");
}

pub(crate) fn turn(entity: Entity, previous: u64, events: Events) -> Turn {
    let Owner::Guest(digest) = GUEST else { unreachable!("it is one") };
    let actor = Actor::Guest(digest);
    Turn { request_id: RequestId::Made(1), actor, entity, previous, key: None, events }
}

/// A record of [`PRODUCT`]. Its records are numbered from 1 where nothing else is in the partition.
pub(crate) fn product_turn(previous: u64, events: Vec<Event>) -> (u16, Turn) {
    (PRODUCT_PARTITION, turn(Entity::Product(PRODUCT), previous, Events::Product(events)))
}

/// The first record of [`PRODUCT`], with ten units.
pub(crate) fn created() -> (u16, Turn) {
    let created = Event::Created {
        description: Arc::new(Description::plain("Lamp", Money(1999), euro())),
        is_simple: true,
        variants: vec![Arc::new(VariantDescription::plain(sku()))],
    };
    let received = Event::Adjusted {
        variant: VariantNo(0),
        delta: 10,
        reason: Reason::Received,
        reference: None,
        note: None,
    };
    product_turn(0, vec![created, received])
}

/// The product's side of a hold on one unit.
pub(crate) fn held(reservation: ReservationId) -> Event {
    Event::Reserved { reservation, buyer: GUEST.buyer(), lines: vec![one().line()], deadline: DEADLINE }
}

/// A purchase of one unit.
pub(crate) fn purchased(order: OrderId) -> Event {
    let (line, buyer): (Line, Buyer) = (one().line(), GUEST.buyer());
    Event::Purchased { order, buyer, line, unit_price: Money(1999), currency: euro(), rules: None }
}

/// An order of one unit, that waits for its money.
pub(crate) fn placed(source: Source, hold: ReservationId) -> Arc<Placed> {
    let line = OrderLine {
        item: one(),
        sku: sku(),
        name: "Lamp".into(),
        unit_price: Money(1999),
        total: Money(1999),
        breakdown: Vec::new(),
    };
    Arc::new(Placed {
        owner: GUEST,
        source,
        hold,
        lines: vec![line],
        currency: euro(),
        subtotal: Money(1999),
        discount: Money(0),
        total: Money(1999),
        email: None,
        shipping_address: None,
        deadline: Some(DEADLINE),
        taken_over: Vec::new(),
    })
}

/// One unit of the product's only variant.
pub(crate) fn one() -> Item {
    let quantity = Quantity::new(1).expect("one is in range");
    Item { product: PRODUCT, variant: VariantNo(0), quantity }
}

fn sku() -> Sku {
    Sku::new("lamp").expect("letters")
}

fn euro() -> Currency {
    Currency::new("EUR").expect("three capitals")
}
