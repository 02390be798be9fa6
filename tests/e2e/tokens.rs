//! Access tokens: good ones, signed with the secret that the servers under test are given, and bad ones.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use holdfast::auth::token::{Keys, Role};
use holdfast::http::values::{Id, User};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::people;

/// The servers' signing secret.
pub(crate) const SECRET: &str = "a-secret-of-the-tests-0123456789abcdef";

/// A token of an admin.
pub(crate) fn admin() -> String {
    sign(SECRET, people::ADMIN, Role::Admin)
}

/// A token of a customer; each number is another one.
pub(crate) fn customer(number: u128) -> String {
    sign(SECRET, people::FIRST_CUSTOMER + number, Role::Customer)
}

/// An admin's token as another shop would sign it.
pub(crate) fn foreign() -> String {
    sign("a-secret-of-another-shop-0123456789abcdef", 1, Role::Admin)
}

/// An admin's token that is good for a few seconds more.
pub(crate) fn admin_for(seconds: u64) -> String {
    let (keys, id) = (Keys::new(&SECRET.into()), Id::new(Uuid::from_u128(people::ADMIN)));
    let signed_at = now_seconds() + seconds - holdfast::auth::token::TOKEN_SECONDS;
    keys.sign_at(id, Role::Admin, signed_at).expose_secret().to_owned()
}

/// The id of a customer.
pub(crate) fn customer_id(number: u128) -> Id<User> {
    Id::new(Uuid::from_u128(people::FIRST_CUSTOMER + number))
}

/// An admin's token that ended a second ago.
pub(crate) fn expired() -> String {
    let (keys, id) = (Keys::new(&SECRET.into()), Id::new(Uuid::from_u128(1)));
    let ended_at = now_seconds() - 1 - holdfast::auth::token::TOKEN_SECONDS;
    keys.sign_at(id, Role::Admin, ended_at).expose_secret().to_owned()
}

/// Tokens that must never be believed, each with what is wrong with it.
pub(crate) fn forged() -> Vec<(&'static str, String)> {
    let good = admin();
    let (head, signed) = good.split_once('.').expect("a token has three parts");
    let (_, signature) = signed.split_once('.').expect("a token has three parts");
    let promoted = with_claims(&customer(1), |claims| claims["role"] = json!("admin"));
    let none = part(&json!({ "alg": "none", "typ": "at+jwt", "kid": key_id(&good) }));
    let (_, claims, _) = parts(&good);
    vec![
        ("a customer's token with another role", promoted),
        ("the signature of another token", format!("{head}.{signature}.{signature}")),
        ("no signature", good.trim_end_matches(signature).to_owned()),
        ("algorithm none", format!("{none}.{}.", part(&claims))),
        ("another algorithm", resigned(&good, |head| head.alg = Algorithm::HS512, |_| {})),
        ("an id token", resigned(&good, |head| head.typ = Some("JWT".to_owned()), |_| {})),
        ("an unknown key", resigned(&good, |head| head.kid = Some("other".to_owned()), |_| {})),
        ("another issuer", resigned(&good, |_| {}, |claims| claims["iss"] = json!("elsewhere"))),
        ("another audience", resigned(&good, |_| {}, |claims| claims["aud"] = json!("elsewhere"))),
        ("an unknown role", resigned(&good, |_| {}, |claims| claims["role"] = json!("owner"))),
        ("nobody", resigned(&good, |_| {}, |claims| claims["sub"] = json!("root"))),
        ("no end", resigned(&good, |_| {}, |claims| claims["exp"] = Value::Null)),
        ("no token at all", "x".to_owned()),
    ]
}

fn sign(secret: &str, number: u128, role: Role) -> String {
    let id = Id::new(Uuid::from_u128(number));
    Keys::new(&secret.to_owned().into()).sign(id, role).expose_secret().to_owned()
}

/// The same token signed again with the right secret, after changes that only its holder should be able to make.
fn resigned(token: &str, head: impl Fn(&mut Header), change: impl Fn(&mut Value)) -> String {
    let (_, mut claims, _) = parts(token);
    change(&mut claims);
    let mut header = Header::new(Algorithm::HS256);
    header.typ = Some("at+jwt".to_owned());
    header.kid = Some(key_id(token));
    head(&mut header);
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    jsonwebtoken::encode(&header, &claims, &key).expect("an HMAC key signs anything")
}

/// The same token with other claims under the old signature.
fn with_claims(token: &str, change: impl Fn(&mut Value)) -> String {
    let (head, mut claims, signature) = parts(token);
    change(&mut claims);
    format!("{}.{}.{signature}", part(&head), part(&claims))
}

fn key_id(token: &str) -> String {
    let (head, _, _) = parts(token);
    head["kid"].as_str().expect("our tokens name their key").to_owned()
}

fn parts(token: &str) -> (Value, Value, String) {
    let parts: Vec<&str> = token.split('.').collect();
    let read = |part: &str| {
        let bytes = URL_SAFE_NO_PAD.decode(part).expect("our tokens are base64url");
        serde_json::from_slice(&bytes).expect("our tokens are JSON")
    };
    (read(parts[0]), read(parts[1]), parts[2].to_owned())
}

fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

fn now_seconds() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.expect("it is after 1970").as_secs()
}
