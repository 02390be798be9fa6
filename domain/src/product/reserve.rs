//! Holding units until a deadline.

use crate::{Buyer, ReservationId, Timestamp};

use super::{Closing, Event, LINES_MAX, Line, Product, RESERVATION_LIFE_MAX, Refusal};

impl Product {
    pub(super) fn decide_reserve(
        &self,
        reservation: ReservationId,
        buyer: Buyer,
        lines: &[Line],
        deadline: Timestamp,
        now: Timestamp,
    ) -> Result<Vec<Event>, Refusal> {
        if self.reservations.contains_key(&reservation) {
            // Dead holds say so, journaled or not; a yes would promise units that are about to leave. The
            // deadline is not compared: the shell computes it anew for each attempt.
            let hold = self.active(reservation, now)?;
            let is_same = hold.buyer == buyer && hold.lines == lines;
            return if is_same { Ok(Vec::new()) } else { Err(Refusal::InvalidState) };
        }
        match self.closed.get(&reservation) {
            Some(Closing::Expired { deadline }) => {
                return Err(Refusal::ReservationExpired { deadline: *deadline });
            }
            Some(_) => return Err(Refusal::InvalidState),
            None => {}
        }
        if deadline <= now || deadline > now.after(RESERVATION_LIFE_MAX) {
            return Err(Refusal::DeadlineOutOfRange);
        }
        check_lines(lines)?;
        self.check_sellable()?;
        self.check_stock(lines)?;
        self.check_limits(buyer, lines)?;
        Ok(vec![Event::Reserved { reservation, buyer, lines: lines.to_vec(), deadline }])
    }
}

/// A variant twice would pass the check of stock line by line and take more than there is.
fn check_lines(lines: &[Line]) -> Result<(), Refusal> {
    let is_repeated =
        |(index, line): (usize, &Line)| lines[..index].iter().any(|earlier| earlier.variant == line.variant);
    let is_in_bounds = !lines.is_empty() && lines.len() <= LINES_MAX;
    if !is_in_bounds || lines.iter().enumerate().any(is_repeated) {
        return Err(Refusal::OutOfBounds);
    }
    Ok(())
}
