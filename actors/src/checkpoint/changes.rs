//! What changed in one partition since the last checkpoint began, and what of it waits to be packed.
//!
//! Turns come through [`Changes::touch`] before each change: one key more in a list, and while a checkpoint is taken one
//! look into a set. The sets are many small ones, so that growing one never pauses its thread for long, and keys lie loose
//! before they come into theirs: most are of new orders and reservations, each in another place of a large table, and a
//! miss of every cache for each of them was a sixth of the time of a batch.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault};
use std::time::{Duration, Instant};

use holdfast_domain::{CartId, Timestamp};
use holdfast_persistence::{Block, Partition};

use crate::image::{Key, KeyHasher, KeySet, Packer};

/// Sets that all partitions of a journal have together. With ten million keys the largest table takes half a
/// millisecond to grow.
const SETS: usize = 1024;

/// At least so many keys lie loose before they come into their set.
const LOOSE_MIN: usize = 64;

/// Keys in one piece of a [`Pile`].
const PIECE_KEYS: usize = 4096;

/// How many pieces are let go at once: with millions of keys, all of them would be a pause.
const FORGET_PIECES: usize = 64;

/// See the module. Lives and dies on the shard's thread.
#[derive(Default)]
pub(crate) struct Changes {
    is_kept: Cell<bool>,
    /// Raised whenever all that was noted is noted no longer; 0 as long as nothing ever was.
    epoch: Cell<u64>,
    /// Nothing where no checkpoints are taken.
    noted: RefCell<Option<Noted>>,
    /// The longest that a turn packed something for a checkpoint.
    capture_max: Cell<Duration>,
}

struct Noted {
    partition: Partition,
    sets: usize,
    /// Since the last checkpoint began.
    changed: Sets,
    packing: Option<Packing>,
    /// Carts whose lines another one has, for as long as their keys are in one of the sets: nothing else remembers.
    absorbed: HashMap<CartId, (CartId, Timestamp)>,
}

/// A checkpoint under way.
struct Packing {
    /// Still to be packed, as it was when the checkpoint began. Nothing of it has changed since.
    waiting: Sets,
    /// What was packed, to be put back should the checkpoint come to nothing.
    packed: Pile,
    /// Of that, the carts whose lines another one has.
    absorbed: Vec<CartId>,
    /// Those that nobody has just now. Each is taken out while something is packed, so that nothing here is borrowed meanwhile; what
    /// is packed in the middle of that gets another one.
    packers: Vec<Packer>,
    /// The set that the walker takes from.
    cursor: usize,
    /// Taken from it: some may be packed meanwhile.
    taken: Vec<Key>,
}

/// Keys in many small sets.
#[derive(Default)]
struct Sets {
    sets: Box<[LooseSet]>,
}

/// Keys, each once, but for those that still lie loose: these may be there twice, and in the set as well.
#[derive(Default)]
struct LooseSet {
    set: KeySet,
    loose: Vec<Key>,
}

/// Keys in the order in which they came; grows without copying.
#[derive(Default)]
struct Pile {
    pieces: Vec<Vec<Key>>,
}

impl Changes {
    /// From now on changes are noted, behind a checkpoint since which `changed` changed.
    pub(crate) fn keep(
        &self,
        partition: Partition,
        partitions: usize,
        changed: impl IntoIterator<Item = Key>,
    ) {
        let sets = (SETS / partitions.max(1)).max(1);
        let mut noted =
            Noted { partition, sets, changed: Sets::new(sets), packing: None, absorbed: HashMap::new() };
        changed.into_iter().for_each(|key| noted.changed.insert(key));
        self.noted.replace(Some(noted));
        self.is_kept.set(true);
        self.epoch.update(|epoch| epoch + 1);
    }

    /// Whether changes are noted.
    pub(crate) fn is_kept(&self) -> bool {
        self.is_kept.get()
    }

    /// Notes that the thing of `key` is about to change. `before` packs it as it is, where a checkpoint waits for that.
    pub(crate) fn touch(&self, key: Key, before: impl FnOnce(&mut Packer)) {
        if self.note(key) {
            let began = Instant::now();
            self.pack(before);
            self.capture_max.set(self.capture_max.get().max(began.elapsed()));
        }
    }

    /// The same for a thing that remembers in `noted_in` when it was noted last: most turns of a hot product then look into no set.
    pub(crate) fn touch_again(&self, noted_in: &Cell<u64>, key: Key, before: impl FnOnce(&mut Packer)) {
        let epoch = self.epoch.get();
        if noted_in.replace(epoch) != epoch {
            self.touch(key, before);
        }
    }

    /// Notes that the thing of `key` changes; says whether it is to be packed before. Then it counts as packed.
    fn note(&self, key: Key) -> bool {
        let mut noted = self.noted.borrow_mut();
        let Some(noted) = noted.as_mut() else { return false };
        noted.changed.insert(key);
        noted.packing.as_mut().is_some_and(|packing| packing.take(key))
    }

    /// Notes a thing that the next checkpoint is to hold though it does not change.
    pub(crate) fn note_changed(&self, key: Key) {
        if let Some(noted) = self.noted.borrow_mut().as_mut() {
            noted.changed.insert(key);
        }
    }

    /// Notes that the lines of cart `from` are `to`'s now.
    pub(crate) fn note_absorbed(&self, from: CartId, to: CartId, at: Timestamp) {
        if let Some(noted) = self.noted.borrow_mut().as_mut() {
            noted.changed.insert(Key::Absorbed(from));
            noted.absorbed.insert(from, (to, at));
        }
    }

    /// Which cart has the lines of `from`, if that is to be packed.
    pub(crate) fn absorbed(&self, from: CartId) -> Option<(CartId, Timestamp)> {
        self.noted.borrow().as_ref()?.absorbed.get(&from).copied()
    }

    /// Begins a checkpoint: whatever changed until now waits to be packed.
    ///
    /// # Panics
    ///
    /// While one is under way.
    pub(crate) fn begin(&self) {
        let mut noted = self.noted.borrow_mut();
        let Some(noted) = noted.as_mut() else { return };
        assert!(noted.packing.is_none(), "one checkpoint at a time");
        self.epoch.update(|epoch| epoch + 1);
        noted.packing = Some(Packing {
            waiting: std::mem::replace(&mut noted.changed, Sets::new(noted.sets)),
            packed: Pile::default(),
            absorbed: Vec::new(),
            packers: Vec::new(),
            cursor: 0,
            taken: Vec::new(),
        });
    }

    /// The next key that waits, marked as packed: whoever asks packs it at once. None when nothing waits any more.
    pub(crate) fn next_waiting(&self) -> Option<Key> {
        let mut noted = self.noted.borrow_mut();
        let packing = noted.as_mut()?.packing.as_mut()?;
        loop {
            while let Some(key) = packing.taken.pop() {
                if packing.take(key) {
                    return Some(key);
                }
            }
            let set = packing.waiting.sets.get_mut(packing.cursor)?.whole();
            packing.taken.extend(set.iter());
            packing.cursor += 1;
        }
    }

    /// Lends a packer of the checkpoint under way. Meanwhile anything may be asked of this.
    pub(crate) fn pack(&self, pack: impl FnOnce(&mut Packer)) {
        let lend = |noted: &mut Noted| {
            let packing = noted.packing.as_mut()?;
            Some(packing.packers.pop().unwrap_or_else(|| Packer::new(noted.partition)))
        };
        let Some(mut packer) = self.noted.borrow_mut().as_mut().and_then(lend) else { return };
        pack(&mut packer);
        if let Some(packing) = self.noted.borrow_mut().as_mut().and_then(|noted| noted.packing.as_mut()) {
            packing.packers.push(packer);
        }
    }

    /// What is packed so far, in whole blocks; with `is_all` the rest as well.
    pub(crate) fn take_blocks(&self, is_all: bool) -> Vec<Block> {
        let mut noted = self.noted.borrow_mut();
        let Some(packing) = noted.as_mut().and_then(|noted| noted.packing.as_mut()) else {
            return Vec::new();
        };
        if is_all {
            return packing.packers.drain(..).flat_map(Packer::finish).collect();
        }
        packing.packers.iter_mut().flat_map(Packer::take_full).collect()
    }

    /// The checkpoint stands: nothing of what was packed is needed any more. Lets some of it go; says whether that was all.
    pub(crate) fn forget(&self) -> bool {
        let mut noted = self.noted.borrow_mut();
        let Some(noted) = noted.as_mut() else { return true };
        let Some(packing) = noted.packing.as_mut() else { return true };
        for from in packing.absorbed.drain(..) {
            noted.absorbed.remove(&from);
        }
        let pieces = &mut packing.packed.pieces;
        pieces.truncate(pieces.len().saturating_sub(FORGET_PIECES));
        let is_done = pieces.is_empty();
        if is_done {
            noted.packing = None;
        }
        is_done
    }

    /// The checkpoint came to nothing: puts back up to `count_max` of what was to be in it. Says whether that was all.
    pub(crate) fn put_back(&self, count_max: usize) -> bool {
        let mut noted = self.noted.borrow_mut();
        let Some(noted) = noted.as_mut() else { return true };
        let Some(packing) = noted.packing.as_mut() else { return true };
        // From now on nothing waits for being packed: what is left in the sets is only carried over.
        let keys = std::iter::from_fn(|| {
            loop {
                if let Some(key) = packing.packed.pop().or_else(|| packing.taken.pop()) {
                    return Some(key);
                }
                let set = packing.waiting.sets.iter_mut().find(|set| !set.is_empty())?;
                packing.taken.extend(set.whole().drain());
            }
        });
        let mut count = 0;
        for key in keys.take(count_max) {
            noted.changed.insert(key);
            count += 1;
        }
        let is_done = count < count_max;
        if is_done {
            noted.packing = None;
        }
        is_done
    }

    /// The longest that a turn packed something since this was asked last.
    pub(crate) fn take_capture_max(&self) -> Duration {
        self.capture_max.take()
    }
}

impl Packing {
    /// Whether that waits to be packed; from now on it does not any more.
    fn take(&mut self, key: Key) -> bool {
        let is_waiting = self.waiting.remove(&key);
        if is_waiting {
            self.packed.push(key);
            if let Key::Absorbed(from) = key {
                self.absorbed.push(from);
            }
        }
        is_waiting
    }
}

impl Sets {
    fn new(sets: usize) -> Self {
        Self { sets: (0..sets).map(|_| LooseSet::default()).collect() }
    }

    fn insert(&mut self, key: Key) {
        let index = self.index(&key);
        self.sets[index].insert(key);
    }

    fn remove(&mut self, key: &Key) -> bool {
        let index = self.index(key);
        self.sets[index].whole().remove(key)
    }

    fn index(&self, key: &Key) -> usize {
        // Neither the highest bits nor the lowest: the tables use those.
        let bits = BuildHasherDefault::<KeyHasher>::default().hash_one(key) >> 32 & 0xffff;
        usize::try_from(bits).expect("16 bits") % self.sets.len()
    }
}

impl LooseSet {
    fn insert(&mut self, key: Key) {
        self.loose.push(key);
        // As many at once as there are already: a table that is read for one of them is read for its neighbours as well.
        if self.loose.len() >= self.set.len().max(LOOSE_MIN) {
            self.whole();
        }
    }

    /// All of it.
    fn whole(&mut self) -> &mut KeySet {
        self.set.extend(self.loose.drain(..));
        &mut self.set
    }

    fn is_empty(&self) -> bool {
        self.set.is_empty() && self.loose.is_empty()
    }
}

impl Pile {
    fn push(&mut self, key: Key) {
        match self.pieces.last_mut() {
            Some(piece) if piece.len() < PIECE_KEYS => piece.push(key),
            _ => self.pieces.push(vec![key]),
        }
    }

    fn pop(&mut self) -> Option<Key> {
        let piece = self.pieces.last_mut()?;
        let key = piece.pop();
        if piece.is_empty() {
            self.pieces.pop();
        }
        key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cart(number: u128) -> Key {
        Key::Cart(CartId(number))
    }

    fn kept(count: u128) -> Changes {
        let changes = Changes::default();
        changes.keep(Partition(3), 16, (0..count).map(cart));
        changes.begin();
        changes
    }

    fn entries(changes: &Changes) -> u32 {
        changes.take_blocks(true).iter().map(Block::entries).sum()
    }

    #[test]
    fn what_changes_while_something_is_packed_is_packed_as_well() {
        let changes = kept(3);
        changes.touch(cart(0), |packer| {
            packer.gone(cart(0));
            changes.touch(cart(1), |packer| {
                packer.gone(cart(1));
                changes.touch(cart(1), |_| panic!("it is packed once"));
            });
            changes.note_absorbed(CartId(7), CartId(8), Timestamp(9));
            assert_eq!(changes.absorbed(CartId(7)), Some((CartId(8), Timestamp(9))));
        });
        assert_eq!(changes.next_waiting(), Some(cart(2)));
        changes.pack(|packer| {
            packer.gone(cart(2));
            changes.touch(cart(3), |_| panic!("it does not wait"));
        });
        assert_eq!(changes.next_waiting(), None);
        assert_eq!(entries(&changes), 3);
        assert!(changes.forget());
        // For the next one there are those that changed meanwhile.
        changes.begin();
        let mut again: Vec<_> = std::iter::from_fn(|| changes.next_waiting()).collect();
        again.sort_unstable();
        assert_eq!(again, [cart(0), cart(1), cart(3), Key::Absorbed(CartId(7))]);
    }

    #[test]
    fn what_is_not_needed_any_more_goes_a_little_at_a_time() {
        let pieces = FORGET_PIECES + 1;
        let count = u128::try_from(pieces * PIECE_KEYS).expect("a count");
        let changes = kept(count);
        while changes.next_waiting().is_some() {}
        assert!(!changes.forget(), "not all of {count} at once");
        assert!(changes.forget());
        assert!(changes.forget(), "nothing is under way");
        changes.begin();
        assert_eq!(changes.next_waiting(), None);
    }

    #[test]
    fn checkpoint_that_came_to_nothing_leaves_all_of_it_to_the_next() {
        let changes = kept(100);
        changes.note_absorbed(CartId(7), CartId(8), Timestamp(9));
        for _ in 0..30 {
            changes.next_waiting().expect("more wait");
        }
        while !changes.put_back(7) {}
        changes.begin();
        assert_eq!(std::iter::from_fn(|| changes.next_waiting()).count(), 101);
        assert!(changes.absorbed(CartId(7)).is_some());
        assert!(changes.forget());
        assert!(changes.absorbed(CartId(7)).is_none(), "it is in a checkpoint");
    }
}
