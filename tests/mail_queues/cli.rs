//! `holdfast mail` on a stopped data folder, in Redis, and where there is nothing.

use std::path::Path;
use std::process::{Command, Output};

use holdfast::mail::queue::disk::DiskQueue;
use holdfast::mail::queue::{MailQueue, Next};
use holdfast_actors::persistence::Folder;
use serde_json::{Value, json};

use crate::bench::{Bench as _, FOR_EVER, InRedis, ids, mails, take};

/// `holdfast mail` with these arguments, in an environment that says nothing else.
fn run(data: &Path, redis: Option<&str>, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    command.arg("mail").args(arguments).env_clear().env("HOLDFAST_DATA_DIR", data);
    command.current_dir(data.parent().expect("it is in a folder"));
    if let Some(url) = redis {
        command.env("REDIS_URL", url);
    }
    command.output().expect("the binary is there")
}

#[track_caller]
fn expect(output: Output, code: i32) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{stdout}\n{stderr}");
    (stdout, stderr)
}

/// A ready one, a delayed one, a sent one, and four that are dead.
async fn fill<Q: MailQueue>(queue: &Q) {
    queue
        .put(&mails(&["a.dead", "b.dead", "c.dead", "d.dead", "delayed", "ready"]))
        .await
        .expect("it is put");
    let taken = take(queue, 5).await;
    for dead in &taken[..4] {
        queue.failed(dead, "no such mailbox", Next::Dead).await.expect("it is noted");
    }
    queue.failed(&taken[4], "busy", Next::Again(FOR_EVER)).await.expect("it is noted");
    queue.sent(&ids(&["sent"])).await.expect("it is noted");
}

/// What the commands tell and do, wherever the queue is.
fn look_and_decide(data: &Path, redis: Option<&str>) {
    let document = |arguments: &[&str]| -> Value {
        serde_json::from_str(&expect(run(data, redis, arguments), 0).0).expect("stdout is one JSON document")
    };
    let stat = document(&["stat", "--json"]);
    let figures =
        |stat: &Value| ["ready", "taken", "delayed", "dead", "sent"].map(|name| stat[name].as_u64());
    assert_eq!(figures(&stat), [Some(1), Some(0), Some(1), Some(4), Some(1)]);
    assert!(stat["oldest_ready_ms"].is_u64());
    let (table, _) = expect(run(data, redis, &["stat"]), 0);
    assert!(table.lines().any(|line| line.split_whitespace().eq(["dead", "4"])), "{table}");

    let dead = document(&["dead", "--json", "--count", "1"]);
    assert_eq!(dead.as_array().map(Vec::len), Some(1));
    assert_eq!((&dead[0]["id"], &dead[0]["mail"]["to"]), (&json!("a.dead"), &json!("a.dead@example.test")));
    assert_eq!((&dead[0]["attempts"], &dead[0]["why"]), (&json!(1), &json!("no such mailbox")));
    let (table, _) = expect(run(data, redis, &["dead"]), 0);
    assert!(table.lines().count() == 4 && table.contains("b.dead  b.dead@example.test"), "{table}");

    let (_, stderr) = expect(run(data, redis, &["retry", "nobody"]), 3);
    assert!(stderr.contains("0 of 1"), "{stderr}");
    expect(run(data, redis, &["retry", "a.dead", "ready"]), 3);
    expect(run(data, redis, &["retry"]), 2);
    assert_eq!(figures(&document(&["stat", "--json"])), [Some(2), Some(0), Some(1), Some(3), Some(1)]);

    // For the journal what is given up is as good as sent.
    expect(run(data, redis, &["drop", "b.dead", "ready"]), 3);
    assert_eq!(figures(&document(&["stat", "--json"])), [Some(2), Some(0), Some(1), Some(2), Some(2)]);
    expect(run(data, redis, &["retry", "c.dead"]), 0);
    let (told, _) = expect(run(data, redis, &["drop", "--all"]), 0);
    assert_eq!(told, "mails that are given up: 1\n");
    assert_eq!(figures(&document(&["stat", "--json"])), [Some(3), Some(0), Some(1), Some(0), Some(3)]);
    let (told, _) = expect(run(data, redis, &["retry", "--all"]), 0);
    assert_eq!(told, "mails that are ready again: 0\n");
}

#[tokio::test]
async fn queue_of_a_stopped_folder_is_told_of_and_its_dead_are_decided_on() {
    let parent = tempfile::tempdir().expect("make a temporary folder");
    let data = parent.path().join("data");
    let (_, stderr) = expect(run(&data, None, &["stat"]), 3);
    assert!(stderr.contains("no mail queue") && !data.exists(), "{stderr}");
    let folder = Folder::open(&data).expect("it is nobody's");
    let queue = DiskQueue::open(&folder, FOR_EVER).expect("it opens");
    fill(&queue).await;
    let (_, stderr) = expect(run(&data, None, &["stat"]), 5);
    assert!(stderr.contains(&std::process::id().to_string()), "{stderr}");
    drop((queue, folder));
    look_and_decide(&data, None);
}

#[tokio::test]
async fn queue_in_redis_is_told_of_and_its_dead_are_decided_on() {
    let parent = tempfile::tempdir().expect("make a temporary folder");
    let data = parent.path().join("data");
    let mut bench = InRedis::new();
    fill(&bench.worker(FOR_EVER)).await;
    look_and_decide(&data, Some(&bench.server.url()));
    assert!(!data.exists(), "nothing was made");
    bench.server.kill();
    let (_, stderr) = expect(run(&data, Some(&bench.server.url()), &["stat"]), 1);
    assert!(stderr.contains("ask Redis"), "{stderr}");
    expect(run(&data, Some("nonsense"), &["stat"]), 2);
}
