//! Queries and cursors.

use holdfast_actors::domain::{AccountId, Owner};

use super::super::page::{self, List, scope};
use super::*;

#[actix_web::test]
async fn query_is_read() {
    let answer = send(&shared(), get("/api/toy?limit=200&q=a%20b+c%C3%A4&in_stock=true")).await;
    assert_eq!(answer.body, json!({ "limit": 200, "q": "a b cä", "in_stock": true }));
    assert_eq!(send(&shared(), get("/api/toy")).await.body["limit"], 50);
    assert_eq!(send(&shared(), get("/api/toy?")).await.body["limit"], 50);
}

#[actix_web::test]
async fn query_that_is_not_understood_names_its_parameter() {
    for (query, name) in [
        ("colour=red", "`colour`"),
        ("limit=0", "`limit`"),
        ("limit=201", "`limit`"),
        ("limit=-1", "`limit`"),
        ("limit=ten", "`limit`"),
        ("limit=1.0", "`limit`"),
        ("limit=", "`limit`"),
        ("limit=99999999999", "`limit`"),
        ("in_stock=yes", "`in_stock`"),
        ("limit=1&limit=1", "`limit`"),
        ("q=a&limit=1&q=b", "`q`"),
        ("q=%ff", "`q`"),
        ("q=%zz", "%"),
        ("q=50%", "%"),
    ] {
        let answer = send(&shared(), get(&format!("/api/toy?{query}"))).await;
        answer.is_problem(Code::MalformedRequest);
        let detail = answer.body["detail"].as_str().unwrap();
        assert!(detail.contains(name), "{query}: {detail}");
    }
}

#[test]
fn cursor_comes_back_as_it_went() {
    let cursors = Cursors::new(b"a secret");
    for payload in [&b""[..], b"x", &[0, 255, 7], &[9; 300]] {
        let cursor = cursors.encode("products?sort=price", payload);
        assert!(cursor.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')));
        assert_eq!(cursors.decode("products?sort=price", &cursor).unwrap(), payload);
    }
}

#[test]
fn cursor_that_was_touched_is_refused() {
    let cursors = Cursors::new(b"a secret");
    let cursor = cursors.encode("products", b"after 7");
    let refused = |cursor: &str| cursors.decode("products", cursor).unwrap_err().code();
    for index in 0..cursor.len() {
        let mut touched = cursor.clone().into_bytes();
        touched[index] = if touched[index] == b'A' { b'B' } else { b'A' };
        let touched = String::from_utf8(touched).unwrap();
        assert_eq!(refused(&touched), Code::MalformedRequest, "{touched}");
    }
    let too_long = "A".repeat(2000);
    for cursor in
        ["", "A", "AQ", "not base64!", &cursor[1..], &format!("{cursor}A"), &format!("{cursor}="), &too_long]
    {
        assert_eq!(refused(cursor), Code::MalformedRequest, "{cursor}");
    }
    assert!(cursors.decode("orders", &cursor).is_err(), "a cursor belongs to its list");
    assert!(Cursors::new(b"another").decode("products", &cursor).is_err(), "a cursor belongs to its server");
}

#[test]
fn page_has_a_next_one_only_when_there_is_more() {
    let cursors = Cursors::new(b"a secret");
    let list = List::new(&cursors, "orders?status=None".to_owned());
    let page = |found: &[u128]| {
        serde_json::to_value(list.page(found, 2, |id| *id, |id| u64::try_from(*id).unwrap())).unwrap()
    };
    assert_eq!(page(&[]), json!({ "data": [], "next_cursor": null }));
    assert_eq!(page(&[9, 8]), json!({ "data": [9, 8], "next_cursor": null }));
    let more = page(&[9, 8, 7]);
    assert_eq!(more["data"], json!([9, 8]));
    let cursor = more["next_cursor"].as_str().unwrap();
    assert_eq!(list.last(Some(cursor)).unwrap(), Some(8));
    assert_eq!(list.last(None).unwrap(), None);
    let other = List::new(&cursors, "orders?status=Confirmed".to_owned());
    assert_eq!(other.last(Some(cursor)).unwrap_err().code(), Code::MalformedRequest);
}

#[test]
fn only_an_admin_lists_what_is_somebody_elses() {
    let user = Id::new(Uuid::from_u128(7));
    let other = Id::new(Uuid::from_u128(8));
    let owner = |id: u128| Owner::Account(AccountId(id));
    let customer = Caller::Customer(user);
    assert_eq!(scope(&customer, None).unwrap(), Some(owner(7)));
    assert_eq!(scope(&customer, Some(user)).unwrap_err().code(), Code::Forbidden);
    assert_eq!(scope(&Caller::Admin(user), None).unwrap(), None);
    assert_eq!(scope(&Caller::Admin(user), Some(other)).unwrap(), Some(owner(8)));
}

#[actix_web::test]
async fn total_counts_every_row_once_and_only_for_who_asks() {
    for rows in [0_u128, 1, 999, 1_000, 1_001, 3_000] {
        let find = async |before: Option<u128>, count| {
            let before = before.unwrap_or(rows);
            Ok::<_, Problem>((0..before).rev().take(count).collect::<Vec<u128>>())
        };
        let total = page::total(Some(page::Include::Total), |id| *id, find).await.unwrap();
        assert_eq!(total, Some(usize::try_from(rows).unwrap()));
        assert_eq!(page::total(None, |id| *id, find).await.unwrap(), None);
    }
}
