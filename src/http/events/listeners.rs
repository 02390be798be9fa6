//! Those who wait for events: how many there may be, and that they are told when the server goes down.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::http::problem::{Code, Problem};

/// How many may wait at once, streams and polls together.
pub const LISTENERS_MAX: usize = 512;

/// What `Retry-After` says beyond that.
const RETRY_AFTER_SECONDS: u32 = 5;

/// Who waits. One for the whole server.
pub struct Listeners {
    places: Arc<Semaphore>,
    closing: watch::Sender<bool>,
}

/// One who waits; gone when dropped.
pub(super) struct Listener {
    _place: OwnedSemaphorePermit,
    closing: watch::Receiver<bool>,
}

impl Default for Listeners {
    fn default() -> Self {
        Self { places: Arc::new(Semaphore::new(LISTENERS_MAX)), closing: watch::Sender::new(false) }
    }
}

impl Listeners {
    /// Ends all streams and all waiting, for good: without this they would hold up the shutdown.
    pub fn close(&self) {
        self.closing.send_replace(true);
    }

    /// How many wait now.
    pub fn count(&self) -> usize {
        LISTENERS_MAX - self.places.available_permits()
    }

    /// One more.
    ///
    /// # Errors
    ///
    /// `overloaded` when there are too many.
    pub(super) fn enter(&self) -> Result<Listener, Problem> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| {
            let detail = format!("{LISTENERS_MAX} wait for events already; try again.");
            Problem::new(Code::Overloaded, detail).retry_after(RETRY_AFTER_SECONDS)
        })?;
        Ok(Listener { _place: place, closing: self.closing.subscribe() })
    }
}

impl Listener {
    /// Whether the server goes down.
    pub(super) fn is_closing(&self) -> bool {
        *self.closing.borrow()
    }

    /// Waits until the server goes down.
    pub(super) async fn closed(&mut self) {
        // An error says that nobody can tell any more: that is the end as well.
        let _closed = self.closing.wait_for(|is_closing| *is_closing).await;
    }
}
