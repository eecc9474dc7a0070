//! The door for machines that boot: a static HTTP server whose answers are exact to the letter (`clients.md`).
//!
//! A request passes in one line: method → path → look-up → preconditions → ranges → answer. Nothing here knows where bytes lie.

mod listing;
mod listing_page;
mod media_types;
mod multipart;
mod path;
mod preconditions;
mod ranges;
mod reply;

use std::net::SocketAddr;
use std::sync::Arc;

use file_transport::Body;
use http::header::{self, HeaderValue};
use http::{Method, Request, Response, StatusCode};

use crate::catalog::{Catalog, Resolved};
use crate::trees::LookupError;
use listing::Form;

/// The door.
#[derive(Clone)]
pub struct Southbound {
    catalog: Catalog,
    api_root: Arc<str>,
}

impl Southbound {
    /// Serves what `catalog` resolves, below the URL prefix `api_root`.
    pub fn new(catalog: Catalog, api_root: &str) -> Self {
        Self { catalog, api_root: Arc::from(api_root) }
    }

    /// Answers one request.
    pub async fn handle<B>(&self, request: Request<B>, peer: SocketAddr) -> Response<Body> {
        let mut response = self.answer(&request).await;
        let (status, length) = (response.status(), response.body().length());
        // Said here, because the connection would not say it of an empty answer to HEAD. A 304 has no length of its own
        // (RFC 9110 §8.6).
        if let Some(length) = length.filter(|_| status != StatusCode::NOT_MODIFIED) {
            response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        }
        tracing::debug!(
            %peer, method = %request.method(), path = request.uri().path(), status = status.as_u16(), length, "southbound"
        );
        response
    }

    async fn answer<B>(&self, request: &Request<B>) -> Response<Body> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut response = reply::text(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed\n");
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        let Some(mut wanted) = path::parse(request.uri().path(), &self.api_root) else {
            return not_found();
        };
        wanted.listing = Form::asked(request.uri().query()).is_some();
        let path = wanted.decoded.clone();
        match self.catalog.resolve(wanted).await {
            Ok(Resolved::File(content, name)) => reply::file(request, &content, &name),
            Ok(Resolved::Directory(entries)) => reply::listing(request, entries, &self.api_root, path).await,
            Err(LookupError::NotFound) => not_found(),
            Err(error) => {
                tracing::error!(path = request.uri().path(), %error, "a file cannot be served");
                match error {
                    LookupError::Unreadable => reply::text(
                        StatusCode::INTERNAL_SERVER_ERROR,
                        "The image is damaged: this file cannot be read whole\n",
                    ),
                    _ => reply::text(StatusCode::INTERNAL_SERVER_ERROR, "The file cannot be read\n"),
                }
            }
        }
    }
}

fn not_found() -> Response<Body> {
    reply::text(StatusCode::NOT_FOUND, "Not found\n")
}
