//! What the handlers share: the catalog, the jobs, and what they show.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Json;
use axum::response::{IntoResponse, Response};
use component::Core;
use http::Extensions;
use http::StatusCode;
use http::header::{ETAG, HeaderMap};
use http_service::Client;
use http_service::transfers::Transfers;
use http_service::{EntityTag, Preconditions, Problem};
use images::jobs::Jobs;
use images::{Catalog, OpenImages};
use model::client::ClientKey;
use model::image::Image;
use model::settings::Live;
use records::feed::Feed;
use serde::Serialize;

use crate::log::Log;
use crate::reload::Reloader;

use super::durations::Durations;
use super::health::Health;
use super::southbound_address::SouthboundAddress;
use super::uploads::running::Running;
use super::views;
use super::web_ui::content::WebUi;

/// The management API. A clone shares all of it.
#[derive(Clone)]
pub struct Northbound {
    pub(super) catalog: Catalog,
    /// All jobs.
    pub(super) jobs: ::jobs::Jobs,
    /// The jobs on images.
    pub(super) image_jobs: Jobs,
    pub(super) transfers: Transfers,
    pub(super) events: Feed,
    /// The southbound's URL prefix, which the paths of trees begin with.
    pub(super) api_root: Arc<str>,
    /// Requests that append to uploads now.
    pub(super) running: Running,
    /// How long an unfinished upload may stay untouched.
    pub(super) upload_expiry: Live<Duration>,
    pub(super) southbound: Arc<SouthboundAddress>,
    /// Whether the program is alive and ready.
    pub(super) health: Health,
    /// How long requests took.
    pub(super) durations: Arc<Durations>,
    pub(super) web_ui: WebUi,
    pub(super) process: Process,
    /// Whether each change must say which version it is about.
    require_preconditions: Live<bool>,
}

/// What the API shows of the running program itself.
#[derive(Clone)]
pub struct Process {
    /// When it was started.
    pub started: SystemTime,
    /// Its logs.
    pub log: Log,
    /// Reloads its settings.
    pub reloader: Reloader,
}

/// How the API behaves towards clients.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The longest that a request may take until it is answered, if there is a limit.
    pub timeout: Live<Option<Duration>>,
    /// How long an unfinished upload may stay untouched.
    pub upload_expiry: Live<Duration>,
    /// Whether a change must say by `If-Match` or `If-None-Match` which version it is about.
    pub require_preconditions: Live<bool>,
    /// A folder to read the web UI's files from at each request, instead of out of the program.
    pub web_ui: Option<PathBuf>,
}

/// What limits count the client of a request by.
pub(super) fn client(extensions: &Extensions) -> Option<ClientKey> {
    extensions.get::<Client>().and_then(Client::limit_key)
}

impl Northbound {
    /// Shows `core` and `images`. The southbound is at `southbound`, and its paths begin with `api_root`;
    /// `health` tells
    /// whether the service is alive and ready.
    pub fn new(
        core: &Core,
        images: &OpenImages,
        api_root: &str,
        southbound: SouthboundAddress,
        health: Health,
        process: Process,
        settings: &Settings,
    ) -> Self {
        Self {
            catalog: images.catalog.clone(),
            jobs: core.jobs.clone(),
            image_jobs: images.jobs.clone(),
            transfers: core.transfers.clone(),
            events: core.feed.clone(),
            api_root: Arc::from(api_root),
            running: Running::default(),
            upload_expiry: settings.upload_expiry.clone(),
            southbound: Arc::new(southbound),
            health,
            durations: Arc::default(),
            process,
            web_ui: WebUi::new(settings.web_ui.clone()),
            require_preconditions: settings.require_preconditions.clone(),
        }
    }

    /// The conditions of a request that changes or removes something.
    pub(super) fn conditions(&self, headers: &HeaderMap) -> Result<Preconditions, Problem> {
        Preconditions::of(headers, *self.require_preconditions.get())
    }

    /// An image as clients see it, with the job that fetches its ISO.
    pub(super) fn view(&self, image: &Image) -> views::image::Image {
        views::image::Image::new(image, self.image_jobs.of_image(&image.id).as_ref(), &self.api_root)
    }
}

/// The answer of a change: `value` as GET shows it, with its entity tag.
pub(super) fn tagged(status: StatusCode, value: &impl Serialize) -> Response {
    (status, [(ETAG, EntityTag::of_json(value).header())], Json(value)).into_response()
}
