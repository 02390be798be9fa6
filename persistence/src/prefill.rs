//! Zeros ahead of sled's writes, so that a commit does not change the length of the file.
//!
//! A data sync of a file that has grown, or whose new blocks were never written, also commits the file system's own
//! journal, which takes about twice as long. sled grows its file write by write; so whenever it has grown into a
//! new segment, each commit first fills a piece of the rest of it.
//!
//! Never beyond the segment: at its opening sled counts segments by the file's length, and a rest of zeros reads as
//! the same end that a short file has. Never into what sled wrote: the fill begins at the end of the file, on
//! the only thread that makes sled write, between two flushes.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;

/// How much one commit fills: small enough to be no pause.
const FILL_BYTES: usize = 256 * 1024;

static ZEROS: [u8; FILL_BYTES] = [0; FILL_BYTES];

/// Fills a piece of the segment that the file ends in, if it ends within one.
///
/// # Errors
///
/// What the disk says, but for want of space: that is sled's to miss.
pub(crate) fn fill(file: &File, segment_bytes: u64) -> io::Result<()> {
    let end = file.metadata()?.len();
    let rest = end.next_multiple_of(segment_bytes) - end;
    let count = usize::try_from(rest).map_or(FILL_BYTES, |rest| rest.min(FILL_BYTES));
    match file.write_all_at(&ZEROS[..count], end) {
        Err(error) if is_for_want_of_space(&error) => Ok(()),
        filled => filled,
    }
}

fn is_for_want_of_space(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fill_ends_at_the_segment_and_leaves_what_is_there() {
        let file = tempfile::tempfile().expect("a temporary file");
        let segment = u64::try_from(FILL_BYTES).expect("it fits") * 2;
        file.write_all_at(b"frames", 0).expect("it writes");
        for expected in [segment / 2 + 6, segment, segment, segment] {
            fill(&file, segment).expect("the disk is well");
            assert_eq!(file.metadata().expect("it is there").len(), expected);
        }
        let mut start = [1; 8];
        file.read_exact_at(&mut start, 0).expect("it reads");
        assert_eq!(&start, b"frames\0\0");
    }
}
