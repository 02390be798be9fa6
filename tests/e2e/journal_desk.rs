//! A shop with `holdfast journal` beside it.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::client::Answer;
use crate::server::{Ended, Folder, Server};
use crate::shop::{Product, Shop};

/// What `holdfast journal` does with a folder.
pub(crate) struct Desk {
    pub(crate) folder: Folder,
}

impl Desk {
    pub(crate) fn new() -> Self {
        Self { folder: Folder::new() }
    }

    pub(crate) fn start(&self) -> (Server, Shop) {
        let server = self.folder.start();
        let shop = Shop::of(&server);
        (server, shop)
    }

    /// Runs a command of it that ends so.
    #[track_caller]
    pub(crate) fn run(&self, arguments: &[&str], code: i32) -> Ended {
        let ended = self.folder.run(&[&["journal"], arguments].concat());
        assert!(!ended.stderr.contains("panicked"), "{arguments:?}: {}", ended.stderr);
        assert!(
            !ended.stderr.contains('\u{1b}'),
            "no bar and no colour without a terminal: {}",
            ended.stderr
        );
        assert_eq!(ended.code(), Some(code), "{arguments:?}: {}\n{}", ended.stdout, ended.stderr);
        ended
    }

    /// The document that it prints.
    #[track_caller]
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let ended = self.run(&[arguments, &["--json"]].concat(), 0);
        serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {}", ended.stdout))
    }

    /// The lines that it prints, each a document.
    #[track_caller]
    pub(crate) fn lines(&self, arguments: &[&str]) -> Vec<Value> {
        let ended = self.run(&[arguments, &["--json"]].concat(), 0);
        ended.stdout.lines().map(|line| serde_json::from_str(line).expect("a line is a document")).collect()
    }

    /// A folder that nobody has made yet.
    pub(crate) fn new_folder(&self, name: &str) -> PathBuf {
        self.folder.parent().join(name)
    }

    /// Serves another folder than its own.
    pub(crate) fn serve(&self, folder: &Path) -> (Server, Shop) {
        let mut serve = self.folder.serve_empty();
        serve.env("HOLDFAST_DATA_DIR", folder);
        let server = Server::start(serve);
        let shop = Shop::of(&server);
        (server, shop)
    }
}

/// A path as an argument.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().expect("a temporary folder has a plain name")
}

/// Where a write is in the journal.
pub(crate) fn position(answer: &Answer) -> String {
    let position = answer.header("journal-position");
    assert_ne!(position, "", "a write tells its position: {}", answer.text);
    position.to_owned()
}

/// Sells one unit.
pub(crate) async fn sell(shop: &Shop, product: &Product) -> Answer {
    shop.purchase(product, 1).send().await.expect(201)
}

/// Changes what there is.
pub(crate) async fn receive(shop: &Shop, sku: &str, units: i32) -> Answer {
    let body = json!({ "delta": units, "reason": "received" });
    shop.change("POST", &format!("/inventory/{sku}/adjustments"), &body).send().await.expect(201)
}

/// Flips a byte of a file, at so many hundredths of what is written.
pub(crate) fn flip(store: &Path, percent: usize) {
    let bytes = fs::read(store).expect("it is there");
    let last = bytes.iter().rposition(|byte| *byte != 0).expect("something was written");
    let offset = last * percent / 100;
    let file = fs::File::options().write(true).open(store).expect("it can be opened");
    let offset_in_file = u64::try_from(offset).expect("it fits");
    file.write_all_at(&[bytes[offset] ^ 0x55], offset_in_file).expect("it is ours");
}
