//! What a reservation is made or extended with, field by field.

use holdfast_actors::domain::Millis;
use holdfast_actors::engine::NewReservation;
use serde::{Deserialize, Serialize};

use crate::http::check::Check;
use crate::http::field::Field;
use crate::http::json::Body;
use crate::http::lines::{self, Line, RawLines};
use crate::http::values::{JsonText, Text, TtlSeconds};

type Reference = Text<1, 200>;
type Metadata = JsonText<4096>;

/// A reservation to be made.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewReservation)]
pub struct NewReservationBody {
    #[schema(value_type = lines::Lines)]
    pub(super) lines: Vec<Line>,
    ttl_seconds: Option<TtlSeconds>,
    reference: Option<Reference>,
    metadata: Option<Metadata>,
}

/// As it came.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RawReservation {
    lines: RawLines,
    ttl_seconds: Field<TtlSeconds>,
    reference: Field<Reference>,
    metadata: Field<Metadata>,
}

/// A new deadline.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Extension {
    ttl_seconds: TtlSeconds,
}

/// As it came.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RawExtension {
    ttl_seconds: Field<TtlSeconds>,
}

impl Body for NewReservationBody {
    type Raw = RawReservation;

    fn check(raw: RawReservation, check: &mut Check) -> Option<Self> {
        let lines = lines::check(raw.lines, check);
        let ttl_seconds = check.optional("ttl_seconds", raw.ttl_seconds);
        let reference = check.optional("reference", raw.reference);
        let metadata = check.optional("metadata", raw.metadata);
        Some(Self { lines: lines?, ttl_seconds: ttl_seconds?, reference: reference?, metadata: metadata? })
    }
}

impl NewReservationBody {
    /// The same for the actors.
    pub(super) fn to_actors(&self) -> NewReservation {
        NewReservation {
            lines: lines::wanted(&self.lines),
            ttl: self.ttl_seconds.map(TtlSeconds::to_domain),
            reference: self.reference.as_ref().map(|text| text.as_str().into()),
            metadata: self.metadata.as_ref().map(|text| text.as_str().into()),
        }
    }
}

impl Body for Extension {
    type Raw = RawExtension;

    fn check(raw: RawExtension, check: &mut Check) -> Option<Self> {
        let ttl_seconds = check.required("ttl_seconds", raw.ttl_seconds);
        Some(Self { ttl_seconds: ttl_seconds? })
    }
}

impl Extension {
    pub(super) fn span(&self) -> Millis {
        self.ttl_seconds.to_domain()
    }
}
