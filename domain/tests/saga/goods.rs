//! What the shop of these tests sells: lamps in two variants, `ONE` unit and more of each.

use std::collections::BTreeMap;
use std::sync::Arc;

use holdfast_domain::order::{Bought, OrderLine, Placed, Source};
use holdfast_domain::product::{
    Description, Line, NewProduct, NewVariant, Product, VariantDescription, VariantNo,
};
use holdfast_domain::{
    AccountId, Currency, Item, Money, Owner, ProductId, Quantity, ReservationId, Sku, Timestamp,
};

pub(crate) const UNIT_PRICE: Money = Money(1000);
pub(crate) const VARIANTS: u16 = 2;

/// Has an account.
pub(crate) const ANN: Owner = Owner::Account(AccountId(0xa));
/// Has an account, too.
pub(crate) const BOB: Owner = Owner::Account(AccountId(0xb));
/// Has none yet.
pub(crate) const GUEST: Owner = Owner::Guest(0x9);
/// Buys whatever anybody leaves free for a moment.
pub(crate) const RIVAL: Owner = Owner::Guest(0x666);

/// So many units of one variant of one product.
pub(crate) fn item(product: u128, variant: u16, units: u32) -> Item {
    Item { product: ProductId(product), variant: VariantNo(variant), quantity: quantity(units) }
}

pub(crate) fn line(variant: u16, units: u32) -> Line {
    Line { variant: VariantNo(variant), quantity: quantity(units) }
}

pub(crate) fn quantity(units: u32) -> Quantity {
    Quantity::new(units).expect("in range")
}

pub(crate) fn description() -> Description {
    Description::plain("Lamp", UNIT_PRICE, euro())
}

/// A product with that many units of each of its variants.
pub(crate) fn product(stock: u32) -> NewProduct {
    let variant =
        |no: u16| NewVariant { description: Arc::new(variant(no)), initial_stock: Quantity::new(stock) };
    NewProduct {
        description: Arc::new(description()),
        is_simple: false,
        variants: (0..VARIANTS).map(variant).collect(),
    }
}

fn variant(no: u16) -> VariantDescription {
    VariantDescription::plain(Sku::new(&format!("lamp-{no}")).expect("well formed"))
}

/// An order as it is placed.
pub(crate) fn placed(
    owner: Owner,
    source: Source,
    hold: ReservationId,
    items: &[Item],
    deadline: Option<Timestamp>,
    taken_over: Vec<ProductId>,
) -> Arc<Placed> {
    let line = |item: &Item| OrderLine {
        item: *item,
        sku: variant(item.variant.0).sku,
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

/// A purchase of `item`.
pub(crate) fn bought(owner: Owner, item: Item, at: Timestamp) -> Bought {
    Bought {
        owner,
        item,
        unit_price: UNIT_PRICE,
        rules: None,
        description: Arc::new(description()),
        variant: Arc::new(variant(item.variant.0)),
        at,
        mark: 0,
    }
}

/// Units of each variant, whatever the order of the lines.
pub(crate) fn units<'a>(lines: impl IntoIterator<Item = &'a Line>) -> BTreeMap<VariantNo, u64> {
    let mut found = BTreeMap::new();
    for line in lines {
        *found.entry(line.variant).or_default() += u64::from(line.quantity.get());
    }
    found
}

/// What a product holds and has sold, in all its names: what must be as before when somebody gives up.
pub(crate) fn holds(product: &Product) -> Vec<String> {
    let held = product
        .reservations()
        .iter()
        .map(|(name, it)| format!("{name:?} {:?} {:?}", it.buyer, units(&it.lines)));
    let sold = product
        .commitments()
        .iter()
        .map(|(name, it)| format!("{name:?} {:?} {:?}", it.buyer, units(&it.lines)));
    let levels = product.variants().iter().map(|variant| format!("{:?}", variant.levels));
    held.chain(sold).chain(levels).collect()
}

fn euro() -> Currency {
    Currency::new("EUR").expect("three capitals")
}
