//! Stops one shard's thread before any turn that the story chooses, so that a rival can come in between, or a crash.
//!
//! Every turn and every step of a saga asks the clock once or more; this clock does not answer until it may. The other
//! thread goes on meanwhile.

use std::pin::Pin;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::ThreadId;

use actix::Arbiter;
use holdfast_actors::domain::Timestamp;
use holdfast_actors::{Clock, ManualClock};

use super::cuts::{disk_of, records};
use super::{NOW, Shop, empty_disk, let_others, look};

/// More questions than any saga of these stories asks on one thread.
const QUESTIONS_MAX: u32 = 200;

/// A clock that stops who asks. Clones are the same.
#[derive(Clone)]
struct Turnstile {
    clock: ManualClock,
    gate: Arc<(Mutex<Gate>, Condvar)>,
}

#[derive(Default)]
struct Gate {
    /// Whom to stop, and after how many that may pass.
    stops: Option<(ThreadId, u32)>,
    has_stopped: bool,
}

impl Clock for Turnstile {
    fn now(&self) -> Timestamp {
        let (gate, opened) = &*self.gate;
        let mut gate = gate.lock().expect("nothing panics while it holds the gate");
        match &mut gate.stops {
            Some((thread, 0)) if *thread == std::thread::current().id() => {
                gate.has_stopped = true;
                let _open = opened.wait_while(gate, |gate| gate.stops.is_some()).expect("as above");
            }
            Some((thread, left)) if *thread == std::thread::current().id() => *left -= 1,
            _ => {}
        }
        self.clock.now()
    }

    fn wait_until(&self, deadline: Timestamp) -> Pin<Box<dyn Future<Output = ()>>> {
        self.clock.wait_until(deadline)
    }
}

impl Turnstile {
    fn stop(&self, thread: ThreadId, after: u32) {
        *self.gate.0.lock().expect("as above") = Gate { stops: Some((thread, after)), has_stopped: false };
    }

    fn has_stopped(&self) -> bool {
        self.gate.0.lock().expect("as above").has_stopped
    }

    fn open(&self) {
        self.gate.0.lock().expect("as above").stops = None;
        self.gate.1.notify_all();
    }
}

/// Two threads of our own, and who they are.
struct Threads {
    arbiters: [Arbiter; 2],
    ids: [ThreadId; 2],
}

impl Threads {
    fn start() -> Self {
        let arbiters = [Arbiter::new(), Arbiter::new()];
        let ids = [0, 1].map(|number: usize| {
            let (tell, told) = channel();
            let is_there = arbiters[number].spawn_fn(move || {
                let _gone = tell.send(std::thread::current().id());
            });
            assert!(is_there, "a new arbiter takes work");
            told.recv().expect("it says who it is")
        });
        Self { arbiters, ids }
    }
}

/// Stops a thread until what it returns is dropped.
pub(crate) fn stop(host: &Arbiter) -> Sender<()> {
    let (open, opened) = channel::<()>();
    let (tell, told) = channel();
    let is_there = host.spawn_fn(move || {
        tell.send(()).expect("somebody waits");
        // An error says that it was dropped.
        let _open = opened.recv();
    });
    assert!(is_there, "an arbiter takes work");
    told.recv().expect("the thread runs");
    open
}

/// Tells a story as often as there are turns in which its saga can be stopped. Each time one thread stops before one
/// turn; then `rival` does what it likes on the other thread, whose number it is told. What a crash at this moment
/// would leave is opened and must be sound, too, and `expect` looks at it. Then the saga goes on to its end, and
/// `expect` looks again.
pub(crate) async fn a_rival_before_every_turn<R>(
    prepare: impl AsyncFn(&Shop),
    saga: impl AsyncFn(&Shop),
    rival: impl AsyncFn(&Shop, usize) -> R,
    expect: impl AsyncFn(&Shop, &R),
) {
    for thread in 0..2 {
        for after in 0..QUESTIONS_MAX {
            let threads = Threads::start();
            let clock = ManualClock::new(NOW);
            let turnstile = Turnstile { clock: clock.clone(), gate: Arc::default() };
            let shop = Shop::on(empty_disk(), clock, |options| {
                options.clock = Arc::new(turnstile.clone());
                options.hosts = threads.arbiters.iter().map(Arbiter::handle).collect();
            });
            prepare(&shop).await;
            shop.quiet().await;
            turnstile.stop(threads.ids[thread], after);
            let is_through = stopped(&shop, &turnstile, 1 - thread, &saga, &rival, &expect).await;
            shop.close().await;
            for arbiter in &threads.arbiters {
                arbiter.stop();
            }
            if is_through {
                break;
            }
            assert!(after + 1 < QUESTIONS_MAX, "the saga has an end");
        }
    }
}

/// True when nobody was stopped.
async fn stopped<R>(
    shop: &Shop,
    turnstile: &Turnstile,
    other: usize,
    saga: &impl AsyncFn(&Shop),
    rival: &impl AsyncFn(&Shop, usize) -> R,
    expect: &impl AsyncFn(&Shop, &R),
) -> bool {
    let mut going = Box::pin(saga(shop));
    while !turnstile.has_stopped() {
        if look(going.as_mut()).await.is_ready() {
            turnstile.open();
            return true;
        }
        let_others().await;
    }
    let rival = rival(shop, other).await;
    let crashed = Shop::on(disk_of(&records(&shop.disk)), shop.clock.clone(), |_| {});
    crashed.engine.settle_due().await.expect("the shards run");
    crashed.quiet().await;
    expect(&crashed, &rival).await;
    crashed.close().await;
    turnstile.open();
    going.await;
    shop.quiet().await;
    expect(shop, &rival).await;
    false
}
