//! Accounts: made and found by the shard that keeps them.

use actix::Addr;
use holdfast_domain::account::{self, Account};
use tokio::sync::oneshot;

use super::Engine;
use crate::accounts;
use crate::context::Context;
use crate::pending::Stopped;
use crate::shard::Shard;
use crate::slots::ACCOUNTS_PARTITION;

impl Engine {
    /// Makes an account.
    ///
    /// # Errors
    ///
    /// [`Stopped`] outside, [`account::Refusal`] inside.
    pub async fn create_account(
        &self,
        context: Context,
        account: Account,
    ) -> Result<Result<Account, account::Refusal>, Stopped> {
        let (reply, answer) = oneshot::channel();
        self.accountant().do_send(accounts::Create { account, context, reply });
        answer.await.map_err(|_| Stopped)?.open().await
    }

    /// The account of an email, in lower case.
    ///
    /// # Errors
    ///
    /// [`Stopped`].
    pub async fn account_by_email(&self, email: &str) -> Result<Option<Account>, Stopped> {
        self.find_account(accounts::By::Email(email.into())).await
    }

    /// Somebody who may run the shop.
    ///
    /// # Errors
    ///
    /// [`Stopped`].
    pub async fn any_admin(&self) -> Result<Option<Account>, Stopped> {
        self.find_account(accounts::By::Admin).await
    }

    async fn find_account(&self, by: accounts::By) -> Result<Option<Account>, Stopped> {
        let (reply, answer) = oneshot::channel();
        self.accountant().do_send(accounts::Find { by, reply });
        answer.await.map_err(|_| Stopped)?.open().await
    }

    fn accountant(&self) -> &Addr<Shard> {
        &self.inner.shards[self.inner.slots.shard(ACCOUNTS_PARTITION)].address
    }
}
