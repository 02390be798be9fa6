//! What a new shop starts with: the first admin from the settings, and the demo.

use anyhow::Context as _;
use holdfast_actors::domain::account::{Account, Role, Tier};
use holdfast_actors::domain::{AccountId, Timestamp};
use holdfast_actors::{Context, Engine};
use secrecy::SecretString;

use super::demo;
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
    let was_empty =
        engine.stats().products == 0 && engine.any_admin().await.context("look for an admin")?.is_none();
    if let (Some(email), Some(password)) = (&settings.admin_email, &settings.admin_password)
        && engine.any_admin().await.context("look for an admin")?.is_none()
    {
        create(engine, passwords, email, password.clone(), Role::Admin, Tier::Standard).await?;
        tracing::info!("made the first admin, {email}");
    }
    if settings.demo && was_empty {
        demo::fill(engine, passwords).await?;
    }
    Ok(())
}

/// Makes an account; one that exists already stays as it is.
pub(super) async fn create(
    engine: &Engine,
    passwords: &Passwords,
    email: &str,
    password: SecretString,
    role: Role,
    tier: Tier,
) -> Result<(), Failure> {
    let password_hash = passwords.hash(password).await.context("hash a password")?;
    let account = Account {
        id: AccountId(crate::ids::make().as_u128()),
        email: email.to_lowercase().into(),
        name: None,
        role,
        tier,
        password_hash: password_hash.into(),
        created_at: Timestamp::default(),
    };
    let made = engine.create_account(Context::system(), account).await.context("make an account")?;
    if made.is_err() {
        tracing::warn!("the account {email} exists already and stays as it is");
    }
    Ok(())
}
