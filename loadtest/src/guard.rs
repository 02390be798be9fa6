//! Guard: no child process and no temporary folder outlives the load test.
//!
//! Every child is adopted here and ended by its own handle, never by name; folders are removed after
//! the children that write to them. It happens at the end, on an error, on a panic, and on Ctrl-C.
//! Called by `main` once and by whoever starts a process or makes a folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process};
use tokio::signal::unix::{SignalKind, signal};

use crate::alone;

/// What a shell reports for a program ended by Ctrl-C.
const EXIT_INTERRUPTED: i32 = 130;
/// PostgreSQL gives its children five seconds.
const ASK_S_MAX: u64 = 10;
const ASK_STEP_MS: u64 = 5;

/// A child, and how it is ended.
struct Adopted {
    child: Child,
    farewell: Farewell,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Farewell {
    Kill,
    /// Asked with SIGQUIT first: it has children of its own.
    Ask,
}

struct Held {
    children: Vec<Adopted>,
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
    hold(child, Farewell::Kill)
}

/// As [`adopt`], for a child with children and shared memory of its own, as PostgreSQL has: at its end it is asked with
/// SIGQUIT to end them, and killed only when it does not.
pub(crate) fn adopt_politely(child: Child) -> u32 {
    hold(child, Farewell::Ask)
}

fn hold(child: Child, farewell: Farewell) -> u32 {
    let id = child.id();
    held().children.push(Adopted { child, farewell });
    id
}

/// Ends the adopted child `id`, with SIGKILL unless it was adopted politely, and waits for its end.
///
/// Returns how it ended; `None` when no such child is held, because it was killed before.
pub(crate) fn kill(id: u32) -> Option<ExitStatus> {
    let mut held = held();
    let at = held.children.iter().position(|adopted| adopted.child.id() == id)?;
    let mut adopted = held.children.swap_remove(at);
    // What it does at its end may take a while, during which others must be able to end theirs.
    drop(held);
    adopted.end()
}

/// How child `id` ended by itself; `None` while it runs.
pub(crate) fn exit_status(id: u32) -> Option<ExitStatus> {
    held().children.iter_mut().find(|adopted| adopted.child.id() == id)?.child.try_wait().ok().flatten()
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
        for adopted in &mut self.children {
            adopted.end();
        }
        self.children.clear();
        for folder in self.folders.drain(..) {
            // Best effort: the folder is temporary, and there is nobody left to tell.
            let _ = fs::remove_dir_all(folder);
        }
    }
}

impl Adopted {
    fn end(&mut self) -> Option<ExitStatus> {
        self.end_within(Duration::from_secs(ASK_S_MAX))
    }

    fn end_within(&mut self, patience: Duration) -> Option<ExitStatus> {
        if self.farewell == Farewell::Ask
            && let Some(status) = self.ask(patience)
        {
            return Some(status);
        }
        // Fails only for a child that is already dead, and then the wait says how.
        let _ = self.child.kill();
        self.child.wait().ok()
    }

    /// How it ended when asked to; `None` when it did not in time.
    fn ask(&mut self, patience: Duration) -> Option<ExitStatus> {
        // Not yet waited for, so the number still means this child.
        let process = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw)?;
        if let Ok(Some(status)) = self.child.try_wait() {
            return Some(status);
        }
        kill_process(process, Signal::QUIT).ok()?;
        alone::wake(self.child.id());
        let until = Instant::now() + patience;
        while Instant::now() < until {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Some(status);
            }
            thread::sleep(Duration::from_millis(ASK_STEP_MS));
        }
        None
    }
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
    fn polite_end_is_asked_for() {
        let id = adopt_politely(waiting_child());
        assert_eq!(kill(id).expect("it was adopted").signal(), Some(3));
        let mut deaf = Command::new("sh");
        deaf.args(["-c", "trap '' QUIT; echo deaf; exec cat"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut deaf = deaf.spawn().expect("sh is everywhere");
        let mut line = String::new();
        let output = deaf.stdout.take().expect("a pipe");
        std::io::BufRead::read_line(&mut std::io::BufReader::new(output), &mut line).expect("it says so");
        let mut deaf = Adopted { child: deaf, farewell: Farewell::Ask };
        assert_eq!(deaf.end_within(Duration::from_millis(100)).expect("it ends").signal(), Some(9));
    }

    #[test]
    fn release_ends_children_and_removes_folders() {
        let folder = tempfile::tempdir().expect("a temporary folder").keep();
        let child = waiting_child();
        let id = child.id();
        let children = vec![Adopted { child, farewell: Farewell::Kill }];
        let mut held = Held { children, folders: vec![folder.clone()] };
        held.release();
        assert!(!folder.exists());
        assert!(held.children.is_empty());
        assert!(!PathBuf::from(format!("/proc/{id}")).exists());
    }
}
