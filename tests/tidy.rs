//! The rules that only hold when something checks them: arrows, headers, sizes, paths in prose, and words that
//! do not belong here.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A file fits an idea; past this, ask which.
const FILE_LINES_MAX: usize = 500;

/// Files that are longer, and how long each may be. The numbers only ever fall.
const LONG_FILES: &[(&str, usize)] = &[];

/// Who may depend on whom, of ours.
const ARROWS: &[(&str, &[&str])] = &[
    ("Cargo.toml", &["holdfast-actors"]),
    ("actors/Cargo.toml", &["holdfast-domain", "holdfast-persistence"]),
    ("domain/Cargo.toml", &[]),
    ("persistence/Cargo.toml", &[]),
    ("loadtest/Cargo.toml", &[]),
];

/// Crates that stay out of the graph; `deny.toml` says why.
const BANNED: [&str; 5] = ["actix-governor", "bincode", "chrono", "openssl", "ring"];

/// Words of the place this was written in, which say nothing to its readers.
const FOREIGN_WORDS: [&str; 12] = [
    "/work/",
    "/root/",
    "index.crates.io",
    "static.crates.io",
    "proxy.golang.org",
    "pypi.org",
    "registry.npmjs.org",
    "CEO",
    "sub-agent",
    "another helper",
    "issue 2 of",
    "from issue 3 on",
];

/// The only file that may have them.
const THIS_FILE: &str = "tests/tidy.rs";

/// Histograms in base64, which may spell any word.
const MEASURED: &str = "docs/performance.json";

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every file of the repository that git knows or would take in.
fn files() -> Vec<String> {
    let listed = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .expect("git is there");
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    let listed = String::from_utf8(listed.stdout).expect("our paths are UTF-8");
    let there: BTreeSet<_> =
        listed.lines().filter(|path| root().join(path).is_file()).map(str::to_owned).collect();
    assert!(there.contains("Cargo.toml"), "git lists the repository");
    there.into_iter().collect()
}

fn read(path: &str) -> String {
    let bytes = fs::read(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    String::from_utf8_lossy(&bytes).into_owned()
}

fn with_ending<'a>(files: &'a [String], ending: &'a str) -> impl Iterator<Item = &'a String> {
    files.iter().filter(move |path| path.ends_with(ending))
}

fn manifest(path: &str) -> toml::Table {
    read(path).parse().unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn dependencies(manifest: &toml::Table, table: &str) -> BTreeSet<String> {
    let table = manifest.get(table).and_then(toml::Value::as_table);
    table.map(|table| table.keys().cloned().collect()).unwrap_or_default()
}

#[test]
fn crates_know_whom_they_may_know() {
    let files = files();
    let manifests: BTreeSet<_> = with_ending(&files, "Cargo.toml").map(String::as_str).collect();
    let known: BTreeSet<_> = ARROWS.iter().map(|(path, _)| *path).collect();
    assert_eq!(manifests, known, "a new crate is a new arrow, and that is a decision");
    for (path, allowed) in ARROWS {
        let manifest = manifest(path);
        for table in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let ours = dependencies(&manifest, table);
            let ours: BTreeSet<_> = ours.iter().map(String::as_str).filter(|name| is_ours(name)).collect();
            let expected: BTreeSet<_> =
                if table == "dependencies" { allowed.iter().copied().collect() } else { BTreeSet::new() };
            assert_eq!(ours, expected, "{path}: {table}");
        }
    }
    assert!(dependencies(&manifest("domain/Cargo.toml"), "dependencies").is_empty(), "the rules know nobody");
}

fn is_ours(name: &str) -> bool {
    name.starts_with("holdfast") || name == "loadtest"
}

#[test]
fn banned_crates_are_not_in_the_graph() {
    let packages = graph();
    for (name, version) in &packages {
        assert!(!BANNED.contains(&name.as_str()), "{name} {version} is banned");
        assert!(name != "h2" || is_at_least(version, [0, 4, 16]), "h2 {version} has an open advisory");
    }
    let versions: Vec<_> = packages.iter().filter(|(name, _)| name == "sled").map(|(_, it)| it).collect();
    assert_eq!(versions, ["0.34.7"], "another sled has another format");
    let denied = read("deny.toml");
    for name in BANNED {
        assert!(denied.contains(&format!("name = \"{name}\"")), "deny.toml bans {name} as well");
    }
}

/// What is built, for every target of this machine's platform: name and version.
///
/// Not what Cargo.lock lists: that has crates which no feature of ours asks for, `ring` behind rustls among them.
fn graph() -> BTreeSet<(String, String)> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let arguments =
        ["tree", "--workspace", "--locked", "--all-features", "--edges", "all", "--prefix", "none"];
    let told = Command::new(cargo).args(arguments).current_dir(root()).output().expect("cargo is there");
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    let told = String::from_utf8(told.stdout).expect("crates have ASCII names");
    let crate_of = |line: &str| {
        let (name, rest) = line.split_once(" v")?;
        let version = rest.split(' ').next()?;
        Some((name.to_owned(), version.to_owned()))
    };
    let crates: BTreeSet<_> = told.lines().filter_map(crate_of).collect();
    assert!(crates.iter().any(|(name, _)| name == "tokio"), "cargo lists the crates");
    crates
}

fn is_at_least(version: &str, least: [u32; 3]) -> bool {
    let parts = version.split(['.', '-', '+']).filter_map(|part| part.parse().ok());
    parts.take(3).collect::<Vec<u32>>() >= least.to_vec()
}

#[test]
fn every_module_says_what_it_is() {
    let files = files();
    let silent: Vec<_> = with_ending(&files, ".rs").filter(|path| !read(path).starts_with("//! ")).collect();
    assert!(silent.is_empty(), "these do not open with `//!`: {silent:?}");
}

#[test]
fn files_fit_an_idea() {
    let files = files();
    let allowed =
        |path: &str| LONG_FILES.iter().find(|(long, _)| *long == path).map_or(FILE_LINES_MAX, |long| long.1);
    for path in with_ending(&files, ".rs") {
        let lines = read(path).lines().count();
        assert!(
            lines <= allowed(path),
            "{path} has {lines} lines, {} are allowed: which idea is it?",
            allowed(path)
        );
    }
    for (path, _) in LONG_FILES {
        assert!(files.iter().any(|file| file == path), "{path} is no more: take it off the list");
        let lines = read(path).lines().count();
        assert!(lines > FILE_LINES_MAX, "{path} has {lines} lines: take it off the list");
    }
}

#[test]
fn no_file_is_called_mod() {
    let files = files();
    let found: Vec<_> = with_ending(&files, "mod.rs").filter(|path| path.ends_with("/mod.rs")).collect();
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn tests_are_neither_left_out_nor_called_tests() {
    let files = files();
    let (ignored, prefixed) = (format!("#[{}]", "ignore"), format!("fn {}_", "test"));
    for path in with_ending(&files, ".rs") {
        let text = read(path);
        assert!(!text.contains(&ignored), "{path} ignores a test");
        assert!(!text.contains(&prefixed), "{path}: the name of a test is a claim, without `test_`");
    }
}

/// What looks like a path of the repository in a line of prose: between backticks, or the target of a link.
fn paths_in(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in text.lines() {
        found.extend(line.split('`').skip(1).step_by(2).map(str::to_owned));
        found.extend(line.split("](").skip(1).filter_map(|rest| rest.split(')').next()).map(str::to_owned));
    }
    found.retain(|word| is_path(word));
    found
}

fn is_path(word: &str) -> bool {
    let word = word.split('#').next().unwrap_or_default();
    let is_plain = word.chars().all(|letter| letter.is_ascii_alphanumeric() || "._-/".contains(letter));
    let first = word.split('/').next().unwrap_or_default();
    let is_within =
        word.contains('/') && root().join(first).is_dir() && !first.is_empty() && first != "target";
    let endings = [".rs", ".md", ".toml", ".yml", ".lock", ".json"];
    is_plain && (is_within || (!word.contains('/') && endings.iter().any(|ending| word.ends_with(ending))))
}

#[test]
fn paths_in_prose_lead_somewhere() {
    let files = files();
    for document in with_ending(&files, ".md") {
        let beside = Path::new(document).parent().unwrap_or(Path::new("")).to_owned();
        for path in paths_in(&read(document)) {
            let path = path.split('#').next().unwrap_or_default().to_owned();
            let is_there = root().join(&path).exists() || root().join(&beside).join(&path).exists();
            let is_a_name =
                !path.contains('/') && files.iter().any(|file| file.ends_with(&format!("/{path}")));
            assert!(is_there || is_a_name, "{document} speaks of {path}, which is not there");
        }
    }
}

#[test]
fn paths_are_found_in_prose() {
    let text = "See `src/main.rs`, [that](actors/src/lib.rs#top) and `cargo test`; not `a/b` or [x](https://x.test/a.md).";
    assert_eq!(paths_in(text), ["src/main.rs", "actors/src/lib.rs#top"]);
    assert_eq!(paths_in("`README.md` but not `holdfast serve`, `/api/v1`, `0.34`"), ["README.md"]);
}

/// The document that names a test for each attack.
const SECURITY: &str = "docs/security.md";

/// Tests as prose names them: the stem of a file, and a function in it.
fn tests_in(text: &str) -> Vec<(String, String)> {
    let words = text.split('`').skip(1).step_by(2);
    let named = words.filter_map(|word| word.split_once("::"));
    let is_name = |word: &str| word.chars().all(|letter| matches!(letter, 'a'..='z' | '0'..='9' | '_'));
    named
        .filter(|(file, name)| is_name(file) && is_name(name))
        .map(|(file, name)| (file.to_owned(), name.to_owned()))
        .collect()
}

#[test]
fn every_attack_that_is_told_of_is_tried() {
    let files = files();
    let text = read(SECURITY);
    let (_, table) = text.split_once("| attack |").expect("there is a table of attacks");
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    for row in rows {
        let tests = tests_in(row);
        assert!(!tests.is_empty(), "no test tries this: {row}");
        for (file, name) in tests {
            let ending = format!("/{file}.rs");
            let is_there =
                with_ending(&files, &ending).any(|path| read(path).contains(&format!("fn {name}(")));
            assert!(is_there, "{SECURITY} speaks of {file}::{name}, which is not there");
        }
    }
}

#[test]
fn nothing_tells_of_the_place_it_was_written_in() {
    for path in files().iter().filter(|path| *path != THIS_FILE && *path != MEASURED) {
        let text = read(path);
        for word in FOREIGN_WORDS {
            let line = text.lines().position(|line| line.contains(word));
            assert_eq!(line, None, "{path}, line counted from 0, says `{word}`");
        }
    }
}

#[test]
fn scripts_can_be_run() {
    use std::os::unix::fs::PermissionsExt as _;
    for path in files().iter().filter(|path| path.starts_with("scripts/") || path.starts_with(".ci/")) {
        let mode = fs::metadata(root().join(path)).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o111, 0o111, "{path} is executable");
        assert!(read(path).starts_with("#!"), "{path} says who runs it");
    }
}

/// The document that explains the metrics.
const OPERATIONS: &str = "docs/operations.md";

#[test]
fn metrics_that_are_explained_are_counted() {
    let files = files();
    let is_source = |path: &&String| path.starts_with("src/");
    let source: String = with_ending(&files, ".rs").filter(is_source).map(|path| read(path)).collect();
    let text = read(OPERATIONS);
    let names: BTreeSet<_> =
        text.split('`').skip(1).step_by(2).filter(|it| it.starts_with("holdfast_")).collect();
    assert!(names.len() > 10, "{OPERATIONS} explains them");
    for name in names {
        let name = name.split([' ', '{']).next().unwrap_or_default();
        assert!(source.contains(&format!("\"{name}\"")), "{OPERATIONS} explains {name}, which nobody counts");
    }
}

/// The document that tells what each stored byte is.
const FORMAT: &str = "docs/journal-format.md";

#[test]
fn worked_examples_are_the_golden_bytes() {
    let text = read(FORMAT);
    for path in ["persistence/tests/golden/frame-v1.bin", "actors/tests/golden/v1/event-purchased.hex"] {
        let (_, after) = text.split_once(&format!("`{path}`")).expect("it is an example");
        let block = after.split("```").nth(1).expect("its bytes follow");
        // Bytes stand to the left of a gap, what they are to the right of it.
        let bytes = block.lines().skip(1).filter_map(|line| line.trim_start().split("    ").next());
        let told: String = bytes.flat_map(str::split_whitespace).collect();
        let stored = fs::read(root().join(path)).expect("it is there");
        let stored = match path.ends_with(".hex") {
            true => String::from_utf8(stored).expect("it is text").split_whitespace().collect(),
            false => stored.iter().map(|byte| format!("{byte:02x}")).collect::<String>(),
        };
        assert_eq!(told, stored, "{FORMAT} tells of {path}");
    }
}
