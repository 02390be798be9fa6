//! Facts of categories.

use holdfast_actors::domain::CategoryId;
use holdfast_actors::domain::category::{self, Event};
use serde::{Deserialize, Serialize};

use super::values::{id, number};
use crate::http::values::{Category, Id};

/// What happens to a category.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) enum CategoryFact {
    #[serde(rename = "category.created")]
    Created(Description),
    #[serde(rename = "category.described")]
    Described(Description),
    #[serde(rename = "category.deleted")]
    Deleted {},
}

/// The part of a category that an admin edits.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Description {
    name: Box<str>,
    slug: Box<str>,
    parent_id: Option<Id<Category>>,
}

impl CategoryFact {
    /// The fact that the event is.
    pub(super) fn of(event: &Event) -> Self {
        match event {
            Event::Created { description, .. } => Self::Created(description.into()),
            Event::Described { description, .. } => Self::Described(description.into()),
            Event::Deleted { .. } => Self::Deleted {},
        }
    }

    pub(super) fn into_event(self, id: CategoryId) -> Event {
        match self {
            Self::Created(description) => Event::Created { id, description: description.into() },
            Self::Described(description) => Event::Described { id, description: description.into() },
            Self::Deleted {} => Event::Deleted { id },
        }
    }
}

impl From<&category::Description> for Description {
    fn from(description: &category::Description) -> Self {
        Self {
            name: description.name.clone(),
            slug: description.slug.clone(),
            parent_id: description.parent.map(|parent| id(parent.0)),
        }
    }
}

impl From<Description> for category::Description {
    fn from(description: Description) -> Self {
        let parent = description.parent_id.map(|parent| CategoryId(number(parent)));
        Self { name: description.name, slug: description.slug, parent }
    }
}
