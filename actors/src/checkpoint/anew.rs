//! Has everything count as changed, so that the next checkpoint holds all there is and builds on nothing.
//!
//! For a server that has no checkpoint to build on: the first could not be written, or somebody or something took the newest away. Its
//! memory may be the only place that still has everything then. Each shard lists what it has, in one look at a time; a large shop waits
//! some milliseconds for such a look, once, and keeps its keys in memory until the checkpoint stands.

use std::rc::Rc;
use std::sync::Arc;

use actix::{Handler, Message};
use holdfast_persistence::Partition;
use tokio::sync::oneshot;

use super::walk::Pace;
use crate::image::{self, Key};
use crate::mails::MAILS_PARTITION;
use crate::pending;
use crate::shard::{Core, Shard};
use crate::slots::{ACCOUNTS_PARTITION, PRICES_PARTITION, Slots};

/// How many keys are noted at once.
const NOTE_COUNT: usize = 2_000;

/// Tells a shard that everything is to be in the next checkpoint.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct NoteAll {
    /// Those of the shard.
    pub(crate) partitions: Vec<Partition>,
    /// Is told when it is so.
    pub(crate) noted: oneshot::Sender<()>,
    pub(crate) pace: Arc<Pace>,
}

impl Handler<NoteAll> for Shard {
    type Result = ();

    fn handle(&mut self, all: NoteAll, _: &mut Self::Context) {
        actix::spawn(note_all(Rc::clone(self.core()), all));
    }
}

async fn note_all(core: Rc<Core>, NoteAll { partitions, noted, pace }: NoteAll) {
    let _lane = core.checkpoints.lock().await;
    // First: what comes to be behind the look is noted by its turn.
    for partition in &partitions {
        let changes = &core.turns.partition(*partition).changes;
        if !changes.is_kept() {
            changes.keep(*partition, core.turns.partitions.len(), []);
        }
    }
    let mut looks: Vec<Vec<(Partition, Key)>> = vec![core.product_keys()];
    for partition in partitions {
        pace.rest().await;
        looks.push(keys_of(&core, partition).into_iter().map(|key| (partition, key)).collect());
    }
    for some in looks.iter().flat_map(|look| look.chunks(NOTE_COUNT)) {
        for (partition, key) in some {
            core.turns.partition(*partition).changes.note_changed(*key);
        }
        pace.rest().await;
    }
    // Whoever hung up begins no checkpoint.
    let _unheard = noted.send(());
}

/// The keys of all that a partition has, but for its products.
fn keys_of(core: &Core, partition: Partition) -> Vec<Key> {
    let mut keys = Vec::new();
    image::each_of_books(&core.turns.partition(partition).books.borrow(), |key| keys.push(key));
    core.keys.each(|request, kept, _| {
        if kept.position.partition == partition {
            keys.push(Key::Request(request.key));
        }
    });
    let count =
        u16::try_from(core.turns.partitions.len()).expect("a journal counts its partitions in 16 bits");
    let slots = Slots::new(count, 1);
    let unsent = core.turns.directory.unsents().page(None, usize::MAX, pending::never());
    let unsent = unsent.into_iter().filter(|unsent| unsent.about.partition(&slots) == partition);
    keys.extend(unsent.map(|unsent| Key::Unsent(unsent.about)));
    if partition == MAILS_PARTITION {
        keys.push(Key::Mails);
    }
    if partition == PRICES_PARTITION {
        keys.push(Key::PriceRules);
    }
    if partition == crate::categories::CATEGORIES_PARTITION {
        keys.push(Key::Categories);
    }
    if partition == ACCOUNTS_PARTITION {
        keys.push(Key::Accounts);
        image::each_of_accounts(&core.accounts.borrow().accounts, |key| keys.push(key));
    }
    keys
}
