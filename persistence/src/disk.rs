//! Watches the free space of the journal's disk, so that writes are refused before the disk refuses them.
//!
//! Kept by the writer thread; everybody else reads one atomic flag. A failed measurement changes nothing but the log.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The longest time between two measurements while there is work, and the time between two while the disk is low.
pub(crate) const CHECK_INTERVAL: Duration = Duration::from_millis(250);

/// The most that is written between two measurements.
const CHECK_BYTES: u64 = 8 * 1024 * 1024;

/// Tells the free bytes of a disk.
pub(crate) type Probe = Box<dyn FnMut() -> io::Result<u64> + Send>;

/// When to measure, and against which reserve.
pub(crate) struct DiskWatch {
    probe: Option<Probe>,
    reserve_bytes: u64,
    checked_at: Option<Instant>,
    bytes_since: u64,
}

impl DiskWatch {
    pub(crate) fn new(path: Option<PathBuf>, reserve_bytes: u64) -> DiskWatch {
        DiskWatch::with_probe(path.map(probe_of), reserve_bytes)
    }

    pub(crate) fn with_probe(probe: Option<Probe>, reserve_bytes: u64) -> DiskWatch {
        DiskWatch { probe, reserve_bytes, checked_at: None, bytes_since: 0 }
    }

    /// Measures when it is time to, before `bytes` more are written.
    pub(crate) fn check(&mut self, bytes: u64, is_low: &AtomicBool) {
        self.bytes_since = self.bytes_since.saturating_add(bytes);
        let is_due = self.bytes_since >= CHECK_BYTES
            || self.checked_at.is_none_or(|checked_at| checked_at.elapsed() >= CHECK_INTERVAL);
        if is_due {
            self.measure(is_low);
        }
    }

    /// Measures now.
    pub(crate) fn measure(&mut self, is_low: &AtomicBool) {
        let Some(probe) = &mut self.probe else { return };
        self.checked_at = Some(Instant::now());
        self.bytes_since = 0;
        match probe() {
            Ok(free_bytes) => self.tell(free_bytes, is_low),
            Err(error) => {
                tracing::warn!(%error, "cannot measure the free space of the journal's disk");
            }
        }
    }

    fn tell(&self, free_bytes: u64, is_low: &AtomicBool) {
        let is_low_now = free_bytes < self.reserve_bytes;
        let was_low = is_low.swap(is_low_now, Ordering::Relaxed);
        let reserve_bytes = self.reserve_bytes;
        match (was_low, is_low_now) {
            (false, true) => {
                tracing::error!(
                    free_bytes,
                    reserve_bytes,
                    "journal's disk is low: writes are refused until space is freed"
                );
            }
            (true, false) => {
                tracing::info!(free_bytes, reserve_bytes, "journal's disk has space again: writes resume")
            }
            _ => {}
        }
    }
}

fn probe_of(path: PathBuf) -> Probe {
    Box::new(move || free_bytes(&path))
}

/// How many bytes of the disk of a path are free for us.
pub(crate) fn free_bytes(path: &Path) -> io::Result<u64> {
    let disk = rustix::fs::statvfs(path)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}
