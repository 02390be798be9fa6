//! A shop whose journal is on a real disk: what only a reader of the journal can tell is asked there.

use std::path::Path;

use holdfast_actors::persistence::{Error, Folder, SledJournal, sled_journal};
use holdfast_actors::recovery::recover;
use holdfast_actors::{Engine, ManualClock};

use super::{NOW, options};

pub(crate) struct Shop {
    pub(crate) engine: Engine,
    pub(crate) clock: ManualClock,
}

impl Shop {
    pub(crate) fn open(path: &Path) -> Self {
        let folder = loop {
            // The threads of the shop before may still hold the folder for a moment.
            match Folder::open(path) {
                Ok(folder) => break folder,
                Err(Error::Locked { .. }) => std::thread::yield_now(),
                Err(error) => panic!("the folder is ours: {error}"),
            }
        };
        let mut journal = SledJournal::open(&folder, sled_journal::Options::default()).expect("it opens");
        let reader = journal.reader();
        let recovered = recover(&mut journal).expect("the journal is sound");
        let clock = ManualClock::new(NOW);
        let engine = Engine::start(Box::new(journal), Some(reader), recovered, options(&clock));
        Self { engine, clock }
    }
}
