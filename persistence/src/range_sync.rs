//! sled's write-out of a range, made a data sync: one wait for the disk in a commit instead of two.
//!
//! sled 0.34 ends each write of its log with `sync_file_range`, which waits for the disk and promises nothing: neither the
//! file's length nor the drive's cache are committed. A commit then has to wait once more, for the `fdatasync` that does
//! promise. There is no setting for it. So the function that sled calls is ours: the linker prefers a program's own
//! `sync_file_range` to the one of the C library, and this one does the `fdatasync`. What sled holds for stable **is**
//! stable then, in the order in which sled relies on it, and whoever comes back from a flush of sled needs no sync of his own.
//!
//! That sled calls this one is not believed but seen: until [`is_in_force`], and on systems where sled has no such call,
//! `SledStore::flush` does a sync of its own. (`tests/data_sync.rs` looks from outside, with `strace`.)
//!
//! An error goes to sled, which remembers it for good and gives it to everybody who flushes.

use std::sync::atomic::{AtomicBool, Ordering};

static IS_IN_FORCE: AtomicBool = AtomicBool::new(false);

/// Whether sled's writes end with a data sync: known from the first of them on, for all stores of the process.
///
/// Asked after a flush that had something to write.
pub(crate) fn is_in_force() -> bool {
    IS_IN_FORCE.load(Ordering::Acquire)
}

/// Commits a file's data, whatever the range; what the C library's function of this name would answer.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "it takes the place of a function of C, for sled's calls of it")]
// SAFETY: the C library's own code does not call its function by this name, and the arguments are those of `sync_file_range(2)`.
#[unsafe(no_mangle)]
extern "C" fn sync_file_range(
    file: libc::c_int,
    _offset: libc::off64_t,
    _bytes: libc::off64_t,
    _flags: libc::c_uint,
) -> libc::c_int {
    IS_IN_FORCE.store(true, Ordering::Release);
    // SAFETY: it takes a number, and says so when that is no open file.
    unsafe { libc::fdatasync(file) }
}
