//! Measurements of real servers in this process: one that keeps still, one that stalls, one that sells.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use super::*;
use crate::fake_shop::{self, Cheat};
use crate::floor_server::{Sample, serve_in_test};
use crate::shop::Shop;
use crate::wire::Style;

fn style(address: SocketAddr) -> Style {
    Style { host: address.to_string(), run: "00000000".into() }
}

fn endpoint(address: SocketAddr) -> Endpoint {
    Endpoint { name: "here".into(), address, processes: vec![std::process::id()] }
}

fn load(pace: Pace, millis: u64) -> Load {
    Load {
        scenario: "test".into(),
        connections: 4,
        generator_threads: 2,
        pace,
        warm_up: Duration::from_millis(100),
        duration: Duration::from_millis(millis),
        shows_progress: false,
    }
}

/// Answers everybody with an empty 201, and once, some time after the first request, nobody for half a second.
fn stalling_server(stalls_at_request: u64) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        static REQUESTS: AtomicU64 = AtomicU64::new(0);
        static HAS_STALLED: AtomicBool = AtomicBool::new(false);
        static DOOR: Mutex<()> = Mutex::new(());
        for mut stream in listener.incoming().flatten() {
            thread::spawn(move || {
                let mut request = [0; 1_024];
                while stream.read(&mut request).is_ok_and(|length| length > 0) {
                    let door = DOOR.lock().expect("nobody panics");
                    let number = REQUESTS.fetch_add(1, Ordering::Relaxed);
                    if number >= stalls_at_request && !HAS_STALLED.swap(true, Ordering::Relaxed) {
                        // The stall is what is tested, not a way to wait for something.
                        thread::sleep(Duration::from_millis(500));
                    }
                    drop(door);
                    let answer = b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n";
                    if stream.write_all(answer).is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

#[test]
fn closed_loop_counts_what_is_answered_in_the_measured_time() {
    let body = "a body of 20 bytes..";
    let address = serve_in_test(Sample { status: 201, headers: Vec::new(), body: body.into() });
    let ids = vec!["prod_1".into(), "prod_2".into()];
    let workload = Workload::purchases(&style(address), ids, Choice::Uniform).expect("products");
    let measured =
        measure(&load(Pace::Closed, 300), &workload, &endpoint(address), 1).expect("the floor answers");
    let it = &measured.measurement;
    assert_eq!((it.unexpected, it.body_bytes_mean), (0, 20.0));
    assert_eq!((it.outcomes.get("sold"), it.outcomes.len()), (Some(&it.answers), 1));
    assert_eq!((it.latency.answers, it.service_time.is_none()), (it.answers, true));
    assert_eq!((it.operations_per_second, it.rival.as_str()), (it.answers_per_second, "here"));
    assert_eq!(it.timeline.len(), 30);
    assert_eq!(it.timeline.iter().map(|slice| slice.answers).sum::<u64>(), it.answers);
    assert_eq!(it.timeline.iter().map(|slice| slice.wanted).sum::<u64>(), it.answers);
    assert!(it.server_cpu_us.is_some() && it.generator_cpu_us.is_some());
    // Those of the warm-up are bought as well, and count for the audit.
    assert!(measured.tally.taken() > it.answers, "{} of {}", it.answers, measured.tally.taken());
    assert!(measured.tally.products.iter().all(|product| product.taken > 0 && product.refused == 0));
    assert!(describe(&measured).contains("closed loop"));
}

#[test]
fn stall_is_charged_to_everybody_who_would_have_come_meanwhile() {
    const STALLED_NS: u64 = 400_000_000;
    let address = stalling_server(200);
    let workload =
        Workload::purchases(&style(address), vec!["prod_1".into()], Choice::Uniform).expect("a product");
    let pace = Pace::Open { per_second: 400.0 };
    let measured = measure(&load(pace, 2_000), &workload, &endpoint(address), 1).expect("it answers");
    let it = &measured.measurement;
    let above = |latency: &crate::results::Latency| {
        let all = document::histogram(latency).expect("our own");
        all.count_between(STALLED_NS, u64::MAX)
    };
    // Of 200 requests that were due in the stall, 40 were due in its first tenth of a second.
    let from_start = above(&it.latency);
    assert!(from_start >= 30, "{from_start} from the intended start");
    assert!(it.latency.p99_us >= 400_000.0, "{}", it.latency.p99_us);
    // Only those that were on their way were stalled themselves.
    let service = above(it.service_time.as_ref().expect("there is a schedule"));
    assert!(service >= 1 && service * 4 <= from_start, "{service} of {from_start}");
    // Nobody is forgotten: the rate was kept, though late.
    assert!((798..=802).contains(&it.answers), "{} of 800", it.answers);
    assert_eq!((it.unexpected, it.outcomes.get("sold")), (0, Some(&it.answers)));
    assert!(measured.lateness.is_some());
    assert!(describe(&measured).contains("from intended start"));
}

#[test]
fn sold_out_shop_is_tallied_product_by_product() {
    let target = fake_shop::open(Cheat::Honest);
    let mut shop = Shop::enter(&target, Duration::from_secs(60)).expect("it is open");
    let few = shop.create_product("few", 20).expect("it is made");
    let many = shop.create_product("many", 1_000_000).expect("it is made");
    let ids = vec![few.id, many.id];
    let workload = Workload::purchases(&style(target.address), ids, Choice::Uniform)
        .expect("products")
        .expecting("insufficient_stock");
    let measured =
        measure(&load(Pace::Open { per_second: 300.0 }, 1_000), &workload, &endpoint(target.address), 1)
            .expect("it answers");
    let [few, many] = measured.tally.products[..] else { panic!("two products") };
    assert_eq!((few.taken, few.unknown, many.refused), (20, 0, 0));
    assert!(few.refused > 0 && many.taken > 0);
    let outcomes = &measured.measurement.outcomes;
    assert!(outcomes.contains_key("insufficient_stock") && measured.measurement.unexpected == 0);
}

/// Answers so many requests on each connection, and reads the others without a word.
fn server_that_falls_silent(after: usize) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            thread::spawn(move || {
                let (mut request, mut answers_left) = ([0; 1_024], after);
                while stream.read(&mut request).is_ok_and(|length| length > 0) {
                    if let Some(left) = answers_left.checked_sub(1) {
                        answers_left = left;
                        let answer = b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n";
                        stream.write_all(answer).expect("the engine reads");
                    }
                }
            });
        }
    });
    address
}

#[test]
fn requests_of_a_server_that_falls_silent_are_all_accounted_for() {
    // 80 of 200 requests are answered, 20 of them in the warm-up; 4 are on their way at the end, and the rest waits.
    let address = server_that_falls_silent(20);
    let workload =
        Workload::purchases(&style(address), vec!["prod_1".into()], Choice::Uniform).expect("a product");
    let (pace, drain) = (Pace::Open { per_second: 200.0 }, Duration::from_millis(200));
    let measured = measure_and_drain(&load(pace, 900), &workload, &endpoint(address), 1, drain)
        .expect("it answers some");
    let it = &measured.measurement;
    let unanswered = it.outcomes["unanswered"];
    assert_eq!((it.answers + unanswered, it.unexpected), (180, unanswered));
    assert_eq!((measured.tally.taken(), measured.tally.unknown), (80, 4));
    assert_eq!(measured.tally.products[0].unknown, 4);
    let text = describe(&measured);
    assert!(text.contains("UNEXPECTED") && text.contains("were never answered"), "{text}");
}

#[test]
fn rate_of_nothing_is_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let workload =
        Workload::purchases(&style(address), vec!["prod_1".into()], Choice::Uniform).expect("a product");
    let nothing = load(Pace::Open { per_second: 0.0 }, 50);
    assert!(measure(&nothing, &workload, &endpoint(address), 1).is_err());
}

#[test]
fn window_is_cut_into_slices_from_its_beginning_to_its_end() {
    let start = Instant::now();
    let window = Window::new(&load(Pace::Closed, 1_000), start, Duration::ZERO);
    assert_eq!((window.slices, window.from), (100, start + Duration::from_millis(100)));
    let at = |millis| window.slice_of(window.from + Duration::from_millis(millis));
    assert_eq!((at(0), at(9), at(10), at(999), at(1_000), at(9_000)), (0, 0, 1, 99, 100, 100));
    assert_eq!(Window::new(&load(Pace::Closed, 3), start, Duration::ZERO).slices, 1);
}
