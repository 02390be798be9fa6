//! What a story says about variants: `add D 1.50 with 5`, `rename A lamp`, `remove A version 2`, `replace A, D with 5`,
//! `simple A`. Words after the verb are skus, except after `rename` and `remove`: those name a variant.

use std::sync::Arc;

use holdfast_domain::product::{
    Command, NewVariant, Product, Replacement, VariantDescription, VariantNo, WantedVariant,
};
use holdfast_domain::{Money, Quantity, Sku, Units};

use super::words::{self, Words};

/// A change of variants.
pub(crate) struct Shape {
    what: What,
    version: Option<u32>,
}

enum What {
    Add(Named),
    /// As many as that.
    AddMany(usize),
    Rename(VariantNo, Sku),
    Reprice(VariantNo, Money),
    Remove(VariantNo),
    Replace(Vec<Named>),
    Simplify(Named),
}

struct Named {
    sku: Sku,
    adjustment: Money,
    stock: Option<Units>,
}

pub(crate) fn read(verb: &str, words: &mut Words<'_>) -> Option<Shape> {
    let what = match verb {
        "add" if words.is_at_number() => What::AddMany(words.number()),
        "add" => What::Add(named(words).0),
        "rename" => What::Rename(words.variant(), sku(words.next())),
        "reprice" => What::Reprice(words.variant(), words::money(words.next())),
        "remove" => What::Remove(words.variant()),
        "replace" => {
            let mut all = Vec::new();
            loop {
                let (one, is_more) = named(words);
                all.push(one);
                if !is_more {
                    break What::Replace(all);
                }
            }
        }
        "simple" => What::Simplify(named(words).0),
        _ => return None,
    };
    Some(Shape { what, version: words.version() })
}

impl Shape {
    pub(crate) fn of(self, product: &Product) -> Command {
        let version = self.version;
        let replace = |is_simple, all: Vec<Named>| {
            let variants = all.into_iter().map(Named::wanted).collect();
            let description = product.description().clone();
            Command::Replace(Box::new(Replacement { description, is_simple, variants, version }))
        };
        match self.what {
            What::Add(named) => {
                let initial_stock = named.stock.and_then(|units| Quantity::new(units.0));
                let variant = NewVariant { description: named.wanted().description, initial_stock };
                Command::AddVariant { variant, version }
            }
            What::AddMany(count) => {
                let present = product.live_variants().map(|(_, it)| it.description.sku.clone());
                let new =
                    (0..count).map(|number| sku(&format!("many-{}-{number}", product.variants().len())));
                let all = present.chain(new).map(|sku| Named { sku, adjustment: Money(0), stock: None });
                replace(false, all.collect())
            }
            What::Rename(variant, sku) => {
                let description = VariantDescription { sku, ..present(product, variant) };
                Command::DescribeVariant { variant, description: Arc::new(description), version }
            }
            What::Reprice(variant, price_adjustment) => {
                let description = VariantDescription { price_adjustment, ..present(product, variant) };
                Command::DescribeVariant { variant, description: Arc::new(description), version }
            }
            What::Remove(variant) => Command::RemoveVariant { variant, version },
            What::Replace(all) => replace(false, all),
            What::Simplify(named) => replace(true, vec![named]),
        }
    }
}

impl Named {
    fn wanted(self) -> WantedVariant {
        let Self { sku, adjustment, stock } = self;
        let description =
            VariantDescription { sku, name: None, attributes: "{}".into(), price_adjustment: adjustment };
        WantedVariant { description: Arc::new(description), initial_stock: stock }
    }
}

fn present(product: &Product, variant: VariantNo) -> VariantDescription {
    product
        .variants()
        .get(variant.index())
        .map_or_else(|| VariantDescription::plain(sku("none")), |variant| (*variant.description).clone())
}

/// `D`, `D 1.50`, `D with 5`; and whether a comma follows.
fn named(words: &mut Words<'_>) -> (Named, bool) {
    let mut is_more = false;
    let mut word = |text: &str| {
        is_more = text.ends_with(',');
        text.trim_end_matches(',').to_owned()
    };
    let sku = sku(&word(words.next()));
    let is_money = |text: &str| text.starts_with(|letter: char| letter.is_ascii_digit() || letter == '-');
    let adjustment = words.next_if(is_money).map_or(Money(0), |text| words::money(&word(text)));
    let stock = words.take("with").then(|| words::units(&word(words.next())));
    (Named { sku, adjustment, stock }, is_more)
}

fn sku(text: &str) -> Sku {
    Sku::new(text).unwrap_or_else(|| panic!("`{text}` is no sku"))
}
