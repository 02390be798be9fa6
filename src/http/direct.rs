//! Routes that are found without a pattern: those that a flash sale consists of.
//!
//! actix matches each path that has a parameter with a regular expression, and notes the methods of the resources it
//! passes for its 405s. That is little, and yet a twentieth of what a refusal costs. So `/products/{id}` and
//! `/products/{id}/purchase` are recognized by hand where they look as they should; whatever does not (another method, a
//! percent sign, an id of odd characters) goes on to the table of [`super::routes`], where the same handlers stand again.

use std::future::{Ready, ready};
use std::rc::Rc;

use actix_web::dev::{AppService, HttpServiceFactory, Payload, ResourceDef, ResourceMap};
use actix_web::guard::{Guard, GuardContext};
use actix_web::http::Method;
use actix_web::{Error, FromRequest, HttpRequest, Route, web};
use holdfast_actors::domain::ProductId;

use super::products::product_id;

const PRODUCTS: &str = "/api/v1/products";

/// One of these routes.
pub struct Direct {
    path: Path,
    route: Route,
}

/// What it recognizes.
#[derive(Clone, Copy)]
struct Path {
    method: fn(&Method) -> bool,
    suffix: &'static str,
}

/// `GET /api/v1/products/{id}`.
pub fn read(route: Route) -> Direct {
    Direct { path: Path { method: |method| method == Method::GET, suffix: "" }, route }
}

/// `POST /api/v1/products/{id}/purchase`.
pub fn purchase(route: Route) -> Direct {
    Direct { path: Path { method: |method| method == Method::POST, suffix: "/purchase" }, route }
}

impl HttpServiceFactory for Direct {
    fn register(self, config: &mut AppService) {
        let guards: Vec<Box<dyn Guard>> = vec![Box::new(self.path)];
        let prefix = ResourceDef::prefix(PRODUCTS);
        // What the log calls the route. Of both paths: actix looks for a name no further than in the first that begins like it.
        let mut names = ResourceMap::new(prefix.clone());
        for rest in ["/{id}/purchase", "/{id}"] {
            names.add(&mut ResourceDef::new(rest), None);
        }
        config.register_service(prefix, Some(guards), self.route, Some(Rc::new(names)));
    }
}

impl Guard for Path {
    fn check(&self, request: &GuardContext<'_>) -> bool {
        let head = request.head();
        (self.method)(&head.method)
            && head.uri.path().strip_suffix(self.suffix).is_some_and(|path| plain_id(path).is_some())
    }
}

/// What stands for a product in a path that ends with it, if nothing in it needs decoding.
fn plain_id(path: &str) -> Option<&str> {
    let id = path.strip_prefix(PRODUCTS)?.strip_prefix('/')?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    (!id.is_empty() && id.bytes().all(is_plain)).then_some(id)
}

/// The product that a path names, whichever way the route was found; nothing when no product has such an id.
pub struct Named(pub Option<ProductId>);

impl FromRequest for Named {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let parse = |text: &str| Self(product_id(text));
        if !request.match_info().is_empty() {
            return ready(
                web::Path::<String>::from_request(request, payload).into_inner().map(|id| parse(&id)),
            );
        }
        let path = request.path();
        ready(Ok(plain_id(path.strip_suffix("/purchase").unwrap_or(path)).map_or(Self(None), parse)))
    }
}
