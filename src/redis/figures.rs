//! The link's figures. Handles are taken once: who counts must not look a name up.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, Unit};

pub(super) const UP: &str = "holdfast_redis_up";
pub(super) const CALLS: &str = "holdfast_redis_calls_total";
pub(super) const OPENINGS: &str = "holdfast_redis_breaker_openings_total";
pub(super) const CALL_SECONDS: &str = "holdfast_redis_call_seconds";
pub(super) const WAIT_MAX_SECONDS: &str = "holdfast_redis_wait_max_seconds";

/// What one link counts.
pub(super) struct Figures {
    up: Gauge,
    answered: Counter,
    shut_out: Counter,
    openings: Counter,
    call_seconds: Histogram,
    wait_max_seconds: Gauge,
    wait_us_max: AtomicU64,
    link: &'static str,
}

impl Figures {
    pub(super) fn of(link: &'static str) -> Self {
        metrics::describe_gauge!(UP, "Whether Redis is asked: 1, or 0 while the breaker is open.");
        metrics::describe_counter!(CALLS, Unit::Count, "Calls by what came of them.");
        metrics::describe_counter!(OPENINGS, Unit::Count, "How often Redis went down.");
        metrics::describe_histogram!(CALL_SECONDS, Unit::Seconds, "How long calls took that were made.");
        metrics::describe_gauge!(
            WAIT_MAX_SECONDS,
            Unit::Seconds,
            "The longest that anybody ever waited for Redis."
        );
        let calls = |outcome| metrics::counter!(CALLS, "link" => link, "outcome" => outcome);
        let up = metrics::gauge!(UP, "link" => link);
        up.set(0.0);
        Self {
            up,
            answered: calls("answered"),
            shut_out: calls("not_asked"),
            openings: metrics::counter!(OPENINGS, "link" => link),
            call_seconds: metrics::histogram!(CALL_SECONDS, "link" => link),
            wait_max_seconds: metrics::gauge!(WAIT_MAX_SECONDS, "link" => link),
            wait_us_max: AtomicU64::new(0),
            link,
        }
    }

    pub(super) fn up(&self) {
        self.up.set(1.0);
    }

    pub(super) fn opened(&self) {
        self.up.set(0.0);
        self.openings.increment(1);
    }

    pub(super) fn shut_out(&self) {
        self.shut_out.increment(1);
    }

    /// A call was made, and took so long; `failed` with this outcome.
    pub(super) fn called(&self, took: Duration, failed: Option<&'static str>) {
        match failed {
            None => self.answered.increment(1),
            // Rare: the name may be looked up.
            Some(outcome) => {
                metrics::counter!(CALLS, "link" => self.link, "outcome" => outcome).increment(1);
            }
        }
        self.call_seconds.record(took.as_secs_f64());
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        if self.wait_us_max.fetch_max(us, Ordering::Relaxed) < us {
            self.wait_max_seconds.set(took.as_secs_f64());
        }
    }
}
