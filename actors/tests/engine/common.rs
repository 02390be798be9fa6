//! What the tests share: a shop on a disk in memory, a journal that waits for leave, and words to ask with.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::Poll;
use std::time::Duration;

use holdfast_actors::domain::idempotency::{Fingerprint, Key};
use holdfast_actors::domain::product::{
    Command, Description, Line, NewProduct, NewVariant, Reason, ReserveOn, Status, VariantDescription,
    VariantNo, invariant,
};
use holdfast_actors::domain::{
    Buyer, Currency, Millis, Money, OrderId, Product, ProductId, Quantity, ReservationId, Sku, Timestamp,
};
use holdfast_actors::persistence::{
    AppendError, CommitterOptions, EncodedFrame, Journal, JournalId, MemoryDisk, MemoryJournal,
};
use holdfast_actors::recovery::recover;
use holdfast_actors::{
    Actor, Answer, Context, Engine, Failure, ManualClock, Options, Outcome, ProductFacts, Purchased,
    RequestId, RequestKey,
};
use tokio::sync::oneshot;

/// When every story begins.
pub(crate) const NOW: Timestamp = Timestamp(1_700_000_000_000);

/// How long a hold lives unless the story says otherwise.
pub(crate) const HOLD: Millis = Millis::from_secs(900);

/// How often a condition is looked at before a test gives up.
const LOOKS_MAX: u32 = 2_000_000;

/// An engine with the disk and the clock that it runs on.
pub(crate) struct Shop {
    pub(crate) engine: Engine,
    pub(crate) disk: MemoryDisk,
    pub(crate) clock: ManualClock,
}

impl Shop {
    pub(crate) fn open() -> Self {
        Self::open_with(|_| {})
    }

    pub(crate) fn open_with(tune: impl FnOnce(&mut Options)) -> Self {
        Self::on(MemoryDisk::new(JournalId([7; 16]), 16), ManualClock::new(NOW), tune)
    }

    pub(crate) fn on(disk: MemoryDisk, clock: ManualClock, tune: impl FnOnce(&mut Options)) -> Self {
        let mut journal = disk.journal();
        let recovered = recover(&mut journal).expect("the journal is sound");
        let mut options = options(&clock);
        tune(&mut options);
        let engine = Engine::start(Box::new(journal), None, recovered, options);
        Self { engine, disk, clock }
    }

    /// The same on a journal that finishes no append without leave.
    pub(crate) fn held(tune: impl FnOnce(&mut Options)) -> (Self, Holder) {
        let (disk, clock) = (MemoryDisk::new(JournalId([7; 16]), 16), ManualClock::new(NOW));
        let mut journal = disk.journal();
        let recovered = recover(&mut journal).expect("the journal is empty");
        let mut options = options(&clock);
        tune(&mut options);
        let (journal, holder) = HeldJournal::new(journal);
        let engine = Engine::start(Box::new(journal), None, recovered, options);
        (Self { engine, disk, clock }, holder)
    }

    /// Stops and starts again on the same disk.
    pub(crate) fn reopen(self) -> Self {
        self.reopen_with(|_| {})
    }

    pub(crate) fn reopen_with(self, tune: impl FnOnce(&mut Options)) -> Self {
        self.engine.stop().map(drop).expect("the journal is whole");
        Self::on(self.disk, self.clock, tune)
    }

    /// Stops, and proves that the journal tells what memory says (INV-7) and that the books balance.
    pub(crate) async fn close(self) -> BTreeMap<ProductId, Product> {
        let state = self.engine.state().await.expect("the shards run");
        self.engine.stop().map(drop).expect("the journal is whole");
        assert_eq!(replay(&self.disk), state, "INV-7: replay gives the state in memory");
        for product in state.values() {
            assert_eq!(invariant::check(product), Ok(()));
        }
        state
    }

    pub(crate) async fn make(&self, sku: &str, stock: u32) -> ProductId {
        let id = fresh_product();
        let made = self.engine.create(&context(), id, new_product(sku, stock)).await;
        made.expect("the sku is free");
        id
    }

    pub(crate) async fn buy(&self, product: ProductId, units: u32) -> Result<Answer<Purchased>, Failure> {
        self.buy_as(&context(), product, units).await
    }

    pub(crate) async fn buy_as(
        &self,
        context: &Context,
        product: ProductId,
        units: u32,
    ) -> Result<Answer<Purchased>, Failure> {
        let order = OrderId(fresh());
        self.engine.purchase(context, product, None, quantity(units), Buyer(1), order).await
    }

    pub(crate) async fn command(
        &self,
        product: ProductId,
        command: Command,
    ) -> Result<Answer<Outcome>, Failure> {
        self.engine.command(&context(), product, command).await
    }

    pub(crate) async fn hold(&self, product: ProductId, units: u32, deadline: Timestamp) -> ReservationId {
        let reservation = ReservationId(fresh());
        let command = reserve(reservation, units, deadline);
        self.command(product, command).await.expect("there is enough");
        reservation
    }

    /// Available, reserved and committed units of the first variant.
    pub(crate) async fn levels(&self, product: ProductId) -> (u32, u32, u32) {
        figures(&self.engine.product(product).await.expect("the product is there"))
    }

    /// Looks at the public figures until they are these; no message goes to the product.
    pub(crate) async fn until_levels(&self, product: ProductId, wanted: (u32, u32, u32)) {
        for _ in 0..LOOKS_MAX {
            if self.levels(product).await == wanted {
                return;
            }
            let_others().await;
        }
        panic!("the figures are {:?}, never {wanted:?}", self.levels(product).await);
    }

    /// Waits until every message sent before has had its turn.
    pub(crate) async fn settle(&self) {
        // Twice: a delivery may wake an actor whose message is then behind the first look.
        for _ in 0..2 {
            self.engine.state().await.expect("the shards run");
        }
    }
}

/// A journal whose appends wait for leave; without a holder it is free.
struct HeldJournal {
    inner: MemoryJournal,
    told: Sender<()>,
    leave: Receiver<Result<(), &'static str>>,
}

/// The other end of a held journal.
pub(crate) struct Holder {
    appends: Receiver<()>,
    leave: Sender<Result<(), &'static str>>,
}

impl HeldJournal {
    fn new(inner: MemoryJournal) -> (Self, Holder) {
        let (told, appends) = channel();
        let (leave, taken) = channel();
        (Self { inner, told, leave: taken }, Holder { appends, leave })
    }
}

impl Journal for HeldJournal {
    fn append(&mut self, frames: &[EncodedFrame]) -> Result<(), AppendError> {
        // A holder that is gone neither listens nor refuses.
        let _unheard = self.told.send(());
        match self.leave.recv().unwrap_or(Ok(())) {
            Ok(()) => self.inner.append(frames),
            Err(what) => Err(AppendError::unknown(frames[0].batch(), what)),
        }
    }
}

impl Holder {
    /// Blocks until an append waits.
    pub(crate) fn append_waits(&self) {
        self.appends.recv().expect("the journal is there");
    }

    /// Lets one append, waiting or next, through.
    pub(crate) fn let_through(&self) {
        self.leave.send(Ok(())).expect("the journal is there");
    }

    /// Lets one append, waiting or next, fail.
    pub(crate) fn fail(&self) {
        self.leave.send(Err("the test says so")).expect("the journal is there");
    }
}

/// Runs a story in an actix system.
pub(crate) fn run<T>(story: impl Future<Output = T>) -> T {
    actix::System::new().block_on(story)
}

/// Runs one story on each of so many threads, beside each other.
pub(crate) async fn on_threads<T, F>(count: u64, story: impl Fn(u64) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: FnOnce() -> Pin<Box<dyn Future<Output = T>>> + Send + 'static,
{
    let mut answers = Vec::new();
    for number in 0..count {
        let (reply, answer) = oneshot::channel();
        let story = story(number);
        let thread = actix::Arbiter::new();
        let has_started = thread.spawn_fn(move || {
            actix::spawn(async move {
                let _unwanted = reply.send(story().await);
            });
        });
        assert!(has_started, "a new arbiter takes work");
        answers.push((thread, answer));
    }
    let mut all = Vec::new();
    for (thread, answer) in answers {
        all.push(answer.await.expect("the story ends well"));
        thread.stop();
    }
    all
}

pub(crate) async fn let_others() {
    std::thread::yield_now();
    tokio::task::yield_now().await;
}

/// Looks at a condition until it holds.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..LOOKS_MAX {
        if holds() {
            return;
        }
        let_others().await;
    }
    panic!("it never came about: {what}");
}

/// Polls once.
pub(crate) async fn look<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    let mut future = future;
    std::future::poll_fn(|ctx| Poll::Ready(future.as_mut().poll(ctx))).await
}

pub(crate) fn replay(disk: &MemoryDisk) -> BTreeMap<ProductId, Product> {
    recover(&mut disk.journal()).expect("the journal is sound").state()
}

pub(crate) fn options(clock: &ManualClock) -> Options {
    Options {
        shards: 2,
        hosts: Vec::new(),
        idle: Duration::from_secs(3600),
        admitted_max: 100_000,
        clock: Arc::new(clock.clone()),
        committer: CommitterOptions::new(|error| eprintln!("the journal failed: {error}")),
    }
}

/// A number that nobody had before.
pub(crate) fn fresh() -> u128 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    u128::from(LAST.fetch_add(1, Ordering::Relaxed) + 1)
}

pub(crate) fn fresh_product() -> ProductId {
    ProductId(fresh() << 64)
}

pub(crate) fn context() -> Context {
    Context { request_id: RequestId::Made(fresh()), actor: Actor::Guest(1), key: None }
}

pub(crate) fn keyed(key: u128, fingerprint: u128) -> Context {
    let key = RequestKey { key: Key(key), fingerprint: Fingerprint(fingerprint) };
    Context { key: Some(key), ..context() }
}

pub(crate) fn quantity(units: u32) -> Quantity {
    Quantity::new(units).expect("in range")
}

pub(crate) fn sku(text: &str) -> Sku {
    Sku::new(text).expect("well formed")
}

pub(crate) fn line(variant: u16, units: u32) -> Line {
    Line { variant: VariantNo(variant), quantity: quantity(units) }
}

pub(crate) fn reserve(reservation: ReservationId, units: u32, deadline: Timestamp) -> Command {
    Command::Reserve { reservation, buyer: Buyer(1), lines: vec![line(0, units)], deadline }
}

pub(crate) fn adjust(delta: i32) -> Command {
    let reason = if delta > 0 { Reason::Received } else { Reason::Damaged };
    Command::Adjust { variant: VariantNo(0), delta, reason, reference: None, note: None }
}

pub(crate) fn description() -> Description {
    Description {
        name: "Lamp".into(),
        text: None,
        status: Status::Active,
        price: Money(1999),
        currency: Currency::new("EUR").expect("three capitals"),
        category_ids: Vec::new(),
        attributes: "{}".into(),
        reserve_on: ReserveOn::Cart,
        reservation_ttl: None,
        per_order_limit: None,
        per_customer_limit: None,
    }
}

pub(crate) fn new_variant(text: &str, stock: u32) -> NewVariant {
    let description = Arc::new(VariantDescription {
        sku: sku(text),
        name: None,
        attributes: "{}".into(),
        price_adjustment: Money(0),
    });
    NewVariant { description, initial_stock: Quantity::new(stock) }
}

pub(crate) fn new_product(sku: &str, stock: u32) -> NewProduct {
    let description = Arc::new(description());
    NewProduct { description, is_simple: true, variants: vec![new_variant(sku, stock)] }
}

pub(crate) fn figures(facts: &ProductFacts) -> (u32, u32, u32) {
    let levels = facts.variants[0].levels;
    (levels.available.0, levels.reserved.0, levels.committed.0)
}
