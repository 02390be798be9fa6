//! The way back: facts as JSON become the events of a turn again.

use std::borrow::Cow;
use std::fmt;

use holdfast_actors::domain::account::session::FamilyId;
use holdfast_actors::domain::{AccountId, CategoryId, ReservationId, RuleId};
use holdfast_actors::record::{Entity, Events};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::values::number;
use super::{
    AccountFact, CartFact, CategoryFact, Event, MailFact, OrderFact, PriceFact, ProductFact, ReservationFact,
    Resource, SessionFact, StockFact, TYPES, VariantFact,
};

/// A fact as it is read: the twin of [`Event`].
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Told {
    #[serde(rename = "type")]
    kind: Cow<'static, str>,
    resource: Resource,
    data: Box<RawValue>,
}

/// What is wrong with something that was read, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Fault {
    /// The path to the field, such as `events[0].data.lines[2].quantity`; empty for the whole.
    pub field: String,
    /// What is wrong with it.
    pub what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.field.is_empty() {
            write!(out, "field `{}`: ", self.field)?;
        }
        out.write_str(&self.what)
    }
}

impl Fault {
    /// Something is wrong with that field.
    pub fn new(field: impl Into<String>, what: impl Into<String>) -> Self {
        Self { field: field.into(), what: what.into() }
    }

    /// The same, seen from where the field's path begins.
    pub(crate) fn within(self, outer: &str) -> Self {
        let separator = if self.field.is_empty() || self.field.starts_with('[') { "" } else { "." };
        Self { field: format!("{outer}{separator}{}", self.field), what: self.what }
    }
}

/// Reads JSON, and says which field is wrong.
///
/// # Errors
///
/// The [`Fault`], with serde's reason.
pub(super) fn parse<T: DeserializeOwned>(text: &str) -> Result<T, Fault> {
    let mut json = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        Fault::new(if path == "." { String::new() } else { path }, plain(error.inner()))
    })?;
    json.end().map_err(|error| Fault::new("", plain(&error)))?;
    Ok(value)
}

/// The events that an entity's record has, of facts that were read.
///
/// # Errors
///
/// The [`Fault`] of the first fact that is none of the entity, or that has a wrong field.
pub fn turn_events(entity: Entity, told: &[Told]) -> Result<Events, Fault> {
    Ok(match entity {
        Entity::Product(_) => Events::Product(each(told, product_event)?),
        Entity::Accounts => Events::Accounts(each(told, account_event)?),
        Entity::Reservations => Events::Reservations(each(told, |it| match it.resource {
            Resource::Reservation(id) => {
                Ok((ReservationId(number(id)), it.fact::<ReservationFact>()?.into_event()))
            }
            _ => Err(it.foreign()),
        })?),
        Entity::Order(_) => Events::Order(each(told, |it| Ok(it.fact::<OrderFact>()?.into_event()))?),
        Entity::Cart(_) => Events::Cart(each(told, |it| Ok(it.fact::<CartFact>()?.into_event()))?),
        Entity::PriceRules => Events::PriceRules(each(told, |it| match it.resource {
            Resource::PriceRule(id) => Ok(it.fact::<PriceFact>()?.into_event(RuleId(number(id)))),
            _ => Err(it.foreign()),
        })?),
        Entity::Categories => Events::Categories(each(told, |it| match it.resource {
            Resource::Category(id) => Ok(it.fact::<CategoryFact>()?.into_event(CategoryId(number(id)))),
            _ => Err(it.foreign()),
        })?),
        Entity::Mails => Events::Mails(each(told, |it| {
            it.fact::<MailFact>()?.into_event(it.resource).ok_or_else(|| it.foreign())
        })?),
    })
}

fn product_event(told: &Told) -> Result<holdfast_actors::domain::product::Event, Fault> {
    match told.kind.split_once('.') {
        Some(("stock", _)) => Ok(told.fact::<StockFact>()?.into_event()),
        Some(("variant", _)) => Ok(told.fact::<VariantFact>()?.into_event()),
        _ => Ok(told.fact::<ProductFact>()?.into_event()),
    }
}

fn account_event(told: &Told) -> Result<holdfast_actors::domain::account::Event, Fault> {
    match told.resource {
        Resource::Account(id) => Ok(told.fact::<AccountFact>()?.into_event(AccountId(number(id)))),
        Resource::Session(id) => Ok(told.fact::<SessionFact>()?.into_event(FamilyId(number(id)))),
        _ => Err(told.foreign()),
    }
}

fn each<T>(told: &[Told], read: impl Fn(&Told) -> Result<T, Fault>) -> Result<Vec<T>, Fault> {
    let place = |(index, it)| read(it).map_err(|fault| fault.within(&format!("events[{index}]")));
    told.iter().enumerate().map(place).collect()
}

impl Told {
    /// Whether it tells what the event does, whatever the spaces in it.
    pub(super) fn is_of(&self, event: &Event) -> bool {
        self.kind == event.kind && self.resource == event.resource
    }

    /// Its fields, as those of a fact of this family.
    fn fact<T: DeserializeOwned>(&self) -> Result<T, Fault> {
        if !TYPES.contains(&&*self.kind) {
            return Err(Fault::new("type", format!("there is no fact `{}`", self.kind)));
        }
        let text = format!("{{\"{}\":{}}}", self.kind, self.data.get());
        parse(&text).map_err(|fault| {
            let rest = fault.field.strip_prefix(&*self.kind);
            match rest.map(|rest| rest.trim_start_matches('.').to_owned()) {
                Some(field) => Fault { field, ..fault }.within("data"),
                None => self.foreign(),
            }
        })
    }

    fn foreign(&self) -> Fault {
        Fault::new("type", format!("a record of this entity has no `{}` of such a resource", self.kind))
    }
}

impl From<Event> for Told {
    fn from(event: Event) -> Self {
        Self { kind: Cow::Borrowed(event.kind), resource: event.resource, data: event.data }
    }
}

/// serde's words without its count of lines and columns: the caller knows the line better.
fn plain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split_once(" at line ").map_or(text.clone(), |(words, _)| words.to_owned())
}
