//! A hold of several products in the making: all lines or none, products in ascending order. After the first
//! refusal the rest is only asked, so that every short line is named, and what was taken is given back.
//!
//! Units that were held before and are not asked for any more come back only when the owner has said so
//! ([`Taking::rest`]). Earlier, another buyer could have them, and the way back would be shut.

use std::collections::BTreeMap;

use crate::hold::Ending;
use crate::product::{self, Command, Line, Rehold};
use crate::{Buyer, Item, ProductId, ReservationId, Timestamp};

use super::{LineRefusal, Refusal, explain};

/// The way from lines to a hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Taking {
    hold: ReservationId,
    buyer: Buyer,
    deadline: Timestamp,
    legs: Vec<Leg>,
    /// The leg that was asked last, or is next.
    place: usize,
    phase: Phase,
    refusals: Vec<LineRefusal>,
}

/// One product's part.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Leg {
    /// Which product.
    pub product: ProductId,
    /// What it shall hold, each line with its place in the request.
    pub lines: Vec<(usize, Line)>,
    /// What is held for the owner already, and under which name; it is what the way back leads to.
    pub before: Option<(ReservationId, Vec<Line>)>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Forward,
    /// Leg `failed_at` said no: the rest is asked, and taken by nobody.
    Asking {
        failed_at: usize,
    },
    Backward,
    Done,
}

/// What to do next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// Tell a product, and say by [`Taking::note`] what it answered.
    Tell(ProductId, Command),
    /// All units are held: the owner may say so.
    Held,
    /// None is held that was not before.
    Refused(Refusal),
}

impl Leg {
    /// Whether something was held before that is not asked for.
    fn has_rest(&self) -> bool {
        let asked = |variant| {
            let line = self.lines.iter().find(|(_, line)| line.variant == variant);
            line.map_or(0, |(_, line)| line.quantity.get())
        };
        let mut before = self.before.iter().flat_map(|(_, lines)| lines);
        before.any(|line| line.quantity.get() > asked(line.variant))
    }
}

impl Taking {
    /// The way to hold `items` as `hold`. `before` tells what of a product is held for the owner already.
    #[must_use]
    pub fn new(
        hold: ReservationId,
        buyer: Buyer,
        deadline: Timestamp,
        items: &[Item],
        before: impl Fn(ProductId) -> Option<(ReservationId, Vec<Line>)>,
    ) -> Self {
        let mut legs: BTreeMap<ProductId, Vec<(usize, Line)>> = BTreeMap::new();
        for (index, item) in items.iter().enumerate() {
            legs.entry(item.product).or_default().push((index, item.line()));
        }
        let leg = |(product, lines)| Leg { product, lines, before: before(product) };
        let legs = legs.into_iter().map(leg).collect();
        Self { hold, buyer, deadline, legs, place: 0, phase: Phase::Forward, refusals: Vec::new() }
    }

    /// What to do now.
    #[must_use]
    pub fn next(&self) -> Step {
        match self.phase {
            Phase::Forward if self.place == self.legs.len() => Step::Held,
            Phase::Forward => self.tell(|taking, leg| taking.take(leg)),
            Phase::Asking { .. } => self.tell(|taking, leg| Command::Check(Box::new(taking.rehold(leg)))),
            Phase::Backward => self.tell(|taking, leg| taking.give_back(leg)),
            Phase::Done => Step::Refused(Refusal::Lines(self.refusals.clone())),
        }
    }

    /// Says what the product of the last [`Step::Tell`] answered.
    ///
    /// # Panics
    ///
    /// When a product refuses to take units back: that is never refused.
    pub fn note(&mut self, answer: Result<(), product::Refusal>) {
        let leg = &self.legs[self.place];
        if let Err(refusal) = &answer {
            assert!(self.phase != Phase::Backward, "giving back is never refused: {refusal:?}");
            self.refusals.extend(explain(leg.product, &leg.lines, refusal));
        }
        self.phase = match (self.phase, answer) {
            (Phase::Forward, Err(_)) => Phase::Asking { failed_at: self.place },
            (phase, _) => phase,
        };
        match self.phase {
            Phase::Forward => self.place += 1,
            Phase::Asking { failed_at } if self.place + 1 == self.legs.len() => self.turn_back(failed_at),
            Phase::Asking { .. } => self.place += 1,
            Phase::Backward => self.turn_back(self.place),
            Phase::Done => unreachable!("nobody was told anything"),
        }
    }

    /// What products are told once the owner has said that the units are held: to give back what they hold beyond.
    #[must_use]
    pub fn rest(&self) -> Vec<(ProductId, Command)> {
        let legs = self.legs.iter().filter(|leg| leg.has_rest());
        legs.map(|leg| (leg.product, Command::Rehold(Box::new(self.rehold(leg))))).collect()
    }

    /// Goes on with the leg before `place`.
    fn turn_back(&mut self, place: usize) {
        self.phase = if place == 0 { Phase::Done } else { Phase::Backward };
        self.place = place.saturating_sub(1);
        if self.phase == Phase::Done {
            self.refusals.sort_unstable_by_key(|line| line.index);
        }
    }

    fn tell(&self, command: impl Fn(&Self, &Leg) -> Command) -> Step {
        let leg = &self.legs[self.place];
        Step::Tell(leg.product, command(self, leg))
    }

    fn take(&self, leg: &Leg) -> Command {
        if leg.before.is_some() {
            return Command::Take(Box::new(self.rehold(leg)));
        }
        Command::Reserve {
            reservation: self.hold,
            buyer: self.buyer,
            lines: leg.lines.iter().map(|(_, line)| *line).collect(),
            deadline: self.deadline,
        }
    }

    fn rehold(&self, leg: &Leg) -> Rehold {
        Rehold {
            from: leg.before.as_ref().map_or(self.hold, |(name, _)| *name),
            to: self.hold,
            buyer: self.buyer,
            lines: leg.lines.iter().map(|(_, line)| *line).collect(),
            deadline: self.deadline,
            ending: Ending::Released,
            is_owed: false,
        }
    }

    fn give_back(&self, leg: &Leg) -> Command {
        let before = leg.before.as_ref().filter(|(_, lines)| !lines.is_empty());
        let Some((name, lines)) = before else {
            return Command::Release { reservation: self.hold, ending: Ending::Released };
        };
        Command::Rehold(Box::new(Rehold {
            from: self.hold,
            to: *name,
            buyer: self.buyer,
            lines: lines.clone(),
            deadline: self.deadline,
            ending: Ending::Released,
            is_owed: true,
        }))
    }
}
