//! People who are there before a server starts, so that tests can sign tokens for accounts with known ids.
//!
//! Written into the journal as one record, with hashes that no password fits: making them over HTTP would cost a slow
//! hash for each.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use holdfast_actors::domain::account::{Account, Event, FIRST_VERSION, Role, Tier};
use holdfast_actors::domain::{AccountId, Timestamp};
use holdfast_actors::persistence::{
    Epoch, Folder, Head, Options, Partition, RecordHeader, Sequence, SledJournal, Store as _, Writer,
};
use holdfast_actors::record::{self, Entity, Events, Turn};
use holdfast_actors::{Actor, RequestId};

/// The id of the admin.
pub(crate) const ADMIN: u128 = 1;

/// The id of customer number 0.
pub(crate) const FIRST_CUSTOMER: u128 = 1_000;

/// How many customers there are.
pub(crate) const CUSTOMERS: u128 = 300;

/// Moves an admin and many customers into a new data folder.
pub(crate) fn move_in(data_dir: &Path) {
    let folder = Folder::open(data_dir).expect("the folder is new");
    let mut journal = SledJournal::open(&folder, Options::default()).expect("the folder is new");
    let head = Head::before(&journal);
    let replayed = journal.recover(head, &mut |_| Ok(())).expect("the journal is empty");
    let (queue, mut writer) = Writer::new(Box::new(journal), replayed.head);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
    let time_ms = u64::try_from(now.as_millis()).expect("it is not that late");
    let customers = FIRST_CUSTOMER..FIRST_CUSTOMER + CUSTOMERS;
    let people = customers.map(|id| (id, Role::Customer)).chain([(ADMIN, Role::Admin)]);
    let turn = Turn {
        request_id: RequestId::Made(0),
        actor: Actor::System,
        entity: Entity::Accounts,
        previous: 0,
        key: None,
        events: Events::Accounts(people.map(|(id, role)| made(id, role, Timestamp(time_ms))).collect()),
    };
    let header = RecordHeader { partition: Partition(0), epoch: Epoch(1), sequence: Sequence(1), time_ms };
    queue.push(header, &record::encode(&turn, Vec::new())).expect("the queue is empty");
    writer.commit().expect("the disk works");
}

fn made(id: u128, role: Role, created_at: Timestamp) -> Event {
    Event::Created(Account {
        id: AccountId(id),
        email: format!("{id}@people.test").into(),
        name: None,
        role,
        tier: Tier::Standard,
        password_hash: "".into(),
        created_at,
        version: FIRST_VERSION,
    })
}
