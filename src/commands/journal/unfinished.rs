//! What is not whole yet goes also when somebody stops the command: Ctrl-C, SIGTERM, a terminal that is closed.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::time::Duration;

use tokio::runtime;
use tokio::signal::unix::{SignalKind, signal};

/// How often a folder is tried to be removed in which another thread still writes.
const TRIES_MAX: u32 = 100;

/// How often there must be nothing.
const QUIET_TRIES: u32 = 10;

/// The time between two of them.
const TRY_EVERY: Duration = Duration::from_millis(10);

/// What shells add to the number of a signal.
const SIGNALED: i32 = 128;

static UNFINISHED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

static WATCH: Once = Once::new();

/// A file or a folder that is removed when it is dropped, or when a signal ends the process, unless it was kept.
#[derive(Debug)]
pub(super) struct Unfinished {
    path: PathBuf,
}

impl Unfinished {
    /// Takes care of a path at which there is nothing, or nothing of use, yet.
    pub(super) fn begin(path: PathBuf) -> Self {
        WATCH.call_once(watch);
        all().push(path.clone());
        Self { path }
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Lets `keep` keep it. A signal comes before that or after it.
    pub(super) fn keep<T>(&self, keep: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
        let mut all = all();
        let kept = keep(&self.path)?;
        all.retain(|path| *path != self.path);
        Ok(kept)
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        let mut all = all();
        if !all.contains(&self.path) {
            return;
        }
        all.retain(|path| *path != self.path);
        if let Err(error) = remove(&self.path) {
            eprintln!("holdfast: {} is of no use and could not be removed: {error}", self.path.display());
        }
    }
}

fn all() -> MutexGuard<'static, Vec<PathBuf>> {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes a file or a folder; nothing there is as good.
fn remove(path: &Path) -> io::Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Removes what another thread may still be writing, until nothing comes any more: that thread fails by then, or waits.
fn remove_for_good(path: &Path) {
    let mut quiet = 0;
    for _ in 0..TRIES_MAX {
        quiet = if matches!(fs::exists(path), Ok(false)) { quiet + 1 } else { 0 };
        if quiet == QUIET_TRIES {
            return;
        }
        let _is_tried_again = remove(path);
        std::thread::sleep(TRY_EVERY);
    }
}

/// Waits for signals on a thread of its own. Where that cannot be, a signal ends the process as ever, and something is left.
fn watch() {
    let Ok(runtime) = runtime::Builder::new_current_thread().enable_io().build() else { return };
    let signals = {
        let _within = runtime.enter();
        [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()]
            .map(|kind| signal(kind).map(|stream| (kind, stream)))
    };
    let [Ok(mut interrupt), Ok(mut terminate), Ok(mut hangup)] = signals else { return };
    let wait = move || {
        let kind = runtime.block_on(async {
            tokio::select! {
                _ = interrupt.1.recv() => interrupt.0,
                _ = terminate.1.recv() => terminate.0,
                _ = hangup.1.recv() => hangup.0,
            }
        });
        // Held to the end of the process: nothing is kept any more.
        let all = all();
        all.iter().for_each(|path| remove_for_good(path));
        if !all.is_empty() {
            eprintln!("holdfast: stopped; what was begun was removed");
        }
        process::exit(SIGNALED + kind.as_raw_value());
    };
    let _is_unwatched = std::thread::Builder::new().name("signals".to_owned()).spawn(wait);
}
