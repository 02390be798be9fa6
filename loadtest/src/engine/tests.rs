//! The engine against the floor server, and against servers that behave badly.

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
