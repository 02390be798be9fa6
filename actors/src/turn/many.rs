//! Many commands of a saga in one turn, by whoever is on the product's thread.

use holdfast_domain::product::Command;

use super::{COMMANDS_MAX, Live, TurnContext};
use crate::context::Context;
use crate::outcome::Outcome;
use crate::sagas::Answers;

impl Live {
    /// Answers many commands of a saga, at most [`COMMANDS_MAX`], each on its own. It answers nobody before a later record
    /// of its own is durable: see [`crate::pending::Pending::into_saga`].
    ///
    /// # Panics
    ///
    /// When there are too many.
    pub(crate) fn turn_of_saga(
        &mut self,
        shared: &TurnContext,
        commands: &[Command],
        context: &Context,
    ) -> Answers {
        assert!(commands.len() <= COMMANDS_MAX, "a turn pauses nobody");
        match self.each(shared, commands, context, None).into_saga().answered {
            Ok(Outcome::Each(answers)) => answers,
            other => unreachable!("each command was to be answered, not all of them with {other:?}"),
        }
    }
}
