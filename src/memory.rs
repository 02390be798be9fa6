//! Memory that is touched before it is needed, where the settings ask for it.
//!
//! Whoever writes to memory for the first time waits for the system: on hardware 0.1 ms for a page of 2 MB, in a virtual
//! machine whose host gives memory late 4 ms and more, in the middle of somebody's purchase. A server that keeps every
//! order takes some 500 bytes for each; before a flash sale all of that can be had at the start.

use std::hint::black_box;

/// With the allocator's head before it just 64 of the slices of 64 KiB that its arenas consist of: pieces lie side by side, eight
/// in each of an arena's chunks. Of 16 MB there would be one, and half of each chunk would stay untouched.
const PIECE_BYTES: usize = (64 - 1) * 64 * 1024;

/// `mi_option_purge_delay` of mimalloc 3; the bindings name the options of mimalloc 1 only.
const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;

const NEVER: i8 = -1;

/// Touches `bytes` of memory and leaves them with the allocator, which from then on gives nothing back to the system.
pub fn reserve(bytes: u64) {
    if bytes == 0 {
        return;
    }
    keep_what_is_freed();
    let pieces = usize::try_from(bytes).unwrap_or(usize::MAX).div_ceil(PIECE_BYTES);
    // Not zeros: those the system would promise and not give.
    let held: Vec<Vec<u8>> = (0..pieces).map(|_| vec![1; PIECE_BYTES]).collect();
    drop(black_box(held));
}

#[expect(unsafe_code, reason = "mimalloc's options are behind a function of C; it takes two numbers")]
fn keep_what_is_freed() {
    // SAFETY: the function looks the number up in a table of its own, and refuses one that is too large.
    unsafe { libmimalloc_sys::mi_option_set(PURGE_DELAY, NEVER.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(unsafe_code, reason = "as above")]
    fn option_is_the_one_that_it_is_taken_for() {
        // SAFETY: as above.
        let get = || unsafe { libmimalloc_sys::mi_option_get(PURGE_DELAY) };
        assert_eq!(get(), 1_000, "milliseconds: what mimalloc 3 starts with");
        reserve(1);
        assert_eq!(get(), i64::from(NEVER));
    }
}
