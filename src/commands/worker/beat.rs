//! The sign of life of a worker: a file in the folder for temporary files, touched every few seconds.
//!
//! A file and not a key in Redis: a worker whose Redis is away is as well as can be, and must not be restarted for it. It is
//! touched on the thread that sends, so one that hangs shows. A container with a read-only root needs a
//! `tmpfs` at `/tmp`, or `TMPDIR` set to one.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tokio::time::{MissedTickBehavior, interval};

const BEAT_EVERY: Duration = Duration::from_secs(5);

/// A worker that has not beaten for so long is not alive.
const SILENCE_MAX: Duration = Duration::from_secs(30);

const PREFIX: &str = "holdfast-worker-";
const SUFFIX: &str = ".beat";

/// The sign of one worker. It goes with it.
pub(super) struct Beat {
    path: PathBuf,
    file: Option<File>,
    has_complained: bool,
}

impl Beat {
    pub(super) fn of(name: &str) -> Self {
        Self::within(&std::env::temp_dir(), name)
    }

    fn within(folder: &Path, name: &str) -> Self {
        Self { path: folder.join(format!("{PREFIX}{name}{SUFFIX}")), file: None, has_complained: false }
    }

    /// Beats until it is dropped.
    pub(super) async fn run(mut self) {
        let mut ticks = interval(BEAT_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            match self.touch() {
                Ok(()) => self.has_complained = false,
                Err(error) if !self.has_complained => {
                    let path = self.path.display();
                    tracing::warn!(
                        "`holdfast worker --check` will not find this worker: write {path}: {error}"
                    );
                    self.has_complained = true;
                }
                Err(_) => {}
            }
        }
    }

    fn touch(&mut self) -> io::Result<()> {
        if !self.path.try_exists()? {
            self.file = None;
        }
        if let Some(file) = &self.file {
            return file.set_modified(SystemTime::now());
        }
        // What was left under this name by one that was killed, or put there by somebody else: not to be followed.
        match fs::remove_file(&self.path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        self.file = Some(File::create_new(&self.path)?);
        Ok(())
    }
}

impl Drop for Beat {
    fn drop(&mut self) {
        if self.file.is_some() {
            let _is_gone_already = fs::remove_file(&self.path);
        }
    }
}

/// The name of a worker that is alive: the one called `name`, or any.
pub(super) fn alive(name: Option<&str>) -> io::Result<Option<String>> {
    alive_within(&std::env::temp_dir(), name)
}

fn alive_within(folder: &Path, name: Option<&str>) -> io::Result<Option<String>> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let Some(found) = worker_of(&entry.file_name()) else { continue };
        if name.is_some_and(|name| name != found) {
            continue;
        }
        // One that stops takes its file away between two looks.
        let Ok(modified) = entry.metadata().and_then(|metadata| metadata.modified()) else { continue };
        // A clock that was set back makes a beat of the future: it has just beaten.
        if modified.elapsed().unwrap_or_default() < SILENCE_MAX {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

fn worker_of(file: &OsStr) -> Option<String> {
    Some(file.to_str()?.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worker_is_alive_while_it_beats_and_gone_when_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let alive = |name| alive_within(folder.path(), name).unwrap();
        assert_eq!(alive(None), None);
        let mut beat = Beat::within(folder.path(), "w1");
        beat.touch().unwrap();
        assert_eq!(alive(None).as_deref(), Some("w1"));
        assert_eq!(alive(Some("w1")).as_deref(), Some("w1"));
        assert_eq!(alive(Some("w2")), None);
        let long_ago = SystemTime::now() - SILENCE_MAX;
        beat.file.as_ref().unwrap().set_modified(long_ago).unwrap();
        assert_eq!(alive(None), None);
        beat.touch().unwrap();
        assert_eq!(alive(None).as_deref(), Some("w1"));
        drop(beat);
        assert_eq!(alive(None), None);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn file_that_was_swept_away_or_left_behind_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("holdfast-worker-w1.beat");
        fs::write(&path, "left behind").unwrap();
        let mut beat = Beat::within(folder.path(), "w1");
        beat.touch().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"");
        fs::remove_file(&path).unwrap();
        beat.touch().unwrap();
        assert!(path.exists());
    }

    #[test]
    fn link_of_somebody_else_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let victim = folder.path().join("victim");
        fs::write(&victim, "precious").unwrap();
        std::os::unix::fs::symlink(&victim, folder.path().join("holdfast-worker-w1.beat")).unwrap();
        Beat::within(folder.path(), "w1").touch().unwrap();
        assert_eq!(fs::read(&victim).unwrap(), b"precious");
    }
}
