//! Which facts are told to whom, and what a journal says of that.

use std::collections::BTreeSet;
use std::sync::Arc;

use holdfast_domain::account::{Account, Role, Tier};
use holdfast_domain::order::{Cancelation, Event, Placed, Source, Through};
use holdfast_domain::{Owner, ReservationId};

use super::unsents::Next;
use super::*;
use crate::record::handwritten::{self, purchased};

const ORDER: OrderId = OrderId(2);
const OTHER: OrderId = OrderId(3);
const ADA: AccountId = AccountId(7);
const HOLD: ReservationId = ReservationId(9);
const AT: Timestamp = Timestamp(5);

/// Everything that is due by one turn, when the orders of the books have an address or have none.
fn due_by(actor: Actor, entity: Entity, events: Events, has_address: bool) -> Vec<About> {
    let turn = Turn { actor, ..handwritten::turn(entity, 0, events) };
    let mut found = Vec::new();
    due(&turn, |_| has_address, |about| found.push(about));
    found
}

fn placed(owner: Owner, email: Option<&str>, deadline: Option<Timestamp>) -> Arc<Placed> {
    let placed = handwritten::placed(Source::Lines, HOLD);
    Arc::new(Placed { owner, email: email.map(Into::into), deadline, ..(*placed).clone() })
}

fn confirmed() -> Event {
    Event::Confirmed { reference: None, through: Through::Gateway, hold: HOLD, is_reacquired: false }
}

fn canceled(why: Cancelation) -> Event {
    Event::Canceled { why, reason: None }
}

fn account(id: AccountId) -> account::Event {
    account::Event::Created(Account {
        id,
        email: "ada@example.org".into(),
        name: None,
        role: Role::Customer,
        tier: Tier::Standard,
        password_hash: "".into(),
        created_at: AT,
        version: 1,
    })
}

#[test]
fn purchase_is_told_to_who_has_an_account() {
    let bought = |actor| {
        let events = Events::Product(vec![purchased(ORDER), purchased(OTHER)]);
        due_by(actor, Entity::Product(handwritten::PRODUCT), events, true)
    };
    let both = [About::Confirmed(ORDER), About::Confirmed(OTHER)];
    assert_eq!(bought(Actor::Customer(ADA)), both);
    assert_eq!(bought(Actor::Admin(ADA)), both);
    assert_eq!(bought(Actor::Guest(77)), []);
    assert_eq!(bought(Actor::System), []);
    let held = Events::Product(vec![handwritten::held(HOLD)]);
    assert_eq!(due_by(Actor::Customer(ADA), Entity::Product(handwritten::PRODUCT), held, true), []);
}

#[test]
fn every_change_of_an_order_is_told_or_is_not() {
    let told = |event: Event, has_address| {
        let events = Events::Order(vec![OrderFact::Changed(event)]);
        due_by(Actor::System, Entity::Order(ORDER), events, has_address)
    };
    let cases = [
        (confirmed(), Some(About::Confirmed(ORDER))),
        (Event::Expired, Some(About::Expired(ORDER))),
        (canceled(Cancelation::Declined), Some(About::Canceled(ORDER))),
        (canceled(Cancelation::ByOwner), Some(About::Canceled(ORDER))),
        (canceled(Cancelation::ByAdmin), Some(About::Canceled(ORDER))),
        (Event::Fulfilled, None),
        (Event::RefundRequired { reference: None, through: Through::Gateway }, None),
        (Event::Refunded, None),
    ];
    for (event, about) in cases {
        assert_eq!(told(event.clone(), true), about.into_iter().collect::<Vec<_>>(), "{event:?}");
        assert_eq!(told(event.clone(), false), [], "{event:?} of somebody without an address");
    }
}

#[test]
fn new_order_is_told_when_it_is_confirmed_at_once() {
    let guest = Owner::Guest(77);
    let of = |owner, email, deadline| {
        let placed = OrderFact::Placed(placed(owner, email, deadline));
        // The books do not know it yet.
        due_by(Actor::Guest(77), Entity::Order(ORDER), Events::Order(vec![placed]), false)
    };
    assert_eq!(of(guest, Some("a@b.test"), None), [About::Confirmed(ORDER)]);
    assert_eq!(of(Owner::Account(ADA), None, None), [About::Confirmed(ORDER)]);
    assert_eq!(of(guest, None, None), []);
    assert_eq!(of(guest, Some("a@b.test"), Some(AT)), [], "it waits for its money");
    let facts = vec![
        OrderFact::Placed(placed(guest, Some("a@b.test"), Some(AT))),
        OrderFact::Changed(Event::Expired),
        OrderFact::Changed(confirmed()),
    ];
    let told = due_by(Actor::System, Entity::Order(ORDER), Events::Order(facts), false);
    assert_eq!(told, [About::Expired(ORDER), About::Confirmed(ORDER)], "of one record, in its order");
}

#[test]
fn confirmed_reservation_is_told_to_who_has_an_address() {
    let facts = |owner| {
        let event = reservation::Event::Confirmed { order: ORDER, placed: placed(owner, None, None) };
        Events::Reservations(vec![(ReservationId(8), reservation::Event::Released), (HOLD, event)])
    };
    let told = |owner| due_by(Actor::System, Entity::Reservations, facts(owner), false);
    assert_eq!(told(Owner::Account(ADA)), [About::Confirmed(ORDER)]);
    assert_eq!(told(Owner::Guest(77)), []);
}

#[test]
fn only_who_registers_by_themselves_is_welcomed() {
    let told = |actor| due_by(actor, Entity::Accounts, Events::Accounts(vec![account(ADA)]), false);
    assert_eq!(told(Actor::Customer(ADA)), [About::Registered(ADA)]);
    for actor in [Actor::System, Actor::Admin(AccountId(1)), Actor::Customer(AccountId(1)), Actor::Guest(7)] {
        assert_eq!(told(actor), [], "{actor:?}");
    }
    let changed = account::Event::Changed { id: ADA, role: Role::Admin, tier: Tier::Gold };
    let told = due_by(Actor::Customer(ADA), Entity::Accounts, Events::Accounts(vec![changed]), false);
    assert_eq!(told, []);
}

#[test]
fn mail_tells_of_the_order_as_it_was() {
    let order = |deadline, events: &[Event]| {
        let placed = placed(Owner::Account(ADA), None, deadline);
        let mut order = holdfast_domain::Order::new(ORDER, placed, AT, 1);
        events.iter().for_each(|event| order.apply(event, AT));
        order
    };
    let late = order(Some(AT), &[Event::Expired, confirmed(), canceled(Cancelation::ByAdmin)]);
    let versions = [About::Expired(ORDER), About::Confirmed(ORDER), About::Canceled(ORDER)]
        .map(|about| about.version(&late));
    assert_eq!(versions, [Some(2), Some(3), Some(4)]);
    let bought = order(None, &[canceled(Cancelation::ByAdmin)]);
    assert_eq!(About::Confirmed(ORDER).version(&bought), Some(1));
    assert_eq!(About::Canceled(ORDER).version(&bought), Some(2));
    assert_eq!(About::Expired(ORDER).version(&bought), None);
}

/// What a journal says whose records are of these epochs.
fn replayed(records: Vec<(u32, Events)>) -> Recovered {
    let mut replay = Replay::default();
    for (epoch, events) in records {
        let entity = match &events {
            Events::Mails(_) => Entity::Mails,
            _ => Entity::Order(ORDER),
        };
        replay.take(Epoch(epoch), AT, &handwritten::turn(entity, 0, events), |_| true);
    }
    Replay::finish([replay].into_iter())
}

fn changed_to(event: Event) -> Events {
    Events::Order(vec![OrderFact::Changed(event)])
}

fn unsent(found: &Recovered) -> Vec<About> {
    found.unsent.keys().copied().collect()
}

#[test]
fn nobody_is_told_what_happened_before_mails() {
    let begun = || Events::Mails(vec![Fact::Begun]);
    let before = [(1, changed_to(confirmed())), (2, changed_to(Event::Expired))];
    let found = replayed(before.to_vec());
    assert_eq!((found.begun, unsent(&found)), (None, vec![]));
    let mut records = before.to_vec();
    records.extend([(3, begun()), (3, changed_to(canceled(Cancelation::ByAdmin)))]);
    let found = replayed(records.clone());
    assert_eq!((found.begun, unsent(&found)), (Some(Epoch(3)), vec![About::Canceled(ORDER)]));
    // Of another partition, of which a reader may hear first.
    records.swap(2, 3);
    assert_eq!(replayed(records.clone()), found);
    records.rotate_left(2);
    assert_eq!(replayed(records), found);
}

#[test]
fn what_was_sent_is_not_due_after_a_start() {
    let sent = |about| Events::Mails(vec![Fact::Sent(about)]);
    let mut records = vec![
        (1, Events::Mails(vec![Fact::Begun])),
        (1, changed_to(Event::Expired)),
        (1, changed_to(confirmed())),
        (1, sent(About::Expired(ORDER))),
    ];
    assert_eq!(unsent(&replayed(records.clone())), [About::Confirmed(ORDER)]);
    records.push((2, sent(About::Confirmed(ORDER))));
    records.push((2, sent(About::Confirmed(ORDER))));
    assert_eq!(unsent(&replayed(records)), []);
}

#[test]
fn only_what_is_durable_is_handed_out_and_each_once() {
    let unsents = Unsents::default();
    assert_eq!(unsents.next(), Next::Nothing);
    for (number, ticket) in [(1, 1), (2, 2), (3, 3)] {
        unsents.note(Unsent { about: About::Confirmed(OrderId(number)), at: AT }, Ticket::new(ticket));
    }
    assert_eq!(unsents.next(), Next::After(Ticket::new(1)));
    let ids = |found: Vec<Unsent>| found.into_iter().map(|it| it.about).collect::<Vec<_>>();
    let order = |number| About::Confirmed(OrderId(number));
    assert_eq!(ids(unsents.hand_out(9, Ticket::ZERO)), []);
    assert_eq!(ids(unsents.page(None, 9, Ticket::ZERO)), []);
    assert_eq!(ids(unsents.hand_out(1, Ticket::new(2))), [order(1)]);
    // The queue knew it from before the start: it is sent and was never handed out.
    assert_eq!(unsents.settle(&[order(2), order(2), order(8)]), [order(2)]);
    assert_eq!(unsents.next(), Next::After(Ticket::new(3)));
    assert_eq!(ids(unsents.hand_out(9, Ticket::new(3))), [order(3)]);
    assert_eq!(unsents.next(), Next::Nothing);
    assert_eq!(ids(unsents.page(None, 1, Ticket::new(3))), [order(1)]);
    assert_eq!(ids(unsents.page(Some(order(1)), 9, Ticket::new(3))), [order(3)]);
    assert_eq!(unsents.len(), 2);
    unsents.note(Unsent { about: order(4), at: AT }, Ticket::new(4));
    assert_eq!(ids(unsents.hand_out_again(None, 9, Ticket::new(3))), [order(1), order(3)]);
    assert_eq!(ids(unsents.hand_out_again(Some(order(1)), 9, Ticket::new(4))), [order(3), order(4)]);
    assert_eq!(unsents.next(), Next::Nothing, "all are handed out");
    assert_eq!(ids(unsents.hand_out(9, Ticket::new(4))), []);
}

#[test]
fn recovered_mails_are_handed_out_oldest_first() {
    let unsents = Unsents::default();
    let found = BTreeMap::from([
        (About::Registered(ADA), Timestamp(3)),
        (About::Confirmed(ORDER), Timestamp(2)),
        (About::Expired(ORDER), Timestamp(1)),
    ]);
    unsents.restore(&found, Epoch(1));
    let handed = unsents.hand_out(9, Ticket::ZERO);
    assert_eq!(handed.iter().map(|it| it.at.0).collect::<Vec<_>>(), [1, 2, 3]);
    let all: BTreeSet<About> = handed.into_iter().map(|it| it.about).collect();
    assert_eq!(all, found.into_keys().collect());
}
