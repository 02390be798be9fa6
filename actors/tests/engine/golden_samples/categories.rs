//! Records of categories, and of what they refuse.

use std::collections::BTreeSet;

use holdfast_actors::domain::category::{Category, Description, Event, Misfit, Refusal};
use holdfast_actors::domain::{CategoryId, Timestamp};
use holdfast_actors::outcome::Outcome;
use holdfast_actors::record::{Entity, Events, Turn};

use super::{AT, keyed_turn, product_turn};

const CATEGORY: CategoryId = CategoryId(0x0192_0000_0000_7000_8000_0000_0000_00ee);

names!(category_event_name, CATEGORY_EVENTS, Event, {
    Event::Created { .. } => "category-created",
    Event::Described { .. } => "category-described",
    Event::Deleted { .. } => "category-deleted",
});

names!(category_refusal_name, CATEGORY_REFUSALS, Refusal, {
    Refusal::Unknown => "refusal-category-unknown",
    Refusal::Misplaced(_) => "refusal-category-misplaced",
    Refusal::NotListable(_) => "refusal-category-not-listable",
    Refusal::TooMany => "refusal-category-too-many",
    Refusal::InUse => "refusal-category-in-use",
    Refusal::VersionMismatch { .. } => "refusal-category-version-mismatch",
});

names!(misfit_name, MISFITS, Misfit, {
    Misfit::SlugTaken => "misfit-slug-taken",
    Misfit::UnknownParent => "misfit-unknown-parent",
    Misfit::Cycle => "misfit-cycle",
    Misfit::TooDeep => "misfit-too-deep",
});

pub(super) fn samples() -> Vec<(String, Turn)> {
    let mut all: Vec<(String, Turn)> = Vec::new();
    for event in events() {
        let name = category_event_name(&event).into();
        let (entity, events) = (Entity::Categories, Events::Categories(vec![event]));
        all.push((name, Turn { entity, events, ..product_turn(Vec::new()) }));
    }
    for refusal in refusals() {
        all.push((category_refusal_name(&refusal).into(), keyed_turn(Err(refusal.into()))));
    }
    all
}

/// The names of kinds without a sample.
pub(super) fn missing() -> Vec<&'static str> {
    let mut seen: BTreeSet<&'static str> = BTreeSet::new();
    seen.extend(events().iter().map(category_event_name));
    for refusal in refusals() {
        seen.insert(category_refusal_name(&refusal));
        if let Refusal::Misplaced(misfits) = refusal {
            seen.extend(misfits.iter().map(misfit_name));
        }
    }
    let all = [CATEGORY_EVENTS, CATEGORY_REFUSALS, MISFITS].concat();
    all.into_iter().filter(|name| !seen.contains(name)).collect()
}

pub(super) fn outcome() -> Outcome {
    Outcome::Category(Box::new(Category {
        id: CATEGORY,
        description: coats(),
        version: 300,
        created_at: Timestamp(1_600_000_000_000),
        updated_at: AT,
    }))
}

fn events() -> Vec<Event> {
    let top = Description { parent: None, ..coats() };
    vec![
        Event::Created { id: CATEGORY, description: top },
        Event::Described { id: CATEGORY, description: coats() },
        Event::Deleted { id: CATEGORY },
    ]
}

fn refusals() -> Vec<Refusal> {
    use Misfit::{Cycle, SlugTaken, TooDeep, UnknownParent};
    vec![
        Refusal::Unknown,
        Refusal::Misplaced(vec![SlugTaken, UnknownParent, Cycle, TooDeep]),
        Refusal::NotListable(vec![0, 49, 300]),
        Refusal::TooMany,
        Refusal::InUse,
        Refusal::VersionMismatch { expected: 7, actual: 8 },
    ]
}

fn coats() -> Description {
    Description { name: "Mäntel".into(), slug: "coats-2".into(), parent: Some(CategoryId(u128::MAX)) }
}
