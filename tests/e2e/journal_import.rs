//! `holdfast journal import` believes nothing: a line that was changed is named, and nothing is left behind.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::server::Folder;
use crate::shop::Shop;

/// A small journal as text.
async fn exported(folder: &Folder) -> Vec<String> {
    let (server, shop) = Shop::new(folder).await;
    let lamp = shop.product("LAMP", 100).await;
    for quantity in [1, 2, 3] {
        shop.purchase(&lamp, quantity).send().await.expect(201);
    }
    server.terminate();
    let ended = folder.run(&["journal", "export"]).expect_code(0);
    ended.stdout.lines().map(str::to_owned).collect()
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).expect("the folder is ours");
    entries
        .map(|entry| entry.expect("the folder is ours").file_name().to_str().expect("it is UTF-8").to_owned())
        .collect()
}

/// Imports this text, and expects that it is refused with these words and leaves nothing.
fn check(folder: &Folder, text: impl AsRef<[u8]>, expected: &str) {
    let file = folder.parent().join("changed.jsonl");
    fs::write(&file, text).expect("the folder is ours");
    let before = names(folder.parent());
    let into = folder.parent().join("imported");
    let arguments = [
        "journal",
        "import",
        file.to_str().expect("it is UTF-8"),
        "--into",
        into.to_str().expect("it is UTF-8"),
    ];
    let ended = folder.run(&arguments).expect_code(4);
    assert!(ended.stderr.contains(expected), "{}\ndoes not say: {expected}", ended.stderr);
    assert_eq!(ended.stdout, "");
    assert_eq!(names(folder.parent()), before, "{expected}: nothing is left");
}

/// The lines with one of them changed.
fn with(lines: &[String], index: usize, from: &str, to: &str) -> String {
    let mut lines = lines.to_vec();
    assert!(lines[index].contains(from), "{from} is not in {}", lines[index]);
    lines[index] = lines[index].replacen(from, to, 1);
    text(&lines)
}

fn text(lines: &[String]) -> String {
    lines.join("\n") + "\n"
}

#[tokio::test]
async fn changed_export_is_refused_with_its_line_and_leaves_nothing() {
    let folder = Folder::new();
    let lines = exported(&folder).await;
    let last = lines.len() - 1;
    let sale = lines.iter().position(|line| line.contains("stock.purchased")).unwrap();
    let whole = text(&lines);

    check(&folder, "", "line 1: there is nothing");
    check(&folder, "{\n", "line 1: ");
    check(&folder, b"\xff\xfe\n", "line 1: it is not UTF-8");
    check(&folder, text(&lines[1..]), "line 1: the first line must be a header");
    let expected = format!("line {}: the file ends without an end line", last + 1);
    check(&folder, text(&lines[..last]), &expected);
    check(&folder, &whole[..whole.len() - 1], &format!("line {}: it is cut short", last + 1));
    check(&folder, format!("{whole}\n"), &format!("line {}: ", last + 2));
    let twice = format!("{whole}{}\n", lines[last]);
    check(&folder, twice, &format!("line {}: nothing may follow the end line", last + 2));

    let version = with(&lines, 0, r#""version":1"#, r#""version":2"#);
    check(&folder, version, "line 1: field `header.version`: this program reads version 1, not 2");
    let name = with(&lines, 0, r#""previous_hash":"#, r#""trimmed_hash":"#);
    check(&folder, name, "line 1: field `header.trimmed_hash`: unknown field `trimmed_hash`");

    let quantity = with(&lines, sale, r#""quantity":1"#, r#""quantity":0"#);
    let expected =
        format!("line {}: field `record.events[0].data.quantity`: invalid value: integer `0`", sale + 1);
    check(&folder, quantity, &expected);
    let kind = with(&lines, sale, "stock.purchased", "stock.bought");
    let expected =
        format!("line {}: field `record.events[0].type`: there is no fact `stock.bought`", sale + 1);
    check(&folder, kind, &expected);
    // What only the hash at the end can tell.
    let price = with(&lines, sale, r#""unit_price":1999"#, r#""unit_price":1998"#);
    check(&folder, price, &format!("line {}: field `end.hash`: the last batch has the hash", last + 1));
    let count = with(&lines, last, r#""entries":0"#, r#""entries":1"#);
    check(&folder, count, &format!("line {}: field `end.entries`: it tells 1, and there were 0", last + 1));

    let mut without = lines.clone();
    without.remove(sale);
    check(&folder, text(&without), &format!("line {}: field `record.batch`: expected", sale + 1));
    let mut swapped = lines.clone();
    swapped.swap(sale, sale + 1);
    check(&folder, text(&swapped), &format!("line {}: field `record", sale + 1));
    let entry = r#"{"entry":{"partition":0,"key":"AA==","value":"AA=="}}"#;
    let mut stray = lines.clone();
    stray.insert(last, entry.to_owned());
    check(&folder, text(&stray), &format!("line {}: entries follow their checkpoint", last + 1));
}

#[tokio::test]
async fn nothing_is_overwritten_and_a_missing_file_is_not_found() {
    let folder = Folder::new();
    let lines = exported(&folder).await;
    let file = folder.parent().join("journal.jsonl");
    fs::write(&file, "mine").expect("the folder is ours");
    let out = file.to_str().expect("it is UTF-8");
    let ended = folder.run(&["journal", "export", "--out", out]).expect_code(1);
    assert!(ended.stderr.contains("is there already"), "{}", ended.stderr);
    assert_eq!(fs::read_to_string(&file).expect("the folder is ours"), "mine");

    fs::write(&file, text(&lines)).expect("the folder is ours");
    let into = folder.data();
    let before = names(&into);
    let ended =
        folder.run(&["journal", "import", out, "--into", into.to_str().expect("it is UTF-8")]).expect_code(1);
    assert!(ended.stderr.contains("is there already"), "{}", ended.stderr);
    assert_eq!(names(&into), before);
    folder.run(&["journal", "import", "nowhere.jsonl", "--into", "new"]).expect_code(3);
    folder.run(&["journal", "export", "--data-dir", "nowhere"]).expect_code(3);
    folder.run(&["journal", "import", out]).expect_code(2);
    folder.run(&["journal", "verify"]).expect_code(0);
}
