//! The drill: everything that an operator may have to do in a bad week, on one folder, in one go.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::buyers::Buyers;
use crate::everything::{books, live_a_day};
use crate::folders::{contents, copy, files};
use crate::person::{Person, until};
use crate::server::{Ended, Folder, Server};
use crate::shop::{Product, Shop};

/// Purchases that are answered between two steps of the drill.
const ANSWERS: usize = 150;

/// A moment to which the shop is restored: what somebody who asks nobody else knows of it.
struct Moment {
    /// The place of a purchase that was answered then.
    position: String,
    /// Orders of the hot product that were answered before that purchase was sent.
    answered: BTreeSet<String>,
    /// The figures of the marker after it.
    figures: [u64; 4],
}

impl Moment {
    /// Buys a marker in the middle of everything, so that there is a place to return to.
    async fn mark(shop: &Shop, buyers: &Buyers, marker: &Product) -> Self {
        let answered = buyers.acknowledged();
        let bought = shop.purchase(marker, 1).send().await.expect(201);
        let position = bought.header("journal-position").to_owned();
        let figures = shop.figures(&marker.sku).await;
        shop.purchase(marker, 1).send().await.expect(201);
        Self { position, answered, figures }
    }

    /// Everything that was answered before the moment is there, and nothing that was asked for after it.
    async fn expect(&self, shop: &Shop, buyers: &Buyers, marker: &Product) {
        assert_eq!(shop.figures(&marker.sku).await, self.figures, "the marker is as it was");
        let found: BTreeSet<String> = shop.orders("HOT").await.into_keys().collect();
        let lost: Vec<_> = self.answered.difference(&found).collect();
        assert!(lost.is_empty(), "answered before the moment and not there: {lost:?}");
        assert!(found.len() < buyers.answered_count(), "what came after the moment is not there");
        shop.expect_books("HOT").await;
    }
}

/// A folder beside the first one's data, made by a command.
struct Made<'a> {
    folder: &'a Folder,
    data: PathBuf,
}

impl<'a> Made<'a> {
    fn at(folder: &'a Folder, name: &str) -> Self {
        Self { folder, data: folder.parent().join(name) }
    }

    fn text(&self) -> &str {
        self.data.to_str().expect("a plain path")
    }

    /// Runs a command on it.
    fn run(&self, arguments: &[&str]) -> Ended {
        let mut command = self.folder.command(arguments);
        command.env("HOLDFAST_DATA_DIR", &self.data);
        crate::server::Process::spawn(command).wait()
    }

    fn start(&self) -> Server {
        let mut serve = self.folder.serve_empty();
        serve.env("HOLDFAST_DATA_DIR", &self.data);
        Server::start(serve)
    }
}

fn json(ended: &Ended) -> Value {
    serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {}", ended.stdout))
}

#[tokio::test]
async fn whole_drill() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    live_a_day(&shop).await;
    let marker = shop.product("MARKER", 10).await;
    let mut buyers = Buyers::at(&shop).await;

    // Load, a checkpoint under load, more load, a moment to remember, a backup under load, more load, SIGKILL.
    buyers.open(&server);
    buyers.wait_for_answers(ANSWERS).await;
    folder.run(&["journal", "checkpoint", "--json"]).expect_code(0);
    buyers.wait_for_answers(ANSWERS).await;
    let moment = Moment::mark(&shop, &buyers, &marker).await;
    buyers.wait_for_answers(ANSWERS).await;
    let backup = Made::at(&folder, "backup");
    let before_backup = buyers.acknowledged();
    folder.run(&["journal", "backup", "--into", backup.text()]).expect_code(0);
    folder.run(&["journal", "checkpoint"]).expect_code(0);
    buyers.wait_for_answers(ANSWERS).await;
    server.kill();
    buyers.go_home().await;

    // Restart: what was answered is there.
    let server = folder.start();
    let shop = Shop::of(&server);
    buyers.audit(&shop).await;
    buyers.ask_again(&shop).await;
    buyers.audit(&shop).await;
    let told = settled(&shop).await;
    server.terminate().expect_code(0);
    let verified = json(&folder.run(&["journal", "verify", "--json"]).expect_code(0));
    assert!(verified["checkpoints"].as_array().is_some_and(|it| it.len() >= 2), "{verified}");

    // The moment.
    let then = Made::at(&folder, "then");
    let source = contents(&folder.data());
    folder
        .run(&["journal", "restore", "--to-position", &moment.position, "--into", then.text()])
        .expect_code(0);
    assert_eq!(contents(&folder.data()), source, "a restore leaves its source as it is");
    let server = then.start();
    moment.expect(&Shop::of(&server), &buyers, &marker).await;
    server.terminate().expect_code(0);
    then.run(&["journal", "verify"]).expect_code(0);

    // The backup.
    let server = backup.start();
    let found: BTreeSet<String> = Shop::of(&server).orders("HOT").await.into_keys().collect();
    assert!(before_backup.is_subset(&found), "what was answered before the backup is in it");
    server.kill();

    // Export, import elsewhere, and export again.
    let lines = folder.parent().join("first.jsonl");
    let lines = lines.to_str().expect("a plain path");
    folder.run(&["journal", "export", "--out", lines]).expect_code(0);
    let elsewhere = Made::at(&folder, "elsewhere");
    folder.run(&["journal", "import", lines, "--into", elsewhere.text()]).expect_code(0);
    elsewhere.run(&["journal", "verify"]).expect_code(0);
    let again = folder.parent().join("again.jsonl");
    elsewhere.run(&["journal", "export", "--out", again.to_str().expect("a plain path")]).expect_code(0);
    assert!(fs::read(lines).expect("it is there") == fs::read(again).expect("it is there"), "a round trip");
    let server = elsewhere.start();
    let shop = Shop::of(&server);
    buyers.audit(&shop).await;
    assert_eq!(settled(&shop).await, told, "the books are the same elsewhere");
    server.terminate().expect_code(0);

    every_kind_of_file_is_watched(&folder);
}

/// The books of the day, once nothing is held any more.
async fn settled(shop: &Shop) -> Value {
    until("everything that was due has expired", async || {
        let held =
            [shop.figures("MUG").await[2], shop.figures("TEE-L").await[2], shop.figures("LATE").await[2]];
        (held == [0; 3]).then_some(())
    })
    .await;
    let mut told = books(shop).await;
    // Those of the load are audited by the load.
    told["orders"] = Person::admin(shop).read("/orders?status=fulfilled&limit=200").await["data"].clone();
    told
}

/// Flips bits in each kind of stored file of a sound folder: each is told with its place, and changes nothing.
fn every_kind_of_file_is_watched(sound: &Folder) {
    let mut kinds = BTreeSet::new();
    for path in files(&sound.data()) {
        let relative = path.strip_prefix(sound.data()).expect("it is within").to_owned();
        let Some(kind) = kind(&relative) else { continue };
        if !kinds.insert(kind) {
            continue;
        }
        let damaged = Folder::new();
        copy(&sound.data(), &damaged.data());
        let offset = flip(&damaged.data().join(&relative), kind);
        let before = contents(&damaged.data());
        let verified = damaged.run(&["journal", "verify"]);
        let said = &verified.stderr;
        assert_eq!(verified.code(), Some(4), "{kind}, byte {offset}: {said}");
        // sled keeps many frames in one page: it says which store, we say which batch, whoever comes upon it first.
        let store = damaged.data().join("journal");
        let places = match kind {
            "journal" => ["batch", store.to_str().expect("a plain path")],
            _ => [relative.to_str().expect("a plain path"); 2],
        };
        let is_told = places.iter().any(|place| said.contains(place));
        assert!(is_told, "{kind}, byte {offset}, is told with its place: {said}");
        assert_eq!(contents(&damaged.data()), before, "{kind}: nothing was changed");
    }
    let expected = ["acknowledged", "checkpoint", "journal"];
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), expected);
}

/// What is kept in a file: of sled's own only the one that has the frames.
fn kind(path: &Path) -> Option<&'static str> {
    let name = path.file_name()?.to_str()?;
    match path.extension().and_then(|it| it.to_str()) {
        Some("checkpoint") => Some("checkpoint"),
        _ if name == "acknowledged" => Some("acknowledged"),
        _ if path.starts_with("journal") && name == "db" => Some("journal"),
        _ => None,
    }
}

/// Flips one bit where something is written, and returns the place.
fn flip(path: &Path, kind: &str) -> u64 {
    let bytes = fs::read(path).expect("it is there");
    let offset = match kind {
        // Within a frame: in the name of a product, which sled keeps as it is.
        "journal" => bytes.windows(6).position(|it| it == b"MARKER").expect("it is in a frame"),
        _ => bytes.len() / 2,
    };
    let offset_on_disk = u64::try_from(offset).expect("it fits");
    let file = fs::File::options().write(true).open(path).expect("it can be opened");
    file.write_all_at(&[bytes[offset] ^ 0x10], offset_on_disk).expect("it is ours");
    offset_on_disk
}
