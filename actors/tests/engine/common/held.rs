//! A journal that finishes no append without leave: what is answered meanwhile is answered too early.

use std::sync::mpsc::{Receiver, Sender, channel};

use holdfast_actors::persistence::{AppendError, EncodedFrame, Journal, MemoryDisk, MemoryJournal};
use holdfast_actors::recovery::recover;
use holdfast_actors::{Engine, ManualClock, Options};

use super::cuts::begun_disk;
use super::{NOW, Shop, tuned};

/// A journal whose appends wait for leave; without a holder it is free.
struct HeldJournal {
    inner: MemoryJournal,
    told: Sender<()>,
    leave: Receiver<Result<(), &'static str>>,
}

/// The other end of a held journal.
pub(crate) struct Holder {
    appends: Receiver<()>,
    leave: Sender<Result<(), &'static str>>,
}

impl Shop {
    /// An empty shop on a held journal.
    pub(crate) fn held(tune: impl FnOnce(&mut Options)) -> (Self, Holder) {
        Self::held_on(begun_disk(), ManualClock::new(NOW), tune)
    }

    /// The same on a disk that has a history.
    pub(crate) fn held_on(
        disk: MemoryDisk,
        clock: ManualClock,
        tune: impl FnOnce(&mut Options),
    ) -> (Self, Holder) {
        let mut journal = disk.journal();
        let recovered = recover(&mut journal).expect("the journal is sound");
        let (options, given) = tuned(&clock, tune);
        let (journal, holder) = HeldJournal::new(journal);
        let engine = Engine::start(Box::new(journal), None, recovered, options);
        (Self { engine, disk, clock, given }, holder)
    }
}

impl HeldJournal {
    fn new(inner: MemoryJournal) -> (Self, Holder) {
        let (told, appends) = channel();
        let (leave, taken) = channel();
        (Self { inner, told, leave: taken }, Holder { appends, leave })
    }
}

impl Journal for HeldJournal {
    fn append(&mut self, frames: &[EncodedFrame]) -> Result<(), AppendError> {
        // A holder that is gone neither listens nor refuses.
        let _unheard = self.told.send(());
        match self.leave.recv().unwrap_or(Ok(())) {
            Ok(()) => self.inner.append(frames),
            Err(what) => Err(AppendError::unknown(frames[0].batch(), what)),
        }
    }
}

impl Holder {
    /// Blocks until an append waits.
    pub(crate) fn append_waits(&self) {
        self.appends.recv().expect("the journal is there");
    }

    /// Whether one more append waits.
    pub(crate) fn has_append(&self) -> bool {
        self.appends.try_recv().is_ok()
    }

    /// Lets one append, waiting or next, through.
    pub(crate) fn let_through(&self) {
        self.leave.send(Ok(())).expect("the journal is there");
    }

    /// Lets one append, waiting or next, fail.
    pub(crate) fn fail(&self) {
        self.leave.send(Err("the test says so")).expect("the journal is there");
    }
}
