//! The promise as the kernel sees it: no purchase is answered before its commit was synced, one sync each.
//!
//! The real server runs under `strace`. A change that drops the sync would pass every other test until the
//! power fails.

use std::path::Path;
use std::process::Command;

use futures_util::future::join_all;

use crate::server::{Folder, Server};
use crate::shop::Shop;

const PURCHASES: usize = 25;

/// What the server asked of the kernel, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    /// Bytes went into sled's data file.
    Written,
    /// The data file was synced, and the sync was over.
    Synced,
    /// The first byte of `201` was about to go out.
    Answered,
}

fn traced(folder: &Folder, trace: &Path) -> Server {
    folder.move_in();
    let mut strace = Command::new("strace");
    // `-D`: the process started here becomes the server, so that it can be ended by its own id.
    strace.args(["-D", "-f", "-y", "-s", "32", "-o"]).arg(trace);
    strace.args(["-e", "trace=fdatasync,fsync,write,pwrite64,pwritev,writev,sendto,sendmsg"]);
    strace.arg(env!("CARGO_BIN_EXE_holdfast")).args(["serve", "--listen", "127.0.0.1:0"]);
    folder.prepare(&mut strace);
    let is_there = Command::new("strace").arg("-V").output().is_ok_and(|said| said.status.success());
    assert!(is_there, "strace is missing, and without it nobody sees a lost sync: apt-get install strace");
    Server::start(strace)
}

/// Reads a trace. A call that strace shows in two halves counts as a sync when it ended, and as a write or an
/// answer when it began.
fn read(trace: &str) -> Vec<Call> {
    let mut syncing = Vec::new();
    let mut calls = Vec::new();
    for line in trace.lines() {
        let (thread, call) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let call = call.trim_start();
        let is_on_data_file = call.contains("/data/journal/db>");
        if call.starts_with("fdatasync(") && is_on_data_file {
            if call.contains("<unfinished") {
                syncing.push(thread);
            } else {
                assert!(call.ends_with("= 0"), "{line}");
                calls.push(Call::Synced);
            }
        } else if call.starts_with("<... fdatasync resumed>") {
            if let Some(begun) = syncing.iter().position(|begun_by| *begun_by == thread) {
                syncing.swap_remove(begun);
                calls.push(Call::Synced);
            }
        } else if is_on_data_file && (call.starts_with("write") || call.starts_with("pwrite")) {
            calls.push(Call::Written);
        } else if call.contains("\"HTTP/1.1 201") {
            calls.push(Call::Answered);
        }
    }
    calls
}

#[tokio::test]
async fn each_commit_is_synced_once_and_before_its_answer_is_sent() {
    let folder = Folder::new();
    let trace = folder.parent().join("trace");
    let server = traced(&folder, &trace);
    let shop = Shop::of(&server);
    let mug = shop.product("MUG", 1_000).await;
    for _ in 0..PURCHASES {
        shop.purchase(&mug, 1).send().await.expect(201);
    }
    server.terminate().expect_code(0);

    let text = std::fs::read(&trace).expect("strace wrote it");
    let calls = read(&String::from_utf8_lossy(&text));
    // Up to the first answer, the product's, the folder was being made.
    let (opening, mut rest) = split_behind_answer(&calls).expect("the product was made");
    assert!(opening.ends_with(&[Call::Synced, Call::Answered]), "{opening:?}");
    for purchase in 1..=PURCHASES {
        let (turn, after) =
            split_behind_answer(rest).unwrap_or_else(|| panic!("{purchase} answers: {rest:?}"));
        let syncs = turn.iter().filter(|call| **call == Call::Synced).count();
        assert_eq!(syncs, 1, "purchase {purchase} is one commit and one sync: {turn:?}");
        assert!(turn.contains(&Call::Written), "purchase {purchase} was written: {turn:?}");
        let end = &turn[turn.len() - 2..];
        assert_eq!(
            end,
            [Call::Synced, Call::Answered],
            "nothing is written between sync and answer: {turn:?}"
        );
        rest = after;
    }
}

fn split_behind_answer(calls: &[Call]) -> Option<(&[Call], &[Call])> {
    let answer = calls.iter().position(|call| *call == Call::Answered)?;
    Some(calls.split_at(answer + 1))
}

#[tokio::test]
async fn purchases_at_once_share_syncs_and_each_answer_has_one_behind_it() {
    let folder = Folder::new();
    let trace = folder.parent().join("trace");
    let server = traced(&folder, &trace);
    let shop = Shop::of(&server);
    let mug = shop.product("MUG", 1_000).await;
    let syncs = async || {
        let health = shop.client.get("/health").send().await.expect(200).body;
        health["journal"]["syncs"].as_u64().expect("health counts syncs")
    };
    let before = syncs().await;
    for sold in join_all((0..64).map(|_| shop.purchase(&mug, 1).send())).await {
        sold.expect(201);
    }
    let counted = syncs().await - before;
    server.terminate().expect_code(0);

    let text = std::fs::read(&trace).expect("strace wrote it");
    let calls = read(&String::from_utf8_lossy(&text));
    let (_, rest) = split_behind_answer(&calls).expect("the product was made");
    let seen = rest.iter().filter(|call| **call == Call::Synced).count();
    assert_eq!(
        u64::try_from(seen).expect("it is small"),
        counted,
        "health tells of every sync and of no other"
    );
    assert!((1..=64).contains(&seen), "a sync is for one purchase or for many: {seen}");
    let first_sync = rest.iter().position(|call| *call == Call::Synced);
    let first_answer = rest.iter().position(|call| *call == Call::Answered);
    assert!(first_sync < first_answer, "no answer comes before the first sync: {rest:?}");
    let last_write = rest.iter().rposition(|call| *call == Call::Written);
    let last_sync = rest.iter().rposition(|call| *call == Call::Synced);
    assert!(last_write < last_sync, "whatever was written was synced: {rest:?}");
}
