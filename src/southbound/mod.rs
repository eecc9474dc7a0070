//! The door for machines that boot: a static HTTP server whose answers are exact to the letter (`clients.md`).
//!
//! A request passes in one line: method → path → look-up → preconditions → ranges → answer. Nothing here knows where bytes lie.

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

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use file_transport::{Body, IdleEviction, Incoming};
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_service::{Answer, HttpService};
use rustix::io::Errno;

use component::{ContentSource, LookupError, LookupLimit, Resolved};
use http_service::transfers::{Busy, Transfers};
use listing::Form;
use prepared::{Prepared, PreparedFile, PreparedListing};
use response_cache::{ListingPreference, ResponseCache};
use sources::Sources;

/// The door.
#[derive(Clone)]
pub struct Southbound {
    sources: Sources,
    lookups: LookupLimit,
    api_root: Arc<str>,
    cache: ResponseCache,
    transfers: Transfers,
    idle_eviction: IdleEviction,
}

/// Idle connections that are asked to go when a file cannot be opened for want of a descriptor, and how long they get.
const EVICTED: usize = 16;
const EVICTION_TIME: Duration = Duration::from_millis(20);

/// There is no place, or no descriptor.
const BUSY: &str = "Too busy\n";

/// Who says so retries a 503 after the time that it is told; all others take it for the end.
const IPXE: &[u8] = b"iPXE/";

impl Southbound {
    /// Serves what `sources` publish, below the URL prefix `api_root`, within the limits of `transfers`. Has
    /// `idle_eviction` close idle connections when there are no descriptors left.
    pub fn new(
        sources: Vec<Arc<dyn ContentSource>>,
        transfers: Transfers,
        idle_eviction: IdleEviction,
        api_root: &str,
    ) -> Self {
        let cache = ResponseCache::new();
        let sources = Sources::new(sources);
        let changed = cache.clone();
        sources.on_change(move || changed.clear());
        let lookups = LookupLimit::default();
        Self { sources, lookups, api_root: Arc::from(api_root), cache, transfers, idle_eviction }
    }

    /// Answers one request.
    async fn serve<B>(&self, request: &Request<B>, peer: SocketAddr) -> Response<Body> {
        let response = self.answer(request, peer).await;
        self.transfers.answered(response.status().as_u16());
        let (status, length) = (response.status().as_u16(), response.body().length());
        tracing::debug!(%peer, method = %request.method(), path = request.uri().path(), status, length, "southbound");
        response
    }

    async fn answer<B>(&self, request: &Request<B>, peer: SocketAddr) -> Response<Body> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut response = reply::text(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed\n");
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        let (path, preference) = (request.uri().path(), preference(request.uri().query(), request.headers()));
        let found = match self.cache.get(path, preference, self.sources.generation()) {
            Some(prepared) => Ok(prepared),
            // In a box, because a request's state is moved several times, and most requests do without this part of it.
            None => Box::pin(self.look_up_patiently(path, preference)).await,
        };
        match found.as_deref() {
            Ok(Prepared::File(file)) => self.transfer(request, peer, file).await,
            Ok(Prepared::Listing(listed)) => reply::listing(listed),
            Err(LookupError::NotFound) => reply::text(StatusCode::NOT_FOUND, "Not found\n"),
            Err(LookupError::Unsettled) => {
                let pause = is_ipxe(request.headers()).then(|| pause(peer));
                reply::later("The image's ISO has changed and is being looked at\n", pause)
            }
            Err(error) => {
                tracing::error!(path, %error, "a file cannot be served");
                let (status, words) = match error {
                    LookupError::Unreadable => (
                        StatusCode::INTERNAL_SERVER_ERROR,
                        "The image is damaged: this file cannot be read whole\n",
                    ),
                    LookupError::Io(error) if is_exhausted(error) => {
                        return reply::later(BUSY, is_ipxe(request.headers()).then(|| pause(peer)));
                    }
                    _ => (StatusCode::INTERNAL_SERVER_ERROR, "The file cannot be read\n"),
                };
                reply::text(status, words)
            }
        }
    }

    /// Answers with a file. Bytes that come from a disk need a place among the transfers, and are followed.
    async fn transfer<B>(
        &self,
        request: &Request<B>,
        peer: SocketAddr,
        file: &PreparedFile,
    ) -> Response<Body> {
        let mut response = reply::file(request, file);
        let size = response.body().length().filter(|_| response.status().is_success()).unwrap_or(0);
        if size == 0 || request.method() == Method::HEAD {
            return response;
        }
        let path = request.uri().path();
        if file.is_in_memory() {
            self.transfers.note(peer, path, size);
            return response;
        }
        match self.transfers.admit(!is_ipxe(request.headers())).await {
            Ok(permit) => {
                let transfer = self.transfers.begin(peer, path, file.content.identity, size, permit);
                response.body_mut().observe(transfer);
                response
            }
            Err(Busy) => reply::later(BUSY, Some(pause(peer))),
        }
    }

    /// Asks the desk; if there is no descriptor left, once more after others had time to make room.
    async fn look_up_patiently(
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

    /// Looks the path up; once more if what was found changed meanwhile, for out of an ISO nothing may come but what was registered.
    async fn look_up(&self, path: &str, preference: ListingPreference) -> Result<Arc<Prepared>, LookupError> {
        match self.look_up_once(path, preference).await {
            Ok(prepared) if !prepared.is_unchanged() => self.look_up_once(path, preference).await,
            found => found,
        }
    }

    /// Looks the path up where that may block, and prepares the answer for all clients that ask within the next moment.
    async fn look_up_once(
        &self,
        path: &str,
        preference: ListingPreference,
    ) -> Result<Arc<Prepared>, LookupError> {
        let mut wanted = path::parse(path, &self.api_root).ok_or(LookupError::NotFound)?;
        wanted.listing = preference.1;
        let permit = self.lookups.enter(&wanted.decoded).await;
        let (southbound, path, at) = (self.clone(), path.to_owned(), Instant::now());
        let look_up = move || {
            let _permit = permit;
            // Counted before, so that a change meanwhile makes the cached answer stale.
            let generation = southbound.sources.generation();
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

    fn handle(self: Arc<Self>, request: Request<Incoming>, peer: SocketAddr) -> Answer {
        Box::pin(async move { self.serve(&request, peer).await })
    }
}

fn is_ipxe(headers: &HeaderMap) -> bool {
    headers.get(header::USER_AGENT).is_some_and(|agent| agent.as_bytes().starts_with(IPXE))
}

/// Seconds after which a client should ask again: not the same for all, or they would all come back at once.
fn pause(peer: SocketAddr) -> u16 {
    2 + peer.port() % 4
}

/// Whether the system has no descriptor left, for this process or at all. That passes.
fn is_exhausted(error: &std::io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE))
}

/// How a listing is wanted: as the query says, else as the client prefers.
fn preference(query: Option<&str>, headers: &HeaderMap) -> ListingPreference {
    match Form::asked(query) {
        Some(form) => (form, true),
        None if headers.contains_key(header::ACCEPT) => (Form::accepted(headers), false),
        None => (Form::Page, false),
    }
}
