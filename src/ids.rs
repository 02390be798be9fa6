//! New identities: UUIDv7, unique without a system call for each.

use std::cell::Cell;
use std::time::{SystemTime, UNIX_EPOCH};

use uuid::{Builder, Uuid};

thread_local! {
    // Ids must be unique, not secret: what is somebody's own is guarded by who asks, never by its id. One draw
    // of random bits per thread and a count from there is as unique as a draw for each, and spares the call.
    static NEXT: Cell<Option<u128>> = const { Cell::new(None) };
}

/// A new UUIDv7.
///
/// # Panics
///
/// When the kernel gives no random bytes.
pub fn make() -> Uuid {
    let count = NEXT.get().unwrap_or_else(draw).wrapping_add(1);
    NEXT.set(Some(count));
    let [_, _, _, _, _, _, random @ ..] = count.to_be_bytes();
    let ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    let ms = u64::try_from(ms).expect("the clock has not run for 500 million years");
    Builder::from_unix_timestamp_millis(ms, &random).into_uuid()
}

fn draw() -> u128 {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the kernel gives random bytes");
    u128::from_be_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_of_several_threads_are_all_different_and_version_7() {
        let make_many = || std::thread::spawn(|| (0..10_000).map(|_| make()).collect::<Vec<_>>());
        let threads: Vec<_> = (0..4).map(|_| make_many()).collect();
        let all: Vec<Uuid> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        assert!(all.iter().all(|id| id.get_version_num() == 7));
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), 40_000);
    }
}
