//! How a cart looks on the wire, at the prices of now.

use std::sync::Arc;

use holdfast_actors::card::Info;
use holdfast_actors::domain::Owner;
use holdfast_actors::domain::cart::CartLine;
use holdfast_actors::domain::hold::{Hold, State};
use holdfast_actors::domain::price::Price;
use holdfast_actors::{CartFacts, Engine, Stopped};
use serde::Serialize;
use uuid::Uuid;

use crate::http::openapi::inline::value_schemas;
use crate::http::values::{self, Id, schema};
use crate::http::view::{Moment, product_id};

/// A cart.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Cart<'a> {
    id: Option<Id<values::Cart>>,
    lines: Vec<Line<'a>>,
    subtotal: i64,
    discount: i64,
    total: i64,
    currency: Option<&'a str>,
    expires_at: Option<Moment>,
    version: u32,
}

/// A line of it; without sku and name, and for nothing, where the product is gone.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = CartLine)]
struct Line<'a> {
    sku: Option<&'a str>,
    product_id: Id<values::Product>,
    name: Option<&'a str>,
    quantity: u32,
    unit_price: i64,
    total: i64,
    reservation: Option<Held>,
}

/// Units that are held for a line, or were.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = CartHold)]
struct Held {
    #[schema(value_type = HeldStatus)]
    status: &'static str,
    expires_at: Moment,
}

/// The words of [`Held::of`].
enum HeldStatus {}

value_schemas! {
    impl[] HeldStatus as "hold_status" => schema::text().enum_values(Some(["active", "expired"]));
}

/// The cart as JSON, and its tag: version and digest, for prices and names change without the cart.
///
/// # Errors
///
/// [`Stopped`]: what it shows will never be durable.
pub(super) async fn write(
    facts: &CartFacts,
    owner: Owner,
    engine: &Engine,
) -> Result<(Vec<u8>, String), Stopped> {
    let items: Vec<_> = facts.lines.iter().map(|line| line.item).collect();
    let prices = engine.prices_of(&items, engine.tier(owner), None).await?;
    let bytes =
        serde_json::to_vec(&Cart::of(facts, &prices)).expect("a view has string keys and plain values");
    let digest = blake3::hash(&bytes).to_hex();
    Ok((bytes, format!("{}-{}", facts.version, &digest[..16])))
}

impl<'a> Cart<'a> {
    fn of(facts: &'a CartFacts, prices: &'a [Option<(Arc<Info>, Price)>]) -> Self {
        let mut lines = Vec::with_capacity(facts.lines.len());
        let (mut subtotal, mut total, mut currency) = (0_i128, 0_i128, None);
        for (line, priced) in facts.lines.iter().zip(prices) {
            if let Some((info, price)) = priced {
                currency.get_or_insert(info.description.currency.as_str());
                subtotal += i128::from(price.subtotal(line.item.quantity).0);
                total += i128::from(price.total.0);
            }
            lines.push(Line::of(line, priced.as_ref()));
        }
        // A cart whose sum does not fit is not let grow; what the prices of its products do later cannot be helped.
        let amount = |sum| i64::try_from(sum).unwrap_or(i64::MAX);
        Self {
            id: facts.id.map(|cart| Id::new(Uuid::from_u128(cart.0))),
            lines,
            subtotal: amount(subtotal),
            discount: amount(subtotal - total),
            total: amount(total),
            currency,
            expires_at: facts.expires_at.map(Moment),
            version: facts.version,
        }
    }
}

impl<'a> Line<'a> {
    fn of(line: &CartLine, priced: Option<&'a (Arc<Info>, Price)>) -> Self {
        let info = priced.map(|(info, _)| info);
        let price = priced.map(|(_, price)| price);
        Self {
            sku: info.map(|info| info.variants[line.item.variant.index()].sku.as_str()),
            product_id: product_id(line.item.product),
            name: info.map(|info| &*info.description.name),
            quantity: line.item.quantity.get(),
            unit_price: price.map_or(0, |price| price.unit.0),
            total: price.map_or(0, |price| price.total.0),
            reservation: line.hold.map(Held::of),
        }
    }
}

impl Held {
    const fn of(hold: Hold) -> Self {
        let status = match hold.state {
            State::Active => "active",
            State::Confirmed | State::Released | State::Expired => "expired",
        };
        Self { status, expires_at: Moment(hold.deadline) }
    }
}
