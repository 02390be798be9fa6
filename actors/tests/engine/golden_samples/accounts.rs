//! One record of every kind that speaks of accounts and sessions.

use std::collections::BTreeSet;

use holdfast_actors::domain::account::session::{Ending, FamilyId, TokenHash};
use holdfast_actors::domain::account::{Event, Refusal, Role, Tier};
use holdfast_actors::domain::{Account, AccountId};
use holdfast_actors::outcome::{Outcome, Refused};
use holdfast_actors::record::{Entity, Events, Turn};

use super::{AT, keyed_turn, product_turn};

const ADA: AccountId = AccountId(0x0192_0000_0000_7000_8000_0000_0000_00dd);
const FAMILY: FamilyId = FamilyId(0x0192_0000_0000_7000_8000_0000_0000_00fa);

names!(event_name, EVENTS, Event, {
    Event::Created(Account { role: Role::Admin, tier: Tier::Standard, .. }) => "account-admin",
    Event::Created(Account { tier: Tier::Gold, .. }) => "account-gold",
    Event::Created(Account { tier: Tier::Silver, .. }) => "account-silver",
    Event::Created(Account { role: Role::Customer, tier: Tier::Standard, .. }) => "account-standard",
    Event::Changed { .. } => "account-changed",
    Event::SessionOpened { .. } => "session-opened",
    Event::SessionRotated { .. } => "session-rotated",
    Event::SessionEnded { why: Ending::Logout, .. } => "session-ended-logout",
    Event::SessionEnded { why: Ending::Reused, .. } => "session-ended-reused",
    Event::SessionEnded { why: Ending::Replaced, .. } => "session-ended-replaced",
    Event::SessionEnded { why: Ending::WornOut, .. } => "session-ended-worn-out",
    Event::SessionEnded { why: Ending::RoleLost, .. } => "session-ended-role-lost",
});

names!(refusal_name, REFUSALS, Refusal, {
    Refusal::EmailTaken => "refusal-account-email-taken",
    Refusal::NotFound => "refusal-account-not-found",
    Refusal::LastAdmin => "refusal-account-last-admin",
    Refusal::VersionMismatch { .. } => "refusal-account-version-mismatch",
});

pub(super) fn samples() -> Vec<(String, Turn)> {
    let event = |event: Event| {
        let name = event_name(&event).to_owned();
        let turn = Turn {
            entity: Entity::Accounts,
            events: Events::Accounts(vec![event]),
            ..product_turn(Vec::new())
        };
        (name, turn)
    };
    let refusal =
        |refusal: Refusal| (refusal_name(&refusal).to_owned(), keyed_turn(Err(Refused::Account(refusal))));
    let changed = Outcome::Account(Box::new(Account { version: 300, ..account() }));
    let changed = ("outcome-account-changed".to_owned(), keyed_turn(Ok(changed)));
    let refusals = refusals().into_iter().map(refusal);
    events().into_iter().map(event).chain(refusals).chain([changed]).collect()
}

pub(super) fn missing() -> Vec<&'static str> {
    let mut seen: BTreeSet<&'static str> = events().iter().map(event_name).collect();
    seen.extend(refusals().iter().map(refusal_name));
    [EVENTS, REFUSALS].concat().into_iter().filter(|name| !seen.contains(name)).collect()
}

fn events() -> Vec<Event> {
    let of = |role, tier, name: Option<&str>| {
        Event::Created(Account { name: name.map(Into::into), role, tier, ..account() })
    };
    let ended = |why| Event::SessionEnded { family: FAMILY, why };
    vec![
        of(Role::Admin, Tier::Standard, Some("Ada")),
        of(Role::Customer, Tier::Gold, None),
        of(Role::Customer, Tier::Silver, None),
        of(Role::Customer, Tier::Standard, None),
        Event::Changed { id: ADA, role: Role::Admin, tier: Tier::Gold },
        Event::SessionOpened { family: FAMILY, account: ADA, token: TokenHash([0xa5; 32]), expires_at: AT },
        Event::SessionRotated { family: FAMILY, token: TokenHash([0x5a; 32]) },
        ended(Ending::Logout),
        ended(Ending::Reused),
        ended(Ending::Replaced),
        ended(Ending::WornOut),
        ended(Ending::RoleLost),
    ]
}

fn refusals() -> Vec<Refusal> {
    vec![
        Refusal::EmailTaken,
        Refusal::NotFound,
        Refusal::LastAdmin,
        Refusal::VersionMismatch { expected: 7, actual: 300 },
    ]
}

pub(super) fn account() -> Account {
    Account {
        id: ADA,
        email: "ada@example.org".into(),
        name: None,
        role: Role::Customer,
        tier: Tier::Standard,
        password_hash: "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA".into(),
        created_at: AT,
        version: 1,
    }
}
