//! What answers are made of.

use holdfast_actors::domain::Timestamp;

use super::super::view::Moment;
use super::*;

#[test]
fn moment_is_written_as_it_is_shown() {
    const DAY_MS: u64 = 24 * 60 * 60 * 1000;
    let days = (0..60 * 366).map(|day| day * DAY_MS + day * 7_919_993 % DAY_MS);
    // The first and the last of a calendar, a leap day of a century, and what no calendar has.
    let edges = [0, 951_782_400_000, 4_107_542_400_000, 253_402_207_200_999, 253_402_300_800_000, u64::MAX];
    for ms in days.chain(edges) {
        let moment = Moment(Timestamp(ms));
        assert_eq!(serde_json::to_value(&moment).ok(), Some(json!(moment.to_string())), "at {ms}");
    }
    let known = serde_json::to_value(Moment(Timestamp(951_782_400_001))).expect("a text");
    assert_eq!(known, json!("2000-02-29T00:00:00.001Z"));
}
