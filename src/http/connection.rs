//! What bounds a connection where actix does not: how long an answer may lie unread, how long a head may take after
//! the first, how many files there may be.
//!
//! actix cuts off a slow head only once per connection, and one that trickles a chunked body nobody wants not at
//! all. So each worker looks through its connections now and then and hangs up on those that were asked for
//! nothing for longer than an honest client may be silent. Nothing here reads a clock for a request.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::os::fd::{AsFd as _, OwnedFd};
use std::rc::{Rc, Weak};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::body::{BodySize, MessageBody};
use actix_web::dev::{Extensions, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::rt::net::TcpStream;
use actix_web::rt::spawn;
use rustix::net::{Shutdown, shutdown, sockopt};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::time::{MissedTickBehavior, interval};

/// Longer than the 60 s of common proxies, so that they close first and never write into a closed connection.
pub const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// A client that takes longer to send its first head is cut off.
pub const HEAD_WAIT_MAX: Duration = Duration::from_secs(10);

/// A client that takes nothing of its answer for so long is cut off.
const UNREAD_WAIT_MAX: Duration = Duration::from_secs(30);

/// How often a worker looks through its connections.
const SWEEP_EVERY: Duration = Duration::from_secs(5);

/// How often a connection may be found without a request: as long as actix keeps one alive, and a head.
const IDLE_SWEEPS_MAX: u32 = 17;

/// Files besides connections: the journal, logs, listeners.
const FILES_BESIDES: u64 = 256;

/// Where files are scarce, one in so many goes to watching; the others serve connections that are not watched.
const SCARCE_FILES_SHARE: u64 = 4;

/// How many connections may be watched, and how many are, of all workers.
static WATCHED_MAX: AtomicU64 = AtomicU64::new(u64::MAX);
static WATCHED: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// The connections of this worker.
    static CONNECTIONS: RefCell<Vec<Weak<Connection>>> = const { RefCell::new(Vec::new()) };
}

/// One connection, as the worker that serves it sees it.
struct Connection {
    /// A second handle, to hang up with: actix keeps the first to itself.
    socket: OwnedFd,
    requests: Cell<u64>,
    serving: Cell<u32>,
    fate: Cell<Fate>,
    requests_seen: Cell<u64>,
    idle_sweeps: Cell<u32>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// Judged by how long it was idle.
    Open,
    /// Its answer is a stream without an end.
    Streaming,
    /// Its client was told that nothing more is waited for.
    Doomed,
}

/// A request being served; its connection is not idle while this lives.
pub struct Serving(Option<Rc<Connection>>);

impl Serving {
    /// Begins to serve a request.
    pub fn begin(request: &HttpRequest) -> Self {
        let connection = request.conn_data::<Rc<Connection>>().cloned();
        if let Some(connection) = &connection {
            connection.requests.set(connection.requests.get() + 1);
            connection.serving.set(connection.serving.get() + 1);
        }
        Self(connection)
    }

    /// Notes what the answer means for the connection.
    pub fn answered<B: MessageBody>(&self, answer: &ServiceResponse<B>) {
        let Some(connection) = &self.0 else { return };
        if answer.status() == StatusCode::REQUEST_TIMEOUT {
            connection.fate.set(Fate::Doomed);
        } else if answer.response().body().size() == BodySize::Stream {
            connection.fate.set(Fate::Streaming);
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        if let Some(connection) = &self.0 {
            connection.serving.set(connection.serving.get() - 1);
        }
    }
}

impl Connection {
    fn new(socket: OwnedFd) -> Self {
        WATCHED.fetch_add(1, Ordering::Relaxed);
        Self {
            socket,
            requests: Cell::new(0),
            serving: Cell::new(0),
            fate: Cell::new(Fate::Open),
            requests_seen: Cell::new(0),
            idle_sweeps: Cell::new(0),
        }
    }

    /// Hangs up, if that is due.
    fn sweep(&self) {
        let is_idle = self.serving.get() == 0 && self.requests.get() == self.requests_seen.get();
        self.requests_seen.set(self.requests.get());
        self.idle_sweeps.set(if is_idle { self.idle_sweeps.get() + 1 } else { 0 });
        let is_over = match self.fate.get() {
            Fate::Open => self.idle_sweeps.get() >= IDLE_SWEEPS_MAX,
            Fate::Streaming => false,
            Fate::Doomed => self.idle_sweeps.get() > 0,
        };
        if is_over {
            // When the client was faster there is nothing left to do.
            let _is_gone_already = shutdown(&self.socket, Shutdown::Both);
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        WATCHED.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Takes a new connection into the care of its worker.
pub fn opened(io: &dyn Any, data: &mut Extensions) {
    let Some(stream) = io.downcast_ref::<TcpStream>() else { return };
    let unread_wait_ms = u32::try_from(UNREAD_WAIT_MAX.as_millis()).expect("half a minute fits");
    // The kernel counts from the last acknowledged byte, also while the client's window is closed. An error means
    // that the client hung up already.
    let _is_gone_already = sockopt::set_tcp_user_timeout(stream, unread_wait_ms);
    // Without a second handle, as where files are scarce, the connection is served but not watched.
    if WATCHED.load(Ordering::Relaxed) >= WATCHED_MAX.load(Ordering::Relaxed) {
        return;
    }
    let Ok(socket) = stream.as_fd().try_clone_to_owned() else { return };
    let connection = Rc::new(Connection::new(socket));
    CONNECTIONS.with_borrow_mut(|connections| connections.push(Rc::downgrade(&connection)));
    data.insert(connection);
}

/// How many connections are open and looked after, of all workers.
pub fn watched() -> u64 {
    WATCHED.load(Ordering::Relaxed)
}

/// Looks after the connections of this worker from now on.
pub fn watch() {
    spawn(async {
        let mut ticks = interval(SWEEP_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            sweep();
        }
    });
}

fn sweep() {
    CONNECTIONS.with_borrow_mut(|connections| {
        connections.retain(|connection| {
            let connection = connection.upgrade();
            if let Some(connection) = &connection {
                connection.sweep();
            }
            connection.is_some()
        });
    });
}

/// Lets the process have as many files as `connections` connections need, or as many as the system allows.
pub fn raise_file_limit(connections: u32) {
    // Two for each: actix' handle and ours.
    let wanted = u64::from(connections) * 2 + FILES_BESIDES;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_none_or(|current| current >= wanted) {
        return;
    }
    let allowed = maximum.map_or(wanted, |maximum| maximum.min(wanted));
    let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(allowed), maximum });
    if raised.is_err() || allowed < wanted {
        WATCHED_MAX.store(allowed.saturating_sub(FILES_BESIDES) / SCARCE_FILES_SHARE, Ordering::Relaxed);
        tracing::debug!(
            "{connections} connections need {wanted} open files and {allowed} are allowed: not all are watched; \
             raise the limit (ulimit -n) or lower --max-connections"
        );
    }
}

/// Lets this process open so many files more than it may by now, as far as it may say so itself.
pub(crate) fn raise_file_limit_by(files: u64) {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let Some(current) = current else { return };
    let wanted = current.saturating_add(files);
    let current = Some(maximum.map_or(wanted, |maximum| maximum.min(wanted)));
    // Whoever opens too many is told then.
    let _stays_as_it_is = setrlimit(Resource::Nofile, Rlimit { current, maximum });
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::net::{TcpListener, TcpStream};

    use super::*;

    fn pair() -> (Connection, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        client.set_nonblocking(true).unwrap();
        (Connection::new(listener.accept().unwrap().0.into()), client)
    }

    fn is_hung_up(mut client: &TcpStream) -> bool {
        matches!(client.read(&mut [0]), Ok(0))
    }

    fn sweep_times(connection: &Connection, times: u32) {
        (0..times).for_each(|_| connection.sweep());
    }

    fn request(connection: Connection) -> (Serving, Rc<Connection>) {
        let connection = Rc::new(connection);
        connection.requests.set(connection.requests.get() + 1);
        connection.serving.set(1);
        (Serving(Some(Rc::clone(&connection))), connection)
    }

    #[actix_web::test]
    async fn answer_that_lies_unread_is_bounded_by_the_kernel() {
        let (_connection, client) = pair();
        let stream = super::TcpStream::from_std(client).unwrap();
        opened(&stream, &mut Extensions::new());
        assert_eq!(sockopt::tcp_user_timeout(&stream).unwrap(), 30_000);
    }

    #[test]
    fn connection_without_a_request_is_hung_up_on_in_the_end() {
        let (connection, client) = pair();
        sweep_times(&connection, IDLE_SWEEPS_MAX - 1);
        assert!(!is_hung_up(&client));
        sweep_times(&connection, 1);
        assert!(is_hung_up(&client));
    }

    #[test]
    fn request_starts_the_patience_anew_and_holds_it_while_it_is_served() {
        let (connection, client) = pair();
        sweep_times(&connection, IDLE_SWEEPS_MAX - 1);
        let (serving, connection) = request(connection);
        sweep_times(&connection, 3 * IDLE_SWEEPS_MAX);
        drop(serving);
        sweep_times(&connection, IDLE_SWEEPS_MAX - 1);
        assert!(!is_hung_up(&client));
        sweep_times(&connection, 1);
        assert!(is_hung_up(&client));
    }

    #[test]
    fn client_that_was_told_408_is_hung_up_on_soon_and_a_stream_never() {
        let (connection, client) = pair();
        connection.fate.set(Fate::Doomed);
        sweep_times(&connection, 1);
        assert!(is_hung_up(&client));
        let (connection, client) = pair();
        connection.fate.set(Fate::Streaming);
        sweep_times(&connection, 3 * IDLE_SWEEPS_MAX);
        assert!(!is_hung_up(&client));
    }

    #[test]
    fn patience_is_longer_than_keep_alive_and_a_head() {
        assert!(SWEEP_EVERY * IDLE_SWEEPS_MAX >= KEEP_ALIVE + HEAD_WAIT_MAX);
    }
}
