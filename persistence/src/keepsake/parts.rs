//! Those parts of sled's data file that an opening may change for the worse.
//!
//! sled's log is made of segments, each with a header that says which part of the log it holds. A file `snap.<log position>` lists
//! the places of all pages up to that position, and is only written at an opening. The next opening reads the log from there on, and
//! cuts and zeroes nothing but what it reads, and segments that no page is in. So a segment from before that position is at risk
//! only when its header cannot be believed: what the list leads to is kept even where the log behind is damaged, and what no page
//! is in nobody misses. (Read in sled 0.34.7, `pagecache/snapshot.rs`, `iterator.rs`, `segment.rs`; held by `tests/e2e/damage.rs`
//! and `tests/persistence/keepsake.rs`.)
//!
//! The parts lie in the copy at the places they have in the original, and `parts` lists them: `length` of the original, then
//! `offset length` of each, a line each.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::sled_journal::SEGMENT_BYTES;

/// The list's name within a copy that is not whole.
pub(super) const PARTS_FILE: &str = "parts";

const HEADER_BYTES: usize = 20;
const LIST_PREFIX: &str = "snap.";
const COPY_BYTES: usize = 1024 * 1024;

/// Some parts of a data file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Parts {
    /// Of the whole file.
    length: u64,
    ranges: Vec<Range<u64>>,
}

impl Parts {
    /// The parts of a store's data file that an opening may change.
    pub(super) fn at_risk(store: &Path, data: &File) -> io::Result<Parts> {
        let length = data.metadata()?.len();
        let segment_bytes = u64::try_from(SEGMENT_BYTES).expect("it fits");
        let listed = listed_up_to(store)? / segment_bytes * segment_bytes;
        let mut ranges: Vec<Range<u64>> = Vec::new();
        for start in (0..length).step_by(SEGMENT_BYTES) {
            if log_position(data, start)?.is_some_and(|position| position < listed) {
                continue;
            }
            let end = length.min(start + segment_bytes);
            match ranges.last_mut() {
                Some(last) if last.end == start => last.end = end,
                _ => ranges.push(start..end),
            }
        }
        Ok(Parts { length, ranges })
    }

    /// Copies the parts, durably.
    pub(super) fn copy(&self, source: &File, target: &File) -> io::Result<()> {
        target.set_len(self.length)?;
        self.ranges.iter().try_for_each(|range| copy_range(source, target, range))?;
        target.sync_all()
    }

    /// Copies the parts back to where they were, durably, and gives the file the length it had.
    pub(super) fn put_back(&self, copy: &Path, data: &Path) -> io::Result<()> {
        let (source, target) = (File::open(copy)?, File::options().write(true).open(data)?);
        self.copy(&source, &target)
    }

    /// Writes the list into a copy, durably but for its name.
    pub(super) fn write(&self, copy: &Path) -> io::Result<()> {
        let mut file = File::create_new(copy.join(PARTS_FILE))?;
        let ranges = self.ranges.iter().map(|range| format!("{} {}\n", range.start, range.end - range.start));
        let text: String = std::iter::once(format!("{}\n", self.length)).chain(ranges).collect();
        file.write_all(text.as_bytes())?;
        file.sync_all()
    }

    /// Reads the list of a copy; nothing of one that is whole.
    pub(super) fn read(copy: &Path) -> io::Result<Option<Parts>> {
        let text = match fs::read_to_string(copy.join(PARTS_FILE)) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            text => text?,
        };
        let unreadable = || io::Error::new(ErrorKind::InvalidData, "the list of its parts is unreadable");
        Parts::parse(&text).map(Some).ok_or_else(unreadable)
    }

    fn parse(text: &str) -> Option<Parts> {
        let mut lines = text.lines();
        let length = lines.next()?.parse().ok()?;
        let range_of = |line: &str| {
            let (start, bytes) = line.split_once(' ')?;
            let start: u64 = start.parse().ok()?;
            Some(start..start.checked_add(bytes.parse().ok()?)?)
        };
        Some(Parts { length, ranges: lines.map(range_of).collect::<Option<_>>()? })
    }
}

/// The log position up to which a store lists its pages; 0 where that is not certain.
fn listed_up_to(store: &Path) -> io::Result<u64> {
    let mut names = Vec::new();
    for entry in fs::read_dir(store)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        names.extend(name.strip_prefix(LIST_PREFIX).map(str::to_owned));
    }
    // sled takes the last by name, also one that it did not finish.
    let last = names.into_iter().max();
    Ok(last.and_then(|name| u64::from_str_radix(&name, 16).ok()).unwrap_or_default())
}

/// Which part of the log a segment holds; nothing where its header is damaged or cut short.
fn log_position(data: &File, start: u64) -> io::Result<Option<u64>> {
    let mut header = [0; HEADER_BYTES];
    match data.read_exact_at(&mut header, start) {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    let (crc, body) = header.split_first_chunk::<4>().expect("a header is longer");
    let position = body.first_chunk::<8>().expect("a header is longer");
    let is_sound = crc32fast::hash(body) == !u32::from_le_bytes(*crc);
    let position = i64::from_le_bytes(*position) ^ i64::MAX;
    Ok(u64::try_from(position).ok().filter(|_| is_sound))
}

fn copy_range(source: &File, target: &File, range: &Range<u64>) -> io::Result<()> {
    let mut buffer = vec![0; COPY_BYTES];
    let mut offset = range.start;
    while offset < range.end {
        let left = usize::try_from(range.end - offset).unwrap_or(COPY_BYTES).min(COPY_BYTES);
        source.read_exact_at(&mut buffer[..left], offset)?;
        target.write_all_at(&buffer[..left], offset)?;
        offset += u64::try_from(left).expect("it fits");
    }
    Ok(())
}
