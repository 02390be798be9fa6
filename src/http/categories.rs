//! `/categories`: the tree in which products are listed.
//!
//! Reads answer a category with its branch below it; writes answer it alone, as it was made, so that a retry meets
//! the same answer whatever has grown around it.

pub(super) mod body;
mod view;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use holdfast_actors::domain::CategoryId;
use holdfast_actors::domain::category::{Categories, Category};
use holdfast_actors::{Answer, Failure};
use serde::Serialize;

use super::caller::{AdminCaller, Caller, signed_in};
use super::json::Json;
use super::listing_cache::{Cache, marked};
use super::position::AtLeast;
use super::problem::Problem;
use super::query::NoQuery;
use super::shop::Shop;
use super::values::{self, Id};
use super::{answer, context};
use crate::cache::{Key, Text, Verdict};

use self::body::CategoryBody;
use self::view::{Branch, Plain};

/// Letters of a tag that stand for what a category's branch looks like.
const TAG_LETTERS: usize = 32;

/// The categories at the top, each with all below it.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = CategoryTree)]
struct Tree<'a> {
    data: Vec<Branch<'a>>,
}

/// Answers all categories as a tree, oldest first.
///
/// # Errors
///
/// None but those of the extractors.
#[utoipa::path(
    get, path = "/api/v1/categories", tag = "Catalogue", operation_id = "list_categories",
    security(("anyone" = [])),
    responses(
        (status = 200, description = "All categories.", body = Tree, headers(("X-Cache"))),
        (status = 304, description = "The client has this version.", headers(("X-Cache"))),
    ),
)]
pub async fn list(
    request: HttpRequest,
    engine: Shop,
    cache: Cache,
    _no_query: NoQuery,
    _at_least: AtLeast,
) -> Result<HttpResponse, Problem> {
    // Nobody needs a token; one that does not hold is told so here as everywhere.
    signed_in(&request)?;
    let (bytes, verdict) = match tree(&engine, &cache).await {
        Ok(found) => found,
        Err(failure) => return Ok(answer::refused(failure, &engine, None)),
    };
    verdict.count("categories");
    let tag = blake3::hash(&bytes).to_hex();
    let whole = || answer::json_bytes(StatusCode::OK, bytes);
    Ok(marked(answer::unless_unchanged(&request, &tag[..TAG_LETTERS], whole), verdict))
}

/// The whole tree as it is sent.
async fn tree(engine: &Shop, cache: &Cache) -> Result<(Vec<u8>, Verdict), Failure> {
    let published = engine.categories().await?;
    let written = || written_out(&Tree { data: Branch::children(&published.value, None) }).0;
    let Some(cache) = &***cache else { return Ok((written(), Verdict::Bypass)) };
    // The ticket is the tree's generation: it was published with it, and no other tree has it.
    let key = Key::of_categories(published.ticket, "categories");
    let (text, verdict) = cache.get(key, async { Ok(Text::whole(written())) }).await?;
    Ok((text.bytes().to_vec(), verdict))
}

/// Answers one category with its branch and the way to it; the path names its slug, or its id.
///
/// # Errors
///
/// None but those of the extractors.
#[utoipa::path(
    get, path = "/api/v1/categories/{id}", tag = "Catalogue", operation_id = "get_category",
    security(("anyone" = [])),
    params(("id" = String, Path, description = "The category: its slug, or its id.")),
    responses(
        (status = 200, description = "The category with all below it.", body = view::Whole),
        (status = 304, description = "The client has this version."),
    ),
)]
pub async fn read(
    request: HttpRequest,
    engine: Shop,
    path: web::Path<String>,
    _no_query: NoQuery,
    _at_least: AtLeast,
) -> Result<HttpResponse, Problem> {
    // Nobody needs a token; one that does not hold is told so here as everywhere.
    signed_in(&request)?;
    let published = match engine.categories().await {
        Ok(published) => published,
        Err(stopped) => return Ok(answer::refused(stopped.into(), &engine, None)),
    };
    let Some(category) = named(&published.value, &path) else {
        return Ok(answer::refused(Failure::NotFound, &engine, None));
    };
    let (bytes, hash) = written_out(&view::Whole::of(&published.value, category));
    // The version first: that alone is what `If-Match` compares.
    let tag = format!("{}-{hash}", category.version);
    Ok(answer::unless_unchanged(&request, &tag, || answer::json_bytes(StatusCode::OK, bytes)))
}

/// Makes a category.
///
/// # Errors
///
/// `malformed_request` for a malformed key; refusals of the rules are answers.
#[utoipa::path(
    post, path = "/api/v1/categories", tag = "Catalogue", operation_id = "create_category",
    security(("admin" = [])),
    request_body = CategoryBody,
    responses((status = 201, description = "The category.", body = Plain, headers(("Location")))),
)]
pub async fn create(
    request: HttpRequest,
    engine: Shop,
    admin: AdminCaller,
    body: Json<CategoryBody>,
) -> Result<HttpResponse, Problem> {
    let context = context::of_write(&request, &Caller::Admin(admin.0), &body.0)?;
    let id = CategoryId(crate::ids::make().as_u128());
    Ok(match engine.create_category(&context, id, body.domain()).await {
        Ok(answer) => {
            let path = format!("/api/v1/categories/{}", answer.value.description.slug);
            answer::located(shown(StatusCode::CREATED, &answer), &path)
        }
        Err(failure) => answer::refused(failure, &engine, None),
    })
}

/// Changes a category to what the body says.
///
/// # Errors
///
/// `malformed_request` for a malformed key; refusals of the rules are answers.
#[utoipa::path(
    put, path = "/api/v1/categories/{id}", tag = "Catalogue", operation_id = "replace_category",
    security(("admin" = [])),
    params(("id" = Id<values::Category>, Path, description = "The category.")),
    request_body = CategoryBody,
    responses(
        (status = 200, description = "The category as it is now.", body = Plain),
        (status = 412, description = "version_mismatch"),
    ),
)]
pub async fn replace(
    request: HttpRequest,
    engine: Shop,
    admin: AdminCaller,
    path: web::Path<String>,
    body: Json<CategoryBody>,
) -> Result<HttpResponse, Problem> {
    let context = context::of_write(&request, &Caller::Admin(admin.0), &body.0)?;
    let Some(id) = category_id(&path) else {
        return Ok(answer::refused(Failure::NotFound, &engine, None));
    };
    // Of several tags in `If-Match` the present one is insisted on; the turn compares it again.
    let version = answer::version_wanted(&request, engine.category_version(id));
    Ok(match engine.describe_category(&context, id, body.domain(), version).await {
        Ok(answer) => shown(StatusCode::OK, &answer),
        Err(failure) => answer::refused(failure, &engine, None),
    })
}

/// Removes a category that has no children and in which nothing is listed.
///
/// # Errors
///
/// `malformed_request` for a malformed key; refusals of the rules are answers.
#[utoipa::path(
    delete, path = "/api/v1/categories/{id}", tag = "Catalogue", operation_id = "delete_category",
    security(("admin" = [])),
    params(("id" = Id<values::Category>, Path, description = "The category.")),
    responses(
        (status = 204, description = "It is gone."),
        (status = 409, description = "in_use"),
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
    let Some(id) = category_id(&path) else {
        return Ok(answer::refused(Failure::NotFound, &engine, None));
    };
    // Of several tags in `If-Match` the present one is insisted on; the turn compares it again.
    let version = answer::version_wanted(&request, engine.category_version(id));
    Ok(answer::gone(engine.delete_category(&context, id, version).await, &engine, None))
}

fn shown(status: StatusCode, answer: &Answer<Category>) -> HttpResponse {
    let response = answer::json(status, &Plain::of(&answer.value));
    answer::tagged(answer::written(response, answer), &answer.value.version.to_string())
}

/// The JSON of a view, and a tag for it.
fn written_out(view: &impl Serialize) -> (Vec<u8>, String) {
    let bytes = serde_json::to_vec(view).expect("a view has string keys and plain values");
    let tag = blake3::hash(&bytes).to_hex()[..TAG_LETTERS].to_owned();
    (bytes, tag)
}

/// The category that a path names: an id has an underscore, a slug has none.
fn named<'a>(categories: &'a Categories, path: &str) -> Option<&'a Category> {
    match category_id(path) {
        Some(id) => categories.get(id),
        None => categories.by_slug(path),
    }
}

fn category_id(path: &str) -> Option<CategoryId> {
    Id::<values::Category>::parse(path).map(|id| CategoryId(id.uuid().as_u128()))
}
