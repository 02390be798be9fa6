//! What facts are about: the products, variants and skus that they name, for filters.

use holdfast_actors::domain::order::Placed;
use holdfast_actors::domain::product::{Line, VariantNo};
use holdfast_actors::domain::{ProductId, Sku, cart, price, product, reservation};
use holdfast_actors::record::OrderFact;

/// Something that a fact is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// A product with all its variants.
    Product(ProductId),
    /// One variant.
    Variant(ProductId, VariantNo),
    /// What has this name: facts of price rules know names alone.
    Sku(Sku),
}

pub(super) fn of_product(product: ProductId, event: &product::Event) -> Vec<Subject> {
    use product::Event as It;
    let variant = |variant: VariantNo| vec![Subject::Variant(product, variant)];
    let lines = |lines: &[Line]| lines.iter().map(|line| Subject::Variant(product, line.variant)).collect();
    match event {
        It::Created { .. } | It::Described { .. } | It::Deleted => vec![Subject::Product(product)],
        It::Adjusted { variant: it, .. }
        | It::Counted { variant: it, .. }
        | It::VariantAdded { variant: it, .. }
        | It::VariantDescribed { variant: it, .. }
        | It::VariantRemoved { variant: it, .. } => variant(*it),
        It::Purchased { line, .. } => variant(line.variant),
        It::Reserved { lines: held, .. }
        | It::Extended { lines: held, .. }
        | It::Confirmed { lines: held, .. }
        | It::Released { lines: held, .. }
        | It::Expired { lines: held, .. }
        | It::Fulfilled { lines: held, .. }
        | It::Canceled { lines: held, .. } => lines(held),
        It::Reheld { before, lines: after, .. } => {
            let gone = before.iter().filter(|line| after.iter().all(|it| it.variant != line.variant));
            let all = after.iter().chain(gone);
            all.map(|line| Subject::Variant(product, line.variant)).collect()
        }
    }
}

pub(super) fn of_reservation(event: &reservation::Event) -> Vec<Subject> {
    use reservation::Event as It;
    match event {
        It::Reserved { items, .. } => {
            items.iter().map(|item| Subject::Variant(item.product, item.variant)).collect()
        }
        It::Confirmed { placed, .. } => of_placed(placed),
        It::Extended { .. } | It::Released | It::Expired => Vec::new(),
    }
}

pub(super) fn of_order(fact: &OrderFact) -> Vec<Subject> {
    match fact {
        OrderFact::Placed(placed) => of_placed(placed),
        OrderFact::Changed(_) => Vec::new(),
    }
}

pub(super) fn of_cart(event: &cart::Event) -> Vec<Subject> {
    use cart::Event as It;
    match event {
        It::LineSet { item, .. } => vec![Subject::Variant(item.product, item.variant)],
        It::LineRemoved { product, variant } => vec![Subject::Variant(*product, *variant)],
        It::Renewed { lines } => {
            lines.iter().map(|(product, variant, _)| Subject::Variant(*product, *variant)).collect()
        }
        It::Lapsed { lines } => {
            lines.iter().map(|(product, variant)| Subject::Variant(*product, *variant)).collect()
        }
        It::Opened { .. } | It::Emptied | It::Absorbed { .. } | It::Closed { .. } => Vec::new(),
    }
}

pub(super) fn of_price(event: &price::Event) -> Vec<Subject> {
    use price::Event as It;
    match event {
        It::Created { terms, .. } | It::Changed { terms, .. } => {
            terms.skus.iter().cloned().map(Subject::Sku).collect()
        }
        It::Deleted { .. } => Vec::new(),
    }
}

fn of_placed(placed: &Placed) -> Vec<Subject> {
    placed.lines.iter().map(|line| Subject::Variant(line.item.product, line.item.variant)).collect()
}
