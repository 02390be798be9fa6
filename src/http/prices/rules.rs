//! `/price-rules`: made, read, changed and removed by admins.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use holdfast_actors::domain::RuleId;
use holdfast_actors::domain::price::{Kind, Off, Rule};
use holdfast_actors::{Answer, Failure};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::body::RuleBody;
use super::step;
use super::words::{KindWord, TierWord};
use crate::http::caller::{AdminCaller, Caller};
use crate::http::cursor::Cursors;
use crate::http::json::Json;
use crate::http::page::{self, List};
use crate::http::position::AtLeast;
use crate::http::problem::Problem;
use crate::http::query::{Limit, NoQuery, Query};
use crate::http::shop::Shop;
use crate::http::values::{self, Id};
use crate::http::view::Moment;
use crate::http::{answer, context};

/// The query of the list.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Filter {
    /// Only rules of this kind.
    kind: Option<KindWord>,
    /// Only those that are switched on, or only those that are not.
    active: Option<bool>,
    /// Newest first by default.
    #[serde(default)]
    sort: Sort,
    include: Option<page::Include>,
    /// How many to answer.
    #[serde(default)]
    limit: Limit,
    /// The `next_cursor` of the page before, with the same other parameters.
    cursor: Option<String>,
}

/// In which order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[schema(as = PriceRuleSort)]
pub(in crate::http) enum Sort {
    #[serde(rename = "created_at")]
    OldestFirst,
    #[default]
    #[serde(rename = "-created_at")]
    NewestFirst,
}

/// A price rule.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = PriceRule)]
struct View<'a> {
    id: Id<values::Rule>,
    name: &'a str,
    #[schema(value_type = KindWord)]
    kind: &'static str,
    /// In basis points; null where `amount_off` is given.
    percent_off: Option<u16>,
    /// In minor units, of each unit; null where `percent_off` is given.
    amount_off: Option<i64>,
    /// The units that it is for; with no categories either, it is for everything.
    skus: Vec<&'a str>,
    category_ids: Vec<Id<values::Category>>,
    /// Null for all kinds but `bulk`.
    min_quantity: Option<u32>,
    /// Null for all kinds but `tier`.
    tier: Option<TierWord>,
    /// The first moment at which it applies.
    starts_at: Option<Moment>,
    /// The first moment at which it no longer applies.
    ends_at: Option<Moment>,
    /// Of several rules of one kind that fit, the one with the lowest number applies, then the oldest.
    priority: i32,
    /// Whether it applies at all.
    active: bool,
    version: u32,
    created_at: Moment,
    updated_at: Moment,
}

/// Makes a rule.
///
/// # Errors
///
/// `malformed_request` for a malformed key; refusals of the rules are answers.
#[utoipa::path(
    post, path = "/api/v1/price-rules", tag = "Prices", operation_id = "create_price_rule",
    security(("admin" = [])),
    request_body = RuleBody,
    responses((status = 201, description = "The rule.", body = View, headers(("Location")))),
)]
pub async fn create(
    request: HttpRequest,
    engine: Shop,
    admin: AdminCaller,
    body: Json<RuleBody>,
) -> Result<HttpResponse, Problem> {
    let context = context::of_write(&request, &Caller::Admin(admin.0), &body.0)?;
    let id = RuleId(crate::ids::make().as_u128());
    Ok(match engine.create_rule(&context, id, body.to_actors()).await {
        Ok(answer) => {
            let path = format!("/api/v1/price-rules/{}", rule_id(answer.value.id));
            answer::located(respond(StatusCode::CREATED, &answer), &path)
        }
        Err(failure) => answer::refused(failure, &engine, None),
    })
}

/// Answers one rule.
///
/// # Errors
///
/// Whatever is wrong with a token.
#[utoipa::path(
    get, path = "/api/v1/price-rules/{id}", tag = "Prices", operation_id = "get_price_rule",
    security(("admin" = [])),
    params(("id" = Id<values::Rule>, Path, description = "The rule.")),
    responses(
        (status = 200, description = "The rule.", body = View),
        (status = 304, description = "The client has this version."),
    ),
)]
pub async fn read(
    request: HttpRequest,
    engine: Shop,
    _admin: AdminCaller,
    path: web::Path<String>,
    _at_least: AtLeast,
    _no_query: NoQuery,
) -> Result<HttpResponse, Problem> {
    let found = async {
        let prices = engine.prices().await?;
        parse(&path).and_then(|id| prices.value.get(id).cloned().ok_or(Failure::NotFound))
    };
    Ok(match found.await {
        Ok(rule) => {
            let whole = || answer::json(StatusCode::OK, &View::of(&rule));
            answer::unless_unchanged(&request, &rule.version.to_string(), whole)
        }
        Err(failure) => answer::refused(failure, &engine, None),
    })
}

/// Answers a page of the rules, newest first unless asked otherwise.
///
/// # Errors
///
/// `malformed_request` for a cursor that is none of this list.
#[utoipa::path(
    get, path = "/api/v1/price-rules", tag = "Prices", operation_id = "list_price_rules",
    security(("admin" = [])),
    params(Filter),
    responses((status = 200, description = "A page of rules.", body = page::Page<View<'static>>)),
)]
pub async fn list(
    engine: Shop,
    cursors: web::Data<Cursors>,
    _admin: AdminCaller,
    filter: Query<Filter>,
    _at_least: AtLeast,
) -> Result<HttpResponse, Problem> {
    let Filter { kind, active, sort, include, limit, cursor } = &*filter;
    let list = List::new(&cursors, format!("price-rules?kind={kind:?}&active={active:?}&sort={sort:?}"));
    let last = list.last(cursor.as_deref())?.map(RuleId);
    let prices = match engine.prices().await {
        Ok(prices) => prices,
        Err(stopped) => return Ok(answer::refused(stopped.into(), &engine, None)),
    };
    let is_wanted = |rule: &&Arc<Rule>| {
        kind.is_none_or(|kind| kind == kind_word(rule.terms.kind))
            && active.is_none_or(|active| active == rule.terms.is_active)
    };
    let wanted = || prices.value.iter().filter(is_wanted);
    let count = limit.get() + 1;
    let found: Vec<&Arc<Rule>> = match sort {
        Sort::OldestFirst => {
            wanted().filter(|rule| last.is_none_or(|last| rule.id > last)).take(count).collect()
        }
        Sort::NewestFirst => {
            wanted().rev().filter(|rule| last.is_none_or(|last| rule.id < last)).take(count).collect()
        }
    };
    let total = include.map(|page::Include::Total| wanted().count());
    let page = list.page(&found, limit.get(), |rule| rule.id.0, |rule| View::of(rule)).with_total(total);
    Ok(answer::json(StatusCode::OK, &page))
}

/// Gives a rule other terms: all of them, as the body tells.
///
/// # Errors
///
/// `malformed_request` for a malformed key; refusals of the rules are answers.
#[utoipa::path(
    put, path = "/api/v1/price-rules/{id}", tag = "Prices", operation_id = "replace_price_rule",
    security(("admin" = [])),
    params(("id" = Id<values::Rule>, Path, description = "The rule.")),
    request_body = RuleBody,
    responses(
        (status = 200, description = "The rule as it is now.", body = View),
        (status = 412, description = "version_mismatch"),
    ),
)]
pub async fn change(
    request: HttpRequest,
    engine: Shop,
    admin: AdminCaller,
    path: web::Path<String>,
    body: Json<RuleBody>,
) -> Result<HttpResponse, Problem> {
    let context = context::of_write(&request, &Caller::Admin(admin.0), &body.0)?;
    let changed = async {
        let id = parse(&path)?;
        // Of several tags in `If-Match` the present one is insisted on; the turn compares it again.
        let version = answer::version_wanted(&request, engine.rule_version(id));
        engine.change_rule(&context, id, body.to_actors(), version).await
    };
    Ok(match changed.await {
        Ok(answer) => respond(StatusCode::OK, &answer),
        Err(failure) => answer::refused(failure, &engine, None),
    })
}

/// Removes a rule.
///
/// # Errors
///
/// `malformed_request` for a malformed key; refusals of the rules are answers.
#[utoipa::path(
    delete, path = "/api/v1/price-rules/{id}", tag = "Prices", operation_id = "delete_price_rule",
    security(("admin" = [])),
    params(("id" = Id<values::Rule>, Path, description = "The rule.")),
    responses(
        (status = 204, description = "It is gone."),
        (status = 412, description = "version_mismatch"),
    ),
)]
pub async fn delete(
    request: HttpRequest,
    engine: Shop,
    admin: AdminCaller,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let context = context::of_write(&request, &Caller::Admin(admin.0), &())?;
    let deleted = async {
        let id = parse(&path)?;
        let version = answer::version_wanted(&request, engine.rule_version(id));
        engine.delete_rule(&context, id, version).await
    };
    Ok(answer::gone(deleted.await, &engine, None))
}

impl<'a> View<'a> {
    fn of(rule: &'a Rule) -> Self {
        let Rule { id, terms, version, created_at, updated_at } = rule;
        let (min_quantity, tier) = match terms.kind {
            Kind::Seasonal => (None, None),
            Kind::Bulk { min_quantity } => (Some(min_quantity.get()), None),
            Kind::Tier { tier } => (None, Some(tier.into())),
        };
        let (percent_off, amount_off) = match terms.off {
            Off::Percent(points) => (Some(points), None),
            Off::Amount(amount) => (None, Some(amount.0)),
        };
        Self {
            id: rule_id(*id),
            name: &terms.name,
            kind: step::word(terms.kind.step()),
            percent_off,
            amount_off,
            skus: terms.skus.iter().map(|sku| sku.as_str()).collect(),
            category_ids: terms.categories.iter().map(|id| Id::new(Uuid::from_u128(id.0))).collect(),
            min_quantity,
            tier,
            starts_at: terms.starts_at.map(Moment),
            ends_at: terms.ends_at.map(Moment),
            priority: terms.priority,
            active: terms.is_active,
            version: *version,
            created_at: Moment(*created_at),
            updated_at: Moment(*updated_at),
        }
    }
}

fn respond(status: StatusCode, answer: &Answer<Arc<Rule>>) -> HttpResponse {
    let response = answer::json(status, &View::of(&answer.value));
    answer::tagged(answer::written(response, answer), &answer.value.version.to_string())
}

/// The rule that a path names; text that is no id names nothing.
fn parse(path: &str) -> Result<RuleId, Failure> {
    let id = Id::<values::Rule>::parse(path).ok_or(Failure::NotFound)?;
    Ok(RuleId(id.uuid().as_u128()))
}

fn rule_id(id: RuleId) -> Id<values::Rule> {
    Id::new(Uuid::from_u128(id.0))
}

const fn kind_word(kind: Kind) -> KindWord {
    match kind {
        Kind::Seasonal => KindWord::Seasonal,
        Kind::Bulk { .. } => KindWord::Bulk,
        Kind::Tier { .. } => KindWord::Tier,
    }
}
