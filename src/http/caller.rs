//! Who is calling: an admin, a customer, or a guest with a session.
//!
//! A token, where there is one, decides alone: a bad one is refused even when a good session comes with it,
//! lest a customer whose token lapsed shops on as a stranger. A guest without a session is given one.

use std::future::{Ready, ready};

use actix_web::cookie::{Cookie, SameSite};
use actix_web::dev::{Payload, ServiceResponse};
use actix_web::http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, SET_COOKIE};
use actix_web::{FromRequest, HttpMessage, HttpRequest, web};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use holdfast_actors::domain::AccountId;
use holdfast_actors::domain::account::Role;

use super::problem::{Code, Problem};
use super::shop;
use super::values::{Id, User};
use super::verified;
use crate::auth::token::Keys;

/// The header that carries a guest's session both ways.
pub const X_SESSION_ID: HeaderName = HeaderName::from_static("x-session-id");

/// The cookie that carries it for browsers.
pub const SESSION_COOKIE: &str = "session_id";

const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The shortest session.
pub(super) const SESSION_CHARACTERS_MIN: usize = 16;

/// The longest session.
pub(super) const SESSION_CHARACTERS_MAX: usize = 128;

/// As long as a cart lives after its last change.
const SESSION_COOKIE_DAYS: i64 = 7;

/// The id of a user, `usr_…`.
pub type UserId = Id<User>;

/// Put into the app's data: session cookies are `Secure` even where no proxy says that TLS was used.
#[derive(Clone, Copy, Debug)]
pub struct SecureCookies(pub bool);

/// A guest's session: whoever knows it is that guest, so it is never logged.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SessionId(Box<str>);

impl SessionId {
    /// Takes 16 to 128 characters of `[A-Za-z0-9_-]`.
    pub fn parse(text: &str) -> Option<Self> {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        let is_session = (SESSION_CHARACTERS_MIN..=SESSION_CHARACTERS_MAX).contains(&text.len())
            && text.bytes().all(is_allowed);
        is_session.then(|| Self(text.into()))
    }

    /// A new one of 128 random bits: it is a password of sorts, so the kernel draws it.
    pub fn make() -> Self {
        let mut bytes = [0_u8; 16];
        getrandom::fill(&mut bytes).expect("the kernel gives random bytes");
        Self(URL_SAFE_NO_PAD.encode(bytes).into())
    }

    /// The session as the client sends it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for SessionId {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("SessionId(…)")
    }
}

/// Who is calling. As an extractor it makes a session for a guest who has none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// Runs the shop.
    Admin(UserId),
    /// Has an account.
    Customer(UserId),
    /// Has a session.
    Guest(SessionId),
}

impl Caller {
    /// What sets this caller's things apart from everybody else's: kind and name.
    ///
    /// Admin and customer are one kind: a change of role must not make a retry a new purchase.
    pub fn scope(&self) -> (&'static str, String) {
        match self {
            Self::Admin(id) | Self::Customer(id) => ("user", id.to_string()),
            Self::Guest(session) => ("session", session.as_str().to_owned()),
        }
    }

    /// The account, if there is one.
    pub fn user(&self) -> Option<UserId> {
        match self {
            Self::Admin(id) | Self::Customer(id) => Some(*id),
            Self::Guest(_) => None,
        }
    }

    /// True when this is an admin.
    pub fn is_admin(&self) -> bool {
        matches!(self, Self::Admin(_))
    }
}

impl FromRequest for Caller {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        ready(identify(request))
    }
}

/// An admin; everybody else is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdminCaller(pub UserId);

impl FromRequest for AdminCaller {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        ready(match signed_in(request) {
            Ok(Some(Caller::Admin(id))) => Ok(Self(id)),
            Ok(Some(_)) => Err(Problem::new(Code::Forbidden, "Only an admin may do this.")),
            Ok(None) => Err(Problem::new(Code::Unauthenticated, "This needs an access token of an admin.")),
            Err(problem) => Err(problem),
        })
    }
}

/// Somebody with an account; everybody else is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserCaller(pub UserId);

impl FromRequest for UserCaller {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        ready(signed_in(request).and_then(|caller| {
            let user = caller.and_then(|caller| caller.user()).map(Self);
            user.ok_or_else(|| Problem::new(Code::Unauthenticated, "This needs an access token."))
        }))
    }
}

/// The caller with an account, or `None` when no token came. What they may do is the account's to say, as it is now:
/// the token only says who they are.
///
/// # Errors
///
/// `unauthenticated` or `token_expired` for a token that does not hold; `not_ready` while accounts are not known yet.
pub fn signed_in(request: &HttpRequest) -> Result<Option<Caller>, Problem> {
    let Some(value) = request.headers().get(AUTHORIZATION) else { return Ok(None) };
    let token = value.to_str().ok().and_then(bearer).ok_or_else(|| {
        Problem::new(Code::Unauthenticated, "`Authorization` must be `Bearer` and an access token.")
    })?;
    let keys = request.app_data::<web::Data<Keys>>().expect("the app is built with its keys");
    let verified = verified::once(request, keys, token)?;
    let account = AccountId(verified.user.uuid().as_u128());
    let person = shop::open(request)?.person(account).ok_or_else(|| {
        Problem::new(Code::Unauthenticated, "The access token is of an account that does not exist.")
            .of_bad_token()
    })?;
    Ok(Some(match person.role {
        Role::Admin => Caller::Admin(verified.user),
        Role::Customer => Caller::Customer(verified.user),
    }))
}

/// Whether an admin asks; nobody needs a token to ask.
///
/// # Errors
///
/// Those of [`signed_in`].
pub fn is_admin(request: &HttpRequest) -> Result<bool, Problem> {
    Ok(signed_in(request)?.is_some_and(|caller| caller.is_admin()))
}

/// The guest session the request came with. A malformed cookie counts as none: the client that keeps it
/// cannot mend it, a new one can.
///
/// # Errors
///
/// `malformed_request` for a malformed `X-Session-ID`.
pub fn session(request: &HttpRequest) -> Result<Option<SessionId>, Problem> {
    if let Some(value) = request.headers().get(X_SESSION_ID) {
        return value.to_str().ok().and_then(SessionId::parse).map(Some).ok_or_else(|| {
            let detail = "`X-Session-ID` must be 16 to 128 characters of A-Z, a-z, 0-9, `_` and `-`.";
            Problem::new(Code::MalformedRequest, detail)
        });
    }
    Ok(request.cookie(SESSION_COOKIE).and_then(|cookie| SessionId::parse(cookie.value())))
}

fn identify(request: &HttpRequest) -> Result<Caller, Problem> {
    if let Some(caller) = signed_in(request)? {
        return Ok(caller);
    }
    if let Some(session) = session(request)? {
        return Ok(Caller::Guest(session));
    }
    let mut extensions = request.extensions_mut();
    if let Some(NewSession(session)) = extensions.get() {
        return Ok(Caller::Guest(session.clone()));
    }
    let session = SessionId::make();
    extensions.insert(NewSession(session.clone()));
    Ok(Caller::Guest(session))
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim_start();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// A session that was made for this request and must be told in its answer, whatever that is.
struct NewSession(SessionId);

/// Adds a session that was made for this request to its answer, as header and as cookie.
pub(super) fn announce_new_session<B>(answer: &mut ServiceResponse<B>) {
    let Some(NewSession(session)) = answer.request().extensions_mut().remove::<NewSession>() else { return };
    let request = answer.request();
    let is_secure = request.app_data::<SecureCookies>().is_some_and(|secure| secure.0)
        || is_forwarded_tls(request.headers());
    let cookie = Cookie::build(SESSION_COOKIE, session.as_str())
        .path("/")
        .http_only(true)
        .same_site(SameSite::Lax)
        .secure(is_secure)
        .max_age(actix_web::cookie::time::Duration::days(SESSION_COOKIE_DAYS))
        .finish();
    let header = |text: &str| HeaderValue::from_str(text).expect("a session is plain ASCII");
    let (plain, cookie) = (header(session.as_str()), header(&cookie.to_string()));
    answer.headers_mut().insert(X_SESSION_ID, plain);
    answer.headers_mut().append(SET_COOKIE, cookie);
}

fn is_forwarded_tls(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(X_FORWARDED_PROTO).and_then(|value| value.to_str().ok()) else {
        return false;
    };
    value.split(',').next().is_some_and(|proto| proto.trim().eq_ignore_ascii_case("https"))
}
