//! Frames: their bytes are fixed, and nothing read back is believed.

use holdfast_persistence::frame::FRAME_BYTES_LIMIT;
use holdfast_persistence::{
    BatchNumber, Epoch, Frame, FrameBuilder, FrameDamage, FrameHash, Partition, RECORD_BYTES_MAX,
    RecordHeader, Sequence,
};
use proptest::prelude::*;

use crate::support::{ID, header, record};

const GOLDEN: &[u8] = include_bytes!("../golden/frame-v1.bin");

fn golden_frame() -> holdfast_persistence::EncodedFrame {
    let mut builder = FrameBuilder::new();
    builder.push(&header(3, 1), b"first");
    builder.push(&header(4, 9), b"");
    let last = RecordHeader {
        partition: Partition(u16::MAX),
        epoch: Epoch(u32::MAX - 1),
        sequence: Sequence(u64::MAX - 2),
        time_ms: u64::MAX - 3,
    };
    builder.push(&last, &[0, 255, 128]);
    builder.finish(BatchNumber(0x0102_0304_0506_0708), FrameHash::genesis(ID))
}

#[test]
fn bytes_of_a_frame_are_those_of_the_golden_file() {
    assert_eq!(golden_frame().bytes(), GOLDEN);
}

#[test]
fn golden_frame_of_format_1_reads_as_it_was_written() {
    let frame = Frame::decode(GOLDEN).expect("it is sound");
    assert_eq!(frame.batch(), BatchNumber(0x0102_0304_0506_0708));
    assert_eq!(frame.previous(), FrameHash::genesis(ID));
    let records: Vec<_> = frame.records().collect();
    assert_eq!(records.len(), 3);
    assert_eq!((records[0].header, records[0].payload), (header(3, 1), &b"first"[..]));
    assert_eq!((records[1].header, records[1].payload), (header(4, 9), &b""[..]));
    assert_eq!(records[2].header.epoch, Epoch(u32::MAX - 1));
    assert_eq!(records[2].payload, [0, 255, 128]);
}

#[test]
fn any_cut_of_a_frame_is_torn() {
    for end in 0..GOLDEN.len() {
        let damage = Frame::decode(&GOLDEN[..end]).expect_err("it is cut");
        assert!(damage.is_torn(), "at {end}: {damage}");
    }
}

#[test]
fn any_flipped_bit_is_noticed() {
    for bit in 0..GOLDEN.len() * 8 {
        let mut bytes = GOLDEN.to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let damage = Frame::decode(&bytes).expect_err("a bit is wrong");
        assert!(matches!(damage, FrameDamage::Checksum { .. }), "bit {bit}: {damage}");
    }
}

#[test]
fn sound_frame_of_a_newer_format_is_told_from_a_torn_one() {
    let damage = Frame::decode(&resealed(|bytes| bytes[0] = 2)).expect_err("it is newer");
    assert_eq!(damage, FrameDamage::Format { found: 2 });
    assert!(!damage.is_torn());
}

#[test]
fn lengths_that_contradict_each_other_are_refused_whatever_the_checksum_says() {
    for (place, what) in
        [(41, "count"), (45, "length"), (49, "record's length"), (52, "record's length, high byte")]
    {
        let damage = Frame::decode(&resealed(|bytes| bytes[place] ^= 0x81)).expect_err(what);
        assert_eq!(damage, FrameDamage::Shape, "{what}");
    }
}

#[test]
fn largest_record_makes_the_largest_frame() {
    let mut builder = FrameBuilder::new();
    builder.push(&header(0, 1), &vec![1; RECORD_BYTES_MAX]);
    let frame = builder.finish(BatchNumber::FIRST, FrameHash::genesis(ID));
    assert_eq!(frame.bytes().len(), FRAME_BYTES_LIMIT);
}

#[test]
fn recycled_memory_leaves_nothing_behind() {
    let mut builder = golden_frame().recycle();
    builder.push(&header(0, 1), &record(0, 1).payload);
    let reused = builder.finish(BatchNumber::FIRST, FrameHash::genesis(ID));
    let mut builder = FrameBuilder::new();
    builder.push(&header(0, 1), &record(0, 1).payload);
    let fresh = builder.finish(BatchNumber::FIRST, FrameHash::genesis(ID));
    assert_eq!(reused.bytes(), fresh.bytes());
    assert_eq!(reused.hash(), fresh.hash());
}

/// The golden frame, changed, with a checksum that fits the change.
fn resealed(deed: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = GOLDEN[..GOLDEN.len() - 4].to_vec();
    deed(&mut bytes);
    let crc = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&crc.to_le_bytes());
    bytes
}

fn records() -> impl Strategy<Value = Vec<(RecordHeader, Vec<u8>)>> {
    let header =
        any::<(u16, u32, u64, u64)>().prop_map(|(partition, epoch, sequence, time_ms)| RecordHeader {
            partition: Partition(partition),
            epoch: Epoch(epoch),
            sequence: Sequence(sequence),
            time_ms,
        });
    prop::collection::vec((header, prop::collection::vec(any::<u8>(), 0..200)), 0..40)
}

proptest! {
    #[test]
    fn what_goes_into_a_frame_comes_out(records in records(), batch in any::<u64>(), previous in any::<[u8; 32]>()) {
        let mut builder = FrameBuilder::new();
        for (header, payload) in &records {
            builder.push(header, payload);
        }
        let encoded = builder.finish(BatchNumber(batch), FrameHash(previous));
        let frame = Frame::decode(encoded.bytes()).expect("it is sound");
        prop_assert_eq!(frame.batch(), BatchNumber(batch));
        prop_assert_eq!(frame.previous(), FrameHash(previous));
        let read: Vec<_> = frame.records().map(|record| (record.header, record.payload.to_vec())).collect();
        prop_assert_eq!(read, records);
    }

    #[test]
    fn no_bytes_make_the_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = Frame::decode(&bytes);
    }

    /// The checksum keeps random bytes away from the lengths, so these get a good one.
    #[test]
    fn no_bytes_with_a_good_checksum_make_the_decoder_panic(
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let bytes = resealed(|bytes| {
            for (place, value) in &flips {
                let place = place.index(bytes.len());
                bytes[place] = *value;
            }
            bytes.truncate(cut.index(bytes.len()) + 1);
        });
        if let Ok(frame) = Frame::decode(&bytes) {
            prop_assert_eq!(frame.records().count(), usize::try_from(frame.count()).expect("it is small"));
        }
    }
}
