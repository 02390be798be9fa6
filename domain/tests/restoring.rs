//! Putting things together again from what a checkpoint keeps of them.

use std::sync::Arc;

use holdfast_domain::account::session::{FORGET_COUNT_MAX, Family, FamilyId, TokenHash};
use holdfast_domain::account::{Accounts, Event as AccountEvent};
use holdfast_domain::category::{Category, DEPTH_MAX, Description};
use holdfast_domain::hold::{Hold, State};
use holdfast_domain::idempotency::{Fingerprint, KEY_KEPT, Key, KeyBook, Known};
use holdfast_domain::price::{Kind, Off, PriceList, Rule, Terms};
use holdfast_domain::reservation::{CLOSED_KEPT, Reservation, Reservations};
use holdfast_domain::{
    AccountId, Buyer, Categories, CategoryId, Millis, Owner, Quantity, ReservationId, RuleId, Timestamp,
};

const NOW: Timestamp = Timestamp(1_700_000_000_000);

#[test]
fn of_two_outcomes_of_a_key_the_later_stands_in_either_order() {
    let later = NOW.after(KEY_KEPT);
    for times in [[NOW, later], [later, NOW]] {
        let mut book = KeyBook::default();
        for at in times {
            book.restore(Key(1), Fingerprint(1), at, at);
        }
        book.restore(Key(2), Fingerprint(1), NOW, NOW);
        book.restored(NOW);
        assert_eq!(book.look_up(Key(1), Fingerprint(1), later), Known::Outcome(&later));
        // What is forgotten is what is too old, and nothing else.
        book.forget(later, usize::MAX);
        assert_eq!(book.len(), 1);
        assert_eq!(book.get(Key(1)), Some((Fingerprint(1), &later, later)));
    }
}

#[test]
fn outcomes_that_came_back_in_any_order_are_forgotten_in_time() {
    let mut book = KeyBook::default();
    for id in [5_u64, 1, 4, 2, 3] {
        book.restore(Key(id.into()), Fingerprint(0), id, NOW.after(Millis(id)));
    }
    book.restored(NOW);
    assert_eq!(book.forget(NOW.after(Millis(KEY_KEPT.0 + 3)), usize::MAX), 3);
    let mut left: Vec<u64> = book.iter().map(|(_, _, outcome, _)| *outcome).collect();
    left.sort_unstable();
    assert_eq!(left, [4, 5]);
}

#[test]
#[should_panic(expected = "INV-5")]
fn two_outcomes_of_a_key_within_a_day_are_a_bug() {
    let mut book = KeyBook::default();
    book.restore(Key(1), Fingerprint(1), "sold", NOW.after(Millis(KEY_KEPT.0 - 1)));
    book.restore(Key(1), Fingerprint(1), "sold twice", NOW);
}

#[test]
fn closed_reservations_that_came_back_are_forgotten_a_day_after_they_closed() {
    let closed_at = |id: u64| NOW.after(Millis(id));
    let mut reservations = Reservations::default();
    for id in [3_u64, 1, 2, 9] {
        let state = if id == 9 { State::Active } else { State::Released };
        reservations.restore(ReservationId(id.into()), reservation(state, closed_at(id)));
    }
    reservations.restored(closed_at(1).after(CLOSED_KEPT));
    let ids = |reservations: &Reservations| reservations.iter().map(|(id, _)| id.0).collect::<Vec<_>>();
    assert_eq!(ids(&reservations), [2, 3, 9]);
    let of_owner = reservations.of_owner_before(Buyer(7), ReservationId(u128::MAX));
    assert_eq!(of_owner.map(|(id, _)| id.0).collect::<Vec<_>>(), [9, 3, 2]);
    // Those that are left go in their turn, with the next events.
    let released = holdfast_domain::reservation::Event::Released;
    reservations.apply(ReservationId(9), &released, closed_at(2).after(CLOSED_KEPT));
    assert_eq!(ids(&reservations), [3, 9]);
}

fn reservation(state: State, updated_at: Timestamp) -> Reservation {
    Reservation {
        owner: Owner::Guest(7),
        items: Vec::new(),
        hold: Hold { state, ..Hold::new(NOW.after(Millis(900_000)), NOW) },
        order: None,
        reference: None,
        metadata: None,
        updated_at,
        version: 2,
    }
}

#[test]
fn sessions_that_an_opening_clears_away_are_told_before() {
    let mut accounts = Accounts::default();
    for id in 0..10_u64 {
        let family = Family::restored(AccountId(1), TokenHash([0; 32]), NOW.after(Millis(id)), Vec::new());
        accounts.restore_session(FamilyId(id.into()), family);
    }
    let told: Vec<FamilyId> = accounts.sessions().forgotten(NOW.after(Millis(20))).collect();
    assert_eq!(told, [0, 1, 2, 3].map(FamilyId));
    assert_eq!(told.len(), FORGET_COUNT_MAX);
    assert_eq!(accounts.sessions().forgotten(NOW.after(Millis(1))).count(), 2, "at its end it is dead");
    let (family, token) = (FamilyId(99), TokenHash([1; 32]));
    let opened = AccountEvent::SessionOpened {
        family,
        account: AccountId(1),
        token,
        expires_at: NOW.after(Millis(50)),
    };
    accounts.apply(&opened, NOW.after(Millis(20)));
    let left: Vec<u128> = accounts.sessions().iter().map(|(id, _)| id.0).collect();
    assert_eq!(left, [4, 5, 6, 7, 8, 9, 99]);
}

#[test]
fn categories_that_make_no_tree_do_not_come_back() {
    let sound = [category(1, "a", None), category(2, "b", Some(1)), category(3, "c", Some(2))];
    let tree = Categories::restored(sound.clone()).expect("it is a tree");
    assert_eq!(tree.path(CategoryId(3)).map(|it| it.id.0).collect::<Vec<_>>(), [3, 2, 1]);
    assert_eq!(tree.by_slug("b").map(|it| it.id), Some(CategoryId(2)));
    let with = |other: Category| Categories::restored(sound.iter().cloned().chain([other]));
    assert_eq!(with(category(3, "d", None)), None, "one is there twice");
    assert_eq!(with(category(4, "a", None)), None, "two have the same slug");
    assert_eq!(with(category(4, "d", Some(5))), None, "a parent is missing");
    assert_eq!(with(category(4, "d", Some(4))), None, "one is its own parent");
    let circle = [category(1, "a", Some(2)), category(2, "b", Some(1))];
    assert_eq!(Categories::restored(circle), None, "two are each other's parents");
    let depth = u128::try_from(DEPTH_MAX).expect("it is small");
    let chain = |depth| (1..=depth).map(|id: u128| category(id, &id.to_string(), (id > 1).then(|| id - 1)));
    assert!(Categories::restored(chain(depth)).is_some());
    assert_eq!(Categories::restored(chain(depth + 1)), None, "too deep");
}

fn category(id: u128, slug: &str, parent: Option<u128>) -> Category {
    Category {
        id: CategoryId(id),
        description: Description { name: "Light".into(), slug: slug.into(), parent: parent.map(CategoryId) },
        version: 1,
        created_at: NOW,
        updated_at: NOW,
    }
}

#[test]
fn price_rule_that_is_there_twice_does_not_come_back() {
    let list = PriceList::restored([rule(1), rule(2)]).expect("two rules");
    assert_eq!(list.iter().map(|rule| rule.id.0).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(PriceList::restored([rule(1), rule(1)]), None);
}

fn rule(id: u128) -> Arc<Rule> {
    let terms = Terms {
        name: "Many".into(),
        kind: Kind::Bulk { min_quantity: Quantity::ONE },
        off: Off::Percent(100),
        skus: Vec::new(),
        categories: vec![CategoryId(1)],
        starts_at: None,
        ends_at: None,
        priority: 0,
        is_active: true,
    };
    Arc::new(Rule { id: RuleId(id), terms, version: 1, created_at: NOW, updated_at: NOW })
}
