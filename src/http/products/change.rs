//! What a patch does with one field: merge patches (RFC 7396) of fields that may be empty, and of attributes.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value as Json};

use super::body::check_attributes;
use crate::http::check::Check;
use crate::http::field::Field;

/// What to do with a field that may be empty.
#[derive(Clone, Debug, Serialize)]
pub(in crate::http) enum Change<T> {
    Keep,
    Clear,
    Set(T),
}

/// Attributes to be merged into the present ones, or to be cleared first.
#[derive(Debug, Serialize)]
pub(in crate::http) struct AttributesPatch {
    attributes: Option<Map<String, Json>>,
    is_cleared: bool,
}

impl<T> Change<T> {
    pub(in crate::http) fn over<U: Clone>(
        &self,
        present: &Option<U>,
        make: impl FnOnce(&T) -> U,
    ) -> Option<U> {
        match self {
            Self::Keep => present.clone(),
            Self::Clear => None,
            Self::Set(value) => Some(make(value)),
        }
    }
}

impl AttributesPatch {
    pub(in crate::http) fn check(raw: Option<Json>, check: &mut Check) -> Option<Self> {
        let is_cleared = raw.as_ref().is_some_and(Json::is_null);
        let attributes = match raw {
            None | Some(Json::Null) => None,
            attributes => Some(check_attributes(attributes, check)?.0),
        };
        Some(Self { attributes, is_cleared })
    }

    /// The attributes with the patch merged in (RFC 7396).
    pub(in crate::http) fn over(&self, present: &str) -> Box<str> {
        if self.is_cleared {
            return "{}".into();
        }
        let Some(patch) = &self.attributes else { return present.into() };
        let mut target =
            serde_json::from_str(present).expect("attributes were checked before they were kept");
        merge(&mut target, patch);
        target.to_string().into()
    }
}

/// A field that may be absent but not null.
pub(in crate::http) fn present<T>(name: &str, field: Field<T>, check: &mut Check) -> Option<Option<T>> {
    match field {
        Field::Absent => Some(None),
        field => check.required(name, field).map(Some),
    }
}

pub(in crate::http) fn change<T>(name: &str, field: Field<T>, check: &mut Check) -> Option<Change<T>> {
    match field {
        Field::Absent => Some(Change::Keep),
        Field::Null => Some(Change::Clear),
        field => check.required(name, field).map(Change::Set),
    }
}

fn merge(target: &mut Json, patch: &Map<String, Json>) {
    if !target.is_object() {
        *target = Json::Object(Map::new());
    }
    let target = target.as_object_mut().expect("made one above");
    for (name, value) in patch {
        match value {
            Json::Null => {
                target.remove(name);
            }
            Json::Object(inner) => merge(target.entry(name.clone()).or_insert(Json::Null), inner),
            value => {
                target.insert(name.clone(), value.clone());
            }
        }
    }
}

/// A value that is there: serde alone takes `null` for a field that is absent.
pub(in crate::http) fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Json>, D::Error> {
    Json::deserialize(deserializer).map(Some)
}
