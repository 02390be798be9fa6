//! Races on a controlled clock: a few requests for the same units and their deadline, in every order in which their
//! steps can come. Whatever the order, there is exactly one outcome, and every unit is somewhere once.
//!
//! A [`Path`] is one order of the steps: which of those that could be done was done, each time. The next path differs
//! in the last choice that had another; so all are walked, each from the start. Where there are too many, some are, by
//! chance.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use holdfast_domain::hold::State;
use holdfast_domain::order::{Payment, Status};
use holdfast_domain::product::{ReserveOn, VariantNo};
use holdfast_domain::saga::Books;
use holdfast_domain::{OrderId, Owner, Reservation, ReservationId, Timestamp};

use crate::sagas::Who;
use crate::sagas::carts::Change;

use super::super::Rng;
use super::ask::{Ask, AskWish, is_unknown};
use super::bank::Script;
use super::stage::{
    GENEROUS, LAMP, TTL, add, answered, is_yes, order_of, place, reservation_of, reserve, some,
};
use super::wishes::{CUSTOMER, GUEST, OWNERS};
use super::world::{Deed, World};

const BUYER: Owner = GUEST;
const RIVAL: Owner = OWNERS[1];

/// How many paths a race has at the most, where all are walked.
const PATHS_MAX: usize = 200_000;
/// How many are walked by chance where there are more.
const WALKS: u64 = 2_000;

/// How many lamps there are, and how many each wants.
const LAMPS: u32 = 5;
const WANTED: u32 = 2;

/// One order of the steps.
#[derive(Default)]
struct Path {
    /// Each choice, and of how many.
    choices: Vec<(usize, usize)>,
    place: usize,
}

/// Who says what comes next.
enum Guide {
    Path(Path),
    Chance(Rng),
}

/// What can be done next in a race.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Move {
    Deed(Deed),
    /// The deadline comes.
    ClockMoves,
    TimersRing,
    /// Everything in memory is lost, and the disk has all that was pushed.
    Crash,
}

/// A race that is about to begin.
struct Race {
    world: World,
    /// When the clock may move to.
    deadline: Option<Timestamp>,
    may_crash: bool,
    has_crashed: bool,
}

impl Path {
    fn choose(&mut self, count: usize) -> usize {
        if self.place == self.choices.len() {
            self.choices.push((0, count));
        }
        let (chosen, known) = self.choices[self.place];
        assert_eq!(known, count, "the same steps lead to the same place");
        self.place += 1;
        chosen
    }

    /// The next path, if there is another.
    fn next(mut self) -> Option<Self> {
        while let Some((chosen, count)) = self.choices.pop() {
            if chosen + 1 < count {
                self.choices.push((chosen + 1, count));
                self.place = 0;
                return Some(self);
            }
        }
        None
    }
}

impl Guide {
    fn choose(&mut self, count: usize) -> usize {
        match self {
            Self::Path(path) => path.choose(count),
            Self::Chance(rng) => {
                let count = u64::try_from(count).expect("it is small");
                usize::try_from(rng.below(count)).expect("below a length")
            }
        }
    }
}

impl Race {
    /// A race against the deadline of what was made just now.
    fn new(world: World) -> Self {
        let deadline = Some(world.after(TTL));
        Self { world, deadline, may_crash: false, has_crashed: false }
    }

    /// Sends requests and lets them reach their sagas.
    fn send(&mut self, wishes: Vec<AskWish>) -> Vec<Ask> {
        let asks = wishes.into_iter().map(|wish| self.world.ask(wish, false)).collect();
        for place in self.world.process.tasks.clients() {
            self.world.perform(Deed::Poll(place));
        }
        asks
    }

    /// Runs to the end.
    fn run(&mut self, guide: &mut Guide) {
        loop {
            let moves = self.moves();
            if moves.is_empty() {
                break;
            }
            match moves[guide.choose(moves.len())] {
                Move::Deed(deed) => self.world.perform(deed),
                Move::ClockMoves => self.deadline.take().into_iter().for_each(|at| self.world.set_clock(at)),
                Move::TimersRing => self.world.ring(),
                Move::Crash => {
                    self.has_crashed = true;
                    self.world.commit(None);
                    self.world.crash();
                }
            }
        }
        self.world.drain();
        self.world.expire();
        self.world.check();
    }

    /// Those outside wait for the disk, which comes at the end.
    fn moves(&self) -> Vec<Move> {
        let clients = self.world.process.tasks.clients();
        let is_inside = |deed: &Deed| !matches!(deed, Deed::Poll(place) if clients.contains(place));
        let mut moves: Vec<_> = self.world.deeds().into_iter().filter(is_inside).map(Move::Deed).collect();
        if self.may_crash && !self.has_crashed && !moves.is_empty() {
            moves.push(Move::Crash);
        }
        if self.deadline.is_some() {
            moves.push(Move::ClockMoves);
        }
        if self.world.process.may_ring() {
            moves.push(Move::TimersRing);
        }
        moves
    }

    /// Whether each of them was told yes. Nobody was told anything whose process was gone before.
    fn yes(&self, asks: &[Ask]) -> Vec<Option<bool>> {
        asks.iter().map(|ask| self.world.said.get(&ask.number).map(|said| is_yes(said))).collect()
    }

    /// Whether somebody was told that nobody knows what became of the payment.
    fn is_unknown(&self, ask: &Ask) -> bool {
        self.world.said.get(&ask.number).is_some_and(|said| is_unknown(answered(said)))
    }

    /// How the order stands; its units are where that says, and nowhere else.
    fn outcome(&self, order: OrderId) -> (Status, bool) {
        let standing = self.world.order(order).expect("it was placed").standing;
        let sold = if standing.status == Status::Confirmed { WANTED } else { 0 };
        let (available, reserved, committed) = self.world.levels(LAMP);
        assert_eq!((committed, available + reserved + committed), (sold, LAMPS), "{standing:?}");
        (standing.status, standing.is_reacquired)
    }
}

/// Walks all paths of a race, and returns which outcomes came, and how often.
fn all_paths<T: Ord>(run: impl Fn(&mut Guide) -> T) -> BTreeMap<T, usize> {
    let mut outcomes = BTreeMap::new();
    let mut path = Path::default();
    for _ in 0..PATHS_MAX {
        let mut guide = Guide::Path(path);
        *outcomes.entry(run(&mut guide)).or_default() += 1;
        let Guide::Path(walked) = guide else { unreachable!("it was one") };
        match walked.next() {
            Some(next) => path = next,
            None => return outcomes,
        }
    }
    panic!("this race has too many paths to walk all of them");
}

/// Walks some paths of a race, and returns the same.
fn some_paths<T: Ord>(run: impl Fn(&mut Guide) -> T) -> BTreeMap<T, usize> {
    let mut outcomes = BTreeMap::new();
    for seed in 1..=WALKS {
        *outcomes.entry(run(&mut Guide::Chance(Rng::new(seed)))).or_default() += 1;
    }
    outcomes
}

/// All that can happen did, and nothing else.
fn check_outcomes<T: Ord + Copy + Debug>(outcomes: &BTreeMap<T, usize>, expected: &[T]) {
    let expected: BTreeSet<T> = expected.iter().copied().collect();
    assert!(outcomes.keys().eq(&expected), "{outcomes:?}");
}

/// A pending order, and who is after it.
fn order_race(wishes: impl FnOnce(OrderId) -> Vec<AskWish>) -> (Race, OrderId, Vec<Ask>) {
    let mut world = World::stage(1, GENEROUS, LAMPS, 0);
    let order = order_of(&world.ask_through(place(BUYER, Some(vec![some(LAMP, WANTED)]), false)));
    let mut race = Race::new(world);
    let asks = race.send(wishes(order));
    (race, order, asks)
}

/// The same for a reservation.
fn reservation_race(wishes: impl FnOnce(ReservationId) -> Vec<AskWish>) -> (Race, ReservationId, Vec<Ask>) {
    let mut world = World::stage(1, GENEROUS, LAMPS, 0);
    let id = reservation_of(&world.ask_through(reserve(BUYER, vec![some(LAMP, WANTED)])));
    let mut race = Race::new(world);
    let asks = race.send(wishes(id));
    (race, id, asks)
}

fn cancel(order: OrderId) -> AskWish {
    AskWish::Cancel(Who::Owner(BUYER), order)
}

fn confirm_and_cancel(order: OrderId) -> Vec<AskWish> {
    vec![AskWish::ConfirmOrder(order), cancel(order)]
}

fn confirm_and_release(id: ReservationId) -> Vec<AskWish> {
    let who = Who::Owner(BUYER);
    vec![AskWish::ConfirmReservation(who, id), AskWish::Release(who, id)]
}

#[test]
fn confirm_against_cancel_against_expiry_has_one_outcome_on_every_path() {
    let outcomes = all_paths(|guide| {
        let (mut race, order, asks) = order_race(|order| {
            vec![AskWish::ConfirmOrder(order), cancel(order), AskWish::ConfirmOrder(order)]
        });
        race.run(guide);
        let outcome = race.outcome(order);
        match (outcome.0, &race.yes(&asks)[..]) {
            (Status::Confirmed, [Some(true), Some(false), Some(true)]) => {}
            (Status::Canceled, [Some(false), Some(true), Some(false)]) => {}
            other => panic!("confirmed and canceled were answered otherwise: {other:?}"),
        }
        outcome
    });
    // The late confirm finds the units free, and takes them again.
    let expected = [(Status::Confirmed, false), (Status::Confirmed, true), (Status::Canceled, false)];
    check_outcomes(&outcomes, &expected);
}

#[test]
fn process_that_is_gone_at_any_step_of_that_race_leaves_one_outcome_on_every_path() {
    let outcomes = all_paths(|guide| {
        let (mut race, order, asks) = order_race(confirm_and_cancel);
        race.may_crash = true;
        race.run(guide);
        let outcome = race.outcome(order);
        match (outcome.0, &race.yes(&asks)[..]) {
            (Status::Confirmed, [None | Some(true), None | Some(false)]) => {}
            (Status::Canceled, [None | Some(false), None | Some(true)]) => {}
            (Status::Expired, [None, None | Some(false)]) => {}
            other => panic!("confirmed and canceled were answered otherwise: {other:?}"),
        }
        outcome.0
    });
    check_outcomes(&outcomes, &[Status::Confirmed, Status::Canceled, Status::Expired]);
}

#[test]
fn confirm_cancel_and_ship_of_a_paid_order_have_one_outcome_on_every_path() {
    let outcomes = all_paths(|guide| {
        let (mut race, order, asks) = order_race(|order| {
            let by_admin = AskWish::Cancel(Who::Admin, order);
            vec![AskWish::Pay(Who::Owner(BUYER), order), by_admin, AskWish::Fulfil(order)]
        });
        race.deadline = None;
        race.run(guide);
        let (available, reserved, committed) = race.world.levels(LAMP);
        let (status, payment) = race.world.standing(order);
        let shipped = if status == Status::Fulfilled { WANTED } else { 0 };
        let sold = if status == Status::Confirmed { WANTED } else { 0 };
        assert_eq!((available + committed, reserved, committed), (LAMPS - shipped, 0, sold));
        let is_ours = race.world.around.bank.vault().has(order);
        assert_eq!(is_ours, payment == Payment::Paid);
        assert_eq!(race.yes(&asks)[1], Some(status == Status::Canceled));
        assert_eq!(race.yes(&asks)[2], Some(status == Status::Fulfilled));
        (status, payment)
    });
    let expected = [
        (Status::Fulfilled, Payment::Paid),
        (Status::Canceled, Payment::Pending),
        (Status::Canceled, Payment::Refunded),
    ];
    check_outcomes(&outcomes, &expected);
}

#[test]
fn reservation_that_is_confirmed_released_and_due_at_once_ends_once_on_every_path() {
    for may_crash in [false, true] {
        let outcomes = all_paths(|guide| {
            let (mut race, id, asks) = reservation_race(confirm_and_release);
            race.may_crash = may_crash;
            race.run(guide);
            let found = race.world.process.door.look(id.0, |books| books.reservations.get(id).cloned());
            let state = found.expect("it is remembered for a day").hold.state;
            let sold = if state == State::Confirmed { WANTED } else { 0 };
            assert_eq!(race.world.levels(LAMP), (LAMPS - sold, 0, sold));
            match (state, &race.yes(&asks)[..]) {
                (State::Confirmed, [None | Some(true), None | Some(false)]) => {}
                // Whoever gives back what expired is told yes: its units are back.
                (State::Released | State::Expired, [None | Some(false), None | Some(true)]) => {}
                other => panic!("confirmed and released were answered otherwise: {other:?}"),
            }
            assert!(may_crash || race.yes(&asks).iter().all(Option::is_some));
            state
        });
        check_outcomes(&outcomes, &[State::Confirmed, State::Released, State::Expired]);
    }
}

/// A cart's last units: ordered, taken out, and due.
#[test]
fn cart_that_is_ordered_cleared_and_due_at_once_has_its_units_once_on_every_path() {
    let outcomes = all_paths(|guide| {
        let mut world = World::stage(1, GENEROUS, LAMPS, 0);
        world.ask_through(add(BUYER, LAMP, LAMPS));
        let lapse = world.process.next_deadline().expect("the cart holds units");
        let mut race = Race::new(world);
        race.deadline = Some(lapse);
        let asks = race.send(vec![place(BUYER, None, false), AskWish::Clear(BUYER, None)]);
        race.run(guide);
        let yes = race.yes(&asks);
        assert_eq!(yes[1], Some(true), "a cart can always be cleared");
        let held = race.world.levels(LAMP).1;
        assert_eq!(race.world.levels(LAMP), (LAMPS - held, held, 0));
        (yes[0] == Some(true), held)
    });
    // The order's own deadline comes before that of the cart, unless it is placed after both.
    check_outcomes(&outcomes, &[(true, 0), (true, LAMPS), (false, 0)]);
}

/// What somebody has, their record gives away, and nothing before it: a rival wants the units that come free, and the
/// process may be gone at any step. The way back and the way after a crash are open on every path.
fn rival_waits(
    begin: impl Fn(&mut World),
    wish: impl Fn() -> AskWish,
    rivals: u32,
) -> BTreeMap<(u32, u32), usize> {
    all_paths(|guide| {
        let mut world = World::stage(1, GENEROUS, LAMPS, 0);
        begin(&mut world);
        let mut race = Race::new(world);
        (race.deadline, race.may_crash) = (None, true);
        let asks = race.send(vec![wish(), reserve(RIVAL, vec![some(LAMP, rivals)])]);
        race.run(guide);
        let (available, reserved, committed) = race.world.levels(LAMP);
        assert_eq!((available + reserved, committed), (LAMPS, 0));
        let rival = race.world.process.door.books().iter().map(|books| units_of_rival(books)).sum();
        assert!(race.yes(&asks[1..]) != [Some(true)] || rival == rivals, "what the rival was told is so");
        (reserved - rival, rival)
    })
}

fn units_of_rival(books: &Books) -> u32 {
    let is_meant = |it: &&Reservation| it.owner == RIVAL && it.hold.state == State::Active;
    let all = books.reservations.iter().map(|(_, reservation)| reservation).filter(is_meant);
    all.flat_map(|reservation| &reservation.items).map(|item| item.quantity.get()).sum()
}

#[test]
fn units_of_a_cart_come_free_after_its_record_on_every_path() {
    let begin = |world: &mut World| drop(world.ask_through(add(BUYER, LAMP, LAMPS)));
    let cleared = rival_waits(begin, || AskWish::Clear(BUYER, None), WANTED);
    check_outcomes(&cleared, &[(0, 0), (0, WANTED), (LAMPS, 0)]);
    let fewer = || AskWish::Change(BUYER, LAMP, VariantNo(0), Change::Set(some(LAMP, 1).quantity), None);
    check_outcomes(&rival_waits(begin, fewer, WANTED), &[(1, 0), (1, WANTED), (LAMPS, 0)]);
}

#[test]
fn units_that_an_order_leaves_over_come_free_after_its_record_on_every_path() {
    let begin = |world: &mut World| drop(world.ask_through(add(BUYER, LAMP, LAMPS)));
    let order = || place(BUYER, Some(vec![some(LAMP, WANTED)]), false);
    let outcomes = rival_waits(begin, order, LAMPS - WANTED);
    check_outcomes(&outcomes, &[(WANTED, 0), (WANTED, LAMPS - WANTED), (LAMPS, 0)]);
}

#[test]
fn units_of_a_merged_cart_come_free_after_the_customers_record_on_every_path() {
    let begin = |world: &mut World| {
        world.ask_through(add(GUEST, LAMP, LAMPS));
        world.reserve_on(LAMP, ReserveOn::Checkout);
    };
    let merge = || AskWish::Merge { guest: GUEST, customer: CUSTOMER };
    let outcomes = rival_waits(begin, merge, WANTED);
    check_outcomes(&outcomes, &[(0, 0), (0, WANTED), (LAMPS, 0)]);
}

/// Two payments, a cancelation by an admin, the deadline, and a rival who leaves too few; the bank answers late, and
/// the process may be gone.
#[test]
fn late_payment_has_the_units_or_its_money_back_whoever_else_wants_them() {
    let outcomes = some_paths(|guide| {
        let mut world = World::stage(1, Script { is_late: true, ..GENEROUS }, LAMPS, 0);
        let order = order_of(&world.ask_through(place(BUYER, Some(vec![some(LAMP, WANTED)]), false)));
        let mut race = Race::new(world);
        race.may_crash = true;
        let pay = || AskWish::Pay(Who::Owner(BUYER), order);
        let rival = reserve(RIVAL, vec![some(LAMP, LAMPS - WANTED + 1)]);
        let asks = race.send(vec![pay(), AskWish::Cancel(Who::Admin, order), rival, pay()]);
        race.run(guide);
        let outcome = race.outcome(order);
        let (_, payment) = race.world.standing(order);
        let yes = race.yes(&asks);
        assert!(outcome.0 != Status::Confirmed || yes[2] != Some(true) || outcome.1, "sold twice: {yes:?}");
        let is_ours = race.world.around.bank.vault().has(order);
        // Money whose answer nobody heard, or too late, is with the bank until somebody pays again.
        let is_unheard = race.has_crashed || asks.iter().any(|ask| race.is_unknown(ask));
        assert!(is_ours == (payment == Payment::Paid) || is_ours && is_unheard, "{outcome:?}, {payment:?}");
        (outcome, payment)
    });
    assert!(outcomes.len() >= 6, "all that can happen happens: {outcomes:?}");
}
