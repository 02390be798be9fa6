//! `GET /inventory/{sku}/movements`: the ledger of a sku, newest first, read from the journal.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use holdfast_actors::Failure;
use holdfast_actors::domain::Units;
use holdfast_actors::domain::product::Levels;
use holdfast_actors::ledger::{self, Bookmark};
use holdfast_actors::persistence::Sequence;
use serde::{Deserialize, Serialize};

use super::caller::AdminCaller;
use super::cursor::Cursors;
use super::position::AtLeast;
use super::problem::Problem;
use super::query::{Limit, Query};
use super::shop::Shop;
use super::{answer, inventory, values, view};

/// The query.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Filter {
    kind: Option<Kind>,
    #[serde(default)]
    limit: Limit,
    cursor: Option<String>,
}

/// The kinds that can be asked for.
#[derive(Clone, Copy, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = MovementKind)]
pub(super) enum Kind {
    Received,
    Adjusted,
    Counted,
    Reserved,
    Extended,
    Released,
    Expired,
    Committed,
    Fulfilled,
    Canceled,
}

#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = MovementPage)]
struct Page<'a> {
    data: Vec<view::Movement<'a>>,
    next_cursor: Option<String>,
}

/// Answers a page of the ledger.
///
/// # Errors
///
/// `malformed_request` for a cursor that is none of this list; `internal` when the journal cannot be read.
#[utoipa::path(
    get, path = "/api/v1/inventory/{sku}/movements", tag = "Inventory", operation_id = "list_movements",
    security(("admin" = [])),
    params(("sku" = values::Sku, Path, description = "The unit."), Filter),
    responses(
        (status = 200, description = "A page of movements, newest first.", body = Page),
    ),
)]
pub async fn list(
    engine: Shop,
    cursors: web::Data<Cursors>,
    _admin: AdminCaller,
    sku: web::Path<String>,
    filter: Query<Filter>,
    _at_least: AtLeast,
) -> Result<HttpResponse, Problem> {
    let Some((product, variant)) = inventory::find(&engine, &sku) else {
        let failure =
            engine.until_absence_is_certain().await.map_or_else(Failure::from, |()| Failure::NotFound);
        return Ok(answer::refused(failure, &engine, None));
    };
    let wanted = filter.kind.map(Kind::word);
    // Not the sku: it may be another variant's by the next page, and a cursor must not lead into a foreign ledger.
    let (whose, no) = (product.0, variant.0);
    let list = format!("movements?product={whose:x}&variant={no}&kind={}", wanted.unwrap_or_default());
    let from = match &filter.cursor {
        Some(cursor) => unpack(&cursors.decode(&list, cursor)?),
        None => match engine.ledger_start(product, variant).await {
            Ok(start) => start,
            Err(failure) => return Ok(answer::refused(failure, &engine, None)),
        },
    };
    let account = engine.ledger_account(product, variant);
    let reader = engine.reader().expect("a server's journal is on disk");
    let limit = filter.limit.get();
    let read = move || {
        ledger::read(&reader, account, from, limit, |kind| {
            wanted.is_none_or(|wanted| wanted == view::kind(kind))
        })
    };
    // The ledger is on the disk: not on a thread that serves requests.
    let page = web::block(read).await.map_err(Problem::internal)?.map_err(Problem::internal)?;
    let body = Page {
        data: page.rows.iter().map(view::Movement::of).collect(),
        next_cursor: page.next.map(|next| cursors.encode(&list, &pack(next))),
    };
    Ok(answer::json(StatusCode::OK, &body))
}

impl Kind {
    const fn word(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Adjusted => "adjusted",
            Self::Counted => "counted",
            Self::Reserved => "reserved",
            Self::Extended => "extended",
            Self::Released => "released",
            Self::Expired => "expired",
            Self::Committed => "committed",
            Self::Fulfilled => "fulfilled",
            Self::Canceled => "canceled",
        }
    }
}

/// Shape of a cursor's payload: `sequence: u64 | shown: u16 | available, reserved, committed: u32`.
fn pack(bookmark: Bookmark) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(22);
    bytes.extend_from_slice(&bookmark.sequence.0.to_be_bytes());
    bytes.extend_from_slice(&bookmark.shown.to_be_bytes());
    for level in [bookmark.levels.available, bookmark.levels.reserved, bookmark.levels.committed] {
        bytes.extend_from_slice(&level.0.to_be_bytes());
    }
    bytes
}

/// # Panics
///
/// Never: a cursor that passed its check was packed here.
fn unpack(bytes: &[u8]) -> Bookmark {
    let number = |from: usize| {
        let bytes = bytes[from..from + 4].try_into().expect("four bytes");
        Units(u32::from_be_bytes(bytes))
    };
    Bookmark {
        sequence: Sequence(u64::from_be_bytes(bytes[..8].try_into().expect("eight bytes"))),
        shown: u16::from_be_bytes(bytes[8..10].try_into().expect("two bytes")),
        levels: Levels { available: number(10), reserved: number(14), committed: number(18) },
    }
}
