//! All routes.

use std::sync::Arc;

use axum::routing::{get, post, put};
use axum::{Router, middleware};
use file_transport::Incoming;
use http::StatusCode;
use http_service::browsers::{Browsers, Layers};
use http_service::middleware::Rules;
use http_service::routes::{on, respond};
use http_service::{Answer, Client, HttpService, Problem};

use super::api::{Northbound, Settings};
use super::uploads::{append, create, discard, list, method_override, progress, response};
use super::web_ui::pages;
use super::{
    about, document, durations, events, files, images, iso, jobs, metrics, microkernel, readyz, reload,
    storage, transfers,
};

/// Routes whose GET does more than read: the one ends the request that appends to an upload, and the other
/// occupies a connection.
const GUARDED: [&str; 2] = ["/uploads/{id}", "/events"];

/// The routes as a service that answers requests from the transport.
#[derive(Clone)]
pub struct Routes {
    router: Router,
    /// Whether `/files/…` is of the southbound, by its prefix.
    files_are_south: bool,
}

impl Northbound {
    /// All routes, under the rules for every request.
    pub fn router(self, settings: &Settings, browsers: Browsers) -> Routes {
        let browsers = Layers { browsers, guarded: &GUARDED, exposed: response::EXPOSED };
        let rules = Rules { name: "northbound", timeout: settings.timeout.clone(), browsers };
        let durations = Arc::clone(&self.durations);
        let files_are_south = format!("{}/", self.api_root).starts_with("/files/");
        // Outside the rules, so that what they refuse is counted too.
        let router =
            rules.apply(self.routes()).layer(middleware::from_fn_with_state(durations, durations::observe));
        Routes { router, files_are_south }
    }

    fn routes(self) -> Router {
        let routes = Router::new()
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
            .route(
                "/images/{id}",
                on(
                    "GET, HEAD, PUT, DELETE, OPTIONS",
                    get(images::list::show).put(images::put::put).delete(images::remove::delete_one),
                ),
            )
            .route("/images/{id}/tree", on("GET, HEAD, OPTIONS", get(images::tree::show)))
            .route("/jobs", on("GET, HEAD, OPTIONS", get(jobs::list)))
            .route("/jobs/{id}", on("GET, HEAD, DELETE, OPTIONS", get(jobs::show).delete(jobs::cancel)))
            .route("/jobs/{id}/retry", on("POST, OPTIONS", post(jobs::retry)))
            .route(
                "/iso",
                on(files::ALLOW, get(iso::list).put(iso::put).delete(iso::delete).post(files::put::post)),
            )
            .route(
                "/microkernel",
                on(
                    files::ALLOW,
                    get(microkernel::list)
                        .put(microkernel::put)
                        .delete(microkernel::delete)
                        .post(files::put::post),
                ),
            )
            .route(
                "/files/{store}/{name}",
                on("GET, HEAD, DELETE, OPTIONS", get(files::one::show).delete(files::one::delete)),
            )
            .route("/files/{store}/{name}/labels", on("PUT, OPTIONS", put(files::labels::put)));
        let nothing = || async {
            Problem::new(StatusCode::NOT_FOUND, "there is nothing at this path; GET / tells what there is")
        };
        with_uploads(with_service(routes)).fallback(nothing).with_state(self)
    }
}

/// Adds the routes of resumable uploads. Clients of tus are used to a final slash.
fn with_uploads(routes: Router<Northbound>) -> Router<Northbound> {
    let all = get(list::list)
        .post(create::create)
        .options(create::options)
        .fallback(|| async { Problem::method_not_allowed(response::ALLOW_ALL) });
    let one = get(progress::get)
        .head(progress::head)
        .post(method_override::post)
        .put(append::put)
        .patch(append::patch)
        .delete(discard::delete)
        .options(create::options_of_one)
        .fallback(|| async { Problem::method_not_allowed(response::ALLOW_ONE) });
    routes.route("/uploads", all.clone()).route("/uploads/", all).route("/uploads/{id}", one)
}

/// Adds the routes about the service itself.
fn with_service(routes: Router<Northbound>) -> Router<Northbound> {
    routes
        .route("/storage", on("GET, HEAD, OPTIONS", get(storage::show)))
        .route("/events", on("GET, HEAD, OPTIONS", get(events::stream)))
        .route("/transfers", on("GET, HEAD, OPTIONS", get(transfers::list)))
        .route("/reload", on("POST, OPTIONS", post(reload::reload)))
        .route("/livez", on("GET, HEAD, OPTIONS", get(readyz::live)))
        .route("/readyz", on("GET, HEAD, OPTIONS", get(readyz::show)))
        .route("/metrics", on("GET, HEAD, OPTIONS", get(metrics::show)))
        .route("/openapi.json", on("GET, HEAD, OPTIONS", get(document::show)))
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
                | "/livez"
                | "/readyz"
                | "/reload"
                | "/openapi.json"
                | "/about"
                | "/docs"
                | "/gui"
        ) || ["/images/", "/jobs/", "/uploads/", "/gui/"].iter().any(|above| path.starts_with(above))
            || !self.files_are_south
                // An image may be named `files`.
                && ["/files/iso/", "/files/microkernel/"].iter().any(|above| path.starts_with(above))
    }

    fn handle(self: Arc<Self>, request: http::Request<Incoming>, client: Client) -> Answer {
        Box::pin(respond(self.router.clone(), request, client))
    }
}
