//! Pages of lists by id: whose things a caller may list, and where the next page begins.

use holdfast_actors::domain::{AccountId, Owner};
use serde::{Deserialize, Serialize};

use super::caller::{Caller, UserId};
use super::context;
use super::cursor::Cursors;
use super::problem::{Code, Problem};

/// Rows that one look counts, so that it pauses nobody.
const COUNTED_ROWS_MAX: usize = 1_000;

/// One page.
#[derive(Serialize, utoipa::ToSchema)]
pub struct Page<T> {
    data: Vec<T>,
    next_cursor: Option<String>,
    /// How many there are on all pages; there with `include=total`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = usize, required = false)]
    total: Option<usize>,
}

/// In which order: there is one.
#[derive(Clone, Copy, Debug, Default, Deserialize, utoipa::ToSchema)]
#[schema(as = NewestFirst)]
pub enum Sort {
    /// The newest first.
    #[default]
    #[serde(rename = "-created_at")]
    NewestFirst,
}

/// What a list tells besides.
#[derive(Clone, Copy, Debug, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = PageInclude)]
pub enum Include {
    /// How many there are on all pages.
    Total,
}

/// A list and its filters, as its cursors know it.
pub struct List<'a> {
    cursors: &'a Cursors,
    name: String,
}

/// Whose things a list shows: the caller's own; for an admin everybody's, or those of one customer.
///
/// # Errors
///
/// `forbidden` for a customer who asks for somebody's.
pub fn scope(caller: &Caller, customer: Option<UserId>) -> Result<Option<Owner>, Problem> {
    match customer {
        _ if !caller.is_admin() => {
            only_for_admins("customer_id", customer.is_some())?;
            Ok(Some(context::owner(caller)))
        }
        Some(id) => Ok(Some(Owner::Account(AccountId(id.uuid().as_u128())))),
        None => Ok(None),
    }
}

/// Refuses a query parameter that somebody else than an admin sent.
///
/// # Errors
///
/// `forbidden` when it is there.
pub fn only_for_admins(parameter: &str, is_there: bool) -> Result<(), Problem> {
    if is_there {
        return Err(Problem::new(Code::Forbidden, format!("Only an admin may ask for `{parameter}`.")));
    }
    Ok(())
}

impl<'a> List<'a> {
    /// `name` names the list and its filters: the cursors of another one are refused.
    pub fn new(cursors: &'a Cursors, name: String) -> Self {
        Self { cursors, name }
    }

    /// The id after which, in the order of the list, the page begins.
    ///
    /// # Errors
    ///
    /// `malformed_request` for a cursor that is none of this list.
    pub fn last(&self, cursor: Option<&str>) -> Result<Option<u128>, Problem> {
        let Some(cursor) = cursor else { return Ok(None) };
        let payload = self.cursors.decode(&self.name, cursor)?;
        let id = payload.try_into().expect("a cursor that passed its check was packed here");
        Ok(Some(u128::from_be_bytes(id)))
    }

    /// The page of the first `limit` that were `found`: whoever asked asked for one more, to know whether there is.
    pub fn page<'f, F, T>(
        &self,
        found: &'f [F],
        limit: usize,
        id: impl Fn(&F) -> u128,
        view: impl Fn(&'f F) -> T,
    ) -> Page<T> {
        let shown = &found[..limit.min(found.len())];
        let last = shown.last().filter(|_| found.len() > limit);
        Page {
            data: shown.iter().map(view).collect(),
            next_cursor: last.map(|last| self.cursors.encode(&self.name, &id(last).to_be_bytes())),
            total: None,
        }
    }
}

impl<T> Page<T> {
    /// The page with the number of rows on all pages, where the client wants it.
    #[must_use]
    pub fn with_total(self, total: Option<usize>) -> Self {
        Self { total, ..self }
    }
}

/// How many rows there are on all pages, where the client wants to know. `find` finds so many before an id, newest
/// first.
///
/// # Errors
///
/// Those of `find`.
pub async fn total<F, E>(
    include: Option<Include>,
    id: impl Fn(&F) -> u128,
    mut find: impl AsyncFnMut(Option<u128>, usize) -> Result<Vec<F>, E>,
) -> Result<Option<usize>, E> {
    let Some(Include::Total) = include else { return Ok(None) };
    let mut total = 0;
    let mut before = None;
    loop {
        let found = find(before, COUNTED_ROWS_MAX).await?;
        total += found.len();
        match found.last() {
            Some(last) if found.len() == COUNTED_ROWS_MAX => before = Some(id(last)),
            _ => return Ok(Some(total)),
        }
    }
}
