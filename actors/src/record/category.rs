//! Stored forms of what happens to categories, and of a no about them.

use holdfast_domain::category::{Category, Description, Event, Misfit, Refusal};
use holdfast_domain::{CategoryId, Timestamp};
use serde::{Deserialize, Serialize};

use super::values::Id;

/// A stored fact about a category.
#[derive(Serialize, Deserialize)]
pub(crate) enum CategoryEvent {
    /// See [`Event::Created`].
    Created(StoredPlace),
    /// See [`Event::Described`].
    Described(StoredPlace),
    /// See [`Event::Deleted`].
    Deleted(Id),
}

/// Stored form of a category as it is described.
#[derive(Serialize, Deserialize)]
pub(crate) struct StoredPlace {
    id: Id,
    name: Box<str>,
    slug: Box<str>,
    parent: Option<Id>,
}

/// Stored form.
#[derive(Serialize, Deserialize)]
pub struct StoredCategory {
    place: StoredPlace,
    version: u32,
    created_at: u64,
    updated_at: u64,
}

/// A stored no about categories.
#[derive(Serialize, Deserialize)]
pub enum StoredCategoryRefusal {
    /// See [`Refusal::Unknown`].
    Unknown,
    /// See [`Refusal::Misplaced`].
    Misplaced(Vec<StoredMisfit>),
    /// See [`Refusal::NotListable`].
    NotListable(Vec<u32>),
    /// See [`Refusal::TooMany`].
    TooMany,
    /// See [`Refusal::InUse`].
    InUse,
    /// See [`Refusal::VersionMismatch`].
    VersionMismatch(u32, u32),
}

/// Stored form.
#[derive(Serialize, Deserialize)]
pub enum StoredMisfit {
    /// See [`Misfit::SlugTaken`].
    SlugTaken,
    /// See [`Misfit::UnknownParent`].
    UnknownParent,
    /// See [`Misfit::Cycle`].
    Cycle,
    /// See [`Misfit::TooDeep`].
    TooDeep,
}

impl CategoryEvent {
    pub(crate) fn from_domain(event: &Event) -> Self {
        match event {
            Event::Created { id, description } => Self::Created(StoredPlace::from_domain(*id, description)),
            Event::Described { id, description } => {
                Self::Described(StoredPlace::from_domain(*id, description))
            }
            Event::Deleted { id } => Self::Deleted(id.0.to_be_bytes()),
        }
    }

    pub(crate) fn into_domain(self) -> Event {
        match self {
            Self::Created(place) => {
                let (id, description) = place.into_domain();
                Event::Created { id, description }
            }
            Self::Described(place) => {
                let (id, description) = place.into_domain();
                Event::Described { id, description }
            }
            Self::Deleted(id) => Event::Deleted { id: category_id(id) },
        }
    }
}

impl StoredPlace {
    fn from_domain(id: CategoryId, description: &Description) -> Self {
        Self {
            id: id.0.to_be_bytes(),
            name: description.name.clone(),
            slug: description.slug.clone(),
            parent: description.parent.map(|parent| parent.0.to_be_bytes()),
        }
    }

    fn into_domain(self) -> (CategoryId, Description) {
        let description =
            Description { name: self.name, slug: self.slug, parent: self.parent.map(category_id) };
        (category_id(self.id), description)
    }
}

impl StoredCategory {
    pub(crate) fn from_domain(category: &Category) -> Self {
        Self {
            place: StoredPlace::from_domain(category.id, &category.description),
            version: category.version,
            created_at: category.created_at.0,
            updated_at: category.updated_at.0,
        }
    }

    pub(crate) fn into_domain(self) -> Category {
        let (id, description) = self.place.into_domain();
        Category {
            id,
            description,
            version: self.version,
            created_at: Timestamp(self.created_at),
            updated_at: Timestamp(self.updated_at),
        }
    }
}

impl StoredCategoryRefusal {
    pub(crate) fn from_domain(refusal: &Refusal) -> Self {
        match refusal {
            Refusal::Unknown => Self::Unknown,
            Refusal::Misplaced(misfits) => {
                Self::Misplaced(misfits.iter().copied().map(StoredMisfit::from_domain).collect())
            }
            Refusal::NotListable(places) => {
                let place =
                    |place: &usize| u32::try_from(*place).expect("a product is in a bounded number of them");
                Self::NotListable(places.iter().map(place).collect())
            }
            Refusal::TooMany => Self::TooMany,
            Refusal::InUse => Self::InUse,
            Refusal::VersionMismatch { expected, actual } => Self::VersionMismatch(*expected, *actual),
        }
    }

    pub(crate) fn into_domain(self) -> Refusal {
        match self {
            Self::Unknown => Refusal::Unknown,
            Self::Misplaced(misfits) => {
                Refusal::Misplaced(misfits.into_iter().map(StoredMisfit::into_domain).collect())
            }
            Self::NotListable(places) => {
                let place = |place| usize::try_from(place).expect("usize holds u32 on every target of ours");
                Refusal::NotListable(places.into_iter().map(place).collect())
            }
            Self::TooMany => Refusal::TooMany,
            Self::InUse => Refusal::InUse,
            Self::VersionMismatch(expected, actual) => Refusal::VersionMismatch { expected, actual },
        }
    }
}

impl StoredMisfit {
    const fn from_domain(misfit: Misfit) -> Self {
        match misfit {
            Misfit::SlugTaken => Self::SlugTaken,
            Misfit::UnknownParent => Self::UnknownParent,
            Misfit::Cycle => Self::Cycle,
            Misfit::TooDeep => Self::TooDeep,
        }
    }

    const fn into_domain(self) -> Misfit {
        match self {
            Self::SlugTaken => Misfit::SlugTaken,
            Self::UnknownParent => Misfit::UnknownParent,
            Self::Cycle => Misfit::Cycle,
            Self::TooDeep => Misfit::TooDeep,
        }
    }
}

const fn category_id(id: Id) -> CategoryId {
    CategoryId(u128::from_be_bytes(id))
}
