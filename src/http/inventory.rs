//! `/inventory/{sku}`: figures, adjustments, counts and the ledger.

pub mod batch;
pub(super) mod past;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use holdfast_actors::domain::product::{Command, Reason, VariantNo};
use holdfast_actors::domain::{ProductId, Sku, Units};
use holdfast_actors::{Answer, Engine, Failure, Inventory, Outcome, StockChange};
use serde::{Deserialize, Serialize};

use super::caller::{AdminCaller, Caller, is_admin};
use super::check::Check;
use super::field::{Fault, Field, Value};
use super::json::{Body, Json};
use super::position::AtLeast;
use super::problem::Problem;
use super::query::Query;
use super::shop::Shop;
use super::values::{self, Text, Whole};
use super::{answer, context, products, view};

/// More units than this are no count but a mistake.
const COUNT_MAX: i64 = 4_294_967_295;

/// An adjustment.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Adjustment {
    delta: Whole<-1_000_000, 1_000_000>,
    reason: ReasonWord,
    reference: Option<Text<1, 200>>,
    note: Option<Text<1, 2000>>,
}

/// As it came.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RawAdjustment {
    delta: Field<Whole<-1_000_000, 1_000_000>>,
    reason: Field<ReasonWord>,
    reference: Field<Text<1, 200>>,
    note: Field<Text<1, 2000>>,
}

type OnHand = Whole<0, COUNT_MAX>;

/// A count.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Count {
    on_hand: OnHand,
    expected: Option<OnHand>,
}

/// As it came.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RawCount {
    on_hand: Field<Whole<0, COUNT_MAX>>,
    expected: Field<Whole<0, COUNT_MAX>>,
}

/// The reason of an adjustment, as a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = AdjustmentReason)]
pub enum ReasonWord {
    /// Goods came in.
    Received,
    /// The books were wrong.
    Correction,
    /// Broken.
    Damaged,
    /// Gone.
    Shrinkage,
    /// Came back to be sold.
    Restock,
    /// A count in passing.
    CycleCount,
    /// See the note.
    Other,
}

impl Value<'_> for ReasonWord {
    const EXPECTED: &'static str = "a string";

    fn from_text(text: &str) -> Result<Self, Fault> {
        Ok(match text {
            "received" => Self::Received,
            "correction" => Self::Correction,
            "damaged" => Self::Damaged,
            "shrinkage" => Self::Shrinkage,
            "restock" => Self::Restock,
            "cycle_count" => Self::CycleCount,
            "other" => Self::Other,
            _ => {
                let known = "received, correction, damaged, shrinkage, restock, cycle_count or other";
                return Err(Fault::new("unknown_value", format!("Must be {known}.")));
            }
        })
    }
}

impl From<ReasonWord> for Reason {
    fn from(word: ReasonWord) -> Self {
        match word {
            ReasonWord::Received => Self::Received,
            ReasonWord::Correction => Self::Correction,
            ReasonWord::Damaged => Self::Damaged,
            ReasonWord::Shrinkage => Self::Shrinkage,
            ReasonWord::Restock => Self::Restock,
            ReasonWord::CycleCount => Self::CycleCount,
            ReasonWord::Other => Self::Other,
        }
    }
}

impl Body for Adjustment {
    type Raw = RawAdjustment;

    fn check(raw: RawAdjustment, check: &mut Check) -> Option<Self> {
        let delta = check.required("delta", raw.delta);
        if delta.is_some_and(|delta| delta.get() == 0) {
            check.refuse("delta", Fault::new("out_of_range", "Must not be 0."));
        }
        let reason = check.required("reason", raw.reason);
        let reference = check.optional("reference", raw.reference);
        let note = check.optional("note", raw.note);
        Some(Self { delta: delta?, reason: reason?, reference: reference?, note: note? })
    }
}

impl Body for Count {
    type Raw = RawCount;

    fn check(raw: RawCount, check: &mut Check) -> Option<Self> {
        let on_hand = check.required("on_hand", raw.on_hand);
        let expected = check.optional("expected", raw.expected);
        Some(Self { on_hand: on_hand?, expected: expected? })
    }
}

/// Answers the figures of a sku, now or as of a moment of the past.
///
/// As of a moment, the unit is the one that has the sku today. The past ends where the journal was trimmed, and
/// where too much has happened to the product since to be followed back in a few seconds.
///
/// # Errors
///
/// `not_found`, also for drafts unless an admin asks; whatever is wrong with a token.
#[utoipa::path(
    get, path = "/api/v1/inventory/{sku}", tag = "Inventory", operation_id = "get_inventory",
    security(("anyone" = [])),
    params(("sku" = values::Sku, Path, description = "The unit."), past::Past),
    responses(
        (status = 200, description = "Where its units are, or were.", body = view::InventoryThen),
        (status = 304, description = "The client has this version."),
        (status = 409, description = "limit_exceeded"),
    ),
)]
pub async fn read(
    request: HttpRequest,
    engine: Shop,
    sku: web::Path<String>,
    _at_least: AtLeast,
    past: Query<past::Past>,
) -> Result<HttpResponse, Problem> {
    let is_admin = is_admin(&request)?;
    let found = find(&engine, &sku);
    let facts = match products::visible(&engine, found.map(|(product, _)| product), is_admin).await {
        Ok(facts) => facts,
        Err(failure) => return Ok(answer::refused(failure, &engine, None)),
    };
    // It may have got another name since it was found.
    let (Some(place), Some(variant)) = (found, Sku::new(&sku).and_then(|sku| facts.variant(&sku))) else {
        return Ok(answer::refused(Failure::NotFound, &engine, None));
    };
    let sku = variant.description.sku.clone();
    if let Some(as_of) = past.as_of {
        return past::answer(&request, &engine, place, sku, as_of).await;
    }
    let tag = variant.version.to_string();
    let inventory = Inventory {
        product: facts.id,
        sku,
        levels: variant.levels,
        version: variant.version,
        updated_at: variant.updated_at,
    };
    let whole = || answer::json(StatusCode::OK, &view::InventoryView::of(&inventory));
    Ok(answer::unless_unchanged(&request, &tag, whole))
}

/// Adds or removes units that nobody holds.
///
/// # Errors
///
/// `malformed_request` for a malformed key; refusals of the rules are answers.
#[utoipa::path(
    post, path = "/api/v1/inventory/{sku}/adjustments", tag = "Inventory", operation_id = "adjust_inventory",
    security(("admin" = [])),
    params(("sku" = values::Sku, Path, description = "The unit.")),
    request_body = Adjustment,
    responses(
        (status = 201, description = "The movement and what came of it.", body = view::StockChangeView),
        (status = 409, description = "insufficient_stock, invalid_state"),
    ),
)]
pub async fn adjust(
    request: HttpRequest,
    engine: Shop,
    admin: AdminCaller,
    sku: web::Path<String>,
    body: Json<Adjustment>,
) -> Result<HttpResponse, Problem> {
    let command = |variant| Command::Adjust {
        variant,
        delta: body.delta(),
        reason: body.reason.into(),
        reference: body.reference.as_ref().map(|text| text.as_str().into()),
        note: body.note.as_ref().map(|text| text.as_str().into()),
    };
    change(&request, &engine, admin, &sku, &body.0, command, StatusCode::CREATED).await
}

/// States how many units are on hand.
///
/// # Errors
///
/// `malformed_request` for a malformed key; refusals of the rules are answers.
#[utoipa::path(
    post, path = "/api/v1/inventory/{sku}/counts", tag = "Inventory", operation_id = "count_inventory",
    security(("admin" = [])),
    params(("sku" = values::Sku, Path, description = "The unit.")),
    request_body = Count,
    responses(
        (status = 200, description = "The movement and what came of it.", body = view::StockChangeView),
        (status = 409, description = "expected_mismatch, insufficient_stock, invalid_state"),
    ),
)]
pub async fn count(
    request: HttpRequest,
    engine: Shop,
    admin: AdminCaller,
    sku: web::Path<String>,
    body: Json<Count>,
) -> Result<HttpResponse, Problem> {
    let command = |variant| Command::Count {
        variant,
        on_hand: units(body.on_hand),
        expected: body.expected.map(units),
    };
    change(&request, &engine, admin, &sku, &body.0, command, StatusCode::OK).await
}

impl Adjustment {
    fn delta(&self) -> i32 {
        i32::try_from(self.delta.get()).expect("the body's check is narrower than i32")
    }
}

fn units(number: Whole<0, COUNT_MAX>) -> Units {
    Units(u32::try_from(number.get()).expect("the body's check has the bounds of u32"))
}

async fn change(
    request: &HttpRequest,
    engine: &Engine,
    admin: AdminCaller,
    sku: &str,
    body: &impl Serialize,
    command: impl FnOnce(VariantNo) -> Command,
    status: StatusCode,
) -> Result<HttpResponse, Problem> {
    let caller = Caller::Admin(admin.0);
    let context = context::of_write(request, &caller, body)?;
    let Some(sku) = Sku::new(sku) else {
        return Ok(answer::refused(Failure::NotFound, engine, None));
    };
    let product = engine.find(&sku).map(|(product, _)| product);
    Ok(match engine.command_on(&context, &sku, command).await {
        Ok(answer) => {
            let answer: Answer<StockChange> = answer.map(|outcome| match outcome {
                Outcome::StockChanged(change) => change,
                other => unreachable!("a change of stock was answered with {other:?}"),
            });
            let body = view::StockChangeView::of(&answer.value, context.actor);
            answer::written(answer::json(status, &body), &answer)
        }
        Err(failure) => answer::refused(failure, engine, product),
    })
}

/// The product and variant of a sku in a path; text that is no sku names nothing.
pub(super) fn find(engine: &Engine, sku: &str) -> Option<(ProductId, VariantNo)> {
    engine.find(&Sku::new(sku)?)
}
