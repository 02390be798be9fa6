//! `GET /inventory/{sku}/movements`: the ledger of a sku, newest first, read from the journal.

use std::time::{Duration, Instant};

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use holdfast_actors::Failure;
use holdfast_actors::domain::Units;
use holdfast_actors::domain::product::Levels;
use holdfast_actors::ledger::whole::{self, Oldest, Shown};
use holdfast_actors::ledger::{self, Account, Bookmark, Row};
use holdfast_actors::persistence::{self, Reader, Sequence};
use serde::{Deserialize, Serialize};

use super::caller::AdminCaller;
use super::cursor::Cursors;
use super::page::Include;
use super::position::AtLeast;
use super::problem::{Code, Problem};
use super::query::{Limit, Query};
use super::shop::Shop;
use super::{answer, inventory, values, view};

/// How long a page may look through a ledger that has to be gone through as a whole.
const WALK_MAX: Duration = Duration::from_secs(5);

/// The query.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Filter {
    kind: Option<Kind>,
    #[serde(default)]
    sort: Sort,
    #[serde(default)]
    limit: Limit,
    cursor: Option<String>,
    include: Option<Include>,
}

/// In which order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[schema(as = MovementSort)]
pub(super) enum Sort {
    /// The newest first.
    #[default]
    #[serde(rename = "-at")]
    Newest,
    /// The oldest first: of a ledger that is not very long.
    #[serde(rename = "at")]
    Oldest,
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
    /// How many there are on all pages; there with `include=total`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = usize, required = false)]
    total: Option<usize>,
}

/// What was read: rows, the payload of the next cursor, the total.
struct Found {
    rows: Vec<Row>,
    next: Option<Vec<u8>>,
    total: Option<usize>,
}

/// Answers a page of the ledger. It begins where the journal does: what was trimmed is not there any more.
///
/// # Errors
///
/// `malformed_request` for a cursor that is none of this list; `limit_exceeded` when a ledger is too long to be counted or
/// read from its beginning; `internal` when the journal cannot be read.
#[utoipa::path(
    get, path = "/api/v1/inventory/{sku}/movements", tag = "Inventory", operation_id = "list_movements",
    security(("admin" = [])),
    params(("sku" = values::Sku, Path, description = "The unit."), Filter),
    responses(
        (status = 200, description = "A page of movements, newest first.", body = Page),
        (status = 409, description = "limit_exceeded"),
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
    // Not the sku: it may be another variant's by the next page, and a cursor must not lead into a foreign ledger.
    let (whose, no) = (product.0, variant.0);
    let kind = filter.kind.map(Kind::word).unwrap_or_default();
    let list = match filter.sort {
        Sort::Newest => format!("movements?product={whose:x}&variant={no}&kind={kind}"),
        Sort::Oldest => format!("movements?product={whose:x}&variant={no}&kind={kind}&sort=at"),
    };
    let cursor = filter.cursor.as_ref().map(|cursor| cursors.decode(&list, cursor)).transpose()?;
    let start = match engine.ledger_start(product, variant).await {
        Ok(start) => start,
        Err(failure) => return Ok(answer::refused(failure, &engine, None)),
    };
    let account = engine.ledger_account(product, variant);
    let reader = engine.reader().expect("a server's journal is on disk");
    let look = move || look(&reader, account, start, cursor.as_deref(), &filter.0);
    // The ledger is on the disk: not on a thread that serves requests.
    let found = web::block(look).await.map_err(Problem::internal)?.map_err(Problem::internal)?;
    let found = match found {
        Looked::Found(found) => found,
        Looked::TooLong => return Err(too_long()),
        Looked::AnotherPast => return Err(Cursors::foreign()),
    };
    let body = Page {
        data: found.rows.iter().map(view::Movement::of).collect(),
        next_cursor: found.next.map(|next| cursors.encode(&list, &next)),
        total: found.total,
    };
    Ok(answer::json(StatusCode::OK, &body))
}

/// What came of looking.
enum Looked {
    Found(Found),
    /// The ledger is too long for what is asked.
    TooLong,
    /// The cursor is of before the journal was put back to an earlier moment.
    AnotherPast,
}

fn look(
    reader: &Reader,
    account: Account,
    start: Bookmark,
    cursor: Option<&[u8]>,
    filter: &Filter,
) -> Result<Looked, ledger::Error> {
    let wanted = filter.kind.map(Kind::word);
    let wants = |kind| wanted.is_none_or(|wanted| wanted == view::kind(kind));
    let limit = filter.limit.get();
    let until = Instant::now() + WALK_MAX;
    let total = match filter.include {
        Some(Include::Total) => {
            let total = whole::count(reader, account, start, until, wants)?;
            let Some(total) = total else { return Ok(Looked::TooLong) };
            Some(total)
        }
        None => None,
    };
    // A cursor knows figures as they were at its record. Where that is another one by now they would not add up.
    if let Some(cursor) = cursor
        && is_of_another_past(reader, account, named(cursor))?
    {
        return Ok(Looked::AnotherPast);
    }
    Ok(match filter.sort {
        Sort::Newest => {
            let page = ledger::read(reader, account, cursor.map_or(start, unpack), limit, wants)?;
            let next = match page.next {
                Some(next) => Some(pack(next, check_at(reader, account, next.sequence)?)),
                None => None,
            };
            Looked::Found(Found { rows: page.rows, next, total })
        }
        Sort::Oldest => {
            let shown = cursor.map(unpack_shown);
            let oldest = whole::oldest(reader, account, start, until, shown, limit, wants)?;
            let Some(Oldest { rows, has_more }) = oldest else { return Ok(Looked::TooLong) };
            let next = match rows.last().filter(|_| has_more) {
                Some(row) => Some(pack_shown(row, check_at(reader, account, row.position.sequence)?)),
                None => None,
            };
            Looked::Found(Found { next, rows, total })
        }
    })
}

/// Whether a record is another one than a cursor knew, or is not there any more without having been trimmed.
fn is_of_another_past(
    reader: &Reader,
    account: Account,
    (sequence, check): (Sequence, u32),
) -> Result<bool, ledger::Error> {
    match reader.read(account.partition, sequence) {
        Ok(Some(record)) => Ok(record.as_record().check() != check),
        Ok(None) => Ok(sequence != Sequence(0)),
        Err(persistence::Error::Trimmed { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// The check of a record; none where it was trimmed, or where there is none: nothing is read there.
fn check_at(reader: &Reader, account: Account, sequence: Sequence) -> Result<Option<u32>, ledger::Error> {
    if sequence == Sequence(0) {
        return Ok(None);
    }
    match reader.read(account.partition, sequence) {
        Ok(record) => Ok(record.map(|record| record.as_record().check())),
        Err(persistence::Error::Trimmed { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn too_long() -> Problem {
    let detail =
        "The ledger is too long to be counted, or to be read from its beginning; read it from its newest.";
    Problem::new(Code::LimitExceeded, detail)
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

/// Shape of a cursor's payload: `sequence: u64 | check: u32 | shown: u16 | available, reserved, committed: u32`; `check` is that of the
/// record of this sequence, 0 where there is none.
fn pack(bookmark: Bookmark, check: Option<u32>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(26);
    bytes.extend_from_slice(&bookmark.sequence.0.to_be_bytes());
    bytes.extend_from_slice(&check.unwrap_or_default().to_be_bytes());
    bytes.extend_from_slice(&bookmark.shown.to_be_bytes());
    for level in [bookmark.levels.available, bookmark.levels.reserved, bookmark.levels.committed] {
        bytes.extend_from_slice(&level.0.to_be_bytes());
    }
    bytes
}

/// The record that a cursor of either shape names.
///
/// # Panics
///
/// Never: a cursor that passed its check was packed here.
fn named(bytes: &[u8]) -> (Sequence, u32) {
    let sequence = bytes[..8].try_into().expect("eight bytes");
    let check = bytes[8..12].try_into().expect("four bytes");
    (Sequence(u64::from_be_bytes(sequence)), u32::from_be_bytes(check))
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
        sequence: named(bytes).0,
        shown: u16::from_be_bytes(bytes[12..14].try_into().expect("two bytes")),
        levels: Levels { available: number(14), reserved: number(18), committed: number(22) },
    }
}

/// Shape of the payload where the oldest come first: `sequence: u64 | check: u32 | index: u16`.
fn pack_shown(row: &Row, check: Option<u32>) -> Vec<u8> {
    let mut bytes = row.position.sequence.0.to_be_bytes().to_vec();
    bytes.extend_from_slice(&check.unwrap_or_default().to_be_bytes());
    bytes.extend_from_slice(&row.index.to_be_bytes());
    bytes
}

/// # Panics
///
/// Never: a cursor that passed its check was packed here.
fn unpack_shown(bytes: &[u8]) -> Shown {
    Shown { sequence: named(bytes).0, index: u16::from_be_bytes(bytes[12..].try_into().expect("two bytes")) }
}
