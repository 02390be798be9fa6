//! Categories: a tree in which products are listed. No cycles, no two with the same slug, none removed that is used.

use std::collections::{BTreeMap, BTreeSet};

use crate::{CategoryId, Timestamp};

/// How many categories there may be.
pub const CATEGORIES_MAX: usize = 10_000;
/// How deep the tree may be; a category without a parent is at depth 1.
pub const DEPTH_MAX: usize = 16;

/// One category.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Category {
    /// Identity.
    pub id: CategoryId,
    /// As an admin wants it.
    pub description: Description,
    /// Grows with each change; the first is 1.
    pub version: u32,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// The part that an admin edits.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Description {
    /// Shown to buyers.
    pub name: Box<str>,
    /// Its name in addresses: lower case, unique among categories; the edge checks its form.
    pub slug: Box<str>,
    /// None for one at the top.
    pub parent: Option<CategoryId>,
}

/// What happened to the categories.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// One was made.
    Created {
        /// Which.
        id: CategoryId,
        /// As it is.
        description: Description,
    },
    /// One is otherwise now.
    Described {
        /// Which.
        id: CategoryId,
        /// As it is.
        description: Description,
    },
    /// One is gone.
    Deleted {
        /// Which.
        id: CategoryId,
    },
}

/// Why the categories stay as they are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// There is no such category.
    Unknown,
    /// It has no place in the tree as it is described: every reason there is.
    Misplaced(Vec<Misfit>),
    /// A product would be listed in categories that do not exist; their places in its list.
    NotListable(Vec<usize>),
    /// There are [`CATEGORIES_MAX`] already.
    TooMany,
    /// It has children, or something is listed in it.
    InUse,
    /// It changed meanwhile.
    VersionMismatch {
        /// What the caller expected.
        expected: u32,
        /// What it is.
        actual: u32,
    },
}

/// Why a category has no place in the tree.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Misfit {
    /// Another one has this slug.
    SlugTaken,
    /// There is no such category to be its parent.
    UnknownParent,
    /// Its parent would be itself or one of its descendants.
    Cycle,
    /// The tree would be deeper than [`DEPTH_MAX`].
    TooDeep,
}

/// All categories.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Categories {
    by_id: BTreeMap<CategoryId, Category>,
    by_slug: BTreeMap<Box<str>, CategoryId>,
    children: BTreeMap<Option<CategoryId>, BTreeSet<CategoryId>>,
}

impl Categories {
    /// The tree of these categories, as a checkpoint keeps them; none where they make no tree.
    #[must_use]
    pub fn restored(all: impl IntoIterator<Item = Category>) -> Option<Self> {
        let mut categories = Self::default();
        let mut count = 0_usize;
        for category in all {
            count += 1;
            categories.enter(category);
        }
        // Whatever is there twice, or is its own ancestor, is missed by one of these.
        let is_complete = categories.by_id.len() == count && categories.by_slug.len() == count;
        let is_placed = |category: &Category| {
            category.description.parent.is_none_or(|parent| categories.by_id.contains_key(&parent))
                && categories.path(category.id).take(DEPTH_MAX + 1).count() <= DEPTH_MAX
        };
        (is_complete && count <= CATEGORIES_MAX && categories.iter().all(is_placed)).then_some(categories)
    }

    /// Makes a category.
    ///
    /// # Errors
    ///
    /// [`Refusal::TooMany`], [`Refusal::Misplaced`].
    pub fn decide_create(&self, id: CategoryId, description: Description) -> Result<Event, Refusal> {
        if self.by_id.len() >= CATEGORIES_MAX {
            return Err(Refusal::TooMany);
        }
        self.check_place(id, &description)?;
        Ok(Event::Created { id, description })
    }

    /// Changes a category; `None` says that it is so already.
    ///
    /// # Errors
    ///
    /// [`Refusal::Unknown`], [`Refusal::VersionMismatch`], [`Refusal::Misplaced`].
    pub fn decide_describe(
        &self,
        id: CategoryId,
        description: Description,
        version: Option<u32>,
    ) -> Result<Option<Event>, Refusal> {
        let present = self.checked(id, version)?;
        if present.description == description {
            return Ok(None);
        }
        self.check_place(id, &description)?;
        Ok(Some(Event::Described { id, description }))
    }

    /// Removes a category without children; `is_used` says whether anything is listed in it.
    ///
    /// # Errors
    ///
    /// [`Refusal::Unknown`], [`Refusal::VersionMismatch`], [`Refusal::InUse`].
    pub fn decide_delete(
        &self,
        id: CategoryId,
        version: Option<u32>,
        is_used: bool,
    ) -> Result<Event, Refusal> {
        self.checked(id, version)?;
        if is_used || self.children_of(Some(id)).next().is_some() {
            return Err(Refusal::InUse);
        }
        Ok(Event::Deleted { id })
    }

    /// Takes what happened into the books.
    pub fn apply(&mut self, event: &Event, now: Timestamp) {
        match event {
            Event::Created { id, description } => {
                let (created_at, updated_at) = (now, now);
                let category = Category {
                    id: *id,
                    description: description.clone(),
                    version: 1,
                    created_at,
                    updated_at,
                };
                self.enter(category);
            }
            Event::Described { id, description } => {
                let before = self.leave(*id);
                let description = description.clone();
                self.enter(Category { description, version: before.version + 1, updated_at: now, ..before });
            }
            Event::Deleted { id } => drop(self.leave(*id)),
        }
    }

    /// Whether a product may be listed in all of `ids`.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotListable`], naming every one that does not exist.
    pub fn check_listing(&self, ids: &[CategoryId]) -> Result<(), Refusal> {
        let is_unknown = |(_, id): &(usize, &CategoryId)| self.get(**id).is_none();
        let unknown: Vec<usize> = ids.iter().enumerate().filter(is_unknown).map(|(place, _)| place).collect();
        if unknown.is_empty() { Ok(()) } else { Err(Refusal::NotListable(unknown)) }
    }

    /// The category of that id.
    #[must_use]
    pub fn get(&self, id: CategoryId) -> Option<&Category> {
        self.by_id.get(&id)
    }

    /// The category of that slug.
    #[must_use]
    pub fn by_slug(&self, slug: &str) -> Option<&Category> {
        self.by_slug.get(slug).and_then(|id| self.by_id.get(id))
    }

    /// The children of a category, or those at the top; oldest first.
    pub fn children_of(&self, parent: Option<CategoryId>) -> impl Iterator<Item = &Category> {
        self.children.get(&parent).into_iter().flatten().map(|id| &self.by_id[id])
    }

    /// Whether `id` is `ancestor` or one of its descendants.
    #[must_use]
    pub fn is_within(&self, id: CategoryId, ancestor: CategoryId) -> bool {
        self.path(id).any(|category| category.id == ancestor)
    }

    /// A category and its ancestors, from the inside out.
    pub fn path(&self, id: CategoryId) -> impl Iterator<Item = &Category> {
        let parent = |category: &&Category| category.description.parent.and_then(|id| self.get(id));
        std::iter::successors(self.get(id), parent)
    }

    /// A category and all its descendants.
    #[must_use]
    pub fn with_descendants(&self, id: CategoryId) -> Vec<CategoryId> {
        let mut found = vec![id];
        let mut next = 0;
        while let Some(id) = found.get(next) {
            found.extend(self.children_of(Some(*id)).map(|child| child.id));
            next += 1;
        }
        found
    }

    /// All of them, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Category> {
        self.by_id.values()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    fn checked(&self, id: CategoryId, version: Option<u32>) -> Result<&Category, Refusal> {
        let present = self.get(id).ok_or(Refusal::Unknown)?;
        match version {
            Some(expected) if expected != present.version => {
                Err(Refusal::VersionMismatch { expected, actual: present.version })
            }
            _ => Ok(present),
        }
    }

    fn check_place(&self, id: CategoryId, description: &Description) -> Result<(), Refusal> {
        let mut misfits = Vec::new();
        if self.by_slug.get(&description.slug).is_some_and(|other| *other != id) {
            misfits.push(Misfit::SlugTaken);
        }
        if let Some(parent) = description.parent {
            misfits.extend(self.misfit_under(parent, id));
        }
        if misfits.is_empty() { Ok(()) } else { Err(Refusal::Misplaced(misfits)) }
    }

    fn misfit_under(&self, parent: CategoryId, id: CategoryId) -> Option<Misfit> {
        if parent == id || self.is_within(parent, id) {
            return Some(Misfit::Cycle);
        }
        if self.get(parent).is_none() {
            return Some(Misfit::UnknownParent);
        }
        (self.path(parent).count() + self.height(id) > DEPTH_MAX).then_some(Misfit::TooDeep)
    }

    /// How many levels a category and its descendants have; 1 for one without children, or not made yet.
    fn height(&self, id: CategoryId) -> usize {
        1 + self.children_of(Some(id)).map(|child| self.height(child.id)).max().unwrap_or(0)
    }

    fn enter(&mut self, category: Category) {
        self.by_slug.insert(category.description.slug.clone(), category.id);
        self.children.entry(category.description.parent).or_default().insert(category.id);
        self.by_id.insert(category.id, category);
    }

    fn leave(&mut self, id: CategoryId) -> Category {
        let category = self.by_id.remove(&id).expect("events speak of categories that are there");
        self.by_slug.remove(&category.description.slug);
        if let Some(siblings) = self.children.get_mut(&category.description.parent) {
            siblings.remove(&id);
            if siblings.is_empty() {
                self.children.remove(&category.description.parent);
            }
        }
        category
    }
}
