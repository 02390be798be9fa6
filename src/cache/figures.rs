//! The cache's figures, by name. How long anybody waited for Redis is counted by its link.

use metrics::{Unit, describe_counter, describe_histogram};

pub(super) const REQUESTS: &str = "holdfast_listing_cache_requests_total";
pub(super) const LOADS: &str = "holdfast_listing_cache_loads_total";
pub(super) const LOAD_SECONDS: &str = "holdfast_listing_cache_load_seconds";
pub(super) const STORES_DROPPED: &str = "holdfast_listing_cache_stores_dropped_total";
pub(super) const VALUES_REFUSED: &str = "holdfast_listing_cache_values_refused_total";

/// Tells what they are.
pub(super) fn describe() {
    describe_counter!(REQUESTS, Unit::Count, "Lists answered, by where they came from: hit, miss or bypass.");
    describe_counter!(LOADS, Unit::Count, "Lists that were made anew, for the cache or for want of it.");
    describe_histogram!(LOAD_SECONDS, Unit::Seconds, "How long that took.");
    describe_counter!(STORES_DROPPED, Unit::Count, "Lists that were not put into Redis, by why.");
    describe_counter!(
        VALUES_REFUSED,
        Unit::Count,
        "Values in Redis that are none of ours, by what is wrong."
    );
}
