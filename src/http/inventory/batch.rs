//! `POST /inventory/batch`: up to ten thousand adjustments and counts in one request, each on its own or all or none.

use std::borrow::Cow;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use holdfast_actors::engine::{Recount, StockOperation, StockRefusal};
use holdfast_actors::{Answer, Engine, Failure, StockChange};
use serde::{Deserialize, Serialize, Serializer};

use super::{Adjustment, Count, OnHand, RawAdjustment, RawCount, ReasonWord, units};
use crate::http::caller::{AdminCaller, Caller};
use crate::http::check::Check;
use crate::http::field::{Fault, Field, NumberOr, Objects, Value};
use crate::http::json::{Body, Json};
use crate::http::problem::{Code, LineProblem, Problem};
use crate::http::refusal::{self, Asked};
use crate::http::shop::Shop;
use crate::http::values::{Sku, Text, Whole};
use crate::http::{answer, context, view};

/// How many operations one request may have.
const OPERATIONS_MAX: usize = 10_000;

/// The largest body, in bytes.
pub const BODY_BYTES_MAX: usize = 8 * 1024 * 1024;

/// A first guess at the bytes of one result, so that the answer's buffer rarely grows.
const RESULT_BYTES_USUAL: usize = 256;

/// Many operations.
#[derive(Debug, Serialize)]
pub struct Batch {
    mode: Mode,
    operations: Vec<Operation>,
}

/// Many operations, as they came.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = InventoryBatch)]
pub struct RawBatch {
    #[serde(default)]
    #[schema(required, value_type = Mode)]
    mode: Field<Mode>,
    #[serde(default)]
    #[schema(required, value_type = Operations)]
    operations: Field<Operations>,
}

type Operations = Objects<RawOperation, OPERATIONS_MAX>;

/// Whether one that fails lets the others be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = BatchMode)]
enum Mode {
    Atomic,
    Independent,
}

type Delta = Whole<-1_000_000, 1_000_000>;

/// One operation.
#[derive(Debug, Serialize)]
struct Operation {
    sku: Sku,
    change: Change,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Change {
    Adjust(Adjustment),
    Count(Count),
}

/// One operation, as it came: `adjust` and `count` are numbers with their other fields beside them, or objects with all of them.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = InventoryOperation)]
struct RawOperation {
    #[serde(default)]
    #[schema(required, value_type = Sku)]
    sku: Field<Sku>,
    #[serde(default)]
    #[schema(value_type = Option<NumberOr<Delta, Adjustment>>)]
    adjust: Field<NumberOr<Delta, RawAdjustment>>,
    #[serde(default)]
    #[schema(value_type = Option<NumberOr<OnHand, Count>>)]
    count: Field<NumberOr<OnHand, RawCount>>,
    #[serde(default)]
    #[schema(value_type = Option<ReasonWord>)]
    reason: Field<ReasonWord>,
    #[serde(default)]
    #[schema(value_type = Option<Text<1, 200>>)]
    reference: Field<Text<1, 200>>,
    #[serde(default)]
    #[schema(value_type = Option<Text<1, 2000>>)]
    note: Field<Text<1, 2000>>,
    #[serde(default)]
    #[schema(value_type = Option<OnHand>)]
    expected: Field<OnHand>,
}

/// What became of all, in their order.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = InventoryBatchAnswer)]
struct Answered<'a> {
    #[schema(value_type = Vec<One<'static>>)]
    results: Results<'a>,
    succeeded: usize,
    failed: usize,
}

struct Results<'a> {
    asked: &'a [Operation],
    done: &'a [Result<StockChange, Failure>],
    engine: &'a Engine,
}

/// What became of one.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(untagged)]
#[schema(as = InventoryResult)]
enum One<'a> {
    Done {
        index: usize,
        sku: &'a str,
        status: u16,
        inventory: view::InventoryView<'a>,
    },
    Failed {
        index: usize,
        sku: &'a str,
        status: u16,
        code: Code,
        detail: Cow<'static, str>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        lines: Vec<LineProblem>,
    },
}

/// Carries out many operations.
///
/// # Errors
///
/// `malformed_request` for a malformed key.
#[utoipa::path(
    post, path = "/api/v1/inventory/batch", tag = "Inventory", operation_id = "batch_inventory",
    security(("admin" = [])),
    request_body = RawBatch,
    responses(
        (status = 200, description = "What became of each, in their order.", body = Answered),
        (status = 409, description = "insufficient_stock, expected_mismatch, invalid_state"),
    ),
)]
pub async fn create(
    request: HttpRequest,
    engine: Shop,
    admin: AdminCaller,
    body: Json<Batch>,
) -> Result<HttpResponse, Problem> {
    let context = context::of_write(&request, &Caller::Admin(admin.0), &body.0)?;
    let asked = &body.operations;
    let operations = asked.iter().map(Operation::to_actors).collect();
    let done = match engine.stock_batch(&context, body.mode == Mode::Atomic, operations).await {
        Ok(done) => done,
        Err(StockRefusal::Failed(failure)) => return Ok(answer::refused(failure, &engine, None)),
        Err(StockRefusal::Lines(lines)) => return Ok(none_done(&lines, asked, &engine).respond()),
    };
    let succeeded = done.iter().filter(|done| done.is_ok()).count();
    let answered = Answered {
        results: Results { asked, done: &done, engine: &engine },
        succeeded,
        failed: done.len() - succeeded,
    };
    let response = answer::large_json(StatusCode::OK, &answered, done.len() * RESULT_BYTES_USUAL);
    // One place of many: that of the last operation.
    let position = done.iter().rev().find_map(|done| done.as_ref().ok()).map(|change| change.position);
    Ok(answer::written(response, &Answer { value: (), position, is_replayed: false }))
}

/// All or none, and it was none: every failing line is named, and the first says why.
fn none_done(failed: &[(usize, Failure)], asked: &[Operation], engine: &Engine) -> Problem {
    let mut code = Code::InvalidState;
    let mut lines = Vec::with_capacity(failed.len());
    for (index, failure) in failed.iter().rev() {
        let sku = asked[*index].sku.as_str().to_owned();
        let problem = explain(failure, &asked[*index], engine);
        code = problem.code();
        let (_, short) = problem.into_detail_and_lines();
        let bare = LineProblem { index: *index, sku, code, requested: 0, available: 0, reserved: 0 };
        lines.push(short.into_iter().next().map_or(bare.clone(), |short| LineProblem {
            requested: short.requested,
            available: short.available,
            reserved: short.reserved,
            ..bare
        }));
    }
    lines.reverse();
    // A batch is refused as a whole: whatever its first line lacks, nothing of the batch was done.
    let code = if code.status() == StatusCode::CONFLICT { code } else { Code::InvalidState };
    let detail =
        format!("{} of {} operations fail, and nothing was done; see lines.", lines.len(), asked.len());
    Problem::new(code, detail).with_lines(lines)
}

fn explain(failure: &Failure, asked: &Operation, engine: &Engine) -> Problem {
    let product = engine.find(&asked.sku.to_domain()).map(|(product, _)| product);
    refusal::problem(failure, engine, product.map_or(Asked::Nothing, Asked::Product))
}

impl Serialize for Results<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let all = self.done.iter().zip(self.asked).enumerate();
        serializer.collect_seq(all.map(|(index, (done, asked))| {
            let sku = asked.sku.as_str();
            match done {
                Ok(change) => {
                    let inventory = view::InventoryView::of(&change.inventory);
                    One::Done { index, sku, status: StatusCode::OK.as_u16(), inventory }
                }
                Err(failure) => {
                    let problem = explain(failure, asked, self.engine);
                    let (status, code) = (problem.code().status().as_u16(), problem.code());
                    let (detail, lines) = problem.into_detail_and_lines();
                    One::Failed { index, sku, status, code, detail, lines }
                }
            }
        }))
    }
}

impl Value<'_> for Mode {
    const EXPECTED: &'static str = "a string";

    fn from_text(text: &str) -> Result<Self, Fault> {
        match text {
            "atomic" => Ok(Self::Atomic),
            "independent" => Ok(Self::Independent),
            _ => Err(Fault::new("unknown_value", "Must be atomic or independent.")),
        }
    }
}

impl Body for Batch {
    type Raw = RawBatch;

    fn check(raw: RawBatch, check: &mut Check) -> Option<Self> {
        let mode = check.required("mode", raw.mode);
        let operations = check.objects("operations", raw.operations, Operation::check);
        Some(Self { mode: mode?, operations: operations? })
    }
}

impl Operation {
    fn check(raw: RawOperation, check: &mut Check) -> Option<Self> {
        let sku = check.required("sku", raw.sku);
        let change = match (raw.adjust, raw.count) {
            (Field::Absent | Field::Null, Field::Absent | Field::Null) => {
                check.refuse("adjust", Fault::new("required", "Either `adjust` or `count` must be there."));
                None
            }
            (adjust, Field::Absent | Field::Null) => {
                let raw = match check.required("adjust", adjust)? {
                    NumberOr::Object(raw) => raw,
                    NumberOr::Number(delta) => RawAdjustment {
                        delta: Field::Good(delta),
                        reason: raw.reason,
                        reference: raw.reference,
                        note: raw.note,
                    },
                };
                Adjustment::check(raw, check).map(Change::Adjust)
            }
            (Field::Absent | Field::Null, count) => {
                let raw = match check.required("count", count)? {
                    NumberOr::Object(raw) => raw,
                    NumberOr::Number(on_hand) => {
                        RawCount { on_hand: Field::Good(on_hand), expected: raw.expected }
                    }
                };
                Count::check(raw, check).map(Change::Count)
            }
            _ => {
                check.refuse(
                    "count",
                    Fault::new("conflict", "Only one of `adjust` and `count` may be there."),
                );
                None
            }
        };
        Some(Self { sku: sku?, change: change? })
    }

    fn to_actors(&self) -> StockOperation {
        let recount = match &self.change {
            Change::Adjust(adjustment) => Recount::Adjust {
                delta: adjustment.delta(),
                reason: adjustment.reason.into(),
                reference: adjustment.reference.as_ref().map(|text| text.as_str().into()),
                note: adjustment.note.as_ref().map(|text| text.as_str().into()),
            },
            Change::Count(count) => {
                Recount::Count { on_hand: units(count.on_hand), expected: count.expected.map(units) }
            }
        };
        StockOperation { sku: self.sku.to_domain(), recount }
    }
}
