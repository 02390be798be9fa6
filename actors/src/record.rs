//! What one turn leaves in the journal: the only place where domain values become stored bytes and back.
//!
//! Payload of a record: `version: u8 | postcard(Turn)`. The types here are the stored schema: they look like
//! the domain's today and must not change with it. New variants go to the end, new fields need a new version,
//! and the golden bytes of every version stay in `actors/tests/golden/`.

pub(crate) mod account;
mod cart;
pub(crate) mod category;
mod event;
mod mails;
pub(crate) mod order;
pub(crate) mod outcome;
pub(crate) mod price;
mod refusal;
mod reservation;
pub(crate) mod values;
mod variant;

#[cfg(test)]
pub(crate) mod handwritten;

use std::sync::Arc;

use holdfast_domain::order::Placed;
use holdfast_domain::{
    AccountId, CartId, OrderId, ProductId, ReservationId, Timestamp, account as domain_account,
    cart as domain_cart, category as domain_category, idempotency, order as domain_order,
    price as domain_price, product, reservation as domain_reservation,
};
use holdfast_persistence::{Record, RecordHeader};
use serde::{Deserialize, Serialize};

use crate::outcome::Answered;
use crate::{Position, context, mails as core_mails};

use self::cart::CartEvent;
use self::category::CategoryEvent;
use self::mails::MailFact;
use self::order::OrderEvent;
use self::price::PriceEvent;
use self::reservation::ReservationFact;

pub use account::AccountEvent;
pub use event::ProductEvent;
pub use outcome::StoredOutcome;

/// The version that is written today.
pub const PAYLOAD_VERSION: u8 = 1;

/// Everything that one turn of one aggregate decided.
#[derive(Clone, PartialEq, Debug)]
pub struct Turn {
    /// Who asked, in which request.
    pub request_id: context::RequestId,
    /// Who asked.
    pub actor: context::Actor,
    /// Whose record it is.
    pub entity: Entity,
    /// The sequence of the same entity's record before this one; 0 when it is the first. The ledger walks it.
    pub previous: u64,
    /// The idempotency key, with what it was answered.
    pub key: Option<KeyedOutcome>,
    /// What happened, in this order.
    pub events: Events,
}

/// A turn where the journal has it.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct StoredTurn {
    pub(crate) turn: Turn,
    pub(crate) position: Position,
    /// When it was.
    pub(crate) at: Timestamp,
}

/// The aggregate that a record belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Entity {
    /// A product.
    Product(ProductId),
    /// The accounts of the partition.
    Accounts,
    /// The reservations of the partition: one record may speak of many.
    Reservations,
    /// An order.
    Order(OrderId),
    /// A cart.
    Cart(CartId),
    /// The price rules.
    PriceRules,
    /// The categories.
    Categories,
    /// The mails of the partition.
    Mails,
}

/// The facts of one turn.
#[derive(Clone, PartialEq, Debug)]
pub enum Events {
    /// Of a product.
    Product(Vec<product::Event>),
    /// Of the accounts.
    Accounts(Vec<domain_account::Event>),
    /// Of reservations, each with its own.
    Reservations(Vec<(ReservationId, domain_reservation::Event)>),
    /// Of an order.
    Order(Vec<OrderFact>),
    /// Of a cart.
    Cart(Vec<domain_cart::Event>),
    /// Of the price rules.
    PriceRules(Vec<domain_price::Event>),
    /// Of the categories.
    Categories(Vec<domain_category::Event>),
    /// Of mails.
    Mails(Vec<core_mails::Fact>),
}

/// A fact of an order.
#[derive(Clone, PartialEq, Debug)]
pub enum OrderFact {
    /// It was placed; purchases and confirmed reservations have facts of their own.
    Placed(Arc<Placed>),
    /// Something happened to it.
    Changed(domain_order::Event),
}

/// An idempotency key and what it was answered.
#[derive(Clone, PartialEq, Debug)]
pub struct KeyedOutcome {
    /// The key.
    pub key: context::RequestKey,
    /// The answer.
    pub answered: Answered,
}

/// A payload that this version cannot read.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Nothing there.
    #[error("the payload is empty")]
    Empty,
    /// Written by a newer program.
    #[error("payload version {0} is newer than this program reads (1): use a newer holdfast")]
    Version(u8),
    /// Not the bytes of a turn.
    #[error("the payload is not a turn")]
    Bytes(#[source] postcard::Error),
    /// Not the bytes of an answer.
    #[error("the bytes are not an answer")]
    Outcome(#[source] postcard::Error),
    /// A value that the rules do not allow.
    #[error("the stored {0} is out of range")]
    Value(&'static str),
}

/// The stored schema, version 1.
#[derive(Serialize, Deserialize)]
struct TurnV1 {
    request_id: RequestIdV1,
    actor: ActorV1,
    entity: EntityV1,
    previous: u64,
    key: Option<KeyV1>,
    events: EventsV1,
}

#[derive(Serialize, Deserialize)]
enum RequestIdV1 {
    Made([u8; 16]),
    Sent(Box<str>),
}

#[derive(Serialize, Deserialize)]
enum ActorV1 {
    System,
    Guest([u8; 16]),
    Customer([u8; 16]),
    Admin([u8; 16]),
}

#[derive(Serialize, Deserialize)]
enum EntityV1 {
    Product([u8; 16]),
    Accounts,
    Reservations,
    Order([u8; 16]),
    Cart([u8; 16]),
    PriceRules,
    Categories,
    Mails,
}

#[derive(Serialize, Deserialize)]
struct KeyV1 {
    key: [u8; 16],
    fingerprint: [u8; 16],
    outcome: StoredOutcome,
}

#[derive(Serialize, Deserialize)]
enum EventsV1 {
    Product(Vec<ProductEvent>),
    Accounts(Vec<AccountEvent>),
    Reservations(Vec<ReservationFact>),
    Order(Vec<OrderEvent>),
    Cart(Vec<CartEvent>),
    PriceRules(Vec<PriceEvent>),
    Categories(Vec<CategoryEvent>),
    Mails(Vec<MailFact>),
}

impl StoredTurn {
    /// Reads a record of the journal.
    ///
    /// # Errors
    ///
    /// Those of [`decode`].
    pub(crate) fn read(record: Record<'_>) -> Result<Self, DecodeError> {
        let RecordHeader { partition, sequence, time_ms, .. } = record.header;
        let turn = decode(record.payload)?;
        Ok(Self { turn, position: Position { partition, sequence }, at: Timestamp(time_ms) })
    }
}

/// Appends the payload of `turn` to `buffer`.
///
/// # Panics
///
/// Never: postcard fails only for types that have no fixed schema, and these have.
pub fn encode(turn: &Turn, buffer: Vec<u8>) -> Vec<u8> {
    let mut buffer = buffer;
    buffer.push(PAYLOAD_VERSION);
    let stored = TurnV1 {
        request_id: match &turn.request_id {
            context::RequestId::Made(id) => RequestIdV1::Made(id.to_be_bytes()),
            context::RequestId::Sent(text) => RequestIdV1::Sent(text.clone()),
        },
        actor: match turn.actor {
            context::Actor::System => ActorV1::System,
            context::Actor::Guest(digest) => ActorV1::Guest(digest.to_be_bytes()),
            context::Actor::Customer(AccountId(id)) => ActorV1::Customer(id.to_be_bytes()),
            context::Actor::Admin(AccountId(id)) => ActorV1::Admin(id.to_be_bytes()),
        },
        entity: EntityV1::from_domain(turn.entity),
        previous: turn.previous,
        key: turn.key.as_ref().map(|keyed| KeyV1 {
            key: keyed.key.key.0.to_be_bytes(),
            fingerprint: keyed.key.fingerprint.0.to_be_bytes(),
            outcome: StoredOutcome::from_domain(&keyed.answered),
        }),
        events: EventsV1::from_domain(&turn.events),
    };
    postcard::to_extend(&stored, buffer).expect("every stored type has a fixed schema")
}

/// Reads a payload back.
///
/// # Errors
///
/// [`DecodeError`]: the bytes are of a newer version, damaged, or hold a value that the rules do not allow.
pub fn decode(payload: &[u8]) -> Result<Turn, DecodeError> {
    let (version, bytes) = payload.split_first().ok_or(DecodeError::Empty)?;
    if *version != PAYLOAD_VERSION {
        return Err(DecodeError::Version(*version));
    }
    let stored: TurnV1 = postcard::from_bytes(bytes).map_err(DecodeError::Bytes)?;
    Ok(Turn {
        request_id: match stored.request_id {
            RequestIdV1::Made(id) => context::RequestId::Made(u128::from_be_bytes(id)),
            RequestIdV1::Sent(text) => context::RequestId::Sent(text),
        },
        actor: match stored.actor {
            ActorV1::System => context::Actor::System,
            ActorV1::Guest(digest) => context::Actor::Guest(u128::from_be_bytes(digest)),
            ActorV1::Customer(id) => context::Actor::Customer(AccountId(u128::from_be_bytes(id))),
            ActorV1::Admin(id) => context::Actor::Admin(AccountId(u128::from_be_bytes(id))),
        },
        entity: stored.entity.into_domain(),
        previous: stored.previous,
        key: stored.key.map(keyed).transpose()?,
        events: stored.events.into_domain()?,
    })
}

/// The stored form of an answer by itself, as a record of a keyed request has it.
///
/// # Panics
///
/// Never: see [`encode`].
pub fn encode_outcome(answered: &Answered) -> Vec<u8> {
    let stored = StoredOutcome::from_domain(answered);
    postcard::to_extend(&stored, Vec::new()).expect("every stored type has a fixed schema")
}

/// Reads a stored answer back.
///
/// # Errors
///
/// [`DecodeError`]: the bytes are damaged, or hold a value that the rules do not allow.
pub fn decode_outcome(bytes: &[u8]) -> Result<Answered, DecodeError> {
    let stored: StoredOutcome = postcard::from_bytes(bytes).map_err(DecodeError::Outcome)?;
    stored.into_domain()
}

impl EntityV1 {
    const fn from_domain(entity: Entity) -> Self {
        match entity {
            Entity::Product(ProductId(id)) => Self::Product(id.to_be_bytes()),
            Entity::Accounts => Self::Accounts,
            Entity::Reservations => Self::Reservations,
            Entity::Order(OrderId(id)) => Self::Order(id.to_be_bytes()),
            Entity::Cart(CartId(id)) => Self::Cart(id.to_be_bytes()),
            Entity::PriceRules => Self::PriceRules,
            Entity::Categories => Self::Categories,
            Entity::Mails => Self::Mails,
        }
    }

    const fn into_domain(self) -> Entity {
        match self {
            Self::Product(id) => Entity::Product(ProductId(u128::from_be_bytes(id))),
            Self::Accounts => Entity::Accounts,
            Self::Reservations => Entity::Reservations,
            Self::Order(id) => Entity::Order(OrderId(u128::from_be_bytes(id))),
            Self::Cart(id) => Entity::Cart(CartId(u128::from_be_bytes(id))),
            Self::PriceRules => Entity::PriceRules,
            Self::Categories => Entity::Categories,
            Self::Mails => Entity::Mails,
        }
    }
}

impl EventsV1 {
    fn from_domain(events: &Events) -> Self {
        match events {
            Events::Product(events) => Self::Product(events.iter().map(ProductEvent::from_domain).collect()),
            Events::Accounts(events) => {
                Self::Accounts(events.iter().map(AccountEvent::from_domain).collect())
            }
            Events::Reservations(facts) => {
                Self::Reservations(facts.iter().map(ReservationFact::from_domain).collect())
            }
            Events::Order(facts) => Self::Order(facts.iter().map(OrderEvent::from_domain).collect()),
            Events::Cart(events) => Self::Cart(events.iter().map(CartEvent::from_domain).collect()),
            Events::PriceRules(events) => {
                Self::PriceRules(events.iter().map(PriceEvent::from_domain).collect())
            }
            Events::Categories(events) => {
                Self::Categories(events.iter().map(CategoryEvent::from_domain).collect())
            }
            Events::Mails(facts) => Self::Mails(facts.iter().map(MailFact::from_domain).collect()),
        }
    }

    fn into_domain(self) -> Result<Events, DecodeError> {
        Ok(match self {
            Self::Product(events) => {
                Events::Product(events.into_iter().map(ProductEvent::into_domain).collect::<Result<_, _>>()?)
            }
            Self::Accounts(events) => {
                Events::Accounts(events.into_iter().map(AccountEvent::into_domain).collect())
            }
            Self::Reservations(facts) => Events::Reservations(
                facts.into_iter().map(ReservationFact::into_domain).collect::<Result<_, _>>()?,
            ),
            Self::Order(facts) => {
                Events::Order(facts.into_iter().map(OrderEvent::into_domain).collect::<Result<_, _>>()?)
            }
            Self::Cart(events) => {
                Events::Cart(events.into_iter().map(CartEvent::into_domain).collect::<Result<_, _>>()?)
            }
            Self::PriceRules(events) => {
                Events::PriceRules(events.into_iter().map(PriceEvent::into_domain).collect::<Result<_, _>>()?)
            }
            Self::Categories(events) => {
                Events::Categories(events.into_iter().map(CategoryEvent::into_domain).collect())
            }
            Self::Mails(facts) => Events::Mails(facts.into_iter().map(MailFact::into_domain).collect()),
        })
    }
}

fn keyed(stored: KeyV1) -> Result<KeyedOutcome, DecodeError> {
    Ok(KeyedOutcome {
        key: context::RequestKey {
            key: idempotency::Key(u128::from_be_bytes(stored.key)),
            fingerprint: idempotency::Fingerprint(u128::from_be_bytes(stored.fingerprint)),
        },
        answered: stored.outcome.into_domain()?,
    })
}
