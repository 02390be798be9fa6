//! Binary: finds the release build of the server, and makes it when it is missing or stale.
//!
//! The only file that knows of cargo and of where the sources lie.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use anyhow::{Context, ensure};

/// What the server is made of, seen from the workspace's root.
const SOURCES: [&str; 6] = ["Cargo.toml", "Cargo.lock", "src", "domain", "actors", "persistence"];
const SOURCE_DEPTH_MAX: usize = 16;

/// The path of an up-to-date `holdfast` beside this program's own profile folder.
///
/// # Errors
///
/// When it has to be built and the build fails.
pub(crate) fn find_or_build() -> anyhow::Result<PathBuf> {
    find_or_make(Path::new("holdfast"), &["--package", "holdfast", "--bin", "holdfast"])
}

fn find_or_make(name: &Path, what: &[&str]) -> anyhow::Result<PathBuf> {
    let target = target_folder()?;
    let binary = target.join("release").join(name);
    let root = workspace_root();
    let built_at = modified(&binary);
    let changed_at = SOURCES.iter().filter_map(|source| newest(&root.join(source), SOURCE_DEPTH_MAX)).max();
    let why = match (built_at, changed_at) {
        (Some(built_at), Some(changed_at)) if changed_at > built_at => "is older than its sources",
        (Some(_), _) => return Ok(binary),
        (None, _) => "is not there",
    };
    eprintln!("{} {why}: cargo build --release", binary.display());
    build(&root, &target, what)?;
    ensure!(binary.is_file(), "cargo built no {}", binary.display());
    Ok(binary)
}

/// The path of an up-to-date example of the actors, beside the server.
///
/// # Errors
///
/// When it has to be built and the build fails.
pub(crate) fn find_or_build_example(name: &str) -> anyhow::Result<PathBuf> {
    // As part of the workspace: chosen alone, its dependencies have other features, and all of them would be built again.
    let arguments = ["--workspace", "--example", name];
    find_or_make(&Path::new("examples").join(name), &arguments)
}

/// The folder that holds `release/`: two above this program.
pub(crate) fn target_folder() -> anyhow::Result<PathBuf> {
    let program = std::env::current_exe().context("find this program's own path")?;
    let folder = program.ancestors().nth(2).context("this program lies in no target folder")?;
    Ok(folder.to_owned())
}

fn workspace_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("/")).to_owned()
}

fn build(root: &Path, target: &Path, what: &[&str]) -> anyhow::Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--release"])
        .args(what)
        .arg("--target-dir")
        .arg(target)
        .current_dir(root)
        .status()
        .context("run cargo")?;
    ensure!(status.success(), "cargo build --release ended with {status}");
    Ok(())
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).ok()?.modified().ok()
}

/// When the file, or the last changed file below the folder, was changed.
fn newest(path: &Path, depth_left: usize) -> Option<SystemTime> {
    if path.is_file() {
        return modified(path);
    }
    let depth_left = depth_left.checked_sub(1)?;
    fs::read_dir(path).ok()?.flatten().filter_map(|entry| newest(&entry.path(), depth_left)).max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newest_file_below_a_folder_counts() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let deep = folder.path().join("a").join("b");
        fs::create_dir_all(&deep).expect("folders");
        fs::write(folder.path().join("old.rs"), "").expect("a file");
        fs::write(deep.join("new.rs"), "").expect("a file");
        let later = SystemTime::now() + std::time::Duration::from_secs(60);
        fs::File::options()
            .write(true)
            .open(deep.join("new.rs"))
            .and_then(|file| file.set_modified(later))
            .expect("a time");
        assert_eq!(newest(folder.path(), SOURCE_DEPTH_MAX), Some(later));
        assert_eq!(newest(&folder.path().join("none"), SOURCE_DEPTH_MAX), None);
    }

    #[test]
    fn sources_of_the_server_are_where_we_look() {
        for source in SOURCES {
            assert!(workspace_root().join(source).exists(), "{source}");
        }
    }
}
