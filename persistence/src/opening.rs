//! Opens sled, bearing with a store that this process closed a moment ago.

use std::io;
use std::time::Duration;

const ATTEMPTS_MAX: u32 = 200;
const RETRY_INTERVAL: Duration = Duration::from_millis(5);

/// Opens a store. One of sled's threads may hold the lock of one that was closed a little longer; nobody else can, as
/// the data folder is ours.
pub(crate) fn open(config: &sled::Config) -> sled::Result<sled::Db> {
    let mut attempts = 1;
    loop {
        match config.open() {
            Err(error) if is_still_locked(&error) && attempts < ATTEMPTS_MAX => {
                attempts += 1;
                std::thread::sleep(RETRY_INTERVAL);
            }
            opened => return opened,
        }
    }
}

/// Whether somebody has the store open still.
pub(crate) fn is_still_locked(error: &sled::Error) -> bool {
    matches!(error, sled::Error::Io(error) if is_lock_refusal(error))
}

fn is_lock_refusal(error: &io::Error) -> bool {
    error.to_string().starts_with("could not acquire lock")
}
