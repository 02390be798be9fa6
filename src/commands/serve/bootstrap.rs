//! What a new shop starts with: the first admin from the settings, and the demo.

use anyhow::{Context as _, anyhow};
use holdfast_actors::domain::account::{self, Account, FIRST_VERSION, Role, Tier};
use holdfast_actors::domain::{AccountId, Timestamp};
use holdfast_actors::{Answer, Context, Engine, Failure as Unmade, Refused};
use secrecy::SecretString;

use super::demo;
use crate::auth::email;
use crate::auth::password::Passwords;
use crate::cli::Failure;
use crate::config::Settings;

/// Makes the first admin, where the settings name one and there is none, and the demo, where it is asked for
/// and the shop is empty.
///
/// # Errors
///
/// The journal stopped, or a password could not be hashed.
pub(super) async fn fill(engine: &Engine, passwords: &Passwords, settings: &Settings) -> Result<(), Failure> {
    let was_empty = engine.stats().products == 0 && !has_admin(engine).await?;
    if let (Some(email), Some(password)) = (&settings.admin_email, &settings.admin_password)
        && !has_admin(engine).await?
    {
        if create(engine, passwords, email, password.clone(), Role::Admin, Tier::Standard).await? {
            tracing::info!("made the first admin, {email}");
        } else {
            tracing::warn!("there is no admin: name another address, or run `holdfast admin create-user`");
        }
    }
    if settings.demo && was_empty {
        demo::fill(engine, passwords).await?;
    }
    Ok(())
}

async fn has_admin(engine: &Engine) -> Result<bool, Failure> {
    let admin = engine.any_admin().await;
    Ok(admin.map_err(|failure| anyhow!("look for an admin: {failure:?}"))?.is_some())
}

/// Makes an account; one that exists already stays as it is. True when it was made.
pub(super) async fn create(
    engine: &Engine,
    passwords: &Passwords,
    email: &str,
    password: SecretString,
    role: Role,
    tier: Tier,
) -> Result<bool, Failure> {
    let password_hash = passwords.hash(password).await.context("hash a password")?;
    let account = Account {
        id: AccountId(crate::ids::make().as_u128()),
        email: email::normalized(email).context("an account needs an email address")?.into(),
        name: None,
        role,
        tier,
        password_hash: password_hash.into(),
        created_at: Timestamp::default(),
        version: FIRST_VERSION,
    };
    match engine.create_account(&Context::system(), account).await {
        Ok(_made) => Ok(true),
        Err(Unmade::Refused(Answer { value: Refused::Account(account::Refusal::EmailTaken), .. })) => {
            tracing::warn!("the account {email} exists already and stays as it is");
            Ok(false)
        }
        Err(failure) => Err(anyhow!("make an account: {failure:?}").into()),
    }
}
