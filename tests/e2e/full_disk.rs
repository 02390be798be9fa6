//! A disk that runs full: writes are refused before it is, and what was answered survives when it is.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use crate::buyers::Buyers;
use crate::person::until;
use crate::server::{Folder, Server};
use crate::shop::Shop;
use crate::smtp::{SmtpServer, Way};

#[tokio::test]
async fn low_disk_refuses_writes_and_serves_reads() {
    let folder = Folder::new();
    let server = folder.start();
    let mug = Shop::of(&server).product("MUG", 5).await;
    let sold =
        Shop::of(&server).purchase(&mug, 1).session("a-guest-session-0001").key("k").send().await.expect(201);
    server.terminate().expect_code(0);

    let huge = u64::MAX.to_string();
    let serve = folder.command(&["serve", "--listen", "127.0.0.1:0", "--disk-reserve-bytes", &huge]);
    let server = Server::start(serve);
    let shop = Shop::of(&server);

    let new = json!({ "name": "New", "price": 1, "currency": "EUR" });
    let adjust = json!({ "delta": 1, "reason": "other" });
    let path = format!("/products/{}", mug.id);
    for write in [
        shop.purchase(&mug, 1),
        shop.purchase(&mug, 1).key("other"),
        shop.client.post("/products", &new).token(&shop.admin),
        shop.client.patch(&path, &json!({ "price": 2 })).token(&shop.admin),
        shop.client.delete(&path).token(&shop.admin),
        shop.client.post("/inventory/MUG/adjustments", &adjust).token(&shop.admin),
        shop.client.post("/inventory/MUG/counts", &json!({ "on_hand": 9 })).token(&shop.admin),
    ] {
        let refused = write.send().await.expect_problem(503, "overloaded");
        assert!(refused.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds > 0));
    }
    let replay = shop.purchase(&mug, 1).session("a-guest-session-0001").key("k").send().await.expect(201);
    assert_eq!(replay.text, sold.text, "an answer that is there already is given");
    assert_eq!(shop.figures("MUG").await, [5, 4, 0, 1]);
    shop.read(&mug).await;
    shop.expect_books("MUG").await;
    shop.client.get("/products").send().await.expect(200);
    let health = shop.client.get("/health").send().await.expect(200);
    assert_eq!(health.body["journal"]["status"], "disk_low");
    let metrics = shop.client.ask_root("GET", "/metrics").send().await.expect(200).text;
    for line in ["holdfast_disk_low 1", "holdfast_http_failures_total{status=\"503\"} 7"] {
        assert!(metrics.lines().any(|told| told == line), "{line}:\n{metrics}");
    }
    assert!(server.stderr().contains("disk is low"), "{}", server.stderr());
    server.terminate().expect_code(0);
}

/// The journal takes 8 MiB of a disk at once, which are minutes of purchases. Fills most of them.
async fn leave_little_of_a_segment(shop: &Shop) {
    const TEXT_BYTES: usize = 9_000;
    const SEGMENT_USED_BYTES: usize = 7 * 1024 * 1024;
    let text = "ä".repeat(TEXT_BYTES / 2);
    for _ in 0..SEGMENT_USED_BYTES / TEXT_BYTES {
        shop.make(&json!({ "name": "Long", "price": 1, "currency": "EUR", "description": text })).await;
    }
}

/// A small disk in memory, gone with its value.
struct SmallDisk {
    path: PathBuf,
}

impl SmallDisk {
    /// None where mounting is not allowed.
    fn mount(path: &Path) -> Option<Self> {
        fs::create_dir_all(path).expect("it can be made");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=96m", "tmpfs"]).arg(path).output();
        let is_mounted = mounted.is_ok_and(|mounted| mounted.status.success());
        is_mounted.then(|| Self { path: path.to_owned() })
    }

    /// Takes all but `left` bytes.
    fn fill_but(&self, left: usize) {
        let mut filler =
            OpenOptions::new().create(true).append(true).open(self.filler()).expect("it is writable");
        let piece = vec![0_u8; 64 * 1024];
        while filler.write_all(&piece).is_ok() {}
        let taken = filler.metadata().expect("it is there").len();
        filler.set_len(taken - u64::try_from(left).expect("it is small")).expect("shrinking needs no space");
    }

    fn make_room(&self) {
        fs::remove_file(self.filler()).expect("it is there");
    }

    fn filler(&self) -> PathBuf {
        self.path.join("filler")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a test that fails may still have its server on it.
        let _nothing_else_can_be_done = Command::new("umount").arg("-l").arg(&self.path).status();
    }
}

#[tokio::test]
async fn full_disk_stops_the_server_and_loses_nothing_that_was_answered() {
    let folder = Folder::new();
    let Some(disk) = SmallDisk::mount(&folder.data()) else {
        eprintln!(
            "\n!!! SKIPPED: mounting a small disk needs root; a really full disk was not tried here !!!\n"
        );
        return;
    };
    folder.move_in();
    let start =
        || Server::start(folder.command(&["serve", "--listen", "127.0.0.1:0", "--disk-reserve-bytes", "0"]));
    let server = start();
    let shop = Shop::of(&server);
    leave_little_of_a_segment(&shop).await;
    let mut buyers = Buyers::at(&shop).await;
    buyers.open(&server);
    buyers.wait_for_answers(50).await;
    disk.fill_but(48 * 1024);
    // They buy until the server says no or is gone.
    buyers.go_home().await;
    let ended = server.wait().expect_code(1);
    assert!(ended.stderr.contains("the journal failed"), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("No space left") || ended.stderr.contains("StorageFull"),
        "{}",
        ended.stderr
    );

    disk.make_room();
    let server = start();
    let shop = Shop::of(&server);
    buyers.audit(&shop).await;
    buyers.ask_again(&shop).await;
    buyers.audit(&shop).await;
    server.terminate().expect_code(0);
    folder.run(&["journal", "verify"]).expect_code(0);
}

#[tokio::test]
async fn disk_that_has_room_again_is_written_again_without_a_restart() {
    let folder = Folder::new();
    let Some(disk) = SmallDisk::mount(&folder.data()) else {
        eprintln!("\n!!! SKIPPED: mounting a small disk needs root !!!\n");
        return;
    };
    folder.move_in();
    // A journal takes 8 MiB when it is opened and more as it grows; a third of the disk is kept free.
    let reserve = (32 * 1024 * 1024).to_string();
    let serve = folder.command(&["serve", "--listen", "127.0.0.1:0", "--disk-reserve-bytes", &reserve]);
    let server = Server::start(serve);
    let shop = Shop::of(&server);
    let mug = shop.product("MUG", 100_000).await;
    let told = async || {
        let health = shop.client.get("/health").send().await.expect(200);
        let metrics = shop.client.ask_root("GET", "/metrics").send().await.expect(200).text;
        let gauge = metrics.lines().find(|line| line.starts_with("holdfast_disk_low ")).expect("it is told");
        (health.body["journal"]["status"].as_str().unwrap_or_default().to_owned(), gauge.to_owned())
    };
    assert_eq!(told().await, ("ok".to_owned(), "holdfast_disk_low 0".to_owned()));

    disk.fill_but(16 * 1024 * 1024);
    let refused = until("writes are refused", async || {
        let answer = shop.purchase(&mug, 1).send().await;
        (answer.status != 201).then_some(answer)
    })
    .await
    .expect_problem(503, "overloaded");
    assert!(refused.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds > 0));
    assert_eq!(told().await, ("disk_low".to_owned(), "holdfast_disk_low 1".to_owned()));
    shop.read(&mug).await;
    shop.expect_books("MUG").await;
    shop.client.get("/events?limit=5").token(&shop.admin).send().await.expect(200);
    let now = shop.inventory("MUG").await;
    let at = now["updated_at"].as_str().expect("a moment");
    assert_eq!(shop.client.get(&format!("/inventory/MUG?as_of={at}")).send().await.expect(200).body, now);

    disk.make_room();
    until("writes resume", async || (shop.purchase(&mug, 1).send().await.status == 201).then_some(())).await;
    assert_eq!(told().await, ("ok".to_owned(), "holdfast_disk_low 0".to_owned()));
    assert!(server.stderr().contains("writes resume"), "{}", server.stderr());
    shop.expect_books("MUG").await;
    server.terminate().expect_code(0);
    folder.run(&["journal", "verify"]).expect_code(0);
}

/// sled takes nothing any more once its disk was full: the queue has to be opened anew, and mails go out without a restart.
#[tokio::test]
async fn mail_queue_works_again_when_a_full_disk_has_room() {
    let folder = Folder::new();
    let Some(disk) = SmallDisk::mount(&folder.data()) else {
        eprintln!("\n!!! SKIPPED: mounting a small disk needs root !!!\n");
        return;
    };
    folder.move_in();
    let mut smtp = SmtpServer::start(Way::Plain);
    smtp.close();
    let mut serve = folder.serve();
    serve.env("SMTP_URL", smtp.url("")).env("HOLDFAST_MAIL_RETRY_FIRST_MS", "500");
    let server = Server::start(serve);
    let shop = Shop::of(&server);
    let body = json!({ "email": "ada@example.test", "password": "correct horse battery" });
    shop.client.post("/auth/register", &body).send().await.expect(201);
    server.wait_for_stderr("mail not sent");
    disk.fill_but(0);
    // Each attempt is noted, until that cannot be.
    server.wait_for_stderr("no mail is sent while the mail queue does not work");
    disk.make_room();
    smtp.open();
    assert_eq!(smtp.wait_taken(1)[0].to, ["ada@example.test"]);
    let said = server.terminate().expect_code(0).stderr;
    assert!(!said.contains("is damaged"), "{said}");
    assert_eq!(smtp.taken().len(), 1);
}

/// A full disk where nobody may mount one: the kernel refuses to let a file grow beyond a limit.
#[tokio::test]
async fn file_that_may_not_grow_stops_the_server_and_loses_nothing_that_was_answered() {
    let folder = Folder::new();
    folder.move_in();
    let limited = || {
        let mut shell = Command::new("sh");
        // In blocks of 512 bytes, 8 MiB of which a store takes when it is opened again; without the signal, writing beyond is an error like any other.
        let line = "trap '' XFSZ; ulimit -f 17000; exec \"$0\" serve --listen 127.0.0.1:0";
        shell.args(["-c", line, env!("CARGO_BIN_EXE_holdfast")]);
        folder.prepare(&mut shell);
        Server::start(shell)
    };
    let server = limited();
    let shop = Shop::of(&server);
    leave_little_of_a_segment(&shop).await;
    let mut buyers = Buyers::at(&shop).await;
    buyers.open(&server);
    buyers.go_home().await;
    assert!(buyers.answered_count() > 0);
    let ended = server.wait().expect_code(1);
    assert!(ended.stderr.contains("the journal failed"), "{}", ended.stderr);

    let server = folder.start();
    let shop = Shop::of(&server);
    buyers.audit(&shop).await;
    buyers.ask_again(&shop).await;
    buyers.audit(&shop).await;
    server.terminate().expect_code(0);
    folder.run(&["journal", "verify"]).expect_code(0);
}
