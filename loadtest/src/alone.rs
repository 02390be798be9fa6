//! Alone: whoever is measured has the machine for itself.
//!
//! All rivals run through a whole comparison, with their caches warm. One that has just sold still has housekeeping to do:
//! PostgreSQL's checkpoint writes for minutes what its purchases changed, beside whoever comes next. So the others are
//! stopped during somebody's turn and do their housekeeping in their own, and what waits for the disk is written before.
//! Called by `budget`, `contenders` and the floor's comparison.

use rustix::process::{Pid, Signal, kill_process};

use crate::cpu;

/// The others, stopped; they go on when this is dropped.
#[derive(Debug)]
pub(crate) struct Alone {
    stopped: Vec<u32>,
}

impl Alone {
    /// Lets `everybody` come to rest, stops all but `own` and their children, and empties the disk's queue.
    pub(crate) fn of(own: &[u32], everybody: &[u32]) -> Alone {
        // Whoever was measured before ends what it began at once.
        cpu::settle(everybody);
        let others: Vec<u32> = everybody.iter().copied().filter(|process| !own.contains(process)).collect();
        let alone = Alone { stopped: cpu::members(&others) };
        tell(&alone.stopped, Signal::STOP);
        rustix::fs::sync();
        alone
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        tell(&self.stopped, Signal::CONT);
    }
}

/// Wakes `process` and its children, should they be stopped: who is stopped ends nothing in good order.
pub(crate) fn wake(process: u32) {
    tell(&cpu::members(&[process]), Signal::CONT);
}

fn tell(processes: &[u32], signal: Signal) {
    for process in processes {
        // One that has ended meanwhile needs no signal.
        if let Some(process) = i32::try_from(*process).ok().and_then(Pid::from_raw) {
            let _ = kill_process(process, signal);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::{Command, Stdio};
    use std::time::{Duration, Instant};

    use super::*;
    use crate::guard;

    fn start() -> u32 {
        let mut shell = Command::new("sh");
        // Not its last command: it would take the shell's own place.
        shell.args(["-c", "cat; true"]).stdin(Stdio::piped()).stdout(Stdio::null());
        guard::adopt(shell.spawn().expect("sh is everywhere"))
    }

    fn is_stopped(process: u32) -> bool {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).expect("it lives");
        stat.rsplit_once(") ").is_some_and(|(_, fields)| fields.starts_with('T'))
    }

    /// Signals take effect a moment after they were sent.
    #[track_caller]
    fn wait_until(is_so: impl Fn() -> bool) {
        let until = Instant::now() + Duration::from_secs(30);
        while !is_so() {
            assert!(Instant::now() < until, "nothing happens");
            std::thread::yield_now();
        }
    }

    #[test]
    fn others_and_their_children_stop_for_a_turn_and_go_on() {
        let (own, other) = (start(), start());
        wait_until(|| cpu::members(&[other]).len() == 2);
        let everybody = cpu::members(&[other]);
        let alone = Alone::of(&[own], &[own, other]);
        wait_until(|| everybody.iter().all(|process| is_stopped(*process)));
        assert!(!is_stopped(own));
        drop(alone);
        wait_until(|| !everybody.iter().any(|process| is_stopped(*process)));
        guard::kill(own).expect("it was adopted");
        guard::kill(other).expect("it was adopted");
    }
}
