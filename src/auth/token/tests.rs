//! Forgeries of every known kind.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::*;

const NOON: u64 = 1_800_000_000;

fn secret_of(letter: char) -> SecretString {
    letter.to_string().repeat(40).into()
}

fn user() -> Id<User> {
    Id::new(Uuid::from_u128(7))
}

fn claims() -> Value {
    json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": user().to_string(), "role": "admin",
        "iat": NOON, "exp": NOON + 60, "jti": Uuid::from_u128(1),
    })
}

/// Signs anything with the secret of `letter`, under any header.
fn forge(letter: char, header: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(header), part(claims));
    let key = EncodingKey::from_secret(secret_of(letter).expose_secret().as_bytes());
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256).unwrap();
    format!("{message}.{signature}")
}

fn header(keys: &Keys) -> Value {
    json!({ "alg": "HS256", "typ": TOKEN_TYPE, "kid": keys.ring.read().unwrap().current.id })
}

#[test]
fn token_holds_until_the_moment_it_expires() {
    let keys = Keys::new(&secret_of('a'));
    let token = keys.sign_at(user(), Role::Customer, NOON);
    let verify = |at| keys.verify_at(token.expose_secret(), at);
    let ends_at_seconds = NOON + TOKEN_SECONDS;
    assert_eq!(verify(NOON), Ok(Verified { user: user(), role: Role::Customer, ends_at_seconds }));
    assert!(verify(NOON + TOKEN_SECONDS - 1).is_ok());
    assert_eq!(verify(NOON + TOKEN_SECONDS), Err(Rejected::Expired));
}

#[test]
fn old_key_is_believed_and_a_dropped_one_is_not() {
    let token = Keys::new(&secret_of('a')).sign_at(user(), Role::Admin, NOON);
    let rotated = Secrets { current: secret_of('b'), previous: vec![secret_of('a')] };
    let keys = Keys::of(&rotated);
    assert!(keys.verify_at(token.expose_secret(), NOON).is_ok());
    keys.replace(&Secrets::only(secret_of('b')));
    assert_eq!(keys.verify_at(token.expose_secret(), NOON), Err(Rejected::Invalid));
}

#[test]
fn forge_makes_good_tokens_when_nothing_is_wrong() {
    let keys = Keys::new(&secret_of('a'));
    assert!(keys.verify_at(&forge('a', &header(&keys), &claims()), NOON).is_ok());
}

#[test]
fn forged_tokens_are_invalid() {
    let keys = Keys::new(&secret_of('a'));
    let with = |base: &Value, name: &str, value: Value| {
        let mut changed = base.clone();
        changed[name] = value;
        changed
    };
    let without = |base: &Value, name: &str| {
        let mut changed = base.clone();
        changed.as_object_mut().unwrap().remove(name);
        changed
    };
    let good = header(&keys);
    let cases = [
        ("another secret", 'z', good.clone(), claims()),
        ("no algorithm", 'a', with(&good, "alg", json!("none")), claims()),
        ("another algorithm", 'a', with(&good, "alg", json!("HS512")), claims()),
        ("an asymmetric algorithm", 'a', with(&good, "alg", json!("EdDSA")), claims()),
        ("an unknown key", 'a', with(&good, "kid", json!("0123456789abcdef")), claims()),
        ("no key", 'a', without(&good, "kid"), claims()),
        ("another type", 'a', with(&good, "typ", json!("JWT")), claims()),
        ("no type", 'a', without(&good, "typ"), claims()),
        ("a critical extension", 'a', with(&good, "crit", json!(["b64"])), claims()),
        ("another issuer", 'a', good.clone(), with(&claims(), "iss", json!("elsewhere"))),
        ("no issuer", 'a', good.clone(), without(&claims(), "iss")),
        ("another audience", 'a', good.clone(), with(&claims(), "aud", json!("elsewhere"))),
        ("no audience", 'a', good.clone(), without(&claims(), "aud")),
        ("no expiry", 'a', good.clone(), without(&claims(), "exp")),
        ("an unknown role", 'a', good.clone(), with(&claims(), "role", json!("root"))),
        ("another kind of subject", 'a', good, with(&claims(), "sub", json!("prod_1"))),
    ];
    for (what, letter, header, claims) in cases {
        assert_eq!(keys.verify_at(&forge(letter, &header, &claims), NOON), Err(Rejected::Invalid), "{what}");
    }
}

#[test]
fn unsigned_and_garbled_tokens_are_invalid() {
    let keys = Keys::new(&secret_of('a'));
    let good = forge('a', &header(&keys), &claims());
    let (message, _) = good.rsplit_once('.').unwrap();
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let mut unsigned = header(&keys);
    unsigned["alg"] = json!("none");
    let none = format!("{}.{}.", part(&unsigned), part(&claims()));
    for token in ["", ".", "..", "a.b.c", "x", &format!("{message}."), &none, &format!("{good}.x"), message] {
        assert_eq!(keys.verify_at(token, NOON), Err(Rejected::Invalid), "{token}");
    }
}
