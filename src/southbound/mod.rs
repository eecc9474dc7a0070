//! The API for machines that boot: a static HTTP server. Firmware depends on the exact bytes of its
//! responses.
//!
//! The way of a request: method → path → look-up → preconditions → ranges → response. This module does not
//! know where the bytes of files are.

mod listing;
mod listing_page;
mod media_types;
mod multipart;
mod path;
mod preconditions;
mod prepared;
mod ranges;
mod reply;
mod response_cache;
mod sources;

use std::sync::Arc;
use std::time::{Duration, Instant};

use file_transport::{Body, IdleEviction, Incoming};
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_service::access_log::Access;
use http_service::browsers::{Browsers, host_field};
use http_service::{Answer, Client, HttpService};
use rustix::io::Errno;

use component::{ContentSource, LookupError, LookupLimit, NameError, Resolved};
use http_service::transfers::Transfers;
use listing::Form;
use model::fair_limit::Refusal;
use model::line_limit::LineLimit;
use prepared::{Prepared, PreparedFile, PreparedListing};
use response_cache::{ListingPreference, ResponseCache};
use sources::Sources;

/// The file server. Clones share everything.
#[derive(Clone)]
pub struct Southbound {
    sources: Sources,
    lookups: LookupLimit,
    api_root: Arc<str>,
    cache: ResponseCache,
    transfers: Transfers,
    idle_eviction: IdleEviction,
    browsers: Browsers,
    lines: LineLimit,
}

/// Idle connections that are closed when no descriptor is left to open a file.
const EVICTED: usize = 16;

/// How long their closing may take before the file is opened again.
const EVICTION_TIME: Duration = Duration::from_millis(20);

/// The fields of answers that pages of other origins may read, besides those that they always may.
const EXPOSED: &str = "accept-ranges, content-range, etag, repr-digest, retry-after";

/// The text of a 503 without a transfer permit or a descriptor.
const BUSY: &str = "Too busy\n";

/// The beginning of iPXE's `User-Agent`. iPXE retries a 503 after `Retry-After`; other firmware gives up.
const IPXE: &[u8] = b"iPXE/";

impl Southbound {
    /// Serves the content of `sources` below the URL prefix `api_root`, within the limits of `transfers`.
    /// When no descriptor is left, `idle_eviction` closes idle connections. `browsers` tells which pages of
    /// other origins may read.
    ///
    /// # Errors
    ///
    /// Two sources have the same prefix, or one has a prefix of the program.
    pub fn new(
        sources: Vec<Arc<dyn ContentSource>>,
        lookups: LookupLimit,
        transfers: Transfers,
        idle_eviction: IdleEviction,
        browsers: Browsers,
        api_root: &str,
    ) -> Result<Self, NameError> {
        let cache = ResponseCache::new();
        let sources = Sources::new(sources)?;
        let changed = cache.clone();
        sources.on_change(move || changed.clear());
        Ok(Self {
            sources,
            lookups,
            api_root: Arc::from(api_root),
            cache,
            transfers,
            idle_eviction,
            browsers,
            lines: LineLimit::default(),
        })
    }

    /// Answers one request, counts it, and writes its line in the access log.
    async fn serve<B>(&self, request: &Request<B>, client: Client) -> Response<Body> {
        let access = Access::begin(client, request.method(), request.uri().path(), request.headers());
        let mut response = self.answer(request, client).await;
        let origin = request.headers().get(header::ORIGIN);
        self.browsers.rules().origins.describe(origin, EXPOSED, response.headers_mut());
        let status = response.status().as_u16();
        self.transfers.answered(status);
        if let Some(access) = access {
            access.end("southbound", status, response.body().length(), None);
        }
        response
    }

    async fn answer<B>(&self, request: &Request<B>, client: Client) -> Response<Body> {
        if host_field(request.headers()).is_err() {
            return reply::text(StatusCode::BAD_REQUEST, "Two Host fields\n");
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            if let Some(response) = self.preflight(request) {
                return response;
            }
            let mut response = reply::text(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed\n");
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        let (path, preference) = (request.uri().path(), preference(request.uri().query(), request.headers()));
        let found = match self.cache.get(path, preference) {
            Some(prepared) => Ok(prepared),
            // Boxed: the state of a request is moved several times, and most requests need no look-up.
            None => Box::pin(self.look_up_or_evict(path, preference)).await,
        };
        match found.as_deref() {
            Ok(Prepared::File(file)) => self.transfer(request, client, file).await,
            Ok(Prepared::Listing(listed)) => reply::listing(listed),
            Err(error) => self.failed_look_up(error, path, is_ipxe(request.headers()).then(|| pause(client))),
        }
    }

    /// The response to a look-up that failed. `pause`, in seconds, is for a client that retries.
    fn failed_look_up(&self, error: &LookupError, path: &str, pause: Option<u16>) -> Response<Body> {
        match error {
            LookupError::NotFound => return reply::text(StatusCode::NOT_FOUND, "Not found\n"),
            LookupError::Unsettled => {
                return reply::unavailable("The image's ISO has changed and is being looked at\n", pause);
            }
            // A client may repeat its request without end.
            _ if self.lines.allows(path) => tracing::error!(path, %error, "a file cannot be served"),
            _ => {}
        }
        let words = match error {
            LookupError::Io(error) if is_exhausted(error) => return reply::unavailable(BUSY, pause),
            LookupError::Unreadable => "The image is damaged: this file cannot be read whole\n",
            _ => "The file cannot be read\n",
        };
        reply::text(StatusCode::INTERNAL_SERVER_ERROR, words)
    }

    /// The answer to a preflight request of a page that may read.
    fn preflight<B>(&self, request: &Request<B>) -> Option<Response<Body>> {
        let is_asked = *request.method() == Method::OPTIONS;
        let fields =
            self.browsers.rules().origins.preflight(request.headers(), "GET, HEAD").filter(|_| is_asked)?;
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        *response.headers_mut() = fields;
        prepared::never_sniffed(response.headers_mut());
        Some(response)
    }

    /// Answers with a file. Bytes from a disk need a transfer permit, and their transfer is observed.
    async fn transfer<B>(&self, request: &Request<B>, client: Client, file: &PreparedFile) -> Response<Body> {
        let mut response = reply::file(request, file);
        let size = response.body().length().filter(|_| response.status().is_success()).unwrap_or(0);
        if size == 0 || request.method() == Method::HEAD {
            return response;
        }
        let path = request.uri().path();
        if file.is_in_memory() {
            self.transfers.record(client, path, size);
            return response;
        }
        match self.transfers.admit(client, !is_ipxe(request.headers())).await {
            Ok(permit) => {
                let transfer = self.transfers.begin(client, path, file.content.identity, size, permit);
                response.body_mut().observe(transfer);
                response
            }
            Err(Refusal::All) => reply::unavailable(BUSY, Some(pause(client))),
            Err(Refusal::Client) => reply::too_many(pause(client)),
        }
    }

    /// Looks the path up. If no descriptor is left, evicts idle connections and tries once more.
    async fn look_up_or_evict(
        &self,
        path: &str,
        preference: ListingPreference,
    ) -> Result<Arc<Prepared>, LookupError> {
        match self.look_up(path, preference).await {
            Err(LookupError::Io(error)) if is_exhausted(&error) => {
                self.cache.clear();
                self.idle_eviction.ask(EVICTED);
                tokio::time::sleep(EVICTION_TIME).await;
                self.look_up(path, preference).await
            }
            found => found,
        }
    }

    /// Looks the path up, and once more if the file changed meanwhile: an ISO serves only its registered
    /// version.
    async fn look_up(&self, path: &str, preference: ListingPreference) -> Result<Arc<Prepared>, LookupError> {
        match self.look_up_once(path, preference).await {
            Ok(prepared) if !prepared.is_unchanged() => self.look_up_once(path, preference).await,
            found => found,
        }
    }

    /// Looks the path up on the blocking pool, and caches the prepared response.
    async fn look_up_once(
        &self,
        path: &str,
        preference: ListingPreference,
    ) -> Result<Arc<Prepared>, LookupError> {
        let mut wanted = path::parse(path, &self.api_root).ok_or(LookupError::NotFound)?;
        wanted.listing = preference.1;
        let permit = self.lookups.enter(self.sources.limited_by(&wanted.decoded)).await;
        let (southbound, path, at) = (self.clone(), path.to_owned(), Instant::now());
        let look_up = move || {
            let _permit = permit;
            // Read before the look-up, so that a change during it invalidates the response.
            let generation = southbound.cache.generation();
            let prepared = match southbound.sources.find(&wanted)? {
                Resolved::File(content, name) => Prepared::File(Box::new(PreparedFile::new(content, &name))),
                Resolved::Directory(listed) => Prepared::Listing(PreparedListing::new(
                    listed,
                    preference.0,
                    &southbound.api_root,
                    &wanted.decoded,
                )),
            };
            Ok(southbound.cache.put(&path, preference, prepared, generation, at))
        };
        let found = tokio::task::spawn_blocking(look_up).await;
        found.unwrap_or_else(|error| Err(LookupError::Io(std::io::Error::other(error))))
    }
}

impl HttpService for Southbound {
    fn owns(&self, _: &str) -> bool {
        true
    }

    fn handle(self: Arc<Self>, request: Request<Incoming>, client: Client) -> Answer {
        Box::pin(async move { self.serve(&request, client).await })
    }
}

fn is_ipxe(headers: &HeaderMap) -> bool {
    headers.get(header::USER_AGENT).is_some_and(|agent| agent.as_bytes().starts_with(IPXE))
}

/// Seconds after which a client should retry. They differ by client, so that not all clients retry at once.
fn pause(client: Client) -> u16 {
    2 + client.peer().port() % 4
}

/// Whether this process or the system has no descriptor left, which is temporary.
fn is_exhausted(error: &std::io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE))
}

/// The form of listings: the query's, else the one that the client prefers.
fn preference(query: Option<&str>, headers: &HeaderMap) -> ListingPreference {
    match Form::asked(query) {
        Some(form) => (form, true),
        None if headers.contains_key(header::ACCEPT) => (Form::accepted(headers), false),
        None => (Form::Page, false),
    }
}
