//! How far a long command has come: on stderr, and only on a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

const TICK: Duration = Duration::from_millis(100);

/// A bar over a number of bytes that is known before.
pub(crate) fn bytes(doing: &'static str, total: u64) -> ProgressBar {
    shown(ProgressBar::new(total), doing, "{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}")
}

/// A bar over a count that is known before.
pub(crate) fn steps(doing: &'static str, total: u64) -> ProgressBar {
    shown(ProgressBar::new(total), doing, "{msg} {wide_bar} {human_pos}/{human_len} {eta}")
}

/// A sign of life.
pub(crate) fn spinner(doing: &'static str) -> ProgressBar {
    shown(ProgressBar::new_spinner(), doing, "{spinner} {msg} {elapsed}")
}

fn shown(bar: ProgressBar, doing: &'static str, template: &str) -> ProgressBar {
    bar.set_style(ProgressStyle::with_template(template).expect("our templates are templates"));
    bar.set_message(doing);
    bar.enable_steady_tick(TICK);
    bar
}
