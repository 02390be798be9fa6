//! The table of routes, and the app around them.
//!
//! One line per path; what happens there is in the module of its noun. Paths that are not here are 404, methods
//! that are not here are 405: [`super::edge`] says both as problems.

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::middleware::Condition;
use actix_web::{App, Error, FromRequest, Handler, Resource, Responder, web};

use super::address::TrustedProxies;
use super::caller::SecureCookies;
use super::cors;
use super::cursor::Cursors;
use super::edge::{Edge, Transport};
use super::events::Listeners;
use super::gate::Gate;
use super::health::{self, HealthSource};
use super::json::BodyLimit;
use super::limits::Limits;
use super::metrics::{self, MetricsAllow};
use super::problem::{Code, Problem};
use super::reservations::{self, batch};
use super::shop::EngineSlot;
use super::{
    auth, cart, categories, direct, events, inventory, movements, openapi, orders, prices, products,
    purchase, users, variants,
};
use crate::auth::password::Passwords;
use crate::auth::refresh::RefreshTokens;
use crate::auth::secret::Secrets;
use crate::auth::throttle::Throttle;
use crate::auth::token::Keys;
use crate::cache::ListingCache;
use crate::config::Origins;
use crate::mail::dispatch;

/// What all workers share. Cheap to clone.
#[derive(Clone)]
pub struct Shared {
    /// Whether the server is open, and how it is.
    pub health: web::Data<HealthSource>,
    /// The keys of access tokens.
    pub keys: web::Data<Keys>,
    /// Hashes and verifies passwords.
    pub passwords: web::Data<Passwords>,
    /// Makes refresh tokens.
    pub refresh_tokens: web::Data<RefreshTokens>,
    /// Counts failed logins.
    pub throttle: web::Data<Throttle>,
    /// Makes and reads cursors.
    pub cursors: web::Data<Cursors>,
    /// Lists that were loaded before, unless they are not to be kept.
    pub listing_cache: web::Data<Option<ListingCache>>,
    /// The engine, once it has recovered.
    pub engine: web::Data<EngineSlot>,
    /// The queue of mails on disk, once it is open.
    pub mails: web::Data<crate::commands::mail::Slot>,
    /// What the dispatcher of mails did.
    pub dispatched: web::Data<dispatch::Counters>,
    /// Whether session cookies are always `Secure`.
    pub secure_cookies: SecureCookies,
    /// Who waits for events.
    pub listeners: web::Data<Listeners>,
    /// What keeps strangers from taking more than their part.
    pub protection: Protection,
}

/// What keeps strangers from taking more than their part. By default nobody is limited and nobody is believed.
#[derive(Clone, Default)]
pub struct Protection {
    /// How much one caller may ask.
    pub limits: web::Data<Limits>,
    /// Whose word on a client's address is taken.
    pub trusted_proxies: web::Data<TrustedProxies>,
    /// Whose pages may call the API.
    pub cors_origins: Origins,
    /// From where the metrics may be read without a token.
    pub metrics_allow: web::Data<MetricsAllow>,
}

impl Shared {
    /// From now on signs with the current one of these, and believes the earlier ones as well.
    pub fn use_secrets(&self, secrets: &Secrets) {
        self.keys.replace(secrets);
        self.cursors.replace(secrets);
        self.refresh_tokens.replace(secrets);
    }
}

/// The app of one worker; `more` adds what needs the engine, or a test's own routes.
pub fn app<F: FnOnce(&mut web::ServiceConfig)>(
    shared: &Shared,
    more: F,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<BoxBody>,
        Error = Error,
        InitError = (),
    > + use<F>,
> {
    let Protection { limits, trusted_proxies, cors_origins, metrics_allow } = &shared.protection;
    let transport = if shared.secure_cookies.0 { Transport::TlsOnly } else { Transport::Any };
    App::new()
        .app_data(shared.health.clone())
        .app_data(shared.keys.clone())
        .app_data(shared.passwords.clone())
        .app_data(shared.refresh_tokens.clone())
        .app_data(shared.throttle.clone())
        .app_data(shared.cursors.clone())
        .app_data(shared.listing_cache.clone())
        .app_data(shared.engine.clone())
        .app_data(shared.listeners.clone())
        .app_data(shared.dispatched.clone())
        .app_data(shared.secure_cookies)
        .app_data(trusted_proxies.clone())
        .app_data(metrics_allow.clone())
        .app_data(web::PathConfig::default().error_handler(|error, _| malformed_path(&error).into()))
        .configure(more)
        .configure(configure)
        .wrap(Gate::new(shared.health.clone(), limits.clone()))
        .wrap(Condition::new(!cors_origins.is_empty(), cors::of(cors_origins)))
        .wrap(Edge::new(transport))
}

/// Adds every route, the hot ones first: paths are tried in this order, and each with a parameter costs a regex.
pub fn configure(config: &mut web::ServiceConfig) {
    config
        .service(direct::purchase(web::post().to(purchase::purchase)))
        .service(direct::read(web::get().to(products::read)))
        .service(at("/api/v1/products/{id}/purchase").route(web::post().to(purchase::purchase)))
        .service(
            readable("/api/v1/products/{id}", products::read)
                .route(web::put().to(products::put))
                .route(web::patch().to(products::patch))
                .route(web::delete().to(products::delete)),
        )
        // Before `{sku}`, which would take it for one.
        .service(
            at("/api/v1/inventory/batch")
                .app_data(BodyLimit(inventory::batch::BODY_BYTES_MAX))
                .route(web::post().to(inventory::batch::create)),
        )
        .service(readable("/api/v1/inventory/{sku}", inventory::read))
        .service(readable("/api/v1/products", products::list).route(web::post().to(products::create)))
        .configure(carts)
        .configure(tree)
        .configure(orders)
        .configure(reservations)
        .configure(prices)
        .configure(variants)
        .service(at("/api/v1/inventory/{sku}/adjustments").route(web::post().to(inventory::adjust)))
        .service(at("/api/v1/inventory/{sku}/counts").route(web::post().to(inventory::count)))
        .service(readable("/api/v1/inventory/{sku}/movements", movements::list))
        .configure(people)
        .service(readable(events::PATH, events::list))
        .service(readable("/api/v1/health", health::api))
        .service(readable("/health/live", health::live))
        .service(readable("/health/ready", health::ready))
        .service(readable("/metrics", metrics::read))
        .service(readable("/openapi.json", openapi::read));
    #[cfg(feature = "swagger")]
    config
        .service(readable("/docs", super::docs::redirect))
        .service(readable("/docs/{file:.*}", super::docs::file));
}

fn people(config: &mut web::ServiceConfig) {
    config
        .service(at("/api/v1/auth/register").route(web::post().to(auth::register)))
        .service(at("/api/v1/auth/login").route(web::post().to(auth::login)))
        .service(at("/api/v1/auth/refresh").route(web::post().to(auth::refresh)))
        .service(at("/api/v1/auth/logout").route(web::post().to(auth::logout)))
        .service(readable("/api/v1/auth/me", auth::me))
        .service(readable("/api/v1/users", users::list))
        .service(readable("/api/v1/users/{id}", users::read).route(web::patch().to(users::patch)));
}

fn carts(config: &mut web::ServiceConfig) {
    config
        .service(readable("/api/v1/cart", cart::read).route(web::delete().to(cart::clear)))
        .service(at("/api/v1/cart/items").route(web::post().to(cart::add)))
        .service(
            at("/api/v1/cart/items/{sku}")
                .route(web::put().to(cart::set))
                .route(web::delete().to(cart::remove)),
        );
}

fn tree(config: &mut web::ServiceConfig) {
    config
        .service(readable("/api/v1/categories", categories::list).route(web::post().to(categories::create)))
        .service(
            readable("/api/v1/categories/{id}", categories::read)
                .route(web::put().to(categories::replace))
                .route(web::delete().to(categories::delete)),
        );
}

fn orders(config: &mut web::ServiceConfig) {
    config
        .service(readable("/api/v1/orders", orders::list).route(web::post().to(orders::create)))
        .service(readable("/api/v1/orders/{id}", orders::read))
        .service(at("/api/v1/orders/{id}/pay").route(web::post().to(orders::pay)))
        .service(at("/api/v1/orders/{id}/confirm").route(web::post().to(orders::confirm)))
        .service(at("/api/v1/orders/{id}/cancel").route(web::post().to(orders::cancel)))
        .service(at("/api/v1/orders/{id}/fulfill").route(web::post().to(orders::fulfil)))
        .service(readable("/api/v1/orders/{id}/history", orders::history));
}

fn reservations(config: &mut web::ServiceConfig) {
    config
        .service(
            readable("/api/v1/reservations", reservations::list).route(web::post().to(reservations::create)),
        )
        // Before `{id}`, which would take it for one.
        .service(
            at("/api/v1/reservations/batch")
                .app_data(BodyLimit(batch::BODY_BYTES_MAX))
                .route(web::post().to(batch::create)),
        )
        .service(readable("/api/v1/reservations/{id}", reservations::read))
        .service(at("/api/v1/reservations/{id}/extend").route(web::post().to(reservations::extend)))
        .service(at("/api/v1/reservations/{id}/confirm").route(web::post().to(reservations::confirm)))
        .service(at("/api/v1/reservations/{id}/release").route(web::post().to(reservations::release)));
}

fn prices(config: &mut web::ServiceConfig) {
    config
        .service(readable("/api/v1/products/{id}/price", prices::of_product))
        .service(at("/api/v1/quotes").route(web::post().to(prices::of_lines)))
        .service(readable("/api/v1/price-rules", prices::list).route(web::post().to(prices::create)))
        .service(
            readable("/api/v1/price-rules/{id}", prices::read)
                .route(web::put().to(prices::change))
                .route(web::delete().to(prices::delete)),
        );
}

fn variants(config: &mut web::ServiceConfig) {
    config.service(at("/api/v1/products/{id}/variants").route(web::post().to(variants::create))).service(
        readable("/api/v1/variants/{sku}", variants::read)
            .route(web::patch().to(variants::patch))
            .route(web::delete().to(variants::delete)),
    );
}

fn at(path: &'static str) -> Resource {
    #[cfg(test)]
    PATHS.with_borrow_mut(|paths| paths.push(path));
    web::resource(path)
}

#[cfg(test)]
thread_local! {
    /// The paths that this thread routed: actix does not tell.
    pub(super) static PATHS: std::cell::RefCell<Vec<&'static str>> = const { std::cell::RefCell::new(Vec::new()) };
}

/// A path that can be read: GET, and HEAD for those who only want to know whether it would answer.
fn readable<F, Args>(path: &'static str, handler: F) -> Resource
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    at(path).route(web::get().to(handler.clone())).route(web::head().to(handler))
}

fn malformed_path(error: &actix_web::error::PathError) -> Problem {
    Problem::new(Code::MalformedRequest, format!("The path is malformed: {error}."))
}
