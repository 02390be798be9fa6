//! What a category is made or changed with.

use holdfast_actors::domain::CategoryId;
use holdfast_actors::domain::category::Description;
use serde::{Deserialize, Serialize};

use crate::http::check::Check;
use crate::http::field::{Fault, Field, Value};
use crate::http::json::Body;
use crate::http::openapi::inline::value_schemas;
use crate::http::values::{Category, Id, Text, schema};

/// The longest slug.
pub(in crate::http) const SLUG_BYTES_MAX: usize = 64;

type Name = Text<1, 200>;

/// A category as it is to be.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewCategory)]
pub struct CategoryBody {
    name: Name,
    /// Its name in addresses; no two categories have the same.
    slug: Slug,
    /// The category above it; at the top without one.
    parent_id: Option<Id<Category>>,
}

/// As it came.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RawCategory {
    name: Field<Name>,
    slug: Field<Slug>,
    parent_id: Field<Id<Category>>,
}

/// The name of a category in addresses: 1 to 64 characters of `[a-z0-9-]`, no dash at either end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Slug(Box<str>);

value_schemas! {
    impl[] Slug as "slug" => schema::text()
        .min_length(Some(1))
        .max_length(Some(SLUG_BYTES_MAX))
        .pattern(Some("^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"))
        .examples(["rain-jackets"]);
}

impl Value<'_> for Slug {
    const EXPECTED: &'static str = "a string";

    fn from_text(text: &str) -> Result<Self, Fault> {
        let is_allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
        let is_slug = (1..=SLUG_BYTES_MAX).contains(&text.len())
            && text.bytes().all(is_allowed)
            && !text.starts_with('-')
            && !text.ends_with('-');
        if is_slug {
            return Ok(Self(text.into()));
        }
        let detail =
            format!("Must be 1 to {SLUG_BYTES_MAX} characters of a-z, 0-9 and `-`, with no `-` at an end.");
        Err(Fault::new("malformed", detail))
    }
}

impl Body for CategoryBody {
    type Raw = RawCategory;

    fn check(raw: RawCategory, check: &mut Check) -> Option<Self> {
        let name = check.required("name", raw.name);
        let slug = check.required("slug", raw.slug);
        let parent_id = check.optional("parent_id", raw.parent_id);
        Some(Self { name: name?, slug: slug?, parent_id: parent_id? })
    }
}

impl CategoryBody {
    /// The same for the actors.
    pub(super) fn domain(&self) -> Description {
        Description {
            name: self.name.as_str().into(),
            slug: self.slug.0.clone(),
            parent: self.parent_id.map(|id| CategoryId(id.uuid().as_u128())),
        }
    }
}
