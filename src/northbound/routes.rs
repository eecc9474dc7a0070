//! All routes, and what holds for every request: the log, the time limit and cross-origin rules.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body as AxumBody, Bytes};
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use file_transport::{Body, Incoming};
use futures_util::stream;
use http::header::{ALLOW, CONTENT_LENGTH, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use http_service::{Answer, HttpService};
use tower::ServiceExt;
use tower::util::option_layer;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{AllowOrigin, Any, CorsLayer};

use super::api::{Northbound, Settings};
use super::problem::Problem;
use super::uploads::{append, create, discard, list, method_override, progress, response};
use super::web_ui::pages;
use super::{about, document, events, images, iso, jobs, metrics, microkernel, storage, transfers};

/// The routes as a service that answers requests from the transport.
#[derive(Clone)]
pub struct Routes(Router);

impl Northbound {
    /// All routes.
    pub fn router(self, settings: &Settings) -> Routes {
        let router = self
            .routes()
            .layer(option_layer(cors(&settings.cors_origins)))
            .layer(middleware::from_fn_with_state(settings.timeout, limit_time))
            .layer(CatchPanicLayer::custom(|_| {
                Problem::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "the service made a mistake; its log says more",
                )
                .into_response()
            }))
            .layer(middleware::from_fn(log));
        Routes(router)
    }

    fn routes(self) -> Router {
        Router::new()
            .route("/", on("GET, HEAD, OPTIONS", get(pages::root)))
            .route("/about", on("GET, HEAD, OPTIONS", get(about::show)))
            .route("/docs", on("GET, HEAD, OPTIONS", get(pages::docs)))
            .route("/gui", on("GET, HEAD, OPTIONS", get(pages::to_gui)))
            .route("/gui/", on("GET, HEAD, OPTIONS", get(pages::gui)))
            .route("/gui/docs", on("GET, HEAD, OPTIONS", get(pages::to_docs)))
            .route("/gui/{version}/{*path}", on("GET, HEAD, OPTIONS", get(pages::file)))
            .route(
                "/images",
                on(
                    "GET, HEAD, PUT, DELETE, OPTIONS",
                    get(images::list::list).put(images::register::put).delete(images::remove::delete),
                ),
            )
            .route("/images/{id}", on("GET, HEAD, OPTIONS", get(images::list::show)))
            .route("/images/{id}/tree", on("GET, HEAD, OPTIONS", get(images::tree::show)))
            .route("/jobs", on("GET, HEAD, OPTIONS", get(jobs::list)))
            .route("/jobs/{id}", on("GET, HEAD, DELETE, OPTIONS", get(jobs::show).delete(jobs::cancel)))
            .route("/jobs/{id}/retry", on("POST, OPTIONS", post(jobs::retry)))
            .route(
                "/iso",
                on("GET, HEAD, PUT, DELETE, OPTIONS", get(iso::list).put(iso::put).delete(iso::delete)),
            )
            .route(
                "/microkernel",
                on(
                    "GET, HEAD, PUT, DELETE, OPTIONS",
                    get(microkernel::list).put(microkernel::put).delete(microkernel::delete),
                ),
            )
            .route(
                "/uploads",
                get(list::list)
                    .post(create::create)
                    .options(create::options)
                    .fallback(|| async { Problem::method_not_allowed(response::ALLOW_ALL) }),
            )
            .route(
                "/uploads/{id}",
                get(progress::get)
                    .head(progress::head)
                    .post(method_override::post)
                    .put(append::put)
                    .patch(append::patch)
                    .delete(discard::delete)
                    .options(create::options_of_one)
                    .fallback(|| async { Problem::method_not_allowed(response::ALLOW_ONE) }),
            )
            .route("/storage", on("GET, HEAD, OPTIONS", get(storage::show)))
            .route("/events", on("GET, HEAD, OPTIONS", get(events::stream)))
            .route("/transfers", on("GET, HEAD, OPTIONS", get(transfers::list)))
            .route("/metrics", on("GET, HEAD, OPTIONS", get(metrics::show)))
            .route("/openapi.json", on("GET, HEAD, OPTIONS", get(document::show)))
            .fallback(|| async {
                Problem::new(
                    StatusCode::NOT_FOUND,
                    "there is nothing at this path; GET / tells what there is",
                )
            })
            .with_state(self)
    }
}

impl HttpService for Routes {
    fn owns(&self, path: &str) -> bool {
        matches!(
            path,
            "/images"
                | "/jobs"
                | "/iso"
                | "/microkernel"
                | "/storage"
                | "/uploads"
                | "/events"
                | "/transfers"
                | "/metrics"
                | "/openapi.json"
                | "/about"
                | "/docs"
                | "/gui"
        ) || ["/images/", "/jobs/", "/uploads/", "/gui/"].iter().any(|above| path.starts_with(above))
    }

    fn handle(self: Arc<Self>, request: http::Request<Incoming>, peer: SocketAddr) -> Answer {
        Box::pin(async move { self.answer(request, peer).await })
    }
}

impl Routes {
    async fn answer(&self, request: http::Request<Incoming>, peer: SocketAddr) -> http::Response<Body> {
        let mut request = request.map(AxumBody::new);
        request.extensions_mut().insert(peer);
        let is_head = request.method() == Method::HEAD;
        let mut response = self.0.clone().oneshot(request).await.unwrap_or_else(|never| match never {});
        if response.status() == StatusCode::NOT_MODIFIED {
            // It would be the length of the content that the client has (RFC 9110 §8.6).
            response.headers_mut().remove(CONTENT_LENGTH);
        }
        if is_head && !response.headers().contains_key(CONTENT_LENGTH) {
            // A body of unknown length: the transport sends `Content-Length: 0` with an empty one.
            return response
                .map(|_| Body::stream(AxumBody::from_stream(stream::empty::<Result<Bytes, Infallible>>())));
        }
        let is_endless = response.extensions().get::<events::Endless>().is_some();
        let response = response.map(Body::stream);
        if is_endless { response.map(Body::expendable) } else { response }
    }
}

/// Adds what every path answers: OPTIONS with its methods, and 405 to all others.
fn on(allow: &'static str, routes: MethodRouter<Northbound>) -> MethodRouter<Northbound> {
    routes
        .options(move || async move { (StatusCode::NO_CONTENT, [(ALLOW, HeaderValue::from_static(allow))]) })
        .fallback(move || async move { Problem::method_not_allowed(allow) })
}

/// `None` when no origin is configured: then browsers keep the pages of other sites out by themselves.
fn cors(origins: &[String]) -> Option<CorsLayer> {
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
    Some(layer.expose_headers(response::EXPOSED.map(HeaderName::from_static)))
}

/// Ends requests that take longer than the settings allow. Changes that run to completion are not torn.
async fn limit_time(State(limit): State<Option<Duration>>, request: Request, next: Next) -> Response {
    let Some(limit) = limit else { return next.run(request).await };
    tokio::time::timeout(limit, next.run(request)).await.unwrap_or_else(|_| {
        Problem::new(StatusCode::REQUEST_TIMEOUT, "the request took longer than `httpTimeout` allows")
            .into_response()
    })
}

/// One line a request. The query stays out of it: a link may hold credentials.
async fn log(request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let peer = request.extensions().get::<SocketAddr>().copied();
    let response = next.run(request).await;
    tracing::debug!(?peer, %method, path, status = response.status().as_u16(), "northbound");
    response
}
