//! Both queues against a naive model: random deeds, and after each the same figures, names and reasons.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use holdfast::mail::queue::{ATTEMPTS_MAX, Delivery, MailQueue, NEVER_BACK, Next};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use crate::bench::{Bench, FOR_EVER, InRedis, OnDisk, figures, mail};

/// Names that are used; few, so that they meet.
const NAMES: u8 = 6;
const ALL: usize = 100;
const WHY: &str = "no route";

#[derive(Clone, Copy, Debug)]
enum Deed {
    Put(u8),
    /// Takes so many; from others as well, then all there are.
    Take(usize),
    TakeOver,
    Sent(u8),
    /// Of all deliveries so far, old ones included, counted from the last.
    Failed(usize, Then),
    Forget(u8),
    Retry(Option<u8>),
}

#[derive(Clone, Copy, Debug)]
enum Then {
    AtOnce,
    Later,
    Dead,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    Ready,
    /// The how manieth delivery of all.
    Taken(usize),
    Due,
    Later,
    Dead(&'static str),
    Sent,
}

#[derive(Default)]
struct Model {
    mails: BTreeMap<String, (Place, u32)>,
    deliveries: Vec<Delivery>,
}

impl Model {
    fn count(&self, is_wanted: impl Fn(Place) -> bool) -> u64 {
        u64::try_from(self.mails.values().filter(|(place, _)| is_wanted(*place)).count()).expect("it fits")
    }

    fn figures(&self) -> [u64; 5] {
        [
            self.count(|place| place == Place::Ready),
            self.count(|place| matches!(place, Place::Taken(_))),
            self.count(|place| matches!(place, Place::Due | Place::Later)),
            self.count(|place| matches!(place, Place::Dead(_))),
            self.count(|place| place == Place::Sent),
        ]
    }

    /// What is due is ready as soon as anybody takes; so is what is taken over, but for its last attempt.
    fn come_due(&mut self, is_take_over: bool) {
        for (place, attempts) in self.mails.values_mut() {
            match place {
                Place::Due => *place = Place::Ready,
                Place::Taken(_) if is_take_over && *attempts == ATTEMPTS_MAX => {
                    *place = Place::Dead(NEVER_BACK)
                }
                Place::Taken(_) if is_take_over => *place = Place::Ready,
                _ => {}
            }
        }
    }

    fn took(&mut self, taken: Vec<Delivery>, count: usize) {
        let ready = usize::try_from(self.count(|place| place == Place::Ready)).expect("it fits");
        assert_eq!(taken.len(), ready.min(count));
        for delivery in taken {
            let (place, attempts) = self.mails.get_mut(&delivery.mail.id).expect("it was put in");
            assert_eq!((*place, delivery.attempt), (Place::Ready, *attempts + 1), "{}", delivery.mail.id);
            (*place, *attempts) = (Place::Taken(self.deliveries.len()), delivery.attempt);
            self.deliveries.push(delivery);
        }
    }

    fn failed(&mut self, number: usize, then: Then) {
        let delivery = &self.deliveries[number];
        if let Some((place, attempts)) = self.mails.get_mut(&delivery.mail.id)
            && *place == Place::Taken(number)
        {
            *place = match then {
                _ if *attempts == ATTEMPTS_MAX => Place::Dead(WHY),
                Then::Dead => Place::Dead(WHY),
                Then::AtOnce => Place::Due,
                Then::Later => Place::Later,
            };
        }
    }

    fn retried(&mut self, name: Option<&str>) -> usize {
        let mut count = 0;
        for (id, (place, attempts)) in &mut self.mails {
            if matches!(place, Place::Dead(_)) && name.is_none_or(|name| name == id) {
                (*place, *attempts) = (Place::Ready, 0);
                count += 1;
            }
        }
        count
    }
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let then = prop_oneof![3 => Just(Then::AtOnce), 1 => Just(Then::Later), 1 => Just(Then::Dead)];
    let deed = prop_oneof![
        4 => (0..NAMES).prop_map(Deed::Put),
        4 => (1..4_usize).prop_map(Deed::Take),
        2 => Just(Deed::TakeOver),
        2 => (0..NAMES).prop_map(Deed::Sent),
        5 => (0..4_usize, then).prop_map(|(back, then)| Deed::Failed(back, then)),
        2 => (0..NAMES).prop_map(Deed::Forget),
        1 => proptest::option::of(0..NAMES).prop_map(Deed::Retry),
    ];
    proptest::collection::vec(deed, 1..60)
}

fn name(number: u8) -> String {
    format!("m{number}")
}

async fn act<Q: MailQueue>(queue: &Q, greedy: &Q, model: &mut Model, deed: Deed) {
    let now = Duration::ZERO;
    match deed {
        Deed::Put(number) => {
            let is_new = !model.mails.contains_key(&name(number));
            assert_eq!(queue.put(&[mail(&name(number))]).await.expect("it is put"), usize::from(is_new));
            model.mails.entry(name(number)).or_insert((Place::Ready, 0));
        }
        Deed::Take(count) => {
            model.come_due(false);
            model.took(queue.take(count, now).await.expect("it takes"), count);
        }
        Deed::TakeOver => {
            model.come_due(true);
            model.took(greedy.take(ALL, now).await.expect("it takes"), ALL);
        }
        Deed::Sent(number) => {
            queue.sent(&[name(number)]).await.expect("it is noted");
            model.mails.insert(name(number), (Place::Sent, 0));
        }
        Deed::Failed(back, then) => {
            let Some(number) = model.deliveries.len().checked_sub(back + 1) else { return };
            let next = match then {
                Then::AtOnce => Next::Again(now),
                Then::Later => Next::Again(FOR_EVER),
                Then::Dead => Next::Dead,
            };
            queue.failed(&model.deliveries[number], WHY, next).await.expect("it is noted");
            model.failed(number, then);
        }
        Deed::Forget(number) => {
            queue.forget(&[name(number)]).await.expect("it is noted");
            if model.mails.get(&name(number)).is_some_and(|(place, _)| *place == Place::Sent) {
                model.mails.remove(&name(number));
            }
        }
        Deed::Retry(which) => {
            let named = which.map(|number| vec![name(number)]);
            let count = queue.retry(named.as_deref()).await.expect("it is noted");
            assert_eq!(count, model.retried(which.map(name).as_deref()));
        }
    }
}

async fn compare<Q: MailQueue>(queue: &Q, model: &Model) {
    assert_eq!(figures(queue).await, model.figures());
    let sent = queue.sent_ids(ALL, Duration::ZERO).await.expect("it tells");
    let expected = model.mails.iter().filter(|(_, (place, _))| *place == Place::Sent);
    assert_eq!(sent.iter().collect::<BTreeSet<_>>(), expected.map(|(id, _)| id).collect());
    let dead = queue.dead(ALL).await.expect("it tells");
    let told: BTreeSet<_> =
        dead.iter().map(|dead| (dead.id.as_str(), dead.attempts, dead.why.as_str())).collect();
    let expected = model.mails.iter().filter_map(|(id, (place, attempts))| match place {
        Place::Dead(why) => Some((id.as_str(), *attempts, *why)),
        _ => None,
    });
    assert_eq!(told, expected.collect());
}

/// Tries random deeds; `empty` makes a bench without mails for each case.
fn try_all<B: Bench>(cases: u32, mut empty: impl FnMut() -> B) {
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("it starts");
    let empty = std::cell::RefCell::new(&mut empty);
    let tried = TestRunner::new(config).run(&deeds(), |deeds| {
        let bench = (empty.borrow_mut())();
        runtime.block_on(async {
            let (queue, greedy) = (bench.worker(FOR_EVER), bench.worker(Duration::ZERO));
            let mut model = Model::default();
            for deed in deeds {
                act(&queue, &greedy, &mut model, deed).await;
                compare(&queue, &model).await;
            }
        });
        Ok(())
    });
    tried.unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn queue_on_disk_does_what_the_model_does() {
    try_all(48, OnDisk::new);
}

#[test]
fn queue_in_redis_does_what_the_model_does() {
    try_all(48, InRedis::new);
}
