//! Whether a client can read what we would answer (RFC 9110, section 12.5.1).
//!
//! Lenient on purpose: only a client that rules out JSON in every form is refused, before anything was done.

use actix_web::http::header::{ACCEPT, HeaderMap};

/// What can be sent at any path; the event stream is added where there is one.
const ANSWERS: [&str; 4] = ["application/json", "application/problem+json", "application/*", "*/*"];
const EVENT_STREAM: &str = "text/event-stream";
const EVENTS_PATH: &str = "/api/v1/events";

/// True unless `Accept` is there and allows nothing that could be answered at `path`.
pub(super) fn takes_our_answers(headers: &HeaderMap, path: &str) -> bool {
    let mut is_absent = true;
    for value in headers.get_all(ACCEPT) {
        is_absent = false;
        // Not text: not worth refusing a purchase for.
        let Ok(text) = value.to_str() else { return true };
        if text == "*/*" || text == "application/json" {
            return true;
        }
        if text.split(',').any(|range| allows(range, path)) {
            return true;
        }
    }
    is_absent
}

fn allows(range: &str, path: &str) -> bool {
    let mut parts = range.split(';').map(str::trim);
    let media = parts.next().unwrap_or_default();
    let is_ours = ANSWERS.iter().any(|ours| media.eq_ignore_ascii_case(ours))
        || (path == EVENTS_PATH && media.eq_ignore_ascii_case(EVENT_STREAM));
    is_ours && !parts.any(is_zero_weight)
}

fn is_zero_weight(parameter: &str) -> bool {
    let Some((name, value)) = parameter.split_once('=') else { return false };
    name.trim().eq_ignore_ascii_case("q") && value.trim().parse::<f32>() == Ok(0.0)
}
