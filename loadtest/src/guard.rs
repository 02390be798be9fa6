//! Guard: no child process and no temporary folder outlives the load test.
//!
//! Every child is adopted here and killed by its own handle, never by name; folders are removed after
//! the children that write to them. It happens at the end, on an error, on a panic, and on Ctrl-C.
//! Called by `main` once and by whoever starts a process or makes a folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};

/// What a shell reports for a program ended by Ctrl-C.
const EXIT_INTERRUPTED: i32 = 130;

struct Held {
    children: Vec<Child>,
    folders: Vec<PathBuf>,
}

static HELD: Mutex<Held> = Mutex::new(Held { children: Vec::new(), folders: Vec::new() });

fn held() -> MutexGuard<'static, Held> {
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Watches for signals and panics from now on.
///
/// # Errors
///
/// When the signal handlers cannot be installed.
pub(crate) fn install() -> anyhow::Result<()> {
    let report_panic = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        report_panic(info);
        // The panic may have happened under the lock; then the children end with their pipes.
        match HELD.try_lock() {
            Ok(mut held) => held.release(),
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner().release(),
            Err(TryLockError::WouldBlock) => {}
        }
    }));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .context("make a runtime for signals")?;
    let entered = runtime.enter();
    let mut interrupt = signal(SignalKind::interrupt()).context("watch for SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("watch for SIGTERM")?;
    let mut hangup = signal(SignalKind::hangup()).context("watch for SIGHUP")?;
    drop(entered);
    thread::spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hangup.recv() => {}
            }
        });
        release_all();
        std::process::exit(EXIT_INTERRUPTED);
    });
    Ok(())
}

/// Takes over `child` and returns its process id, by which it is killed later.
pub(crate) fn adopt(child: Child) -> u32 {
    let id = child.id();
    held().children.push(child);
    id
}

/// Kills the adopted child `id` with SIGKILL and waits for its end.
///
/// Returns how it ended; `None` when no such child is held, because it was killed before.
pub(crate) fn kill(id: u32) -> Option<ExitStatus> {
    let mut held = held();
    let at = held.children.iter().position(|child| child.id() == id)?;
    let mut child = held.children.swap_remove(at);
    end(&mut child)
}

/// How child `id` ended by itself; `None` while it runs.
pub(crate) fn exit_status(id: u32) -> Option<ExitStatus> {
    held().children.iter_mut().find(|child| child.id() == id)?.try_wait().ok().flatten()
}

/// Removes `folder` at the end, after all children are dead.
pub(crate) fn remove_at_end(folder: PathBuf) {
    held().folders.push(folder);
}

/// Leaves `folder` behind after all, for somebody to look into.
pub(crate) fn keep(folder: &Path) {
    held().folders.retain(|held| held != folder);
}

/// Kills every child and removes every folder, now.
pub(crate) fn release_all() {
    held().release();
}

impl Held {
    fn release(&mut self) {
        for child in &mut self.children {
            end(child);
        }
        self.children.clear();
        for folder in self.folders.drain(..) {
            // Best effort: the folder is temporary, and there is nobody left to tell.
            let _ = fs::remove_dir_all(folder);
        }
    }
}

fn end(child: &mut Child) -> Option<ExitStatus> {
    // Fails only for a child that is already dead, and then the wait says how.
    let _ = child.kill();
    child.wait().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;
    use std::process::{Command, Stdio};

    /// A child that would run until its standard input ends, which it never does here.
    fn waiting_child() -> Child {
        Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("cat is everywhere")
    }

    #[test]
    fn child_is_killed_once_by_its_id() {
        let id = adopt(waiting_child());
        assert_eq!(exit_status(id), None);
        let status = kill(id).expect("it was adopted");
        assert_eq!(status.signal(), Some(9));
        assert_eq!(kill(id), None);
    }

    #[test]
    fn release_ends_children_and_removes_folders() {
        let folder = tempfile::tempdir().expect("a temporary folder").keep();
        let mut held = Held { children: vec![waiting_child()], folders: vec![folder.clone()] };
        let id = held.children[0].id();
        held.release();
        assert!(!folder.exists());
        assert!(held.children.is_empty());
        assert!(!PathBuf::from(format!("/proc/{id}")).exists());
    }
}
