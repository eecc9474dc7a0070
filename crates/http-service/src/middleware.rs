//! The rules for every request of an API: the log, what browsers may do, the time limit, coded bodies, and
//! the bodies of refused requests.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::HttpBody;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use model::settings::Live;
use tower_http::catch_panic::CatchPanicLayer;

use crate::access_log::Access;
use crate::browsers::{self, Layers};
use crate::client::Client;
use crate::codings;
use crate::entity_tag;
use crate::problem::Problem;
use crate::refused_body;
use crate::request_id::REQUEST_ID;

/// How an API treats every request.
#[derive(Debug, Clone)]
pub struct Rules {
    /// The API's name in the log.
    pub name: &'static str,
    /// The longest that a request may take until it is answered, if there is a limit.
    pub timeout: Live<Option<Duration>>,
    /// What browsers may do.
    pub browsers: Layers,
}

impl Rules {
    /// Applies the rules to all routes.
    pub fn apply(&self, routes: Router) -> Router {
        let browsers = Arc::new(self.browsers.clone());
        routes
            .layer(middleware::from_fn(entity_tag::validate))
            .layer(middleware::from_fn(codings::refuse))
            .layer(middleware::from_fn_with_state(self.timeout.clone(), limit_time))
            .layer(middleware::from_fn_with_state(Arc::clone(&browsers), browsers::admit))
            // Outside the limit, because the answer is made already.
            .layer(middleware::from_fn(refused_body::drain))
            .layer(CatchPanicLayer::custom(|_| Problem::mistake().into_response()))
            .layer(middleware::from_fn_with_state(browsers, browsers::describe))
            .layer(middleware::from_fn_with_state(self.name, log))
    }
}

/// Ends requests that take longer than the limit. Work that runs to completion goes on.
async fn limit_time(State(limit): State<Live<Option<Duration>>>, request: Request, next: Next) -> Response {
    let Some(limit) = *limit.get() else { return next.run(request).await };
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
        let request = response.headers().get(REQUEST_ID).and_then(|id| id.to_str().ok());
        access.end(name, response.status().as_u16(), response.body().size_hint().exact(), request);
    }
    response
}
