//! The laws of one product's books: one predicate each, shared by tests, simulation, recovery and `verify`.

use crate::Timestamp;

use super::{Levels, Line, Product, Variant, VariantNo};

/// A broken law: which, and what was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// `INV-1` and so on, as DESIGN numbers them.
    pub law: &'static str,
    /// For people.
    pub found: String,
}

/// Checks every law that one product alone can keep.
///
/// # Errors
///
/// The first [`Violation`].
pub fn check(product: &Product) -> Result<(), Violation> {
    figures_add_up(product)?;
    figures_match_owners(product)?;
    receipts_balance(product)
}

/// INV-1: on_hand = available + reserved + committed, and the sum is a number of units.
///
/// None of them can be negative: [`crate::Units`] is unsigned.
///
/// # Errors
///
/// A [`Violation`] of INV-1.
pub fn figures_add_up(product: &Product) -> Result<(), Violation> {
    for variant in &product.variants {
        let levels = variant.levels;
        let sum =
            levels.available.checked_add(levels.reserved).and_then(|sum| sum.checked_add(levels.committed));
        ensure(sum.is_some(), "INV-1", || {
            format!("{}: levels overflow: {levels:?}", variant.description.sku)
        })?;
        ensure(!variant.is_removed || levels == Levels::default(), "INV-1", || {
            format!("{}: removed with units: {levels:?}", variant.description.sku)
        })?;
    }
    Ok(())
}

/// INV-2: reserved is the sum of active reservations' lines, committed that of unfulfilled orders'.
///
/// # Errors
///
/// A [`Violation`] of INV-2.
pub fn figures_match_owners(product: &Product) -> Result<(), Violation> {
    let held = |no| sum(product.reservations.values().flat_map(|hold| &hold.lines), no);
    let sold = |no| sum(product.orders.values().flat_map(|order| &order.lines), no);
    for (no, variant) in numbered(product) {
        let (reserved, committed) = (held(no), sold(no));
        ensure(u64::from(variant.levels.reserved.0) == reserved, "INV-2", || {
            format!("{}: reserved {}, holds {reserved}", variant.description.sku, variant.levels.reserved)
        })?;
        ensure(u64::from(variant.levels.committed.0) == committed, "INV-2", || {
            format!("{}: committed {}, orders {committed}", variant.description.sku, variant.levels.committed)
        })?;
    }
    Ok(())
}

/// INV-4: received = on_hand + fulfilled + written off.
///
/// # Errors
///
/// A [`Violation`] of INV-4.
pub fn receipts_balance(product: &Product) -> Result<(), Violation> {
    for variant in &product.variants {
        let totals = variant.totals;
        let accounted = u64::from(variant.levels.on_hand().0) + totals.fulfilled + totals.written_off;
        ensure(totals.received == accounted, "INV-4", || {
            format!("{}: received {}, accounted for {accounted}", variant.description.sku, totals.received)
        })?;
    }
    Ok(())
}

/// INV-9: time never decreases along a partition: a record at `at` may follow one at `before`.
///
/// # Errors
///
/// A [`Violation`] of INV-9.
pub fn time_goes_on(before: Timestamp, at: Timestamp) -> Result<(), Violation> {
    ensure(before <= at, "INV-9", || format!("{at:?} follows {before:?}"))
}

fn numbered(product: &Product) -> impl Iterator<Item = (VariantNo, &Variant)> {
    product.variants.iter().enumerate().map(|(index, variant)| (VariantNo::from_index(index), variant))
}

fn sum<'a>(lines: impl Iterator<Item = &'a Line>, variant: VariantNo) -> u64 {
    lines.filter(|line| line.variant == variant).map(|line| u64::from(line.quantity.get())).sum()
}

fn ensure(holds: bool, law: &'static str, found: impl FnOnce() -> String) -> Result<(), Violation> {
    if holds { Ok(()) } else { Err(Violation { law, found: found() }) }
}

#[cfg(test)]
mod tests {
    //! Each law broken by hand, to see that its predicate can fail.

    use std::sync::Arc;

    use crate::product::{
        Command, Description, NewProduct, NewVariant, VariantDescription, apply, decide_create,
    };
    use crate::{Buyer, Currency, Millis, Money, OrderId, Quantity, ReservationId, Sku, Units};

    use super::*;

    const NOW: Timestamp = Timestamp(1_000_000);
    const DEADLINE: Timestamp = NOW.after(Millis::from_secs(900));

    #[test]
    fn sound_books_keep_every_law() {
        assert_eq!(check(&books()), Ok(()));
    }

    #[test]
    fn levels_beyond_u32_break_inv_1() {
        breaks("INV-1", figures_add_up, |books| books.variants[0].levels.available = Units(u32::MAX));
    }

    #[test]
    fn units_of_a_removed_variant_break_inv_1() {
        breaks("INV-1", figures_add_up, |books| books.variants[0].is_removed = true);
    }

    #[test]
    fn reserved_units_that_nobody_holds_break_inv_2() {
        breaks("INV-2", figures_match_owners, |books| books.variants[0].levels.reserved.0 += 1);
    }

    #[test]
    fn hold_without_units_breaks_inv_2() {
        breaks("INV-2", figures_match_owners, |books| books.variants[0].levels.reserved.0 -= 1);
    }

    #[test]
    fn committed_units_without_an_order_break_inv_2() {
        breaks("INV-2", figures_match_owners, |books| books.orders.clear());
    }

    #[test]
    fn units_of_the_wrong_variant_break_inv_2() {
        breaks("INV-2", figures_match_owners, |books| {
            let hold = books.reservations.get_mut(&ReservationId(1)).expect("held");
            hold.lines[0].variant = VariantNo(1);
        });
    }

    #[test]
    fn unit_out_of_nowhere_breaks_inv_4() {
        breaks("INV-4", receipts_balance, |books| books.variants[1].levels.available.0 += 1);
    }

    #[test]
    fn unit_that_vanished_breaks_inv_4() {
        breaks("INV-4", receipts_balance, |books| books.variants[0].levels.available.0 -= 1);
    }

    #[test]
    fn time_that_runs_back_breaks_inv_9() {
        assert_eq!(time_goes_on(NOW, NOW), Ok(()));
        assert_eq!(time_goes_on(DEADLINE, NOW).map_err(|violation| violation.law), Err("INV-9"));
    }

    /// Sees `predicate`, and [`check`] with it, name `law` after `harm`.
    fn breaks(
        law: &'static str,
        predicate: fn(&Product) -> Result<(), Violation>,
        harm: impl FnOnce(&mut Product),
    ) {
        let mut books = books();
        harm(&mut books);
        assert_eq!(predicate(&books).map_err(|violation| violation.law), Err(law));
        assert_eq!(check(&books).map_err(|violation| violation.law), Err(law));
    }

    /// Two variants; of the first, five came in: two are held, one was held and sold.
    fn books() -> Product {
        let mut slot = None;
        let events = decide_create(&new()).expect("well formed");
        events.iter().for_each(|event| apply(&mut slot, event, NOW));
        let line = |units| Line { variant: VariantNo(0), quantity: quantity(units) };
        let reserve = |id, units| Command::Reserve {
            reservation: ReservationId(id),
            buyer: Buyer(1),
            lines: vec![line(units)],
            deadline: DEADLINE,
        };
        let confirm = Command::Confirm { reservation: ReservationId(2), order: OrderId(1) };
        for command in [reserve(1, 2), reserve(2, 1), confirm] {
            let events = slot.as_ref().expect("made").decide(&command).expect("there is enough");
            events.iter().for_each(|event| apply(&mut slot, event, NOW));
        }
        slot.expect("made")
    }

    fn new() -> NewProduct {
        let variant = |sku, initial_stock| NewVariant {
            description: Arc::new(VariantDescription::plain(Sku::new(sku).expect("a letter"))),
            initial_stock,
        };
        NewProduct {
            description: Arc::new(Description::plain(
                "Lamp",
                Money(1000),
                Currency::new("EUR").expect("three capitals"),
            )),
            is_simple: false,
            variants: vec![variant("A", Some(quantity(5))), variant("B", None)],
        }
    }

    fn quantity(units: u32) -> Quantity {
        Quantity::new(units).expect("in range")
    }
}
