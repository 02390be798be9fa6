//! The server's allocator with a count of the bytes that are asked of it and not given back.

#![expect(unsafe_code, reason = "an allocator cannot be written without; each call is passed on as it came")]

use std::alloc::{GlobalAlloc, Layout};
use std::sync::atomic::{AtomicUsize, Ordering};

use mimalloc::MiMalloc;

/// Mimalloc, counted.
pub(crate) struct Counting {
    live: AtomicUsize,
}

impl Counting {
    pub(crate) const fn new() -> Self {
        Self { live: AtomicUsize::new(0) }
    }

    /// Bytes that are in use, without what the allocator rounds up.
    pub(crate) fn live(&self) -> usize {
        self.live.load(Ordering::SeqCst)
    }
}

// SAFETY: every call goes to mimalloc as it came; the count beside it touches no memory of theirs.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.live.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the promises of `alloc`, which are mimalloc's as well.
        unsafe { MiMalloc.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        self.live.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the pointer came from mimalloc with this layout, as the caller promises.
        unsafe { MiMalloc.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        self.live.fetch_add(size, Ordering::Relaxed);
        self.live.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as for `dealloc`; the size is the caller's.
        unsafe { MiMalloc.realloc(pointer, layout, size) }
    }
}
