//! Accounts: one for each email, answered when durable, changed at once, there again after a restart.

use std::pin::pin;

use futures_util::future::join_all;
use holdfast_actors::domain::account::{Change, Refusal, Role, Tier};
use holdfast_actors::domain::{Account, AccountId, Timestamp};
use holdfast_actors::engine::AccountFilter;
use holdfast_actors::{Answer, Failure, Overload, Refused};

use crate::common::{NOW, Shop, context, fresh, keyed, let_others, look, run};

#[test]
fn email_belongs_to_one_account_also_after_a_restart() {
    run(async {
        let shop = Shop::open();
        let context = &context();
        let make = |email| shop.engine.create_account(context, account(email, Role::Customer));
        let answers = join_all((0..20).map(|_| make("ada@example.org"))).await;
        assert_eq!(answers.iter().filter(|it| it.is_ok()).count(), 1);
        assert!(answers.into_iter().all(|it| it.is_ok() || refusal(it) == Refusal::EmailTaken));
        let admin = shop.engine.create_account(context, account("boss@example.org", Role::Admin)).await;
        let admin = admin.expect("the email is free").value;
        assert_eq!((admin.created_at, admin.version), (NOW, 1), "the turn stamps it");
        assert_eq!(&*admin.password_hash, "", "an answer has no hash");
        // Their records share a partition with those of products.
        for number in 0..40 {
            shop.make(&format!("lamp-{number}"), 1).await;
        }
        let shop = shop.reopen();
        let again = shop.engine.create_account(context, account("ada@example.org", Role::Admin)).await;
        assert_eq!(refusal(again), Refusal::EmailTaken);
        let found = shop.engine.any_admin().await.expect("the journal runs").expect("there is one");
        assert_eq!(found, Account { password_hash: "$argon2id$".into(), ..admin });
        let found = shop.engine.account_by_email("ada@example.org").await.expect("the journal runs");
        assert_eq!(found.map(|it| it.role), Some(Role::Customer));
        assert_eq!(shop.engine.account_by_email("bob@example.org").await, Ok(None));
        shop.close().await;
    });
}

#[test]
fn account_is_neither_made_nor_found_before_it_is_durable() {
    run(async {
        let (shop, holder) = Shop::held(|_| {});
        let new = account("ada@example.org", Role::Customer);
        let context = context();
        let mut made = pin!(shop.engine.create_account(&context, new));
        assert!(look(made.as_mut()).await.is_pending());
        holder.append_waits();
        let mut found = pin!(shop.engine.account_by_email("ada@example.org"));
        for _ in 0..50 {
            assert!(look(made.as_mut()).await.is_pending());
            assert!(look(found.as_mut()).await.is_pending());
            shop.settle().await;
            let_others().await;
        }
        holder.let_through();
        let made = made.await.expect("the email is free").value;
        assert_eq!(found.await.map(|it| it.map(|it| it.id)), Ok(Some(made.id)));
    });
}

#[test]
fn keyed_account_is_made_once_and_answered_the_same_also_after_a_restart() {
    run(async {
        let mut shop = Shop::open();
        let mut first: Option<Answer<Account>> = None;
        for _ in 0..3 {
            // A retry brings a new id and a new hash; the answer is the first one's.
            let new = account("ada@example.org", Role::Customer);
            let made = shop.engine.create_account(&keyed(1, 1), new).await.expect("the email is free");
            let first = first.get_or_insert_with(|| made.clone());
            assert_eq!((&made.value, made.position), (&first.value, first.position));
            let taken = account("ada@example.org", Role::Customer);
            let refused = shop.engine.create_account(&keyed(2, 2), taken).await;
            assert_eq!(refusal(refused), Refusal::EmailTaken);
            let other = account("bob@example.org", Role::Customer);
            assert_eq!(shop.engine.create_account(&keyed(1, 3), other).await, Err(Failure::KeyReused));
            shop = shop.reopen();
        }
        shop.close().await;
    });
}

#[test]
fn change_takes_effect_at_once_and_stays() {
    run(async {
        let shop = Shop::open();
        let boss = make(&shop, "boss@example.org", Role::Admin).await;
        let ada = make(&shop, "ada@example.org", Role::Customer).await;
        let promote = Change { role: Some(Role::Admin), tier: Some(Tier::Gold) };
        let changed = shop.engine.change_account(&keyed(1, 1), ada, promote, Some(1)).await;
        let changed = changed.expect("nobody else changed it");
        assert_eq!((changed.value.version, changed.value.role), (2, Role::Admin));
        let person = shop.engine.person(ada).expect("it exists");
        assert_eq!((person.role, person.tier), (Role::Admin, Tier::Gold));

        let demote = Change { role: Some(Role::Customer), tier: None };
        let stale = shop.engine.change_account(&context(), ada, demote, Some(1)).await;
        assert_eq!(refusal(stale), Refusal::VersionMismatch { expected: 1, actual: 2 });
        shop.engine.change_account(&context(), boss, demote, None).await.expect("another admin is left");
        let last = shop.engine.change_account(&context(), ada, demote, None).await;
        assert_eq!(refusal(last), Refusal::LastAdmin);
        let nobody = shop.engine.change_account(&context(), AccountId(1), demote, None).await;
        assert_eq!(refusal(nobody), Refusal::NotFound);

        let shop = shop.reopen();
        let person = shop.engine.person(ada).expect("it exists");
        assert_eq!((person.role, person.tier), (Role::Admin, Tier::Gold));
        assert_eq!(shop.engine.person(boss).map(|it| it.role), Some(Role::Customer));
        let again = shop.engine.change_account(&keyed(1, 1), ada, promote, Some(1)).await;
        let again = again.expect("the first answer again");
        assert_eq!((again.value, again.is_replayed), (changed.value, true));
        shop.close().await;
    });
}

#[test]
fn accounts_are_listed_newest_first_in_pages() {
    run(async {
        let shop = Shop::open();
        for number in 0..2_500 {
            let role = if number % 1_000 == 0 { Role::Admin } else { Role::Customer };
            make(&shop, &format!("{number}@example.org"), role).await;
        }
        let numbers = |found: &[Account]| -> Vec<u32> {
            found
                .iter()
                .map(|it| it.email.split('@').next().and_then(|it| it.parse().ok()).unwrap())
                .collect()
        };
        let page = shop.engine.accounts(AccountFilter::default(), None, 3).await.expect("the journal runs");
        assert_eq!(numbers(&page), [2_499, 2_498, 2_497]);
        let page = shop.engine.accounts(AccountFilter::default(), Some(page[2].id), 2).await.unwrap();
        assert_eq!(numbers(&page), [2_496, 2_495]);
        let admins = AccountFilter { role: Some(Role::Admin), tier: None };
        let found = shop.engine.accounts(admins, None, 10).await.expect("the journal runs");
        assert_eq!(numbers(&found), [2_000, 1_000, 0]);
        let gold = AccountFilter { role: None, tier: Some(Tier::Gold) };
        assert_eq!(shop.engine.accounts(gold, None, 10).await, Ok(Vec::new()));
        shop.close().await;
    });
}

#[test]
fn accounts_are_shed_like_everything_else() {
    run(async {
        let (shop, holder) = Shop::held(|options| options.admitted_max = 1);
        let context = context();
        let mut first = pin!(shop.engine.create_account(&context, account("a@example.org", Role::Customer)));
        assert!(look(first.as_mut()).await.is_pending());
        holder.append_waits();
        let shed = shop.engine.create_account(&context, account("b@example.org", Role::Customer)).await;
        assert_eq!(shed, Err(Failure::Overloaded(Overload::Requests)));
        holder.let_through();
        first.await.expect("the email is free");
    });
}

async fn make(shop: &Shop, email: &str, role: Role) -> AccountId {
    let made = shop.engine.create_account(&context(), account(email, role)).await;
    made.expect("the email is free").value.id
}

#[track_caller]
fn refusal<T: std::fmt::Debug>(answer: Result<Answer<T>, Failure>) -> Refusal {
    match answer {
        Err(Failure::Refused(Answer { value: Refused::Account(refusal), .. })) => refusal,
        other => panic!("no refusal of the accounts: {other:?}"),
    }
}

fn account(email: &str, role: Role) -> Account {
    Account {
        id: AccountId(fresh()),
        email: email.into(),
        name: None,
        role,
        tier: Tier::Standard,
        password_hash: "$argon2id$".into(),
        created_at: Timestamp(0),
        version: 1,
    }
}
