//! Owners' records come back, and what a crash left between owners and products is found.

pub(crate) mod chains;
mod damages;

use holdfast_domain::hold::Ending;
use holdfast_domain::idempotency::{Fingerprint, Key};
use holdfast_domain::order::{self, Cancelation, Status};
use holdfast_domain::product::Command;
use holdfast_domain::{CartId, CategoryId, OrderId, Owner, ReservationId, cart, category, reservation};
use holdfast_persistence::{JournalId, MemoryDisk};

use super::newest::told;
use super::*;
use crate::context::RequestKey;
use crate::outcome::Outcome;
use crate::record::handwritten::{
    DEADLINE, GUEST, PRODUCT, created, held, one, product_turn, purchased, turn, write,
};
use crate::record::{Entity, Events, KeyedOutcome, OrderFact, Turn};

/// Recovers what was written; a proof without recovery must come to the same, and so must several threads.
fn replayed(turns: &[(u16, Turn)]) -> Result<Recovered, Error> {
    let disk = MemoryDisk::new(JournalId([7; 16]), 16);
    write(&mut disk.journal(), turns);
    let verified = verify(&disk.journal(), &Proof::default(), |_| Ok(())).map(|verified| verified.report);
    let recovered = recover(&mut disk.journal());
    let counts = |it: &Report| (it.events, it.reservations, it.orders, it.carts, it.keys);
    match (&verified, &recovered) {
        (Ok(report), Ok(recovered)) => assert_eq!(counts(report), counts(&recovered.report)),
        (Err(verified), Err(recovered)) => assert_eq!(verified.to_string(), recovered.to_string()),
        _ => panic!("one of them is content: {verified:?}"),
    }
    for threads in [2, 3, 16, 99] {
        let parallel = recover_from(&mut disk.journal(), &Plan { threads, ..Plan::default() });
        check_same(&recovered, &parallel);
    }
    recovered
}

/// Two recoveries of the same journal.
pub(super) fn check_same(one: &Result<Recovered, Error>, other: &Result<Recovered, Error>) {
    match (one, other) {
        (Ok(one), Ok(other)) => {
            assert_eq!(one.state(), other.state());
            assert_eq!(one.owners(), other.owners());
            assert_eq!(one.unsent(), other.unsent());
            assert_eq!((one.prices(), &one.head), (other.prices(), &other.head));
            assert_eq!((&one.startup, one.keys.kept()), (&other.startup, other.keys.kept()));
            assert_eq!(
                (one.report.events, one.report.records, one.report.accounts),
                (other.report.events, other.report.records, other.report.accounts),
            );
        }
        (Err(one), Err(other)) => assert_eq!(told(one), told(other)),
        _ => panic!("one of them is content: {:?} {:?}", one.as_ref().err(), other.as_ref().err()),
    }
}

fn reserved(reservation: ReservationId) -> (u16, Turn) {
    let (items, deadline) = (vec![one()], DEADLINE);
    let event =
        reservation::Event::Reserved { owner: GUEST, items, deadline, reference: None, metadata: None };
    (2, turn(Entity::Reservations, 0, Events::Reservations(vec![(reservation, event)])))
}

fn cart(partition: u16, cart: CartId, events: Vec<cart::Event>) -> (u16, Turn) {
    (partition, turn(Entity::Cart(cart), 0, Events::Cart(events)))
}

#[test]
fn purchase_is_an_order_of_the_partition_that_its_id_belongs_to() {
    let order = OrderId(2);
    let found = replayed(&[created(), product_turn(1, vec![purchased(order)])]).expect("it is sound");
    let owner = found.owners()[2].orders.get(order).map(|order| (order.placed.owner, order.mark));
    assert_eq!(owner, Some((GUEST, 2)));
    assert_eq!(found.owners().iter().map(|books| books.orders.len()).sum::<usize>(), 1);
    assert_eq!((found.report.orders, found.startup), (1, Startup::default()));
}

#[test]
fn what_happens_to_a_purchase_finds_it() {
    let (orders, older) = ([OrderId(2), OrderId(3)], OrderId(1));
    let why = Cancelation::ByAdmin;
    let canceled = OrderFact::Changed(order::Event::Canceled { why, reason: None });
    let found = replayed(&[
        created(),
        product_turn(1, orders.map(purchased).to_vec()),
        (2, turn(Entity::Order(orders[0]), 2, Events::Order(vec![canceled]))),
        product_turn(2, vec![purchased(older)]),
    ]);
    let found = found.expect("it is sound");
    let status = |partition: usize, order| {
        found.owners()[partition].orders.get(order).map(|order| order.standing.status)
    };
    assert_eq!(status(2, orders[0]), Some(Status::Canceled));
    assert_eq!(status(2, orders[1]), Some(Status::Confirmed));
    assert_eq!(status(4, older), Some(Status::Confirmed));
    let cancel = Command::Cancel { order: orders[0] };
    assert_eq!(found.startup.tell, BTreeMap::from([(PRODUCT, vec![cancel])]));
}

#[test]
fn only_units_that_nobody_claims_are_given_back() {
    let (claimed, orphan) = (ReservationId(2), ReservationId(3));
    let holds = product_turn(1, vec![held(claimed), held(orphan)]);
    let found = replayed(&[created(), holds, reserved(claimed)]).expect("it is sound");
    let release = Command::Release { reservation: orphan, ending: Ending::Released };
    assert_eq!(found.startup.tell, BTreeMap::from([(PRODUCT, vec![release])]));
    assert_eq!(found.report.reservations, 1);
}

#[test]
fn claim_that_no_product_can_meet_breaks_the_law() {
    let found = replayed(&[reserved(ReservationId(2))]).map(|found| found.report);
    assert!(matches!(found, Err(Error::Law { law: "INV-10", .. })), "{found:?}");
}

#[test]
fn absorbed_cart_is_closed_unless_it_was() {
    let (guests, own) = (CartId(4), CartId(5));
    let opened = |owner| cart::Event::Opened { owner };
    let mut turns = vec![
        cart(7, guests, vec![opened(GUEST), cart::Event::LineSet { item: one(), held: None }]),
        cart(8, own, vec![opened(Owner::Guest(78)), cart::Event::Absorbed { from: guests }]),
    ];
    let close = |turns: &[(u16, Turn)]| {
        let found = replayed(turns).expect("it is sound");
        assert!(found.owners()[7].carts.is_empty(), "nobody finds the guest's cart any more");
        assert_eq!(found.report.carts, 1);
        found.startup.close
    };
    assert_eq!(close(&turns), [(guests, own)]);
    turns.push(cart(7, guests, vec![cart::Event::Closed { to: Some(own) }]));
    assert_eq!(close(&turns), []);
}

#[test]
fn keyed_record_without_events_leaves_a_key_and_nothing_else() {
    let request = RequestKey { key: Key(1), fingerprint: Fingerprint(2) };
    let key = Some(KeyedOutcome { key: request, answered: Ok(Outcome::Done) });
    let order = turn(Entity::Order(OrderId(2)), 0, Events::Order(Vec::new()));
    let found = replayed(&[(2, Turn { key, ..order })]).expect("it is sound");
    assert_eq!((found.report.keys, found.report.orders, found.report.events), (1, 0, 0));
}

#[test]
fn events_of_something_else_are_refused() {
    let found = replayed(&[(0, turn(Entity::Accounts, 0, Events::Cart(Vec::new())))]);
    assert!(matches!(found, Err(Error::Journal(persistence::Error::Visit { .. }))));
}

/// A record of the categories.
fn categories(previous: u64, event: category::Event) -> (u16, Turn) {
    (0, turn(Entity::Categories, previous, Events::Categories(vec![event])))
}

#[test]
fn product_in_a_category_that_does_not_exist_breaks_the_law() {
    let id = CategoryId(9);
    let listed = || {
        let (partition, mut turn) = created();
        let Events::Product(events) = &mut turn.events else { unreachable!("it is a product's") };
        let Some(product::Event::Created { description, .. }) = events.first_mut() else {
            unreachable!("it is made first")
        };
        Arc::make_mut(description).category_ids = vec![id];
        (partition, turn)
    };
    let description = category::Description { name: "Lamps".into(), slug: "lamps".into(), parent: None };
    let made = || categories(0, category::Event::Created { id, description: description.clone() });
    let found = replayed(&[made(), listed()]).expect("it is sound");
    assert_eq!(found.categories.categories.by_slug("lamps").map(|it| it.id), Some(id));
    for turns in [vec![listed()], vec![made(), listed(), categories(1, category::Event::Deleted { id })]] {
        let found = replayed(&turns).map(|found| found.report);
        assert!(matches!(found, Err(Error::Law { law: "known categories", .. })), "{found:?}");
    }
    let gap = replayed(&[made(), categories(7, category::Event::Deleted { id })]).map(|found| found.report);
    assert!(matches!(gap, Err(Error::Journal(persistence::Error::Visit { .. }))), "{gap:?}");
}
