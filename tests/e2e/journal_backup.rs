//! `holdfast journal backup`: a copy of a shop that sells, which another server can go on with.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use crate::buyers::Buyers;
use crate::folders::{contents, files};
use crate::journal_desk::{Desk, flip, position, sell, text};
use crate::server::Server;
use crate::shop::Shop;

/// Purchases before the copy begins, and while it is made.
const SALES: usize = 200;

#[tokio::test]
async fn backup_of_a_shop_that_sells_has_every_sale_that_was_answered_before() {
    let desk = Desk::new();
    let (server, shop) = desk.start();
    let mut buyers = Buyers::at(&shop).await;
    buyers.open(&server);
    buyers.wait_for_answers(SALES).await;
    desk.json(&["checkpoint"]);
    buyers.wait_for_answers(SALES).await;
    let answered_before = shop.orders("HOT").await;
    let into = desk.new_folder("backup");
    // On a thread of its own: the buyers go on meanwhile.
    let (command, done) =
        (desk.folder.command(&["journal", "backup", "--json", "--into", text(&into)]), "backup");
    let backup = tokio::task::spawn_blocking(|| crate::server::Process::spawn(command).wait());
    let told = backup.await.expect(done).expect_code(0);
    let told: Value = serde_json::from_str(&told.stdout).expect("stdout is one document");
    assert_eq!((&told["verified"], &told["batches"].is_u64()), (&json!(true), &true), "{told}");
    assert!(told["checkpoints"].as_u64() > Some(0), "{told}");
    buyers.wait_for_answers(SALES).await;
    server.kill();
    buyers.go_home().await;

    let (copy, shop) = desk.serve(&into);
    let restored = shop.orders("HOT").await;
    for (order, sale) in &answered_before {
        assert_eq!(restored.get(order), Some(sale), "{order} was answered before the copy began");
    }
    shop.expect_books("HOT").await;
    sell(&shop, &shop.product("NEW", 1).await).await;
    copy.terminate().expect_code(0);
    // And the shop that was copied has lost nothing.
    let (server, shop) = desk.start();
    buyers.ask_again(&shop).await;
    buyers.audit(&shop).await;
    assert!(shop.orders("HOT").await.len() > restored.len());
    server.terminate().expect_code(0);
}

/// Systems let a process open a thousand files, and a week has more checkpoints.
#[tokio::test]
async fn backup_is_not_bound_by_how_many_files_may_be_open() {
    const FILES: usize = 50;
    let desk = Desk::new();
    let (server, shop) = desk.start();
    let mug = shop.product("MUG", 100).await;
    for _ in 0..FILES {
        sell(&shop, &mug).await;
        desk.json(&["checkpoint"]);
    }
    server.kill();
    let into = desk.new_folder("backup");
    let mut shell = std::process::Command::new("sh");
    let line = "ulimit -Sn 48; exec \"$0\" journal backup --json --into \"$1\"";
    shell.args(["-c", line, env!("CARGO_BIN_EXE_holdfast"), text(&into)]);
    desk.folder.prepare(&mut shell);
    let told = crate::server::Process::spawn(shell).wait().expect_code(0);
    let told: Value = serde_json::from_str(&told.stdout).expect("stdout is one document");
    assert!(told["checkpoints"].as_u64() > Some(FILES.try_into().expect("a count")), "{told}");
}

#[tokio::test]
async fn backup_of_a_stopped_shop_knows_its_tokens_and_overwrites_nothing() {
    let desk = Desk::new();
    let serve = |folder: &std::path::Path| {
        let mut serve = desk.folder.serve_empty();
        serve.env_remove("JWT_SECRET").env("HOLDFAST_DATA_DIR", folder);
        serve.env("HOLDFAST_ADMIN_EMAIL", "a@b.test").env("HOLDFAST_ADMIN_PASSWORD", "correct horse battery");
        let server = Server::start(serve);
        let shop = Shop::of(&server);
        (server, shop)
    };
    let (server, shop) = serve(&desk.folder.data());
    let body = json!({ "email": "a@b.test", "password": "correct horse battery" });
    let pair = shop.client.post("/auth/login", &body).send().await.expect(200).body;
    let token = pair["access_token"].as_str().expect("it is text").to_owned();
    let shop = Shop { admin: token.clone(), ..shop };
    let mug = shop.product("MUG", 100).await;
    for _ in 0..60 {
        sell(&shop, &mug).await;
    }
    server.terminate().expect_code(0);

    let before = contents(&desk.folder.data());
    let into = desk.new_folder("backup");
    let told = desk.json(&["backup", "--into", text(&into)]);
    assert_eq!(told["verified"], true);
    assert_eq!(contents(&desk.folder.data()), before, "what is copied stays as it is");
    assert_eq!(desk.json(&["stat"])["records"], told["records"]);
    let key = fs::metadata(into.join("jwt.key")).expect("it is copied").permissions().mode();
    assert_eq!(key & 0o777, 0o600);
    let made = contents(&into);
    let again = desk.run(&["backup", "--into", text(&into)], 1);
    assert!(again.stderr.contains("overwritten"), "{}", again.stderr);
    assert_eq!(contents(&into), made);

    // A journal that is not sound leaves no copy.
    flip(&desk.folder.data().join("journal/db"), 90);
    desk.run(&["verify"], 4);
    desk.run(&["backup", "--into", text(&desk.new_folder("other"))], 4);
    let names = |entry: std::io::Result<fs::DirEntry>| entry.expect("it reads").file_name();
    let mut left: Vec<_> = fs::read_dir(desk.folder.parent()).expect("it is there").map(names).collect();
    left.sort();
    assert_eq!(left, ["backup", "data"]);

    let (server, shop) = serve(&into);
    shop.client.get("/users").token(&token).send().await.expect(200);
    server.terminate().expect_code(0);
}

#[tokio::test]
async fn damaged_checkpoint_is_named_and_left_out_of_the_copy() {
    let desk = Desk::new();
    let (server, shop) = desk.start();
    let mug = shop.product("MUG", 100).await;
    sell(&shop, &mug).await;
    desk.json(&["checkpoint"]);
    server.kill();
    let checkpoints = desk.folder.data().join("checkpoints");
    let damaged = files(&checkpoints).into_iter().next().expect("there is one");
    flip(&damaged, 50);
    // The next one builds on nothing.
    let (server, shop) = desk.start();
    let sold = position(&sell(&shop, &mug).await);
    desk.json(&["checkpoint"]);
    let told = desk.json(&["backup", "--into", text(&desk.new_folder("running"))]);
    assert!(told["verified"] == true && told["checkpoints"].as_u64() > Some(0), "{told}");
    server.kill();

    let refused = desk.run(&["verify"], 4);
    assert!(refused.stderr.contains(text(&damaged)), "{}", refused.stderr);
    assert!(refused.stderr.contains("may be moved away"), "{}", refused.stderr);
    // Itself, and what builds on it.
    let unsound = desk.json(&["repair"])["damaged_checkpoints"].as_array().map_or(0, Vec::len);
    assert!((1..files(&checkpoints).len()).contains(&unsound), "{unsound}");
    let (stopped, restored) = (desk.new_folder("stopped"), desk.new_folder("restored"));
    for arguments in [
        &["backup", "--into", text(&stopped)][..],
        &["restore", "--to-position", &sold, "--into", text(&restored)],
    ] {
        let copied = desk.run(arguments, 0);
        assert!(copied.stderr.contains(text(&damaged)), "{}", copied.stderr);
    }
    for folder in [&stopped, &restored] {
        let (copy, shop) = desk.serve(folder);
        assert_eq!(shop.figures("MUG").await, [100, 98, 0, 2]);
        copy.terminate().expect_code(0);
    }
    for path in files(&checkpoints).into_iter().take(unsound) {
        fs::remove_file(path).expect("it may be moved away");
    }
    desk.run(&["verify"], 0);
}
