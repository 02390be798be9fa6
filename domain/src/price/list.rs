//! All rules of the shop, found by what they are for.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::category::Categories;
use crate::{CategoryId, RuleId, Sku, Timestamp};

use super::rule::{Rule, Terms};

/// How many rules there may be.
pub const RULES_MAX: usize = 1_000;
/// How many skus and categories all of them together may name, so that publishing them pauses nobody.
pub const TARGETS_MAX: usize = 20_000;

/// What happened to the rules.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// One was made.
    Created {
        /// Which.
        id: RuleId,
        /// As it is.
        terms: Terms,
    },
    /// One is otherwise now.
    Changed {
        /// Which.
        id: RuleId,
        /// As it is.
        terms: Terms,
    },
    /// One is gone.
    Deleted {
        /// Which.
        id: RuleId,
    },
}

/// Why the rules stay as they are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// There is no such rule.
    Unknown,
    /// It changed meanwhile.
    VersionMismatch {
        /// What the caller expected.
        expected: u32,
        /// What it is.
        actual: u32,
    },
    /// There are [`RULES_MAX`] already, or they would name more than [`TARGETS_MAX`] skus and categories.
    TooMany,
    /// A value is out of its bounds.
    OutOfBounds,
    /// It names categories that do not exist; each by its place in the list.
    UnknownCategories(Vec<u32>),
}

/// All rules.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PriceList {
    rules: BTreeMap<RuleId, Arc<Rule>>,
    /// How many skus and categories they name.
    targets: usize,
    everywhere: Vec<Arc<Rule>>,
    by_sku: BTreeMap<Sku, Vec<Arc<Rule>>>,
    by_category: BTreeMap<CategoryId, Vec<Arc<Rule>>>,
}

impl PriceList {
    /// The list of these rules, as a checkpoint keeps them; none where it breaks a bound or has a rule twice.
    #[must_use]
    pub fn restored(rules: impl IntoIterator<Item = Arc<Rule>>) -> Option<Self> {
        let mut list = Self::default();
        for rule in rules {
            if list.rules.contains_key(&rule.id) {
                return None;
            }
            list.enter(rule);
        }
        (list.rules.len() <= RULES_MAX && list.targets <= TARGETS_MAX).then_some(list)
    }

    /// Makes a rule.
    ///
    /// # Errors
    ///
    /// [`Refusal::TooMany`], [`Refusal::OutOfBounds`], [`Refusal::UnknownCategories`].
    pub fn decide_create(&self, id: RuleId, terms: Terms, categories: &Categories) -> Result<Event, Refusal> {
        if self.rules.len() >= RULES_MAX {
            return Err(Refusal::TooMany);
        }
        self.check_terms(&terms, 0, categories)?;
        Ok(Event::Created { id, terms })
    }

    /// Changes a rule; `None` says that it is so already.
    ///
    /// # Errors
    ///
    /// [`Refusal::Unknown`], [`Refusal::VersionMismatch`], and those of [`PriceList::decide_create`].
    pub fn decide_change(
        &self,
        id: RuleId,
        terms: Terms,
        version: Option<u32>,
        categories: &Categories,
    ) -> Result<Option<Event>, Refusal> {
        let present = self.checked(id, version)?;
        if present.terms == terms {
            return Ok(None);
        }
        self.check_terms(&terms, targets(&present.terms), categories)?;
        Ok(Some(Event::Changed { id, terms }))
    }

    /// Removes a rule. What was sold by it keeps its price.
    ///
    /// # Errors
    ///
    /// [`Refusal::Unknown`], [`Refusal::VersionMismatch`].
    pub fn decide_delete(&self, id: RuleId, version: Option<u32>) -> Result<Event, Refusal> {
        self.checked(id, version)?;
        Ok(Event::Deleted { id })
    }

    /// Takes what happened into the books.
    ///
    /// # Panics
    ///
    /// When the event does not fit the state: we do not run on wrong books.
    pub fn apply(&mut self, event: &Event, now: Timestamp) {
        match event {
            Event::Created { id, terms } => {
                assert!(!self.rules.contains_key(id), "a rule is made once");
                let terms = terms.clone();
                self.enter(Arc::new(Rule { id: *id, terms, version: 1, created_at: now, updated_at: now }));
            }
            Event::Changed { id, terms } => {
                let before = self.leave(*id);
                let Rule { id, created_at, .. } = *before;
                let version = before.version + 1;
                let terms = terms.clone();
                self.enter(Arc::new(Rule { id, terms, version, created_at, updated_at: now }));
            }
            Event::Deleted { id } => drop(self.leave(*id)),
        }
    }

    /// The rule of that id.
    #[must_use]
    pub fn get(&self, id: RuleId) -> Option<&Arc<Rule>> {
        self.rules.get(&id)
    }

    /// All of them, by id.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Arc<Rule>> {
        self.rules.values()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Whether no price can be other than the base price.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.everywhere.is_empty() && self.by_sku.is_empty() && self.by_category.is_empty()
    }

    /// Whether a rule names this category, active or not.
    #[must_use]
    pub fn names_category(&self, id: CategoryId) -> bool {
        self.rules.values().any(|rule| rule.terms.categories.contains(&id))
    }

    /// Looks at the active rules that may be for a line, in no order and perhaps more than once.
    pub(super) fn look_at_candidates<'a>(
        &'a self,
        sku: &Sku,
        listed_in: &[CategoryId],
        categories: &Categories,
        mut look: impl FnMut(&'a Rule),
    ) {
        self.everywhere.iter().for_each(|rule| look(rule));
        self.by_sku.get(sku).into_iter().flatten().for_each(|rule| look(rule));
        // Most shops price by sku or for everything, and then nobody walks the tree.
        if self.by_category.is_empty() {
            return;
        }
        for category in listed_in.iter().flat_map(|id| categories.path(*id)) {
            self.by_category.get(&category.id).into_iter().flatten().for_each(|rule| look(rule));
        }
    }

    fn checked(&self, id: RuleId, version: Option<u32>) -> Result<&Rule, Refusal> {
        let present = self.get(id).ok_or(Refusal::Unknown)?;
        match version {
            Some(expected) if expected != present.version => {
                Err(Refusal::VersionMismatch { expected, actual: present.version })
            }
            _ => Ok(present),
        }
    }

    /// `given_up` is how many targets the same rule names now.
    fn check_terms(&self, terms: &Terms, given_up: usize, categories: &Categories) -> Result<(), Refusal> {
        if !terms.is_sound() {
            return Err(Refusal::OutOfBounds);
        }
        let is_unknown = |(_, id): &(u32, &CategoryId)| categories.get(**id).is_none();
        let unknown: Vec<u32> =
            (0..).zip(&terms.categories).filter(is_unknown).map(|(place, _)| place).collect();
        if !unknown.is_empty() {
            return Err(Refusal::UnknownCategories(unknown));
        }
        if self.targets - given_up + targets(terms) > TARGETS_MAX {
            return Err(Refusal::TooMany);
        }
        Ok(())
    }

    fn enter(&mut self, rule: Arc<Rule>) {
        self.targets += targets(&rule.terms);
        if rule.terms.is_active {
            if rule.terms.is_for_everything() {
                insert(&mut self.everywhere, &rule);
            }
            for sku in &rule.terms.skus {
                insert(self.by_sku.entry(sku.clone()).or_default(), &rule);
            }
            for category in &rule.terms.categories {
                insert(self.by_category.entry(*category).or_default(), &rule);
            }
        }
        self.rules.insert(rule.id, rule);
    }

    fn leave(&mut self, id: RuleId) -> Arc<Rule> {
        let rule = self.rules.remove(&id).expect("events speak of rules that are there");
        self.targets -= targets(&rule.terms);
        self.everywhere.retain(|other| other.id != id);
        for sku in &rule.terms.skus {
            remove(&mut self.by_sku, sku, id);
        }
        for category in &rule.terms.categories {
            remove(&mut self.by_category, category, id);
        }
        rule
    }
}

const fn targets(terms: &Terms) -> usize {
    terms.skus.len() + terms.categories.len()
}

/// Puts a rule into its place by rank, so that lists with the same rules are the same.
fn insert(rules: &mut Vec<Arc<Rule>>, rule: &Arc<Rule>) {
    let place = rules.partition_point(|other| other.rank() < rule.rank());
    let is_there = rules.get(place).is_some_and(|other| other.id == rule.id);
    if !is_there {
        rules.insert(place, Arc::clone(rule));
    }
}

fn remove<K: Ord>(index: &mut BTreeMap<K, Vec<Arc<Rule>>>, key: &K, id: RuleId) {
    if let Some(rules) = index.get_mut(key) {
        rules.retain(|rule| rule.id != id);
        if rules.is_empty() {
            index.remove(key);
        }
    }
}
