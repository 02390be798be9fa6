//! `holdfast journal` among other commands: pipes that close, signals, readers that go.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::journal_desk::{Desk, position, receive, sell, text};
use crate::person::until;
use crate::server::Process;

/// Runs a shop's command whose stdout goes there; tells how it ended and what it said.
fn run_into(desk: &Desk, arguments: &[&str], stdout: Stdio) -> (Option<i32>, String) {
    let mut command = desk.folder.command(&[&["journal"], arguments].concat());
    let ended = command.stdin(Stdio::null()).stdout(stdout).stderr(Stdio::piped()).output();
    let ended = ended.expect("it runs");
    (ended.status.code(), String::from_utf8_lossy(&ended.stderr).into_owned())
}

/// A pipe that nobody reads any more.
fn closed_pipe() -> Stdio {
    let (reader, writer) = std::io::pipe().expect("there are pipes");
    drop(reader);
    writer.into()
}

#[tokio::test]
async fn reader_that_has_enough_is_no_failure_and_a_full_disk_is_one() {
    let desk = Desk::new();
    let (server, shop) = desk.start();
    shop.product("MUG", 10).await;
    for command in ["stat", "tail", "checkpoint", "trim"] {
        let (code, said) = run_into(&desk, &[command], closed_pipe());
        assert_eq!((code, said.as_str()), (Some(0), ""), "{command}");
        let full = fs::File::options().write(true).open("/dev/full").expect("Linux has it");
        let (code, said) = run_into(&desk, &[command], full.into());
        assert_eq!(code, Some(1), "{command}: {said}");
        assert!(said.contains("No space left") && !said.contains("panicked"), "{command}: {said}");
    }
    server.terminate().expect_code(0);
    let (code, said) = run_into(&desk, &["verify", "--json"], closed_pipe());
    assert_eq!((code, said.as_str()), (Some(0), ""));
}

/// What is in a folder but the shop's own data.
fn others(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("it is a folder");
    let names = entries.map(|entry| entry.expect("it can be read").file_name());
    names.map(|name| name.to_string_lossy().into_owned()).filter(|name| name != "data").collect()
}

#[tokio::test]
async fn copy_that_is_interrupted_leaves_nothing() {
    let desk = Desk::new();
    let (server, shop) = desk.start();
    shop.product("MUG", 10).await;
    let export = desk.run(&["export"], 0).stdout;
    server.terminate().expect_code(0);
    for (signal, code) in [("INT", 130), ("TERM", 143), ("HUP", 129)] {
        let mut import: Command =
            desk.folder.command(&["journal", "import", "--into", text(&desk.new_folder("new"))]);
        let mut import = import.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
        let mut lines = import.stdin.take().expect("it is piped");
        let header = export.split_inclusive('\n').next().expect("it begins");
        lines.write_all(header.as_bytes()).expect("it reads");
        // It waits for more, with a folder that is begun.
        let partial = desk.new_folder(&format!("new.partial-{}", import.id())).join("checkpoints");
        until("a folder in the making", async || partial.is_dir().then_some(())).await;
        let kill = format!("kill -{signal} {}", import.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().expect("there is a shell").success());
        let ended = import.wait_with_output().expect("it ends");
        let said = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(code), "{signal}: {said}");
        assert_eq!(others(desk.folder.parent()), [""; 0], "{signal}: {said}");
        drop(lines);
    }
}

#[tokio::test]
async fn followers_that_go_are_forgotten_by_an_idle_server() {
    let desk = Desk::new();
    let (server, shop) = desk.start();
    let mug = shop.product("MUG", 10).await;
    let threads = || {
        let tasks = fs::read_dir(format!("/proc/{}/task", server.pid())).expect("it runs");
        let names = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok());
        names.filter(|name| name.trim() == "control").count()
    };
    let mut followers = Vec::new();
    for _ in 0..3 {
        let mut tail = Process::spawn(desk.folder.command(&["journal", "tail", "-f"]));
        let sold = position(&sell(&shop, &mug).await);
        assert!(tail.line(|line| line.contains(&sold)).is_some());
        followers.push(tail);
    }
    assert_eq!(threads(), followers.len());
    drop(followers);
    until("nobody is followed", async || (threads() == 0).then_some(())).await;
    server.terminate().expect_code(0);
}

#[tokio::test]
async fn moment_that_has_not_come_is_a_slip() {
    let desk = Desk::new();
    let (server, shop) = desk.start();
    shop.product("MUG", 10).await;
    let last = position(&receive(&shop, "MUG", 1).await);
    let into = desk.new_folder("new");
    let slip = desk.run(&["restore", "--to-time", "2126-11-21T12:00:00Z", "--into", text(&into)], 2);
    assert!(slip.stderr.contains("has not come"), "{}", slip.stderr);
    assert!(!into.exists());
    // The token of an event is one of its record.
    let event = crate::events::page(&shop, "after=latest").await.expect(200).body;
    let next = event["next"].as_str().expect("there is always a next");
    let told = desk.json(&["restore", "--to-position", next, "--into", text(&into)]);
    assert_eq!(told["position"], last.as_str(), "{told}");
    server.terminate().expect_code(0);
}

#[test]
fn folder_that_cannot_be_looked_into_is_not_called_empty() {
    let desk = Desk::new();
    desk.run(&["stat"], 3);
    fs::create_dir(desk.folder.data()).expect("there is nothing yet");
    desk.run(&["stat"], 3);
    // Rights keep nobody out who runs the tests as root; this does.
    std::os::unix::fs::symlink("journal", desk.folder.data().join("journal")).expect("there is nothing yet");
    for command in ["stat", "verify", "tail"] {
        let looked = desk.run(&[command], 1);
        assert!(looked.stderr.contains("look for a journal"), "{}", looked.stderr);
    }
}
