//! Every answer that is no success is a problem, whoever made it.

use super::*;

#[test]
fn codes_are_distinct_and_their_statuses_are_failures() {
    let mut words: Vec<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
    words.sort_unstable();
    words.dedup();
    assert_eq!(words.len(), Code::ALL.len());
    assert!(Code::ALL.iter().all(|code| code.status().is_client_error() || code.status().is_server_error()));
}

#[actix_web::test]
async fn unknown_path_is_not_found() {
    for uri in ["/", "/api/v1/nothing", "/api/v1", "/api/toy/", "/api/%ff"] {
        send(&shared(), get(uri)).await.is_problem(Code::NotFound);
    }
}

#[actix_web::test]
async fn wrong_method_is_told_the_right_ones() {
    let answer = send(&shared(), TestRequest::delete().uri("/api/toy")).await;
    answer.is_problem(Code::MethodNotAllowed);
    let mut allowed: Vec<_> = answer.header("allow").split(", ").collect();
    allowed.sort_unstable();
    assert_eq!(allowed, ["GET", "PATCH", "POST"]);
    let answer = send(&shared(), TestRequest::post().uri("/health/live")).await;
    answer.is_problem(Code::MethodNotAllowed);
    assert_eq!(answer.header("allow"), "GET, HEAD");
}

#[actix_web::test]
async fn client_that_takes_no_json_is_not_acceptable_and_nothing_is_done() {
    for accept in ["text/html", "application/json;q=0", "image/*, text/plain", "text/event-stream"] {
        let answer = send(&shared(), get("/api/toy").insert_header(("accept", accept))).await;
        answer.is_problem(Code::NotAcceptable);
    }
    for accept in [
        "*/*",
        "application/json",
        "application/problem+json",
        "application/*",
        "text/html, */*;q=0.1",
        "Application/JSON; charset=utf-8",
    ] {
        let answer = send(&shared(), get("/api/toy").insert_header(("accept", accept))).await;
        assert_eq!(answer.status, 200, "{accept}");
    }
    let outside_the_api = send(&shared(), get("/health/live").insert_header(("accept", "text/html"))).await;
    assert_eq!(outside_the_api.status, 200);
}

#[actix_web::test]
async fn malformed_path_is_malformed() {
    for id in
        ["prod_1", "res_01936f5e-7a5c-7000-8000-000000000000", "prod_01936F5E-7A5C-7000-8000-000000000000"]
    {
        let answer = send(&shared(), get(&format!("/api/products/{id}"))).await;
        answer.is_problem(Code::MalformedRequest);
    }
    let answer = send(&shared(), get("/api/products/prod_01936f5e-7a5c-7000-8000-000000000000")).await;
    assert_eq!(answer.status, 200);
}

#[actix_web::test]
async fn refusal_names_lines_and_own_members() {
    let request = TestRequest::post().uri("/api/sold-out").insert_header(("x-request-id", "my.id_1-A"));
    let answer = send(&shared(), request).await;
    answer.is_problem(Code::InsufficientStock);
    assert_eq!(answer.header("x-request-id"), "my.id_1-A");
    assert_eq!(
        answer.body,
        json!({
            "type": "urn:holdfast:problem:insufficient_stock",
            "title": "There is not enough stock",
            "status": 409,
            "code": "insufficient_stock",
            "detail": "2 available.",
            "request_id": "my.id_1-A",
            "lines": [{
                "index": 0, "sku": "HOT-1", "code": "insufficient_stock",
                "requested": 3, "available": 2, "reserved": 1,
            }],
            "retryable": true,
        })
    );
    assert!(!answer.header("x-session-id").is_empty(), "a refusal tells a new session as well");
}

#[actix_web::test]
async fn fault_of_ours_tells_the_client_nothing_of_its_cause() {
    let answer = send(&shared(), get("/api/broken")).await;
    answer.is_problem(Code::Internal);
    assert!(!answer.body.to_string().contains("secret"), "{}", answer.body);
}

#[actix_web::test]
async fn ill_formed_request_id_is_replaced() {
    let longest = "x".repeat(64);
    for good in ["a", "A.b_c-9", &longest] {
        let answer = send(&shared(), get("/api/toy").insert_header(("x-request-id", good))).await;
        assert_eq!(answer.header("x-request-id"), good);
    }
    let too_long = "x".repeat(65);
    for bad in ["", "a b", "a/b", "ä", &too_long] {
        let answer = send(&shared(), get("/api/toy").insert_header(("x-request-id", bad))).await;
        let made = Uuid::parse_str(answer.header("x-request-id")).unwrap();
        assert_eq!(made.get_version_num(), 7);
    }
}

#[actix_web::test]
async fn api_is_closed_until_ready_but_health_answers() {
    let shared = shared();
    shared.health.set_readiness(Readiness::Starting);
    let answer = send(&shared, get("/api/toy")).await;
    answer.is_problem(Code::NotReady);
    assert_eq!(answer.header("retry-after"), "1");
    assert_eq!(send(&shared, get("/health/live")).await.status, 200);
    for uri in ["/health/ready", "/api/v1/health"] {
        let answer = send(&shared, get(uri)).await;
        assert_eq!((answer.status, answer.body["status"].as_str()), (503, Some("starting")));
        assert_eq!(answer.header("retry-after"), "1");
    }
    shared.health.describe_journal(|| json!({ "position": 7 }));
    shared.health.set_readiness(Readiness::Ready);
    let answer = send(&shared, get("/api/v1/health")).await;
    assert_eq!((answer.status, answer.body["status"].as_str()), (200, Some("ok")));
    assert_eq!(answer.body["journal"], json!({ "position": 7 }));
    assert_eq!(answer.body["redis"], json!({ "status": "not_configured" }));
    assert!(answer.body["uptime_seconds"].is_u64() && answer.body["version"].is_string());

    shared.health.set_readiness(Readiness::Draining);
    assert_eq!(send(&shared, get("/health/ready")).await.status, 503);
    assert_eq!(send(&shared, get("/api/toy")).await.status, 200, "what was begun is finished");
}
