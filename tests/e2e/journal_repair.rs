//! `holdfast journal repair`: what is damaged is cut off, and nobody is surprised.

use std::path::Path;

use serde_json::json;

use crate::folders::{contents, files};
use crate::journal_desk::{Desk, flip, sell, text};
use crate::server::Server;

const SALES: usize = 60;

#[tokio::test]
async fn sound_journal_is_left_as_it_is() {
    let desk = Desk::new();
    let (server, shop) = desk.start();
    let mug = shop.product("MUG", 100).await;
    sell(&shop, &mug).await;
    server.kill();
    let told = desk.json(&["repair", "--yes"]);
    assert!(
        told["changed"] == false && told["verdict"].as_str().is_some_and(|it| it.contains("sound")),
        "{told}"
    );
    let (server, shop) = desk.start();
    assert_eq!(shop.figures("MUG").await, [100, 99, 0, 1]);
    server.terminate().expect_code(0);
}

#[tokio::test]
async fn damaged_end_is_cut_after_it_was_told_and_agreed_to() {
    let desk = Desk::new();
    let (server, shop) = desk.start();
    let mug = shop.product("MUG", 100).await;
    for _ in 0..SALES {
        sell(&shop, &mug).await;
    }
    server.kill();
    flip(&desk.folder.data().join("journal/db"), 90);
    let verified = desk.folder.run(&["journal", "verify"]);
    assert_eq!(verified.code(), Some(4), "{}", verified.stderr);
    // Asked again it says the same.
    desk.run(&["verify"], 4);
    desk.run(&["stat"], 4);
    desk.run(&["checkpoint"], 4);
    desk.run(&["tail", "-n", "1"], 4);
    let found = contents(&desk.folder.data());
    let asked = desk.run(&["repair"], 2);
    assert!(asked.stderr.contains("--yes") && asked.stderr.contains("batch"), "{}", asked.stderr);
    assert!(contents(&desk.folder.data()) == found, "nothing is cut before somebody agrees");
    assert!(Server::try_start(desk.folder.serve_empty()).is_err(), "it does not start");

    let told = desk.json(&["repair", "--yes"]);
    assert!(told["batches_lost"].as_u64() > Some(0), "{told}");
    let kept = told["kept"].as_str().expect("it says where the old store is");
    assert!(Path::new(kept).join("db").is_file(), "{told}");
    desk.run(&["verify"], 0);
    let (server, shop) = desk.start();
    let [on_hand, available, reserved, committed] = shop.figures("MUG").await;
    assert!(on_hand == 100 && reserved == 0 && available + committed == 100, "{available} {committed}");
    shop.expect_books("MUG").await;
    sell(&shop, &mug).await;
    server.terminate().expect_code(0);
    desk.run(&["backup", "--into", text(&desk.new_folder("b"))], 0);
}

#[tokio::test]
async fn journal_that_ends_before_its_newest_checkpoint_is_cut_where_it_ends() {
    let desk = Desk::new();
    let (server, shop) = desk.start();
    let mug = shop.product("MUG", 100).await;
    for _ in 0..SALES {
        sell(&shop, &mug).await;
    }
    let checkpoint = desk.json(&["checkpoint"])["number"].as_u64().expect("it has a number");
    server.kill();
    flip(&desk.folder.data().join("journal/db"), 85);
    let asked = desk.run(&["repair"], 2);
    assert!(asked.stderr.contains("put aside"), "{}", asked.stderr);

    let told = desk.json(&["repair", "--yes"]);
    let aside = told["checkpoints_put_aside"].as_array().expect("it is a list");
    assert!(aside.contains(&json!(checkpoint)), "{told}");
    assert!(told["batches_missing"].as_u64() > Some(0), "{told}");
    assert!(told["records_of_missing_batches"] == "unknown", "{told}");
    let kept = Path::new(told["kept"].as_str().expect("it says where the old store is"));
    assert_eq!(files(&kept.join("checkpoints")).len(), aside.len());
    desk.run(&["verify"], 0);
    let (server, shop) = desk.start();
    let [on_hand, available, reserved, committed] = shop.figures("MUG").await;
    assert!(on_hand == 100 && reserved == 0 && available + committed == 100, "{available} {committed}");
    assert!(committed < 60, "what was cut is gone: {committed}");
    sell(&shop, &mug).await;
    server.terminate().expect_code(0);
    desk.run(&["verify"], 0);
}

#[tokio::test]
async fn trimmed_journal_without_a_sound_checkpoint_is_not_called_sound() {
    let desk = Desk::new();
    let (server, shop) = desk.start();
    let mug = shop.product("MUG", 100).await;
    sell(&shop, &mug).await;
    desk.json(&["checkpoint"]);
    desk.json(&["trim", "--retain", "0s"]);
    sell(&shop, &mug).await;
    server.kill();
    let checkpoints = files(&desk.folder.data().join("checkpoints"));
    for path in &checkpoints {
        flip(path, 50);
    }
    let found = contents(&desk.folder.data());
    for arguments in [&["repair"][..], &["repair", "--yes"]] {
        let told = desk.run(arguments, 4);
        assert!(told.stderr.contains("restore a backup"), "{}", told.stderr);
        assert!(told.stderr.contains(text(&checkpoints[0])), "{}", told.stderr);
    }
    assert!(contents(&desk.folder.data()) == found, "nothing is changed");
}
