//! `holdfast admin`: makes and lists accounts and replaces the key that signs, on a stopped data folder or through the
//! control socket of the server that holds it.

use std::io::{self, BufRead as _, IsTerminal as _, Read as _};
use std::os::unix::net::UnixStream;
use std::path::Path;

use actix_web::rt::System;
use anyhow::{Context as _, anyhow};
use holdfast_actors::Engine;
use holdfast_actors::persistence::SledJournal;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use super::people::{self, NewUser};
use super::plain_http::{self, Answer};
use super::serve::{control, engine};
use crate::auth::password::{CHARACTERS_MAX, CHARACTERS_MIN, Passwords};
use crate::auth::secret;
use crate::cli::{Exit, Failure};
use crate::config::Settings;
use crate::http::prices::TierWord;
use crate::http::users::RoleWord;
use crate::http::values::Id;

/// Why a key is not replaced.
pub(crate) const SECRET_IS_A_SETTING: &str = "the signing secret is a setting: put a new one into JWT_SECRET, the \
                                              present one into JWT_SECRET_PREVIOUS, and start the server again";

/// Longer than any password, line break included.
const LINE_BYTES_MAX: u64 = 1024;

/// Somebody to be made, but for the password.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Where mail goes.
    pub email: String,
    /// As they want to be called.
    pub name: Option<String>,
    /// What they may do.
    pub role: RoleWord,
    /// For prices.
    pub tier: TierWord,
}

/// Makes an account with a password from the terminal, or from one line of standard input.
///
/// # Errors
///
/// [`Exit::Usage`] for an address or a password that is none, [`Exit::NotFound`] where there is no journal,
/// [`Exit::Locked`] when a process without a control socket holds it.
pub fn create_user(settings: &Settings, wanted: Wanted, as_json: bool) -> Result<(), Failure> {
    people::check(&wanted.email, wanted.name.as_deref()).map_err(|error| Failure::new(Exit::Usage, error))?;
    must_exist(&settings.data_dir)?;
    let password = read_password()?;
    let Wanted { email, name, role, tier } = wanted;
    let body = json!({
        "email": email, "password": password.expose_secret(), "name": name, "role": role, "tier": tier,
    });
    let new = NewUser { email, password, name, role, tier };
    let made = offline_or_asked(
        settings,
        async |engine| people::make(engine, &Passwords::new(1), new).await,
        |socket| expect(&ask(socket, "POST", "/users", Some(&body.to_string()))?),
    )?;
    if as_json {
        println!("{made:#}");
    } else {
        let text = |name: &str| made[name].as_str().unwrap_or_default();
        println!("made the {} {} ({})", text("role"), text("email"), text("id"));
    }
    Ok(())
}

/// Lists the accounts, newest first.
///
/// # Errors
///
/// Those of [`create_user`], but for the password's.
pub fn list_users(settings: &Settings, as_json: bool) -> Result<(), Failure> {
    must_exist(&settings.data_dir)?;
    let all = offline_or_asked(settings, async |engine| all_of(engine).await, all_asked)?;
    if as_json {
        println!("{:#}", Value::from(all));
        return Ok(());
    }
    for user in all {
        let text = |name: &str| user[name].as_str().unwrap_or_default().to_owned();
        println!("{}  {:8}  {:8}  {}", text("id"), text("role"), text("tier"), text("email"));
    }
    Ok(())
}

/// Has another key sign from now on; what the present one signed is still believed.
///
/// # Errors
///
/// [`Exit::Failure`] where the secret is a setting; those of [`create_user`], but for the password's.
pub fn rotate_key(settings: &Settings, as_json: bool) -> Result<(), Failure> {
    must_exist(&settings.data_dir)?;
    let believed = match engine::lock(&settings.data_dir) {
        Ok(_folder) => {
            if settings.jwt_secret.is_some() {
                return Err(anyhow!(SECRET_IS_A_SETTING).into());
            }
            let secrets = secret::rotate(&settings.data_dir).map_err(anyhow::Error::from)?;
            json!({ "believed": secrets.previous.len() })
        }
        Err(locked) => expect(&ask(&socket(settings, locked)?, "POST", "/rotate-key", None)?)?,
    };
    if as_json {
        println!("{believed:#}");
    } else {
        println!("another key signs from now on; earlier ones that are believed: {}", believed["believed"]);
    }
    Ok(())
}

/// Does it on the stopped folder as `serve` would, or asks the server that holds it.
fn offline_or_asked<T>(
    settings: &Settings,
    offline: impl AsyncFnOnce(&Engine) -> anyhow::Result<T>,
    asked: impl FnOnce(&Path) -> Result<T, Failure>,
) -> Result<T, Failure> {
    match engine::lock(&settings.data_dir) {
        Ok(folder) => System::new().block_on(async {
            let engine = engine::open(settings, folder, Vec::new()).await?;
            let done = offline(&engine).await;
            engine::close(engine).await?;
            Ok(done?)
        }),
        Err(locked) => asked(&socket(settings, locked)?),
    }
}

/// The socket of the server that holds the folder; whoever holds it without one is named.
pub(super) fn socket(settings: &Settings, locked: Failure) -> Result<std::path::PathBuf, Failure> {
    let path = control::path(&settings.data_dir);
    if locked.exit == Exit::Locked && path.exists() { Ok(path) } else { Err(locked) }
}

pub(super) fn ask(socket: &Path, method: &str, path: &str, body: Option<&str>) -> Result<Answer, Failure> {
    let asked = || {
        let stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(plain_http::WAIT_MAX))?;
        stream.set_write_timeout(Some(plain_http::WAIT_MAX))?;
        plain_http::ask(stream, "localhost", method, path, body)
    };
    Ok(asked().with_context(|| format!("ask the server over {}", socket.display()))?)
}

/// What a server answered, where it did what it was asked.
pub(super) fn expect(answer: &Answer) -> Result<Value, Failure> {
    let document: Value = serde_json::from_str(&answer.body).unwrap_or_default();
    if (200..300).contains(&answer.status) {
        return Ok(document);
    }
    let detail = document["detail"].as_str().unwrap_or("it does not say why");
    Err(anyhow!("{detail}").context(format!("the server answered {}", answer.status)).into())
}

async fn all_of(engine: &Engine) -> anyhow::Result<Vec<Value>> {
    let mut all = Vec::new();
    let mut before = None;
    loop {
        let (page, next) = people::page(engine, before).await?;
        all.extend(page);
        if next.is_none() {
            return Ok(all);
        }
        before = next;
    }
}

fn all_asked(socket: &Path) -> Result<Vec<Value>, Failure> {
    let mut all = Vec::new();
    let mut path = "/users".to_owned();
    loop {
        let page = expect(&ask(socket, "GET", &path, None)?)?;
        all.extend(page["data"].as_array().cloned().unwrap_or_default());
        match page["next"].as_str().and_then(Id::<crate::http::values::User>::parse) {
            Some(next) => path = format!("/users?before={next}"),
            None => return Ok(all),
        }
    }
}

fn must_exist(data_dir: &Path) -> Result<(), Failure> {
    let looked = SledJournal::exists(data_dir);
    if looked.with_context(|| format!("look for a journal in {}", data_dir.display()))? {
        return Ok(());
    }
    let error = anyhow!("there is no journal in {}: `holdfast serve` makes one", data_dir.display());
    Err(Failure::new(Exit::NotFound, error))
}

/// From the terminal twice, without showing it; or the first line of what is piped in.
fn read_password() -> Result<SecretString, Failure> {
    let password: SecretString = if io::stdin().is_terminal() {
        let ask = |prompt: &str| rpassword::prompt_password(prompt).context("read the password");
        let first: SecretString = ask("Password: ")?.into();
        let second: SecretString = ask("The same again: ")?.into();
        if first.expose_secret() != second.expose_secret() {
            return Err(usage("the two passwords are not the same"));
        }
        first
    } else {
        let mut line = String::new();
        io::stdin()
            .lock()
            .take(LINE_BYTES_MAX)
            .read_line(&mut line)
            .context("read the password from standard input")?;
        line.trim_end_matches(['\r', '\n']).to_owned().into()
    };
    if !(CHARACTERS_MIN..=CHARACTERS_MAX).contains(&password.expose_secret().chars().count()) {
        return Err(usage(&format!("a password has {CHARACTERS_MIN} to {CHARACTERS_MAX} characters")));
    }
    Ok(password)
}

fn usage(sentence: &str) -> Failure {
    Failure::new(Exit::Usage, anyhow!("{sentence}"))
}
