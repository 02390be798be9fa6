//! Accounts: one for each email, answered when durable, there again after a restart.

use std::pin::pin;

use futures_util::future::join_all;
use holdfast_actors::domain::account::{Refusal, Role, Tier};
use holdfast_actors::domain::{Account, AccountId, Timestamp};

use crate::common::{NOW, Shop, context, fresh, let_others, look, run};

#[test]
fn email_belongs_to_one_account_also_after_a_restart() {
    run(async {
        let shop = Shop::open();
        let make = |email| shop.engine.create_account(context(), account(email, Role::Customer));
        let answers = join_all((0..20).map(|_| make("ada@example.org"))).await;
        let made: Vec<_> = answers.into_iter().map(|it| it.expect("the journal runs")).collect();
        assert_eq!(made.iter().filter(|it| it.is_ok()).count(), 1);
        assert!(made.iter().all(|it| it.is_ok() || *it == Err(Refusal::EmailTaken)));
        let admin = shop.engine.create_account(context(), account("boss@example.org", Role::Admin)).await;
        let admin = admin.expect("the journal runs").expect("the email is free");
        assert_eq!(admin.created_at, NOW, "the turn stamps it");
        // Their records share a partition with those of products.
        for number in 0..40 {
            shop.make(&format!("lamp-{number}"), 1).await;
        }
        let shop = shop.reopen();
        let again = shop.engine.create_account(context(), account("ada@example.org", Role::Admin)).await;
        assert_eq!(again, Ok(Err(Refusal::EmailTaken)));
        assert_eq!(shop.engine.any_admin().await, Ok(Some(admin)));
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
        let mut made = pin!(shop.engine.create_account(context(), new));
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
        let made = made.await.expect("the journal runs").expect("the email is free");
        assert_eq!(found.await, Ok(Some(made)));
    });
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
    }
}
