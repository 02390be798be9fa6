//! Keepsakes: some answered requests with their key, to be asked once more. The answer must be the first one again.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::engine::Answer;
use crate::findings::{Findings, Invariant};
use crate::numbers::Chance;
use crate::wire::Request;

/// Older ones make room at random, so that some of every age are there.
const KEPT_MAX: usize = 1_000;
const DIFFERENCES_MAX: usize = 6;

/// A keyed request and its first answer.
#[derive(Debug, Clone)]
pub(super) struct Keepsake {
    /// For people.
    what: String,
    pub(super) request: Request,
    status: u16,
    body: Value,
}

#[derive(Debug, Default)]
pub(super) struct Keepsakes(Vec<Keepsake>);

impl Keepsakes {
    pub(super) fn keep(&mut self, keepsake: Keepsake, chance: &mut Chance) {
        if self.0.len() < KEPT_MAX {
            self.0.push(keepsake);
        } else {
            let at = chance.index(KEPT_MAX);
            self.0[at] = keepsake;
        }
    }

    pub(super) fn choose(&self, chance: &mut Chance) -> Option<Keepsake> {
        if self.0.is_empty() {
            return None;
        }
        Some(self.0[chance.index(self.0.len())].clone())
    }
}

impl Keepsake {
    pub(super) fn new(what: String, request: Request, answer: &Answer<'_>) -> Self {
        let body = serde_json::from_slice(answer.body).unwrap_or(Value::Null);
        Self { what, request, status: answer.status, body }
    }

    /// Compares the second answer with the first; false when the server had no time for one.
    pub(super) fn compare(&self, answer: &Answer<'_>, findings: &mut Findings) -> bool {
        if matches!(answer.status, 429 | 503) {
            return false;
        }
        let Self { what, status, .. } = self;
        findings.check(Invariant::ReplayIsMarked, answer.is_replayed, format_args!("{what}"));
        let body: Value = serde_json::from_slice(answer.body).unwrap_or(Value::Null);
        let is_same = *status == answer.status && same(&self.body, &body, *status);
        findings.check(
            Invariant::OneKeyOneOutcome,
            is_same,
            format_args!(
                "{what}: first {status}, then {}: {}",
                answer.status,
                differences(&self.body, &body)
            ),
        );
        true
    }
}

/// The members that differ, or all there is when these are no objects.
fn differences(first: &Value, second: &Value) -> String {
    let (Value::Object(before), Value::Object(after)) = (first, second) else {
        return format!("{first}, then {second}");
    };
    let members: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let differing = members.into_iter().filter(|member| first[*member] != second[*member]);
    let told = differing.map(|member| format!("{member} {} then {}", first[member], second[member]));
    told.take(DIFFERENCES_MAX).collect::<Vec<_>>().join(", ")
}

/// Whether two answers say the same. Of a problem only what clients act on: each copy has a `request_id` of its own.
fn same(first: &Value, second: &Value, status: u16) -> bool {
    if status < 400 {
        return first == second;
    }
    ["code", "order_id"].iter().all(|member| first[member] == second[member])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Style;
    use serde_json::json;
    use std::time::Instant;

    fn answer(status: u16, body: &[u8], is_replayed: bool) -> Answer<'_> {
        let now = Instant::now();
        Answer { status, body, is_replayed, due_at: now, sent_at: now, answered_at: now }
    }

    fn broken(first: &Answer<'_>, second: &Answer<'_>) -> Vec<Invariant> {
        let style = Style { host: "127.0.0.1".into(), run: "00000000".into() };
        let keepsake = Keepsake::new("a request".into(), Request::product(&style, "prod_1"), first);
        let mut findings = Findings::default();
        assert!(keepsake.compare(second, &mut findings));
        findings.broken()
    }

    #[test]
    fn same_answer_with_its_mark_is_one_outcome() {
        let first = answer(201, br#"{"id":"ord_1","status":"confirmed"}"#, false);
        assert_eq!(broken(&first, &answer(201, br#"{"status":"confirmed","id":"ord_1"}"#, true)), []);
        let refused = answer(409, br#"{"code":"insufficient_stock","request_id":"1"}"#, false);
        assert_eq!(
            broken(&refused, &answer(409, br#"{"code":"insufficient_stock","request_id":"2"}"#, true)),
            []
        );
    }

    #[test]
    fn other_answers_to_the_same_key_are_found() {
        let first = answer(201, br#"{"id":"ord_1"}"#, false);
        for second in [answer(201, br#"{"id":"ord_2"}"#, true), answer(409, br#"{"code":"x"}"#, true)] {
            assert_eq!(broken(&first, &second), [Invariant::OneKeyOneOutcome]);
        }
        let declined = answer(402, br#"{"code":"payment_failed","order_id":"ord_1"}"#, false);
        let other = answer(402, br#"{"code":"payment_failed","order_id":"ord_2"}"#, true);
        assert_eq!(broken(&declined, &other), [Invariant::OneKeyOneOutcome]);
        assert_eq!(broken(&first, &answer(201, br#"{"id":"ord_1"}"#, false)), [Invariant::ReplayIsMarked]);
    }

    #[test]
    fn differences_are_told_by_member() {
        let (first, second) =
            (json!({ "id": 1, "status": "a" }), json!({ "id": 1, "status": "b", "more": true }));
        assert_eq!(differences(&first, &second), r#"more null then true, status "a" then "b""#);
        assert_eq!(differences(&json!(1), &Value::Null), "1, then null");
    }

    #[test]
    fn newer_keepsakes_replace_older_ones_and_never_grow_beyond_the_bound() {
        let style = Style { host: "127.0.0.1".into(), run: "00000000".into() };
        let (mut keepsakes, mut chance) = (Keepsakes::default(), Chance::new(1));
        assert!(keepsakes.choose(&mut chance).is_none());
        for _ in 0..KEPT_MAX + 10 {
            let request = Request::product(&style, "prod_1");
            let keepsake = Keepsake::new("a request".into(), request, &answer(200, b"{}", false));
            keepsakes.keep(keepsake, &mut chance);
        }
        assert_eq!(keepsakes.0.len(), KEPT_MAX);
        assert!(keepsakes.choose(&mut chance).is_some());
    }
}
