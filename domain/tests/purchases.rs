//! Purchases are kept small, and are whole orders as soon as somebody looks at them.

use std::sync::Arc;

use holdfast_domain::order::{self, Bought, OrderLine, Placed, Source, TEXT_BYTES_MAX};
use holdfast_domain::price::StepKind;
use holdfast_domain::product::{Description, VariantDescription, VariantNo};
use holdfast_domain::saga::Books;
use holdfast_domain::{
    AccountId, Currency, Item, Millis, Money, OrderId, Owner, ProductId, Quantity, ReservationId, Sku,
    Timestamp,
};

const NOW: Timestamp = Timestamp(1_700_000_000_000);
const ANN: Owner = Owner::Account(AccountId(1));

#[test]
fn purchase_keeps_the_price_that_was_paid() {
    let order = purchase().to_order(OrderId(7));
    let line = &order.placed.lines[0];
    assert_eq!((line.unit_price, line.total, order.placed.total), (Money(1250), Money(3750), Money(3750)));
    assert_eq!((&*line.name, line.sku.as_str(), line.item), ("Lamp", "lamp-red", item()));
    assert_eq!(
        line.breakdown.iter().map(|step| (step.kind, step.amount)).collect::<Vec<_>>(),
        [(StepKind::Base, Money(1250))]
    );
    assert_eq!((order.placed.source, order.placed_at, order.mark), (Source::Purchase, NOW, 9));
}

/// The description was changed in the same moment: what was paid counts, and how it came about is not known.
#[test]
fn purchase_at_another_price_than_described_has_no_breakdown() {
    let bought = Bought { unit_price: Money(999), ..purchase() };
    let order = bought.to_order(OrderId(7));
    assert_eq!((order.placed.lines[0].unit_price, order.placed.total), (Money(999), Money(2997)));
    assert!(order.placed.lines[0].breakdown.is_empty());
}

#[test]
fn texts_of_an_order_are_counted_over_all_its_lines() {
    let line = purchase().to_order(OrderId(7)).placed.lines[0].clone();
    assert_eq!(placed(vec![line.clone()]).text_bytes(), "lamp-red".len() + "Lamp".len());
    let mut placed = placed(vec![line; 2]);
    placed.email = Some("ann@shop.example".into());
    placed.shipping_address = Some("x".repeat(TEXT_BYTES_MAX).into());
    assert_eq!(placed.text_bytes(), 2 * 12 + 16 + TEXT_BYTES_MAX);
}

#[test]
fn order_keeps_its_lines_and_prices_whatever_happens_to_it() {
    let mut books = Books::default();
    books.apply_bought(OrderId(7), purchase());
    let before = books.orders.get(OrderId(7)).expect("bought");
    let after = books.apply_order(OrderId(7), &order::Event::Fulfilled, NOW.after(Millis(5)), 10);
    assert_eq!(after.placed, before.placed);
    assert_eq!((after.as_of(1), after.mark), (before.standing, 10));
}

fn item() -> Item {
    let quantity = Quantity::new(3).expect("in range");
    Item { product: ProductId(1), variant: VariantNo(0), quantity }
}

fn placed(lines: Vec<OrderLine>) -> Placed {
    Placed {
        owner: ANN,
        source: Source::Lines,
        hold: ReservationId(1),
        lines,
        currency: euro(),
        subtotal: Money(0),
        discount: Money(0),
        total: Money(0),
        email: None,
        shipping_address: None,
        deadline: None,
        taken_over: Vec::new(),
    }
}

/// Three lamps for 10.00 each and 2.50 more for their colour.
fn purchase() -> Bought {
    let description = Description::plain("Lamp", Money(1000), euro());
    let variant = VariantDescription {
        sku: Sku::new("lamp-red").expect("well formed"),
        name: None,
        attributes: "{}".into(),
        price_adjustment: Money(250),
    };
    Bought {
        owner: ANN,
        item: item(),
        unit_price: Money(1250),
        rules: None,
        description: Arc::new(description),
        variant: Arc::new(variant),
        at: NOW,
        mark: 9,
    }
}

fn euro() -> Currency {
    Currency::new("EUR").expect("three capitals")
}
