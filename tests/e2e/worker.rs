//! `holdfast worker`: mails that wait in Redis arrive at a mail server or in a folder, once, as they should read.

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};

use crate::redis_server::{RedisServer, wait_until};
use crate::server::{Ended, Folder, Process};
use crate::smtp::{Misdeed, SmtpServer, Stage, Taken, Way, parse};

/// A worker of `holdfast worker`, with a folder of its own for everything.
pub(crate) struct Worker {
    process: Process,
    /// Its folder for temporary files is in there.
    pub(crate) folder: Folder,
}

impl Worker {
    /// Starts one with these variables set, and waits for its ready line.
    pub(crate) fn start(redis: &RedisServer, variables: &[(&str, &str)]) -> Self {
        let folder = Folder::new();
        let mut process = launch(&folder, &[("REDIS_URL", &redis.url())], variables);
        let ready = process.line(|line| line.starts_with("worker ") && line.ends_with(" ready"));
        assert!(ready.is_some(), "{}", process.stderr());
        Self { process, folder }
    }

    /// One that posts to `smtp`, and tries again at once what failed.
    pub(crate) fn posting(redis: &RedisServer, smtp: &SmtpServer, variables: &[(&str, &str)]) -> Self {
        let url = smtp.url("");
        let usual = [("SMTP_URL", url.as_str()), ("HOLDFAST_MAIL_RETRY_FIRST_MS", "1")];
        Self::start(redis, &[&usual, variables].concat())
    }

    pub(crate) fn stderr(&self) -> String {
        self.process.stderr()
    }

    pub(crate) fn wait_for_stderr(&self, text: &str) {
        self.process.wait_for_stderr(text);
    }

    pub(crate) fn signal(&self, name: &str) {
        self.process.signal(name);
    }

    pub(crate) fn wait(self) -> Ended {
        self.process.wait()
    }

    /// SIGTERM, and its end.
    pub(crate) fn terminate(self) -> Ended {
        self.signal("TERM");
        self.wait().expect_code(0)
    }
}

fn launch(folder: &Folder, first: &[(&str, &str)], more: &[(&str, &str)]) -> Process {
    let mut command = folder.command(&["worker"]);
    command.env("TMPDIR", folder.parent()).envs(first.iter().copied()).envs(more.iter().copied());
    Process::spawn(command)
}

/// Runs a worker that cannot start.
fn refusal(variables: &[(&str, &str)]) -> Ended {
    launch(&Folder::new(), &[], variables).wait()
}

/// Puts a mail in as one would by hand.
pub(crate) fn enqueue(redis: &RedisServer, mail: &Value) {
    let text = |name: &str| mail[name].as_str().expect("it is text").to_owned();
    let (id, kind, to) = (text("id"), text("kind"), text("to"));
    let json = mail.to_string();
    let words =
        ["XADD", "queue:emails", "*", "id", &id, "kind", &kind, "to", &to, "attempt", "1", "mail", &json];
    let _entry: String = redis.ask(&words);
}

pub(crate) fn welcome(number: usize) -> Value {
    json!({
        "id": format!("usr_{number}.welcome"), "kind": "welcome", "to": format!("ada{number}@example.net"),
        "name": "Ada", "at_ms": 1_795_262_400_000_u64,
    })
}

/// What the queue says of a mail: `queued …`, `delayed`, `dead`, `sent …`; nothing before anybody looked at it.
pub(crate) fn state(redis: &RedisServer, id: &str) -> String {
    let state: Option<String> = redis.ask(&["HGET", "queue:emails:known", id]);
    state.unwrap_or_default()
}

pub(crate) fn wait_for_state(redis: &RedisServer, id: &str, wanted: &str) {
    wait_until(&format!("{id} is {wanted}"), || state(redis, id).starts_with(wanted));
}

/// The `Message-ID`s, each once.
pub(crate) fn message_ids(taken: &[Taken]) -> BTreeSet<String> {
    taken.iter().map(Taken::message_id).collect()
}

fn order() -> Value {
    json!({
        "id": "ord_7.order_confirmed", "kind": "order_confirmed", "to": "asa@exämple.se",
        "name": "Åsa Öberg", "at_ms": 1_795_262_400_000_u64, "of_a_later_version": true,
        "order": {
            "id": "ord_7", "number": "H-7", "subtotal": 49_800, "discount": 800, "total": 49_000, "currency": "EUR",
            "payment_status": "paid",
            "lines": [
                {"sku": "MUG", "name": "Becher <blau>", "quantity": 2, "unit_price": 24_900, "total": 49_800},
            ],
        },
    })
}

#[test]
fn mail_arrives_however_the_way_is_encrypted() {
    for (way, mechanism) in [(Way::Plain, "LOGIN"), (Way::StartTls, "PLAIN"), (Way::Tls, "LOGIN")] {
        let redis = RedisServer::start();
        let smtp = SmtpServer::start_with_login(way, "me@shop", "p/s+ö:", mechanism);
        let authority = Folder::new();
        let file = authority.parent().join("authority.pem");
        fs::write(&file, smtp.authority()).unwrap();
        let url = smtp.url("me%40shop:p%2Fs+%C3%B6%3A@");
        let file = file.to_str().unwrap();
        enqueue(&redis, &welcome(1));
        let worker = Worker::start(&redis, &[("SMTP_URL", &url), ("HOLDFAST_SMTP_CA_FILE", file)]);
        let taken = &smtp.wait_taken(1)[0];
        assert_eq!(taken.user.as_deref(), Some("me@shop"));
        assert_eq!(taken.is_encrypted, way != Way::Plain);
        assert_eq!((taken.from.as_str(), taken.to[0].as_str()), ("no-reply@localhost", "ada1@example.net"));
        wait_for_state(&redis, "usr_1.welcome", "sent ");
        let said = worker.terminate().stderr;
        assert!(said.contains("mail sent") && said.contains("usr_1.welcome"), "{said}");
        for secret in ["p/s+", "p%2Fs", "ada1@example.net"] {
            assert!(!said.contains(secret), "{secret} is in the log:\n{said}");
        }
        assert_eq!(smtp.taken().len(), 1);
    }
}

#[test]
fn mail_server_that_nobody_known_signed_gets_nothing() {
    for way in [Way::StartTls, Way::Tls] {
        let redis = RedisServer::start();
        let smtp = SmtpServer::start_with_login(way, "me", "secret", "PLAIN");
        // Another authority than the one that signed.
        let other = SmtpServer::start(way);
        let folder = Folder::new();
        let file = folder.parent().join("authority.pem");
        fs::write(&file, other.authority()).unwrap();
        enqueue(&redis, &welcome(1));
        let variables = [
            ("SMTP_URL", smtp.url("me:secret@")),
            ("HOLDFAST_SMTP_CA_FILE", file.to_str().unwrap().to_owned()),
            ("HOLDFAST_MAIL_RETRY_FIRST_MS", "600000".to_owned()),
        ];
        let worker =
            Worker::start(&redis, &variables.each_ref().map(|(name, value)| (*name, value.as_str())));
        worker.wait_for_stderr("mail not sent");
        wait_for_state(&redis, "usr_1.welcome", "delayed");
        assert!(worker.stderr().contains("certificate"), "{}", worker.stderr());
        assert_eq!(smtp.taken().len(), 0);
        assert!(!worker.terminate().stderr.contains("secret"));
    }
}

#[test]
fn order_mail_reads_right_to_another_reader_of_mails() {
    let redis = RedisServer::start();
    let smtp = SmtpServer::start(Way::Plain);
    enqueue(&redis, &order());
    let from = [("HOLDFAST_MAIL_FROM", "Kaffee & Käse <shop@example.org>")];
    let worker = Worker::posting(&redis, &smtp, &from);
    let taken = smtp.wait_taken(1);
    assert_eq!(taken[0].to, ["asa@xn--exmple-cua.se"]);
    let mail = taken[0].parsed();
    for (name, value) in [
        ("Message-ID", "<ord_7.order_confirmed@example.org>"),
        ("Date", "Sat, 21 Nov 2026 12:00:00 +0000"),
        ("Auto-Submitted", "auto-generated"),
        ("Subject", "Your order H-7 is confirmed"),
        ("MIME-Version", "1.0"),
    ] {
        assert_eq!(mail["headers"][name], value, "{mail}");
    }
    let from = mail["headers"]["From"].as_str().unwrap();
    assert!(from.contains("Kaffee & Käse") && from.contains("<shop@example.org>"), "{from}");
    assert!(mail["headers"]["To"].as_str().unwrap().contains("Åsa Öberg"), "{mail}");
    assert_eq!(mail["type"], "multipart/alternative");
    let (plain, html) = (mail["plain"].as_str().unwrap(), mail["html"].as_str().unwrap());
    for line in
        ["2 x Becher <blau> (MUG), 249.00 EUR each: 498.00 EUR", "Discount: -8.00 EUR", "Total: 490.00 EUR"]
    {
        assert!(plain.lines().any(|it| it == line), "{line} is not in:\n{plain}");
    }
    for shown in ["Becher &lt;blau&gt;", "490.00 EUR", "Kaffee &amp; Käse", "Hello Åsa Öberg,"] {
        assert!(html.contains(shown), "{shown} is not in:\n{html}");
    }
    worker.terminate();
}

#[test]
fn address_beyond_ascii_is_written_to_where_the_server_can() {
    let redis = RedisServer::start();
    let smtp = SmtpServer::start(Way::Plain);
    let mut mail = welcome(1);
    mail["to"] = json!("åsa@exämple.se");
    enqueue(&redis, &mail);
    let worker = Worker::posting(&redis, &smtp, &[]);
    assert_eq!(smtp.wait_taken(1)[0].to, ["åsa@xn--exmple-cua.se"]);
    wait_for_state(&redis, "usr_1.welcome", "sent ");
    worker.terminate();
}

#[test]
fn name_of_a_customer_writes_no_header_and_subject_may_be_foreign() {
    let redis = RedisServer::start();
    let smtp = SmtpServer::start(Way::Plain);
    let folder = Folder::new();
    fs::write(folder.parent().join("welcome.subject.txt"), "Grüße von {{ shop }},\r\nBcc: x@y.example")
        .unwrap();
    let mut mail = welcome(1);
    mail["name"] = json!("Ada\r\nBcc: victim@example.org\r\n\r\nBuy");
    enqueue(&redis, &mail);
    let templates = folder.parent().to_str().unwrap();
    let worker = Worker::posting(&redis, &smtp, &[("HOLDFAST_MAIL_TEMPLATES", templates)]);
    let mail = smtp.wait_taken(1)[0].parsed();
    assert_eq!(mail["headers"]["Subject"], "Grüße von Holdfast, Bcc: x@y.example");
    let names =
        ["Message-ID", "Date", "From", "To", "Subject", "Auto-Submitted", "MIME-Version", "Content-Type"];
    assert_eq!(mail["names"], json!(names));
    worker.terminate();
}

#[test]
fn two_workers_share_the_mails_and_send_each_once() {
    const MAILS: usize = 200;
    // The default of `mail_concurrency`.
    const HANDS: usize = 4;
    let redis = RedisServer::start();
    let smtp = SmtpServer::start(Way::Plain);
    // Until both have their hands full.
    smtp.tell(Stage::Text, Misdeed::Pause, usize::MAX);
    let workers = [Worker::posting(&redis, &smtp, &[]), Worker::posting(&redis, &smtp, &[])];
    for number in 0..MAILS {
        enqueue(&redis, &welcome(number));
    }
    smtp.wait_hanging(2 * HANDS);
    smtp.relent();
    smtp.wait_taken(MAILS);
    let is_empty = || redis.ask::<usize>(&["XLEN", "queue:emails"]) == 0;
    wait_until("all is told", is_empty);
    let count_sent = |ended: Ended| ended.stderr.matches("mail sent").count();
    let sent = workers.map(|worker| count_sent(worker.terminate()));
    let taken = smtp.taken();
    assert_eq!((taken.len(), message_ids(&taken).len()), (MAILS, MAILS));
    assert!(sent[0] + sent[1] == MAILS && sent[0] >= HANDS && sent[1] >= HANDS, "{sent:?}");
    assert_eq!(redis.ask::<usize>(&["XLEN", "queue:emails:sent"]), MAILS);
    // A connection takes many mails, and none too many.
    assert!(smtp.connections() < MAILS / 4, "{} connections", smtp.connections());
    let busiest =
        (1..=smtp.connections()).map(|it| taken.iter().filter(|mail| mail.connection == it).count());
    assert!(busiest.max() <= Some(50));
}

#[test]
fn without_a_mail_server_mails_are_files() {
    let redis = RedisServer::start();
    enqueue(&redis, &welcome(1));
    enqueue(&redis, &order());
    let worker = Worker::start(&redis, &[]);
    wait_for_state(&redis, "usr_1.welcome", "sent ");
    wait_for_state(&redis, "ord_7.order_confirmed", "sent ");
    let outbox = worker.folder.data().join("outbox");
    let mut names: Vec<_> = fs::read_dir(&outbox)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["ord_7.order_confirmed.eml", "usr_1.welcome.eml"]);
    let mail = parse(&fs::read(outbox.join("usr_1.welcome.eml")).unwrap());
    assert_eq!(mail["headers"]["To"], "Ada <ada1@example.net>");
    assert_eq!(mail["headers"]["Subject"], "Welcome to Holdfast");
    worker.terminate();
}

#[test]
fn worker_that_cannot_work_says_why_and_does_not_start() {
    let folder = Folder::new();
    let templates = folder.parent().to_str().unwrap();
    fs::write(folder.parent().join("order_expired.html"), "<p>\n{{ order.nmuber }}\n").unwrap();
    let redis = ("REDIS_URL", "redis://127.0.0.1:1");
    for (variables, reason) in [
        (&[][..], "the server sends by itself"),
        (
            &[redis, ("SMTP_URL", "smtp://me:hunter2@mail.example?tls=maybe")],
            "`smtp_url` may have tls=required",
        ),
        (&[redis, ("HOLDFAST_MAIL_FROM", "nobody")], "`mail_from` is no address"),
        (&[redis, ("HOLDFAST_MAIL_TEMPLATES", templates)], "order_expired.html, line 2: undefined value"),
        (&[redis, ("HOLDFAST_MAIL_TEMPLATES", "/nonexistent")], "/nonexistent"),
        (
            &[redis, ("SMTP_URL", "smtps://x.example"), ("HOLDFAST_SMTP_CA_FILE", "/nonexistent")],
            "/nonexistent",
        ),
    ] {
        let ended = refusal(variables).expect_code(2);
        assert!(ended.stderr.contains(reason) && !ended.stderr.contains("hunter2"), "{}", ended.stderr);
        assert_eq!(ended.stdout, "");
    }
}

#[test]
fn check_finds_a_worker_while_it_lives() {
    let folder = Folder::new();
    let check = |arguments: &[&str]| {
        let mut command = folder.command(&[&["worker", "--check"], arguments].concat());
        command.env("TMPDIR", folder.parent());
        Process::spawn(command).wait()
    };
    check(&[]).expect_code(1);
    let mut command = folder.command(&["worker", "--name", "w-1"]);
    // Redis is away, and the worker is as well as can be.
    command.env("TMPDIR", folder.parent()).env("REDIS_URL", "redis://127.0.0.1:1");
    let mut worker = Process::spawn(command);
    assert_eq!(worker.line(|_| true).as_deref(), Some("worker w-1 ready"));
    wait_until("it beats", || check(&[]).code() == Some(0));
    assert_eq!(check(&[]).expect_code(0).stdout, "worker w-1 is alive");
    check(&["--name", "w-1"]).expect_code(0);
    let ended = check(&["--name", "w-2"]).expect_code(1);
    assert!(ended.stderr.contains("no worker called w-2"), "{}", ended.stderr);
    worker.signal("TERM");
    worker.wait().expect_code(0);
    check(&[]).expect_code(1);
}
