//! A durable queue of tasks on sled: named bytes that somebody works off, retries, gives up or gets done.
//!
//! It knows names, bytes, moments and attempts; what the bytes mean is its owner's affair. A task is *ready*, *taken*,
//! *delayed* until its next attempt, *dead* after its last, or *done*; it leaves when it is forgotten. Time comes in as an
//! argument.
//!
//! Layout: in a folder of its own below the data folder, sled's tree `tasks` maps the name to its `record`; the tree `about`
//! has the queue's life. Every change is one atomic batch that sled's log has when the call returns, so a process that is
//! killed loses nothing that was acknowledged. A power cut may cost the last seconds: nothing is synced to the drive, as whoever
//! puts tasks in knows them from the journal and puts in again what is missing.
//!
//! States and order are kept in memory as well, some 200 bytes a task; bytes are read when a task is taken.

mod opening;
mod record;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;

use self::record::Record;
use crate::error::Error;
use crate::folder::Folder;
use crate::journal::Cause;
use crate::sled_pool::Watched;

/// What is kept of why an attempt failed; more is cut off.
pub const WHY_BYTES_MAX: usize = 1000;

/// How often a task whose worker never came back is given out before it is dead, and what is noted then.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Attempts at one task.
    pub attempts_max: u32,
    /// Why a task is dead whose last worker never came back.
    pub never_back: &'static str,
}

/// A queue of tasks.
#[derive(Debug)]
pub struct WorkQueue {
    store: Store,
    limits: Limits,
    life: String,
    known: HashMap<Arc<str>, Known>,
    /// All tasks by state, moment and order: each state is one range, sorted by what is next.
    places: BTreeMap<Place, Arc<str>>,
    order_next: u64,
}

/// sled, and what must outlive it.
#[derive(Debug)]
struct Store {
    tasks: sled::Tree,
    db: sled::Db,
    path: PathBuf,
    _folder: Folder,
}

/// What is known of a task without reading it.
#[derive(Debug, Clone, Copy)]
struct Known {
    place: Place,
    attempts: u32,
}

/// Where a task is in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    state: State,
    /// Since when it is there; of a delayed one: until when.
    moment_ms: u64,
    /// Of two that came at the same moment, the first has the lower.
    order: u64,
}

/// What became of a task so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    Ready,
    Taken,
    Delayed,
    Dead,
    Done,
}

/// A task in somebody's hands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// Its name.
    pub name: String,
    /// What is to be done.
    pub bytes: Vec<u8>,
    /// Which attempt this is, from 1; one whose worker never came back counts.
    pub attempt: u32,
    /// Tells this taking from others of the same task.
    pub token: u64,
}

/// What is next for a task that was not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// Another attempt from this moment on; none when it was the last one.
    AgainAt(u64),
    /// Nothing, until somebody looks at it.
    Dead,
}

/// A task that nobody works at any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadTask {
    /// Its name.
    pub name: String,
    /// What was to be done.
    pub bytes: Vec<u8>,
    /// How many attempts there were.
    pub attempts: u32,
    /// Why the last one failed.
    pub why: String,
    /// When that was.
    pub since_ms: u64,
}

/// How many tasks are where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WorkStat {
    /// Waiting for a worker.
    pub ready: usize,
    /// In the hands of one.
    pub taken: usize,
    /// Waiting for their next attempt.
    pub delayed: usize,
    /// Given up.
    pub dead: usize,
    /// Done and not forgotten.
    pub done: usize,
    /// Since when the oldest of the ready ones waits.
    pub oldest_ready_ms: Option<u64>,
}

impl WorkQueue {
    /// Opens the queue `name` of a data folder, or creates it. What was taken when the last process ended is ready
    /// again, or dead after its last attempt.
    ///
    /// A store that is damaged is moved aside, which the log says, and an empty one takes its place.
    ///
    /// # Errors
    ///
    /// [`Error::Work`] and [`Error::Io`] when the operating system says no.
    pub fn open(folder: &Folder, name: &str, limits: Limits, now_ms: u64) -> Result<WorkQueue, Error> {
        let (store, life, records) = opening::open(folder, name)?;
        let mut queue =
            WorkQueue { store, limits, life, known: HashMap::new(), places: BTreeMap::new(), order_next: 0 };
        for (name, known) in records {
            queue.order_next = queue.order_next.max(known.place.order.saturating_add(1));
            queue.places.insert(known.place, Arc::clone(&name));
            queue.known.insert(name, known);
        }
        // Nobody else has the folder: who took these is no more.
        queue.release_taken(u64::MAX, now_ms)?;
        Ok(queue)
    }

    /// Opens one again that failed and was dropped, where the disk has room for it.
    ///
    /// # Errors
    ///
    /// Those of [`open`](WorkQueue::open).
    pub fn open_again(folder: &Folder, name: &str, limits: Limits, now_ms: u64) -> Result<WorkQueue, Error> {
        opening::expect_room(folder, name)?;
        WorkQueue::open(folder, name, limits, now_ms)
    }

    /// Whether a data folder has a queue of this name: asked by those who must not create one.
    pub fn exists(folder: &std::path::Path, name: &str) -> bool {
        opening::exists(folder, name)
    }

    /// A random name that the queue got when it was made: another one says that what was put in before is gone.
    pub fn life(&self) -> &str {
        &self.life
    }

    /// Puts tasks in and tells how many are new; one of a known name stays as it is, in whatever state.
    ///
    /// # Errors
    ///
    /// [`Error::Work`]; nothing is put in then.
    pub fn put<'t>(
        &mut self,
        tasks: impl IntoIterator<Item = (&'t str, &'t [u8])>,
        now_ms: u64,
    ) -> Result<usize, Error> {
        let mut change = Change::default();
        for (name, bytes) in tasks {
            if !self.known.contains_key(name) && !change.has(name) {
                let place = self.place(State::Ready, now_ms);
                change.write(name.into(), Record { place, attempts: 0, why: "", bytes });
            }
        }
        let count = change.known.len();
        self.apply(change)?;
        Ok(count)
    }

    /// Takes up to `count` tasks: those that are ready, those whose delay is over, and those that were taken and not heard of for
    /// `hold_ms`. One that was taken so often that no attempt is left is dead instead.
    ///
    /// # Errors
    ///
    /// [`Error::Work`]; nothing is taken then.
    pub fn take(&mut self, count: usize, now_ms: u64, hold_ms: u64) -> Result<Vec<Taken>, Error> {
        self.release_taken(now_ms.saturating_sub(hold_ms), now_ms)?;
        self.release_delayed(now_ms)?;
        let names: Vec<_> = self.names(State::Ready).take(count).cloned().collect();
        let mut change = Change::default();
        let mut taken = Vec::with_capacity(names.len());
        for name in names {
            let stored = self.read(&name)?;
            let record =
                Record::decode(&name, &stored).map_err(|what| self.store.error("read from", what))?;
            let place = self.place(State::Taken, now_ms);
            let attempt = record.attempts.saturating_add(1);
            taken.push(Taken {
                name: name.as_ref().to_owned(),
                bytes: record.bytes.to_vec(),
                attempt,
                token: place.order,
            });
            change.write(name, Record { place, attempts: attempt, ..record });
        }
        self.apply(change)?;
        Ok(taken)
    }

    /// The first moment at which [`take`](WorkQueue::take) finds something that it does not find now, if nobody puts anything in.
    pub fn next_ms(&self, hold_ms: u64) -> Option<u64> {
        let first = |state| self.places.range(range(state)).next().map(|(place, _)| place.moment_ms);
        let held = first(State::Taken).map(|since_ms| since_ms.saturating_add(hold_ms));
        [first(State::Ready).map(|_| 0), first(State::Delayed), held].into_iter().flatten().min()
    }

    /// Notes that tasks are done, in whatever state they are, known or not.
    ///
    /// # Errors
    ///
    /// [`Error::Work`]; nothing is noted then.
    pub fn done<'t>(&mut self, names: impl IntoIterator<Item = &'t str>, now_ms: u64) -> Result<(), Error> {
        let mut change = Change::default();
        for name in names {
            let is_done = self.known.get(name).is_some_and(|known| known.place.state == State::Done);
            if !is_done && !change.has(name) {
                let place = self.place(State::Done, now_ms);
                change.write(name.into(), Record { place, attempts: 0, why: "", bytes: &[] });
            }
        }
        self.apply(change)
    }

    /// Notes that a task was not done, and why. Says whether it was still the caller's: else nothing changes.
    ///
    /// # Errors
    ///
    /// [`Error::Work`]; nothing is noted then.
    pub fn failed(
        &mut self,
        name: &str,
        token: u64,
        why: &str,
        after: After,
        now_ms: u64,
    ) -> Result<bool, Error> {
        let Some((name, known)) = self.known.get_key_value(name) else { return Ok(false) };
        let (name, known) = (Arc::clone(name), *known);
        if known.place.state != State::Taken || known.place.order != token {
            return Ok(false);
        }
        let stored = self.read(&name)?;
        let record = Record::decode(&name, &stored).map_err(|what| self.store.error("read from", what))?;
        let place = match after {
            After::AgainAt(due_ms) if known.attempts < self.limits.attempts_max => {
                self.place(State::Delayed, due_ms)
            }
            _ => self.place(State::Dead, now_ms),
        };
        let mut change = Change::default();
        change.write(name, Record { place, why: cut(why), ..record });
        self.apply(change)?;
        Ok(true)
    }

    /// The names of up to `count` tasks that are done and not forgotten, the first done first.
    pub fn done_names(&self, count: usize) -> Vec<String> {
        self.names(State::Done).take(count).map(|name| name.as_ref().to_owned()).collect()
    }

    /// Forgets those of these tasks that are done.
    ///
    /// # Errors
    ///
    /// [`Error::Work`]; nothing is forgotten then.
    pub fn forget<'t>(&mut self, names: impl IntoIterator<Item = &'t str>) -> Result<(), Error> {
        let mut change = Change::default();
        for name in names {
            if let Some((name, known)) = self.known.get_key_value(name)
                && known.place.state == State::Done
            {
                change.remove(Arc::clone(name));
            }
        }
        self.apply(change)
    }

    /// How many tasks are where.
    pub fn stat(&self) -> WorkStat {
        let mut stat = WorkStat::default();
        for place in self.places.keys() {
            let count = match place.state {
                State::Ready => &mut stat.ready,
                State::Taken => &mut stat.taken,
                State::Delayed => &mut stat.delayed,
                State::Dead => &mut stat.dead,
                State::Done => &mut stat.done,
            };
            *count += 1;
        }
        let oldest = self.places.range(range(State::Ready)).next();
        stat.oldest_ready_ms = oldest.map(|(place, _)| place.moment_ms);
        stat
    }

    /// Up to `count` dead tasks, the oldest first.
    ///
    /// # Errors
    ///
    /// [`Error::Work`].
    pub fn dead(&self, count: usize) -> Result<Vec<DeadTask>, Error> {
        let dead = |name: &Arc<str>| {
            let stored = self.read(name)?;
            let record = Record::decode(name, &stored).map_err(|what| self.store.error("read from", what))?;
            Ok(DeadTask {
                name: name.as_ref().to_owned(),
                bytes: record.bytes.to_vec(),
                attempts: record.attempts,
                why: record.why.to_owned(),
                since_ms: record.place.moment_ms,
            })
        };
        self.names(State::Dead).take(count).map(dead).collect()
    }

    /// Makes dead tasks ready again, with all their attempts before them: those of these names, or all. Tells how many.
    ///
    /// # Errors
    ///
    /// [`Error::Work`]; nothing changes then.
    pub fn retry(&mut self, names: Option<&[String]>, now_ms: u64) -> Result<usize, Error> {
        let dead: Vec<_> = match names {
            None => self.names(State::Dead).cloned().collect(),
            Some(names) => {
                let found = names.iter().filter_map(|name| self.known.get_key_value(name.as_str()));
                let dead = found.filter(|(_, known)| known.place.state == State::Dead);
                dead.map(|(name, _)| Arc::clone(name)).collect()
            }
        };
        let mut change = Change::default();
        for name in dead {
            if !change.has(&name) {
                self.make_ready(&mut change, name, 0, now_ms)?;
            }
        }
        let count = change.known.len();
        self.apply(change)?;
        Ok(count)
    }

    /// Takes back what was taken at or before `until_ms`.
    fn release_taken(&mut self, until_ms: u64, now_ms: u64) -> Result<(), Error> {
        let mut change = Change::default();
        for (name, known) in self.up_to(State::Taken, until_ms) {
            if known.attempts < self.limits.attempts_max {
                self.make_ready(&mut change, name, known.attempts, now_ms)?;
            } else {
                let stored = self.read(&name)?;
                let record =
                    Record::decode(&name, &stored).map_err(|what| self.store.error("read from", what))?;
                let place = self.place(State::Dead, now_ms);
                change.write(name, Record { place, why: self.limits.never_back, ..record });
            }
        }
        self.apply(change)
    }

    fn release_delayed(&mut self, now_ms: u64) -> Result<(), Error> {
        let mut change = Change::default();
        for (name, known) in self.up_to(State::Delayed, now_ms) {
            self.make_ready(&mut change, name, known.attempts, now_ms)?;
        }
        self.apply(change)
    }

    fn make_ready(
        &mut self,
        change: &mut Change,
        name: Arc<str>,
        attempts: u32,
        now_ms: u64,
    ) -> Result<(), Error> {
        let stored = self.read(&name)?;
        let record = Record::decode(&name, &stored).map_err(|what| self.store.error("read from", what))?;
        let place = self.place(State::Ready, now_ms);
        change.write(name, Record { place, attempts, ..record });
        Ok(())
    }

    /// A place behind all others of the same moment.
    fn place(&mut self, state: State, moment_ms: u64) -> Place {
        let order = self.order_next;
        self.order_next += 1;
        Place { state, moment_ms, order }
    }

    fn names(&self, state: State) -> impl Iterator<Item = &Arc<str>> {
        self.places.range(range(state)).map(|(_, name)| name)
    }

    /// The tasks in a state whose moment has come.
    fn up_to(&self, state: State, until_ms: u64) -> Vec<(Arc<str>, Known)> {
        let found = self.places.range(range(state)).take_while(|(place, _)| place.moment_ms <= until_ms);
        found.map(|(_, name)| (Arc::clone(name), self.known[name])).collect()
    }

    fn read(&self, name: &str) -> Result<sled::IVec, Error> {
        let stored = self.store.tasks.get(name).map_err(|error| self.store.error("read from", error))?;
        stored.ok_or_else(|| self.store.error("read from", "a task is gone"))
    }

    /// On disk first: what memory knows is there.
    fn apply(&mut self, change: Change) -> Result<(), Error> {
        if change.known.is_empty() {
            return Ok(());
        }
        let _watched = Watched::begin();
        self.store.tasks.apply_batch(change.batch).map_err(|error| self.store.error("write to", error))?;
        self.store.db.flush().map_err(|error| self.store.error("flush", error))?;
        for (name, known) in change.known {
            if let Some(known) = self.known.remove(&name) {
                self.places.remove(&known.place);
            }
            if let Some(known) = known {
                self.places.insert(known.place, Arc::clone(&name));
                self.known.insert(name, known);
            }
        }
        Ok(())
    }
}

/// Some tasks' next records; all or none become true.
#[derive(Default)]
struct Change {
    batch: sled::Batch,
    /// None: the task goes.
    known: HashMap<Arc<str>, Option<Known>>,
}

impl Change {
    fn has(&self, name: &str) -> bool {
        self.known.contains_key(name)
    }

    fn write(&mut self, name: Arc<str>, record: Record<'_>) {
        self.batch.insert(name.as_bytes(), record.encode(&name));
        self.known.insert(name, Some(Known { place: record.place, attempts: record.attempts }));
    }

    fn remove(&mut self, name: Arc<str>) {
        self.batch.remove(name.as_bytes());
        self.known.insert(name, None);
    }
}

impl Store {
    fn error(&self, doing: &'static str, source: impl Into<Cause>) -> Error {
        Error::Work { doing, path: self.path.clone(), source: source.into() }
    }
}

/// All places of a state.
fn range(state: State) -> RangeInclusive<Place> {
    let end = |at: u64| Place { state, moment_ms: at, order: at };
    end(0)..=end(u64::MAX)
}

fn cut(why: &str) -> &str {
    &why[..why.floor_char_boundary(WHY_BYTES_MAX)]
}
