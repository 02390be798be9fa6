//! Programs: where the contenders' servers are found, as whom they run, and in which folders.
//!
//! Called by `postgres` and `redis`.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail, ensure};
use rustix::process::geteuid;

use crate::guard;
use crate::server::parent_of_folders;

/// Who PostgreSQL may run as when the load test runs as root; the first that exists.
const UNPRIVILEGED: [&str; 2] = ["postgres", "nobody"];
/// The kernel's longest path of a socket, less the file's name.
const SOCKET_FOLDER_BYTES_MAX: usize = 85;

/// A user of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct User {
    pub(super) name: String,
    uid: u32,
    gid: u32,
}

/// Two folders of one server, removed at the end.
#[derive(Debug)]
pub(super) struct Folders {
    /// On disk, beside where Holdfast's would be.
    pub(super) data: PathBuf,
    /// For the socket: the path of one is bounded.
    pub(super) socket: PathBuf,
}

/// The folder of Debian's PostgreSQL programs, or that of the first `postgres` on `PATH`.
///
/// # Errors
///
/// When there is none, with the package to install.
pub(super) fn postgres() -> anyhow::Result<PathBuf> {
    let program = on_path("postgres").and_then(|program| program.canonicalize().ok());
    let folder = program.and_then(|program| program.parent().map(Path::to_owned));
    let has_all = |folder: &PathBuf| ["postgres", "initdb"].iter().all(|name| folder.join(name).is_file());
    folder
        .filter(has_all)
        .or_else(|| debian_postgres(Path::new("/usr/lib/postgresql")).filter(has_all))
        .context("PostgreSQL is not installed; in Debian it is the package postgresql")
}

/// The newest version's programs below `root`.
fn debian_postgres(root: &Path) -> Option<PathBuf> {
    let version = |folder: &PathBuf| folder.file_name()?.to_str()?.parse::<u32>().ok();
    let versions = fs::read_dir(root).ok()?.flatten().map(|entry| entry.path());
    let newest = versions.filter(|folder| version(folder).is_some()).max_by_key(version)?;
    Some(newest.join("bin"))
}

/// Redis' server.
///
/// # Errors
///
/// When there is none, with the package to install.
pub(super) fn redis() -> anyhow::Result<PathBuf> {
    on_path("redis-server").context("Redis is not installed; in Debian it is the package redis-server")
}

fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| {
        fs::metadata(file).is_ok_and(|info| info.is_file() && info.permissions().mode() & 0o111 != 0)
    })
}

/// Whom to be instead of root: PostgreSQL refuses to run as root. `None` for everybody else.
///
/// # Errors
///
/// When we are root and there is nobody else.
pub(super) fn instead_of_root() -> anyhow::Result<Option<User>> {
    if !geteuid().is_root() {
        return Ok(None);
    }
    let users = fs::read_to_string("/etc/passwd").context("read /etc/passwd")?;
    match UNPRIVILEGED.iter().find_map(|name| user(&users, name)) {
        Some(user) => Ok(Some(user)),
        None => bail!("PostgreSQL does not run as root, and there is no user {}", UNPRIVILEGED.join(" or ")),
    }
}

fn user(users: &str, name: &str) -> Option<User> {
    let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
    let mut numbers = line.split(':').skip(2).map(str::parse);
    let (uid, gid) = (numbers.next()?.ok()?, numbers.next()?.ok()?);
    Some(User { name: name.to_owned(), uid, gid })
}

impl User {
    /// Makes `command` run as this user.
    pub(super) fn run(&self, command: &mut Command) {
        command.uid(self.uid).gid(self.gid);
    }
}

impl Folders {
    /// Makes both for the server `name`, for `owner` where it is not us.
    ///
    /// # Errors
    ///
    /// When they cannot be made, or the socket's path is too long for the kernel.
    pub(super) fn make(name: &str, parent: Option<&Path>, owner: Option<&User>) -> anyhow::Result<Self> {
        let parent = parent_of_folders(parent)?;
        let folders = Self { data: folder(name, &parent)?, socket: folder("socket", &std::env::temp_dir())? };
        ensure!(
            folders.socket.as_os_str().len() <= SOCKET_FOLDER_BYTES_MAX,
            "{} is too long a path for a socket; set TMPDIR to a shorter one",
            folders.socket.display()
        );
        if let Some(User { uid, gid, name }) = owner {
            for folder in [&folders.data, &folders.socket] {
                chown(folder, Some(*uid), Some(*gid))
                    .with_context(|| format!("give {} to {name}", folder.display()))?;
            }
        }
        Ok(folders)
    }

    /// Removes both now; whoever writes there must have ended.
    pub(super) fn remove(&self) {
        for folder in [&self.data, &self.socket] {
            guard::keep(folder);
            // Best effort: it is temporary, and there is nobody to tell.
            let _ = fs::remove_dir_all(folder);
        }
    }
}

fn folder(name: &str, parent: &Path) -> anyhow::Result<PathBuf> {
    let folder = tempfile::Builder::new()
        .prefix(&format!("loadtest-{name}-"))
        .tempdir_in(parent)
        .with_context(|| format!("make a folder in {}", parent.display()))?
        .keep();
    guard::remove_at_end(folder.clone());
    Ok(folder)
}

/// A command without what the caller's shell has set for programs of that kind.
pub(super) fn command(program: &Path, folder: &Path, foreign_prefix: &str) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with(foreign_prefix) {
            command.env_remove(name);
        }
    }
    command.env("LC_ALL", OsStr::new("C")).current_dir(folder);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_found_by_their_whole_name() {
        let users =
            "root:x:0:0:root:/root:/bin/sh\nnobody2:x:9:9::/:/bin/sh\nnobody:x:65534:65533:n:/:/bin/false\n";
        let nobody = User { name: "nobody".into(), uid: 65534, gid: 65533 };
        assert_eq!(user(users, "nobody"), Some(nobody));
        assert_eq!(user(users, "postgres"), None);
        assert_eq!(user("broken:x:y:0::/:", "broken"), None);
    }

    #[test]
    fn newest_postgres_counts_as_a_number() {
        let root = tempfile::tempdir().expect("a temporary folder");
        for version in ["9", "15", "common"] {
            fs::create_dir(root.path().join(version)).expect("a folder");
        }
        assert_eq!(debian_postgres(root.path()), Some(root.path().join("15").join("bin")));
        assert_eq!(debian_postgres(&root.path().join("none")), None);
    }
}
