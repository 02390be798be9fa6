//! How categories look on the wire.

use holdfast_actors::domain::CategoryId;
use holdfast_actors::domain::category::{Categories, Category};
use serde::Serialize;
use uuid::Uuid;

use crate::http::values::{self, Id};
use crate::http::view::Moment;

/// A category alone.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = Category)]
pub(super) struct Plain<'a> {
    id: Id<values::Category>,
    name: &'a str,
    /// Its name in addresses and in the `category` filter of products.
    slug: &'a str,
    /// The category above it; null at the top.
    parent_id: Option<Id<values::Category>>,
    version: u32,
    created_at: Moment,
    updated_at: Moment,
}

/// A category and all below it.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = CategoryBranch)]
pub(super) struct Branch<'a> {
    #[serde(flatten)]
    category: Plain<'a>,
    /// Those right below it, oldest first, each with its own.
    #[schema(no_recursion)]
    children: Vec<Branch<'a>>,
}

/// A category, all below it, and the way to it from the top.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = CategoryWithPath)]
pub(super) struct Whole<'a> {
    #[serde(flatten)]
    branch: Branch<'a>,
    /// From the top down to the category itself.
    path: Vec<Step<'a>>,
}

/// A category on the way.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = CategoryStep)]
struct Step<'a> {
    id: Id<values::Category>,
    name: &'a str,
    slug: &'a str,
}

impl<'a> Plain<'a> {
    pub(super) fn of(category: &'a Category) -> Self {
        let description = &category.description;
        Self {
            id: id(category.id),
            name: &description.name,
            slug: &description.slug,
            parent_id: description.parent.map(id),
            version: category.version,
            created_at: Moment(category.created_at),
            updated_at: Moment(category.updated_at),
        }
    }
}

impl<'a> Branch<'a> {
    fn of(categories: &'a Categories, category: &'a Category) -> Self {
        let children = Self::children(categories, Some(category.id));
        Self { category: Plain::of(category), children }
    }

    /// The branches below a category, or those at the top. The rules bound how deep they go.
    pub(super) fn children(categories: &'a Categories, parent: Option<CategoryId>) -> Vec<Self> {
        categories.children_of(parent).map(|child| Self::of(categories, child)).collect()
    }
}

impl<'a> Whole<'a> {
    pub(super) fn of(categories: &'a Categories, category: &'a Category) -> Self {
        let step =
            |it: &'a Category| Step { id: id(it.id), name: &it.description.name, slug: &it.description.slug };
        let mut path: Vec<_> = categories.path(category.id).map(step).collect();
        path.reverse();
        Self { branch: Branch::of(categories, category), path }
    }
}

fn id(CategoryId(id): CategoryId) -> Id<values::Category> {
    Id::new(Uuid::from_u128(id))
}
