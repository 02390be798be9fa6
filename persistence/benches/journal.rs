//! What bytes that stay cost: a frame made and read, and a checkpoint's entries written.
//!
//! `cargo bench -p holdfast-persistence`. Frames are made in memory; checkpoints are files in a temporary folder of the disk
//! that `TMPDIR` names, synced as the server's are.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use holdfast_persistence::checkpoint::Kind;
use holdfast_persistence::{
    BatchNumber, Block, Checkpoints, EncodedFrame, Epoch, Folder, Frame, FrameBuilder, FrameHash, Head,
    JournalId, Mark, Partition, RecordHeader, Sequence,
};

const ID: JournalId = JournalId([7; 16]);
const PARTITIONS: u16 = 16;
/// About what a purchase takes.
const PAYLOAD: [u8; 120] = [0x5a; 120];
const ENTRIES: u32 = 50_000;
const ENTRY: [u8; 100] = [0x5a; 100];

fn frames(bencher: &mut Criterion) {
    let mut group = bencher.benchmark_group("frame");
    for count in [1, 64, 2_048] {
        group.throughput(Throughput::Elements(count));
        group.bench_function(format!("encode, {count} records"), |bench| {
            bench.iter_batched_ref(
                || Some(FrameBuilder::new()),
                |builder| encoded(builder.take().expect("one for each"), count),
                BatchSize::SmallInput,
            );
        });
        let frame = encoded(FrameBuilder::new(), count);
        group.bench_function(format!("decode, {count} records"), |bench| {
            bench.iter(|| {
                let frame = Frame::decode(black_box(frame.bytes())).expect("it is sound");
                let read: u64 = frame.records().map(|record| record.header.sequence.0).sum();
                assert_eq!(read, count * (count + 1) / 2);
            });
        });
    }
    group.finish();
}

fn encoded(mut builder: FrameBuilder, count: u64) -> EncodedFrame {
    for sequence in 1..=count {
        let header = RecordHeader {
            partition: Partition(0),
            epoch: Epoch(1),
            sequence: Sequence(sequence),
            time_ms: 1_700_000_000_000,
        };
        builder.push(&header, &PAYLOAD);
    }
    builder.finish(BatchNumber(1), FrameHash::genesis(ID))
}

fn checkpoints(bencher: &mut Criterion) {
    let data = tempfile::tempdir().expect("a temporary folder");
    let folder = Folder::open(data.path()).expect("nobody else has it");
    let checkpoints = Checkpoints::open(&folder, ID, PARTITIONS).expect("it is empty");
    let mut group = bencher.benchmark_group("checkpoint");
    group.throughput(Throughput::Elements(ENTRIES.into())).sample_size(10);
    group.bench_function("write and sync", |bench| bench.iter(|| write(&checkpoints)));
    write(&checkpoints);
    let newest = checkpoints.newest().expect("it reads").expect("it was written");
    group.bench_function("load", |bench| {
        bench.iter(|| {
            let mut entries = 0;
            let loaded = newest.load(&|_| true, &mut |_, _, _| {
                entries += 1;
                Ok(())
            });
            loaded.expect("it is sound");
            assert_eq!(entries, ENTRIES);
        });
    });
    group.finish();
}

fn write(checkpoints: &Checkpoints) {
    let mut writer = checkpoints.begin(Kind::Whole).expect("the folder can be written to");
    let mut blocks: Vec<_> = (0..PARTITIONS).map(|at| Block::new(Partition(at))).collect();
    for number in 0..ENTRIES {
        // Without an order, as ids are.
        let key = number.wrapping_mul(0x9e37_79b1).to_be_bytes();
        let block = &mut blocks[usize::from(key[0] % 16)];
        block.push(&key, Some(&ENTRY));
        if block.is_full() {
            writer.put(block).expect("there is room");
            block.clear();
        }
    }
    blocks.iter().for_each(|block| writer.put(block).expect("there is room"));
    let reflects = vec![Sequence(0); PARTITIONS.into()];
    let mark = Mark { head: Head::genesis(ID, PARTITIONS), reflects, at_ms: 0 };
    writer.finish(&mark).expect("there is room");
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = frames, checkpoints
}
criterion_main!(benches);
