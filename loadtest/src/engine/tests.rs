//! The engine against the floor server, and against servers that behave badly.

use super::open::Schedule;
use super::*;
use crate::floor_server::{Sample, serve_in_test};
use crate::wire::Style;
use std::net::TcpListener;
use std::thread;

const DEADLINE: Duration = Duration::from_secs(20);

/// Asks `total` times and keeps what came.
#[derive(Debug, Default)]
struct Collector {
    total: u64,
    sent: u64,
    tickets: Vec<u64>,
    answers: Vec<(u16, Vec<u8>)>,
    losses: Vec<Loss>,
}

impl Script for Collector {
    fn next(&mut self, request: &mut Request, _now: Instant) -> Option<u64> {
        if self.sent == self.total {
            return None;
        }
        self.sent += 1;
        request.set_session(self.sent);
        Some(self.sent)
    }

    fn answered(&mut self, ticket: u64, answer: &Answer<'_>) {
        assert!(answer.answered_at >= answer.sent_at);
        self.tickets.push(ticket);
        self.answers.push((answer.status, answer.body.to_vec()));
    }

    fn lost(&mut self, _ticket: u64, why: Loss) -> AfterLoss {
        self.losses.push(why);
        if why == Loss::Malformed { AfterLoss::GiveUp } else { AfterLoss::Reconnect }
    }
}

fn purchase() -> Request {
    Request::purchase(&Style { host: "127.0.0.1".into(), run: "00000000".into() }, "prod_1", false)
}

fn collect(address: SocketAddr, connections: usize, total: u64) -> Collector {
    let mut engine = Engine::connect(address, connections, &purchase()).expect("the server listens");
    let mut collector = Collector { total, ..Collector::default() };
    engine.run(&mut collector, Instant::now() + DEADLINE).expect("polling works");
    collector
}

/// A server that does `serve` with each connection, one after the other.
fn bad_server(serve: impl Fn(std::net::TcpStream) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || listener.incoming().flatten().for_each(serve));
    address
}

fn read_request(stream: &mut std::net::TcpStream) -> usize {
    let mut request = [0; 1024];
    stream.read(&mut request).unwrap_or(0)
}

#[test]
fn every_request_to_the_floor_server_is_answered_once() {
    let body = r#"{"order_id":"ord_1","quantity":1,"available":7}"#;
    let headers = vec![("x-sample".to_owned(), "yes".to_owned())];
    let address = serve_in_test(Sample { status: 201, headers, body: body.into() });
    let mut collector = collect(address, 16, 5_000);
    collector.tickets.sort_unstable();
    assert!(collector.tickets.iter().copied().eq(1..=5_000));
    assert!(collector.answers.iter().all(|(status, bytes)| *status == 201 && bytes == body.as_bytes()));
    assert_eq!(collector.losses, []);
}

#[test]
fn answer_larger_than_the_buffer_is_put_together() {
    let body = "x".repeat(BUFFER_BYTES * 3);
    let address = serve_in_test(Sample { status: 409, headers: Vec::new(), body: body.clone() });
    let collector = collect(address, 2, 6);
    assert_eq!(collector.answers, vec![(409, body.into_bytes()); 6]);
}

#[test]
fn answer_that_comes_byte_by_byte_is_put_together() {
    let address = bad_server(|mut stream| {
        stream.set_nodelay(true).expect("an option");
        while read_request(&mut stream) > 0 {
            for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello" {
                stream.write_all(&[*byte]).expect("the engine reads");
            }
        }
    });
    let collector = collect(address, 1, 3);
    assert_eq!(collector.answers, vec![(200, b"hello".to_vec()); 3]);
}

#[test]
fn connection_closed_after_each_answer_is_opened_again() {
    let address = bad_server(|mut stream| {
        read_request(&mut stream);
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        stream.write_all(answer).expect("the engine reads");
    });
    let collector = collect(address, 1, 4);
    assert_eq!(collector.answers, vec![(200, Vec::new()); 4]);
    assert_eq!(collector.losses, []);
}

#[test]
fn request_without_an_answer_is_lost_and_the_next_goes_on() {
    let address = bad_server(|mut stream| {
        read_request(&mut stream);
    });
    let collector = collect(address, 1, 3);
    assert_eq!(collector.losses, [Loss::Closed; 3]);
    assert_eq!(collector.answers, []);
}

#[test]
fn nonsense_is_lost_as_malformed() {
    let address = bad_server(|mut stream| {
        read_request(&mut stream);
        stream.write_all(b"SMTP ready\r\n\r\n").expect("the engine reads");
        read_request(&mut stream);
    });
    assert_eq!(collect(address, 1, 1).losses, [Loss::Malformed]);
}

#[test]
fn silent_server_loses_requests_at_the_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let mut engine = Engine::connect(listener.local_addr().expect("an address"), 2, &purchase())
        .expect("the backlog takes them");
    let mut collector = Collector { total: 9, ..Collector::default() };
    engine.run(&mut collector, Instant::now() + Duration::from_millis(80)).expect("polling works");
    assert_eq!(collector.losses, [Loss::Deadline; 2]);
}

#[test]
fn server_that_is_not_there_cannot_be_connected() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    assert!(Engine::connect(address, 1, &purchase()).is_err());
}

#[test]
fn schedule_shares_a_rate_out_and_counts_what_is_left() {
    let start = Instant::now();
    let until = start + Duration::from_millis(100);
    let shares = [0, 1].map(|thread| Schedule::share(start, until, 1_000.0, thread, 2));
    let millis = |at: Instant| (at - start).as_micros();
    assert_eq!((millis(shares[0].at(0)), millis(shares[0].at(3))), (0, 6_000));
    assert_eq!((millis(shares[1].at(0)), millis(shares[1].at(3))), (1_000, 7_000));
    assert_eq!(shares.map(|share| share.count_from(0, start)), [50, 50]);
    assert_eq!(shares[0].count_from(45, start), 5);
    assert_eq!(shares[0].count_from(0, until - Duration::from_millis(10)), 5);
    assert_eq!(shares[0].count_from(60, start), 0);
}

#[test]
fn scheduled_requests_go_out_in_their_order_and_not_before_their_time() {
    let address = serve_in_test(Sample { status: 201, headers: Vec::new(), body: String::new() });
    let mut engine = Engine::connect(address, 3, &purchase()).expect("the server listens");
    let start = Instant::now();
    let schedule = Schedule::share(start, start + Duration::from_millis(300), 1_000.0, 0, 1);
    let mut punctual = Punctual { schedule, sent: 0, answers: 0, late: 0 };
    let sent = engine.run_open(&mut punctual, &schedule, start + DEADLINE).expect("polling works");
    assert_eq!((sent, punctual.sent, punctual.answers, punctual.late), (300, 300, 300, 300));
}

/// Checks every request against its schedule.
struct Punctual {
    schedule: Schedule,
    sent: u64,
    answers: u64,
    late: u64,
}

impl Script for Punctual {
    fn next(&mut self, _request: &mut Request, now: Instant) -> Option<u64> {
        assert!(now >= self.schedule.at(self.sent), "sent before its time");
        self.sent += 1;
        Some(self.sent - 1)
    }

    fn answered(&mut self, ticket: u64, answer: &Answer<'_>) {
        assert_eq!(answer.due_at, self.schedule.at(ticket));
        assert!(answer.sent_at >= answer.due_at);
        self.answers += 1;
    }

    fn lost(&mut self, ticket: u64, why: Loss) -> AfterLoss {
        panic!("{ticket} was lost: {why:?}");
    }

    fn sent(&mut self, _due_at: Instant, _late: Duration) {
        self.late += 1;
    }
}

#[test]
fn requests_that_a_silent_server_keeps_out_are_not_forgotten() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let mut engine = Engine::connect(address, 2, &purchase()).expect("the backlog takes them");
    let mut collector = Collector { total: u64::MAX, ..Collector::default() };
    let start = Instant::now();
    let schedule = Schedule::share(start, start + Duration::from_millis(50), 200.0, 0, 1);
    let sent =
        engine.run_open(&mut collector, &schedule, start + Duration::from_millis(80)).expect("polling works");
    assert_eq!((sent, schedule.count_from(sent, start)), (2, 8));
    assert_eq!(collector.losses, [Loss::Deadline; 2]);
}

#[test]
fn connection_that_was_closed_while_it_was_free_costs_no_request() {
    let address = bad_server(|mut stream| {
        read_request(&mut stream);
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").expect("the engine reads");
    });
    let mut engine = Engine::connect(address, 1, &purchase()).expect("the server listens");
    // Nor does it count as a connection that the server dropped.
    engine.reconnects_left = 0;
    let mut collector = Collector { total: u64::MAX, ..Collector::default() };
    let start = Instant::now();
    let schedule = Schedule::share(start, start + Duration::from_millis(600), 5.0, 0, 1);
    engine.run_open(&mut collector, &schedule, start + DEADLINE).expect("polling works");
    assert_eq!((collector.answers.len(), collector.losses.len()), (3, 0));
}
