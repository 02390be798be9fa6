//! Changing what is held, or under which name: a cart that grows, a cart that becomes an order, two carts that
//! become one. In one turn, so no other buyer can get between.

use crate::{Buyer, Quantity, Units};

use super::reserve::check_lines;
use super::{Event, Line, Product, Refusal, Rehold, Reservation, Short, VariantNo};

impl Product {
    pub(super) fn decide_rehold(&self, rehold: &Rehold) -> Result<Vec<Event>, Refusal> {
        self.decide_hold(rehold, rehold.lines.clone())
    }

    /// Gives nothing back: what a saga's first steps give back, somebody else may have before its last step fails, and
    /// then there is no way back.
    pub(super) fn decide_take(&self, rehold: &Rehold) -> Result<Vec<Event>, Refusal> {
        let before: Vec<Line> = self.held_under(rehold).flat_map(|hold| hold.lines.iter().copied()).collect();
        self.decide_hold(rehold, with_rest(&rehold.lines, &before))
    }

    /// Whether `rehold` may be, and that `lines` are held then: all of its own, and perhaps more.
    fn decide_hold(&self, rehold: &Rehold, lines: Vec<Line>) -> Result<Vec<Event>, Refusal> {
        check_lines(&rehold.lines)?;
        if self.is_held_so(rehold, &lines) {
            return Ok(Vec::new());
        }
        let own: Vec<&Reservation> = self.held_under(rehold).collect();
        let before: Vec<Line> = own.iter().flat_map(|hold| hold.lines.iter().copied()).collect();
        let is_more = rehold.lines.iter().any(|line| line.quantity.units() > sum(&before, line.variant));
        // Whoever gives units back is never refused.
        if is_more {
            self.check_wanted(rehold, &own, &before)?;
        }
        Ok(vec![Event::Reheld {
            from: rehold.from,
            to: rehold.to,
            buyer: rehold.buyer,
            before,
            lines,
            deadline: rehold.deadline,
            ending: rehold.ending,
        }])
    }

    /// Answers in the order in which a reservation does. What was promised before must only be there.
    fn check_wanted(&self, rehold: &Rehold, own: &[&Reservation], before: &[Line]) -> Result<(), Refusal> {
        if rehold.is_owed {
            return self.check_more(rehold, before);
        }
        self.check_sellable()?;
        self.check_more(rehold, before)?;
        self.check_limits(rehold.buyer, &rehold.lines, counted(own, rehold.buyer))
    }

    fn is_held_so(&self, rehold: &Rehold, lines: &[Line]) -> bool {
        let is_renamed = rehold.from == rehold.to || !self.reservations.contains_key(&rehold.from);
        let is_same = |hold: &Reservation| hold.buyer == rehold.buyer && hold.lines == lines;
        is_renamed && self.reservations.get(&rehold.to).is_some_and(is_same)
    }

    /// The holds of both names, each once.
    fn held_under(&self, rehold: &Rehold) -> impl Iterator<Item = &Reservation> {
        let from = (rehold.from != rehold.to).then_some(rehold.from);
        [from, Some(rehold.to)].into_iter().flatten().filter_map(|name| self.reservations.get(&name))
    }

    /// Whether the units are there that are asked for beyond `before`; every short line is named, with the figures
    /// as this caller would find them without their own hold.
    fn check_more(&self, rehold: &Rehold, before: &[Line]) -> Result<(), Refusal> {
        let mut short = Vec::new();
        for (index, line) in rehold.lines.iter().enumerate() {
            let Line { variant, quantity } = *line;
            let levels = self.variant(variant).ok_or(Refusal::UnknownVariant { variant })?.levels;
            let own = sum(before, variant);
            let available = levels.available.checked_add(own).expect("INV-1: both are on hand");
            if quantity.units() > own && quantity.units() > available {
                let reserved = levels.reserved.checked_sub(own).expect("INV-2: reserved holds the own units");
                short.push(Short { index, variant, requested: quantity.units(), available, reserved });
            }
        }
        if short.is_empty() { Ok(()) } else { Err(Refusal::InsufficientStock { lines: short }) }
    }
}

/// Of each variant the larger of both, as far as one line goes.
fn with_rest(lines: &[Line], before: &[Line]) -> Vec<Line> {
    let mut all = lines.to_vec();
    for Line { variant, .. } in before {
        let held = sum(before, *variant).0.min(Quantity::MAX);
        let held = Quantity::new(held).expect("a line has at least one unit");
        match all.iter_mut().find(|line| line.variant == *variant) {
            Some(line) => line.quantity = line.quantity.max(held),
            None => all.push(Line { variant: *variant, quantity: held }),
        }
    }
    all
}

/// How many of the own units are counted for `buyer` already.
fn counted(own: &[&Reservation], buyer: Buyer) -> u64 {
    let lines = own.iter().filter(|hold| hold.buyer == buyer).flat_map(|hold| &hold.lines);
    lines.map(|line| u64::from(line.quantity.get())).sum()
}

fn sum(lines: &[Line], variant: VariantNo) -> Units {
    let units = lines.iter().filter(|line| line.variant == variant).map(|line| line.quantity.get());
    Units(units.sum())
}
