//! What the tests share: a shop on a disk in memory, threads to ask from, and words to ask with.

pub(crate) mod audit;
pub(crate) mod cuts;
pub(crate) mod every_saga;
pub(crate) mod held;
pub(crate) mod on_disk;
pub(crate) mod picture;
pub(crate) mod repeats;
pub(crate) mod till;
pub(crate) mod trouble;
pub(crate) mod turnstile;
pub(crate) mod wants;

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Once};
use std::task::Poll;
use std::time::Duration;

use holdfast_actors::domain::idempotency::{Fingerprint, Key};
use holdfast_actors::domain::product::{
    Command, Description, Line, NewProduct, NewVariant, Reason, VariantDescription, VariantNo,
};
use holdfast_actors::domain::saga::Books;
use holdfast_actors::domain::{
    Currency, Millis, Money, Product, ProductId, Quantity, ReservationId, Sku, Timestamp,
};
use holdfast_actors::persistence::{CommitterOptions, JournalId, MemoryDisk};
use holdfast_actors::recovery::recover;
use holdfast_actors::{
    Actor, Answer, Clock as _, Context, Engine, Failure, ManualClock, Options, Outcome, ProductFacts,
    Purchased, RequestId, RequestKey, SimulatedGateway,
};
use tokio::sync::oneshot;

use self::wants::{BUYER, new_reservation};

/// When every story begins.
pub(crate) const NOW: Timestamp = Timestamp(1_700_000_000_000);

/// How long a hold lives unless the story says otherwise.
pub(crate) const HOLD: Millis = Millis::from_secs(900);

/// Slices of the journal in every story.
pub(crate) const PARTITIONS: u16 = 16;

/// How often a condition is looked at before a test gives up.
const LOOKS_MAX: u32 = 2_000_000;

/// An engine with the disk and the clock that it runs on.
pub(crate) struct Shop {
    pub(crate) engine: Engine,
    pub(crate) disk: MemoryDisk,
    pub(crate) clock: ManualClock,
    /// Every id that the engine was given, as it was before it was placed.
    pub(crate) given: Arc<Mutex<Vec<u128>>>,
}

/// All that a shop knows: its products, and those who own what they hold.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Everything {
    pub(crate) products: BTreeMap<ProductId, Product>,
    pub(crate) owners: Vec<Books>,
}

impl Shop {
    pub(crate) fn open() -> Self {
        Self::open_with(|_| {})
    }

    pub(crate) fn open_with(tune: impl FnOnce(&mut Options)) -> Self {
        Self::on(empty_disk(), ManualClock::new(NOW), tune)
    }

    pub(crate) fn on(disk: MemoryDisk, clock: ManualClock, tune: impl FnOnce(&mut Options)) -> Self {
        let mut journal = disk.journal();
        let recovered = recover(&mut journal).expect("the journal is sound");
        let (options, given) = tuned(&clock, tune);
        let engine = Engine::start(Box::new(journal), None, recovered, options);
        Self { engine, disk, clock, given }
    }

    /// Stops and starts again on the same disk.
    pub(crate) fn reopen(self) -> Self {
        self.reopen_with(|_| {})
    }

    pub(crate) fn reopen_with(self, tune: impl FnOnce(&mut Options)) -> Self {
        self.engine.stop().map(drop).expect("the journal is whole");
        Self::on(self.disk, self.clock, tune)
    }

    /// Stops when nothing is under way any more, and proves that all is well: see [`audit`].
    pub(crate) async fn close(self) -> BTreeMap<ProductId, Product> {
        let everything = self.quiet().await;
        audit::nothing_is_due(&everything, self.clock.now());
        self.engine.stop().map(drop).expect("the journal is whole");
        audit::memory_is_what_replay_gives(&self.disk, &everything);
        audit::mails_are_what_replay_gives(&self.disk, &self.engine);
        everything.products
    }

    pub(crate) async fn make(&self, sku: &str, stock: u32) -> ProductId {
        self.make_as(sku, stock, |_| {}).await
    }

    /// The same with a description that the story changes.
    pub(crate) async fn make_as(
        &self,
        sku: &str,
        stock: u32,
        edit: impl FnOnce(&mut Description),
    ) -> ProductId {
        let id = fresh_product();
        let mut new = new_product(sku, stock);
        edit(Arc::make_mut(&mut new.description));
        self.engine.create(&context(), id, new).await.expect("the sku is free");
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
        self.engine.purchase(context, product, None, quantity(units)).await
    }

    pub(crate) async fn command(
        &self,
        product: ProductId,
        command: Command,
    ) -> Result<Answer<Outcome>, Failure> {
        self.engine.command(&context(), product, command).await
    }

    /// A reservation of a product's first variant.
    pub(crate) async fn hold(&self, product: ProductId, units: u32, deadline: Timestamp) -> ReservationId {
        let sku = self.engine.sku_of(product, VariantNo(0)).expect("the product is there");
        let mut new = new_reservation(&[(sku.as_str(), units)]);
        new.ttl = Some(deadline.since(self.clock.now()));
        self.engine.reserve(&context(), BUYER, new).await.expect("there is enough").value.id
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

    /// All that the shop knows now.
    pub(crate) async fn everything(&self) -> Everything {
        let products = self.engine.state().await.expect("the shards run");
        let owners = self.engine.owners().await.expect("the shards run");
        Everything { products, owners }
    }

    /// The same when no saga is under way any more: products have what their owners claim, and it stays so.
    pub(crate) async fn quiet(&self) -> Everything {
        let mut last = None;
        let mut found = Ok(());
        for _ in 0..LOOKS_MAX / 1_000 {
            self.settle().await;
            let everything = self.everything().await;
            found = audit::everybody_has_what_is_theirs(&everything);
            if found.is_ok() && last.as_ref() == Some(&everything) {
                return everything;
            }
            last = Some(everything);
            let_others().await;
        }
        panic!("it never comes to rest: {found:?}");
    }
}

/// Runs a story in an actix system.
pub(crate) fn run<T>(story: impl Future<Output = T>) -> T {
    abort_when_a_shard_panics();
    actix::System::new().block_on(story)
}

/// A panic ends the real process; here it would look like a request that nobody answers.
fn abort_when_a_shard_panics() {
    static HOOKED: Once = Once::new();
    HOOKED.call_once(|| {
        let tell = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            tell(panic);
            if std::thread::current().name().is_some_and(|name| name.starts_with("actix-rt")) {
                std::process::abort();
            }
        }));
    });
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
pub(crate) async fn look<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    let mut future = future;
    std::future::poll_fn(|ctx| Poll::Ready(future.as_mut().poll(ctx))).await
}

pub(crate) fn empty_disk() -> MemoryDisk {
    MemoryDisk::new(JournalId([7; 16]), PARTITIONS)
}

pub(crate) fn options(clock: &ManualClock) -> Options {
    Options {
        shards: 2,
        hosts: Vec::new(),
        idle: Duration::from_secs(3600),
        admitted_max: 100_000,
        clock: Arc::new(clock.clone()),
        ids: Arc::new(fresh_id),
        gateway: Arc::new(SimulatedGateway),
        committer: CommitterOptions::new(|error| eprintln!("the journal failed: {error}")),
        checkpoints: None,
    }
}

/// The same, changed by the story, with a list of the ids that are given.
fn tuned(clock: &ManualClock, tune: impl FnOnce(&mut Options)) -> (Options, Arc<Mutex<Vec<u128>>>) {
    let mut options = options(clock);
    tune(&mut options);
    let given = Arc::new(Mutex::new(Vec::new()));
    let (ids, list) = (options.ids, Arc::clone(&given));
    options.ids = Arc::new(move || {
        let id = ids();
        list.lock().expect("nothing panics while it holds this").push(id);
        id
    });
    (options, given)
}

/// A number that nobody had before.
pub(crate) fn fresh() -> u128 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    u128::from(LAST.fetch_add(1, Ordering::Relaxed) + 1)
}

/// An id that nobody had before, newer than all others.
pub(crate) fn fresh_id() -> u128 {
    fresh() << 64
}

pub(crate) fn fresh_product() -> ProductId {
    ProductId(fresh_id())
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

pub(crate) fn adjust(delta: i32) -> Command {
    let reason = if delta > 0 { Reason::Received } else { Reason::Damaged };
    Command::Adjust { variant: VariantNo(0), delta, reason, reference: None, note: None }
}

pub(crate) fn description() -> Description {
    Description::plain("Lamp", Money(1999), Currency::new("EUR").expect("three capitals"))
}

pub(crate) fn new_variant(text: &str, stock: u32) -> NewVariant {
    let description = Arc::new(VariantDescription::plain(sku(text)));
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
