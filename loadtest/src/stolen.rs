//! Stolen time: how long a virtual machine's processors wanted to run and its host did not let them.
//!
//! Whoever is measured meanwhile looks slower than it is, and its slowest answers most of all: a host that keeps a
//! processor for 30 ms makes a p99 of 30 ms. So every comparison says how much it was. Called by `budget` and `contenders`.

use std::fmt;
use std::fs;

use crate::numbers;

/// Where the kernel counts it, in the first line of `/proc/stat`: `cpu user nice system idle iowait irq softirq steal …`.
const STEAL_FIELD: usize = 7;

/// The kernel's counts at one moment, all processors together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Ticks {
    all: u64,
    stolen: u64,
}

/// The part of the processors' time that was stolen, from 0 to 1; unknown where the kernel does not tell.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Stolen(Option<f64>);

impl Ticks {
    /// The counts of now.
    pub(crate) fn now() -> Ticks {
        fs::read_to_string("/proc/stat").ok().and_then(|stat| Ticks::of(&stat)).unwrap_or_default()
    }

    fn of(stat: &str) -> Option<Ticks> {
        let fields = stat.lines().next()?.strip_prefix("cpu ")?;
        let fields: Vec<u64> = fields.split_whitespace().map_while(|field| field.parse().ok()).collect();
        // What guests got is part of `user` already.
        let all = fields.get(..=STEAL_FIELD)?;
        Some(Ticks { all: all.iter().sum(), stolen: all[STEAL_FIELD] })
    }

    /// What was stolen from then until now.
    pub(crate) fn stolen(self) -> Stolen {
        self.until(Ticks::now())
    }

    fn until(self, now: Ticks) -> Stolen {
        let all = now.all.saturating_sub(self.all);
        let stolen = now.stolen.saturating_sub(self.stolen);
        Stolen((all > 0 && self != Ticks::default()).then(|| numbers::float(stolen) / numbers::float(all)))
    }
}

impl fmt::Display for Stolen {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(part) => write!(
                formatter,
                "stolen by the machine's host meanwhile: {:.2} % of the processors' time",
                part * 100.0
            ),
            None => write!(formatter, "stolen by a host: not known here"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stolen_part_is_of_all_ticks_between_two_moments() {
        let first = Ticks::of("cpu  100 0 50 800 10 0 0 40 7 7\ncpu0 1 2 3\n").expect("it is well formed");
        assert_eq!(first, Ticks { all: 1_000, stolen: 40 });
        let then = Ticks::of("cpu  200 0 100 1600 20 0 0 80 7 7\n").expect("it is well formed");
        assert_eq!(first.until(then), Stolen(Some(0.04)));
        assert!(first.until(then).to_string().contains("4.00 %"));
    }

    #[test]
    fn what_the_kernel_does_not_tell_is_not_known() {
        assert_eq!(Ticks::of("cpu  100 0 50 800\n"), None);
        assert_eq!(Ticks::of(""), None);
        assert_eq!(Ticks::default().until(Ticks { all: 5, stolen: 1 }), Stolen(None));
        assert!(Stolen(None).to_string().contains("not known"));
    }

    #[test]
    fn this_machine_counts_its_ticks() {
        assert!(Ticks::now().all > 0);
    }
}
