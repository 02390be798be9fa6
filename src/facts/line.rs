//! One record of the journal as one line of JSON, such that reading it gives the stored bytes again, to the bit.
//!
//! Written by this program, a payload follows from what the line says; where it does not (an older form of something, a
//! text that JSON has no form for), the line carries the stored payload beside it.

use holdfast_actors::domain::idempotency::{Fingerprint, Key};
use holdfast_actors::domain::{AccountId, CartId, OrderId, ProductId};
use holdfast_actors::persistence::{
    BatchNumber, Epoch, OwnedRecord, Partition, RECORD_BYTES_MAX, Record, RecordHeader, Sequence,
};
use holdfast_actors::record::{self, DecodeError, Entity, KeyedOutcome, Turn};
use holdfast_actors::{Actor, RequestId, RequestKey};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::http::values::{self as ids, Id};

use super::read::{self, Fault, Told, turn_events};
use super::values::{Base64, Digest, Moment, id, number};
use super::{Secrets, events_of};

/// A record as an export has it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordLine {
    batch: u64,
    partition: u16,
    sequence: u64,
    epoch: u32,
    at: Moment,
    request_id: Box<str>,
    actor: Who,
    entity: Whose,
    previous: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<Keyed>,
    events: Vec<Told>,
    /// What is stored, where it does not follow from the rest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    payload: Option<Base64>,
}

/// Who brought a change about.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(tag = "type", content = "id", rename_all = "snake_case", deny_unknown_fields)]
enum Who {
    System,
    Guest(Digest),
    Customer(Id<ids::User>),
    Admin(Id<ids::User>),
}

/// The aggregate that a record belongs to.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(tag = "type", content = "id", rename_all = "snake_case", deny_unknown_fields)]
enum Whose {
    Product(Id<ids::Product>),
    Accounts,
    Reservations,
    Order(Id<ids::Order>),
    Cart(Id<ids::Cart>),
    PriceRules,
    Categories,
    Mails,
}

/// An idempotency key, as hashed, and what it was answered, as stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Keyed {
    key: Digest,
    fingerprint: Digest,
    outcome: Base64,
}

impl RecordLine {
    /// The line of a stored record of that batch.
    ///
    /// # Errors
    ///
    /// Those of [`record::decode`].
    pub fn of(batch: BatchNumber, record: Record<'_>) -> Result<Self, DecodeError> {
        let turn = record::decode(record.payload)?;
        let line = Self::told(batch, record.header, &turn);
        let is_enough = serde_json::to_string(&line)
            .ok()
            .and_then(|text| read::parse::<Self>(&text).ok()?.record().ok())
            .is_some_and(|(_, again)| again.header == record.header && again.payload == record.payload);
        let payload = (!is_enough).then(|| Base64(record.payload.to_vec()));
        Ok(Self { payload, ..line })
    }

    /// How many facts it tells.
    pub fn events(&self) -> usize {
        self.events.len()
    }

    /// The record, and its batch.
    ///
    /// # Errors
    ///
    /// The [`Fault`] of the first field that contradicts the others, or that the rules do not allow.
    pub fn record(self) -> Result<(BatchNumber, OwnedRecord), Fault> {
        let batch = BatchNumber(self.batch);
        let header = RecordHeader {
            partition: Partition(self.partition),
            epoch: Epoch(self.epoch),
            sequence: Sequence(self.sequence),
            time_ms: self.at.0,
        };
        let payload = match &self.payload {
            Some(payload) => self.check_payload(batch, header, &payload.0)?,
            None => self.to_payload()?,
        };
        if payload.len() > RECORD_BYTES_MAX {
            let what = format!("a record has at most {RECORD_BYTES_MAX} bytes, this one {}", payload.len());
            return Err(Fault::new("", what));
        }
        Ok((batch, OwnedRecord { header, payload }))
    }

    fn told(batch: BatchNumber, header: RecordHeader, turn: &Turn) -> Self {
        let keyed = |keyed: &KeyedOutcome| Keyed {
            key: keyed.key.key.0.into(),
            fingerprint: keyed.key.fingerprint.0.into(),
            outcome: Base64(record::encode_outcome(&keyed.answered)),
        };
        Self {
            batch: batch.0,
            partition: header.partition.0,
            sequence: header.sequence.0,
            epoch: header.epoch.0,
            at: Moment(header.time_ms),
            request_id: match &turn.request_id {
                RequestId::Made(number) => Uuid::from_u128(*number).to_string().into(),
                RequestId::Sent(text) => text.clone(),
            },
            actor: turn.actor.into(),
            entity: turn.entity.into(),
            previous: turn.previous,
            key: turn.key.as_ref().map(keyed),
            events: events_of(turn, Secrets::Shown).into_iter().map(Told::from).collect(),
            payload: None,
        }
    }

    /// What this program stores for what the line says.
    fn to_payload(&self) -> Result<Vec<u8>, Fault> {
        let entity = self.entity.into();
        let keyed = |keyed: &Keyed| {
            let answered = record::decode_outcome(&keyed.outcome.0);
            let answered = answered.map_err(|error| Fault::new("key.outcome", words(&error)))?;
            let key =
                RequestKey { key: Key(keyed.key.into()), fingerprint: Fingerprint(keyed.fingerprint.into()) };
            Ok(KeyedOutcome { key, answered })
        };
        let turn = Turn {
            request_id: match Uuid::try_parse(&self.request_id) {
                Ok(uuid) if uuid.to_string() == *self.request_id => RequestId::Made(uuid.as_u128()),
                _ => RequestId::Sent(self.request_id.clone()),
            },
            actor: self.actor.into(),
            entity,
            previous: self.previous,
            key: self.key.as_ref().map(keyed).transpose()?,
            events: turn_events(entity, &self.events)?,
        };
        // A fact under the name of another of its family, or of another's resource, would be told otherwise next time.
        for (index, (told, event)) in self.events.iter().zip(events_of(&turn, Secrets::Shown)).enumerate() {
            if !told.is_of(&event) {
                let what = format!("what it says is a `{}` of {}", event.kind, event.resource);
                return Err(Fault::new(format!("events[{index}]"), what));
            }
        }
        let payload = record::encode(&turn, Vec::new());
        match record::decode(&payload) {
            Ok(_) => Ok(payload),
            Err(error) => Err(Fault::new("events", words(&error))),
        }
    }

    /// The payload that the line carries, if the rest of the line is what it says.
    fn check_payload(
        &self,
        batch: BatchNumber,
        header: RecordHeader,
        payload: &[u8],
    ) -> Result<Vec<u8>, Fault> {
        let turn = record::decode(payload).map_err(|error| Fault::new("payload", words(&error)))?;
        let value = |line: Self| serde_json::to_value(line).expect("a line can be written");
        let told = value(Self { payload: None, ..self.clone() });
        if value(Self::told(batch, header, &turn)) == told {
            Ok(payload.to_vec())
        } else {
            Err(Fault::new("payload", "it says something else than the line"))
        }
    }
}

fn words(error: &DecodeError) -> String {
    format!("{error}")
}

impl From<Actor> for Who {
    fn from(actor: Actor) -> Self {
        match actor {
            Actor::System => Self::System,
            Actor::Guest(digest) => Self::Guest(digest.into()),
            Actor::Customer(AccountId(account)) => Self::Customer(id(account)),
            Actor::Admin(AccountId(account)) => Self::Admin(id(account)),
        }
    }
}

impl From<Who> for Actor {
    fn from(who: Who) -> Self {
        match who {
            Who::System => Self::System,
            Who::Guest(digest) => Self::Guest(digest.into()),
            Who::Customer(account) => Self::Customer(AccountId(number(account))),
            Who::Admin(account) => Self::Admin(AccountId(number(account))),
        }
    }
}

impl From<Entity> for Whose {
    fn from(entity: Entity) -> Self {
        match entity {
            Entity::Product(ProductId(product)) => Self::Product(id(product)),
            Entity::Accounts => Self::Accounts,
            Entity::Reservations => Self::Reservations,
            Entity::Order(OrderId(order)) => Self::Order(id(order)),
            Entity::Cart(CartId(cart)) => Self::Cart(id(cart)),
            Entity::PriceRules => Self::PriceRules,
            Entity::Categories => Self::Categories,
            Entity::Mails => Self::Mails,
        }
    }
}

impl From<Whose> for Entity {
    fn from(whose: Whose) -> Self {
        match whose {
            Whose::Product(product) => Self::Product(ProductId(number(product))),
            Whose::Accounts => Self::Accounts,
            Whose::Reservations => Self::Reservations,
            Whose::Order(order) => Self::Order(OrderId(number(order))),
            Whose::Cart(cart) => Self::Cart(CartId(number(cart))),
            Whose::PriceRules => Self::PriceRules,
            Whose::Categories => Self::Categories,
            Whose::Mails => Self::Mails,
        }
    }
}
