//! CPU: how much processor time a process has used, by the kernel's account.
//!
//! Reads `/proc`; elsewhere than on Linux it knows nothing and says so.

use std::fs;
use std::time::Duration;

/// Position of `utime` in `/proc/PID/stat`, counted from the field after the program's name.
const USER_TIME_FIELD: usize = 11;

/// User and system time of all threads of `process` together; `None` when the kernel does not tell.
///
/// The kernel counts in ticks of 10 ms: over a second of load that is one per cent.
pub(crate) fn used_by(process: u32) -> Option<Duration> {
    parse(&fs::read_to_string(format!("/proc/{process}/stat")).ok()?, rustix::param::clock_ticks_per_second())
}

/// The same of this process.
pub(crate) fn used_by_us() -> Option<Duration> {
    used_by(std::process::id())
}

fn parse(stat: &str, ticks_per_second: u64) -> Option<Duration> {
    // The name stands in parentheses and may itself hold spaces and parentheses.
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut times = fields.split(' ').skip(USER_TIME_FIELD);
    let user: u64 = times.next()?.parse().ok()?;
    let system: u64 = times.next()?.parse().ok()?;
    let micros = user.checked_add(system)?.checked_mul(1_000_000)?.checked_div(ticks_per_second)?;
    Some(Duration::from_micros(micros))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_line_with_a_wicked_name_is_read() {
        let stat = "42 (a) b (c) S 1 42 42 0 -1 4194560 1 2 3 4 150 50 0 0 20 0 8 0 100 200 300";
        assert_eq!(parse(stat, 100), Some(Duration::from_secs(2)));
        assert_eq!(parse("42 (short) S 1", 100), None);
        assert_eq!(parse("nonsense", 100), None);
    }

    #[test]
    fn our_own_time_does_not_run_back() {
        let first = used_by_us().expect("these tests run on Linux");
        let last = used_by_us().expect("these tests run on Linux");
        assert!(last >= first);
        assert_eq!(used_by(0), None);
    }
}
