//! Plenty: as many units for sale that no measurement ends because they are gone.
//!
//! Pure. Asked by `floor`, `budget`, `contenders` and `scenarios`, before they make their products.

use std::time::Duration;

/// No server here sells faster than this.
const SALES_PER_MS_MAX: u128 = 300;
/// Products that are bought alike get this much more than an even share: chance is uneven over few requests each.
const SHARES: u32 = 10;
/// Enough for a product that hardly anybody buys.
pub(crate) const UNITS_MIN: u32 = 1_000;

/// More units than can be sold in `busy`; `None` when they cannot be counted.
pub(crate) fn units(busy: Duration) -> Option<u32> {
    u32::try_from(busy.as_millis() * SALES_PER_MS_MAX).ok()
}

/// What each of `products` needs when `units` are sold of all together.
pub(crate) fn share(units: u32, products: u32) -> u32 {
    (units / products).saturating_mul(SHARES).min(units).max(UNITS_MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longest_budget_still_has_plenty() {
        assert_eq!(units(Duration::from_millis(4_500) * 3), Some(4_050_000));
        // --rounds 100 --seconds 60, and two scenarios that buy the same product.
        assert_eq!(units(Duration::from_millis(60_500) * 100 * 2), Some(3_630_000_000));
        assert_eq!(units(Duration::from_secs(1 << 40)), None);
    }

    #[test]
    fn share_is_more_than_even_and_never_more_than_all() {
        assert_eq!(share(4_050_000, 10_000), 4_050);
        assert_eq!(share(4_050_000, 1), 4_050_000);
        assert_eq!(share(4_050_000, 90_000), UNITS_MIN);
        assert_eq!(share(500, 3), UNITS_MIN);
    }
}
