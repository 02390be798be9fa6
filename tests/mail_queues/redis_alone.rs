//! What only Redis can do to a queue: end, forget, fill up, hold what is no mail, and not answer.

use std::time::{Duration, Instant};

use holdfast::mail::queue::redis::RedisQueue;
use holdfast::mail::queue::{Dead, MailQueue, Next, QueueError, UNREADABLE};
use redis::{AsyncCommands as _, Value, cmd};

use crate::bench::{Bench as _, FOR_EVER, InRedis, WAIT_MAX, figures, ids, mail, mails, named, one, take};
use crate::redis_server::RedisServer;

/// One mail in each state.
async fn fill(queue: &RedisQueue) {
    queue.put(&mails(&["taken", "delayed", "dead", "ready"])).await.expect("it is put");
    let taken = take(queue, 3).await;
    queue.failed(&taken[1], "busy", Next::Again(FOR_EVER)).await.expect("it is noted");
    queue.failed(&taken[2], "no route", Next::Dead).await.expect("it is noted");
    queue.sent(&ids(&["sent"])).await.expect("it is noted");
    assert_eq!(figures(queue).await, [1, 1, 1, 1, 1]);
}

#[tokio::test]
async fn killed_redis_with_a_file_keeps_everything_and_has_another_life() {
    let mut bench = InRedis::at(RedisServer::with(&["--appendonly", "yes", "--appendfsync", "always"]));
    let queue = bench.worker(FOR_EVER);
    fill(&queue).await;
    let life = queue.life().await.expect("it answers");
    bench.server.kill();
    let error = queue.stat().await.expect_err("nobody is there");
    assert!(matches!(error, QueueError::Redis(_)), "{error}");
    bench.server.restart();
    assert_eq!(figures(&queue).await, [1, 1, 1, 1, 1]);
    assert_ne!(queue.life().await.expect("it answers"), life);
    assert_eq!(
        queue.put(&mails(&["taken", "delayed", "dead", "ready", "sent"])).await.expect("it is put"),
        0
    );
    let over = take(&queue.claiming_after(Duration::ZERO), 9).await;
    assert_eq!(named(&over), [("taken", 2), ("ready", 1)]);
    let dead: Dead = queue.dead(9).await.expect("it tells").remove(0);
    assert_eq!((dead.mail, dead.why.as_str()), (Some(mail("dead")), "no route"));
}

#[tokio::test]
async fn killed_redis_without_a_file_lost_everything_and_says_so() {
    let mut bench = InRedis::new();
    let queue = bench.worker(FOR_EVER);
    queue.put(&mails(&["a", "b"])).await.expect("it is put");
    let held = take(&queue, 2).await;
    let life = queue.life().await.expect("it answers");
    bench.server.kill();
    bench.server.restart();
    assert_ne!(queue.life().await.expect("it answers"), life);
    assert_eq!(figures(&queue).await, [0; 5]);
    // The worker knows nothing of it, and its word is taken.
    queue.sent(&ids(&["a"])).await.expect("it is noted");
    queue.failed(&held[1], "busy", Next::Again(Duration::ZERO)).await.expect("it has no say");
    assert_eq!(queue.put(&mails(&["a", "b"])).await.expect("it is put"), 1);
    assert_eq!(queue.sent_ids(9, WAIT_MAX).await.expect("it tells"), ["a"]);
    assert_eq!(named(&take(&queue, 9).await), [("b", 1)]);
}

#[tokio::test]
async fn emptied_redis_has_another_life_and_wakes_who_waits() {
    let bench = InRedis::new();
    let (queue, other) = (bench.worker(FOR_EVER), bench.worker(FOR_EVER));
    fill(&queue).await;
    let life = queue.life().await.expect("it answers");
    assert_eq!(other.life().await.expect("it answers"), life);
    take(&queue, 9).await;
    let begun = Instant::now();
    let (taken, ()) = tokio::join!(queue.take(9, WAIT_MAX), async {
        figures(&other).await;
        let mut client = bench.server.client().await;
        let () = cmd("FLUSHALL").query_async(&mut client).await.expect("it is emptied");
        other.put(&mails(&["a"])).await.expect("it is put");
    });
    assert_eq!(named(&taken.expect("it takes")), [("a", 1)]);
    assert!(begun.elapsed() < WAIT_MAX / 2);
    assert_ne!(queue.life().await.expect("it answers"), life);
}

#[tokio::test]
async fn full_redis_refuses_mails_loses_none_and_lets_the_sent_ones_go() {
    let bench = InRedis::new();
    let queue = bench.worker(FOR_EVER);
    let mut client = bench.server.client().await;
    let big = |id: String| holdfast::mail::Mail { name: Some("n".repeat(10_000)), ..mail(&id) };
    let first: Vec<_> = (0..50).map(|number| big(format!("m{number}"))).collect();
    queue.put(&first).await.expect("it is put");
    let taken = take(&queue, 2).await;
    let () = cmd("CONFIG")
        .arg("SET")
        .arg("maxmemory")
        .arg("1mb")
        .query_async(&mut client)
        .await
        .expect("it is set");
    let error = queue.put(&[big("late".into())]).await.expect_err("it is full");
    let QueueError::Redis(error) = error else { panic!("{error}") };
    assert_eq!(error.code(), Some("OOM"));
    assert_eq!(figures(&queue).await, [48, 2, 0, 0, 0]);
    queue.failed(&taken[0], "busy", Next::Again(Duration::ZERO)).await.expect("it is noted");
    queue.sent(&[taken[1].mail.id.clone()]).await.expect("it is noted");
    let mut count = 0;
    loop {
        let names: Vec<_> = take(&queue, 7).await.into_iter().map(|delivery| delivery.mail.id).collect();
        if names.is_empty() {
            break;
        }
        count += names.len();
        queue.sent(&names).await.expect("it is noted");
    }
    assert_eq!((count, figures(&queue).await), (49, [0, 0, 0, 0, 50]));
    let sent = queue.sent_ids(99, WAIT_MAX).await.expect("it tells");
    queue.forget(&sent).await.expect("it is noted");
    assert_eq!(figures(&queue).await, [0; 5]);
}

#[tokio::test]
async fn what_is_no_mail_is_dead_with_its_bytes_kept() {
    let bench = InRedis::new();
    let queue = bench.worker(FOR_EVER);
    let mut client = bench.server.client().await;
    let newer =
        r#"{"id":"newer","kind":"welcome","to":"n@example.test","at_ms":1700000000000,"mood":"good"}"#;
    let unknown = r#"{"id":"unknown","kind":"shipped","to":"u@example.test","at_ms":1}"#;
    for (id, json) in
        [("broken", b"{\xff\0".as_slice()), ("unknown", unknown.as_bytes()), ("newer", newer.as_bytes())]
    {
        let fields: [(&str, &[u8]); 3] = [("id", id.as_bytes()), ("mail", json), ("more", b"x")];
        let _entry: String = client.xadd("queue:emails", "*", &fields).await.expect("it is added");
    }
    let entry: String = client.xadd("queue:emails", "*", &[("foo", "bar")]).await.expect("it is added");
    queue.put(&mails(&["good"])).await.expect("it is put");
    let taken = queue.take(1, WAIT_MAX).await.expect("it takes");
    assert_eq!(named(&taken), [("newer", 1)], "fields that are not known are passed over");
    assert_eq!(named(&queue.take(9, WAIT_MAX).await.expect("it takes")), [("good", 1)]);
    assert_eq!(figures(&queue).await, [0, 2, 0, 3, 0]);
    let dead = queue.dead(9).await.expect("it tells");
    let mut names: Vec<_> = dead.iter().map(|dead| dead.id.as_str()).collect();
    // Those that died in the same millisecond come by name.
    names.sort_unstable();
    assert_eq!(names, ["broken", &format!("entry-{entry}"), "unknown"]);
    assert!(dead.iter().all(|dead| dead.mail.is_none() && dead.why.starts_with(UNREADABLE)), "{dead:?}");
    let kept: String = client.hget("queue:emails:held", "unknown").await.expect("it is there");
    assert!(kept.contains("shipped"), "{kept}");
    // A version that can read it finds it as it was.
    assert_eq!(queue.retry(Some(&ids(&["unknown", "broken"]))).await.expect("it is noted"), 2);
    let entries: Vec<(String, Vec<Vec<u8>>)> =
        client.xrevrange_count("queue:emails", "+", "-", 2).await.expect("it reads");
    assert!(entries.iter().any(|(_, fields)| fields.iter().any(|field| field == unknown.as_bytes())));
    assert!(entries.iter().any(|(_, fields)| fields.iter().any(|field| field == b"{\xff\0")));
}

#[tokio::test]
async fn entry_can_be_read_with_redis_cli_and_a_second_one_of_its_name_is_dropped() {
    let bench = InRedis::new();
    let queue = bench.worker(FOR_EVER);
    queue.put(&mails(&["a"])).await.expect("it is put");
    let mut client = bench.server.client().await;
    let entries: Vec<(String, Vec<String>)> = client.xrange_all("queue:emails").await.expect("it reads");
    let json = serde_json::to_string(&mail("a")).expect("it is plain data");
    let fields = ["id", "a", "kind", "welcome", "to", "a@example.test", "attempt", "1", "mail", &json];
    assert_eq!(entries[0].1, fields);
    let _entry: String =
        client.xadd("queue:emails", "*", &[("id", "a"), ("mail", &json)]).await.expect("it is added");
    assert_eq!(named(&take(&queue, 9).await), [("a", 1)]);
    assert_eq!(figures(&queue).await, [0, 1, 0, 0, 0]);
    let keys: Vec<String> = client.keys("*").await.expect("it tells");
    assert!(keys.iter().all(|key| key.starts_with("queue:emails")), "{keys:?}");
    queue.sent(&ids(&["a"])).await.expect("it is noted");
    queue.forget(&ids(&["a"])).await.expect("it is noted");
    let left: i64 =
        cmd("MEMORY").arg("USAGE").arg("queue:emails").query_async(&mut client).await.expect("it tells");
    assert!(left < 10_000, "an empty stream takes {left} bytes");
}

#[tokio::test]
async fn password_and_database_of_the_url_are_used() {
    let server = RedisServer::with(&["--requirepass", "se/cret"]);
    let at = |url: String| RedisQueue::new(&url, "w", FOR_EVER).expect("it is a URL");
    let address = server.address();
    let queue = at(format!("redis://:se%2Fcret@{address}/3"));
    queue.put(&mails(&["a"])).await.expect("it is put");
    assert_eq!(figures(&at(format!("redis://:se%2Fcret@{address}/3"))).await, [1, 0, 0, 0, 0]);
    assert_eq!(figures(&at(format!("redis://default:se%2Fcret@{address}/4"))).await, [0; 5]);
    for wrong in
        [format!("redis://:wrong@{address}"), format!("redis://{address}"), format!("rediss://{address}")]
    {
        at(wrong.clone()).stat().await.expect_err(&wrong);
    }
    assert!(RedisQueue::new("http://x", "w", FOR_EVER).is_err());
}

#[tokio::test]
async fn redis_that_does_not_answer_is_an_error_in_time_and_nobody_else_is_held_up() {
    let bench = InRedis::new();
    let queue = bench.worker(FOR_EVER);
    // A reader that waits has a connection of its own.
    let waits = queue.sent_ids(1, WAIT_MAX);
    let (told, ()) = tokio::join!(waits, async {
        queue.put(&mails(&["a"])).await.expect("it is put");
        one(take(&queue, 1).await);
        queue.sent(&ids(&["a"])).await.expect("it is noted");
    });
    assert_eq!(told.expect("it tells"), ["a"]);
    bench.server.signal("STOP");
    let begun = Instant::now();
    queue.stat().await.expect_err("it does not answer");
    queue.take(1, Duration::from_millis(50)).await.expect_err("it does not answer");
    assert!(begun.elapsed() < WAIT_MAX / 2);
    bench.server.signal("CONT");
    assert_eq!(figures(&queue).await, [0, 0, 0, 0, 1]);
}

#[tokio::test]
async fn who_gives_up_while_waiting_has_taken_nothing() {
    let bench = InRedis::new();
    let (queue, other) = (bench.worker(FOR_EVER), bench.worker(FOR_EVER));
    let given_up = tokio::time::timeout(Duration::from_millis(100), queue.take(9, WAIT_MAX)).await;
    assert!(given_up.is_err());
    other.put(&mails(&["a"])).await.expect("it is put");
    assert_eq!(named(&take(&other, 9).await), [("a", 1)]);
    let mut client = bench.server.client().await;
    let consumers: Value = cmd("XINFO")
        .arg("CONSUMERS")
        .arg("queue:emails")
        .arg("workers")
        .query_async(&mut client)
        .await
        .expect("it tells");
    assert!(matches!(consumers, Value::Array(all) if !all.is_empty()));
}
