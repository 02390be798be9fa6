//! The dispatcher between a real engine and a real queue on disk, which fails, forgets and answers late as a test says.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use holdfast_actors::domain::account::{self, Account, Tier};
use holdfast_actors::domain::product::{Description, NewProduct, NewVariant, VariantDescription};
use holdfast_actors::domain::{
    AccountId, Currency, Money, OrderId, Owner, ProductId, Quantity, Sku, Timestamp,
};
use holdfast_actors::engine::{Basket, NewOrder, Wanted};
use holdfast_actors::persistence::{CommitterOptions, Folder, JournalId, MemoryDisk};
use holdfast_actors::recovery::recover;
use holdfast_actors::{Actor, Context, Options, RequestId, SimulatedGateway, SystemClock, Who};
use tempfile::TempDir;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use super::*;
use crate::mail::Kind;
use crate::mail::queue::disk::DiskQueue;
use crate::mail::queue::{Dead, Delivery, Next, Stat};

/// How long anything may take, beside a compiler on both cores.
const PATIENCE_MAX: Duration = Duration::from_secs(60);

const CLAIM_AFTER: Duration = Duration::from_secs(600);

const ADA: AccountId = AccountId(0x0193 << 112 | 1);

/// A queue that the test can take away, and put another in its place.
#[derive(Clone)]
struct Relay {
    current: Rc<RefCell<Option<DiskQueue>>>,
    /// What is put in is in, and the answer is lost.
    loses_answers: Rc<Cell<bool>>,
    lost: Rc<Notify>,
}

impl Relay {
    fn new(queue: Option<DiskQueue>) -> Self {
        let current = Rc::new(RefCell::new(queue));
        Self { current, loses_answers: Rc::default(), lost: Rc::default() }
    }

    fn now(&self) -> Result<DiskQueue, QueueError> {
        self.current.borrow().clone().ok_or_else(gone)
    }
}

fn gone() -> QueueError {
    QueueError::Redis(redis::RedisError::from((redis::ErrorKind::Io, "nobody listens")))
}

impl MailQueue for Relay {
    async fn put(&self, mails: &[Mail]) -> Result<usize, QueueError> {
        let count = self.now()?.put(mails).await?;
        if self.loses_answers.get() {
            self.lost.notify_one();
            return Err(gone());
        }
        Ok(count)
    }

    async fn take(&self, count: usize, wait: Duration) -> Result<Vec<Delivery>, QueueError> {
        self.now()?.take(count, wait).await
    }

    async fn sent(&self, ids: &[String]) -> Result<(), QueueError> {
        self.now()?.sent(ids).await
    }

    async fn failed(&self, delivery: &Delivery, why: &str, next: Next) -> Result<(), QueueError> {
        self.now()?.failed(delivery, why, next).await
    }

    async fn sent_ids(&self, count: usize, _: Duration) -> Result<Vec<String>, QueueError> {
        // Not for long: another queue may be in its place soon.
        self.now()?.sent_ids(count, Duration::from_millis(10)).await
    }

    async fn forget(&self, ids: &[String]) -> Result<(), QueueError> {
        self.now()?.forget(ids).await
    }

    async fn life(&self) -> Result<String, QueueError> {
        self.now()?.life().await
    }

    async fn stat(&self) -> Result<Stat, QueueError> {
        self.now()?.stat().await
    }

    async fn dead(&self, count: usize) -> Result<Vec<Dead>, QueueError> {
        self.now()?.dead(count).await
    }

    async fn retry(&self, ids: Option<&[String]>) -> Result<usize, QueueError> {
        self.now()?.retry(ids).await
    }
}

fn start(disk: &MemoryDisk) -> Engine {
    let mut journal = disk.journal();
    let recovered = recover(&mut journal).expect("the journal is sound");
    let options = Options {
        shards: 1,
        hosts: Vec::new(),
        idle: Duration::from_secs(60),
        admitted_max: 1_000,
        clock: Arc::new(SystemClock),
        ids: Arc::new(|| crate::ids::make().as_u128()),
        gateway: Arc::new(SimulatedGateway),
        committer: CommitterOptions::new(|error| panic!("{error}")),
        checkpoints: None,
    };
    Engine::start(Box::new(journal), None, recovered, options)
}

fn engine() -> (Engine, MemoryDisk) {
    let disk = MemoryDisk::new(JournalId([7; 16]), 4);
    (start(&disk), disk)
}

fn queue() -> (DiskQueue, TempDir) {
    let place = tempfile::tempdir().expect("there is room");
    let folder = Folder::open(place.path()).expect("the folder is ours");
    (DiskQueue::open(&folder, CLAIM_AFTER).expect("it opens"), place)
}

fn by(actor: Actor) -> Context {
    Context { request_id: RequestId::Made(1), actor, key: None }
}

async fn register(engine: &Engine, id: AccountId) {
    let account = Account {
        id,
        email: format!("{:x}@example.org", id.0).into(),
        name: Some("Ada".into()),
        role: account::Role::Customer,
        tier: Tier::Standard,
        password_hash: "".into(),
        created_at: Timestamp::default(),
        version: account::FIRST_VERSION,
    };
    engine.create_account(&by(Actor::Customer(id)), account).await.expect("the email is free");
}

/// An order of a guest, that waits for its money.
async fn place(engine: &Engine) -> OrderId {
    let sku = Sku::new("lamp").expect("letters");
    if engine.find(&sku).is_none() {
        let product = ProductId(crate::ids::make().as_u128());
        engine.create(&by(Actor::System), product, lamp(sku.clone())).await.expect("the sku is free");
    }
    let quantity = Quantity::new(2).expect("in range");
    let order = NewOrder {
        basket: Basket::Lines(vec![Wanted { sku, quantity }]),
        email: Some("guest@example.org".into()),
        shipping_address: None,
        expected_total: None,
        ttl: None,
        payment: None,
    };
    let guest = Owner::Guest(5);
    engine.place(&by(Actor::Guest(5)), guest, order).await.expect("there are enough").value.id
}

fn lamp(sku: Sku) -> NewProduct {
    let description = Description::plain("Lamp", Money(1999), Currency::new("EUR").expect("three capitals"));
    let variant = VariantDescription::plain(sku);
    let variants = vec![NewVariant { description: Arc::new(variant), initial_stock: Quantity::new(100) }];
    NewProduct { description: Arc::new(description), is_simple: true, variants }
}

/// A dispatcher at work, until it is stopped.
struct AtWork {
    counters: Arc<Counters>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl AtWork {
    fn begin(engine: &Engine, queue: &Relay, grace: Duration) -> Self {
        let (stop, stopped) = oneshot::channel::<()>();
        let counters = Arc::new(Counters::default());
        let stopped = async {
            stopped.await.expect("the test says so");
        };
        let (engine, queue) = (engine.clone(), queue.clone());
        let task = actix_web::rt::spawn(run(engine, queue, Arc::clone(&counters), grace, stopped));
        Self { counters, stop, task }
    }

    async fn end(self) {
        self.stop.send(()).expect("it is at work");
        timeout(PATIENCE_MAX, self.task).await.expect("it stops").expect("it does not panic");
    }
}

/// The next mail, for the only worker.
async fn take(queue: &DiskQueue) -> Mail {
    let taken = queue.take(1, PATIENCE_MAX).await.expect("the queue works");
    taken.into_iter().next().expect("one comes").mail
}

/// Waits until a value is this one.
async fn until<T: PartialEq + fmt::Debug>(wanted: T, look: impl AsyncFn() -> T) {
    let deadline = Instant::now() + PATIENCE_MAX;
    loop {
        let found = look().await;
        if found == wanted {
            return;
        }
        assert!(Instant::now() < deadline, "it is {found:?} and never {wanted:?}");
        tokio::task::yield_now().await;
    }
}

/// Waits until everything is settled and forgotten.
async fn until_all_is_done(engine: &Engine, queue: &DiskQueue) {
    let look = async || (engine.unsent_count(), queue.stat().await.expect("the queue works"));
    until((0, Stat::default()), look).await;
}

#[actix_web::test]
async fn mail_is_queued_with_all_that_it_tells_and_settled_when_it_was_sent() {
    let ((engine, disk), (queue, _place)) = (engine(), queue());
    register(&engine, ADA).await;
    let at_work = AtWork::begin(&engine, &Relay::new(Some(queue.clone())), Duration::ZERO);
    let welcome = take(&queue).await;
    assert_eq!(welcome.id, "usr_01930000-0000-0000-0000-000000000001.welcome");
    assert_eq!((welcome.kind, welcome.name.as_deref()), (Kind::Welcome, Some("Ada")));
    assert_eq!((welcome.to, welcome.order), (format!("{:x}@example.org", ADA.0), None));

    let order = place(&engine).await;
    engine
        .cancel_order(&by(Actor::Admin(ADA)), Who::Admin, order, Some("broken".into()))
        .await
        .expect("it is");
    let canceled = take(&queue).await;
    assert_eq!((canceled.kind, &*canceled.to), (Kind::OrderCanceled, "guest@example.org"));
    let told = canceled.order.expect("it is about one");
    assert_eq!(told.id, order_text(order));
    assert_eq!(canceled.id, format!("{}.order_canceled", told.id));
    assert_eq!(told.number, crate::http::orders::number(order));
    let line = &told.lines[0];
    let line = (&*line.sku, &*line.name, line.quantity, line.unit_price, line.total);
    assert_eq!(line, ("lamp", "Lamp", 2, 1999, 3998));
    assert_eq!((told.subtotal, told.discount, told.total, &*told.currency), (3998, 0, 3998, "EUR"));
    assert_eq!((told.canceled.as_deref(), told.reason.as_deref()), (Some("by_admin"), Some("broken")));
    assert_eq!(told.payment_status, "pending");

    queue.sent(&[welcome.id, canceled.id]).await.expect("the queue works");
    until_all_is_done(&engine, &queue).await;
    let figures = at_work.counters.read();
    assert_eq!((figures.queued, figures.settled, figures.failures), (2, 2, 0));
    at_work.end().await;
    engine.stop().map(drop).expect("the journal is whole");
    assert_eq!(start(&disk.crash()).unsent_count(), 0, "for good");
}

fn order_text(order: OrderId) -> String {
    crate::http::view::order_id(order).to_string()
}

#[actix_web::test]
async fn queue_that_fails_is_tried_again_and_nothing_is_lost() {
    let ((engine, _disk), (queue, _place)) = (engine(), queue());
    let relay = Relay::new(None);
    let at_work = AtWork::begin(&engine, &relay, Duration::ZERO);
    register(&engine, ADA).await;
    until(true, async || at_work.counters.read().failures > 3).await;
    assert_eq!(engine.unsent_count(), 1);
    *relay.current.borrow_mut() = Some(queue.clone());
    let welcome = take(&queue).await;
    // It fails again with a mail in a worker's hands, and with one on its way.
    *relay.current.borrow_mut() = None;
    let order = place(&engine).await;
    engine.confirm_order(&by(Actor::Admin(ADA)), order, None).await.expect("it waits for its money");
    let before = at_work.counters.read().failures;
    until(true, async || at_work.counters.read().failures > before + 3).await;
    queue.sent(&[welcome.id]).await.expect("the queue works for the worker");
    *relay.current.borrow_mut() = Some(queue.clone());
    let confirmed = take(&queue).await;
    assert_eq!(confirmed.kind, Kind::OrderConfirmed);
    queue.sent(&[confirmed.id]).await.expect("the queue works");
    until_all_is_done(&engine, &queue).await;
    assert_eq!(at_work.counters.read().queued, 2);
    at_work.end().await;
}

/// A worker has sent a mail and the queue forgot that it did, and everything else: nobody is written to twice, and nobody
/// is left out.
#[actix_web::test]
async fn queue_that_lost_everything_gets_what_is_unsent_again() {
    let ((engine, _disk), (queue, _place), (empty, _other)) = (engine(), queue(), queue());
    let relay = Relay::new(Some(queue.clone()));
    let at_work = AtWork::begin(&engine, &relay, GRACE);
    register(&engine, ADA).await;
    for number in 2..600 {
        register(&engine, AccountId(ADA.0 + number)).await;
    }
    let taken = take(&queue).await;
    until(599, async || at_work.counters.read().queued).await;
    // Within the grace the worker says again what it sent.
    empty.sent(std::slice::from_ref(&taken.id)).await.expect("the queue works");
    let lost_at = Instant::now();
    *relay.current.borrow_mut() = Some(empty.clone());
    let mut again = Vec::new();
    while again.len() < 598 {
        let found = empty.take(1_000, PATIENCE_MAX).await.expect("the queue works");
        assert!(!found.is_empty(), "only {} come", again.len());
        assert!(lost_at.elapsed() >= GRACE, "workers had no time to say what they sent");
        again.extend(found.into_iter().map(|delivery| delivery.mail.id));
    }
    assert!(!again.contains(&taken.id), "it was sent");
    empty.sent(&again).await.expect("the queue works");
    until_all_is_done(&engine, &empty).await;
    assert_eq!(at_work.counters.read().settled, 599);
    at_work.end().await;
}

/// The answer to a put is lost; the mail is sent, settled and forgotten before it is put in once more.
#[actix_web::test]
async fn mail_that_was_sent_and_forgotten_is_not_put_in_again() {
    let ((engine, _disk), (queue, _place)) = (engine(), queue());
    let relay = Relay::new(Some(queue.clone()));
    let at_work = AtWork::begin(&engine, &relay, Duration::ZERO);
    relay.loses_answers.set(true);
    register(&engine, ADA).await;
    relay.lost.notified().await;
    let welcome = take(&queue).await;
    queue.sent(&[welcome.id]).await.expect("the queue works");
    until_all_is_done(&engine, &queue).await;
    relay.loses_answers.set(false);
    let other = AccountId(ADA.0 + 1);
    register(&engine, other).await;
    let next = take(&queue).await;
    assert_eq!(next.id, contents::name(About::Registered(other)));
    queue.sent(&[next.id]).await.expect("the queue works");
    until_all_is_done(&engine, &queue).await;
    at_work.end().await;
}

#[actix_web::test]
async fn unsent_mails_of_another_process_are_put_in_once_and_those_it_sent_are_settled() {
    let ((first, disk), (queue, _place)) = (engine(), queue());
    let relay = Relay::new(Some(queue.clone()));
    for number in 1..=3 {
        register(&first, AccountId(ADA.0 + number)).await;
    }
    let at_work = AtWork::begin(&first, &relay, Duration::ZERO);
    let mut taken = Vec::new();
    for _ in 0..3 {
        taken.push(take(&queue).await.id);
    }
    at_work.end().await;
    // Nobody hears of it before the crash.
    queue.sent(&taken[..2]).await.expect("the queue works");
    drop(first);
    let second = start(&disk.crash());
    assert_eq!(second.unsent_count(), 3);
    let at_work = AtWork::begin(&second, &relay, Duration::ZERO);
    until(1, async || second.unsent_count()).await;
    let look = async || queue.stat().await.expect("the queue works");
    until(Stat { taken: 1, ..Stat::default() }, look).await;
    assert_eq!(at_work.counters.read().queued, 0, "the queue had all of them");
    // A name that is nobody's is forgotten and holds up nobody.
    queue.sent(&["ord_x.parcel".into(), taken[2].clone()]).await.expect("the queue works");
    until_all_is_done(&second, &queue).await;
    at_work.end().await;
}

/// What one shop's dispatcher forgot of another's mails would be put in again by that one, and sent twice.
#[actix_web::test]
async fn mails_of_another_shop_in_the_same_queue_are_left_to_it() {
    let ((ours, _disk), (theirs, _other_disk), (queue, _place)) = (engine(), engine(), queue());
    let relay = Relay::new(Some(queue.clone()));
    let other = AccountId(ADA.0 + 1);
    register(&theirs, other).await;
    let at_work = AtWork::begin(&theirs, &relay, Duration::ZERO);
    let strange = take(&queue).await.id;
    at_work.end().await;
    queue.sent(std::slice::from_ref(&strange)).await.expect("the queue works");

    register(&ours, ADA).await;
    let at_work = AtWork::begin(&ours, &relay, Duration::ZERO);
    let own = take(&queue).await.id;
    queue.sent(&[own]).await.expect("the queue works");
    let look = async || (ours.unsent_count(), queue.stat().await.expect("the queue works").sent);
    until((0, 1), look).await;
    at_work.end().await;
    let left = queue.sent_ids(10, Duration::ZERO).await.expect("the queue works");
    assert_eq!(left, [strange]);

    let at_work = AtWork::begin(&theirs, &relay, Duration::ZERO);
    until_all_is_done(&theirs, &queue).await;
    assert_eq!(at_work.counters.read().queued, 0, "the queue knew it as sent");
    at_work.end().await;
}
