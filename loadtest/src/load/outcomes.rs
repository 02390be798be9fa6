//! Outcomes: how many answers of each kind, and what a kind is called. Part of the hot loop.

use std::collections::BTreeMap;

use super::workload::{Deed, Judgement};

/// A server that makes up codes must not fill our memory.
const KINDS_MAX: usize = 64;
const CODE_MARK: &[u8] = b"\"code\":\"";
/// A longer code is none.
const CODE_BYTES_MAX: usize = 64;

pub(super) const LOST: &str = "lost";
pub(super) const UNANSWERED: &str = "unanswered";

/// The counts of one generator thread.
#[derive(Debug)]
pub(super) struct Outcomes<'a> {
    judgement: &'a Judgement,
    kinds: Vec<Kind>,
}

#[derive(Debug)]
struct Kind {
    name: String,
    status: u16,
    /// Where in the body the code stands, as far as the first such answer tells.
    code_at: usize,
    verdict: Verdict,
    times: u64,
}

/// What an answer is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) is_wanted: bool,
    pub(super) is_expected: bool,
    /// Refused because too few units are left.
    pub(super) is_short: bool,
}

impl<'a> Outcomes<'a> {
    pub(super) fn new(judgement: &'a Judgement) -> Self {
        let mut outcomes = Self { judgement, kinds: Vec::with_capacity(KINDS_MAX) };
        for deed in Deed::ALL {
            outcomes.add(deed.success(), 0, 0);
        }
        outcomes
    }

    /// What an answer is called and worth; it is counted only by [`Outcomes::count`].
    pub(super) fn recognise(&mut self, deed: Deed, status: u16, body: &[u8]) -> (usize, Verdict) {
        let index = if (200..300).contains(&status) { deed.index() } else { self.refusal(status, body) };
        (index, self.kinds[index].verdict)
    }

    pub(super) fn count(&mut self, index: usize) {
        self.kinds[index].times += 1;
    }

    /// Counts `times` of what is not an answer.
    pub(super) fn count_named(&mut self, name: &str, times: u64) {
        let known = self.kinds.iter().position(|kind| kind.name == name);
        let index = known.unwrap_or_else(|| self.add(name, 0, 0));
        self.kinds[index].times += times;
    }

    fn refusal(&mut self, status: u16, body: &[u8]) -> usize {
        // Answers of one kind are alike to the byte up to their code, so that most need no search.
        let is_same = |kind: &Kind| {
            let rest =
                body.get(kind.code_at..).and_then(|at_code| at_code.strip_prefix(kind.name.as_bytes()));
            kind.code_at > 0 && kind.status == status && rest.is_some_and(|rest| rest.first() == Some(&b'"'))
        };
        if let Some(index) = self.kinds.iter().position(is_same) {
            return index;
        }
        let found = code_at(body);
        let name = found.map_or_else(|| format!("status {status}"), |(_, code)| code.to_owned());
        let known = self.kinds.iter().position(|kind| kind.status == status && kind.name == name);
        known.unwrap_or_else(|| self.add(&name, status, found.map_or(0, |(at, _)| at)))
    }

    fn add(&mut self, name: &str, status: u16, code_at: usize) -> usize {
        if self.kinds.len() >= KINDS_MAX {
            return self.kinds.len() - 1;
        }
        let verdict = self.judgement.of(name);
        self.kinds.push(Kind { name: name.to_owned(), status, code_at, verdict, times: 0 });
        self.kinds.len() - 1
    }

    /// Adds the counts to those of other threads.
    pub(super) fn pour_into(self, all: &mut BTreeMap<String, u64>) {
        for kind in self.kinds.into_iter().filter(|kind| kind.times > 0) {
            *all.entry(kind.name).or_default() += kind.times;
        }
    }
}

/// Where the code of a problem document begins, and the code.
fn code_at(body: &[u8]) -> Option<(usize, &str)> {
    let at = body.windows(CODE_MARK.len()).position(|window| window == CODE_MARK)? + CODE_MARK.len();
    let length = body[at..].iter().take(CODE_BYTES_MAX + 1).position(|byte| *byte == b'"')?;
    Some((at, str::from_utf8(&body[at..at + length]).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(outcomes: Outcomes<'_>) -> BTreeMap<String, u64> {
        let mut all = BTreeMap::new();
        outcomes.pour_into(&mut all);
        all
    }

    #[test]
    fn answers_are_called_by_what_was_done_or_by_their_code() {
        let judgement = Judgement::new(&["sold"], &["insufficient_stock"]);
        let mut outcomes = Outcomes::new(&judgement);
        let short = br#"{"status":409,"code":"insufficient_stock","lines":[]}"#;
        let longer = br#"{"title":"no","status":409,"code":"insufficient_stock"}"#;
        let other = br#"{"status":409,"code":"insufficient_stock_of_words"}"#;
        for (deed, status, body, wanted, expected) in [
            (Deed::Purchase, 201, &b"{}"[..], true, true),
            (Deed::Read, 200, b"{}", false, false),
            (Deed::Purchase, 409, short, false, true),
            (Deed::Purchase, 409, short, false, true),
            (Deed::Purchase, 409, longer, false, true),
            (Deed::Purchase, 409, other, false, false),
            (Deed::Purchase, 500, b"deadlock detected", false, false),
            (Deed::Purchase, 500, b"", false, false),
            (Deed::Purchase, 502, b"{\"code\":\"unfinished", false, false),
        ] {
            let (index, verdict) = outcomes.recognise(deed, status, body);
            outcomes.count(index);
            assert_eq!((verdict.is_wanted, verdict.is_expected), (wanted, expected), "{status}");
        }
        outcomes.count_named(LOST, 3);
        let expected = [
            ("insufficient_stock", 3),
            ("insufficient_stock_of_words", 1),
            ("lost", 3),
            ("read", 1),
            ("sold", 1),
            ("status 500", 2),
            ("status 502", 1),
        ];
        assert_eq!(counts(outcomes), expected.map(|(name, times)| (name.to_owned(), times)).into());
    }

    #[test]
    fn codes_without_end_do_not_fill_the_memory() {
        let judgement = Judgement::new(&[], &[]);
        let mut outcomes = Outcomes::new(&judgement);
        for number in 0..1_000 {
            let body = format!("{{\"code\":\"c{number}\"}}");
            let (index, _) = outcomes.recognise(Deed::Read, 400, body.as_bytes());
            outcomes.count(index);
        }
        let counts = counts(outcomes);
        assert!(counts.len() <= KINDS_MAX);
        assert_eq!(counts.values().sum::<u64>(), 1_000);
    }
}
