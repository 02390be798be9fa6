//! Items, products and orders in the words of a story: two letters a product.

use std::sync::Arc;

use holdfast_domain::cart::Cart;
use holdfast_domain::order::{Bought, OrderLine, Placed, Source};
use holdfast_domain::product::{Description, Line, VariantDescription, VariantNo};
use holdfast_domain::{
    Currency, Item, Millis, Money, OrderId, Owner, ProductId, ReservationId, Sku, Timestamp,
};

use crate::story::words::{Words, variant_text};

const UNIT_PRICE: Money = Money(1000);

/// `A` and `B` are variants of the first product, `C` and `D` of the second.
pub(super) fn item(line: Line) -> Item {
    let (product, variant) = place(line.variant);
    Item { product, variant, quantity: line.quantity }
}

pub(super) fn items(words: &mut Words<'_>) -> Vec<Item> {
    words.lines().into_iter().map(item).collect()
}

/// The product and the variant that a letter stands for.
pub(super) fn place(letter: VariantNo) -> (ProductId, VariantNo) {
    (ProductId(1 + u128::from(letter.0 / 2)), VariantNo(letter.0 % 2))
}

pub(super) fn letter(product: ProductId, variant: VariantNo) -> char {
    let first = u16::try_from((product.0 - 1) * 2).expect("stories have few products");
    variant_text(VariantNo(first + variant.0))
}

pub(super) fn items_text<'a>(items: impl IntoIterator<Item = &'a Item>) -> String {
    let text = |item: &Item| format!("{} {}", item.quantity, letter(item.product, item.variant));
    items.into_iter().map(text).collect::<Vec<_>>().join(", ")
}

/// How long a cart holds units of a product.
pub(super) fn ttl(product: ProductId) -> Millis {
    Millis::from_secs(if product == ProductId(2) { 5 * 60 } else { 15 * 60 })
}

pub(super) fn name(ReservationId(id): ReservationId) -> String {
    format!("#{id}")
}

pub(super) fn cart_items(cart: &Cart) -> Vec<Item> {
    cart.lines.iter().map(|line| line.item).collect()
}

/// An order as it is placed.
pub(super) fn placed(
    owner: Owner,
    source: Source,
    hold: ReservationId,
    items: &[Item],
    deadline: Option<Timestamp>,
    taken_over: Vec<ProductId>,
) -> Arc<Placed> {
    let line = |item: &Item| OrderLine {
        item: *item,
        sku: Sku::new(&letter(item.product, item.variant).to_string()).expect("a letter"),
        name: "Lamp".into(),
        unit_price: UNIT_PRICE,
        total: UNIT_PRICE.times(item.quantity),
        breakdown: Vec::new(),
    };
    let lines: Vec<_> = items.iter().map(line).collect();
    let total = Money(lines.iter().map(|line| line.total.0).sum());
    Arc::new(Placed {
        owner,
        source,
        hold,
        lines,
        currency: euro(),
        subtotal: total,
        discount: Money(0),
        total,
        email: None,
        shipping_address: None,
        deadline,
        taken_over,
    })
}

/// What a purchase is made of.
pub(super) fn bought(owner: Owner, item: Item, at: Timestamp, mark: u64) -> Bought {
    let description = Description::plain("Lamp", UNIT_PRICE, euro());
    let variant = VariantDescription::plain(
        Sku::new(&letter(item.product, item.variant).to_string()).expect("a letter"),
    );
    Bought {
        owner,
        item,
        unit_price: UNIT_PRICE,
        rules: None,
        description: Arc::new(description),
        variant: Arc::new(variant),
        at,
        mark,
    }
}

pub(super) fn order_text(OrderId(id): OrderId) -> String {
    format!("@{id}")
}

pub(super) fn one_item(words: &mut Words<'_>) -> Item {
    let items = items(words);
    let [item] = items[..] else { panic!("one line at a time") };
    item
}

fn euro() -> Currency {
    Currency::new("EUR").expect("three capitals")
}
