//! SIGTERM: what was begun is finished, nothing is lost, and it does not take for ever.

use std::io::Write as _;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::buyers::Buyers;
use crate::server::{Folder, Server};
use crate::shop::Shop;

/// What orchestrators give.
const SHUTDOWN_MAX: Duration = Duration::from_secs(10);

/// A purchase that is never sent to its end.
fn unfinished_request(server: &Server) -> TcpStream {
    let mut socket = TcpStream::connect(server.address()).expect("it listens");
    let head = "POST /api/v1/products/x/purchase HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
                Content-Length: 14\r\nExpect: 100-continue\r\n\r\n{\"quan";
    socket.write_all(head.as_bytes()).expect("it reads");
    // The server says that it waits for the rest: now the request is its own.
    let mut line = [0; 12];
    std::io::Read::read_exact(&mut socket, &mut line).expect("it answers");
    assert_eq!(&line, b"HTTP/1.1 100");
    socket
}

#[tokio::test]
async fn sigterm_under_load_ends_in_order_and_loses_nothing() {
    let folder = Folder::new();
    let mut server = folder.start();
    let mut buyers = Buyers::at(&Shop::of(&server)).await;
    for signal in ["TERM", "INT", "TERM"] {
        buyers.open(&server);
        buyers.wait_for_answers(60).await;
        let started = Instant::now();
        server.signal(signal);
        buyers.go_home().await;
        let ended = server.wait().expect_code(0);
        assert!(started.elapsed() < SHUTDOWN_MAX, "{:?}", started.elapsed());
        assert!(ended.stderr.contains("stopping"), "{}", ended.stderr);
        server = folder.start();
        let shop = Shop::of(&server);
        buyers.audit(&shop).await;
        buyers.ask_again(&shop).await;
        buyers.audit(&shop).await;
    }
    server.terminate().expect_code(0);
    folder.run(&["journal", "verify"]).expect_code(0);
}

/// How many records the start of a server replayed that were in no checkpoint.
fn replayed(server: &Server) -> u64 {
    server.wait_for_stderr("every invariant holds");
    let said = server.stderr();
    let said = said.lines().find(|line| line.contains("every invariant holds")).expect("it was said");
    let number = |after: &str, before: &str| -> u64 {
        let (_, rest) = said.split_once(after).unwrap_or_else(|| panic!("`{after}`: {said}"));
        let (number, _) = rest.split_once(before).unwrap_or_else(|| panic!("`{before}`: {said}"));
        number.parse().unwrap_or_else(|error| panic!("{error}: {number}"))
    };
    assert!(said.contains("loaded "), "it began with a checkpoint: {said}");
    number(" (", " records in ") - number(" batches, ", " of them in the checkpoint")
}

#[tokio::test]
async fn sigterm_leaves_a_checkpoint_and_the_next_start_next_to_nothing_to_replay() {
    const SALES: u64 = 60;
    let folder = Folder::new();
    // None by itself.
    let start = || {
        let mut serve = folder.serve();
        serve.env("HOLDFAST_CHECKPOINT_SECONDS", "0");
        Server::start(serve)
    };
    let mut server = start();
    let mug = Shop::of(&server).product("MUG", 1_000).await;
    for is_in_order in [false, true] {
        let shop = Shop::of(&server);
        for _ in 0..SALES {
            shop.purchase(&mug, 1).send().await.expect(201);
        }
        if is_in_order {
            let ended = server.terminate().expect_code(0);
            assert!(ended.stderr.contains(" is of the end"), "{}", ended.stderr);
        } else {
            server.kill();
        }
        server = start();
        let replayed = replayed(&server);
        if is_in_order {
            assert!(replayed < SALES / 10, "{replayed} records behind the last checkpoint");
        } else {
            assert!(replayed >= SALES, "{replayed} records behind a crash");
        }
    }
    let sold = 2 * SALES;
    assert_eq!(Shop::of(&server).figures("MUG").await, [1_000, 1_000 - sold, 0, sold]);
    server.terminate().expect_code(0);
    folder.run(&["journal", "verify"]).expect_code(0);
}

#[test]
fn second_signal_ends_it_at_once() {
    let folder = Folder::new();
    let server = folder.start();
    let unfinished = unfinished_request(&server);
    let started = Instant::now();
    server.signal("TERM");
    server.wait_for_stderr("a second signal stops at once");
    server.signal("TERM");
    let ended = server.wait().expect_code(1);
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    assert!(ended.stderr.contains("stopped at once by a second signal"), "{}", ended.stderr);
    drop(unfinished);
    drop(folder.start());
}

#[test]
fn client_who_never_finishes_does_not_hold_up_the_end() {
    let folder = Folder::new();
    let server = folder.start();
    let unfinished = unfinished_request(&server);
    let started = Instant::now();
    server.terminate().expect_code(0);
    assert!(started.elapsed() < SHUTDOWN_MAX, "{:?}", started.elapsed());
    drop(unfinished);
}

#[test]
fn idle_connections_do_not_hold_up_the_end() {
    let folder = Folder::new();
    let server = folder.start();
    let idle: Vec<_> = (0..20).map(|_| TcpStream::connect(server.address()).expect("it listens")).collect();
    let started = Instant::now();
    server.terminate().expect_code(0);
    assert!(started.elapsed() < SHUTDOWN_MAX, "{:?}", started.elapsed());
    drop(idle);
}
