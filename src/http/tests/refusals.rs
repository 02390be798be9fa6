//! What clients are told for each no of the rules: status, code, and what else they need.

use std::sync::Arc;
use std::time::Duration;

use holdfast_actors::domain::product::{self, LimitKind, VariantNo};
use holdfast_actors::domain::saga::{LineRefusal, Refusal, Why};
use holdfast_actors::domain::{self, Money, OrderId, ProductId, Timestamp, Units as Stock, price};
use holdfast_actors::persistence::{CommitterOptions, JournalId, MemoryDisk};
use holdfast_actors::{
    Answer as Answered, Engine, Failure, Options, Overload, Refused, SimulatedGateway, SystemClock, recovery,
};

use super::super::lines::Line;
use super::super::refusal::{Asked, problem};
use super::*;

/// An engine that sells nothing.
pub(super) fn engine() -> Engine {
    let mut journal = MemoryDisk::new(JournalId([7; 16]), 1).journal();
    let recovered = recovery::recover(&mut journal).unwrap();
    let options = Options {
        shards: 1,
        hosts: Vec::new(),
        idle: Duration::from_secs(60),
        admitted_max: 16,
        clock: Arc::new(SystemClock),
        ids: Arc::new(|| crate::ids::make().as_u128()),
        gateway: Arc::new(SimulatedGateway),
        committer: CommitterOptions::new(|error| panic!("memory does not fail: {error}")),
        checkpoints: None,
    };
    Engine::start(Box::new(journal), None, recovered, options)
}

fn told(failure: &Failure, asked: Asked<'_>) -> Value {
    serde_json::from_slice(&problem(failure, &engine(), asked).to_json()).unwrap()
}

fn refused(refusal: Refusal) -> Failure {
    Failure::Refused(Answered { value: Refused::Owner(refusal), position: None, is_replayed: false })
}

fn line(index: usize, why: Why) -> LineRefusal {
    let variant = VariantNo::from_index(0);
    LineRefusal { index, product: ProductId(1), variant, requested: Stock(5), why }
}

fn short() -> Why {
    Why::Short { available: Stock(2), reserved: Stock(3) }
}

fn limit() -> Why {
    Why::Limit { kind: LimitKind::PerCustomer, limit: Stock(4), counted: 3 }
}

#[actix_web::test]
async fn every_refusal_of_an_owner_has_its_code() {
    let order = OrderId(7);
    for (refusal, code) in [
        (Refusal::Lines(vec![line(0, short())]), Code::InsufficientStock),
        (Refusal::Lines(vec![line(0, limit())]), Code::LimitExceeded),
        (Refusal::Lines(vec![line(0, Why::NotSellable)]), Code::InvalidState),
        (Refusal::Lines(vec![line(0, Why::Unknown)]), Code::NotFound),
        (Refusal::Expired { deadline: Timestamp(1) }, Code::ReservationExpired),
        (Refusal::InvalidState, Code::InvalidState),
        (Refusal::DeadlineOutOfRange, Code::ValidationFailed),
        (Refusal::ExtensionExceeded, Code::LimitExceeded),
        (Refusal::NotFound, Code::NotFound),
        (Refusal::CartEmpty, Code::CartEmpty),
        (Refusal::PriceChanged { total: Money(9) }, Code::PriceChanged),
        (Refusal::PaymentDeclined { order }, Code::PaymentFailed),
        (Refusal::PaymentUnknown { order }, Code::PaymentFailed),
        (Refusal::RefundRequired { is_expired: true }, Code::ReservationExpired),
        (Refusal::RefundRequired { is_expired: false }, Code::InvalidState),
        (Refusal::MixedCurrencies, Code::ValidationFailed),
        (Refusal::TooManyLines, Code::ValidationFailed),
        (Refusal::QuantityOutOfRange, Code::ValidationFailed),
        (Refusal::TooLarge { bytes_max: 1 }, Code::ValidationFailed),
        (Refusal::VersionMismatch { expected: 1, actual: 2 }, Code::VersionMismatch),
    ] {
        let body = told(&refused(refusal), Asked::Nothing);
        assert_eq!((&body["code"], &body["status"]), (&json!(code.as_str()), &json!(code.status().as_u16())));
    }
}

#[actix_web::test]
async fn every_refusal_about_variants_has_its_code_and_says_what_it_is_about() {
    let mug = domain::Sku::new("MUG").unwrap();
    for (refusal, code, member, value) in [
        (product::Refusal::SkuTaken { sku: mug }, Code::DuplicateSku, "sku", json!("MUG")),
        (product::Refusal::TooManyVariants { count_max: 100 }, Code::LimitExceeded, "limit", json!(100)),
        (product::Refusal::TooManyVariants { count_max: 1_000 }, Code::LimitExceeded, "limit", json!(1_000)),
        (product::Refusal::InUse, Code::InUse, "status", json!(409)),
    ] {
        let refused =
            Failure::Refused(Answered { value: refusal.into(), position: None, is_replayed: false });
        let body = told(&refused, Asked::Nothing);
        assert_eq!((&body["code"], &body[member]), (&json!(code.as_str()), &value));
    }
    for (indexes, fields) in [
        (vec![], vec!["initial_stock"]),
        (vec![0, 7], vec!["variants[0].initial_stock", "variants[7].initial_stock"]),
    ] {
        let value = product::Refusal::StockFixed { indexes }.into();
        let refused = Failure::Refused(Answered { value, position: None, is_replayed: false });
        let body = told(&refused, Asked::Nothing);
        assert_eq!(body["code"], "validation_failed");
        let named: Vec<_> = body["errors"].as_array().unwrap().iter().map(|it| &it["field"]).collect();
        assert_eq!(named, fields);
        assert_eq!(body["errors"][0]["code"], "fixed");
    }
}

#[actix_web::test]
async fn refusal_says_what_the_client_needs_to_go_on() {
    let id = "ord_00000000-0000-0000-0000-000000000007";
    let order = OrderId(7);
    for (refusal, member, value) in [
        (Refusal::PriceChanged { total: Money(9) }, "total", json!(9)),
        (Refusal::PaymentDeclined { order }, "order_id", json!(id)),
        (Refusal::PaymentUnknown { order }, "order_id", json!(id)),
        (Refusal::RefundRequired { is_expired: true }, "refund_required", json!(true)),
        (Refusal::RefundRequired { is_expired: false }, "refund_required", json!(true)),
        (Refusal::Lines(vec![line(0, limit())]), "limit", json!(4)),
        (Refusal::VersionMismatch { expected: 1, actual: 2 }, "version", json!(2)),
    ] {
        assert_eq!(told(&refused(refusal), Asked::Nothing)[member], value, "{member}");
    }
    let mixed = told(&refused(Refusal::MixedCurrencies), Asked::Nothing);
    assert_eq!(mixed["errors"][0]["code"], "currency_mismatch");
}

#[actix_web::test]
async fn every_failing_line_is_named_and_shortage_comes_before_everything_else() {
    let asked: Vec<Line> = ["A", "B", "C", "D"].map(asked_line).into();
    let lines = vec![line(0, Why::NotSellable), line(1, limit()), line(2, Why::Unknown), line(3, short())];
    let body = told(&refused(Refusal::Lines(lines)), Asked::Lines(&asked));
    assert_eq!(body["code"], "insufficient_stock");
    let named = |index: usize, sku: &str, code: &str, available: u32, reserved: u32| {
        json!({
            "index": index, "sku": sku, "code": code, "requested": 5, "available": available, "reserved": reserved,
        })
    };
    let expected = json!([
        named(0, "A", "invalid_state", 0, 0),
        named(1, "B", "limit_exceeded", 1, 0),
        named(2, "C", "not_found", 0, 0),
        named(3, "D", "insufficient_stock", 2, 3),
    ]);
    assert_eq!(body["lines"], expected);
    let first = vec![line(0, limit()), line(1, Why::NotSellable)];
    assert_eq!(told(&refused(Refusal::Lines(first)), Asked::Lines(&asked))["code"], "limit_exceeded");
}

#[actix_web::test]
async fn every_refusal_of_the_price_list_has_its_code() {
    use price::Refusal as Price;

    for (refusal, code, fields) in [
        (Price::Unknown, Code::NotFound, vec![]),
        (Price::VersionMismatch { expected: 1, actual: 2 }, Code::VersionMismatch, vec![]),
        (Price::TooMany, Code::ValidationFailed, vec![""]),
        (Price::OutOfBounds, Code::ValidationFailed, vec![""]),
        (
            Price::UnknownCategories(vec![0, 7]),
            Code::ValidationFailed,
            vec!["category_ids[0]", "category_ids[7]"],
        ),
    ] {
        let refused = Answered { value: Refused::Prices(refusal), position: None, is_replayed: false };
        let body = told(&Failure::Refused(refused), Asked::Nothing);
        assert_eq!((&body["code"], &body["status"]), (&json!(code.as_str()), &json!(code.status().as_u16())));
        let errors = body["errors"].as_array().into_iter().flatten();
        assert_eq!(errors.map(|error| error["field"].as_str().unwrap()).collect::<Vec<_>>(), fields);
    }
}

#[actix_web::test]
async fn failure_of_the_whole_has_its_code_too() {
    let sku = domain::Sku::new("B").unwrap();
    for (failure, code) in [
        (Failure::NotFound, Code::NotFound),
        (Failure::SkuRequired, Code::ValidationFailed),
        (Failure::DuplicateSku(sku.clone()), Code::DuplicateSku),
        (Failure::KeyReused, Code::IdempotencyKeyReused),
        (Failure::Overloaded(Overload::Requests), Code::Overloaded),
        (Failure::Overloaded(Overload::Disk), Code::Overloaded),
        (Failure::Stopped, Code::NotReady),
    ] {
        assert_eq!(told(&failure, Asked::Nothing)["code"], code.as_str());
    }
    let asked: Vec<Line> = ["A", "B"].map(asked_line).into();
    let unknown = told(&Failure::UnknownSkus(vec![(1, sku)]), Asked::Lines(&asked));
    let expected = json!([{ "index": 1, "sku": "B", "code": "not_found", "requested": 5, "available": 0, "reserved": 0 }]);
    assert_eq!((&unknown["code"], &unknown["lines"]), (&json!("not_found"), &expected));
}

fn asked_line(sku: &str) -> Line {
    Line { sku: Sku::try_from(sku.to_owned()).unwrap(), quantity: Units::try_from(5).unwrap() }
}
