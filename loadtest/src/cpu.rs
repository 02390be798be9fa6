//! CPU: how much processor time processes have used, by the kernel's account.
//!
//! Reads `/proc`; elsewhere than on Linux it knows nothing and says so.

use std::collections::HashMap;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

/// Positions in `/proc/PID/stat`, counted from the field after the program's name.
const PARENT_FIELD: usize = 1;
const USER_TIME_FIELD: usize = 11;
/// After a measurement a server may still be at work; it must not be so during its rival's turn.
const SETTLE_MS_MAX: u64 = 10_000;
const SETTLE_STEP_MS: u64 = 50;

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

/// The time of `processes` and all their descendants, those that have ended included; `None` when there is nobody.
///
/// A server such as PostgreSQL has a process for each connection, which comes and goes. When one ends, the kernel adds
/// its time to what its parent's ended children have used; so the sum over all that live never falls.
pub(crate) fn used_by_trees(processes: &[u32]) -> Option<Duration> {
    let mut families = Families::read(rustix::param::clock_ticks_per_second());
    let times: Vec<Duration> = processes.iter().filter_map(|root| families.take(*root)).collect();
    (!times.is_empty()).then(|| times.iter().sum())
}

/// Waits until `processes` and their descendants rest, or for [`SETTLE_MS_MAX`]: a server may always have something to do.
pub(crate) fn settle(processes: &[u32]) {
    let until = Instant::now() + Duration::from_millis(SETTLE_MS_MAX);
    let mut before = used_by_trees(processes);
    while Instant::now() < until {
        thread::sleep(Duration::from_millis(SETTLE_STEP_MS));
        let after = used_by_trees(processes);
        if after == before {
            return;
        }
        before = after;
    }
}

/// `processes` and all their descendants.
pub(crate) fn members(processes: &[u32]) -> Vec<u32> {
    let families = Families::read(rustix::param::clock_ticks_per_second());
    let mut members = Vec::new();
    let mut waiting = processes.to_vec();
    while let Some(process) = waiting.pop() {
        waiting.extend(families.children.get(&process).into_iter().flatten());
        members.push(process);
    }
    members
}

/// Every process of the machine, its time and its children.
#[derive(Debug, Default)]
struct Families {
    times: HashMap<u32, Duration>,
    children: HashMap<u32, Vec<u32>>,
}

impl Families {
    fn read(ticks_per_second: u64) -> Self {
        let mut families = Self::default();
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        for process in entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()) {
            // One that has ended since the list was read is in its parent's time.
            let Ok(stat) = fs::read_to_string(format!("/proc/{process}/stat")) else { continue };
            if let Some((parent, time)) = parse_family(&stat, ticks_per_second) {
                families.times.insert(process, time);
                families.children.entry(parent).or_default().push(process);
            }
        }
        families
    }

    /// The time of `root` and its descendants; they are taken out, so that nobody is counted twice.
    fn take(&mut self, root: u32) -> Option<Duration> {
        let mut total = self.times.remove(&root)?;
        let mut waiting = self.children.remove(&root).unwrap_or_default();
        while let Some(process) = waiting.pop() {
            total += self.times.remove(&process).unwrap_or_default();
            waiting.extend(self.children.remove(&process).unwrap_or_default());
        }
        Some(total)
    }
}

/// The parent of a process, and its own time with that of its ended children.
fn parse_family(stat: &str, ticks_per_second: u64) -> Option<(u32, Duration)> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ').skip(PARENT_FIELD);
    let parent = fields.next()?.parse().ok()?;
    let times = fields.skip(USER_TIME_FIELD - PARENT_FIELD - 1).take(4);
    let ticks = times.map(str::parse).collect::<Result<Vec<u64>, _>>().ok()?;
    (ticks.len() == 4).then_some(())?;
    let micros = ticks.iter().sum::<u64>().checked_mul(1_000_000)?.checked_div(ticks_per_second)?;
    Some((parent, Duration::from_micros(micros)))
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
    fn family_is_read_with_its_ended_children() {
        let stat = "42 (a) b (c) S 7 42 42 0 -1 4194560 1 2 3 4 150 50 30 20 20 0 8 0 100 200 300";
        assert_eq!(parse_family(stat, 100), Some((7, Duration::from_millis(2_500))));
        assert_eq!(parse_family("42 (short) S 1 2", 100), None);
        assert_eq!(parse_family("42 (gone) S 7 42 42 0 -1 4194560 1 2 3 4 150 50 30", 100), None);
    }

    #[test]
    fn time_of_a_child_counts_while_it_lives_and_after() {
        let us = std::process::id();
        let script = "i=0; while [ $i -lt 200000 ]; do i=$((i + 1)); done; echo done; read line";
        let mut child = std::process::Command::new("sh")
            .args(["-c", script])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .expect("a shell is everywhere");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("a pipe");
        std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut line).expect("it says when");
        let alone = used_by_trees(&[child.id()]).expect("it lives");
        let together = used_by_trees(&[us, child.id()]).expect("we live");
        assert!(alone > Duration::ZERO && together >= alone, "{alone:?} of {together:?}");
        drop(child.stdin.take());
        child.wait().expect("it ends with its input");
        let after = used_by_trees(&[us]).expect("we live");
        assert!(after >= together, "{after:?} after {together:?}");
        assert_eq!(used_by_trees(&[]), None);
        assert_eq!(used_by_trees(&[0]), None);
    }

    #[test]
    fn our_own_time_does_not_run_back() {
        let first = used_by_us().expect("these tests run on Linux");
        let last = used_by_us().expect("these tests run on Linux");
        assert!(last >= first);
        assert_eq!(used_by(0), None);
    }
}
