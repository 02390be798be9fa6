//! `holdfast journal restore`: a shop as it was at a moment.

use serde_json::Value;

use crate::folders::contents;
use crate::journal_desk::{Desk, position, receive, sell, text};
use crate::shop::{Product, Shop};

const STEPS: usize = 12;

/// What a client read right after a write.
struct Seen {
    product: String,
    position: String,
    figures: [u64; 4],
    inventory: Value,
}

/// Sells and receives, and remembers what there was after each.
async fn trade(shop: &Shop, mug: &Product, steps: usize) -> Vec<Seen> {
    let mut all = Vec::new();
    for step in 0..steps {
        let answer = if step % 3 == 2 { receive(shop, "MUG", 4).await } else { sell(shop, mug).await };
        let position = position(&answer);
        let figures = shop.figures("MUG").await;
        all.push(Seen { product: mug.id.clone(), position, figures, inventory: shop.inventory("MUG").await });
    }
    all
}

async fn expect_as_seen(desk: &Desk, folder: &str, seen: &Seen) {
    let (server, shop) = desk.serve(&desk.new_folder(folder));
    assert_eq!(shop.figures("MUG").await, seen.figures, "{folder}");
    assert_eq!(shop.inventory("MUG").await, seen.inventory, "{folder}");
    sell(&shop, &Product { id: seen.product.clone(), sku: "MUG".to_owned() }).await;
    server.terminate().expect_code(0);
}

#[tokio::test]
async fn shop_is_restored_to_what_a_client_read_at_a_position() {
    let desk = Desk::new();
    let (server, shop) = desk.start();
    let mug = shop.product("MUG", 100).await;
    let mut seen = trade(&shop, &mug, STEPS).await;
    desk.json(&["checkpoint"]);
    seen.extend(trade(&shop, &mug, STEPS).await);
    let restore = |at: usize, name: &str, more: &[&str]| {
        let into = desk.new_folder(name);
        let arguments = ["restore", "--to-position", &seen[at].position, "--into", text(&into)];
        desk.json(&[&arguments, more].concat())
    };
    // Beside the running server: before and behind the checkpoint.
    let told = restore(4, "running-4", &[]);
    assert_eq!(told["position"], seen[4].position.as_str(), "{told}");
    assert_eq!(told["products"], 1, "{told}");
    restore(STEPS + 3, "running-15", &[]);
    server.kill();
    let before = contents(&desk.folder.data());
    restore(7, "stopped-7", &[]);
    assert_eq!(contents(&desk.folder.data()), before, "the source is untouched");
    let backup = desk.new_folder("backup");
    desk.run(&["backup", "--no-verify", "--into", text(&backup)], 0);
    restore(2 * STEPS - 1, "backup-last", &["--from", text(&backup)]);
    let cases =
        [("running-4", 4), ("running-15", STEPS + 3), ("stopped-7", 7), ("backup-last", 2 * STEPS - 1)];
    for (name, at) in cases {
        expect_as_seen(&desk, name, &seen[at]).await;
    }
}

#[tokio::test]
async fn shop_is_restored_to_a_time() {
    let desk = Desk::new();
    let (server, shop) = desk.start();
    let mug = shop.product("MUG", 100).await;
    let seen = trade(&shop, &mug, STEPS).await;
    server.terminate().expect_code(0);
    let lines = desk.lines(&["tail", "-n", "1000"]);
    let at_of = |position: &str| {
        let line = lines.iter().find(|line| line["position"] == position).expect("it is in the journal");
        line["at"].as_str().expect("it is a moment").to_owned()
    };
    let at = at_of(&seen[5].position);
    // Of several in one millisecond the last.
    let last = (5..STEPS).rev().find(|step| at_of(&seen[*step].position) == at).expect("at least itself");
    let told = desk.json(&["restore", "--to-time", &at, "--into", text(&desk.new_folder("then"))]);
    assert_eq!((&told["position"], &told["at"]), (&seen[last].position.as_str().into(), &at.as_str().into()));
    expect_as_seen(&desk, "then", &seen[last]).await;

    let early = ["restore", "--to-time", "2020-01-01T00:00:00Z", "--into", "early"];
    desk.run(&early, 3);
    desk.run(&["restore", "--to-time", "noon", "--into", "early"], 2);
    desk.run(&["restore", "--to-position", "nonsense", "--into", "early"], 2);
    desk.run(&["restore", "--to-position", "AAAAAAAAAA__-A", "--into", "early"], 3);
    let there = desk.run(&["restore", "--to-time", &at, "--into", text(&desk.new_folder("then"))], 1);
    assert!(there.stderr.contains("overwritten"), "{}", there.stderr);
    assert!(!desk.new_folder("early").exists());
}

#[tokio::test]
async fn moment_before_what_is_kept_is_refused_with_the_oldest_that_can_be_restored() {
    let desk = Desk::new();
    let (server, shop) = desk.start();
    let mug = shop.product("MUG", 100).await;
    let seen = trade(&shop, &mug, STEPS).await;
    desk.json(&["checkpoint"]);
    let later = trade(&shop, &mug, STEPS).await;
    assert!(desk.json(&["trim", "--retain", "0s"])["batches"].as_u64() > Some(0));
    let into = desk.new_folder("old");
    let arguments = ["restore", "--to-position", &seen[2].position, "--into", text(&into)];
    let refused = desk.run(&arguments, 3);
    assert!(refused.stderr.contains("oldest moment that can be restored"), "{}", refused.stderr);
    assert!(!into.exists(), "nothing is left");
    desk.run(&["restore", "--to-time", "2020-01-01T00:00:00Z", "--into", text(&into)], 3);
    server.kill();
    assert_eq!(desk.run(&arguments, 3).stderr, refused.stderr, "a stopped folder says the same");

    // What it names can be restored, and what comes later.
    let oldest = refused.stderr.split("restored is ").nth(1).expect("it names a moment").to_owned();
    let oldest = oldest.split([',', '\n']).next().expect("it ends");
    desk.run(&["restore", "--to-time", oldest, "--into", text(&desk.new_folder("oldest"))], 0);
    let arguments = ["restore", "--to-position", &later[3].position, "--into", text(&into)];
    desk.run(&arguments, 0);
    expect_as_seen(&desk, "old", &later[3]).await;
}
