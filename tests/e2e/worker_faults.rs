//! What becomes of mails when the mail server, Redis or the worker itself fails.

use crate::redis_server::{RedisServer, wait_until};
use crate::smtp::{Misdeed, SmtpServer, Stage, Way};
use crate::worker::{Worker, enqueue, message_ids, state, wait_for_state, welcome};

const FIRST: &str = "usr_1.welcome";
const SECOND: &str = "usr_2.welcome";

fn count(text: &str, part: &str) -> usize {
    text.matches(part).count()
}

#[test]
fn mail_refused_for_now_is_sent_at_the_third_attempt() {
    for stage in [Stage::RcptTo, Stage::Data, Stage::Text, Stage::MailFrom, Stage::Greeting] {
        let redis = RedisServer::start();
        let smtp = SmtpServer::start(Way::Plain);
        smtp.tell(stage, Misdeed::Answer(451), 2);
        enqueue(&redis, &welcome(1));
        let worker = Worker::posting(&redis, &smtp, &[]);
        smtp.wait_taken(1);
        wait_for_state(&redis, FIRST, "sent ");
        let said = worker.terminate().stderr;
        assert_eq!(count(&said, "mail not sent"), 2, "{stage:?}: {said}");
        assert!(said.contains("attempt=3"), "{stage:?}: {said}");
        assert_eq!(smtp.taken().len(), 1);
    }
}

#[test]
fn mail_refused_for_good_is_dead_at_once_and_others_go_on() {
    for (stage, code) in [(Stage::RcptTo, 550), (Stage::Data, 554), (Stage::Text, 552)] {
        let redis = RedisServer::start();
        let smtp = SmtpServer::start(Way::Plain);
        smtp.tell(stage, Misdeed::Answer(code), 1);
        enqueue(&redis, &welcome(1));
        let worker = Worker::posting(&redis, &smtp, &[]);
        wait_for_state(&redis, FIRST, "dead");
        enqueue(&redis, &welcome(2));
        wait_for_state(&redis, SECOND, "sent ");
        let taken = smtp.taken();
        assert_eq!(taken[0].to, ["ada2@example.net"]);
        assert_eq!((smtp.refused(), smtp.connections()), (1, 1), "the conversation goes on");
        let said = worker.terminate().stderr;
        assert!(said.contains("mail given up") && said.contains(&format!("({code})")), "{said}");
    }
}

#[test]
fn mail_that_is_none_is_dead_at_once() {
    let redis = RedisServer::start();
    let smtp = SmtpServer::start(Way::Plain);
    let mut mail = welcome(1);
    mail["to"] = "nobody, ada@example.org".into();
    enqueue(&redis, &mail);
    let mut mail = welcome(2);
    mail["kind"] = "order_expired".into();
    enqueue(&redis, &mail);
    let worker = Worker::posting(&redis, &smtp, &[]);
    wait_for_state(&redis, FIRST, "dead");
    wait_for_state(&redis, SECOND, "dead");
    assert_eq!(smtp.connections(), 0);
    let said = worker.terminate().stderr;
    assert!(said.contains("its address is none") && said.contains("undefined value"), "{said}");
}

#[test]
fn server_that_refuses_us_is_asked_again() {
    for (stage, code) in [(Stage::Greeting, 554), (Stage::Auth, 535), (Stage::MailFrom, 550)] {
        let redis = RedisServer::start();
        let smtp = SmtpServer::start_with_login(Way::Plain, "me", "secret", "PLAIN");
        smtp.tell(stage, Misdeed::Answer(code), 2);
        enqueue(&redis, &welcome(1));
        let worker = Worker::posting(&redis, &smtp, &[("SMTP_URL", &smtp.url("me:secret@"))]);
        wait_for_state(&redis, FIRST, "sent ");
        let said = worker.terminate().stderr;
        assert_eq!((smtp.refused(), count(&said, "mail not sent")), (2, 2), "{stage:?}: {said}");
        assert!(!said.contains("secret"), "{said}");
    }
}

#[test]
fn mail_is_dead_after_eight_attempts() {
    let redis = RedisServer::start();
    let smtp = SmtpServer::start(Way::Plain);
    smtp.tell(Stage::RcptTo, Misdeed::Answer(450), usize::MAX);
    enqueue(&redis, &welcome(1));
    let worker = Worker::posting(&redis, &smtp, &[]);
    wait_for_state(&redis, FIRST, "dead");
    assert_eq!(smtp.refused(), 8);
    let said = worker.terminate().stderr;
    assert_eq!((count(&said, "mail not sent"), count(&said, "mail given up")), (7, 1), "{said}");
}

#[test]
fn mail_server_that_went_away_gets_its_mails_when_it_is_back() {
    let redis = RedisServer::start();
    let mut smtp = SmtpServer::start(Way::Plain);
    let worker = Worker::posting(&redis, &smtp, &[("HOLDFAST_MAIL_RETRY_FIRST_MS", "50")]);
    enqueue(&redis, &welcome(1));
    smtp.wait_taken(1);
    smtp.close();
    enqueue(&redis, &welcome(2));
    worker.wait_for_stderr("mail not sent");
    smtp.open();
    smtp.wait_taken(2);
    wait_for_state(&redis, SECOND, "sent ");
    worker.terminate();
    assert_eq!(message_ids(&smtp.taken()).len(), 2);
}

#[test]
fn lost_yes_makes_a_double_under_the_same_name() {
    let redis = RedisServer::start();
    let smtp = SmtpServer::start(Way::Plain);
    smtp.tell(Stage::Text, Misdeed::HangUp, 1);
    enqueue(&redis, &welcome(1));
    let worker = Worker::posting(&redis, &smtp, &[]);
    let taken = smtp.wait_taken(2);
    wait_for_state(&redis, FIRST, "sent ");
    assert_eq!(message_ids(&taken).len(), 1, "mailboxes can tell");
    worker.terminate();
}

#[test]
fn another_worker_takes_over_from_one_that_was_killed() {
    let redis = RedisServer::start();
    let smtp = SmtpServer::start(Way::Plain);
    smtp.tell(Stage::RcptTo, Misdeed::Hang, 1);
    enqueue(&redis, &welcome(1));
    // The one that is killed is patient; what counts is after how long the other takes it over.
    let killed = Worker::posting(&redis, &smtp, &[]);
    smtp.wait_hanging(1);
    killed.signal("KILL");
    killed.wait();
    let other = Worker::posting(&redis, &smtp, &[("HOLDFAST_MAIL_CLAIM_AFTER_MS", "3000")]);
    smtp.wait_taken(1);
    wait_for_state(&redis, FIRST, "sent ");
    let said = other.terminate().stderr;
    assert!(said.contains("mail sent") && !said.contains("attempt=1"), "{said}");
    assert_eq!(smtp.taken().len(), 1);
}

#[test]
fn attempt_is_given_up_before_the_mail_is_anothers() {
    let redis = RedisServer::start();
    let smtp = SmtpServer::start(Way::Plain);
    smtp.tell(Stage::RcptTo, Misdeed::Hang, 1);
    enqueue(&redis, &welcome(1));
    let worker = Worker::posting(&redis, &smtp, &[("HOLDFAST_MAIL_CLAIM_AFTER_MS", "3000")]);
    worker.wait_for_stderr("it took longer than 2400 ms");
    wait_for_state(&redis, FIRST, "sent ");
    worker.terminate();
    assert_eq!(smtp.taken().len(), 1);
}

#[test]
fn worker_that_is_told_to_stop_finishes_what_it_has() {
    let redis = RedisServer::start();
    let smtp = SmtpServer::start(Way::Plain);
    smtp.tell(Stage::Text, Misdeed::Pause, usize::MAX);
    for number in 1..=3 {
        enqueue(&redis, &welcome(number));
    }
    let worker = Worker::posting(&redis, &smtp, &[("HOLDFAST_MAIL_CONCURRENCY", "1")]);
    smtp.wait_hanging(1);
    worker.signal("TERM");
    worker.wait_for_stderr("stopping");
    smtp.relent();
    worker.wait().expect_code(0);
    assert_eq!(smtp.taken().len(), 1);
    assert!(state(&redis, FIRST).starts_with("sent "));
    assert_eq!(redis.ask::<usize>(&["XLEN", "queue:emails"]), 2, "the rest waits for another");
}

#[test]
fn second_signal_ends_a_worker_at_once() {
    let redis = RedisServer::start();
    let smtp = SmtpServer::start(Way::Plain);
    smtp.tell(Stage::Text, Misdeed::Hang, 1);
    enqueue(&redis, &welcome(1));
    let worker = Worker::posting(&redis, &smtp, &[]);
    smtp.wait_hanging(1);
    worker.signal("TERM");
    worker.wait_for_stderr("stopping");
    worker.signal("TERM");
    let ended = worker.wait().expect_code(1);
    assert!(ended.stderr.contains("stopped at once by a second signal"), "{}", ended.stderr);
}

#[test]
fn worker_waits_for_redis_and_says_so_once() {
    let mut redis = RedisServer::start_kept();
    let smtp = SmtpServer::start(Way::Plain);
    enqueue(&redis, &welcome(1));
    redis.kill();
    let worker = Worker::posting(&redis, &smtp, &[]);
    worker.wait_for_stderr("no mail is sent while the mail queue does not work");
    redis.restart();
    smtp.wait_taken(1);
    wait_for_state(&redis, FIRST, "sent ");
    worker.wait_for_stderr("the mail queue works again");
    let said = worker.terminate().stderr;
    assert_eq!((count(&said, "does not work"), count(&said, "works again")), (1, 1), "{said}");
}

#[test]
fn redis_that_forgot_everything_gets_no_mail_sent_twice() {
    const MAILS: usize = 20;
    let mut redis = RedisServer::start();
    let smtp = SmtpServer::start(Way::Plain);
    let worker = Worker::posting(&redis, &smtp, &[]);
    for number in 0..MAILS {
        enqueue(&redis, &welcome(number));
    }
    smtp.wait_taken(MAILS);
    let count_known = |redis: &RedisServer| redis.ask::<usize>(&["XLEN", "queue:emails:sent"]);
    wait_until("all is told", || count_known(&redis) == MAILS);
    redis.kill();
    redis.restart();
    // As whoever knows that they are not sent for sure puts them in again.
    for number in 0..=MAILS {
        enqueue(&redis, &welcome(number));
    }
    smtp.wait_taken(MAILS + 1);
    wait_until("all is told again", || count_known(&redis) == MAILS + 1);
    wait_until("nothing waits", || redis.ask::<usize>(&["XLEN", "queue:emails"]) == 0);
    worker.terminate();
    let taken = smtp.taken();
    assert_eq!((taken.len(), message_ids(&taken).len()), (MAILS + 1, MAILS + 1));
}
