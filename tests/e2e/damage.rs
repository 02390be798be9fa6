//! A journal that somebody or something changed: the server starts with right books or not at all.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use crate::folders::{self, contents};
use crate::server::{Folder, Server};
use crate::shop::Shop;

const PURCHASES: usize = 150;
const FLIPS: u64 = 24;

/// A journal of many commits and the orders that were acknowledged.
struct Original {
    folder: Folder,
    orders: Vec<String>,
    /// Of the admin.
    token: String,
}

async fn original() -> Original {
    let folder = Folder::new();
    let (server, shop) = Shop::new(&folder).await;
    let hot = shop.product("HOT", 10_000).await;
    let mut orders = Vec::new();
    for _ in 0..PURCHASES {
        let sold = shop.purchase(&hot, 1).send().await.expect(201);
        orders.push(sold.body["order_id"].as_str().expect("it is an id").to_owned());
    }
    server.kill();
    Original { folder, orders, token: shop.admin }
}

fn copy(original: &Folder) -> Folder {
    let folder = Folder::new();
    folders::copy(&original.data(), &folder.data());
    folder
}

/// What became of a damaged copy.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    /// It starts with every acknowledged order.
    Whole,
    /// It does not start, and says why.
    Refused,
}

/// Damages a copy, verifies it and starts it. Whatever happens, no acknowledged order is silently missing; and a journal
/// that is refused is as it was found, byte for byte, whoever opened it.
async fn fate(original: &Original, what: &str, damage: impl Fn(&Path)) -> Fate {
    let folder = copy(&original.folder);
    let store = folder.data().join("journal/db");
    damage(&store);
    let found = fs::read(&store).expect("it is there");
    let expect_unchanged = || {
        assert!(
            fs::read(&store).expect("it is there") == found,
            "{what}: a refused journal is as it was found"
        );
        assert!(!folder.data().join("journal.before-open").exists(), "{what}: its copy is gone");
    };
    let verified = folder.run(&["journal", "verify"]);
    assert!(!verified.stderr.contains("panicked"), "{what}: {}", verified.stderr);
    if verified.code() != Some(0) {
        expect_unchanged();
        let stat = folder.run(&["journal", "stat"]);
        assert_eq!(stat.code(), Some(4), "{what}: stat does not make it look well: {}", stat.stderr);
        expect_unchanged();
    }
    match Server::try_start(folder.serve_empty()) {
        Ok(server) => {
            expect_whole(&original.shop(&server), &original.orders, what).await;
            assert_eq!(verified.code(), Some(0), "{what}: it starts, so it verifies: {}", verified.stderr);
            Fate::Whole
        }
        Err(ended) => {
            assert_eq!(ended.code(), Some(1), "{what}: it ends in order: {} {}", ended.status, ended.stderr);
            assert!(!ended.stderr.contains("panicked"), "{what}: {}", ended.stderr);
            for word in ["journal", "backup"] {
                assert!(ended.stderr.contains(word), "{what}: it says what to do: {}", ended.stderr);
            }
            expect_unchanged();
            assert_eq!(verified.code(), Some(4), "{what}: verify says so too: {}", verified.stderr);
            Fate::Refused
        }
    }
}

async fn expect_whole(shop: &Shop, orders: &[String], what: &str) {
    let found = shop.orders("HOT").await;
    let is_sold = |order: &String| found.get(order).is_some_and(|sale| (sale.count, sale.units) == (1, 1));
    let missing = orders.iter().filter(|order| !is_sold(order)).count();
    assert_eq!(missing, 0, "{what}: acknowledged orders are silently missing");
    assert_eq!(found.len(), orders.len(), "{what}: orders that nobody made");
    let sold = u64::try_from(orders.len()).expect("it is small");
    assert_eq!(shop.figures("HOT").await, [10_000, 10_000 - sold, 0, sold], "{what}");
    shop.expect_books("HOT").await;
}

fn open(path: &Path) -> fs::File {
    fs::File::options().read(true).write(true).open(path).expect("it can be opened")
}

impl Original {
    /// A copy that is served, as the admin sees it.
    fn shop(&self, server: &Server) -> Shop {
        Shop { admin: self.token.clone(), ..Shop::of(server) }
    }

    /// Up to where something is written; behind it the file may go on with zeros.
    fn written(&self) -> u64 {
        let bytes = fs::read(self.folder.data().join("journal/db")).expect("it is there");
        let last = bytes.iter().rposition(|byte| *byte != 0).expect("something was written");
        u64::try_from(last + 1).expect("it fits")
    }
}

#[tokio::test]
async fn flipped_byte_is_harmless_or_refused_but_never_a_wrong_book() {
    let original = original().await;
    let bytes = original.written();
    let mut refused = 0;
    for flip in 0..FLIPS {
        // Spread over the file, and at another place within whatever is there each time.
        let offset = bytes * flip / FLIPS + flip * 37 % (bytes / FLIPS);
        let what = format!("byte {offset} of {bytes}");
        let fate = fate(&original, &what, |path| {
            let (file, mut byte) = (open(path), [0]);
            file.read_exact_at(&mut byte, offset).expect("it is within the file");
            file.write_all_at(&[byte[0] ^ 0x55], offset).expect("it is ours");
        });
        if fate.await == Fate::Refused {
            refused += 1;
        }
    }
    assert!(refused > 0, "some of {FLIPS} flipped bytes hit something that matters");
}

#[tokio::test]
async fn shortened_file_is_refused() {
    let original = original().await;
    for percent in [0, 1, 25, 50, 75, 95, 99] {
        let bytes = original.written() * percent / 100;
        let what = format!("{percent} % of it");
        let fate = fate(&original, &what, |path| {
            open(path).set_len(bytes).expect("it is ours");
        });
        assert_eq!(fate.await, Fate::Refused, "{percent} %");
    }
}

#[tokio::test]
async fn zeros_in_the_middle_are_refused() {
    let original = original().await;
    let middle = original.written() / 2;
    let fate = fate(&original, "zeros", |path| {
        open(path).write_all_at(&[0; 2_048], middle).expect("it is ours");
    });
    assert_eq!(fate.await, Fate::Refused);
}

#[tokio::test]
async fn missing_data_file_is_not_an_empty_shop() {
    let original = original().await;
    for name in ["journal/db", "journal/conf"] {
        let copy = copy(&original.folder);
        fs::remove_file(copy.data().join(name)).expect("it is there");
        match Server::try_start(copy.serve_empty()) {
            Ok(server) => expect_whole(&original.shop(&server), &original.orders, name).await,
            Err(ended) => assert_eq!(ended.code(), Some(1), "{name}: {}", ended.stderr),
        }
    }
}

#[tokio::test]
async fn undamaged_copy_starts_whole() {
    let original = original().await;
    assert_eq!(fate(&original, "nothing", |_| {}).await, Fate::Whole);
}

#[tokio::test]
async fn damaged_file_of_what_was_acknowledged_is_told_by_whoever_looks_and_healed_by_a_start() {
    let original = original().await;
    let copy = copy(&original.folder);
    let path = copy.data().join("journal/acknowledged");
    open(&path).write_all_at(b"?", 20).expect("it is ours");
    let found = contents(&copy.data());
    for command in ["verify", "stat"] {
        let told = copy.run(&["journal", command]).expect_code(4);
        assert!(told.stderr.contains("journal/acknowledged is damaged"), "{}", told.stderr);
        assert_eq!(contents(&copy.data()), found, "{command} only looks");
    }
    let told = copy.run(&["journal", "repair"]).expect_code(0);
    assert!(told.stdout.contains("journal/acknowledged is damaged"), "{}", told.stdout);
    let backup = copy.parent().join("backup");
    let told = copy.run(&["journal", "backup", "--into", backup.to_str().expect("a plain name")]);
    assert!(told.expect_code(0).stderr.contains("journal/acknowledged is damaged"));
    copy.run(&["journal", "verify"]).expect_code(4);
    let server = Server::start(copy.serve_empty());
    server.wait_for_stderr("journal/acknowledged is damaged");
    expect_whole(&original.shop(&server), &original.orders, "no mark").await;
    server.kill();
    copy.run(&["journal", "verify"]).expect_code(0);
}
