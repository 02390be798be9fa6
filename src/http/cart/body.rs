//! What is added to a cart or set in it, field by field.

use holdfast_actors::domain::{ProductId, Quantity};
use holdfast_actors::engine::CartItem;
use serde::{Deserialize, Serialize};

use crate::http::check::Check;
use crate::http::field::{Fault, Field};
use crate::http::json::Body;
use crate::http::values::{Id, Product, Sku, UNITS_MAX, Units, Whole};

/// Units to be added.
#[derive(Debug, Serialize)]
pub struct Addition {
    item: Item,
    quantity: Units,
}

#[derive(Debug, Serialize)]
enum Item {
    Sku(Sku),
    Product(Id<Product>),
}

/// Units to be added, as they came: of a sku, or of a product that has only one.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CartAddition)]
pub struct RawAddition {
    #[serde(default)]
    #[schema(value_type = Option<Sku>)]
    sku: Field<Sku>,
    #[serde(default)]
    #[schema(value_type = Option<Id<Product>>)]
    product_id: Field<Id<Product>>,
    #[serde(default)]
    #[schema(required, value_type = Units)]
    quantity: Field<Units>,
}

type UnitsOrNone = Whole<0, UNITS_MAX>;

/// How many units a line shall have; 0 for none.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CartQuantity)]
pub struct NewQuantity {
    quantity: UnitsOrNone,
}

/// As it came.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RawQuantity {
    quantity: Field<UnitsOrNone>,
}

impl Body for Addition {
    type Raw = RawAddition;

    fn check(raw: RawAddition, check: &mut Check) -> Option<Self> {
        let item = check_item(raw.sku, raw.product_id, check);
        let quantity = check.required("quantity", raw.quantity);
        Some(Self { item: item?, quantity: quantity? })
    }
}

fn check_item(sku: Field<Sku>, product: Field<Id<Product>>, check: &mut Check) -> Option<Item> {
    let sku = check.optional("sku", sku);
    let product = check.optional("product_id", product);
    match (sku?, product?) {
        (Some(sku), None) => return Some(Item::Sku(sku)),
        (None, Some(product)) => return Some(Item::Product(product)),
        (None, None) => check.refuse("sku", Fault::new("required", "Name a sku, or a product_id.")),
        (Some(_), Some(_)) => {
            check.refuse("product_id", Fault::new("conflict", "The sku says it already; leave this out."));
        }
    }
    None
}

impl Addition {
    /// The same for the actors.
    pub(super) fn to_actors(&self) -> (CartItem, Quantity) {
        let item = match &self.item {
            Item::Sku(sku) => CartItem::Sku(sku.to_domain()),
            Item::Product(id) => CartItem::Product(ProductId(id.uuid().as_u128())),
        };
        (item, self.quantity.to_domain())
    }
}

impl Body for NewQuantity {
    type Raw = RawQuantity;

    fn check(raw: RawQuantity, check: &mut Check) -> Option<Self> {
        let quantity = check.required("quantity", raw.quantity);
        Some(Self { quantity: quantity? })
    }
}

impl NewQuantity {
    /// The same for the actors; none for 0.
    pub(super) fn to_domain(&self) -> Option<Quantity> {
        Quantity::new(u32::try_from(self.quantity.get()).expect("at most a million units pass the check"))
    }
}
