//! Who is calling: sessions, tokens, admins.

use holdfast_actors::Context;
use holdfast_actors::domain::{AccountId, Timestamp, account};

use super::*;

fn user() -> Id<User> {
    Id::new(Uuid::from_u128(7))
}

/// The edge of a shop in which the user exists and may do so much.
async fn shared_with(role: account::Role) -> Shared {
    let shared = shared();
    let engine = refusals::engine();
    let user = account::Account {
        id: AccountId(user().uuid().as_u128()),
        email: "ada@example.org".into(),
        name: None,
        role,
        tier: account::Tier::Standard,
        password_hash: "".into(),
        created_at: Timestamp(0),
        version: account::FIRST_VERSION,
    };
    engine.create_account(&Context::system(), user).await.expect("the email is free");
    assert!(shared.engine.set(engine).is_ok());
    shared
}

fn bearer(shared: &Shared, role: Role) -> (&'static str, String) {
    use secrecy::ExposeSecret as _;
    ("authorization", format!("Bearer {}", shared.keys.sign(user(), role).expose_secret()))
}

fn buy_without_session() -> TestRequest {
    TestRequest::post()
        .uri("/api/toy")
        .insert_header((CONTENT_TYPE, "application/json"))
        .set_payload(r#"{"quantity":1}"#)
}

#[actix_web::test]
async fn guest_without_session_is_given_one_that_works() {
    let shared = shared();
    let answer = send(&shared, buy_without_session()).await;
    let session = answer.header("x-session-id").to_owned();
    assert_eq!(answer.body["caller"], json!(["session", session]));
    assert_eq!(session.len(), 22, "128 bits in base64url");
    assert_eq!(
        answer.header("set-cookie"),
        format!("session_id={session}; HttpOnly; SameSite=Lax; Path=/; Max-Age=604800")
    );
    let another = send(&shared, buy_without_session()).await;
    assert_ne!(another.header("x-session-id"), session);

    let by_header =
        send(&shared, buy_without_session().insert_header(("x-session-id", session.clone()))).await;
    let cookie = ("cookie", format!("theme=dark; session_id={session}"));
    let by_cookie = send(&shared, buy_without_session().insert_header(cookie)).await;
    for answer in [by_header, by_cookie] {
        assert_eq!(answer.body["caller"], json!(["session", session]));
        assert_eq!(answer.header("set-cookie"), "", "a known session is not told again");
        assert_eq!(answer.header("x-session-id"), "");
    }
}

#[actix_web::test]
async fn cookie_is_secure_behind_tls_or_when_set() {
    let mut shared = shared();
    let is_secure = |answer: Answer| answer.header("set-cookie").contains("; Secure");
    let proxied = |proto: &'static str| buy_without_session().insert_header(("x-forwarded-proto", proto));
    assert!(!is_secure(send(&shared, proxied("http")).await));
    assert!(is_secure(send(&shared, proxied("https")).await));
    assert!(is_secure(send(&shared, proxied("https, http")).await));
    shared.secure_cookies = SecureCookies(true);
    assert!(is_secure(send(&shared, buy_without_session()).await));
}

#[actix_web::test]
async fn ill_formed_session_header_is_malformed_and_an_ill_formed_cookie_is_replaced() {
    let (too_short, too_long) = ("x".repeat(15), "x".repeat(129));
    for session in ["", "a b", "abcdefghijklmnop.", &too_short, &too_long] {
        let request = buy_without_session().insert_header(("x-session-id", session));
        send(&shared(), request).await.is_problem(Code::MalformedRequest);
    }
    for session in ["x".repeat(16), "x".repeat(128)] {
        let request = buy_without_session().insert_header(("x-session-id", session));
        assert_eq!(send(&shared(), request).await.status, 201);
    }
    let answer = send(&shared(), buy_without_session().insert_header(("cookie", "session_id=short"))).await;
    assert_eq!(answer.status, 201);
    assert_ne!(answer.header("x-session-id"), "");
}

#[actix_web::test]
async fn token_decides_alone() {
    let shared = shared_with(account::Role::Customer).await;
    let request = buy_without_session()
        .insert_header(bearer(&shared, Role::Customer))
        .insert_header(("x-session-id", "guest-0123456789abcdef"));
    let answer = send(&shared, request).await;
    assert_eq!(answer.body["caller"], json!(["user", user().to_string()]));
    assert_eq!(answer.header("x-session-id"), "");
}

#[actix_web::test]
async fn bad_token_is_refused_even_with_a_good_session() {
    use secrecy::ExposeSecret as _;
    let shared = shared_with(account::Role::Customer).await;
    let good = bearer(&shared, Role::Customer).1;
    let expired = shared.keys.sign_at(user(), Role::Customer, 1_700_000_000);
    let forged = Keys::new(&"fedcba9876543210fedcba9876543210".into()).sign(user(), Role::Admin);
    let nobody = shared.keys.sign(Id::new(Uuid::from_u128(8)), Role::Admin);
    let bad = r#"Bearer error="invalid_token""#;
    for (value, code, challenge) in [
        (format!("Bearer {}", expired.expose_secret()), Code::TokenExpired, bad),
        (format!("Bearer {}", forged.expose_secret()), Code::Unauthenticated, bad),
        (format!("Bearer {}", nobody.expose_secret()), Code::Unauthenticated, bad),
        (format!("{good}x"), Code::Unauthenticated, bad),
        ("Bearer ".to_owned(), Code::Unauthenticated, "Bearer"),
        ("Bearer".to_owned(), Code::Unauthenticated, "Bearer"),
        ("Basic YTpi".to_owned(), Code::Unauthenticated, "Bearer"),
        (String::new(), Code::Unauthenticated, "Bearer"),
    ] {
        let answer = send(&shared, post(r#"{"quantity":1}"#).insert_header(("authorization", value))).await;
        answer.is_problem(code);
        assert_eq!(answer.header("www-authenticate"), challenge);
    }
    let lower_case = good.replace("Bearer", "bearer");
    let answer = send(&shared, buy_without_session().insert_header(("authorization", lower_case))).await;
    assert_eq!(answer.status, 201);
}

#[actix_web::test]
async fn only_an_admin_administers() {
    let shared = shared_with(account::Role::Customer).await;
    let answer = send(&shared, get("/api/admin")).await;
    answer.is_problem(Code::Unauthenticated);
    assert_eq!(answer.header("set-cookie"), "", "a refusal makes no session");
    let with_session = get("/api/admin").insert_header(("x-session-id", "guest-0123456789abcdef"));
    send(&shared, with_session).await.is_problem(Code::Unauthenticated);
    for claimed in [Role::Customer, Role::Admin] {
        // What the token says of the role is for its client; the account decides.
        let customer = get("/api/admin").insert_header(bearer(&shared, claimed));
        send(&shared, customer).await.is_problem(Code::Forbidden);
    }
    let shared = shared_with(account::Role::Admin).await;
    let admin = send(&shared, get("/api/admin").insert_header(bearer(&shared, Role::Admin))).await;
    assert_eq!(admin.body, json!({ "admin": user().to_string() }));
}
