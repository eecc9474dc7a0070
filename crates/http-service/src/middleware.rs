//! The rules for every request of an API: the log, the time limit, cross-origin rules, and the bodies of
//! refused requests.

use std::time::Duration;

use axum::Router;
use axum::body::HttpBody;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use http::header::{HeaderName, HeaderValue};
use http::{Method, StatusCode};
use tower::util::option_layer;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{AllowOrigin, Any, CorsLayer};

use crate::access_log::Access;
use crate::client::Client;
use crate::problem::Problem;
use crate::refused_body;

/// How an API treats every request.
#[derive(Debug, Clone)]
pub struct Rules {
    /// The API's name in the log.
    pub name: &'static str,
    /// The longest that a request may take until it is answered, if there is a limit.
    pub timeout: Option<Duration>,
    /// Web origins that browsers may call from; `*` is all.
    pub cors_origins: Vec<String>,
    /// The headers of answers that pages of other origins may read.
    pub exposed: &'static [&'static str],
}

impl Rules {
    /// Applies the rules to all routes.
    pub fn apply(&self, routes: Router) -> Router {
        routes
            .layer(option_layer(self.cors()))
            .layer(middleware::from_fn_with_state(self.timeout, limit_time))
            // Outside the limit, because the answer is made already.
            .layer(middleware::from_fn(refused_body::drain))
            .layer(CatchPanicLayer::custom(|_| Problem::mistake().into_response()))
            .layer(middleware::from_fn_with_state(self.name, log))
    }

    /// `None` when no origin is configured: then browsers keep the pages of other sites out by themselves.
    fn cors(&self) -> Option<CorsLayer> {
        let origins = &self.cors_origins;
        if origins.is_empty() {
            return None;
        }
        let origin = if origins.iter().any(|origin| origin == "*") {
            AllowOrigin::any()
        } else {
            AllowOrigin::list(origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok()))
        };
        let methods = [Method::GET, Method::HEAD, Method::PUT, Method::POST, Method::PATCH, Method::DELETE];
        let layer = CorsLayer::new().allow_origin(origin).allow_methods(methods).allow_headers(Any);
        let exposed: Vec<_> = self.exposed.iter().map(|name| HeaderName::from_static(name)).collect();
        Some(layer.expose_headers(exposed))
    }
}

/// Ends requests that take longer than the limit. Work that runs to completion goes on.
async fn limit_time(State(limit): State<Option<Duration>>, request: Request, next: Next) -> Response {
    let Some(limit) = limit else { return next.run(request).await };
    tokio::time::timeout(limit, next.run(request)).await.unwrap_or_else(|_| {
        Problem::new(StatusCode::REQUEST_TIMEOUT, "the request took longer than `httpTimeout` allows")
            .into_response()
    })
}

/// One line a request, in the access log.
async fn log(State(name): State<&'static str>, request: Request, next: Next) -> Response {
    let client = request.extensions().get::<Client>().copied();
    let access = client
        .and_then(|client| Access::begin(client, request.method(), request.uri().path(), request.headers()));
    let response = next.run(request).await;
    if let Some(access) = access {
        access.end(name, response.status().as_u16(), response.body().size_hint().exact());
    }
    response
}
