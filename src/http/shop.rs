//! The engine as the handlers find it: empty while the journal is being recovered.

use std::future::{Ready, ready};
use std::ops::Deref;
use std::sync::OnceLock;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, web};
use holdfast_actors::Engine;

use super::problem::{Code, Problem};

/// Where the engine is put once it has recovered.
pub type EngineSlot = OnceLock<Engine>;

/// The engine, taken by every handler that needs it.
#[derive(Clone)]
pub struct Shop(web::Data<EngineSlot>);

impl Deref for Shop {
    type Target = Engine;

    fn deref(&self) -> &Engine {
        self.0.get().expect("a shop is only made of a filled slot")
    }
}

impl FromRequest for Shop {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        ready(open(request))
    }
}

/// The engine behind a request.
///
/// # Errors
///
/// `not_ready` while there is none.
pub fn open(request: &HttpRequest) -> Result<Shop, Problem> {
    let slot =
        request.app_data::<web::Data<EngineSlot>>().expect("the app is built with a slot for its engine");
    if slot.get().is_none() {
        return Err(Problem::new(Code::NotReady, "The server is still recovering its journal."));
    }
    Ok(Shop(slot.clone()))
}
