//! What a request about an account costs: the same work whether the account exists or not, so that time tells nothing.

use super::*;

const PASSWORD: &str = "correct horse battery";

/// The answer of a POST, and how many passwords were worked on for it.
async fn post(shared: &Shared, path: &str, email: &str, password: &str) -> (u16, usize) {
    let before = shared.passwords.worked();
    let body = json!({ "email": email, "password": password }).to_string();
    let request = TestRequest::post().uri(path).insert_header((CONTENT_TYPE, "application/json"));
    let answer = send(shared, request.set_payload(body)).await;
    (answer.status, shared.passwords.worked() - before)
}

#[actix_web::test]
async fn known_and_unknown_accounts_cost_the_same_and_a_throttled_login_nothing() {
    let shared = shared();
    assert!(shared.engine.set(refusals::engine()).is_ok());
    let (register, login) = ("/api/v1/auth/register", "/api/v1/auth/login");
    assert_eq!(post(&shared, register, "ada@b.test", PASSWORD).await, (201, 1));
    assert_eq!(post(&shared, register, "ada@b.test", PASSWORD).await, (409, 1));
    assert_eq!(post(&shared, login, "ada@b.test", PASSWORD).await, (200, 1));
    for email in ["ada@b.test", "nobody@b.test"] {
        for _ in 0..crate::auth::throttle::FAILURES_BY_EMAIL_MAX {
            assert_eq!(post(&shared, login, email, "a wrong password").await, (401, 1));
        }
        assert_eq!(post(&shared, login, email, PASSWORD).await, (429, 0));
    }
}
