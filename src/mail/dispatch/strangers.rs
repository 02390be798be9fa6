//! Mails in the queue that are about nothing in our journal: another shop uses the same Redis, by mistake or not.
//!
//! To forget them would take the news from the one dispatcher that waits for it, and that would put them in again: they are
//! left to it.

use std::collections::HashSet;

use holdfast_actors::mails::About;

use super::contents;

/// Names left in the queue. Beyond them, nobody seems to come for them: a shop that is no more, or an older journal.
pub(super) const COUNT_MAX: usize = 4_096;

/// The names that were seen and are not ours.
#[derive(Debug, Default)]
pub(super) struct Strangers {
    names: HashSet<String>,
    is_told: bool,
}

impl Strangers {
    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    /// Those of all names that were sent that are ours, or nobody's: names that say nothing, and all when there are too many.
    pub(super) async fn leave_out<E>(
        &mut self,
        sent: Vec<String>,
        is_ours: impl AsyncFn(About) -> Result<bool, E>,
    ) -> Result<Vec<String>, E> {
        let (mut ours, mut names) = (Vec::new(), HashSet::new());
        for id in sent {
            let is_strange = self.names.contains(&id)
                || match contents::about(&id) {
                    Some(about) => !is_ours(about).await?,
                    None => false,
                };
            if is_strange {
                names.insert(id);
            } else {
                ours.push(id);
            }
        }
        if !names.is_empty() && !self.is_told {
            self.is_told = true;
            tracing::error!(
                "the mail queue has mails that this shop knows nothing of: does another server use the same Redis, or was \
                 the data folder replaced? They are left alone; give each shop a database of its own"
            );
        }
        if names.len() > COUNT_MAX {
            tracing::warn!(
                count = names.len(),
                "mails of another shop were sent, and nobody came for the news: forgotten"
            );
            ours.extend(names.drain());
        }
        self.names = names;
        Ok(ours)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(number: usize) -> String {
        format!("usr_01930000-0000-0000-0000-{number:012x}.welcome")
    }

    /// What is left of the first `count` names to a shop that knows even numbers.
    async fn leave_out(strangers: &mut Strangers, count: usize) -> usize {
        let is_ours = async |about| match about {
            About::Registered(id) => Ok::<_, ()>(id.0 % 2 == 0),
            _ => Ok(false),
        };
        strangers.leave_out((0..count).map(name).collect(), is_ours).await.unwrap().len()
    }

    #[tokio::test]
    async fn names_of_others_are_left_out_until_there_are_too_many() {
        let mut strangers = Strangers::default();
        assert_eq!(leave_out(&mut strangers, 10).await, 5);
        assert_eq!(strangers.len(), 5);
        assert_eq!(leave_out(&mut strangers, 2 * COUNT_MAX).await, COUNT_MAX);
        assert_eq!(strangers.len(), COUNT_MAX);
        assert_eq!(leave_out(&mut strangers, 2 * COUNT_MAX + 2).await, 2 * COUNT_MAX + 2);
        assert_eq!(strangers.len(), 0);
    }

    #[tokio::test]
    async fn names_that_say_nothing_are_nobodys() {
        let mut strangers = Strangers::default();
        let is_ours = async |_| Ok::<_, ()>(false);
        let left = strangers.leave_out(vec!["ord_x.parcel".to_owned(), name(1)], is_ours).await.unwrap();
        assert_eq!((left, strangers.len()), (vec!["ord_x.parcel".to_owned()], 1));
    }
}
