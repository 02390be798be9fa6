//! `holdfast journal tail` and `stat`, beside a running server and on a stopped folder.

use serde_json::Value;

use crate::journal_desk::{Desk, position, receive, sell};
use crate::server::Process;

fn kinds(lines: &[Value]) -> Vec<&str> {
    lines.iter().map(|line| line["type"].as_str().expect("an event has a type")).collect()
}

#[tokio::test]
async fn events_are_shown_and_filtered_in_a_running_and_in_a_stopped_shop() {
    let desk = Desk::new();
    let (server, shop) = desk.start();
    let mug = shop.product("MUG", 10).await;
    let cup = shop.product("CUP", 10).await;
    let first = position(&sell(&shop, &mug).await);
    let last = position(&sell(&shop, &cup).await);
    receive(&shop, "MUG", 5).await;

    let ask = || {
        let all = desk.lines(&["tail", "-n", "1000"]);
        let newest = desk.lines(&["tail", "-n", "2"]);
        assert_eq!(newest, all[all.len() - 2..], "the last ones, the newest last");
        assert_eq!(kinds(&newest), ["stock.purchased", "stock.received"]);
        assert_eq!(newest[0]["position"], last.as_str());
        assert!(newest[0]["actor"]["type"] == "guest" && newest[1]["actor"]["type"] == "admin", "{newest:?}");
        crate::client::expect_moment(&newest[0]["at"]);
        let sold = desk.lines(&["tail", "--type", "*.purchased", "-n", "1000"]);
        assert_eq!(kinds(&sold), ["stock.purchased"; 2]);
        let of_mug = desk.lines(&["tail", "--sku", "MUG", "--type", "stock.*", "-n", "1000"]);
        assert!(of_mug.iter().all(|line| line["resource"]["id"] == mug.id.as_str()), "{of_mug:?}");
        assert_eq!(kinds(&of_mug).last(), Some(&"stock.received"));
        let behind = desk.lines(&["tail", "--from", &first]);
        assert_eq!(behind, newest, "behind the first sale");
        assert_eq!(desk.lines(&["tail", "--from", &first, "-n", "1"]), newest[1..]);
        let plain = desk.run(&["tail", "-n", "2"], 0);
        assert!(plain.stdout.lines().count() == 2 && !plain.stdout.contains('\u{1b}'), "{}", plain.stdout);
        assert!(desk.run(&["tail", "--color", "always"], 0).stdout.contains("\u{1b}["));
        assert!(!plain.stdout.contains("password") && !plain.stdout.contains("hash"), "{}", plain.stdout);
        all
    };
    let running = ask();
    server.terminate().expect_code(0);
    assert_eq!(ask(), running, "a stopped shop says the same");

    desk.run(&["tail", "--type", "nonsense.*"], 2);
    desk.run(&["tail", "--from", "nonsense"], 2);
    desk.run(&["tail", "--sku", "not a sku"], 2);
    desk.run(&["tail", "--from", "AAAAAAAAAA__8"], 2);
    desk.run(&["tail", "--from", "AAAAAAAAAA__-A"], 3);
}

#[tokio::test]
async fn events_are_followed_until_the_server_stops() {
    let desk = Desk::new();
    let (server, shop) = desk.start();
    let mug = shop.product("MUG", 10).await;
    let mut tail = Process::spawn(desk.folder.command(&[
        "journal",
        "tail",
        "-f",
        "--json",
        "--type",
        "stock.purchased",
    ]));
    for _ in 0..3 {
        let sold = sell(&shop, &mug).await;
        let at = format!("\"position\":\"{}\"", position(&sold));
        assert!(tail.line(|line| line.contains(&at)).is_some(), "a sale is shown as it happens");
    }
    server.terminate().expect_code(0);
    let ended = tail.wait().expect_code(0);
    assert_eq!(ended.stdout.lines().count(), 3);

    let (server, shop) = desk.start();
    let mut tail = Process::spawn(desk.folder.command(&["journal", "tail", "-f"]));
    let sold = position(&sell(&shop, &mug).await);
    assert!(tail.line(|line| line.contains(&sold)).is_some());
    server.kill();
    assert!(tail.wait().expect_code(0).stderr.contains("the server stopped"));
}

#[tokio::test]
async fn figures_are_told_by_a_running_server_and_without_one() {
    let desk = Desk::new();
    for command in ["stat", "verify", "tail", "checkpoint", "trim", "repair"] {
        let nothing = desk.run(&[command], 3);
        assert!(nothing.stderr.contains("no journal"), "{}", nothing.stderr);
    }
    assert!(!desk.folder.data().exists(), "looking makes nothing");
    let (server, shop) = desk.start();
    let mug = shop.product("MUG", 10).await;
    sell(&shop, &mug).await;
    let running = desk.json(&["stat"]);
    assert_eq!(running["state"], "running");
    assert!(running["checkpoints"].as_array().is_some_and(|all| !all.is_empty()), "{running}");
    let refused = desk.run(&["verify"], 5);
    assert!(refused.stderr.contains("backup"), "{}", refused.stderr);
    desk.run(&["repair", "--yes"], 5);
    // Whoever holds the folder without a socket is named.
    std::fs::remove_file(desk.folder.data().join("control/socket")).expect("it is there");
    for command in ["stat", "tail", "checkpoint", "trim"] {
        let locked = desk.run(&[command], 5);
        assert!(locked.stderr.contains(&server.pid().to_string()), "{}", locked.stderr);
    }
    server.kill();
    let stopped = desk.json(&["stat"]);
    assert_eq!(stopped["state"], "stopped");
    for figure in ["journal_id", "partitions", "batches", "records", "frame_bytes", "first_at", "last_at"] {
        assert_eq!(stopped[figure], running[figure], "{figure}");
    }
}
