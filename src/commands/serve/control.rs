//! The control socket: how commands on the same machine ask a running server.
//!
//! A Unix socket in the data folder that only the owner of the folder can open; whoever can has the journal and the keys
//! anyway, so nobody is asked who they are. Nothing of it is reachable over the network.

mod journal;

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use actix_web::dev::ServerHandle;
use actix_web::rt::spawn;
use actix_web::{App, HttpResponse, HttpServer, web};
use holdfast_actors::Engine;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::json;

use crate::auth::secret;
use crate::commands::admin::SECRET_IS_A_SETTING;
use crate::commands::mail::{self, Ask};
use crate::commands::people::{self, NewUser};
use crate::config::{Retain, Settings};
use crate::http::routes::Shared;
use crate::http::values::{Id, User};

/// Its folder, for the owner of the data folder alone: so the socket is never open to others, not even for a moment.
const FOLDER: &str = "control";

/// Its name there.
const SOCKET: &str = "socket";

/// The longest path that every Unix takes for a socket, without the byte that ends it.
const PATH_BYTES_MAX: usize = 103;

/// Where the socket of a data folder is.
pub(crate) fn path(data_dir: &Path) -> PathBuf {
    data_dir.join(FOLDER).join(SOCKET)
}

/// What the routes need.
#[derive(Clone)]
struct Desk {
    engine: Engine,
    shared: Shared,
    data_dir: PathBuf,
    /// How much of the past is kept.
    retain: Retain,
    /// The secret is a setting: it is not ours to replace.
    has_configured_secret: bool,
    /// Earlier secrets from the settings.
    previous: Vec<SecretString>,
}

/// Opens the socket; none, with a warning, where that cannot be: a server without it serves all the same.
pub(super) fn open(engine: &Engine, shared: &Shared, settings: &Settings) -> Option<ServerHandle> {
    let path = path(&settings.data_dir);
    let previous = settings.jwt_secret_previous.as_ref().map(secret::parse_previous);
    let desk = Desk {
        engine: engine.clone(),
        shared: shared.clone(),
        data_dir: settings.data_dir.clone(),
        retain: settings.retain,
        has_configured_secret: settings.jwt_secret.is_some(),
        previous: previous.and_then(Result::ok).unwrap_or_default(),
    };
    match listen(&path).and_then(|listener| serve(listener, desk)) {
        Ok(handle) => Some(handle),
        Err(error) => {
            tracing::warn!(
                "no control socket at {}: {error}; stop the server for `holdfast admin`",
                path.display()
            );
            None
        }
    }
}

/// Takes the socket away again; whoever is being answered is not waited for.
pub(super) async fn close(handle: Option<ServerHandle>, data_dir: &Path) {
    if let Some(handle) = handle {
        handle.stop(false).await;
        // One that stays is replaced by the next start.
        let _is_left = fs::remove_file(path(data_dir));
    }
}

fn listen(path: &Path) -> io::Result<UnixListener> {
    if path.as_os_str().len() > PATH_BYTES_MAX {
        return Err(io::Error::other(format!("a socket's path has at most {PATH_BYTES_MAX} bytes")));
    }
    let folder = path.parent().expect("the socket is in a folder");
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => fs::set_permissions(folder, Permissions::from_mode(0o700))?,
    }
    // The data folder is locked, so nobody listens on what a crash left.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, Permissions::from_mode(0o600))?;
    Ok(listener)
}

fn serve(listener: UnixListener, desk: Desk) -> io::Result<ServerHandle> {
    let app = move || {
        App::new()
            .app_data(web::Data::new(desk.clone()))
            .route("/users", web::post().to(create_user))
            .route("/users", web::get().to(list_users))
            .route("/rotate-key", web::post().to(rotate_key))
            .route("/mails", web::post().to(mails))
            .configure(journal::routes)
    };
    let server = HttpServer::new(app).workers(1).disable_signals().listen_uds(listener)?.run();
    let handle = server.handle();
    spawn(server);
    Ok(handle)
}

async fn create_user(desk: web::Data<Desk>, new: web::Json<NewUser>) -> HttpResponse {
    match people::make(&desk.engine, &desk.shared.passwords, new.into_inner()).await {
        Ok(made) => HttpResponse::Created().json(made),
        Err(error) => refused(&error),
    }
}

#[derive(Deserialize)]
struct Before {
    before: Option<Id<User>>,
}

async fn list_users(desk: web::Data<Desk>, query: web::Query<Before>) -> HttpResponse {
    match people::page(&desk.engine, query.before).await {
        Ok((data, next)) => HttpResponse::Ok().json(json!({ "data": data, "next": next })),
        Err(error) => refused(&error),
    }
}

async fn rotate_key(desk: web::Data<Desk>) -> HttpResponse {
    if desk.has_configured_secret {
        return refused(&anyhow::anyhow!(SECRET_IS_A_SETTING));
    }
    let data_dir = desk.data_dir.clone();
    match web::block(move || secret::rotate(&data_dir)).await {
        Ok(Ok(mut secrets)) => {
            secrets.previous.extend(desk.previous.iter().cloned());
            desk.shared.use_secrets(&secrets);
            tracing::info!(
                "another key signs from now on; {} earlier ones are believed",
                secrets.previous.len()
            );
            HttpResponse::Ok().json(json!({ "believed": secrets.previous.len() }))
        }
        Ok(Err(error)) => refused(&error.into()),
        Err(error) => refused(&error.into()),
    }
}

async fn mails(desk: web::Data<Desk>, ask: web::Json<Ask>) -> HttpResponse {
    let Some(queue) = desk.shared.mails.get() else {
        return refused(&anyhow::anyhow!(
            "this server has no mail queue on disk: is it in Redis? Set REDIS_URL"
        ));
    };
    match mail::answer(queue, ask.into_inner()).await {
        Ok(document) => HttpResponse::Ok().json(document),
        Err(error) => refused(&error.into()),
    }
}

fn refused(error: &anyhow::Error) -> HttpResponse {
    HttpResponse::Conflict().json(json!({ "detail": format!("{error:#}") }))
}
