//! What a world is mostly about: each seed has its own mixture of steps and wishes, and leaves some of them out. Where
//! all come with the same weight, none meets itself often enough to go wrong.

use super::super::Rng;

/// What the schedule does next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step {
    Ask,
    Work,
    Commit,
    Fault,
    MoveClock,
    Ring,
    HangUp,
    Disturb,
    Rest,
    Crash,
}

/// What somebody asks next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Topic {
    ChangeCart,
    ClearCart,
    PlaceCart,
    PlaceLines,
    StepOfOrder,
    Reserve,
    StepOfReservation,
    Many,
    Merge,
    Purchase,
    Adjust,
    Edit,
    Delete,
    Create,
}

/// How often each comes when nothing is said of the mood.
const STEPS: [(Step, u64); 10] = [
    (Step::Ask, 120),
    (Step::Work, 640),
    (Step::Commit, 70),
    (Step::Fault, 2),
    (Step::MoveClock, 50),
    (Step::Ring, 40),
    (Step::HangUp, 4),
    (Step::Disturb, 8),
    (Step::Rest, 4),
    (Step::Crash, 2),
];

/// The same.
const TOPICS: [(Topic, u64); 14] = [
    (Topic::ChangeCart, 24),
    (Topic::ClearCart, 3),
    (Topic::PlaceCart, 10),
    (Topic::PlaceLines, 9),
    (Topic::StepOfOrder, 22),
    (Topic::Reserve, 8),
    (Topic::StepOfReservation, 10),
    (Topic::Many, 4),
    (Topic::Merge, 8),
    (Topic::Purchase, 5),
    (Topic::Adjust, 3),
    (Topic::Edit, 5),
    (Topic::Delete, 4),
    (Topic::Create, 2),
];

/// How much more or less, each with the same chance.
const FACTORS: [u64; 6] = [0, 0, 0, 1, 2, 5];
/// Steps are never left out. Some worlds crash so often that a crash comes everywhere.
const STEP_FACTORS: [u64; 4] = [1, 2, 4, 8];

pub(super) struct Mood {
    steps: Vec<(Step, u64)>,
    topics: Vec<(Topic, u64)>,
    /// How often, in a hundred, an item is of the first product.
    pub(super) hot_percent: u64,
    /// How often, in a hundred, those go on first who are in a hurry.
    pub(super) haste_percent: u64,
    /// Whether only one guest and one customer come.
    pub(super) is_lonely: bool,
}

impl Mood {
    pub(super) fn any(rng: &mut Rng) -> Self {
        let steps = STEPS.map(|(step, weight)| (step, weight * any_of(rng, &STEP_FACTORS)));
        let topics = TOPICS.map(|(topic, weight)| (topic, weight * any_of(rng, &FACTORS)));
        let hot_percent = any_of(rng, &[0, 50, 90]);
        let haste_percent = any_of(rng, &[0, 60, 95]);
        let is_lonely = rng.percent(30);
        Self { steps: steps.to_vec(), topics: topics.to_vec(), hot_percent, haste_percent, is_lonely }
    }

    pub(super) fn step(&self, rng: &mut Rng) -> Step {
        weighted(rng, &self.steps).expect("steps are never left out")
    }

    /// None in a mood that leaves all out.
    pub(super) fn topic(&self, rng: &mut Rng) -> Option<Topic> {
        weighted(rng, &self.topics)
    }
}

fn any_of(rng: &mut Rng, all: &[u64]) -> u64 {
    *rng.pick(all).expect("there are some")
}

fn weighted<T: Copy>(rng: &mut Rng, all: &[(T, u64)]) -> Option<T> {
    let sum = all.iter().map(|(_, weight)| weight).sum();
    if sum == 0 {
        return None;
    }
    let mut left = rng.below(sum);
    let chosen = all.iter().find(|(_, weight)| {
        let is_chosen = left < *weight;
        left = left.saturating_sub(*weight);
        is_chosen
    });
    chosen.map(|(what, _)| *what)
}
