//! Checkpoints of a world: begun at any moment, packed a little now and then while everybody goes on, kept or given up; and
//! what is recovered from them.
//!
//! A file is held against what was in memory when it began, key by key: that finds the fact which somebody forgot to tell of.
//! After a crash the newest chain with what follows it is held against the whole journal.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_domain::Timestamp;
use holdfast_domain::hold::State;
use holdfast_domain::idempotency::KEY_KEPT;
use holdfast_domain::reservation::CLOSED_KEPT;
use holdfast_persistence::checkpoint::Kind;
use holdfast_persistence::{
    Block, Checkpoints, Folder, JournalId, Mark, MemoryDisk, MemoryJournal, Partition,
};
use tempfile::TempDir;

use crate::accounts::AccountBook;
use crate::categories::CategoryBook;
use crate::checkpoint::things::{Office, Things};
use crate::checkpoint::{self, walk};
use crate::image::{self, Image, Key, Packer, pack_all};
use crate::keys::Keys;
use crate::mails::Unsents;
use crate::prices::PriceBook;
use crate::recovery::{Plan, Recovered, recover, recover_from};
use crate::turn::Live;

use super::super::Rng;
use super::process::Process;

/// How often, in a thousand steps, a checkpoint begins.
const BEGIN_PER_MILLE: u64 = 12;
/// How often, in a hundred steps, the walkers pack a little.
const WALK_PERCENT: u64 = 25;
/// How often, in a hundred, a checkpoint comes to nothing.
const FAILURE_PERCENT: u64 = 15;

/// Of so many recoveries one finds no chain, and a new one begins.
const WITHOUT_CHAIN: u64 = 5;

/// Entries by key.
type Entries = BTreeMap<Key, Box<[u8]>>;

/// The checkpoints of a world, in real files.
pub(super) struct Chain {
    files: Checkpoints,
    under_way: Option<UnderWay>,
    recoveries: u64,
    _folder: TempDir,
}

struct UnderWay {
    mark: Mark,
    /// What was in memory when it began.
    expected: Entries,
    /// Still to be walked.
    partitions: Vec<Partition>,
    blocks: Vec<Block>,
}

/// What a shard has, as the walker sees it.
struct Shelf<'p> {
    process: &'p Process,
    accounts: AccountBook,
    categories: CategoryBook,
}

impl Chain {
    /// None yet.
    pub(super) fn new(id: JournalId, partitions: u16) -> Self {
        // No machine crashes here: what is synced need not reach a disk.
        let in_memory = tempfile::tempdir_in("/dev/shm");
        let folder = in_memory.or_else(|_| tempfile::tempdir()).expect("there is room for a folder");
        let data = Folder::open(folder.path()).expect("a new folder is nobody's");
        let files = Checkpoints::open(&data, id, partitions).expect("an empty folder is sound");
        Self { files, under_way: None, recoveries: 0, _folder: folder }
    }

    /// What the newest chain and the journal give; the same as the whole journal gives (INV-7).
    pub(super) fn recover(&mut self, disk: &MemoryDisk, journal: &mut MemoryJournal) -> Recovered {
        self.under_way = None;
        let whole = recover(&mut disk.journal()).expect("a crash leaves a sound journal");
        let newest = self.files.newest().expect("the files are sound");
        self.recoveries += 1;
        let is_used = !self.recoveries.is_multiple_of(WITHOUT_CHAIN);
        let Some(checkpoint) = newest.filter(|_| is_used) else {
            return recover(journal).expect("it is sound again");
        };
        let plan = Plan { checkpoint: Some(&checkpoint), ..Plan::default() };
        let recovered = recover_from(journal, &plan).expect("what is behind a checkpoint is there");
        assert_eq!(recovered.startup, whole.startup, "a checkpoint leaves nothing untold");
        assert_eq!(recovered.head, whole.head);
        let (entries, expected) = (pack_all(&(&recovered).into()), pack_all(&(&whole).into()));
        let mut keys = entries.keys().chain(expected.keys());
        if let Some(key) = keys.find(|key| entries.get(key) != expected.get(key)) {
            let (found, wanted) = (image_of(&entries, *key), image_of(&expected, *key));
            panic!("INV-7: a checkpoint and what follows say of {key:?} {found:?}, and not {wanted:?}");
        }
        recovered
    }

    /// Writes the first, or goes on from the one that recovery began with.
    pub(super) fn begin_with(&self, recovered: &mut Recovered, now: Timestamp) {
        checkpoint::write_first(&self.files, recovered, now).expect("the disk has room");
    }

    /// Some step of a checkpoint, or none.
    pub(super) fn step(&mut self, rng: &mut Rng, process: &Process, disk: &MemoryDisk, now: Timestamp) {
        let Some(mut under_way) = self.under_way.take() else {
            let begins = rng.below(1000) < BEGIN_PER_MILLE;
            self.under_way = begins.then(|| UnderWay::begin(process, disk, now));
            return;
        };
        if rng.percent(WALK_PERCENT) && under_way.walk(rng, process) {
            self.end(under_way, rng, process, now);
        } else {
            self.under_way = Some(under_way);
        }
    }

    fn end(&mut self, under_way: UnderWay, rng: &mut Rng, process: &Process, now: Timestamp) {
        let UnderWay { mark, expected, blocks, .. } = under_way;
        // What it reflects must be durable; a crash may come instead.
        let is_durable = process.door.queue.gate().is_durable(process.door.queue.last_ticket());
        let is_kept = is_durable && !rng.percent(FAILURE_PERCENT);
        if is_kept {
            let mut writer = self.files.begin(Kind::Increment).expect("the disk has room");
            blocks.iter().for_each(|block| writer.put(block).expect("the disk has room"));
            writer.finish(&mark).expect("the disk has room");
            compare(&self.entries(), &expected, now);
            if rng.percent(20) {
                checkpoint::merge(&self.files, true, &|_| true).expect("the disk has room");
                compare(&self.entries(), &expected, now);
            }
        }
        for partition in process.partitions() {
            let changes = &process.turns_of(partition).partition(partition).changes;
            if is_kept { while !changes.forget() {} } else { while !changes.put_back(3) {} }
        }
    }

    /// What the newest chain says.
    fn entries(&self) -> Entries {
        let chain = self.files.newest().expect("the files are sound").expect("there is one");
        let (mut entries, mut seen) = (Entries::new(), BTreeSet::new());
        let mut take = |partition: Partition, key: &[u8], value: &[u8]| {
            let key = Key::from_bytes(key).expect("only keys were packed");
            assert!(seen.insert((partition, key)), "{key:?} comes twice in {partition:?}");
            let twin = entries.insert(key, value.into());
            // Products of two partitions may be described in the same words; each partition has an entry for that.
            let is_named = matches!(key, Key::Description(_) | Key::Variant(_));
            assert!(twin.is_none_or(|twin| is_named && *twin == *value), "{key:?} is two things");
            Ok(())
        };
        chain.load(&|_| true, &mut take).expect("the files are sound");
        entries
    }
}

impl UnderWay {
    fn begin(process: &Process, disk: &MemoryDisk, now: Timestamp) -> Self {
        let expected = entries_of(process);
        let partitions: Vec<_> = process.partitions().collect();
        let begin =
            |partition: &Partition| walk::begin_all(process.turns_of(*partition), &[*partition]).reflects;
        let reflects = partitions.iter().flat_map(begin).map(|(_, sequence)| sequence).collect();
        let head = recover(&mut disk.crash().journal()).expect("the journal is sound").head;
        Self { mark: Mark { head, reflects, at_ms: now.0 }, expected, partitions, blocks: Vec::new() }
    }

    /// Packs a few things of any partition; says whether all is packed.
    fn walk(&mut self, rng: &mut Rng, process: &Process) -> bool {
        let place = usize::try_from(rng.below(1024)).expect("it is small") % self.partitions.len();
        let partition = self.partitions[place];
        let turns = process.turns_of(partition);
        let things = Shelf { process, accounts: AccountBook::default(), categories: CategoryBook::default() };
        let is_done = walk::pack_some(turns, partition, &things, || true);
        self.blocks.extend(turns.partition(partition).changes.take_blocks(is_done));
        if is_done {
            self.partitions.swap_remove(place);
        }
        self.partitions.is_empty()
    }
}

impl Things for Shelf<'_> {
    fn look_at(&self, id: holdfast_domain::ProductId, look: &mut dyn FnMut(Option<&Live>)) {
        look(self.process.products.borrow().get(&id));
    }

    fn look_at_office(&self, look: &mut dyn FnMut(Office<'_>)) {
        let prices: &PriceBook = &self.process.prices;
        look(Office { accounts: &self.accounts, prices, categories: &self.categories });
    }

    fn keys(&self) -> &Keys {
        &self.process.door.keys
    }

    fn unsents(&self) -> &Unsents {
        self.process.door.directory().unsents()
    }
}

/// What is in memory.
fn entries_of(process: &Process) -> Entries {
    let mut packer = Packer::into(Entries::new());
    for live in process.products.borrow().values() {
        let Some(product) = &live.product else { continue };
        let holds = product.reservations().keys().map(|id| Key::Hold(live.id, *id));
        let commitments = product.commitments().keys().map(|id| Key::Commitment(live.id, *id));
        let units = product.counted().keys().map(|buyer| Key::Units(live.id, *buyer));
        let books = process.turns_of(live.partition).partition(live.partition).books.borrow();
        for key in [Key::Product(live.id)].into_iter().chain(holds).chain(commitments).chain(units) {
            packer.of_product(key, Some((product, live.last_sequence)), &books.orders);
        }
    }
    for books in process.door.books() {
        let orders = books.orders.placed().map(|order| order.id);
        let orders = orders.chain(books.orders.purchases().map(|(id, _)| id)).map(Key::Order);
        let reservations = books.reservations.iter().map(|(id, _)| Key::Reservation(id));
        let carts = books.carts.iter().map(|(id, _)| Key::Cart(id));
        orders.chain(reservations).chain(carts).for_each(|key| packer.of_books(key, &books));
    }
    packer.accounts(AccountBook::default().last_sequence);
    packer.price_rules(&process.prices.list, process.prices.last_sequence);
    let categories = CategoryBook::default();
    packer.categories(&categories.categories, categories.last_sequence);
    let unsents = process.door.directory().unsents();
    packer.mails(unsents.begun().expect("a process says so when it starts"));
    let unsent = unsents.page(None, usize::MAX, process.door.queue.last_ticket());
    unsent.into_iter().for_each(|it| packer.unsent(it.about, it.at));
    process.door.keys.each(|request, kept, at| packer.request(request, kept, at));
    packer.into_sink()
}

/// A checkpoint says what was in memory. Of what is forgotten some time nobody says when.
fn compare(entries: &Entries, expected: &Entries, now: Timestamp) {
    for key in entries.keys().chain(expected.keys()) {
        if entries.get(key) != expected.get(key) && !is_forgotten(entries, expected, *key, now) {
            let (found, wanted) = (image_of(entries, *key), image_of(expected, *key));
            panic!("INV-7: the checkpoint says of {key:?} {found:?}, and not {wanted:?}");
        }
    }
}

fn is_forgotten(entries: &Entries, expected: &Entries, key: Key, now: Timestamp) -> bool {
    if matches!(key, Key::Absorbed(_) | Key::Description(_) | Key::Variant(_)) {
        return true;
    }
    let mut found = [entries, expected].into_iter().filter_map(|entries| image_of(entries, key));
    found.all(|image| match image {
        Image::Request { at, .. } => now.since(at) >= KEY_KEPT,
        Image::Reservation(it) => it.hold.state != State::Active && now.since(it.updated_at) >= CLOSED_KEPT,
        _ => false,
    })
}

fn image_of(entries: &Entries, key: Key) -> Option<Image> {
    let mut reader = image::Reader::default();
    // Variants name their descriptions, which come first by their tag.
    for (key, value) in entries.iter().filter(|(key, _)| matches!(key, Key::Description(_) | Key::Variant(_)))
    {
        reader.read(key.to_bytes().as_ref(), value).expect("it was packed");
    }
    let value = entries.get(&key)?;
    Some(reader.read(key.to_bytes().as_ref(), value).expect("it was packed").1)
}
