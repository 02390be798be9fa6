//! How long a walk into the past of one hot product takes: records in frames of one, and in frames of many.
//!
//! `cargo run --release -p holdfast-actors --example past_walk -- RECORDS`. The bound of `ledger::past` rests on it.

use std::error::Error;
use std::time::{Duration, Instant};

use holdfast_actors::ledger::Account;
use holdfast_actors::ledger::past::{self, Moment, Present};
use holdfast_actors::record::{Entity, Events, Turn, encode};
use holdfast_actors::{Actor, Position, RequestId};
use holdfast_domain::product::{Event, Levels, Reason, VariantNo};
use holdfast_domain::{ProductId, Sku, Timestamp, Units};
use holdfast_persistence::{
    Epoch, Folder, FrameBuilder, Head, Journal as _, Partition, RecordHeader, Sequence, SledJournal,
    Store as _, sled_journal,
};

fn main() -> Result<(), Box<dyn Error>> {
    let records: u64 = std::env::args().nth(1).unwrap_or_else(|| "100000".to_owned()).parse()?;
    for per_frame in [1, 64, 400] {
        walk(records, per_frame)?;
    }
    Ok(())
}

fn walk(records: u64, per_frame: u64) -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let held = Folder::open(folder.path())?;
    let mut journal = SledJournal::open(&held, sled_journal::Options::default())?;
    let from = Head::before(&journal);
    let head = journal.recover(from, &mut |_| Ok(()))?.head;
    let (mut batch, mut hash) = (head.next_batch(), head.last_hash());
    let mut frames = Vec::new();
    let mut frame = FrameBuilder::new();
    for sequence in 1..=records {
        let (partition, sequence) = (Partition(0), Sequence(sequence));
        let header = RecordHeader { partition, epoch: Epoch(1), sequence, time_ms: sequence.0 };
        frame.push(&header, &encode(&adjusted(sequence.0), Vec::new()));
        if sequence.0 % per_frame == 0 || sequence.0 == records {
            let finished = std::mem::replace(&mut frame, FrameBuilder::new()).finish(batch, hash);
            (batch, hash) = (batch.next(), finished.hash());
            frames.push(finished);
        }
        // One sync for many: how they were written plays no part here.
        if frames.len() >= 1_000 || sequence.0 == records {
            journal.append(&frames)?;
            frames.clear();
        }
    }
    let units = u32::try_from(records)?;
    let levels = Levels { available: Units(units), ..Levels::default() };
    let sku = Sku::new("HOT").ok_or("it is a sku")?;
    let present =
        Present { sequence: Sequence(records), sku, levels, version: units, updated_at: Timestamp(records) };
    let account = Account { product: ProductId(1), partition: Partition(0), variant: VariantNo(0) };
    let reader = journal.reader();
    let started = Instant::now();
    let moment = Moment::After(Position { partition: Partition(0), sequence: Sequence(2) });
    let found = past::read(&reader, account, &present, moment, started + Duration::from_secs(600))?;
    println!("{records} records, {per_frame} a frame: {:.3?}, {found:?}", started.elapsed());
    Ok(())
}

fn adjusted(sequence: u64) -> Turn {
    let event = Event::Adjusted {
        variant: VariantNo(0),
        delta: 1,
        reason: Reason::Received,
        reference: None,
        note: Some("a note of the usual length, more or less".into()),
    };
    Turn {
        request_id: RequestId::Made(1),
        actor: Actor::System,
        entity: Entity::Product(ProductId(1)),
        previous: sequence - 1,
        key: None,
        events: Events::Product(vec![event]),
    }
}
