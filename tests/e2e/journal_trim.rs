//! `holdfast journal checkpoint` and `trim`: the past goes, and nothing else.

use crate::journal_desk::{Desk, position, sell};

#[tokio::test]
async fn checkpoint_is_made_and_the_past_is_trimmed_while_the_server_sells() {
    let desk = Desk::new();
    let (server, shop) = desk.start();
    let mug = shop.product("MUG", 100).await;
    let first = position(&sell(&shop, &mug).await);
    let before = desk.json(&["stat"]);
    let made = desk.json(&["checkpoint"]);
    assert!(made["entries"].as_u64().is_some_and(|entries| entries > 0), "{made}");
    assert!(made["longest_pause_us"].is_u64() && made["bytes"].as_u64() > Some(0), "{made}");
    let kept = position(&sell(&shop, &mug).await);

    assert_eq!(desk.json(&["trim", "--retain", "all"])["batches"], 0, "all of it is kept");
    let would = desk.json(&["trim", "--retain", "0s", "--dry-run"]);
    assert_eq!(would["trimmed"], false);
    assert!(would["batches"].as_u64() >= before["batches"].as_u64(), "{would}");
    assert_eq!(desk.json(&["stat"])["first_batch"], 1, "nothing went yet");
    let did = desk.json(&["trim", "--retain", "0s"]);
    assert_eq!((&did["batches"], &did["trimmed"]), (&would["batches"], &serde_json::json!(true)));
    let after = desk.json(&["stat"]);
    assert_eq!(after["first_batch"], did["first_kept_batch"]);
    assert!(after["records_trimmed"].as_u64() > Some(0), "{after}");
    desk.run(&["tail", "--from", &first], 3);
    assert_eq!(desk.lines(&["tail", "-n", "1"])[0]["position"], kept.as_str());
    server.kill();

    desk.run(&["verify"], 0);
    assert_eq!(desk.json(&["trim", "--retain", "0s"])["batches"], 0, "there is nothing more to trim");
    let (server, shop) = desk.start();
    assert_eq!(shop.figures("MUG").await, [100, 98, 0, 2]);
    sell(&shop, &mug).await;
    server.kill();

    // The same on a stopped folder.
    let made = desk.json(&["checkpoint"]);
    assert!(made["number"].as_u64().is_some(), "{made}");
    let did = desk.json(&["trim", "--retain", "0s"]);
    assert!(did["batches"].as_u64() > Some(0), "{did}");
    desk.run(&["trim", "--retain", "ever"], 2);
    desk.run(&["verify"], 0);
    let (server, shop) = desk.start();
    assert_eq!(shop.figures("MUG").await, [100, 97, 0, 3]);
    server.terminate().expect_code(0);
}
