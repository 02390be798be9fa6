//! Holding units.

use crate::{Buyer, ReservationId, Timestamp};

use super::{Event, LINES_MAX, Line, Product, Refusal};

impl Product {
    pub(super) fn decide_reserve(
        &self,
        reservation: ReservationId,
        buyer: Buyer,
        lines: &[Line],
        deadline: Timestamp,
    ) -> Result<Vec<Event>, Refusal> {
        if let Some(hold) = self.reservations.get(&reservation) {
            let is_same = hold.buyer == buyer && hold.lines == lines;
            return if is_same { Ok(Vec::new()) } else { Err(Refusal::InvalidState) };
        }
        check_lines(lines)?;
        self.check_sellable()?;
        self.check_stock(lines)?;
        self.check_limits(buyer, lines, 0)?;
        Ok(vec![Event::Reserved { reservation, buyer, lines: lines.to_vec(), deadline }])
    }
}

/// A variant twice would pass the check of stock line by line and take more than there is.
pub(super) fn check_lines(lines: &[Line]) -> Result<(), Refusal> {
    let is_repeated =
        |(index, line): (usize, &Line)| lines[..index].iter().any(|earlier| earlier.variant == line.variant);
    let is_in_bounds = !lines.is_empty() && lines.len() <= LINES_MAX;
    if !is_in_bounds || lines.iter().enumerate().any(is_repeated) {
        return Err(Refusal::OutOfBounds);
    }
    Ok(())
}
