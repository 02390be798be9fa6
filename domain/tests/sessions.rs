//! Accounts and sessions as a shop's diary would tell of them: who is admin, which token is good, and until when.

use holdfast_domain::account::session::{
    Bad, FORGET_COUNT_MAX, FamilyId, ROTATIONS_MAX, Refresh, Refreshed, SESSION_LIFE, SESSIONS_MAX, TokenHash,
};
use holdfast_domain::account::{Account, Accounts, Change, Refusal, Role, Tier};
use holdfast_domain::{AccountId, Timestamp};

const NOON: Timestamp = Timestamp(1_700_000_000_000);
const ADA: AccountId = AccountId(1);
const BOB: AccountId = AccountId(2);

/// The books with somebody who tells what happened.
#[derive(Default)]
struct Office {
    accounts: Accounts,
}

impl Office {
    fn with(people: &[(AccountId, Role)]) -> Self {
        let mut office = Self::default();
        for (id, role) in people {
            let account = Account {
                id: *id,
                email: format!("{}@shop.example", id.0).into(),
                name: None,
                role: *role,
                tier: Tier::Standard,
                password_hash: "$argon2id$".into(),
                created_at: NOON,
                version: 9,
            };
            let event = office.accounts.decide_create(account).expect("the email is free");
            office.accounts.apply(&event, NOON);
        }
        office
    }

    fn change(&mut self, id: AccountId, change: Change, version: Option<u32>) -> Result<u32, Refusal> {
        let events = self.accounts.decide_change(id, change, version)?;
        events.iter().for_each(|event| self.accounts.apply(event, NOON));
        Ok(self.accounts.by_id(id).expect("it exists").version)
    }

    fn open(&mut self, id: AccountId, family: u128, at: Timestamp) -> FamilyId {
        let family = FamilyId(family);
        for event in self.accounts.decide_open(id, family, token(0), at) {
            self.accounts.apply(&event, at);
        }
        family
    }

    /// Spends token `spent` for token `next`; a retry would make `retried` again.
    fn refresh(
        &mut self,
        family: FamilyId,
        spent: u64,
        next: u64,
        retried: &[u64],
        at: Timestamp,
    ) -> Result<Refreshed, Bad> {
        let retried = retried.iter().copied().map(token).collect();
        let refresh = Refresh { family, presented: token(spent), next: token(next), retried };
        let decision = self.accounts.decide_refresh(&refresh, at);
        assert_eq!(decision, self.accounts.decide_refresh(&refresh, at), "to decide changes nothing");
        decision.event.iter().for_each(|event| self.accounts.apply(event, at));
        decision.answer.map(|(_, refreshed)| refreshed)
    }

    fn count(&self, id: AccountId) -> usize {
        self.accounts.sessions().of(id).count()
    }
}

fn token(number: u64) -> TokenHash {
    let mut hash = [0; 32];
    hash[..8].copy_from_slice(&number.to_be_bytes());
    TokenHash(hash)
}

const fn to(role: Role) -> Change {
    Change { role: Some(role), tier: None }
}

#[test]
fn account_begins_with_version_one_and_each_change_adds_one() {
    let mut office = Office::with(&[(ADA, Role::Admin), (BOB, Role::Customer)]);
    assert_eq!(office.accounts.by_id(BOB).map(|bob| bob.version), Some(1));
    let gold = Change { role: None, tier: Some(Tier::Gold) };
    assert_eq!(office.change(BOB, gold, Some(1)), Ok(2));
    assert_eq!(office.change(BOB, gold, Some(2)), Ok(2), "it is so already");
    assert_eq!(office.change(BOB, Change::default(), None), Ok(2));
    assert_eq!(
        office.change(BOB, gold, Some(1)),
        Err(Refusal::VersionMismatch { expected: 1, actual: 2 }),
        "even where nothing would change"
    );
    assert_eq!(office.change(AccountId(3), gold, None), Err(Refusal::NotFound));
}

#[test]
fn last_admin_stays_one() {
    let mut office = Office::with(&[(ADA, Role::Admin), (BOB, Role::Customer)]);
    assert_eq!(office.change(ADA, to(Role::Customer), None), Err(Refusal::LastAdmin));
    assert_eq!(office.change(BOB, to(Role::Admin), None), Ok(2));
    assert_eq!(office.change(ADA, to(Role::Customer), None), Ok(2));
    assert_eq!(office.change(BOB, to(Role::Customer), None), Err(Refusal::LastAdmin));
    assert_eq!(office.accounts.any_admin().map(|admin| admin.id), Some(BOB));
}

#[test]
fn whoever_loses_the_role_is_logged_out_and_nobody_else_is() {
    let mut office = Office::with(&[(ADA, Role::Admin), (BOB, Role::Admin)]);
    for family in 0..3 {
        office.open(ADA, family, NOON);
    }
    office.open(BOB, 9, NOON);
    office.change(ADA, Change { role: None, tier: Some(Tier::Gold) }, None).expect("a tier is no right");
    assert_eq!(office.count(ADA), 3);
    office.change(ADA, to(Role::Customer), None).expect("another admin is left");
    assert_eq!((office.count(ADA), office.count(BOB)), (0, 1));
}

#[test]
fn each_token_is_good_once() {
    let mut office = Office::with(&[(ADA, Role::Admin)]);
    let family = office.open(ADA, 1, NOON);
    for number in 0..10 {
        assert_eq!(office.refresh(family, number, number + 1, &[], NOON), Ok(Refreshed::Rotated));
    }
    assert_eq!(office.refresh(family, 99, 100, &[], NOON), Err(Bad::Unknown), "a guess ends nothing");
    assert_eq!(office.refresh(family, 3, 100, &[], NOON), Err(Bad::Reused));
    assert_eq!(
        office.refresh(family, 10, 11, &[], NOON),
        Err(Bad::Unknown),
        "it ended for the owner as well"
    );
    assert!(office.accounts.sessions().is_empty());
}

#[test]
fn retry_of_the_newest_refresh_is_no_reuse_and_of_an_older_one_it_is() {
    let mut office = Office::with(&[(ADA, Role::Admin)]);
    let family = office.open(ADA, 1, NOON);
    assert_eq!(office.refresh(family, 0, 1, &[1], NOON), Ok(Refreshed::Rotated));
    assert_eq!(office.refresh(family, 0, 1, &[1], NOON), Ok(Refreshed::Again(0)));
    assert_eq!(
        office.refresh(family, 0, 5, &[5, 1], NOON),
        Ok(Refreshed::Again(1)),
        "another secret made it"
    );
    assert_eq!(office.refresh(family, 1, 2, &[], NOON), Ok(Refreshed::Rotated));
    assert_eq!(office.refresh(family, 0, 1, &[1], NOON), Err(Bad::Reused), "its answer was used already");
}

#[test]
fn session_lives_thirty_days_however_often_it_is_refreshed() {
    let mut office = Office::with(&[(ADA, Role::Admin)]);
    let family = office.open(ADA, 1, NOON);
    let end = NOON.after(SESSION_LIFE);
    let before = Timestamp(end.0 - 1);
    assert_eq!(office.refresh(family, 0, 1, &[], before), Ok(Refreshed::Rotated));
    assert_eq!(office.refresh(family, 1, 2, &[], end), Err(Bad::Expired));
    assert_eq!(office.refresh(family, 0, 2, &[], end), Err(Bad::Expired), "a spent one as well");
}

#[test]
fn thirty_third_session_ends_the_oldest() {
    let mut office = Office::with(&[(ADA, Role::Admin), (BOB, Role::Customer)]);
    let bobs = office.open(BOB, 1_000, NOON);
    for number in 0..40_u32 {
        office.open(ADA, u128::from(number), Timestamp(NOON.0 + u64::from(number)));
        assert_eq!(office.count(ADA), SESSIONS_MAX.min(usize::try_from(number).unwrap() + 1));
    }
    assert_eq!(office.accounts.sessions().of(ADA).next(), Some(FamilyId(8)));
    assert_eq!(office.accounts.sessions().account_of(bobs), Some(BOB));
}

#[test]
fn session_wears_out() {
    let mut office = Office::with(&[(ADA, Role::Admin)]);
    let family = office.open(ADA, 1, NOON);
    let most = u64::try_from(ROTATIONS_MAX).unwrap();
    for number in 0..most {
        assert_eq!(office.refresh(family, number, number + 1, &[], NOON), Ok(Refreshed::Rotated));
    }
    assert_eq!(office.refresh(family, most, most + 1, &[], NOON), Err(Bad::WornOut));
    assert_eq!(office.count(ADA), 0);
}

#[test]
fn lapsed_sessions_are_forgotten_a_few_at_a_time_and_never_pile_up() {
    let people: Vec<_> = (1..=100).map(|id| (AccountId(id), Role::Customer)).collect();
    let mut office = Office::with(&people);
    for (id, _) in &people {
        office.open(*id, id.0, NOON);
    }
    let later = NOON.after(SESSION_LIFE);
    for round in 1..=30_u32 {
        let before = office.accounts.sessions().len();
        office.open(ADA, 1_000 + u128::from(round), Timestamp(later.0 + u64::from(round)));
        let forgotten = before + 1 - office.accounts.sessions().len();
        assert!(forgotten <= FORGET_COUNT_MAX, "{forgotten}");
    }
    assert_eq!(office.accounts.sessions().len(), 30, "only the new ones are left");
}

#[test]
fn any_token_of_a_session_logs_out_and_a_guess_does_not() {
    let mut office = Office::with(&[(ADA, Role::Admin)]);
    for spent in [0, 1] {
        let family = office.open(ADA, 1, NOON);
        office.refresh(family, 0, 1, &[], NOON).expect("it is good");
        assert_eq!(office.accounts.decide_logout(family, token(7)), None);
        let (account, event) = office.accounts.decide_logout(family, token(spent)).expect("it is its own");
        office.accounts.apply(&event, NOON);
        assert_eq!((account, office.count(ADA)), (ADA, 0));
        assert_eq!(office.accounts.decide_logout(family, token(spent)), None);
    }
}
