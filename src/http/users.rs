//! `/users`: an admin looks at accounts and says what they may do.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use holdfast_actors::domain::AccountId;
use holdfast_actors::domain::account::{Account, Change, Role, Tier};
use holdfast_actors::engine::AccountFilter;
use holdfast_actors::{Answer, Failure};
use serde::{Deserialize, Serialize};

use super::auth::Me;
use super::caller::{AdminCaller, Caller, UserId};
use super::check::Check;
use super::cursor::Cursors;
use super::field::{Fault, Field, Value};
use super::json::{Body, Json};
use super::page::{self, List, Page, Sort};
use super::position::AtLeast;
use super::prices::TierWord;
use super::problem::Problem;
use super::query::{Limit, NoQuery, Query};
use super::shop::Shop;
use super::values::{self, Id};
use super::{answer, context};
use crate::auth::email;

/// The query of the list.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Filter {
    /// Only accounts with this role.
    role: Option<RoleWord>,
    /// Only customers of this standing.
    tier: Option<TierWord>,
    /// Only the account with this address.
    email: Option<String>,
    /// In which order; there is one.
    #[serde(default)]
    #[param(required = false)]
    sort: Sort,
    /// Whether to count what is on all pages.
    include: Option<page::Include>,
    /// How many accounts a page has at most.
    #[serde(default)]
    limit: Limit,
    /// The `next_cursor` of the page before; only with the same filters.
    cursor: Option<String>,
}

/// What is to be otherwise: what is absent or null stays.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UserPatch {
    role: Option<RoleWord>,
    tier: Option<TierWord>,
}

/// As it came.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RawUserPatch {
    role: Field<RoleWord>,
    tier: Field<TierWord>,
}

/// What somebody may do: an admin runs the shop, a customer buys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = Role)]
pub enum RoleWord {
    /// Runs the shop.
    Admin,
    /// Buys.
    Customer,
}

/// An account as an admin sees it.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = User)]
struct View<'a> {
    #[serde(flatten)]
    me: Me<'a>,
    version: u32,
}

/// Answers a page of accounts, newest first.
///
/// # Errors
///
/// `malformed_request` for a cursor that is none of this list.
#[utoipa::path(
    get, path = "/api/v1/users", tag = "Accounts", operation_id = "list_users",
    security(("admin" = [])),
    params(Filter),
    responses((status = 200, description = "A page of accounts.", body = Page<View<'static>>)),
)]
pub async fn list(
    engine: Shop,
    cursors: web::Data<Cursors>,
    _admin: AdminCaller,
    filter: Query<Filter>,
    _at_least: AtLeast,
) -> Result<HttpResponse, Problem> {
    let Query(Filter { role, tier, email, sort: Sort::NewestFirst, include, limit, cursor }) = filter;
    let list = List::new(&cursors, format!("users?role={role:?}&tier={tier:?}&email={email:?}"));
    let before = list.last(cursor.as_deref())?;
    let wanted = AccountFilter { role: role.map(Role::from), tier: tier.map(Tier::from) };
    let find = async |before: Option<u128>, count| match &email {
        Some(email) => one_of(&engine, email, wanted, before.map(AccountId)).await,
        None => engine.accounts(wanted, before.map(AccountId), count).await,
    };
    let id = |account: &Account| account.id.0;
    let told = async {
        let total = page::total(include, id, find).await?;
        let found = find(before, limit.get() + 1).await?;
        Ok(answer::json(StatusCode::OK, &list.page(&found, limit.get(), id, View::of).with_total(total)))
    };
    Ok(told.await.unwrap_or_else(|failure| answer::refused(failure, &engine, None)))
}

/// Answers one account.
///
/// # Errors
///
/// Whatever is wrong with a token.
#[utoipa::path(
    get, path = "/api/v1/users/{id}", tag = "Accounts", operation_id = "get_user",
    security(("admin" = [])),
    params(("id" = UserId, Path, description = "The account.")),
    responses(
        (status = 200, description = "The account.", body = View),
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
    let Some(id) = account_id(&path) else { return Ok(answer::refused(Failure::NotFound, &engine, None)) };
    Ok(match engine.account(id).await {
        Ok(Some(account)) => answer::unless_unchanged(&request, &account.version.to_string(), || {
            answer::json(StatusCode::OK, &View::of(&account))
        }),
        Ok(None) => answer::refused(Failure::NotFound, &engine, None),
        Err(failure) => answer::refused(failure, &engine, None),
    })
}

/// Changes what somebody may do, and their standing.
///
/// Who loses the role of an admin is none from the next request on. The last admin keeps it.
///
/// # Errors
///
/// `malformed_request` for a malformed key; refusals of the rules are answers.
#[utoipa::path(
    patch, path = "/api/v1/users/{id}", tag = "Accounts", operation_id = "patch_user",
    security(("admin" = [])),
    params(("id" = UserId, Path, description = "The account.")),
    request_body = UserPatch,
    responses(
        (status = 200, description = "The account as it is now.", body = View),
        (status = 409, description = "invalid_state"),
        (status = 412, description = "version_mismatch"),
    ),
)]
pub async fn patch(
    request: HttpRequest,
    engine: Shop,
    admin: AdminCaller,
    path: web::Path<String>,
    body: Json<UserPatch>,
) -> Result<HttpResponse, Problem> {
    let context = context::of_write(&request, &Caller::Admin(admin.0), &body.0)?;
    let Some(id) = account_id(&path) else { return Ok(answer::refused(Failure::NotFound, &engine, None)) };
    let current = match engine.account(id).await {
        Ok(account) => account.map(|account| account.version),
        Err(failure) => return Ok(answer::refused(failure, &engine, None)),
    };
    // Of several tags in `If-Match` the present one is insisted on; the turn compares it again.
    let version = answer::version_wanted(&request, current);
    let change = Change { role: body.role.map(Role::from), tier: body.tier.map(Tier::from) };
    Ok(match engine.change_account(&context, id, change, version).await {
        Ok(changed) => respond(&changed),
        Err(failure) => answer::refused(failure, &engine, None),
    })
}

fn respond(changed: &Answer<Account>) -> HttpResponse {
    let response = answer::json(StatusCode::OK, &View::of(&changed.value));
    answer::tagged(answer::written(response, changed), &changed.value.version.to_string())
}

/// The account of an email, if it is on the page.
async fn one_of(
    engine: &Shop,
    email: &str,
    wanted: AccountFilter,
    before: Option<AccountId>,
) -> Result<Vec<Account>, Failure> {
    let Some(email) = email::normalized(email) else { return Ok(Vec::new()) };
    let is_wanted = |account: &Account| {
        wanted.role.is_none_or(|role| account.role == role)
            && wanted.tier.is_none_or(|tier| account.tier == tier)
            && before.is_none_or(|before| account.id < before)
    };
    Ok(engine.account_by_email(&email).await?.into_iter().filter(is_wanted).collect())
}

/// The account that a path names; text that is no id names nobody.
fn account_id(path: &str) -> Option<AccountId> {
    Id::<values::User>::parse(path).map(|id| AccountId(id.uuid().as_u128()))
}

impl<'a> View<'a> {
    fn of(account: &'a Account) -> Self {
        Self { me: Me::of(account), version: account.version }
    }
}

impl Body for UserPatch {
    type Raw = RawUserPatch;

    fn check(raw: RawUserPatch, check: &mut Check) -> Option<Self> {
        let role = check.optional("role", raw.role);
        let tier = check.optional("tier", raw.tier);
        Some(Self { role: role?, tier: tier? })
    }
}

impl Value<'_> for RoleWord {
    const EXPECTED: &'static str = "a string";

    fn from_text(text: &str) -> Result<Self, Fault> {
        match text {
            "admin" => Ok(Self::Admin),
            "customer" => Ok(Self::Customer),
            _ => Err(Fault::new("unknown_value", "Must be `admin` or `customer`.")),
        }
    }
}

impl From<RoleWord> for Role {
    fn from(word: RoleWord) -> Self {
        match word {
            RoleWord::Admin => Self::Admin,
            RoleWord::Customer => Self::Customer,
        }
    }
}
