//! `GET /inventory/{sku}?as_of=`: the figures as they were, for whoever may see what they are now.
//!
//! `as_of` is a time (everything stamped up to it) or a `Journal-Position` (that record and everything before it in the
//! journal). The unit is the one that has the sku today; where it had another one then, the answer is 404 and says so.

use std::time::{Duration, Instant};

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use holdfast_actors::domain::product::VariantNo;
use holdfast_actors::domain::{ProductId, Sku, Timestamp};
use holdfast_actors::ledger::past::{self, Found, Moment, Present};
use holdfast_actors::{Engine, ledger};
use serde::Deserialize;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::http::openapi::inline::value_schemas;
use crate::http::position::Mark;
use crate::http::prices::moment::When;
use crate::http::problem::{Code, Problem};
use crate::http::values::schema;
use crate::http::{answer, view};

/// How many walks go on at once: they are long, and everybody may ask for one.
const WALKS_MAX: usize = 2;

/// How long one may take.
const WALK_MAX: Duration = Duration::from_secs(5);

/// How long one may wait for its turn.
const TURN_WAIT_MAX: Duration = Duration::from_secs(2);

static WALKS: Semaphore = Semaphore::const_new(WALKS_MAX);

/// The query.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Past {
    /// The figures as they were then: a moment (RFC 3339) or a token that came as `Journal-Position`.
    pub(super) as_of: Option<AsOf>,
}

/// A moment of the past.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(in crate::http) struct AsOf(Moment);

value_schemas! {
    impl[] AsOf as "as_of" => schema::text().max_length(Some(64)).examples(["2026-11-20T12:00:00.000Z"]);
}

impl TryFrom<String> for AsOf {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        let time = When::parse(&text).map(|when| Moment::At(when.to_domain()));
        let moment = time.or_else(|| Mark::parse(&text).map(|mark| Moment::After(mark.position)));
        moment.map(Self).ok_or(
            "must be a moment such as 2026-11-20T12:00:00.000Z (RFC 3339; `+` is written `%2B`) or a token that came as \
             Journal-Position",
        )
    }
}

/// Answers the figures of a unit, which the caller may see, as they were.
pub(super) async fn answer(
    request: &HttpRequest,
    engine: &Engine,
    (product, variant): (ProductId, VariantNo),
    sku: Sku,
    AsOf(moment): AsOf,
) -> Result<HttpResponse, Problem> {
    let present = match engine.past_start(product, variant, sku.clone()).await {
        Ok(present) => present,
        Err(failure) => return Ok(answer::refused(failure, engine, None)),
    };
    refuse_future(engine, &present, moment)?;
    let turn = timeout(TURN_WAIT_MAX, WALKS.acquire()).await;
    let _turn = turn.map_err(|_| busy())?.expect("nobody closes it");
    let account = engine.ledger_account(product, variant);
    let reader = engine.reader().expect("a server's journal is on disk");
    // The journal is on the disk: not on a thread that serves requests.
    let walk = move || -> Result<_, ledger::Error> {
        let found = past::read(&reader, account, &present, moment, Instant::now() + WALK_MAX)?;
        let since_ms = if found == Found::Trimmed { reader.stat()?.first_time_ms } else { None };
        Ok((found, since_ms.map(Timestamp)))
    };
    let (found, since) = web::block(walk).await.map_err(Problem::internal)?.map_err(Problem::internal)?;
    let past = match found {
        Found::Was(past) => past,
        Found::NotYet => return Err(absent("The unit was not there yet.".to_owned())),
        Found::CalledOtherwise(other) => {
            return Err(absent(format!(
                "The unit that has this sku now was called `{}` then.",
                other.as_str()
            )));
        }
        Found::Trimmed => return Err(trimmed(since)),
        Found::TooFar => return Err(too_far()),
    };
    let tag = past.version.to_string();
    let whole = || answer::json(StatusCode::OK, &view::InventoryThen::of(product, &sku, &past));
    Ok(answer::unless_unchanged(request, &tag, whole))
}

/// What is to come has no figures yet. A partition's clock may be ahead of the machine's, so what has a record is no future.
fn refuse_future(engine: &Engine, present: &Present, moment: Moment) -> Result<(), Problem> {
    let is_past = match moment {
        Moment::At(time) => time <= engine.now().max(present.updated_at),
        Moment::After(position) => engine.has_reached(position),
    };
    if is_past {
        return Ok(());
    }
    let detail = "The query parameter `as_of` names a moment that has not come.";
    Err(Problem::new(Code::MalformedRequest, detail))
}

fn absent(detail: String) -> Problem {
    Problem::new(Code::NotFound, detail)
}

fn trimmed(since: Option<Timestamp>) -> Problem {
    let since = since.map(|since| format!(": it begins at {}", view::Moment(since))).unwrap_or_default();
    Problem::new(Code::NotFound, format!("The journal does not reach back so far{since}."))
}

fn too_far() -> Problem {
    let detail = "The product changed too often since then to be followed back; an operator can restore the journal to \
                  that moment, into a new folder.";
    Problem::new(Code::LimitExceeded, detail)
}

fn busy() -> Problem {
    Problem::new(Code::Overloaded, "Too many look into the past at once; try again.")
}
