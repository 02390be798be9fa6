//! The tree of categories: what may stand where, and what may go.

use holdfast_domain::category::{CATEGORIES_MAX, Categories, DEPTH_MAX, Description, Event, Misfit, Refusal};
use holdfast_domain::{CategoryId, Timestamp};
use proptest::prelude::*;

const NOON: Timestamp = Timestamp(1_700_000_000_000);
const LATER: Timestamp = Timestamp(1_700_000_060_000);

/// A tree that is told to grow, with the refusals of the rules.
#[derive(Default)]
struct Office {
    categories: Categories,
}

impl Office {
    fn make(&mut self, id: u128, slug: &str, parent: Option<u128>) -> Result<(), Refusal> {
        let event = self.categories.decide_create(CategoryId(id), described(slug, parent))?;
        self.categories.apply(&event, NOON);
        Ok(())
    }

    fn change(
        &mut self,
        id: u128,
        slug: &str,
        parent: Option<u128>,
        version: Option<u32>,
    ) -> Result<bool, Refusal> {
        let event = self.categories.decide_describe(CategoryId(id), described(slug, parent), version)?;
        event.iter().for_each(|event| self.categories.apply(event, LATER));
        Ok(event.is_some())
    }

    fn delete(&mut self, id: u128, version: Option<u32>, is_used: bool) -> Result<(), Refusal> {
        let event = self.categories.decide_delete(CategoryId(id), version, is_used)?;
        self.categories.apply(&event, LATER);
        Ok(())
    }

    /// 1 clothes ▸ 2 coats ▸ 3 rain coats; 4 tools.
    fn furnished() -> Self {
        let mut office = Self::default();
        office.make(1, "clothes", None).expect("the first has room");
        office.make(2, "coats", Some(1)).expect("its parent is there");
        office.make(3, "rain-coats", Some(2)).expect("its parent is there");
        office.make(4, "tools", None).expect("there may be several at the top");
        office
    }
}

fn described(slug: &str, parent: Option<u128>) -> Description {
    Description { name: slug.to_uppercase().into(), slug: slug.into(), parent: parent.map(CategoryId) }
}

fn misplaced(misfits: &[Misfit]) -> Refusal {
    Refusal::Misplaced(misfits.to_vec())
}

fn ids<'a>(found: impl Iterator<Item = &'a holdfast_domain::Category>) -> Vec<u128> {
    found.map(|category| category.id.0).collect()
}

#[test]
fn tree_is_walked_both_ways() {
    let Office { categories } = Office::furnished();
    assert_eq!(ids(categories.children_of(None)), [1, 4]);
    assert_eq!(ids(categories.children_of(Some(CategoryId(1)))), [2]);
    assert_eq!(ids(categories.path(CategoryId(3))), [3, 2, 1]);
    assert_eq!(categories.with_descendants(CategoryId(1)), [1, 2, 3].map(CategoryId));
    assert!(categories.is_within(CategoryId(3), CategoryId(1)));
    assert!(categories.is_within(CategoryId(3), CategoryId(3)));
    assert!(!categories.is_within(CategoryId(1), CategoryId(3)));
    let coats = categories.by_slug("coats").expect("it was made");
    assert_eq!((coats.id, coats.version, coats.created_at), (CategoryId(2), 1, NOON));
    assert_eq!((categories.len(), categories.is_empty()), (4, false));
    assert_eq!(categories.by_slug("hats"), None);
}

#[test]
fn slug_belongs_to_one_category_until_it_is_given_up() {
    let mut office = Office::furnished();
    assert_eq!(office.make(5, "coats", None), Err(misplaced(&[Misfit::SlugTaken])));
    assert_eq!(office.change(4, "coats", None, None), Err(misplaced(&[Misfit::SlugTaken])));
    assert_eq!(office.change(2, "jackets", Some(1), None), Ok(true));
    assert_eq!(office.make(5, "coats", None), Ok(()));
    assert_eq!(office.delete(5, None, false), Ok(()));
    assert_eq!(office.make(6, "coats", None), Ok(()));
}

#[test]
fn category_is_never_put_under_itself() {
    let mut office = Office::furnished();
    for parent in [1, 2, 3] {
        assert_eq!(office.change(1, "clothes", Some(parent), None), Err(misplaced(&[Misfit::Cycle])));
    }
    assert_eq!(office.make(5, "loop", Some(5)), Err(misplaced(&[Misfit::Cycle])));
    assert_eq!(office.change(1, "clothes", Some(4), None), Ok(true));
    assert_eq!(ids(office.categories.path(CategoryId(3))), [3, 2, 1, 4]);
}

#[test]
fn every_misfit_is_named_at_once() {
    let mut office = Office::furnished();
    let both = misplaced(&[Misfit::SlugTaken, Misfit::UnknownParent]);
    assert_eq!(office.make(5, "tools", Some(9)), Err(both));
    let both = misplaced(&[Misfit::SlugTaken, Misfit::Cycle]);
    assert_eq!(office.change(1, "tools", Some(3), None), Err(both));
}

#[test]
fn tree_has_a_bottom() {
    let mut office = Office::default();
    let deepest = u128::try_from(DEPTH_MAX).expect("it is small");
    for id in 1..=deepest {
        let parent = (id > 1).then(|| id - 1);
        assert_eq!(office.make(id, &format!("level-{id}"), parent), Ok(()));
    }
    let below = office.make(99, "below", Some(deepest));
    assert_eq!(below, Err(misplaced(&[Misfit::TooDeep])));
    // A branch is as deep as its deepest leaf, wherever it is moved.
    office.make(100, "top", None).expect("there is room beside");
    assert_eq!(office.change(1, "level-1", Some(100), None), Err(misplaced(&[Misfit::TooDeep])));
    assert_eq!(office.change(2, "level-2", Some(100), None), Ok(true));
}

#[test]
fn only_what_nobody_needs_is_deleted() {
    let mut office = Office::furnished();
    assert_eq!(office.delete(2, None, false), Err(Refusal::InUse), "it has a child");
    assert_eq!(office.delete(3, None, true), Err(Refusal::InUse), "something is listed in it");
    assert_eq!(office.delete(3, Some(2), false), Err(Refusal::VersionMismatch { expected: 2, actual: 1 }));
    assert_eq!(office.delete(3, Some(1), false), Ok(()));
    assert_eq!(office.delete(3, None, false), Err(Refusal::Unknown));
    assert_eq!(office.delete(2, None, false), Ok(()));
    assert_eq!(ids(office.categories.iter()), [1, 4]);
}

#[test]
fn change_raises_the_version_and_no_change_does_not() {
    let mut office = Office::furnished();
    assert_eq!(office.change(2, "coats", Some(1), Some(1)), Ok(false));
    assert_eq!(office.change(2, "coats", None, Some(1)), Ok(true));
    assert_eq!(
        office.change(2, "coats", None, Some(1)),
        Err(Refusal::VersionMismatch { expected: 1, actual: 2 })
    );
    let coats = office.categories.get(CategoryId(2)).expect("it is there");
    assert_eq!((coats.version, coats.created_at, coats.updated_at), (2, NOON, LATER));
    assert_eq!(office.change(9, "none", None, None), Err(Refusal::Unknown));
}

#[test]
fn product_is_listed_only_where_there_is_something() {
    let Office { categories } = Office::furnished();
    let all = [1, 9, 4, 8].map(CategoryId);
    assert_eq!(categories.check_listing(&all), Err(Refusal::NotListable(vec![1, 3])));
    assert_eq!(categories.check_listing(&all[..1]), Ok(()));
    assert_eq!(categories.check_listing(&[]), Ok(()));
}

#[test]
fn categories_have_a_bound() {
    let mut office = Office::default();
    for id in 0..CATEGORIES_MAX {
        let id = u128::try_from(id).expect("it is small");
        office.make(id, &format!("c{id}"), None).expect("there is room");
    }
    assert_eq!(office.make(u128::MAX, "one-more", None), Err(Refusal::TooMany));
}

proptest! {
    /// Whatever is asked: no cycle, no two with one slug, nobody without parent, nothing too deep.
    #[test]
    fn tree_stays_a_tree(wishes in proptest::collection::vec((0..4_u8, 1..12_u128, 0..12_u8, 0..14_u128), 0..200)) {
        let mut office = Office::default();
        for (kind, id, slug, parent) in wishes {
            let (slug, parent) = (format!("s{slug}"), (parent > 0).then_some(parent));
            // Refusals are answers here; the laws below are what counts.
            let _answer = match kind {
                0 | 1 if office.categories.get(CategoryId(id)).is_none() => office.make(id, &slug, parent),
                3 => office.delete(id, None, false),
                _ => office.change(id, &slug, parent, None).map(drop),
            };
            let categories = &office.categories;
            for category in categories.iter() {
                prop_assert!(categories.path(category.id).take(DEPTH_MAX + 1).count() <= DEPTH_MAX);
                let parent = category.description.parent;
                prop_assert!(parent.is_none_or(|parent| categories.get(parent).is_some()));
                let of_slug = categories.by_slug(&category.description.slug);
                prop_assert_eq!(of_slug.map(|it| it.id), Some(category.id));
                prop_assert!(ids(categories.children_of(parent)).contains(&category.id.0));
            }
            let reached: usize = categories
                .children_of(None)
                .map(|top| categories.with_descendants(top.id).len())
                .sum();
            prop_assert_eq!(reached, categories.len());
        }
    }

    /// Replay gives the same tree.
    #[test]
    fn events_alone_make_the_tree(parents in proptest::collection::vec(0..8_u128, 1..20)) {
        let (mut live, mut events) = (Categories::default(), Vec::<Event>::new());
        for (id, parent) in (1..).zip(parents) {
            let description = described(&format!("s{id}"), (parent > 0).then_some(parent));
            if let Ok(event) = live.decide_create(CategoryId(id), description) {
                live.apply(&event, NOON);
                events.push(event);
            }
        }
        let mut replayed = Categories::default();
        events.iter().for_each(|event| replayed.apply(event, NOON));
        prop_assert_eq!(live, replayed);
    }
}
