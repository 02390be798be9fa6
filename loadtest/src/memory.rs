//! Memory: touched once before anybody is compared.
//!
//! A virtual machine gets its memory from its host at the first touch, and that takes many times as long as every later one:
//! whoever grows first would pay for all, and whoever is measured later would get for nothing what the others have given
//! back. So a process of its own writes to a good part of the free memory and ends; what comes free last is given out
//! first. Called by `budget`, `contenders` and the floor's comparison before the first round.

use std::fmt;
use std::fs;
use std::hint;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use crate::{document, numbers};

/// More than all servers together grow by in one run.
const TOUCHED_BYTES_MAX: u64 = 4 << 30;
/// At most this part of what is free: the rest of the machine must not have to make room.
const FREE_SHARE: u64 = 5;
const PAGE_BYTES: usize = 4_096;
const MIB: u64 = 1 << 20;

/// What was touched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Touched {
    pub(crate) bytes: u64,
    time: Duration,
}

/// Has memory touched by a process of its own, says so on standard error, and waits for its end.
///
/// # Errors
///
/// When that process fails.
pub(crate) fn warm() -> anyhow::Result<Touched> {
    let free = free_bytes(&fs::read_to_string("/proc/meminfo").unwrap_or_default());
    let bytes = (free.unwrap_or(0) / FREE_SHARE).min(TOUCHED_BYTES_MAX);
    let program = std::env::current_exe().context("find this program's own path")?;
    let began = Instant::now();
    // It ends by itself within seconds: nobody has to end it.
    let status = Command::new(program)
        .args(["warm-memory", &bytes.to_string()])
        .stdin(Stdio::null())
        .status()
        .context("touch memory")?;
    ensure!(status.success(), "touching {bytes} bytes of memory ended with {status}");
    let touched = Touched { bytes, time: began.elapsed() };
    eprintln!("{touched}");
    Ok(touched)
}

/// Writes to each page of `bytes` of fresh memory, and gives it back: `loadtest warm-memory`.
///
/// # Errors
///
/// When there is not so much.
pub(crate) fn touch(bytes: u64) -> anyhow::Result<()> {
    written(bytes).map(drop)
}

fn written(bytes: u64) -> anyhow::Result<Vec<u8>> {
    let length = usize::try_from(bytes).context("more memory than there are addresses")?;
    // Where there is too little, this says so; the next line would abort.
    Vec::<u8>::new().try_reserve_exact(length).with_context(|| format!("get {bytes} bytes"))?;
    let mut memory = vec![0_u8; length];
    for page in memory.chunks_mut(PAGE_BYTES) {
        page[0] = 1;
    }
    // Memory that nobody looks at need not be written.
    Ok(hint::black_box(memory))
}

fn free_bytes(meminfo: &str) -> Option<u64> {
    let kilobytes = document::field(meminfo, "MemFree", ':')?;
    kilobytes.strip_suffix(" kB")?.trim().parse::<u64>().ok()?.checked_mul(1_024)
}

impl fmt::Display for Touched {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mebibytes, seconds) = (self.bytes / MIB, self.time.as_secs_f64());
        let pair = if mebibytes == 0 { 0.0 } else { seconds * 2e3 / numbers::float(mebibytes) };
        write!(
            formatter,
            "before the first round {mebibytes} MiB of memory were touched and given back, in {seconds:.1} s ({pair:.2} ms for \
             each 2 MiB), so that nobody who grows waits for the host of a virtual machine"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resident_bytes() -> u64 {
        let status = fs::read_to_string("/proc/self/status").expect("these tests run on Linux");
        let resident = document::field(&status, "VmRSS", ':').expect("the kernel tells");
        let kilobytes = resident.strip_suffix(" kB").expect("its unit").trim().parse::<u64>();
        kilobytes.expect("a number") * 1_024
    }

    #[test]
    fn every_page_is_written() {
        const BYTES: u64 = 64 * MIB;
        let before = resident_bytes();
        let memory = written(BYTES).expect("a little memory");
        let more = resident_bytes().saturating_sub(before);
        assert!(more >= BYTES / 10 * 9, "{more} of {BYTES}");
        assert_eq!(numbers::count(memory.len()), BYTES);
        assert!(touch(u64::MAX).is_err());
    }

    #[test]
    fn free_memory_is_read_and_what_was_touched_is_said() {
        assert_eq!(free_bytes("MemTotal: 9 kB\nMemFree:        2048 kB\n"), Some(2 * MIB));
        assert_eq!(free_bytes("MemFree: lots"), None);
        let touched = Touched { bytes: 100 * MIB, time: Duration::from_millis(500) };
        let text = touched.to_string();
        assert!(text.contains("100 MiB") && text.contains("0.5 s (10.00 ms for each 2 MiB)"), "{text}");
        assert!(Touched { bytes: 0, ..touched }.to_string().contains("0.00 ms"));
    }
}
