//! `GET /products`: the catalogue in pages, filtered and sorted, with cursors that stay where they are under writes.

mod cached;
mod mark;

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderValue, LINK};
use actix_web::{HttpRequest, HttpResponse, web};
use holdfast_actors::catalogue::{Query as Wanted, SearchText, Sort, SortBy};
use holdfast_actors::domain::Money;
use holdfast_actors::domain::product::Status;
use holdfast_actors::engine::ProductPage;
use holdfast_actors::{Engine, Failure};
use serde::{Deserialize, Serialize};

use super::body::StatusWord;
use crate::cache::Verdict;
use crate::http::caller::is_admin;
use crate::http::cursor::Cursors;
use crate::http::listing_cache::{Cache, marked};
use crate::http::openapi::inline::value_schemas;
use crate::http::position::AtLeast;
use crate::http::problem::{Code, Problem};
use crate::http::query::{Limit, Query};
use crate::http::shop::Shop;
use crate::http::values::{Whole, schema};
use crate::http::{answer, view};

/// The longest text that is searched for.
const TEXT_CHARACTERS_MAX: usize = 200;

type Price = Whole<0, { Money::PRICE_MAX }>;

/// The query.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Filter {
    /// The slug of a category: products that are in it, or in one below it.
    category: Option<String>,
    /// Words, all of which are in the name, the description, a sku or the name of a variant, in any case; the last may
    /// be the beginning of one.
    q: Option<SearchFor>,
    /// The lowest `price`, in minor units.
    min_price: Option<Price>,
    /// The highest `price`, in minor units; not below `min_price`.
    max_price: Option<Price>,
    /// Only products of which units are available, or only those of which none are.
    in_stock: Option<bool>,
    /// Only products in this status. For admins, who are shown all of them by default; others may say `active`.
    status: Option<StatusWord>,
    /// Oldest first by default; equal ones in the order in which they were made.
    #[serde(default)]
    sort: SortWord,
    include: Option<Include>,
    /// How many to answer.
    #[serde(default)]
    limit: Limit,
    /// The `next_cursor` of the page before, with the same other parameters.
    cursor: Option<String>,
}

/// A text of 1 to 200 characters, whichever they are: what is no letter and no digit stands between words.
#[derive(Deserialize)]
#[serde(try_from = "String")]
pub(in crate::http) struct SearchFor(String);

value_schemas! {
    impl[] SearchFor as "search" => schema::text().min_length(Some(1)).max_length(Some(TEXT_CHARACTERS_MAX));
}

/// The order, as a word.
#[derive(Clone, Copy, Debug, Default, Deserialize, utoipa::ToSchema)]
#[schema(as = ProductSort)]
pub(in crate::http) enum SortWord {
    #[default]
    #[serde(rename = "created_at")]
    CreatedAt,
    #[serde(rename = "-created_at")]
    CreatedAtDown,
    #[serde(rename = "price")]
    Price,
    #[serde(rename = "-price")]
    PriceDown,
    #[serde(rename = "name")]
    Name,
    #[serde(rename = "-name")]
    NameDown,
    #[serde(rename = "updated_at")]
    UpdatedAt,
    #[serde(rename = "-updated_at")]
    UpdatedAtDown,
}

/// What the answer has beside the page.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ProductInclude)]
pub(in crate::http) enum Include {
    /// How many products there are on all pages.
    Total,
}

#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = ProductPage)]
struct Page<'a> {
    data: Vec<view::Product<'a>>,
    /// What to send as `cursor` for the next page; null on the last one.
    next_cursor: Option<&'a str>,
    /// How many products there are on all pages; there with `include=total`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, value_type = u64)]
    total: Option<u64>,
}

/// Answers a page of the catalogue, oldest first unless `sort` says otherwise. Buyers see what is active. A category
/// that does not exist has no products: a shop's page of a category that is gone is empty, not an error.
///
/// # Errors
///
/// `malformed_request` for a cursor that is none of this list, and for prices the wrong way round; `forbidden` for a
/// `status` that is not an admin's to ask.
#[utoipa::path(
    get, path = "/api/v1/products", tag = "Catalogue", operation_id = "list_products",
    security(("anyone" = [])),
    params(Filter),
    responses(
        (status = 200, description = "A page of products.", body = Page, headers(("X-Cache"), ("Link"))),
        (status = 304, description = "The client has this version.", headers(("X-Cache"), ("Link"))),
        (status = 403, description = "forbidden"),
    ),
)]
pub async fn list(
    request: HttpRequest,
    engine: Shop,
    (cursors, cache): (web::Data<Cursors>, Cache),
    filter: Query<Filter>,
    _at_least: AtLeast,
) -> Result<HttpResponse, Problem> {
    let is_admin = is_admin(&request)?;
    if filter.status.is_some_and(|status| status != StatusWord::Active) && !is_admin {
        return Err(Problem::new(Code::Forbidden, "Only an admin may list what is not active."));
    }
    let (min, max) = (filter.min_price.map(Price::get), filter.max_price.map(Price::get));
    if let (Some(min), Some(max)) = (min, max)
        && min > max
    {
        let detail = "The query parameter `min_price` must not be above `max_price`.";
        return Err(Problem::new(Code::MalformedRequest, detail));
    }
    let mut wanted = Wanted {
        status: match (filter.status, is_admin) {
            (Some(status), _) => Some(Status::from(status)),
            (None, true) => None,
            (None, false) => Some(Status::Active),
        },
        category: None,
        text: filter.q.as_ref().map(|SearchFor(text)| SearchText::new(text)),
        price_min: min.map(Money),
        price_max: max.map(Money),
        in_stock: filter.in_stock,
        sort: filter.sort.into(),
        after: None,
        count: filter.limit.get(),
        wants_total: filter.include == Some(Include::Total),
    };
    // Whatever says which products are listed, and in which order: a cursor of another list is refused.
    let list = format!(
        "products?{:?}&category={:?}",
        (&wanted.status, &wanted.text, min, max, wanted.in_stock, wanted.sort),
        filter.category
    );
    wanted.after =
        filter.cursor.as_ref().map(|cursor| cursors.decode(&list, cursor)).transpose()?.map(mark::unpack);
    let asked = Asked { wanted, category: filter.category.clone(), list };
    let answered = match &**cache {
        Some(cache) => cached::answer(cache, &engine, &asked, &cursors).await,
        None => whole(&engine, &asked, &cursors).await.map(|body| (body, Verdict::Bypass)),
    };
    Ok(match answered {
        Ok((body, verdict)) => {
            verdict.count("products");
            marked(body.respond(&request), verdict)
        }
        Err(failure) => answer::refused(failure, &engine, None),
    })
}

/// What is asked for, and by which name its cursors know it.
struct Asked {
    /// The category is still to be found.
    wanted: Wanted,
    category: Option<String>,
    /// Whatever says which products are listed, and in which order: a cursor of another list is refused.
    list: String,
}

/// What is answered.
struct Body {
    bytes: Vec<u8>,
    next_cursor: Option<String>,
}

/// The page as it is now, from the index.
async fn load(engine: &Engine, asked: &Asked) -> Result<ProductPage, Failure> {
    let mut wanted = asked.wanted.clone();
    if let Some(slug) = &asked.category {
        match engine.category(slug).await? {
            Some(category) => wanted.category = Some(category.id),
            None => {
                return Ok(ProductPage { total: wanted.wants_total.then_some(0), ..ProductPage::default() });
            }
        }
    }
    engine.list(wanted).await
}

async fn whole(engine: &Engine, asked: &Asked, cursors: &Cursors) -> Result<Body, Failure> {
    let page = load(engine, asked).await?;
    let next_cursor = page.next.as_ref().map(|mark| cursors.encode(&asked.list, &mark::pack(mark)));
    let data = page.products.iter().map(view::Product::of).collect();
    let view = Page { data, next_cursor: next_cursor.as_deref(), total: page.total };
    let bytes = serde_json::to_vec(&view).expect("a view has string keys and plain values");
    Ok(Body { bytes, next_cursor })
}

impl Body {
    fn respond(self, request: &HttpRequest) -> HttpResponse {
        let tag = &blake3::hash(&self.bytes).to_hex()[..32];
        let whole = || answer::json_bytes(StatusCode::OK, self.bytes);
        let mut response = answer::unless_unchanged(request, tag, whole);
        if let Some(cursor) = &self.next_cursor {
            response.headers_mut().insert(LINK, next_link(request, cursor));
        }
        response
    }
}

/// The same request with the next cursor (RFC 8288).
fn next_link(request: &HttpRequest, cursor: &str) -> HeaderValue {
    let mut query = form_urlencoded::Serializer::new(String::new());
    let others = form_urlencoded::parse(request.query_string().as_bytes());
    query.extend_pairs(others.filter(|(name, _)| name != "cursor"));
    query.append_pair("cursor", cursor);
    let link = format!("<{}?{}>; rel=\"next\"", request.path(), query.finish());
    HeaderValue::from_str(&link).expect("a path and an encoded query are plain ASCII")
}

impl TryFrom<String> for SearchFor {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if (1..=TEXT_CHARACTERS_MAX).contains(&text.chars().count()) {
            Ok(Self(text))
        } else {
            Err(format!("must have 1 to {TEXT_CHARACTERS_MAX} characters"))
        }
    }
}

impl From<SortWord> for Sort {
    fn from(word: SortWord) -> Self {
        use SortWord::{
            CreatedAt, CreatedAtDown, Name, NameDown, Price, PriceDown, UpdatedAt, UpdatedAtDown,
        };
        let by = match word {
            CreatedAt | CreatedAtDown => SortBy::CreatedAt,
            Price | PriceDown => SortBy::Price,
            Name | NameDown => SortBy::Name,
            UpdatedAt | UpdatedAtDown => SortBy::UpdatedAt,
        };
        let is_descending = matches!(word, CreatedAtDown | PriceDown | NameDown | UpdatedAtDown);
        Self { by, is_descending }
    }
}
