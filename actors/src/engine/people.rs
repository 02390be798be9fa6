//! Accounts and sessions: made, changed and found by the shard that keeps them.

use holdfast_domain::AccountId;
use holdfast_domain::account::session::{Bad, FamilyId, Refresh, Refreshed, TokenHash};
use holdfast_domain::account::{Account, Change, Role, Tier};
use tokio::sync::oneshot;

use super::{Answer, Claimed, Engine, Failure, ShardDoor, into_answer};
use crate::accounts::{AccountBook, AccountReply, AccountWish, AskAccounts, LookAtAccounts, Said};
use crate::context::Context;
use crate::directory::Person;
use crate::keys::KeyGuard;
use crate::outcome::Outcome;
use crate::pending::{Pending, Stopped};
use crate::slots::ACCOUNTS_PARTITION;
use crate::turn::Reply;

/// Accounts that one message looks at for a list, so that it pauses nobody.
const LOOK_COUNT_MAX: usize = 1_000;

/// Which accounts are listed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct AccountFilter {
    /// What they may do; anything where absent.
    pub role: Option<Role>,
    /// Their standing; any where absent.
    pub tier: Option<Tier>,
}

impl Engine {
    /// Makes an account; its time and its version are the turn's to say. The answer has no hash.
    ///
    /// # Errors
    ///
    /// [`Failure`]; an email that is taken is refused.
    pub async fn create_account(
        &self,
        context: &Context,
        account: Account,
    ) -> Result<Answer<Account>, Failure> {
        self.settle_account(context, AccountWish::Create(Box::new(account))).await
    }

    /// Changes what an account may do, at once. The answer has no hash.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub async fn change_account(
        &self,
        context: &Context,
        id: AccountId,
        change: Change,
        version: Option<u32>,
    ) -> Result<Answer<Account>, Failure> {
        self.settle_account(context, AccountWish::Change(id, change, version)).await
    }

    /// Opens a session of an account that exists, whose first refresh token has that hash.
    ///
    /// # Errors
    ///
    /// [`Failure::Overloaded`], [`Failure::Stopped`].
    pub async fn open_session(
        &self,
        context: &Context,
        account: AccountId,
        family: FamilyId,
        token: TokenHash,
    ) -> Result<Answer<()>, Failure> {
        let reply = self.ask_accounts(context, None, AccountWish::Open(account, family, token)).await?;
        Ok(Answer { value: (), position: reply.position, is_replayed: false })
    }

    /// Spends a refresh token for the next: whose it is and what became of it, or what is wrong with it.
    ///
    /// # Errors
    ///
    /// [`Failure::Overloaded`], [`Failure::Stopped`].
    pub async fn refresh_session(
        &self,
        context: &Context,
        refresh: Refresh,
    ) -> Result<Answer<Result<(Account, Refreshed), Bad>>, Failure> {
        let reply = self.ask_accounts(context, None, AccountWish::Refresh(refresh)).await?;
        let Said::Refreshed(value) = reply.said else { unreachable!("a refresh is answered as one") };
        let is_replayed = matches!(value, Ok((_, Refreshed::Again(_))));
        Ok(Answer { value, position: reply.position, is_replayed })
    }

    /// Ends the session of a refresh token, where there is one.
    ///
    /// # Errors
    ///
    /// [`Failure::Overloaded`], [`Failure::Stopped`].
    pub async fn end_session(
        &self,
        context: &Context,
        family: FamilyId,
        token: TokenHash,
    ) -> Result<Answer<()>, Failure> {
        let reply = self.ask_accounts(context, None, AccountWish::Logout(family, token)).await?;
        Ok(Answer { value: (), position: reply.position, is_replayed: false })
    }

    /// What requests may know of an account, as it is now; nothing for one that does not exist.
    #[must_use]
    pub fn person(&self, account: AccountId) -> Option<Person> {
        self.inner.directory.person(account)
    }

    /// The account of an email, in lower case; durable.
    ///
    /// # Errors
    ///
    /// [`Failure::Overloaded`], [`Failure::Stopped`].
    pub async fn account_by_email(&self, email: &str) -> Result<Option<Account>, Failure> {
        let email: Box<str> = email.into();
        self.look_at_accounts(move |book| book.accounts.by_email(&email).cloned()).await
    }

    /// The account of an id, durable.
    ///
    /// # Errors
    ///
    /// [`Failure::Overloaded`], [`Failure::Stopped`].
    pub async fn account(&self, id: AccountId) -> Result<Option<Account>, Failure> {
        self.look_at_accounts(move |book| book.accounts.by_id(id).cloned()).await
    }

    /// Somebody who may run the shop.
    ///
    /// # Errors
    ///
    /// [`Failure::Overloaded`], [`Failure::Stopped`].
    pub async fn any_admin(&self) -> Result<Option<Account>, Failure> {
        self.look_at_accounts(|book| book.accounts.any_admin().cloned()).await
    }

    /// Up to `count` accounts made before `before`, newest first, durable.
    ///
    /// # Errors
    ///
    /// [`Failure::Overloaded`], [`Failure::Stopped`].
    pub async fn accounts(
        &self,
        filter: AccountFilter,
        before: Option<AccountId>,
        count: usize,
    ) -> Result<Vec<Account>, Failure> {
        let mut found: Vec<Account> = Vec::new();
        let mut before = before.unwrap_or(AccountId(u128::MAX));
        loop {
            let rest = count - found.len();
            let (page, next) = self.look_at_accounts(move |book| page(book, filter, before, rest)).await?;
            found.extend(page);
            match next {
                Some(next) if found.len() < count => before = next,
                _ => return Ok(found),
            }
        }
    }

    async fn settle_account(&self, context: &Context, wish: AccountWish) -> Result<Answer<Account>, Failure> {
        let key = match self.claim(context).await? {
            Claimed::Kept(reply) => return Ok(into_answer(reply)?.map(into_account)),
            Claimed::Free(key) => key,
        };
        let AccountReply { said, position } = self.ask_accounts(context, key, wish).await?;
        let Said::Outcome(answered) = said else { unreachable!("an account is answered with an outcome") };
        Ok(into_answer(Reply { answered, position, is_replayed: false })?.map(into_account))
    }

    async fn ask_accounts(
        &self,
        context: &Context,
        key: Option<KeyGuard>,
        wish: AccountWish,
    ) -> Result<AccountReply, Failure> {
        let door = self.accountant();
        let _permit = self.admit(door)?;
        let (reply, answer) = oneshot::channel();
        door.address.do_send(AskAccounts { wish, context: context.clone(), key, reply });
        Ok(answer.await.map_err(|_| Stopped)?.open().await?)
    }

    /// Looks at the accounts, and waits until what is found is durable.
    async fn look_at_accounts<T: Send + 'static>(
        &self,
        look: impl FnOnce(&AccountBook) -> T + Send + 'static,
    ) -> Result<T, Failure> {
        let door = self.accountant();
        let (reply, answer) = oneshot::channel();
        let look = LookAtAccounts(Box::new(move |book, turns| {
            // Whoever hung up does not want the answer.
            let _unwanted = reply.send(Pending::new(look(book), book.ticket, turns.queue.gate().clone()));
        }));
        door.address.do_send(look);
        Ok(answer.await.map_err(|_| Stopped)?.open().await?)
    }

    fn accountant(&self) -> &ShardDoor {
        &self.inner.shards[self.inner.slots.shard(ACCOUNTS_PARTITION)]
    }
}

/// What is found within one look, and where to go on if there may be more.
fn page(
    book: &AccountBook,
    filter: AccountFilter,
    before: AccountId,
    count: usize,
) -> (Vec<Account>, Option<AccountId>) {
    let is_wanted = |account: &&Account| {
        filter.role.is_none_or(|role| account.role == role)
            && filter.tier.is_none_or(|tier| account.tier == tier)
    };
    let looked_at: Vec<&Account> = book.accounts.before(before).take(LOOK_COUNT_MAX).collect();
    let next = looked_at.last().filter(|_| looked_at.len() == LOOK_COUNT_MAX).map(|last| last.id);
    (looked_at.into_iter().filter(is_wanted).take(count).cloned().collect(), next)
}

fn into_account(outcome: Outcome) -> Account {
    match outcome {
        Outcome::Account(account) => *account,
        other => unreachable!("an account was answered with {other:?}"),
    }
}
