//! From a request to what the actors are told of it: who asks, in which request, under which key.

use actix_web::HttpRequest;
use holdfast_actors::domain::idempotency::{Fingerprint, Key};
use holdfast_actors::domain::{AccountId, Owner};
use holdfast_actors::{Actor, Context, RequestId as ActorRequestId, RequestKey, Who};
use serde::Serialize;

use super::caller::{Caller, SessionId, UserId};
use super::idempotency::{IdempotencyKey, fingerprint};
use super::problem::Problem;
use super::query;
use super::request_id::RequestId;

/// The context of a write: reads the idempotency key and fingerprints the request with its checked body.
///
/// # Errors
///
/// `malformed_request` for a malformed key, and for query parameters: no write knows any.
pub fn of_write(request: &HttpRequest, caller: &Caller, body: &impl Serialize) -> Result<Context, Problem> {
    of_writer(request, actor(caller), |key| key.scoped(caller), body)
}

/// The context of a write by somebody without an account or a session, whose keys are told from others' by `name`.
///
/// # Errors
///
/// `malformed_request` for a malformed key and for query parameters.
pub fn of_stranger(
    request: &HttpRequest,
    actor: Actor,
    name: &str,
    body: &impl Serialize,
) -> Result<Context, Problem> {
    of_writer(request, actor, |key| key.scoped_to("stranger", name), body)
}

fn of_writer(
    request: &HttpRequest,
    actor: Actor,
    scope: impl FnOnce(&IdempotencyKey) -> Option<[u8; 16]>,
    body: &impl Serialize,
) -> Result<Context, Problem> {
    query::none(request)?;
    let key = scope(&IdempotencyKey::of(request.headers())?).map(|key| RequestKey {
        key: Key(u128::from_be_bytes(key)),
        fingerprint: Fingerprint(u128::from_be_bytes(fingerprint(request.method(), request.path(), body))),
    });
    Ok(Context { request_id: request_id(), actor, key })
}

/// The context of what is done without a key.
pub fn of_server(actor: Actor) -> Context {
    Context { request_id: request_id(), actor, key: None }
}

/// Whose things the caller's are: an account's or a session's.
pub fn owner(caller: &Caller) -> Owner {
    actor(caller).owner()
}

/// Whose things are there for the caller: their own; for an admin everybody's.
pub fn who(caller: &Caller) -> Who {
    if caller.is_admin() { Who::Admin } else { Who::Owner(owner(caller)) }
}

fn actor(caller: &Caller) -> Actor {
    match caller {
        Caller::Admin(user) => Actor::Admin(account(*user)),
        Caller::Customer(user) => Actor::Customer(account(*user)),
        // The session itself would let a reader of the journal become that guest.
        Caller::Guest(session) => Actor::Guest(digest(session)),
    }
}

fn account(user: UserId) -> AccountId {
    AccountId(user.uuid().as_u128())
}

fn digest(session: &SessionId) -> u128 {
    let hash = blake3::hash(session.as_str().as_bytes());
    let (head, _) = hash.as_bytes().split_first_chunk::<16>().expect("a hash has 32 bytes");
    u128::from_be_bytes(*head)
}

fn request_id() -> ActorRequestId {
    let id = RequestId::current();
    // Ids made here are UUIDs and travel as numbers; so does a client's, if it looks the same.
    match uuid::Uuid::try_parse(id.as_str()) {
        Ok(uuid) if id.as_str().len() == 36 => ActorRequestId::Made(uuid.as_u128()),
        _ => ActorRequestId::Sent(id.as_str().into()),
    }
}
