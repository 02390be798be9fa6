//! `holdfast mail` beside a server that runs: its queue is on disk, in that server's hands, and asked through the control
//! socket; or in Redis, where everybody may look.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::redis_server::{RedisServer, wait_until};
use crate::server::{Folder, Server};
use crate::shop::Shop;
use crate::smtp::{Misdeed, SmtpServer, Stage, Way};

const UNKNOWN: &str = "usr_01930000-0000-0000-0000-000000000007.welcome";

/// A shop that posts to `smtp`, and the commands beside it.
struct Desk {
    folder: Folder,
    redis: Option<String>,
    smtp: String,
}

impl Desk {
    fn new(smtp: &SmtpServer, redis: Option<&RedisServer>) -> Self {
        Self { folder: Folder::new(), redis: redis.map(RedisServer::url), smtp: smtp.url("") }
    }

    fn start(&self) -> Server {
        let mut serve = self.folder.serve();
        serve.env("SMTP_URL", &self.smtp).env("HOLDFAST_MAIL_RETRY_FIRST_MS", "1");
        serve.envs(self.redis.iter().map(|url| ("REDIS_URL", url)));
        Server::start(serve)
    }

    /// What `holdfast mail` prints.
    #[track_caller]
    fn ask(&self, arguments: &[&str], code: i32) -> (String, String) {
        let mut command = self.folder.command(&[&["mail"], arguments].concat());
        command.envs(self.redis.iter().map(|url| ("REDIS_URL", url)));
        let output = command.output().expect("it runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {stdout}\n{stderr}");
        (stdout, stderr)
    }

    #[track_caller]
    fn json(&self, arguments: &[&str]) -> Value {
        let (stdout, _) = self.ask(&[arguments, &["--json"]].concat(), 0);
        serde_json::from_str(&stdout).expect("stdout is one JSON document")
    }

    #[track_caller]
    fn wait_for(&self, figure: &str, count: u64) {
        wait_until(&format!("{count} mails are {figure}"), || self.json(&["stat"])[figure] == count);
    }

    fn socket(&self) -> PathBuf {
        self.folder.data().join("control").join("socket")
    }
}

async fn register(shop: &Shop, email: &str) {
    let body = json!({ "email": email, "password": "correct horse battery" });
    shop.client.post("/auth/register", &body).send().await.expect(201);
}

async fn dead_mails_are_looked_at_and_retried(redis: Option<&RedisServer>) {
    let smtp = SmtpServer::start(Way::Plain);
    smtp.tell(Stage::RcptTo, Misdeed::Answer(550), 3);
    let desk = Desk::new(&smtp, redis);
    let server = desk.start();
    assert!(desk.socket().exists(), "{}", server.stderr());
    let empty =
        json!({ "ready": 0, "taken": 0, "delayed": 0, "dead": 0, "sent": 0, "oldest_ready_ms": null });
    assert_eq!(desk.json(&["stat"]), empty);
    assert_eq!(desk.json(&["dead"]), json!([]));

    let shop = Shop::of(&server);
    // The first is given up before there are others: what is posted at once may end in any order.
    register(&shop, "ada@example.test").await;
    desk.wait_for("dead", 1);
    for name in ["bob", "eve"] {
        register(&shop, &format!("{name}@example.test")).await;
    }
    desk.wait_for("dead", 3);
    let dead = desk.json(&["dead"]);
    assert_eq!((&dead[0]["mail"]["to"], &dead[0]["attempts"]), (&json!("ada@example.test"), &json!(1)));
    assert!(dead[0]["why"].as_str().is_some_and(|why| why.contains("550")), "{dead}");
    assert_eq!(desk.json(&["dead", "--count", "1"]), json!([dead[0]]));
    let id = |at: usize| dead[at]["id"].as_str().expect("it has a name");
    let (listed, _) = desk.ask(&["dead"], 0);
    assert!(listed.lines().count() == 3 && listed.contains(id(0)), "{listed}");

    // One that is none does not keep the other from its attempt; one that is named twice is one.
    let (_, said) = desk.ask(&["retry", id(0), UNKNOWN, id(0)], 3);
    assert!(said.contains("1 of 2"), "{said}");
    assert_eq!(smtp.wait_taken(1)[0].to, ["ada@example.test"]);
    desk.ask(&["retry", id(0)], 3);
    let (said, _) = desk.ask(&["retry", "--all"], 0);
    assert!(said.contains('2'), "{said}");
    smtp.wait_taken(3);
    wait_until("everything is settled", || desk.json(&["stat"]) == empty);
    let (said, _) = desk.ask(&["retry", "--all"], 0);
    assert!(said.contains('0'), "{said}");

    server.terminate().expect_code(0);
    assert_eq!(desk.json(&["stat"]), empty, "the same without a server");
    assert_eq!(smtp.taken().len(), 3);
}

#[tokio::test]
async fn dead_mails_on_disk_are_retried_through_the_running_server() {
    dead_mails_are_looked_at_and_retried(None).await;
}

#[tokio::test]
async fn dead_mails_in_redis_are_retried_beside_the_running_server() {
    let redis = RedisServer::start();
    dead_mails_are_looked_at_and_retried(Some(&redis)).await;
}

#[tokio::test]
async fn dead_mail_stays_dead_over_a_restart_and_is_not_put_in_again() {
    let smtp = SmtpServer::start(Way::Plain);
    smtp.tell(Stage::RcptTo, Misdeed::Answer(550), 1);
    let desk = Desk::new(&smtp, None);
    let server = desk.start();
    register(&Shop::of(&server), "ada@example.test").await;
    desk.wait_for("dead", 1);
    server.kill();
    assert_eq!(desk.json(&["stat"])["dead"], 1);
    let server = desk.start();
    register(&Shop::of(&server), "bob@example.test").await;
    assert_eq!(smtp.wait_taken(1)[0].to, ["bob@example.test"]);
    assert_eq!(desk.json(&["stat"])["dead"], 1);
    desk.ask(&["retry", "--all"], 0);
    assert_eq!(smtp.wait_taken(2)[1].to, ["ada@example.test"]);
}

#[tokio::test]
async fn queue_that_nobody_can_be_asked_about_says_why() {
    let smtp = SmtpServer::start(Way::Plain);
    let redis = RedisServer::start();
    // Nothing was ever served here.
    let desk = Desk::new(&smtp, None);
    desk.ask(&["stat"], 3);
    // Its mails are in Redis, and this shell does not know.
    let mut desk = Desk::new(&smtp, Some(&redis));
    let server = desk.start();
    desk.redis = None;
    let (_, said) = desk.ask(&["stat"], 3);
    assert!(said.contains("REDIS_URL"), "{said}");
    server.terminate().expect_code(0);
    // On disk once; then the socket of the server that has it is gone.
    let server = desk.start();
    assert_eq!(desk.json(&["stat"])["dead"], 0);
    std::fs::remove_file(desk.socket()).expect("it is there");
    let (_, said) = desk.ask(&["stat"], 5);
    assert!(said.contains(&server.pid().to_string()), "{said}");
    // Redis that is not there.
    desk.redis = Some("redis://127.0.0.1:1".to_owned());
    let (_, said) = desk.ask(&["stat"], 1);
    assert!(said.contains("Redis"), "{said}");
}
