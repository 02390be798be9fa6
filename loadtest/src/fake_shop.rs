//! Fake shop: a little shop in memory behind the same paths, honest or cheating on purpose.
//!
//! For tests only: it proves that the scenarios and their auditors see through a server that lies over real HTTP. Its
//! seconds are short, so that tests need not wait for deadlines; it can lose answers, and be killed and come back.
//! Here are sockets and keys; what it sells is in `store`, what it answers in `desk`.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::Context;
use serde_json::Value;

use crate::numbers::Chance;
use crate::sale::Target;
use crate::victim::{Restart, Victim};
use crate::wall_clock;

mod desk;
mod store;

use desk::Call;
use store::Store;

/// How long a second of a deadline is here.
pub(crate) const SECOND_MS: u64 = 40;
const PORT_TRIES: usize = 1_000;

/// In what way the shop lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cheat {
    Honest,
    /// Sells ten units more than there are.
    Oversells,
    /// Does not write every tenth sale into its books.
    Forgets,
    /// Books a sale nobody made.
    Invents,
    /// Gives the same order id to two buyers.
    RepeatsOrderIds,
    /// Answers every hundredth request with 500.
    Fails,
    /// Refuses while the last ten units are on the shelf.
    HoldsBack,
    /// Does not give the units of every fifth lapsed hold back.
    LeaksHolds,
    /// Gives the units of every hold back when half of its time has passed.
    BreaksHolds,
    /// Gives units back half a second after the deadline.
    IsLate,
    /// Takes a repeated request for a new one.
    DoublesOrders,
    /// Lists only nine of ten orders.
    LosesOrders,
    /// Confirms every tenth order without its units.
    SellsAir,
    /// Says that nothing is left, whatever is.
    RefusesEverybody,
}

/// A shop that is open.
#[derive(Debug)]
pub(crate) struct FakeShop {
    pub(crate) target: Target,
    counter: Arc<Counter>,
    door: Option<JoinHandle<()>>,
}

/// Where everybody comes to.
#[derive(Debug)]
struct Counter {
    state: Mutex<State>,
    /// Every so many answers to buyers are lost on their way; 0: none.
    lose_each: u64,
}

#[derive(Debug)]
struct State {
    store: Store,
    /// First answers by caller and key.
    kept: HashMap<(String, String), (u16, Value)>,
    answers: u64,
    /// Nobody is answered and nobody is let in, as if the process had died.
    is_dead: bool,
}

/// Opens a shop in this process for as long as the test runs.
pub(crate) fn open(cheat: Cheat) -> Target {
    open_losing(cheat, 0).target
}

/// The same, and every so many answers are lost after their effect.
pub(crate) fn open_losing(cheat: Cheat, lose_each: u64) -> FakeShop {
    let state = State { store: Store::new(cheat), kept: HashMap::new(), answers: 0, is_dead: false };
    let counter = Arc::new(Counter { state: Mutex::new(state), lose_each });
    let listener = bind();
    let address = listener.local_addr().expect("an address");
    let (email, password) = ("admin@example.com".into(), desk::PASSWORD.into());
    let host = address.to_string();
    let target = Target { address, host, email, password, process: Some(std::process::id()) };
    let door = Some(counter.clone().let_in(listener));
    FakeShop { target, counter, door }
}

/// A port that stays free while the shop is dead: below those that the kernel gives to outgoing connections.
fn bind() -> TcpListener {
    let mut chance = Chance::new(u64::from(std::process::id()) << 16 | wall_clock::now() & 0xffff);
    let ports = std::iter::repeat_with(|| u16::try_from(chance.between(10_000, 20_000)).expect("a port"));
    let mut listeners = ports.take(PORT_TRIES).filter_map(|port| TcpListener::bind(("127.0.0.1", port)).ok());
    listeners.next().expect("one of so many ports is free")
}

impl Victim for FakeShop {
    fn kill(&mut self) -> anyhow::Result<()> {
        self.counter.state().is_dead = true;
        // The door looks up only when somebody knocks.
        let _ = TcpStream::connect(self.target.address);
        self.door.take().expect("it lived").join().expect("the door does not panic");
        Ok(())
    }

    fn restart(&mut self, _chance: &mut Chance) -> anyhow::Result<Restart> {
        self.counter.state().is_dead = false;
        let listener = TcpListener::bind(self.target.address).context("open again")?;
        self.door = Some(self.counter.clone().let_in(listener));
        Ok(Restart { recovery_kills: 0, ready_in: Duration::ZERO })
    }
}

impl Counter {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no handler panics")
    }

    /// Serves everybody who comes until it dies.
    fn let_in(self: Arc<Self>, listener: TcpListener) -> JoinHandle<()> {
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if self.state().is_dead {
                    return;
                }
                let counter = self.clone();
                thread::spawn(move || counter.serve(stream));
            }
        })
    }

    /// Serves one connection until it ends.
    fn serve(&self, mut stream: TcpStream) {
        let _ = stream.set_nodelay(true);
        let mut received = Vec::new();
        let mut chunk = [0; 16 * 1024];
        loop {
            while let Some((call, length)) = read_call(&received) {
                received.drain(..length);
                let Some(answer) = self.answer(&call) else { return };
                if stream.write_all(&answer).is_err() {
                    return;
                }
            }
            match stream.read(&mut chunk) {
                Ok(length) if length > 0 => received.extend_from_slice(&chunk[..length]),
                _ => return,
            }
        }
    }

    /// The bytes of the answer; `None` when it is lost.
    fn answer(&self, call: &Call) -> Option<Vec<u8>> {
        let mut state = self.state();
        if state.is_dead {
            return None;
        }
        let kept = call.key.clone().map(|key| (call.caller(), key));
        let is_deaf = state.store.cheat == Cheat::DoublesOrders;
        let known = kept.as_ref().filter(|_| !is_deaf).and_then(|kept| state.kept.get(kept)).cloned();
        let is_replayed =
            known.is_some() || (is_deaf && kept.as_ref().is_some_and(|kept| state.kept.contains_key(kept)));
        let (status, body) = known.unwrap_or_else(|| desk::answer(&mut state.store, call));
        if let Some(kept) = kept {
            state.kept.entry(kept).or_insert_with(|| (status, body.clone()));
        }
        state.answers += 1;
        if self.lose_each > 0 && state.answers.is_multiple_of(self.lose_each) && call.is_buyers() {
            return None;
        }
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let replayed = if is_replayed { "Idempotent-Replayed: true\r\n" } else { "" };
        let length = body.len();
        Some(
            format!("HTTP/1.1 {status} Fake\r\nContent-Length: {length}\r\n{replayed}\r\n{body}")
                .into_bytes(),
        )
    }
}

/// The first whole request of `received`, and its length.
fn read_call(received: &[u8]) -> Option<(Call, usize)> {
    let mut lines = [httparse::EMPTY_HEADER; 16];
    let mut request = httparse::Request::new(&mut lines);
    let httparse::Status::Complete(head) = request.parse(received).expect("the load test speaks HTTP") else {
        return None;
    };
    let header = |name: &str| {
        let line = request.headers.iter().find(|line| line.name.eq_ignore_ascii_case(name))?;
        Some(String::from_utf8_lossy(line.value).into_owned())
    };
    let length: usize = header("content-length").map_or(0, |length| length.parse().expect("a length"));
    let body = received.get(head..head + length)?;
    let (method, path) = (request.method.unwrap_or_default(), request.path.unwrap_or_default());
    let is_admin = header("authorization").is_some_and(|token| token == format!("Bearer {}", desk::TOKEN));
    let call = Call::new(method, path, header("x-session-id"), is_admin, header("idempotency-key"), body);
    Some((call, head + length))
}
