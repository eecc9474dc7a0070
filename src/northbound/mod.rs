//! The management door: every route is in [`Northbound::router`]. Handlers read parameters, ask the desk or the workers, and show the result.

mod browse;
mod checksum_file;
mod digest_fields;
mod events;
mod files;
mod from_web;
mod images;
mod index;
mod isos;
mod jobs;
mod metrics;
mod microkernels;
mod openapi;
mod parameters;
mod problem;
mod resumable;
mod resumable_append;
mod resumable_fields;
mod storage;
mod structured;
mod transfers;
mod uploads;
mod views;
mod web_ui;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
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

use crate::catalog::Catalog;
use crate::events::Events;
use crate::jobs::Jobs;
use crate::model::image::Image;
use crate::transfers::Transfers;
use problem::Problem;
use web_ui::WebUi;

/// The door.
#[derive(Clone)]
pub struct Northbound {
    catalog: Catalog,
    jobs: Jobs,
    transfers: Transfers,
    events: Events,
    /// The southbound's URL prefix, to tell where an image's tree is.
    api_root: Arc<str>,
    running: resumable::Running,
    /// How long an unfinished upload stays untouched.
    upload_expiry: Duration,
    southbound: Arc<SouthboundAddress>,
    web_ui: WebUi,
}

/// Where machines find the southbound's root.
#[derive(Debug)]
pub enum SouthboundAddress {
    /// At this URL, which ends in a slash, as whoever configured the service says.
    Known(String),
    /// Where it listens.
    At {
        /// `http` or `https`.
        scheme: &'static str,
        /// The address and the port.
        address: SocketAddr,
    },
}

/// How the door behaves towards clients.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The longest that a request may take until it is answered, if there is a limit.
    pub timeout: Option<Duration>,
    /// Web origins that browsers may call from; `*` is all.
    pub cors_origins: Vec<String>,
    /// How long an unfinished upload stays untouched.
    pub upload_expiry: Duration,
    /// A folder to read the page's files from at each request, instead of out of the program.
    pub web_ui: Option<PathBuf>,
}

/// The routes as a service that answers requests from the wire.
#[derive(Clone)]
pub struct Routes(Router);

impl Northbound {
    /// Opens the door to `catalog` and `jobs`, and to what `transfers` and `events` tell. The southbound is at `southbound`, and its paths begin
    /// with `api_root`.
    pub fn new(
        catalog: Catalog,
        jobs: Jobs,
        transfers: Transfers,
        events: Events,
        api_root: &str,
        southbound: SouthboundAddress,
        settings: &Settings,
    ) -> Self {
        Self {
            catalog,
            jobs,
            transfers,
            events,
            api_root: Arc::from(api_root),
            running: resumable::Running::default(),
            upload_expiry: settings.upload_expiry,
            southbound: Arc::new(southbound),
            web_ui: WebUi::new(settings.web_ui.clone()),
        }
    }

    /// All routes.
    pub fn router(self, settings: &Settings) -> Routes {
        let router = Router::new()
            .route("/", on("GET, HEAD, OPTIONS", get(web_ui::root)))
            .route("/about", on("GET, HEAD, OPTIONS", get(index::show)))
            .route("/docs", on("GET, HEAD, OPTIONS", get(web_ui::docs)))
            .route("/gui", on("GET, HEAD, OPTIONS", get(web_ui::to_gui)))
            .route("/gui/", on("GET, HEAD, OPTIONS", get(web_ui::gui)))
            .route("/gui/docs", on("GET, HEAD, OPTIONS", get(web_ui::to_docs)))
            .route("/gui/{version}/{*path}", on("GET, HEAD, OPTIONS", get(web_ui::file)))
            .route(
                "/images",
                on(
                    "GET, HEAD, PUT, DELETE, OPTIONS",
                    get(images::list).put(images::put).delete(images::delete),
                ),
            )
            .route("/images/{id}", on("GET, HEAD, OPTIONS", get(images::show)))
            .route("/images/{id}/tree", on("GET, HEAD, OPTIONS", get(browse::show)))
            .route("/jobs", on("GET, HEAD, OPTIONS", get(jobs::list)))
            .route("/jobs/{id}", on("GET, HEAD, DELETE, OPTIONS", get(jobs::show).delete(jobs::cancel)))
            .route("/jobs/{id}/retry", on("POST, OPTIONS", post(jobs::retry)))
            .route(
                "/iso",
                on("GET, HEAD, PUT, DELETE, OPTIONS", get(isos::list).put(isos::put).delete(isos::delete)),
            )
            .route(
                "/microkernel",
                on(
                    "GET, HEAD, PUT, DELETE, OPTIONS",
                    get(microkernels::list).put(microkernels::put).delete(microkernels::delete),
                ),
            )
            .route(
                "/uploads",
                get(resumable::list)
                    .post(resumable::create)
                    .options(resumable::options)
                    .fallback(|| async { Problem::method_not_allowed(resumable::ALLOW_ALL) }),
            )
            .route(
                "/uploads/{id}",
                get(resumable::get)
                    .head(resumable::head)
                    .post(resumable::post)
                    .put(resumable::put)
                    .patch(resumable::patch)
                    .delete(resumable::delete)
                    .options(resumable::options_of_one)
                    .fallback(|| async { Problem::method_not_allowed(resumable::ALLOW_ONE) }),
            )
            .route("/storage", on("GET, HEAD, OPTIONS", get(storage::show)))
            .route("/events", on("GET, HEAD, OPTIONS", get(events::stream)))
            .route("/transfers", on("GET, HEAD, OPTIONS", get(transfers::list)))
            .route("/metrics", on("GET, HEAD, OPTIONS", get(metrics::show)))
            .route("/openapi.json", on("GET, HEAD, OPTIONS", get(openapi::show)))
            .fallback(|| async {
                Problem::new(
                    StatusCode::NOT_FOUND,
                    "there is nothing at this path; GET / tells what there is",
                )
            })
            .with_state(self)
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

    fn view(&self, image: &Image) -> views::Image {
        views::Image::new(image, self.jobs.of_image(&image.id).as_ref(), &self.api_root)
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
            // It would be taken for the length of what the client has (RFC 9110 §8.6).
            response.headers_mut().remove(CONTENT_LENGTH);
        }
        if is_head && !response.headers().contains_key(CONTENT_LENGTH) {
            // Nobody knows how long the body would be that HEAD leaves away. An empty one would be said to have no length.
            return response
                .map(|_| Body::stream(AxumBody::from_stream(stream::empty::<Result<Bytes, Infallible>>())));
        }
        let is_endless = response.extensions().get::<events::Endless>().is_some();
        let response = response.map(Body::stream);
        if is_endless { response.map(Body::expendable) } else { response }
    }
}

/// Runs what must not be left half done to its end, even if the request is given up meanwhile.
async fn whole<T: Send + 'static>(
    work: impl Future<Output = Result<T, Problem>> + Send + 'static,
) -> Result<T, Problem> {
    tokio::spawn(work).await.unwrap_or_else(|error| {
        tracing::error!(%error, "a request ended early");
        Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the service made a mistake; its log says more"))
    })
}

/// Adds what every path answers: OPTIONS with the methods there are, and 405 to all others.
fn on(allow: &'static str, routes: MethodRouter<Northbound>) -> MethodRouter<Northbound> {
    routes
        .options(move || async move { (StatusCode::NO_CONTENT, [(ALLOW, HeaderValue::from_static(allow))]) })
        .fallback(move || async move { Problem::method_not_allowed(allow) })
}

/// `None` when no origin is configured: then browsers keep other sites' pages out by themselves.
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
    Some(layer.expose_headers(resumable::EXPOSED.map(HeaderName::from_static)))
}

/// Ends requests that take longer than the configuration allows. Changes under way are not torn: they run to their end by themselves.
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
