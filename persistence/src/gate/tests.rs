//! The gate under an adversary: wakes are counted, tasks cancelled, threads raced. Lost wakes hang, so each wait has a bound.

use std::collections::VecDeque;
use std::sync::atomic::AtomicUsize;
use std::task::Wake;
use std::thread::ThreadId;
use std::time::Duration;

use proptest::prelude::*;

use super::*;

const PATIENCE: Duration = Duration::from_secs(60);

/// A task's waker that notes whether, and from which thread, it was used.
#[derive(Default)]
struct Bell {
    rings: Mutex<Vec<ThreadId>>,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.rings.lock().unwrap().push(std::thread::current().id());
    }
}

impl Bell {
    fn rings(&self) -> usize {
        self.rings.lock().unwrap().len()
    }

    fn has_rung(&self) -> bool {
        !std::mem::take(&mut *self.rings.lock().unwrap()).is_empty()
    }
}

fn ticket(number: u64) -> Ticket {
    Ticket::new(number)
}

fn poll(future: &mut DurableFuture, bell: &Arc<Bell>) -> Poll<Result<(), Failed>> {
    Pin::new(future).poll(&mut Context::from_waker(&Waker::from(Arc::clone(bell))))
}

/// Waiters of one thread with a bell each, all polled once.
fn waiters(gate: &Gate, tickets: impl IntoIterator<Item = u64>) -> Vec<(DurableFuture, Arc<Bell>)> {
    let wait = |number| {
        let (mut future, bell) = (gate.wait(ticket(number)), Arc::default());
        assert!(poll(&mut future, &bell).is_pending());
        (future, bell)
    };
    tickets.into_iter().map(wait).collect()
}

#[test]
fn ticket_zero_is_durable_from_the_start() {
    let gate = Gate::new();
    assert!(gate.is_durable(Ticket::default()));
    assert!(poll(&mut gate.wait(Ticket::ZERO), &Arc::default()).is_ready());
    assert_eq!(gate.wait_blocking(Ticket::ZERO), Ok(()));
}

#[test]
fn a_commit_wakes_one_waiter_of_a_thread_and_that_one_wakes_the_others_there() {
    let gate = Gate::new();
    let mut waiters = waiters(&gate, 1..=100);
    let writer = std::thread::scope(|scope| {
        let writer = scope.spawn(|| gate.advance(ticket(60)));
        let id = writer.thread().id();
        writer.join().unwrap();
        id
    });
    let rung: Vec<usize> = (0..100).filter(|index| waiters[*index].1.rings() > 0).collect();
    assert_eq!(rung.len(), 1, "one cross-thread wake for a thread and a commit");
    let (leader, bell) = &mut waiters[rung[0]];
    assert_eq!(*bell.rings.lock().unwrap(), [writer]);
    assert_eq!(poll(leader, bell), Poll::Ready(Ok(())));
    for (index, (future, bell)) in waiters.iter_mut().enumerate().filter(|(index, _)| *index != rung[0]) {
        assert_eq!(bell.rings(), usize::from(index < 60), "ticket {}", index + 1);
        if index < 60 {
            assert_eq!(poll(future, bell), Poll::Ready(Ok(())));
        }
    }
    gate.advance(ticket(100));
    assert_eq!(
        waiters[60..].iter().map(|(_, bell)| bell.rings()).sum::<usize>(),
        1,
        "the others have a leader again"
    );
}

#[test]
fn leader_cancelled_before_the_commit_hands_over() {
    let gate = Gate::new();
    let mut waiters = waiters(&gate, [1, 1, 1]);
    drop(waiters.remove(0));
    gate.advance(ticket(1));
    assert_eq!(waiters.iter().filter(|(_, bell)| bell.rings() > 0).count(), 1);
}

#[test]
fn leader_cancelled_after_its_wake_wakes_the_others() {
    let gate = Gate::new();
    let mut waiters = waiters(&gate, [1, 1, 2]);
    gate.advance(ticket(1));
    let (leader, bell) = waiters.remove(0);
    assert_eq!(bell.rings(), 1);
    drop(leader);
    assert_eq!(waiters[0].1.rings(), 1, "it is durable");
    assert_eq!(waiters[1].1.rings(), 0, "it is not");
    gate.advance(ticket(2));
    assert_eq!(waiters[1].1.rings(), 1, "it leads now");
}

#[test]
fn leader_that_its_task_leaves_unpolled_is_replaced_by_the_next_one_polled() {
    let gate = Gate::new();
    let mut waiters = waiters(&gate, [1, 1, 3]);
    gate.advance(ticket(1));
    let (third, bell) = &mut waiters[2];
    assert!(poll(third, bell).is_pending());
    assert_eq!(waiters[1].1.rings(), 1, "the poll of another waiter did the leader's work");
    gate.advance(ticket(3));
    assert_eq!(waiters[2].1.rings(), 1);
}

#[test]
fn waiter_polled_with_another_waker_is_woken_through_that_one() {
    let gate = Gate::new();
    let mut waiters = waiters(&gate, [1]);
    let moved = Arc::default();
    assert!(poll(&mut waiters[0].0, &moved).is_pending());
    gate.advance(ticket(1));
    assert_eq!((waiters[0].1.rings(), moved.rings()), (0, 1));
}

#[test]
fn failure_never_lets_a_waiter_through() {
    let gate = Gate::new();
    let mut waiters = waiters(&gate, [1, 2]);
    gate.advance(ticket(1));
    gate.fail();
    assert_eq!(poll(&mut waiters[1].0, &Arc::default()), Poll::Ready(Err(Failed)));
    assert_eq!(poll(&mut waiters[0].0, &Arc::default()), Poll::Ready(Ok(())), "it was durable before");
    assert_eq!(gate.wait_blocking(ticket(2)), Err(Failed));
    assert_eq!(gate.wait_blocking(ticket(1)), Ok(()));
    assert!(!gate.is_durable(ticket(2)));
}

#[test]
fn wake_that_drops_another_waiter_of_the_list_is_harmless() {
    thread_local! { static VICTIM: RefCell<Option<DurableFuture>> = const { RefCell::new(None) }; }
    struct LocalDropper;
    impl Wake for LocalDropper {
        fn wake(self: Arc<Self>) {
            drop(VICTIM.with(RefCell::take));
        }
    }
    let gate = Gate::new();
    let mut waiters = waiters(&gate, [1, 1]);
    let dropper = Waker::from(Arc::new(LocalDropper));
    assert!(Pin::new(&mut waiters[1].0).poll(&mut Context::from_waker(&dropper)).is_pending());
    let (mut victim, bell) = (gate.wait(ticket(9)), Arc::default());
    assert!(poll(&mut victim, &bell).is_pending());
    VICTIM.with(|slot| slot.replace(Some(victim)));
    gate.advance(ticket(1));
    let (leader, bell) = &mut waiters[0];
    assert!(poll(leader, bell).is_ready());
    assert!(VICTIM.with(|slot| slot.borrow().is_none()));
}

thread_local! {
    static BEFORE_REGISTER: RefCell<Option<Box<dyn FnOnce()>>> = const { RefCell::new(None) };
}

/// The moment at which a commit on another thread is most easily missed: the watermark is read, the leader not registered.
pub(super) fn before_register() {
    if let Some(deed) = BEFORE_REGISTER.take() {
        deed();
    }
}

#[test]
fn commit_between_the_look_at_the_watermark_and_the_registration_is_not_missed() {
    let gate = Gate::new();
    let mut waiters = waiters(&gate, [1, 2]);
    let leader = waiters.remove(0);
    let racing = gate.clone();
    BEFORE_REGISTER.set(Some(Box::new(move || racing.advance(ticket(2)))));
    drop(leader);
    assert!(BEFORE_REGISTER.take().is_none(), "leadership was handed over");
    assert!(waiters[0].1.rings() > 0);
}

#[derive(Debug, Clone)]
enum Deed {
    Wait(u64),
    PollWoken(prop::sample::Index),
    PollAnyone(prop::sample::Index),
    PollWithNewWaker(prop::sample::Index),
    Drop(prop::sample::Index),
    Advance(u64),
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let index = any::<prop::sample::Index>;
    let deed = prop_oneof![
        4 => (0..40_u64).prop_map(Deed::Wait),
        4 => index().prop_map(Deed::PollWoken),
        1 => index().prop_map(Deed::PollAnyone),
        1 => index().prop_map(Deed::PollWithNewWaker),
        2 => index().prop_map(Deed::Drop),
        2 => (0..8_u64).prop_map(Deed::Advance),
    ];
    prop::collection::vec(deed, 1..120)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Whatever is waited for, polled, cancelled and committed in whatever order: once every woken task was polled, nobody is
    /// left waiting for what is durable.
    #[test]
    fn no_order_of_deeds_loses_a_wake(deeds in deeds()) {
        let gate = Gate::new();
        let mut tasks: Vec<(DurableFuture, Arc<Bell>)> = Vec::new();
        let poll_at = |tasks: &mut Vec<(DurableFuture, Arc<Bell>)>, index: usize| {
            let (future, bell) = &mut tasks[index];
            if poll(future, bell).is_ready() {
                drop(tasks.swap_remove(index));
            }
        };
        for deed in deeds {
            match deed {
                Deed::Wait(ahead) => {
                    tasks.push((gate.wait(ticket(gate.durable().number() + ahead)), Arc::default()));
                    let last = tasks.len() - 1;
                    poll_at(&mut tasks, last);
                }
                Deed::Advance(more) => gate.advance(ticket(gate.durable().number() + more)),
                _ if tasks.is_empty() => {}
                Deed::PollAnyone(index) => {
                    let at = index.index(tasks.len());
                    poll_at(&mut tasks, at);
                }
                Deed::PollWithNewWaker(index) => {
                    let index = index.index(tasks.len());
                    tasks[index].1 = Arc::default();
                    poll_at(&mut tasks, index);
                }
                Deed::Drop(index) => drop(tasks.swap_remove(index.index(tasks.len()))),
                Deed::PollWoken(index) => {
                    let woken: Vec<usize> = (0..tasks.len()).filter(|at| tasks[*at].1.rings() > 0).collect();
                    if !woken.is_empty() {
                        let at = woken[index.index(woken.len())];
                        tasks[at].1.has_rung();
                        poll_at(&mut tasks, at);
                    }
                }
            }
        }
        while let Some(woken) = (0..tasks.len()).find(|at| tasks[*at].1.has_rung()) {
            poll_at(&mut tasks, woken);
        }
        for (future, _) in &tasks {
            prop_assert!(future.ticket > gate.durable(), "{future:?} sleeps at {:?}", gate.durable());
        }
        let newest = tasks.iter().map(|(future, _)| future.ticket).max().unwrap_or_default();
        gate.advance(newest.max(gate.durable()));
        while let Some(woken) = (0..tasks.len()).find(|at| tasks[*at].1.has_rung()) {
            poll_at(&mut tasks, woken);
        }
        prop_assert!(tasks.is_empty(), "all is durable, and {} still wait", tasks.len());
    }
}

/// An executor for one thread, as small as it gets: a queue of woken tasks.
#[derive(Default)]
struct Ready {
    woken: Mutex<VecDeque<usize>>,
    any: Condvar,
}

struct TaskWaker {
    index: usize,
    ready: Arc<Ready>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.ready.woken.lock().unwrap().push_back(self.index);
        self.ready.any.notify_one();
    }
}

type Task<'t> = Pin<Box<dyn Future<Output = ()> + 't>>;

fn run(tasks: Vec<Task<'_>>) {
    let ready = Arc::new(Ready::default());
    let waker_of = |index| Waker::from(Arc::new(TaskWaker { index, ready: Arc::clone(&ready) }));
    let mut tasks: Vec<_> =
        tasks.into_iter().enumerate().map(|(index, task)| Some((task, waker_of(index)))).collect();
    ready.woken.lock().unwrap().extend(0..tasks.len());
    let mut running = tasks.len();
    while running > 0 {
        let woken = ready.woken.lock().unwrap();
        let (mut woken, timeout) =
            ready.any.wait_timeout_while(woken, PATIENCE, |woken| woken.is_empty()).unwrap();
        assert!(!timeout.timed_out(), "a wake was lost: {running} tasks sleep for ever");
        let index = woken.pop_front().expect("someone is woken");
        drop(woken);
        let Some((task, waker)) = &mut tasks[index] else { continue };
        if task.as_mut().poll(&mut Context::from_waker(waker)).is_ready() {
            tasks[index] = None;
            running -= 1;
        }
    }
}

/// Polls its waiter once, and drops it when polled again or, half of the time, at once.
async fn cancelled(mut waiter: DurableFuture, at_once: bool) {
    let mut polls = 0;
    std::future::poll_fn(|ctx| {
        polls += 1;
        let is_done = Pin::new(&mut waiter).poll(ctx).is_ready();
        if is_done || polls > 1 || at_once {
            return Poll::Ready(());
        }
        ctx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[test]
fn no_wake_is_lost_between_many_threads_and_a_fast_writer() {
    const THREADS: u64 = 4;
    const TASKS: u64 = 64;
    const ROUNDS: u64 = 400;
    let gate = Gate::new();
    let pushed = AtomicU64::new(0);
    let finished = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                let task = |number: u64| {
                    let (gate, pushed) = (gate.clone(), &pushed);
                    async move {
                        for round in 0..ROUNDS {
                            let waited_for = ticket(pushed.fetch_add(1, Ordering::SeqCst) + 1);
                            let waiter = gate.wait(waited_for);
                            if (number + round).is_multiple_of(3) {
                                cancelled(waiter, round.is_multiple_of(2)).await;
                            } else {
                                waiter.await.expect("nothing fails");
                                assert!(gate.is_durable(waited_for));
                            }
                        }
                    }
                };
                let boxed = |number| -> Task<'_> { Box::pin(task(number)) };
                run((0..TASKS).map(boxed).collect());
                finished.fetch_add(1, Ordering::SeqCst);
            });
        }
        scope.spawn(|| {
            let blocked = gate.wait_blocking(ticket(THREADS * TASKS * ROUNDS));
            assert_eq!(blocked, Ok(()));
        });
        scope.spawn(|| {
            while gate.durable().number() < THREADS * TASKS * ROUNDS {
                gate.advance(ticket(pushed.load(Ordering::SeqCst)));
                std::thread::yield_now();
            }
        });
    });
    assert_eq!(finished.load(Ordering::SeqCst), usize::try_from(THREADS).unwrap());
}
