//! The first checkpoint: all that recovery found, written before anybody changes it.
//!
//! A later one holds what changed since the one before. This one has none before it: after an upgrade, an import, or damage to the
//! chain that there was. It costs the start some seconds once, where a shop has millions of orders, and no shard a pause.

use std::cell::RefCell;

use holdfast_domain::Timestamp;
use holdfast_persistence::checkpoint::{Info, Kind};
use holdfast_persistence::{Block, CheckpointWriter, Checkpoints, Error, Mark, Partition};

use crate::image::{Key, Packer, Sink, pack_into};
use crate::recovery::{Changed, Recovered};
use crate::slots::Slots;

/// The checkpoint on which the next builds: the newest, where recovery began with it, else one that is written now. Blocks on
/// the disk. Said twice, it is written once.
///
/// # Errors
///
/// Those of reading and writing it; what was recovered is as good as before.
///
/// # Panics
///
/// Never: a journal counts its partitions in 16 bits.
pub fn write_first(files: &Checkpoints, recovered: &mut Recovered, now: Timestamp) -> Result<Info, Error> {
    if let Some(info) = known(files, recovered) {
        return Ok(info);
    }
    let partitions = recovered.head.partitions();
    let count = u16::try_from(partitions.len()).expect("a journal counts its partitions in 16 bits");
    let mut writer = files.begin(Kind::Whole)?;
    let file = RefCell::new((&mut writer, Ok(())));
    let sink = |number| InFile { file: &file, block: Block::new(Partition(number)) };
    let mut packers: Vec<_> = (0..count).map(|number| Packer::into(sink(number))).collect();
    pack_into(&(&*recovered).into(), &mut packers);
    // The journal does not say yet that these are closed, and will behind this.
    let slots = Slots::new(count, 1);
    for ((from, to), (_, cart)) in recovered.startup.close.iter().zip(&recovered.startup.open) {
        packers[usize::from(slots.partition(from.0).0)].cart(*from, cart);
        packers[usize::from(slots.partition(to.0).0)].absorbed(*from, *to, now);
    }
    for packer in packers {
        packer.into_sink().put();
    }
    file.into_inner().1?;
    let reflects = partitions.iter().map(|partition| partition.sequence).collect();
    let info = writer.finish(&Mark { head: recovered.head.clone(), reflects, at_ms: now.0 })?;
    recovered.changed = Changed::Keys(vec![Default::default(); usize::from(count)]);
    recovered.builds_on = Some(info.number);
    Ok(info)
}

/// The newest checkpoint, if recovery tells what changed since that one.
fn known(files: &Checkpoints, recovered: &Recovered) -> Option<Info> {
    let builds_on = recovered.builds_on.filter(|_| recovered.changed != Changed::Everything)?;
    // A chain that is damaged is as good as none.
    let newest = files.newest().ok()??;
    (newest.number() == builds_on).then(|| newest.files().last().cloned())?
}

/// Entries of one partition on their way into the file.
struct InFile<'s, 'w> {
    file: &'s RefCell<File<'w>>,
    block: Block,
}

/// The file, and whether all was well until now.
type File<'w> = (&'w mut CheckpointWriter, Result<(), Error>);

impl InFile<'_, '_> {
    fn put(&mut self) {
        let (writer, so_far) = &mut *self.file.borrow_mut();
        if so_far.is_ok() {
            *so_far = writer.put(&self.block);
        }
        self.block.clear();
    }
}

impl Sink for InFile<'_, '_> {
    fn push(&mut self, key: Key, value: Option<&[u8]>) {
        self.block.push(key.to_bytes().as_ref(), value);
        if self.block.is_full() {
            self.put();
        }
    }
}
