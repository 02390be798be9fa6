//! Telling a story line by line, up to the first line that does not come out as told.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use holdfast_domain::Timestamp;
use holdfast_domain::product::invariant;

use super::words;

/// What one line came to.
pub(crate) struct Outcome {
    /// In the words of the story.
    pub(crate) text: String,
    /// Whether it will do where the story expects nothing.
    pub(crate) is_success: bool,
}

impl Outcome {
    pub(crate) fn success(text: impl Into<String>) -> Self {
        Self { text: text.into(), is_success: true }
    }

    /// A refusal, or a look at the books.
    pub(crate) fn to_be_told(text: impl Into<String>) -> Self {
        Self { text: text.into(), is_success: false }
    }
}

/// Tells `live` each line of a story, and panics with the whole diary at the first that goes otherwise.
///
/// Each line is `TIME  command  expected outcome`, with two spaces or more between the columns. A command
/// without an expected outcome must not be refused; a look at the books needs one.
pub(crate) fn tell(story: &str, mut live: impl FnMut(Timestamp, &str) -> Outcome) {
    let lines: Vec<&str> = story.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let mut now = words::time("00:00");
    for (index, line) in lines.iter().enumerate() {
        let actual = catch_unwind(AssertUnwindSafe(|| live_through(line, &mut now, &mut live)));
        let difference = match actual {
            Ok(None) => continue,
            Ok(Some(difference)) => difference,
            Err(bug) => format!("         panicked: {}", message(bug.as_ref())),
        };
        let told = |(at, line): (usize, &&str)| match at == index {
            true => format!("  > {line}\n{difference}\n"),
            false => format!("    {line}\n"),
        };
        let diary: String = lines.iter().enumerate().map(told).collect();
        panic!("the story went otherwise:\n\n{diary}");
    }
}

/// Lives through one line; returns what is wrong with it.
fn live_through(
    line: &str,
    now: &mut Timestamp,
    live: &mut impl FnMut(Timestamp, &str) -> Outcome,
) -> Option<String> {
    let (time, rest) = line.split_once("  ").expect("a time, two spaces, a command");
    let (command, expected) = match rest.trim_start().split_once("  ") {
        Some((command, expected)) => (command, Some(expected.trim())),
        None => (rest.trim_start(), None),
    };
    let at = words::time(time);
    invariant::time_goes_on(*now, at).expect("stories go forward");
    *now = at;

    let Outcome { text: actual, is_success } = live(at, command);
    let is_as_told = expected.map_or(is_success, |expected| expected == actual);
    let difference =
        || format!("         expected: {}\n         actual:   {actual}", expected.unwrap_or("no refusal"));
    (!is_as_told).then(difference)
}

fn message(bug: &(dyn Any + Send)) -> &str {
    bug.downcast_ref::<String>().map(String::as_str).or(bug.downcast_ref().copied()).unwrap_or("a bug")
}
