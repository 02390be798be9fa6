//! `/docs/`: Swagger UI, from within the binary: nothing is fetched from anywhere else.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderValue, LOCATION, X_FRAME_OPTIONS,
};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, web};
use utoipa_swagger_ui::Config;

use super::answer;
use super::problem::{Code, Problem};

/// Letters of a file's hash that are its tag.
const TAG_LETTERS: usize = 32;

/// Swagger UI writes styles into its elements and has its icons as `data:`; everything else is this server's.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                      font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

static CONFIG: LazyLock<Arc<Config<'static>>> = LazyLock::new(|| {
    let config = Config::new(["/openapi.json"])
        // Else the page asks a server of its makers about the document.
        .validator_url("none")
        .display_request_duration(true)
        .try_it_out_enabled(true);
    Arc::new(config)
});

/// `GET /docs`: the files of the page refer to each other from within their folder.
pub(super) async fn redirect() -> HttpResponse {
    HttpResponse::PermanentRedirect().insert_header((LOCATION, "docs/")).finish()
}

/// `GET /docs/{file}`: the page and what it is made of.
pub(super) async fn file(request: HttpRequest, path: web::Path<String>) -> Result<HttpResponse, Problem> {
    let found = utoipa_swagger_ui::serve(&path, CONFIG.clone());
    let found = found.map_err(|error| Problem::internal(anyhow::anyhow!("serve {path}: {error}")))?;
    let file = found.ok_or_else(|| Problem::new(Code::NotFound, "There is nothing at this path."))?;
    let bytes = match file.bytes {
        Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        Cow::Owned(bytes) => Bytes::from(bytes),
    };
    let tag = blake3::hash(&bytes).to_hex();
    let whole = || HttpResponse::Ok().content_type(file.content_type).body(bytes);
    let mut response = answer::unless_unchanged(&request, &tag[..TAG_LETTERS], whole);
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Ok(response)
}
