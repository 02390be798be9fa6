//! What answers say of products, and where people leaf on.

use super::*;
use crate::load::Choice;
use crate::wire::Style;
use serde_json::json;

fn style() -> Style {
    Style { host: "127.0.0.1".into(), run: "00000000".into() }
}

fn ids() -> Vec<String> {
    vec!["prod_0".into(), "prod_1".into(), "prod_2".into()]
}

fn path(request: &Request) -> String {
    let text = str::from_utf8(request.bytes()).expect("ASCII");
    text.split(' ').nth(1).expect("a path").to_owned()
}

#[test]
fn purchases_are_booked_by_what_their_answers_mean() {
    let workload = Workload::purchases(&style(), ids(), Choice::Uniform).expect("products");
    let mut hand = Hand::new(&workload, 1, 40);
    let mut request = workload.template().clone();
    let mut expected = vec![ProductTally::default(); 3];
    let mut unknown = 0;
    for (status, is_short) in
        [(201, false), (409, true), (409, false), (429, false), (503, false), (500, false), (201, false)]
    {
        let ticket = hand.draw(&mut request);
        let product: usize = path(&request)["/api/v1/products/prod_".len()..][..1].parse().expect("a digit");
        let taken = hand.learn(ticket, status, is_short, b"{}");
        assert_eq!(taken, u64::from(status == 201));
        match (status, is_short) {
            (201, _) => expected[product].taken += 1,
            (_, true) => expected[product].refused += 1,
            (500, _) => {
                expected[product].unknown += 1;
                unknown += 1;
            }
            _ => {}
        }
    }
    let ticket = hand.draw(&mut request);
    hand.learn_lost(ticket);
    expected[index_of(ticket)].unknown += 1;
    assert!(str::from_utf8(request.bytes()).expect("ASCII").contains("lt00000000-000000000048"));
    assert_eq!(hand.into_tally(), Tally { products: expected, unknown: unknown + 1 });
}

#[test]
fn mixed_load_reads_so_often_for_each_purchase() {
    let workload = Workload::mixed(&style(), ids(), Choice::Uniform, 9).expect("products");
    let mut hand = Hand::new(&workload, 1, 0);
    let mut request = workload.template().clone();
    let purchases = (0..10_000).filter(|_| {
        let is_purchase = deed_of(hand.draw(&mut request)) == Deed::Purchase;
        assert_eq!(path(&request).ends_with("/purchase"), is_purchase);
        is_purchase
    });
    let purchases = purchases.count();
    assert!((800..1_200).contains(&purchases), "{purchases}");
}

#[test]
fn browser_leafs_on_with_the_cursor_of_the_same_list_and_not_for_ever() {
    let workload = Workload::browse(&style(), ids(), Choice::Uniform).expect("products");
    let mut hand = Hand::new(&workload, 1, 0);
    let mut request = workload.template().clone();
    let mut leaves: Vec<String> = Vec::new();
    for number in 0..500 {
        let ticket = hand.draw(&mut request);
        if deed_of(ticket) != Deed::Page {
            continue;
        }
        if let Some((_, cursor)) = path(&request).split_once("&cursor=") {
            leaves.push(cursor.to_owned());
        }
        let page = json!({ "data": ["x".repeat(3_000)], "next_cursor": format!("c+{number}") }).to_string();
        hand.learn(ticket, 200, false, page.as_bytes());
    }
    assert!(leaves.len() > 50, "{}", leaves.len());
    assert!(leaves.iter().all(|cursor| cursor.starts_with("c%2B")));
    assert!(hand.cursors.iter().all(|leaf| leaf.leaves <= LEAVES_MAX));
    let last = json!({ "data": [], "next_cursor": null }).to_string();
    assert_eq!(cursor_in(last.as_bytes()), None);
}

#[test]
fn batch_is_counted_as_a_whole_or_item_by_item() {
    let workload = Workload::batches(&style(), "t", &ids(), 4, 60).expect("products");
    let Mix::Batches(batches) = &workload.mix else { panic!("not batches") };
    let mut hand = Hand::new(&workload, 1, 0);
    let mut request = workload.template().clone();
    let ticket = hand.draw(&mut request);
    let products = &batches[index_of(ticket)].products;
    assert_eq!(request.bytes(), batches[index_of(ticket)].request.bytes());
    let whole = json!({ "results": [], "succeeded": 4, "failed": 0 }).to_string();
    assert_eq!(hand.learn(ticket, 200, false, whole.as_bytes()), 4);
    let item = |status: u16, code: &str| json!({ "index": 0, "status": status, "code": code });
    let results =
        [item(201, ""), item(409, "insufficient_stock"), item(500, "internal"), item(409, "in_use")];
    let part = json!({ "results": results, "succeeded": 1, "failed": 3 }).to_string();
    assert_eq!(hand.learn(ticket, 200, false, part.as_bytes()), 1);
    assert_eq!(hand.learn(ticket, 503, false, b"{}"), 0);
    let mut expected = vec![ProductTally::default(); 3];
    products.iter().for_each(|product| expected[*product].taken += 1);
    expected[products[0]].taken += 1;
    expected[products[1]].refused += 1;
    expected[products[2]].unknown += 1;
    assert_eq!(hand.into_tally().products, expected);
}
