//! The ledger on a real journal: every movement, newest first, with the figures after it.

use std::sync::Arc;

use holdfast_actors::domain::product::{
    Command, Levels, MovementKind, NewProduct, Reason, Refusal, VariantNo,
};
use holdfast_actors::domain::{OrderId, ProductId, ReservationId, Units};
use holdfast_actors::ledger::{self, Page, Row};
use holdfast_actors::{Actor, Who};

use crate::common::on_disk::Shop;
use crate::common::wants::{BUYER, Lines, new_reservation, no_by_product};
use crate::common::{
    HOLD, NOW, context, description, fresh_product, keyed, let_others, new_variant, quantity, run, sku,
};

const RED: VariantNo = VariantNo(0);
const BLUE: VariantNo = VariantNo(1);

/// Kind, quantity, and available, reserved and committed after it.
type Told = (MovementKind, i64, (u32, u32, u32));

#[test]
fn every_movement_is_told_newest_first_whatever_the_page_size() {
    let folder = tempfile::tempdir().expect("there is room");
    run(async {
        let shop = Shop::open(folder.path());
        let product = a_days_work(&shop).await;
        check(&shop, product).await;
        shop.engine.stop().map(drop).expect("the journal is whole");
        drop(shop);
        // The same after a restart, read from the disk alone.
        let shop = Shop::open(folder.path());
        check(&shop, product).await;
        shop.engine.stop().map(drop).expect("the journal is whole");
    });
}

async fn check(shop: &Shop, product: ProductId) {
    for (variant, expected) in [(RED, red()), (BLUE, blue())] {
        let whole = pages(shop, product, variant, 1_000, |_| true).await;
        assert_eq!(whole.iter().map(told).collect::<Vec<_>>(), expected);
        for rows_max in 1..=expected.len() + 1 {
            let paged = pages(shop, product, variant, rows_max, |_| true).await;
            assert_eq!(paged, whole, "{rows_max} rows a page");
        }
        for kind in KINDS {
            let wanted: Vec<_> = whole.iter().filter(|row| row.kind == kind).cloned().collect();
            for rows_max in 1..=3 {
                assert_eq!(pages(shop, product, variant, rows_max, |it| it == kind).await, wanted);
            }
        }
    }
    let whole = pages(shop, product, RED, 1_000, |_| true).await;
    assert!(whole.windows(2).all(|pair| pair[0].position.sequence >= pair[1].position.sequence));
    assert!(whole.windows(2).all(|pair| pair[0].at >= pair[1].at));
    let places: std::collections::BTreeSet<_> =
        whole.iter().map(|row| (row.position.sequence, row.index)).collect();
    assert_eq!(places.len(), whole.len(), "every row has a place of its own");
    let expired = whole.iter().find(|row| row.kind == MovementKind::Expired).expect("some did");
    assert_eq!(expired.actor, Actor::System);
    let adjusted = whole.iter().find(|row| row.kind == MovementKind::Adjusted).expect("one was");
    assert_eq!(adjusted.note.as_deref(), Some("fell off the shelf"));
    assert_eq!((adjusted.reference.as_deref(), adjusted.reason), (Some("D-1"), Some(Reason::Damaged)));
    assert_eq!(adjusted.actor, Actor::Guest(1));
}

/// Two variants, initial stock in the record of the creation, several expiries in one record, orders, a count.
async fn a_days_work(shop: &Shop) -> ProductId {
    let product = fresh_product();
    let new = NewProduct {
        description: Arc::new(description()),
        is_simple: false,
        variants: vec![new_variant("red", 10), new_variant("blue", 20)],
    };
    shop.engine.create(&context(), product, new).await.expect("the skus are free");
    reserve(shop, &[("red", 2), ("blue", 3)]).await;
    reserve(shop, &[("blue", 1), ("red", 1)]).await;
    let sold = reserve(shop, &[("red", 1)]).await;
    let released = reserve(shop, &[("red", 1), ("blue", 1)]).await;
    let engine = &shop.engine;
    let who = Who::Owner(BUYER);
    engine.extend(&context(), who, released, HOLD).await.expect("it is alive");
    engine.confirm_reservation(&context(), who, sold).await.expect("it is alive");
    let fulfilled = buy(shop, product, "red", 2).await;
    let canceled = buy(shop, product, "blue", 4).await;
    engine.fulfil(&context(), fulfilled).await.expect("it is sold");
    engine.cancel_order(&context(), Who::Admin, canceled, None).await.expect("it is not shipped");
    let damaged = Command::Adjust {
        variant: RED,
        delta: -1,
        reason: Reason::Damaged,
        reference: Some("D-1".into()),
        note: Some("fell off the shelf".into()),
    };
    let counted = Command::Count { variant: BLUE, on_hand: Units(25), expected: None };
    for command in [damaged, counted] {
        engine.command(&context(), product, command).await.expect("nobody holds these");
    }
    engine.release(&context(), who, released).await.expect("it is alive");
    let refused = engine.purchase(&keyed(1, 1), product, Some(&sku("red")), quantity(100)).await;
    assert!(matches!(no_by_product(refused), Refusal::InsufficientStock { .. }));
    // Both holds that are left end in one turn.
    shop.clock.set(NOW.after(HOLD));
    while engine.product(product).await.expect("it is there").variants[0].levels.reserved > Units(0) {
        let_others().await;
    }
    buy(shop, product, "red", 1).await;
    product
}

async fn reserve(shop: &Shop, lines: Lines<'_>) -> ReservationId {
    let made = shop.engine.reserve(&context(), BUYER, new_reservation(lines)).await;
    made.expect("there is enough").value.id
}

async fn buy(shop: &Shop, product: ProductId, text: &str, units: u32) -> OrderId {
    let sold = shop.engine.purchase(&context(), product, Some(&sku(text)), quantity(units)).await;
    sold.expect("there is enough").value.order
}

fn red() -> Vec<Told> {
    use MovementKind::{
        Adjusted, Committed, Expired, Extended, Fulfilled, Purchased, Received, Released, Reserved,
    };
    vec![
        (Purchased, 1, (5, 0, 2)),
        (Expired, -1, (6, 0, 1)),
        (Expired, -2, (5, 1, 1)),
        (Released, -1, (3, 3, 1)),
        (Adjusted, -1, (2, 4, 1)),
        (Fulfilled, -2, (3, 4, 1)),
        (Purchased, 2, (3, 4, 3)),
        (Committed, 1, (5, 4, 1)),
        (Extended, 0, (5, 5, 0)),
        (Reserved, 1, (5, 5, 0)),
        (Reserved, 1, (6, 4, 0)),
        (Reserved, 1, (7, 3, 0)),
        (Reserved, 2, (8, 2, 0)),
        (Received, 10, (10, 0, 0)),
    ]
}

fn blue() -> Vec<Told> {
    use MovementKind::{Canceled, Counted, Expired, Extended, Purchased, Received, Released, Reserved};
    vec![
        (Expired, -1, (25, 0, 0)),
        (Expired, -3, (24, 1, 0)),
        (Released, -1, (21, 4, 0)),
        (Counted, 5, (20, 5, 0)),
        (Canceled, -4, (15, 5, 0)),
        (Purchased, 4, (11, 5, 4)),
        (Extended, 0, (15, 5, 0)),
        (Reserved, 1, (15, 5, 0)),
        (Reserved, 1, (16, 4, 0)),
        (Reserved, 3, (17, 3, 0)),
        (Received, 20, (20, 0, 0)),
    ]
}

const KINDS: [MovementKind; 5] = [
    MovementKind::Received,
    MovementKind::Reserved,
    MovementKind::Expired,
    MovementKind::Purchased,
    MovementKind::Counted,
];

fn told(row: &Row) -> Told {
    let Levels { available, reserved, committed } = row.after;
    (row.kind, row.delta, (available.0, reserved.0, committed.0))
}

/// Reads page after page to the end.
async fn pages(
    shop: &Shop,
    product: ProductId,
    variant: VariantNo,
    rows_max: usize,
    wants: impl Fn(MovementKind) -> bool,
) -> Vec<Row> {
    let reader = shop.engine.reader().expect("the journal is on disk");
    let account = shop.engine.ledger_account(product, variant);
    let mut next = Some(shop.engine.ledger_start(product, variant).await.expect("it is there"));
    let mut all = Vec::new();
    while let Some(bookmark) = next {
        let page: Page =
            ledger::read(&reader, account, bookmark, rows_max, &wants).expect("the journal is sound");
        assert!(page.rows.len() <= rows_max);
        all.extend(page.rows);
        next = page.next;
    }
    all
}
