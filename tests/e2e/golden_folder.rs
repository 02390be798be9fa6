//! Data folders that earlier releases left: each is opened, and its books are as they were.
//!
//! `tests/golden/folders/NAME.tar.gz` is a folder as a killed server left it, `NAME.json` its books. A new one, after a change of what is
//! stored: `HOLDFAST_GOLDEN_FOLDER=NAME cargo nextest run -E 'test(a_day_is_the_same_after_a_kill)'`. The old ones stay.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::everything::{books, live_a_day};
use crate::person::{Person, until};
use crate::server::{Folder, Server};
use crate::shop::Shop;

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/folders")
}

fn tar(arguments: &[&str], folder: &Path) {
    let status = Command::new("tar").args(arguments).current_dir(folder).status().expect("tar is everywhere");
    assert!(status.success(), "tar {arguments:?}");
}

/// The books, once nothing is held any more.
async fn settled_books(server: &Server) -> Value {
    let shop = Shop::of(server);
    until("everything that was due has expired", async || {
        let held =
            [shop.figures("MUG").await[2], shop.figures("TEE-L").await[2], shop.figures("LATE").await[2]];
        (held == [0; 3]).then_some(())
    })
    .await;
    books(&shop).await
}

#[tokio::test]
async fn a_day_is_the_same_after_a_kill() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    live_a_day(&shop).await;
    folder.run(&["journal", "checkpoint"]).expect_code(0);
    // Behind the checkpoint.
    Person::guest(&shop, 80).reserve(&[("LATE", 3)], 1).await;
    server.kill();
    if let Some(name) = std::env::var_os("HOLDFAST_GOLDEN_FOLDER").and_then(|name| name.into_string().ok()) {
        fs::create_dir_all(golden()).expect("it can be made");
        let archive = golden().join(format!("{name}.tar.gz"));
        let archive = archive.to_str().expect("a plain path");
        tar(&["--exclude=control", "-czSf", archive, "data"], folder.parent());
        let server = folder.start();
        let text = serde_json::to_string_pretty(&settled_books(&server).await).expect("it is JSON");
        fs::write(golden().join(format!("{name}.json")), text + "\n").expect("it can be written");
        server.kill();
    }
    let server = folder.start();
    let first = settled_books(&server).await;
    server.kill();
    let server = folder.start();
    assert_eq!(settled_books(&server).await, first);
    server.terminate().expect_code(0);
    folder.run(&["journal", "verify"]).expect_code(0);
}

#[tokio::test]
async fn folders_of_earlier_releases_open_with_their_books() {
    let mut count = 0;
    for entry in fs::read_dir(golden()).expect("there are golden folders") {
        let path = entry.expect("it can be read").path();
        let name = path.file_name().and_then(|name| name.to_str()).expect("a plain name");
        let Some(name) = name.strip_suffix(".tar.gz") else { continue };
        count += 1;
        let folder = Folder::new();
        tar(&["-xzf", path.to_str().expect("a plain path")], folder.parent());
        folder.run(&["journal", "verify"]).expect_code(0);
        let server = folder.start();
        let told = fs::read_to_string(golden().join(format!("{name}.json"))).expect("its books are there");
        let told: Value = serde_json::from_str(&told).expect("it is JSON");
        assert_eq!(settled_books(&server).await, told, "{name}");
        server.terminate().expect_code(0);
        folder.run(&["journal", "verify"]).expect_code(0);
    }
    assert!(count > 0, "no golden folder was opened");
}
