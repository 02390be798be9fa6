//! Adjustments and counts, one by one or many of one product: all or none.

use std::collections::BTreeMap;

use super::{Command, Event, Levels, Product, Refusal, VariantNo};

/// What follows from an adjustment or a count of a variant with these levels.
pub(super) fn decide(command: &Command, levels: Levels) -> Result<Event, Refusal> {
    match command {
        Command::Adjust { variant, delta, reason, reference, note } => {
            Product::decide_adjust(levels, *variant, *delta, *reason, reference.as_deref(), note.as_deref())
        }
        Command::Count { variant, on_hand, expected } => {
            Product::decide_count(levels, *variant, *on_hand, *expected)
        }
        _ => Err(Refusal::InvalidState),
    }
}

impl Product {
    /// What follows from adjustments and counts together, each on top of those before it.
    ///
    /// # Errors
    ///
    /// Every one that fails, by its place, as if those that fail were left out; nothing has changed then.
    pub fn decide_all(&self, commands: &[Command]) -> Result<Vec<Event>, Vec<(usize, Refusal)>> {
        let mut levels: BTreeMap<VariantNo, Levels> = BTreeMap::new();
        let mut events = Vec::with_capacity(commands.len());
        let mut refusals = Vec::new();
        for (index, command) in commands.iter().enumerate() {
            match self.decide_next(command, &mut levels) {
                Ok(event) => events.push(event),
                Err(refusal) => refusals.push((index, refusal)),
            }
        }
        if refusals.is_empty() { Ok(events) } else { Err(refusals) }
    }

    /// Decides on top of `levels`, which remember those of the commands before.
    fn decide_next(
        &self,
        command: &Command,
        levels: &mut BTreeMap<VariantNo, Levels>,
    ) -> Result<Event, Refusal> {
        let (Command::Adjust { variant, .. } | Command::Count { variant, .. }) = command else {
            return Err(Refusal::InvalidState);
        };
        let before = levels.get(variant).copied();
        let mut after = before.map_or_else(|| self.levels_of(*variant), Ok)?;
        let event = decide(command, after)?;
        event.movements(|movement| after.shift(movement.kind, movement.quantity));
        levels.insert(*variant, after);
        Ok(event)
    }
}
