//! Bodies: media type, size, JSON, and every field that is wrong.

use super::super::orders::NewOrderBody;
use super::super::reservations::NewReservationBody;
use super::*;

#[actix_web::test]
async fn good_body_is_taken() {
    let longest = json!({ "quantity": 1_000_000, "sku": "a.B_9-", "note": "zehn Zeiche" }).to_string();
    for body in [r#"{"quantity":1}"#, r#"{"quantity":2,"sku":null}"#, " {\"quantity\" : 3 }\n"] {
        assert_eq!(send(&shared(), post(body)).await.status, 201, "{body}");
    }
    assert_eq!(
        send(&shared(), post(&longest)).await.wrong_fields(),
        [("note".into(), "out_of_range".into())]
    );
}

#[actix_web::test]
async fn quantity_is_a_json_integer_within_its_range_and_nothing_else() {
    for (value, word) in [
        ("0", "out_of_range"),
        ("-1", "out_of_range"),
        ("1000001", "out_of_range"),
        ("9223372036854775807", "out_of_range"),
        ("18446744073709551615", "out_of_range"),
        ("-9223372036854775808", "out_of_range"),
        ("99999999999999999999999", "wrong_type"),
        ("1.0", "wrong_type"),
        ("1.5", "wrong_type"),
        ("1e2", "wrong_type"),
        ("-0", "wrong_type"),
        ("\"1\"", "wrong_type"),
        ("\"\"", "wrong_type"),
        ("true", "wrong_type"),
        ("null", "required"),
        ("[1]", "wrong_type"),
        ("{\"a\":1}", "wrong_type"),
    ] {
        let answer = send(&shared(), post(&format!(r#"{{"quantity":{value}}}"#))).await;
        answer.is_problem(Code::ValidationFailed);
        assert_eq!(answer.wrong_fields(), [("quantity".to_owned(), word.to_owned())], "{value}");
    }
    let answer = send(&shared(), post("{}")).await;
    assert_eq!(answer.wrong_fields(), [("quantity".to_owned(), "required".to_owned())]);
}

#[actix_web::test]
async fn sku_is_a_short_plain_name() {
    let too_long = "x".repeat(65);
    for sku in ["", "a b", "a/b", "ä", "a\\u0000", &too_long] {
        let answer = send(&shared(), post(&format!(r#"{{"quantity":1,"sku":"{sku}"}}"#))).await;
        assert_eq!(answer.wrong_fields(), [("sku".to_owned(), "malformed".to_owned())], "{sku}");
    }
    let answer = send(&shared(), post(r#"{"quantity":1,"sku":7}"#)).await;
    assert_eq!(answer.wrong_fields(), [("sku".to_owned(), "wrong_type".to_owned())]);
}

#[actix_web::test]
async fn every_wrong_field_is_named_with_its_path() {
    let body = r#"{"quantity":0,"sku":1,"lines":[{"sku":"A","quantity":1},{"quantity":"2"},{"sku":"","quantity":1.5}]}"#;
    let answer = send(&shared(), post(body)).await;
    answer.is_problem(Code::ValidationFailed);
    let expected = [
        ("quantity", "out_of_range"),
        ("sku", "wrong_type"),
        ("lines[1].sku", "required"),
        ("lines[1].quantity", "wrong_type"),
        ("lines[2].sku", "malformed"),
        ("lines[2].quantity", "wrong_type"),
    ];
    let expected = expected.map(|(field, word)| (field.to_owned(), word.to_owned()));
    assert_eq!(answer.wrong_fields(), expected);
}

#[actix_web::test]
async fn list_of_values_names_every_wrong_one() {
    let answer = send(&shared(), post(r#"{"quantity":1,"tags":["A","",2,null]}"#)).await;
    assert_eq!(answer.wrong_fields(), [("tags".to_owned(), "out_of_range".to_owned())]);
    let answer = send(&shared(), post(r#"{"quantity":1,"tags":["",2,null]}"#)).await;
    let expected = [("tags[0]", "malformed"), ("tags[1]", "wrong_type"), ("tags[2]", "required")];
    assert_eq!(answer.wrong_fields(), expected.map(|(field, word)| (field.to_owned(), word.to_owned())));
}

#[actix_web::test]
async fn list_has_bounds() {
    for lines in ["[]", "[{},{},{},{}]"] {
        let answer = send(&shared(), post(&format!(r#"{{"quantity":1,"lines":{lines}}}"#))).await;
        assert_eq!(answer.wrong_fields(), [("lines".to_owned(), "out_of_range".to_owned())], "{lines}");
    }
}

#[actix_web::test]
async fn wrong_shape_is_named_where_it_is() {
    for (body, field, word) in [
        (r#"{"quantity":1,"role":"admin"}"#, "role", "unknown_field"),
        (r#"{"quantity":1,"quantity":2}"#, "quantity", "duplicate_field"),
        (r#"{"quantity":1,"lines":[{"sku":"A","quantity":1,"price":0}]}"#, "lines[0].price", "unknown_field"),
        (r#"{"quantity":1,"lines":[{"sku":"A"},{"sku":"B","sku":"C"}]}"#, "lines[1].sku", "duplicate_field"),
        (r#"{"quantity":1,"lines":[7]}"#, "lines[0]", "wrong_type"),
        (r#"{"quantity":1,"lines":[["A",1]]}"#, "lines[0]", "wrong_type"),
        ("[1]", "", "wrong_type"),
        (r#"{"quantity":1,"lines":{}}"#, "lines", "wrong_type"),
        ("[]", "", "wrong_type"),
        ("7", "", "wrong_type"),
        ("null", "", "wrong_type"),
    ] {
        let answer = send(&shared(), post(body)).await;
        answer.is_problem(Code::ValidationFailed);
        assert_eq!(answer.wrong_fields(), [(field.to_owned(), word.to_owned())], "{body}");
    }
}

#[actix_web::test]
async fn what_is_not_json_is_malformed() {
    let deep = format!(r#"{{"quantity":{}1{}}}"#, "[".repeat(200), "]".repeat(200));
    for body in [
        "",
        " ",
        "{",
        r#"{"quantity":1"#,
        r#"{"quantity":1}x"#,
        r#"{"quantity":1,}"#,
        r#"{"quantity":NaN}"#,
        r#"{"quantity":Infinity}"#,
        r#"{"quantity":01}"#,
        r#"{'quantity':1}"#,
        "\u{feff}{\"quantity\":1}",
        &deep,
    ] {
        send(&shared(), post(body)).await.is_problem(Code::MalformedJson);
    }
    let latin_1 = post("").set_payload(&b"{\"quantity\":1,\"sku\":\"\xe4\"}"[..]);
    send(&shared(), latin_1).await.is_problem(Code::MalformedJson);
}

#[actix_web::test]
async fn body_must_say_that_it_is_json() {
    let typed = |content_type: &str| post(r#"{"quantity":1}"#).insert_header((CONTENT_TYPE, content_type));
    for good in [
        "application/json",
        "Application/JSON",
        "application/json; charset=UTF-8",
        "application/json;charset=\"utf-8\"",
    ] {
        assert_eq!(send(&shared(), typed(good)).await.status, 201, "{good}");
    }
    for bad in [
        "text/plain",
        "application/jsonp",
        "application/json; charset=latin1",
        "application/merge-patch+json",
        "",
    ] {
        send(&shared(), typed(bad)).await.is_problem(Code::UnsupportedMediaType);
    }
    let coded = typed("application/json").insert_header(("content-encoding", "gzip"));
    send(&shared(), coded).await.is_problem(Code::UnsupportedMediaType);
    let patch = typed("application/merge-patch+json").method(Method::PATCH);
    assert_eq!(send(&shared(), patch).await.status, 201);
}

#[actix_web::test]
async fn large_body_is_refused_also_when_its_size_is_not_announced() {
    let body = format!(r#"{{"quantity":1{}}}"#, " ".repeat(64 * 1024));
    send(&shared(), post(&body)).await.is_problem(Code::BodyTooLarge);
    let small = |body: &str| post(body).uri("/api/small");
    assert_eq!(send(&shared(), small(r#"{"quantity":1}"#)).await.status, 201);
    send(&shared(), small(r#"{"quantity":     1}"#).insert_header(("content-length", "1"))).await;
    send(&shared(), small(r#"{"quantity":          1}"#)).await.is_problem(Code::BodyTooLarge);
    let announced = small("{}").insert_header(("content-length", "100000"));
    send(&shared(), announced).await.is_problem(Code::BodyTooLarge);
}

/// The fields that are wrong in a body, with the word for each.
fn wrong<T: Body>(body: &Value) -> Vec<(String, String)> {
    let Err(problem) = super::super::json::parse::<T>(body.to_string().as_bytes()) else { return Vec::new() };
    let told: Value = serde_json::from_slice(&problem.to_json()).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    told["errors"].as_array().unwrap().iter().map(|it| (text(&it["field"]), text(&it["code"]))).collect()
}

#[test]
fn lines_have_each_sku_once() {
    let lines = |skus: &[&str]| {
        let line = |sku: &&str| json!({ "sku": sku, "quantity": 1 });
        json!({ "lines": skus.iter().map(line).collect::<Value>() })
    };
    let twin = |index: usize| (format!("lines[{index}].sku"), "duplicate".to_owned());
    assert_eq!(wrong::<NewOrderBody>(&lines(&["A", "B", "a"])), []);
    assert_eq!(wrong::<NewOrderBody>(&lines(&["A", "B", "A", "A"])), [twin(2), twin(3)]);
    let mut also_wrong = lines(&["A", "A"]);
    also_wrong["lines"][0]["quantity"] = json!(0);
    let quantity = ("lines[0].quantity".to_owned(), "out_of_range".to_owned());
    assert_eq!(wrong::<NewOrderBody>(&also_wrong), [twin(1), quantity]);
    let many: Vec<String> = (0..101).map(|number| number.to_string()).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(wrong::<NewOrderBody>(&lines(&many[..100])), []);
    assert_eq!(wrong::<NewOrderBody>(&lines(&many)), [("lines".to_owned(), "out_of_range".to_owned())]);
}

#[test]
fn object_within_an_object_names_its_path() {
    for (payment, field, word) in [
        (json!(7), "payment", "wrong_type"),
        (json!(["simulated", "tok_ok"]), "payment", "wrong_type"),
        (json!({ "method": "simulated" }), "payment.token", "required"),
        (json!({ "method": "simulated", "token": "tok_ok", "cvc": 1 }), "payment.cvc", "unknown_field"),
    ] {
        let found = wrong::<NewOrderBody>(&json!({ "payment": payment }));
        assert_eq!(found, [(field.to_owned(), word.to_owned())]);
    }
    assert_eq!(
        wrong::<NewOrderBody>(&json!({ "payment": { "method": "simulated", "token": "tok_ok" } })),
        []
    );
}

#[test]
fn email_has_a_name_and_a_host() {
    let longest = format!("{}@example.test", "a".repeat(241));
    for good in ["a@b", "first.last+tag@example.test", "ä@ö.example", &longest] {
        assert_eq!(wrong::<NewOrderBody>(&json!({ "email": good })), [], "{good}");
    }
    for bad in ["", "a", "@", "a@", "@b", "a@b@c", "a b@c", "a@b\n", "a@b\u{0}"] {
        assert_eq!(
            wrong::<NewOrderBody>(&json!({ "email": bad })),
            [("email".into(), "malformed".into())],
            "{bad:?}"
        );
    }
    let too_long = json!({ "email": format!("a{longest}") });
    assert_eq!(wrong::<NewOrderBody>(&too_long), [("email".to_owned(), "out_of_range".to_owned())]);
}

#[test]
fn object_of_the_clients_own_is_kept_in_one_form() {
    let parse = |body: &str| super::super::json::parse::<NewReservationBody>(body.as_bytes()).unwrap();
    let with =
        |metadata: &str| parse(&format!(r#"{{"lines":[{{"sku":"A","quantity":1}}],"metadata":{metadata}}}"#));
    let print = |body| fingerprint(&Method::POST, "/", &body);
    assert_eq!(print(with(r#"{"b":[1,2],"a":null}"#)), print(with(r#" { "a" : null, "b" : [ 1, 2 ] } "#)));
    assert_ne!(print(with(r#"{"a":1}"#)), print(with(r#"{"a":2}"#)));
    let deep = format!("{}1{}", r#"{"a":"#.repeat(200), "}".repeat(200));
    let body = format!(r#"{{"lines":[{{"sku":"A","quantity":1}}],"metadata":{deep}}}"#);
    let refused = super::super::json::parse::<NewReservationBody>(body.as_bytes()).unwrap_err();
    assert_eq!(refused.code(), Code::MalformedJson);
}

#[actix_web::test]
async fn body_may_be_absent_where_nothing_has_to_be_said() {
    let ask = || TestRequest::post().uri("/api/quiet");
    let json = ("content-type", "application/json");
    assert_eq!(send(&shared(), ask()).await.status, 204);
    assert_eq!(send(&shared(), ask().insert_header((CONTENT_TYPE, "text/plain"))).await.status, 204);
    assert_eq!(send(&shared(), ask().insert_header(json).set_payload("{}")).await.status, 204);
    send(&shared(), ask().set_payload("{}")).await.is_problem(Code::UnsupportedMediaType);
    send(&shared(), ask().insert_header(json).set_payload(" ")).await.is_problem(Code::MalformedJson);
    let strange = send(&shared(), ask().insert_header(json).set_payload(r#"{"x":1}"#)).await;
    assert_eq!(strange.wrong_fields(), [("x".to_owned(), "unknown_field".to_owned())]);
    let large = ask().insert_header(json).set_payload(" ".repeat(64 * 1024 + 1));
    send(&shared(), large).await.is_problem(Code::BodyTooLarge);
}
