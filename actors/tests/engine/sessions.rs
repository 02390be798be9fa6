//! Sessions: what was answered of a refresh token stands, whatever the machine does, and one token is spent once.

use std::pin::pin;

use futures_util::future::join_all;
use holdfast_actors::domain::account::session::{Bad, FamilyId, Refresh, Refreshed, TokenHash};
use holdfast_actors::domain::account::{Change, Role, Tier};
use holdfast_actors::domain::{Account, AccountId, Millis, Timestamp};
use holdfast_actors::{Clock as _, Failure};

use crate::common::{Shop, context, fresh, let_others, look, run};

const FAMILY: FamilyId = FamilyId(1);

#[test]
fn of_two_refreshes_at_once_one_wins_and_the_other_ends_the_session() {
    run(async {
        let shop = Shop::open();
        log_in(&shop, FAMILY, token(1)).await;
        let answers = join_all((2..4).map(|next| refresh(&shop, token(1), token(next)))).await;
        assert!(
            answers.contains(&Ok(Refreshed::Rotated)) && answers.contains(&Err(Bad::Reused)),
            "{answers:?}"
        );
        for number in 1..4 {
            assert_eq!(refresh(&shop, token(number), token(9)).await, Err(Bad::Unknown), "thief and owner");
        }
        shop.close().await;
    });
}

#[test]
fn spent_token_stays_spent_after_a_restart_and_a_retry_is_recognised() {
    run(async {
        let shop = Shop::open();
        log_in(&shop, FAMILY, token(1)).await;
        assert_eq!(refresh(&shop, token(1), token(2)).await, Ok(Refreshed::Rotated));
        let shop = shop.reopen();
        let retry = Refresh { retried: vec![token(7), token(2)], ..spend(token(1), token(7)) };
        let again = shop.engine.refresh_session(&context(), retry).await.expect("the journal runs");
        assert!(again.is_replayed && again.position.is_none(), "nothing happens twice");
        assert_eq!(again.value.map(|(_, refreshed)| refreshed), Ok(Refreshed::Again(1)));
        assert_eq!(refresh(&shop, token(2), token(3)).await, Ok(Refreshed::Rotated));
        let shop = shop.reopen();
        assert_eq!(refresh(&shop, token(1), token(4)).await, Err(Bad::Reused));
        let shop = shop.reopen();
        assert_eq!(refresh(&shop, token(3), token(4)).await, Err(Bad::Unknown), "the end stays as well");
        shop.close().await;
    });
}

#[test]
fn refresh_is_answered_when_it_is_durable_also_the_retry_and_the_refusal() {
    run(async {
        let (shop, holder) = Shop::held(|_| {});
        let (context, id) = (context(), AccountId(fresh()));
        let mut made = pin!(shop.engine.create_account(&context, account(id, Role::Admin)));
        assert!(look(made.as_mut()).await.is_pending());
        let mut opened = pin!(shop.engine.open_session(&context, id, FAMILY, token(1)));
        assert!(look(opened.as_mut()).await.is_pending());
        let mut first = pin!(shop.engine.refresh_session(&context, spend(token(1), token(2))));
        assert!(look(first.as_mut()).await.is_pending());
        holder.append_waits();
        let retry = Refresh { retried: vec![token(2)], ..spend(token(1), token(2)) };
        let mut retry = pin!(shop.engine.refresh_session(&context, retry));
        let mut reuse = pin!(shop.engine.refresh_session(&context, spend(token(1), token(3))));
        for _ in 0..50 {
            assert!(look(first.as_mut()).await.is_pending());
            assert!(look(retry.as_mut()).await.is_pending());
            assert!(look(reuse.as_mut()).await.is_pending());
            shop.settle().await;
            let_others().await;
        }
        drop(holder);
        made.await.expect("the email is free");
        opened.await.expect("the journal runs");
        assert!(first.await.expect("the journal runs").value.is_ok());
        assert!(retry.await.expect("the journal runs").value.is_ok());
        assert_eq!(reuse.await.expect("the journal runs").value.map(|_| ()), Err(Bad::Reused));
    });
}

#[test]
fn session_ends_by_logout_by_time_and_with_the_role() {
    run(async {
        let shop = Shop::open();
        let ada = log_in(&shop, FAMILY, token(1)).await;
        let unknown =
            shop.engine.end_session(&context(), FAMILY, token(5)).await.expect("it is as good as done");
        assert!(unknown.position.is_none());
        let ended = shop.engine.end_session(&context(), FAMILY, token(1)).await.expect("the journal runs");
        assert!(ended.position.is_some());
        let again =
            shop.engine.end_session(&context(), FAMILY, token(1)).await.expect("it is as good as done");
        assert!(again.position.is_none());
        assert_eq!(refresh(&shop, token(1), token(2)).await, Err(Bad::Unknown));

        open(&shop, ada, FAMILY, token(3)).await;
        make(&shop, Role::Admin).await;
        let demote = Change { role: Some(Role::Customer), tier: None };
        shop.engine.change_account(&context(), ada, demote, None).await.expect("another admin is left");
        assert_eq!(refresh(&shop, token(3), token(4)).await, Err(Bad::Unknown));

        open(&shop, ada, FAMILY, token(6)).await;
        shop.clock.set(shop.clock.now().after(Millis::from_secs(30 * 24 * 60 * 60)));
        assert_eq!(refresh(&shop, token(6), token(7)).await, Err(Bad::Expired));
        let shop = shop.reopen();
        assert_eq!(refresh(&shop, token(6), token(7)).await, Err(Bad::Expired));
        shop.close().await;
    });
}

/// An admin with a session.
async fn log_in(shop: &Shop, family: FamilyId, token: TokenHash) -> AccountId {
    let account = make(shop, Role::Admin).await;
    open(shop, account, family, token).await;
    account
}

async fn open(shop: &Shop, account: AccountId, family: FamilyId, token: TokenHash) {
    let opened = shop.engine.open_session(&context(), account, family, token).await;
    assert!(opened.expect("the journal runs").position.is_some());
}

async fn make(shop: &Shop, role: Role) -> AccountId {
    let account = account(AccountId(fresh()), role);
    shop.engine.create_account(&context(), account).await.expect("the email is free").value.id
}

fn account(id: AccountId, role: Role) -> Account {
    Account {
        id,
        email: format!("{}@example.org", id.0).into(),
        name: None,
        role,
        tier: Tier::Standard,
        password_hash: "$argon2id$".into(),
        created_at: Timestamp(0),
        version: 1,
    }
}

async fn refresh(shop: &Shop, presented: TokenHash, next: TokenHash) -> Result<Refreshed, Bad> {
    let answer = shop.engine.refresh_session(&context(), spend(presented, next)).await;
    let answer: Result<_, Failure> = answer.map(|answer| answer.value.map(|(_, refreshed)| refreshed));
    answer.expect("the journal runs")
}

fn spend(presented: TokenHash, next: TokenHash) -> Refresh {
    Refresh { family: FAMILY, presented, next, retried: Vec::new() }
}

fn token(number: u8) -> TokenHash {
    TokenHash([number; 32])
}
