//! Engine: many keep-alive connections on one thread, in a closed loop or on a schedule.
//!
//! It owns the sockets and nothing else: what to send and what an answer means is the [`Script`]'s.
//! It shares the machine with the server it measures, so the loop is one read, one head parse and one
//! write for each request: no task, no waker, no allocation. The closed loop is here, the schedule in `open`. Called by
//! `load`, `sale`, `checkout`, `crash` and `storm`.

use std::io::{self, Read, Write};
use std::mem;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::Context;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::wire::{self, Head, Request};

pub(crate) mod open;

/// Larger than any answer we expect, so that one read takes it whole.
const BUFFER_BYTES: usize = 64 * 1024;
const EVENTS_MAX: usize = 512;
/// An answer larger than this is taken for a server gone mad.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;
const POLL_MS_MAX: u64 = 50;
/// A server that drops more connections than this without an answer in one run is not worth measuring.
const RECONNECTS_MAX: usize = 1_000;
const CONNECT_MS_MAX: u64 = 5_000;

/// What a run asks for and what it makes of the answers.
pub(crate) trait Script {
    /// Patches `request` into the next one to send and returns its ticket; `None` retires the connection.
    fn next(&mut self, request: &mut Request, now: Instant) -> Option<u64>;

    /// Takes the answer to `ticket`.
    fn answered(&mut self, ticket: u64, answer: &Answer<'_>);

    /// Learns that `ticket` will get no answer: whether it had an effect is unknown.
    fn lost(&mut self, ticket: u64, why: Loss) -> AfterLoss;

    /// Learns, on a schedule only, that the request of `due_at` was sent `late`: counted from the moment when both its
    /// time had come and a connection was free, so this is the generator's own fault.
    fn sent(&mut self, _due_at: Instant, _late: Duration) {}
}

/// One complete answer. The body lives until the next read.
#[derive(Debug)]
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    pub(crate) body: &'a [u8],
    pub(crate) is_replayed: bool,
    /// When it was to be sent: `sent_at`, unless there is a schedule.
    pub(crate) due_at: Instant,
    /// Not later than the first byte of the request was written.
    pub(crate) sent_at: Instant,
    /// Not earlier than the last byte of the answer was read.
    pub(crate) answered_at: Instant,
}

/// Why a request has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loss {
    /// The connection ended or broke.
    Closed,
    /// The server sent something that is not an answer.
    Malformed,
    /// The run's time was over.
    Deadline,
}

/// What to do with a connection that lost its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AfterLoss {
    Reconnect,
    GiveUp,
}

/// A set of open connections to one server.
#[derive(Debug)]
pub(crate) struct Engine {
    poll: Poll,
    address: SocketAddr,
    connections: Vec<Connection>,
    buffer: Vec<u8>,
    /// Connections without an open request, to be sent on after this turn's reads.
    free: Vec<usize>,
    working: usize,
    reconnects_left: usize,
}

#[derive(Debug)]
struct Connection {
    socket: TcpStream,
    request: Request,
    /// How much of `request` has been written.
    written: usize,
    /// The start of an answer that came in pieces; empty as a rule.
    received: Vec<u8>,
    ticket: Option<u64>,
    due_at: Instant,
    sent_at: Instant,
    /// Since when nothing is open on it; only meaningful without a ticket.
    free_since: Instant,
    /// The server has closed it or will; it is opened again before the next request.
    is_ended: bool,
    /// It ended without an answer to its last request; one that ends after its answer, or is silent for long, is no fault.
    has_lost: bool,
}

/// How far one read of one connection got.
enum Reading {
    /// There is nothing more to read now.
    Dry,
    /// A part of an answer; there may be more.
    Partial,
    Answered,
    Lost(Loss),
}

impl Engine {
    /// Opens `connections` connections, each with its own copy of `template`.
    ///
    /// # Errors
    ///
    /// When the server does not accept them within [`CONNECT_MS_MAX`] each.
    pub(crate) fn connect(
        address: SocketAddr,
        connections: usize,
        template: &Request,
    ) -> anyhow::Result<Self> {
        let mut engine = Self {
            poll: Poll::new().context("make a poll")?,
            address,
            connections: Vec::with_capacity(connections),
            buffer: vec![0; BUFFER_BYTES],
            free: Vec::with_capacity(connections),
            working: 0,
            reconnects_left: RECONNECTS_MAX,
        };
        for index in 0..connections {
            let socket = engine.open(index)?;
            let now = Instant::now();
            engine.connections.push(Connection {
                socket,
                request: template.clone(),
                written: 0,
                received: Vec::new(),
                ticket: None,
                due_at: now,
                sent_at: now,
                free_since: now,
                is_ended: false,
                has_lost: false,
            });
        }
        Ok(engine)
    }

    /// Runs `script` until it has retired every connection or `deadline` is reached.
    ///
    /// # Errors
    ///
    /// When polling itself fails. What goes wrong on one connection is the script's to hear.
    pub(crate) fn run<S: Script>(&mut self, script: &mut S, deadline: Instant) -> anyhow::Result<()> {
        self.begin();
        let mut events = Events::with_capacity(EVENTS_MAX);
        self.send_to_free(script);
        while self.working > 0 && Instant::now() < deadline {
            self.turn(&mut events, script)?;
            self.send_to_free(script);
        }
        self.give_up(script);
        Ok(())
    }

    fn begin(&mut self) {
        self.working = self.connections.len();
        self.free.clear();
        self.free.extend(0..self.connections.len());
    }

    /// Waits for sockets, or a little, and reads what came.
    fn turn<S: Script>(&mut self, events: &mut Events, script: &mut S) -> anyhow::Result<()> {
        match self.poll.poll(events, Some(Duration::from_millis(POLL_MS_MAX))) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            other => other.context("poll")?,
        }
        for event in &*events {
            let index = event.token().0;
            // The timer has a token as well, beyond those of the connections: it has done its work by ending the poll.
            if index < self.connections.len() {
                // An end of stream reported together with the last answer is not reported again.
                let is_ending = event.is_read_closed() || event.is_error();
                self.attend(index, is_ending, script);
            }
        }
        Ok(())
    }

    fn give_up<S: Script>(&mut self, script: &mut S) {
        for connection in &mut self.connections {
            if let Some(ticket) = connection.ticket.take() {
                // Its answer may still come, and must not be taken for that of another request.
                connection.is_ended = true;
                script.lost(ticket, Loss::Deadline);
            }
        }
    }

    /// Sends on every connection that was answered in this turn.
    ///
    /// All at once and not one by one between the reads: the server's workers then wake once for many
    /// requests.
    fn send_to_free<S: Script>(&mut self, script: &mut S) {
        // What is lost at once is free again at once; that ends, because reconnections are few.
        while !self.free.is_empty() {
            let mut free = mem::take(&mut self.free);
            for index in free.drain(..) {
                self.send_next(index, None, script);
            }
            if self.free.is_empty() {
                self.free = free;
            }
        }
    }

    fn open(&self, index: usize) -> anyhow::Result<TcpStream> {
        let stream =
            std::net::TcpStream::connect_timeout(&self.address, Duration::from_millis(CONNECT_MS_MAX))
                .with_context(|| format!("connect to {}", self.address))?;
        stream.set_nodelay(true).context("set TCP_NODELAY")?;
        stream.set_nonblocking(true).context("make a socket non-blocking")?;
        let mut socket = TcpStream::from_std(stream);
        self.poll
            .registry()
            .register(&mut socket, Token(index), Interest::READABLE | Interest::WRITABLE)
            .context("register a socket")?;
        Ok(socket)
    }

    fn attend<S: Script>(&mut self, index: usize, is_ending: bool, script: &mut S) {
        if self.connections[index].ticket.is_none() {
            self.connections[index].is_ended |= is_ending;
            return;
        }
        if self.connections[index].write_rest().is_err() {
            self.lose(index, Loss::Closed, script);
            return;
        }
        loop {
            match self.read(index, is_ending, script) {
                Reading::Partial => {}
                // As a rule nothing more can be there: the next answer is a new edge.
                Reading::Answered | Reading::Dry => return,
                Reading::Lost(why) => {
                    self.lose(index, why, script);
                    return;
                }
            }
        }
    }

    /// Reads once, and delivers the answer when it is complete.
    fn read<S: Script>(&mut self, index: usize, is_ending: bool, script: &mut S) -> Reading {
        let connection = &mut self.connections[index];
        let length = match connection.socket.read(&mut self.buffer) {
            Ok(0) => return Reading::Lost(Loss::Closed),
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Reading::Dry,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Reading::Partial,
            Err(_) => return Reading::Lost(Loss::Closed),
        };
        let answered_at = Instant::now();
        let is_whole = connection.received.is_empty();
        if !is_whole {
            connection.received.extend_from_slice(&self.buffer[..length]);
        }
        let bytes = if is_whole { &self.buffer[..length] } else { &connection.received[..] };
        let head = match complete(bytes) {
            Ok(Some(head)) => head,
            Ok(None) => {
                if is_whole {
                    connection.received.extend_from_slice(&self.buffer[..length]);
                }
                return Reading::Partial;
            }
            Err(_) => return Reading::Lost(Loss::Malformed),
        };
        let ticket = connection.ticket.take().expect("attend reads only while a request is open");
        let answer = Answer {
            status: head.status,
            body: &bytes[head.head_bytes..],
            is_replayed: head.is_replayed,
            due_at: connection.due_at,
            sent_at: connection.sent_at,
            answered_at,
        };
        script.answered(ticket, &answer);
        connection.received.clear();
        connection.free_since = answered_at;
        connection.is_ended = is_ending || !head.is_kept_alive;
        self.free.push(index);
        Reading::Answered
    }

    /// Sends the script's next request, which was `due_at` its place in the schedule, or else is due now.
    ///
    /// Returns the time at which it was sent; `None` when the connection is retired.
    fn send_next<S: Script>(
        &mut self,
        index: usize,
        due_at: Option<Instant>,
        script: &mut S,
    ) -> Option<Instant> {
        if self.connections[index].is_ended && !self.reconnect(index) {
            self.working -= 1;
            return None;
        }
        let now = Instant::now();
        let connection = &mut self.connections[index];
        let Some(ticket) = script.next(&mut connection.request, now) else {
            self.working -= 1;
            return None;
        };
        connection.ticket = Some(ticket);
        connection.due_at = due_at.unwrap_or(now);
        connection.sent_at = now;
        connection.written = 0;
        if connection.write_rest().is_err() {
            self.lose(index, Loss::Closed, script);
        }
        Some(now)
    }

    fn lose<S: Script>(&mut self, index: usize, why: Loss, script: &mut S) {
        let connection = &mut self.connections[index];
        let Some(ticket) = connection.ticket.take() else { return };
        connection.received.clear();
        connection.is_ended = true;
        connection.has_lost = true;
        connection.free_since = Instant::now();
        match script.lost(ticket, why) {
            AfterLoss::Reconnect => self.free.push(index),
            AfterLoss::GiveUp => self.working -= 1,
        }
    }

    /// Replaces the socket; false when the server is gone.
    fn reconnect(&mut self, index: usize) -> bool {
        if self.connections[index].has_lost {
            let Some(reconnects_left) = self.reconnects_left.checked_sub(1) else { return false };
            self.reconnects_left = reconnects_left;
        }
        // Closing a socket takes it out of the poll by itself; deregistering first keeps mio's books.
        let _ = self.poll.registry().deregister(&mut self.connections[index].socket);
        let Ok(socket) = self.open(index) else { return false };
        let connection = &mut self.connections[index];
        connection.socket = socket;
        connection.received.clear();
        connection.is_ended = false;
        connection.has_lost = false;
        true
    }
}

impl Connection {
    /// Writes what is left of the request, as far as the socket takes it.
    fn write_rest(&mut self) -> io::Result<()> {
        while self.written < self.request.bytes().len() {
            match self.socket.write(&self.request.bytes()[self.written..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(length) => self.written += length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// The head, once head and body are there and nothing else is.
fn complete(bytes: &[u8]) -> anyhow::Result<Option<Head>> {
    let Some(head) = wire::parse_head(bytes)? else { return Ok(None) };
    let length = head.head_bytes.saturating_add(head.body_bytes);
    anyhow::ensure!(length <= ANSWER_BYTES_MAX, "an answer of {length} bytes");
    anyhow::ensure!(bytes.len() <= length, "more bytes than the answer has");
    Ok((bytes.len() == length).then_some(head))
}

#[cfg(test)]
mod tests;
