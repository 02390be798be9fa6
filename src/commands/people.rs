//! Accounts as operators make and list them: the same on a stopped folder and in a running server.

use anyhow::{Context as _, anyhow};
use holdfast_actors::domain::account::{self, Account, FIRST_VERSION, Role, Tier};
use holdfast_actors::domain::{AccountId, Timestamp};
use holdfast_actors::engine::AccountFilter;
use holdfast_actors::{Answer, Context, Engine, Failure, Refused};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::auth::email;
use crate::auth::password::Passwords;
use crate::http::auth::Me;
use crate::http::field::Value as _;
use crate::http::prices::TierWord;
use crate::http::users::RoleWord;
use crate::http::values::{Id, Text, User};

/// Accounts that one answer lists.
pub const PAGE_COUNT: usize = 500;

/// Somebody to be made.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewUser {
    /// Where mail goes.
    pub email: String,
    /// What they prove themselves with.
    pub password: SecretString,
    /// As they want to be called.
    pub name: Option<String>,
    /// What they may do.
    pub role: RoleWord,
    /// For prices.
    pub tier: TierWord,
}

/// A name as a registration may have it: a longer one would not fit into a record, and the engine stops at that.
pub type Name = Text<1, 200>;

/// Says what is wrong with the address or the name of somebody to be made, if anything is.
///
/// # Errors
///
/// A sentence for the operator.
pub fn check(email: &str, name: Option<&str>) -> anyhow::Result<()> {
    email::normalized(email).with_context(|| format!("`{email}` is no email address"))?;
    let named = name.map(Name::from_text).transpose();
    named.map(drop).map_err(|fault| anyhow!("a name: {}", fault.detail))
}

/// Makes an account, or says why there is none.
///
/// # Errors
///
/// A sentence for the operator.
pub async fn make(engine: &Engine, passwords: &Passwords, new: NewUser) -> anyhow::Result<Value> {
    check(&new.email, new.name.as_deref())?;
    let email = email::normalized(&new.email).expect("it was checked");
    let password_hash = passwords.hash(new.password).await.context("hash the password")?;
    let account = Account {
        id: AccountId(crate::ids::make().as_u128()),
        email: email.clone().into(),
        name: new.name.map(Into::into),
        role: Role::from(new.role),
        tier: Tier::from(new.tier),
        password_hash: password_hash.into(),
        created_at: Timestamp::default(),
        version: FIRST_VERSION,
    };
    match engine.create_account(&Context::system(), account).await {
        Ok(made) => Ok(json!(Me::of(&made.value))),
        Err(Failure::Refused(Answer { value: Refused::Account(account::Refusal::EmailTaken), .. })) => {
            Err(anyhow!("an account has the address {email} already"))
        }
        Err(failure) => Err(anyhow!("the account was not made: {failure:?}")),
    }
}

/// The accounts made before `before`, newest first, and the last of them where there may be more.
///
/// # Errors
///
/// The journal stopped.
pub async fn page(
    engine: &Engine,
    before: Option<Id<User>>,
) -> anyhow::Result<(Vec<Value>, Option<Id<User>>)> {
    let before = before.map(|id| AccountId(id.uuid().as_u128()));
    let found = engine.accounts(AccountFilter::default(), before, PAGE_COUNT).await;
    let found = found.map_err(|failure| anyhow!("list the accounts: {failure:?}"))?;
    let next = found.last().filter(|_| found.len() == PAGE_COUNT);
    let next = next.map(|last| Id::new(Uuid::from_u128(last.id.0)));
    Ok((found.iter().map(|account| json!(Me::of(account))).collect(), next))
}
