//! What something would cost: `GET /products/{id}/price` and `POST /quotes`.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::{FromRequest, HttpRequest, HttpResponse, web};
use holdfast_actors::domain::Quantity;
use holdfast_actors::domain::account::Tier;
use holdfast_actors::engine::{Quote, QuoteFor, QuotedLine};
use holdfast_actors::{Engine, Failure};
use serde::{Deserialize, Serialize};

use super::moment::When;
use super::step::PriceStep;
use super::words::TierWord;
use crate::http::caller::{Caller, signed_in};
use crate::http::check::Check;
use crate::http::field::Field;
use crate::http::idempotency::IdempotencyKey;
use crate::http::json::{Body, Json};
use crate::http::lines::{self, Line, RawLines};
use crate::http::position::AtLeast;
use crate::http::problem::{Code, Problem};
use crate::http::query::{NoQuery, Query};
use crate::http::shop::Shop;
use crate::http::values::{self, Id, Sku, Units};
use crate::http::{answer, context, page, products};

/// What is to be quoted. A sku may be in several lines: each is priced by itself.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewQuote)]
pub struct QuoteBody {
    #[schema(value_type = lines::Lines)]
    lines: Vec<Line>,
    /// As of another moment than now. For admins.
    at: Option<When>,
    /// For a customer of another standing than the caller's own. For admins.
    tier: Option<TierWord>,
}

/// As it came.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RawQuote {
    lines: RawLines,
    at: Field<When>,
    tier: Field<TierWord>,
}

/// The query for one product.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Wish {
    /// How many units; one by default.
    quantity: Option<Units>,
    /// Which variant; needed where the product has several.
    sku: Option<Sku>,
    /// For a customer of another standing than the caller's own. For admins.
    tier: Option<TierWord>,
}

/// Whoever asks, with or without an account; nobody is given a session for asking a price. A bad token is refused
/// before the body is looked at.
#[derive(Debug)]
pub struct Asker(Option<Caller>);

/// What some lines cost, in minor units of the currency. Nothing of it is kept: an order is priced anew.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = Quote)]
struct View<'a> {
    currency: &'a str,
    /// What it would cost without price rules.
    subtotal: i64,
    /// `subtotal` less `total`.
    discount: i64,
    total: i64,
    /// In the order of the request.
    lines: Vec<LineView<'a>>,
}

/// What one line costs.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = QuoteLine)]
struct LineView<'a> {
    sku: &'a str,
    quantity: u32,
    /// What one unit costs without price rules.
    base_unit_price: i64,
    /// What one unit costs.
    unit_price: i64,
    /// `unit_price` times `quantity`.
    total: i64,
    /// How `base_unit_price` became `unit_price`, step by step.
    breakdown: Vec<PriceStep<'a>>,
}

impl Body for QuoteBody {
    type Raw = RawQuote;

    fn check(raw: RawQuote, check: &mut Check) -> Option<Self> {
        // Several lines of one sku are several prices: nothing is held, so nothing adds up.
        let lines = lines::check_each(raw.lines, check);
        let at = check.optional("at", raw.at);
        let tier = check.optional("tier", raw.tier);
        Some(Self { lines: lines?, at: at?, tier: tier? })
    }
}

impl FromRequest for Asker {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        ready(signed_in(request).map(Self))
    }
}

impl Asker {
    fn is_admin(&self) -> bool {
        self.0.as_ref().is_some_and(Caller::is_admin)
    }

    /// The standing that was asked for, else the caller's own.
    fn tier(&self, engine: &Engine, asked: Option<TierWord>) -> Tier {
        match (asked, &self.0) {
            (Some(word), _) => word.into(),
            (None, Some(caller)) => engine.tier(context::owner(caller)),
            (None, None) => Tier::Standard,
        }
    }
}

/// Answers what some units of a product cost the caller now.
///
/// # Errors
///
/// `forbidden` for a `tier` that is not an admin's to ask; whatever is wrong with a token.
#[utoipa::path(
    get, path = "/api/v1/products/{id}/price", tag = "Prices", operation_id = "get_product_price",
    security(("anyone" = [])),
    params(("id" = Id<values::Product>, Path, description = "The product."), Wish),
    responses(
        (status = 200, description = "A quote of one line.", body = View),
        (status = 403, description = "forbidden"),
        (status = 422, description = "validation_failed"),
    ),
)]
pub async fn of_product(
    engine: Shop,
    asker: Asker,
    path: web::Path<String>,
    wish: Query<Wish>,
    _at_least: AtLeast,
) -> Result<HttpResponse, Problem> {
    let is_admin = asker.is_admin();
    page::only_for_admins("tier", wish.tier.is_some() && !is_admin)?;
    let to = QuoteFor { tier: asker.tier(&engine, wish.tier), at: None, sees_drafts: is_admin };
    let sku = wish.sku.as_ref().map(Sku::to_domain);
    let quantity = wish.quantity.map_or(Quantity::ONE, Units::to_domain);
    let quoted = async {
        let product = products::product_id(&path).ok_or(Failure::NotFound)?;
        engine.quote_product(product, (sku.as_ref(), quantity), to).await
    };
    Ok(match quoted.await {
        Ok(quote) => answer::json(StatusCode::OK, &View::of(&quote)),
        Err(failure) => answer::refused(failure, &engine, None),
    })
}

/// Answers what some lines cost the caller; an admin may ask for another moment and another standing.
///
/// # Errors
///
/// `forbidden` for what is not theirs to ask; `malformed_request` for a malformed key, which is of no use here:
/// nothing is changed.
#[utoipa::path(
    post, path = "/api/v1/quotes", tag = "Prices", operation_id = "create_quote",
    security(("anyone" = [])),
    request_body = QuoteBody,
    responses(
        (status = 200, description = "The quote.", body = View),
        (status = 403, description = "forbidden"),
        (status = 404, description = "not_found"),
    ),
)]
pub async fn of_lines(
    engine: Shop,
    asker: Asker,
    _key: IdempotencyKey,
    _no_query: NoQuery,
    _at_least: AtLeast,
    body: Json<QuoteBody>,
) -> Result<HttpResponse, Problem> {
    let is_admin = asker.is_admin();
    let QuoteBody { lines, at, tier: asked } = &*body;
    for (member, is_there) in [("at", at.is_some()), ("tier", asked.is_some())] {
        if is_there && !is_admin {
            return Err(Problem::new(Code::Forbidden, format!("Only an admin may ask for `{member}`.")));
        }
    }
    let to =
        QuoteFor { tier: asker.tier(&engine, *asked), at: at.map(When::to_domain), sees_drafts: is_admin };
    Ok(match engine.quote(&lines::wanted(lines), to).await {
        Ok(quote) => answer::json(StatusCode::OK, &View::of(&quote)),
        Err(failure) => answer::refused_lines(&failure, &engine, lines),
    })
}

impl<'a> View<'a> {
    fn of(quote: &'a Quote) -> Self {
        Self {
            currency: quote.currency.as_str(),
            subtotal: quote.subtotal.0,
            discount: quote.discount.0,
            total: quote.total.0,
            lines: quote.lines.iter().map(LineView::of).collect(),
        }
    }
}

impl<'a> LineView<'a> {
    fn of(line: &'a QuotedLine) -> Self {
        Self {
            sku: line.sku.as_str(),
            quantity: line.item.quantity.get(),
            base_unit_price: line.price.base_unit.0,
            unit_price: line.price.unit.0,
            total: line.price.total.0,
            breakdown: line.price.breakdown.iter().map(PriceStep::of).collect(),
        }
    }
}
