//! Idempotency keys and fingerprints.

use super::*;
use crate::http::caller::SessionId;

fn guest(name: &str) -> Caller {
    Caller::Guest(SessionId::parse(name).unwrap())
}

#[actix_web::test]
async fn key_is_read_bare_or_quoted() {
    let longest = "k".repeat(255);
    for (sent, read) in [
        ("abc", "abc"),
        ("\"abc\"", "abc"),
        ("\"a\\\"b\\\\c\"", "a\"b\\c"),
        ("a b:c/d=", "a b:c/d="),
        (&longest, &longest),
    ] {
        let answer =
            send(&shared(), post(r#"{"quantity":1}"#).insert_header(("idempotency-key", sent))).await;
        assert_eq!(answer.body["key"], read, "{sent}");
    }
    assert_eq!(send(&shared(), post(r#"{"quantity":1}"#)).await.body["key"], Value::Null);
}

#[actix_web::test]
async fn ill_formed_key_is_malformed() {
    let too_long = "k".repeat(256);
    for sent in ["", "\"\"", "\"abc", "\"a\"b\"", "\"a\\b\"", "\"a\";p=1", "ä", "a\tb", &too_long] {
        let request = post(r#"{"quantity":1}"#).insert_header(("idempotency-key", sent));
        send(&shared(), request).await.is_problem(Code::MalformedRequest);
    }
    let twice = post(r#"{"quantity":1}"#)
        .append_header(("idempotency-key", "a"))
        .append_header(("idempotency-key", "a"));
    send(&shared(), twice).await.is_problem(Code::MalformedRequest);
}

#[test]
fn key_belongs_to_its_caller() {
    let mut headers = HeaderMap::new();
    headers.insert("idempotency-key".try_into().unwrap(), "abc".try_into().unwrap());
    let key = IdempotencyKey::of(&headers).unwrap();
    let user = Id::new(Uuid::from_u128(7));
    let hashes = [guest("guest-0123456789abcdef"), guest("guest-0123456789abcdeg"), Caller::Customer(user)]
        .map(|caller| key.scoped(&caller).unwrap());
    assert!(hashes[0] != hashes[1] && hashes[1] != hashes[2] && hashes[0] != hashes[2]);
    assert_eq!(key.scoped(&Caller::Admin(user)), key.scoped(&Caller::Customer(user)));
    assert_eq!(IdempotencyKey::of(&HeaderMap::new()).unwrap().scoped(&Caller::Admin(user)), None);
}

#[test]
fn fingerprint_is_of_what_is_asked_and_not_of_how_it_is_written() {
    let toy = |body: &str| super::super::json::parse::<Toy>(body.as_bytes()).unwrap();
    let print = |method: Method, path: &str, body: &str| fingerprint(&method, path, &toy(body));
    let first = print(Method::POST, "/a", r#"{"quantity":1,"sku":"A"}"#);
    assert_eq!(first, print(Method::POST, "/a", r#" {"sku" : "A", "quantity":1, "note":null}"#));
    assert_ne!(first, print(Method::POST, "/a", r#"{"quantity":2,"sku":"A"}"#));
    assert_ne!(first, print(Method::POST, "/b", r#"{"quantity":1,"sku":"A"}"#));
    assert_ne!(first, print(Method::PUT, "/a", r#"{"quantity":1,"sku":"A"}"#));
}
