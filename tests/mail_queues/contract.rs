//! What every queue of mails does, tried on both.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use holdfast::mail::queue::{ATTEMPTS_MAX, MailQueue, NEVER_BACK, Next, WHY_BYTES_MAX};
use holdfast::mail::{Kind, Line, Mail, Order};

use crate::bench::{Bench, FOR_EVER, InRedis, OnDisk, WAIT_MAX, figures, ids, mail, mails, named, one, take};

macro_rules! contract {
    ($($name:ident),* $(,)?) => {
        mod on_disk {
            $(#[tokio::test] async fn $name() { super::$name(&<super::OnDisk as super::Bench>::new()).await })*
        }
        mod in_redis {
            $(#[tokio::test] async fn $name() { super::$name(&<super::InRedis as super::Bench>::new()).await })*
        }
    };
}

contract!(
    mail_comes_out_as_it_was_put_in_once_and_in_order,
    two_workers_never_have_the_same,
    failed_mail_comes_again_after_its_delay,
    mail_is_dead_when_the_caller_says_so_and_ready_when_somebody_retries,
    mail_is_dead_after_its_last_attempt,
    mail_that_kills_its_workers_is_dead_in_the_end,
    mail_held_too_long_is_anothers,
    held_mail_is_waited_for,
    sent_mail_is_known_until_it_is_forgotten,
    name_the_queue_never_had_can_be_sent,
    ten_thousand_mails_drain,
    all_dead_of_a_large_number_are_retried,
    who_waits_is_woken,
    nothing_asked_is_nothing_done,
);

async fn mail_comes_out_as_it_was_put_in_once_and_in_order<B: Bench>(bench: &B) {
    let queue = bench.worker(FOR_EVER);
    let line = Line {
        sku: "X-1".into(),
        name: "A „thing“ \\ \"\n".into(),
        quantity: 2,
        unit_price: -5,
        total: i64::MAX,
    };
    let order = Order {
        id: "ord_1".into(),
        number: "H-1".into(),
        lines: vec![line],
        subtotal: 1,
        discount: 2,
        total: i64::MIN,
        currency: "EUR".into(),
        canceled: Some("by_owner".into()),
        reason: None,
        payment_status: "paid".into(),
    };
    let odd = Mail {
        kind: Kind::OrderCanceled,
        name: Some("Ådá {{x}}".into()),
        order: Some(order),
        ..mail("ö d/d:\u{1}")
    };
    let all = [odd, mail("b"), mail("c")];
    let life = queue.life().await.expect("it answers");
    assert_eq!(queue.put(&all).await.expect("it is put"), 3);
    assert_eq!(queue.put(&mails(&["b", "d", "d"])).await.expect("it is put"), 1);
    assert_eq!(figures(&queue).await, [4, 0, 0, 0, 0]);
    let taken = take(&queue, 3).await;
    let out: Vec<_> = taken.iter().map(|delivery| delivery.mail.clone()).collect();
    assert_eq!(out, all);
    assert!(taken.iter().all(|delivery| delivery.attempt == 1));
    assert_eq!(queue.put(&all).await.expect("it is put"), 0, "taken ones are known");
    assert_eq!(figures(&queue).await, [1, 3, 0, 0, 0]);
    assert_eq!(named(&take(&queue, 3).await), [("d", 1)]);
    assert_eq!(queue.life().await.expect("it answers"), life);
}

async fn two_workers_never_have_the_same<B: Bench>(bench: &B) {
    let (one, other) = (bench.worker(FOR_EVER), bench.worker(FOR_EVER));
    let all: Vec<_> = (0..300).map(|number| mail(&format!("m{number}"))).collect();
    one.put(&all).await.expect("it is put");
    let drain = async |queue: &B::Queue| {
        let mut names = Vec::new();
        loop {
            let taken = take(queue, 7).await;
            if taken.is_empty() {
                return names;
            }
            names.extend(taken.into_iter().map(|delivery| delivery.mail.id));
        }
    };
    let (ones, others) = tokio::join!(drain(&one), drain(&other));
    assert!(!ones.is_empty() && !others.is_empty(), "both had some");
    assert_eq!(ones.len() + others.len(), 300);
    assert_eq!(ones.iter().chain(&others).collect::<BTreeSet<_>>().len(), 300);
    assert_eq!(figures(&one).await, [0, 300, 0, 0, 0]);
}

async fn failed_mail_comes_again_after_its_delay<B: Bench>(bench: &B) {
    let (queue, delay) = (bench.worker(FOR_EVER), Duration::from_millis(300));
    queue.put(&mails(&["a", "b"])).await.expect("it is put");
    let taken = take(&queue, 2).await;
    let begun = Instant::now();
    queue.failed(&taken[0], "no route", Next::Again(delay)).await.expect("it is noted");
    queue.failed(&taken[1], "no route", Next::Again(FOR_EVER)).await.expect("it is noted");
    queue.failed(&taken[1], "twice", Next::Dead).await.expect("it is nobody's any more");
    assert_eq!(queue.put(&mails(&["a"])).await.expect("it is put"), 0, "delayed ones are known");
    let again = one(queue.take(2, WAIT_MAX).await.expect("it takes"));
    assert!(begun.elapsed() >= delay);
    assert_eq!((again.mail.id.as_str(), again.attempt), ("a", 2));
    assert_eq!(figures(&queue).await, [0, 1, 1, 0, 0]);
}

async fn mail_is_dead_when_the_caller_says_so_and_ready_when_somebody_retries<B: Bench>(bench: &B) {
    let queue = bench.worker(FOR_EVER);
    queue.put(&mails(&["a", "b", "c"])).await.expect("it is put");
    for delivery in take(&queue, 3).await {
        let why = format!("{} is no mailbox {}", delivery.mail.to, "ü".repeat(WHY_BYTES_MAX));
        queue.failed(&delivery, &why, Next::Dead).await.expect("it is noted");
    }
    assert_eq!(figures(&queue).await, [0, 0, 0, 3, 0]);
    let dead = queue.dead(2).await.expect("it tells");
    assert_eq!((dead[0].mail.as_ref(), dead[1].id.as_str(), dead.len()), (Some(&mail("a")), "b", 2));
    assert!(dead[0].why.starts_with("a@example.test is no mailbox ü") && dead[0].why.len() <= WHY_BYTES_MAX);
    assert!(dead[0].attempts == 1 && dead[0].since_ms > 1_700_000_000_000);
    assert!(queue.dead(0).await.expect("it tells").is_empty());
    assert_eq!(queue.put(&mails(&["a"])).await.expect("it is put"), 0, "dead ones are known");
    assert!(take(&queue, 3).await.is_empty());

    let named = ids(&["c", "unknown", "c"]);
    assert_eq!(queue.retry(Some(&named)).await.expect("it is noted"), 1);
    let again = one(take(&queue, 3).await);
    assert_eq!((again.mail.id.as_str(), again.attempt), ("c", 1), "all attempts are before it");
    assert_eq!(queue.retry(Some(&named)).await.expect("it is noted"), 0, "it is not dead any more");
    assert_eq!(queue.retry(None).await.expect("it is noted"), 2);
    assert_eq!(figures(&queue).await, [2, 1, 0, 0, 0]);
    assert!(queue.dead(9).await.expect("it tells").is_empty());
}

async fn mail_is_dead_after_its_last_attempt<B: Bench>(bench: &B) {
    let queue = bench.worker(FOR_EVER);
    queue.put(&mails(&["a"])).await.expect("it is put");
    for attempt in 1..=ATTEMPTS_MAX {
        assert_eq!(figures(&queue).await[3], 0);
        let delivery = one(take(&queue, 1).await);
        assert_eq!(delivery.attempt, attempt);
        queue.failed(&delivery, "busy", Next::Again(Duration::ZERO)).await.expect("it is noted");
    }
    assert!(take(&queue, 1).await.is_empty());
    let dead = queue.dead(1).await.expect("it tells").remove(0);
    assert_eq!((dead.attempts, dead.why.as_str()), (ATTEMPTS_MAX, "busy"));
}

async fn mail_that_kills_its_workers_is_dead_in_the_end<B: Bench>(bench: &B) {
    let greedy = bench.worker(Duration::ZERO);
    greedy.put(&mails(&["a"])).await.expect("it is put");
    // One attempt that was spoken of counts like those that were not.
    let first = one(take(&greedy, 1).await);
    greedy.failed(&first, "busy", Next::Again(Duration::ZERO)).await.expect("it is noted");
    for attempt in 2..=ATTEMPTS_MAX {
        assert_eq!(one(take(&bench.worker(Duration::ZERO), 1).await).attempt, attempt);
    }
    assert!(take(&greedy, 1).await.is_empty());
    assert_eq!(figures(&greedy).await, [0, 0, 0, 1, 0]);
    let dead = greedy.dead(1).await.expect("it tells").remove(0);
    assert_eq!((dead.attempts, dead.why.as_str(), dead.mail), (ATTEMPTS_MAX, NEVER_BACK, Some(mail("a"))));
}

async fn mail_held_too_long_is_anothers<B: Bench>(bench: &B) {
    let (first, second) = (bench.worker(FOR_EVER), bench.worker(Duration::ZERO));
    first.put(&mails(&["a", "b"])).await.expect("it is put");
    let held = take(&first, 2).await;
    assert!(take(&first, 2).await.is_empty());
    let over = take(&second, 2).await;
    assert_eq!(named(&over), [("a", 2), ("b", 2)]);
    first.failed(&held[0], "late", Next::Dead).await.expect("it has no say");
    assert_eq!(figures(&first).await, [0, 2, 0, 0, 0]);
    // What was sent was sent, whoever says so.
    first.sent(&ids(&["a"])).await.expect("it is noted");
    second.failed(&over[0], "busy", Next::Dead).await.expect("it has no say");
    second.failed(&over[1], "busy", Next::Dead).await.expect("it is noted");
    assert_eq!(figures(&first).await, [0, 0, 0, 1, 1]);
}

async fn held_mail_is_waited_for<B: Bench>(bench: &B) {
    let hold = Duration::from_millis(300);
    let queue = bench.worker(hold);
    queue.put(&mails(&["a"])).await.expect("it is put");
    let begun = Instant::now();
    one(take(&bench.worker(hold), 1).await);
    let over = one(queue.take(1, WAIT_MAX).await.expect("it takes"));
    assert_eq!(over.attempt, 2);
    assert!(begun.elapsed() >= hold && begun.elapsed() < WAIT_MAX / 2);
}

async fn sent_mail_is_known_until_it_is_forgotten<B: Bench>(bench: &B) {
    let queue = bench.worker(FOR_EVER);
    queue.put(&mails(&["taken", "delayed", "dead", "ready"])).await.expect("it is put");
    let taken = take(&queue, 3).await;
    queue.failed(&taken[1], "busy", Next::Again(FOR_EVER)).await.expect("it is noted");
    queue.failed(&taken[2], "busy", Next::Dead).await.expect("it is noted");
    assert_eq!(figures(&queue).await, [1, 1, 1, 1, 0]);
    let all = ids(&["taken", "delayed", "dead", "ready"]);
    for (count, id) in (1..).zip(&all) {
        queue.sent(&[id.clone(), id.clone()]).await.expect("it is noted");
        assert_eq!(figures(&queue).await[4], count);
    }
    queue.sent(&all).await.expect("it is safe to say again");
    assert_eq!(figures(&queue).await, [0, 0, 0, 0, 4]);
    assert_eq!(queue.sent_ids(9, WAIT_MAX).await.expect("it tells"), all);
    assert_eq!(queue.sent_ids(1, WAIT_MAX).await.expect("it tells"), all[..1]);
    assert!(take(&queue, 9).await.is_empty());
    assert_eq!(queue.put(&mails(&["taken", "dead"])).await.expect("it is put"), 0, "sent ones are known");
    queue.failed(&taken[0], "late", Next::Again(Duration::ZERO)).await.expect("it has no say");
    assert_eq!(queue.retry(Some(&ids(&["dead"]))).await.expect("it is noted"), 0);

    queue.put(&mails(&["new"])).await.expect("it is put");
    queue.forget(&ids(&["taken", "new", "unknown"])).await.expect("it is noted");
    assert_eq!(figures(&queue).await, [1, 0, 0, 0, 3], "what is not sent is not forgotten");
    assert_eq!(queue.sent_ids(9, WAIT_MAX).await.expect("it tells"), all[1..]);
    assert_eq!(queue.put(&mails(&["taken", "dead"])).await.expect("it is put"), 1);
    queue.forget(&all).await.expect("it is noted");
    assert_eq!(figures(&queue).await, [2, 0, 0, 0, 0]);
    assert!(queue.sent_ids(9, Duration::ZERO).await.expect("it tells").is_empty());
}

async fn name_the_queue_never_had_can_be_sent<B: Bench>(bench: &B) {
    let queue = bench.worker(FOR_EVER);
    queue.sent(&ids(&["lost"])).await.expect("it is noted");
    assert_eq!(queue.put(&mails(&["lost"])).await.expect("it is put"), 0);
    assert!(take(&queue, 1).await.is_empty());
    assert_eq!(queue.sent_ids(9, WAIT_MAX).await.expect("it tells"), ["lost"]);
    assert_eq!(figures(&queue).await, [0, 0, 0, 0, 1]);
}

async fn ten_thousand_mails_drain<B: Bench>(bench: &B) {
    const COUNT: usize = 10_000;
    let workers = [bench.worker(FOR_EVER), bench.worker(FOR_EVER)];
    let all: Vec<_> = (0..COUNT).map(|number| mail(&format!("m{number}"))).collect();
    for all in all.chunks(1_000) {
        assert_eq!(workers[0].put(all).await.expect("it is put"), all.len());
    }
    assert_eq!(workers[0].put(&all).await.expect("it is put"), 0);
    let (mut seen, mut turn) = (BTreeSet::new(), 0);
    loop {
        let queue = &workers[turn % 2];
        turn += 1;
        let names: Vec<_> = take(queue, 250).await.into_iter().map(|delivery| delivery.mail.id).collect();
        if names.is_empty() {
            break;
        }
        queue.sent(&names).await.expect("it is noted");
        let told = queue.sent_ids(1_000, WAIT_MAX).await.expect("it tells");
        assert_eq!(told, names);
        queue.forget(&told).await.expect("it is noted");
        seen.extend(names);
        let left = u64::try_from(COUNT - seen.len()).expect("it fits");
        assert_eq!(figures(queue).await, [left, 0, 0, 0, 0]);
    }
    assert_eq!(seen.len(), COUNT);
}

async fn all_dead_of_a_large_number_are_retried<B: Bench>(bench: &B) {
    const COUNT: usize = 450;
    let queue = bench.worker(FOR_EVER);
    let all: Vec<_> = (0..COUNT).map(|number| mail(&format!("m{number}"))).collect();
    queue.put(&all).await.expect("it is put");
    for delivery in take(&queue, COUNT).await {
        queue.failed(&delivery, "no route", Next::Dead).await.expect("it is noted");
    }
    assert_eq!(queue.dead(COUNT * 2).await.expect("it tells").len(), COUNT);
    assert_eq!(queue.retry(None).await.expect("it is noted"), COUNT);
    // And all delayed ones become due at once.
    for delivery in take(&queue, COUNT).await {
        queue.failed(&delivery, "no route", Next::Again(Duration::ZERO)).await.expect("it is noted");
    }
    let mut count = 0;
    while count < COUNT {
        let taken = take(&queue, COUNT).await;
        assert!(!taken.is_empty(), "{count} came");
        count += taken.len();
    }
}

async fn who_waits_is_woken<B: Bench>(bench: &B) {
    let (waiting, other) = (bench.worker(FOR_EVER), bench.worker(FOR_EVER));
    let begun = Instant::now();
    let (taken, put) = tokio::join!(waiting.take(5, WAIT_MAX), async {
        take(&other, 1).await;
        other.put(&mails(&["a"])).await
    });
    assert_eq!(put.expect("it is put"), 1);
    let delivery = one(taken.expect("it takes"));
    let (retried, dead) = tokio::join!(waiting.take(5, WAIT_MAX), async {
        other.failed(&delivery, "busy", Next::Dead).await.expect("it is noted");
        other.retry(None).await
    });
    assert_eq!((one(retried.expect("it takes")).attempt, dead.expect("it is noted")), (1, 1));
    let (told, sent) = tokio::join!(waiting.sent_ids(5, WAIT_MAX), async {
        figures(&other).await;
        other.sent(&ids(&["a"])).await
    });
    sent.expect("it is noted");
    assert_eq!(told.expect("it tells"), ["a"]);
    assert!(begun.elapsed() < WAIT_MAX / 2, "they were woken, not late");
    assert!(waiting.take(5, Duration::from_millis(20)).await.expect("it takes").is_empty());
}

async fn nothing_asked_is_nothing_done<B: Bench>(bench: &B) {
    let queue = bench.worker(FOR_EVER);
    assert_eq!(queue.put(&[]).await.expect("it is put"), 0);
    assert_eq!(queue.put(&mails(&["a"])).await.expect("it is put"), 1);
    assert!(queue.take(0, WAIT_MAX).await.expect("it takes").is_empty());
    assert!(queue.sent_ids(0, WAIT_MAX).await.expect("it tells").is_empty());
    queue.sent(&[]).await.expect("it is noted");
    queue.forget(&[]).await.expect("it is noted");
    assert_eq!(queue.retry(Some(&[])).await.expect("it is noted"), 0);
    assert_eq!(queue.retry(None).await.expect("it is noted"), 0);
    assert_eq!(figures(&queue).await, [1, 0, 0, 0, 0]);
}
