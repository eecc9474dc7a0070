//! What browsers get: the pages, and the files that these are made of, out of the program itself. Pages are asked for anew each time and are
//! small; the files lie below a folder whose name changes with their content, so browsers keep them for good.

mod files;
mod page;

use std::path::PathBuf;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path as UrlPath, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderMap, HeaderName,
    HeaderValue, IF_NONE_MATCH, LOCATION, VARY,
};

use super::Northbound;
use super::index::{self, Index};
use super::openapi::examples;
use super::problem::Problem;
use crate::model::media_range::rank;
use files::{File, Files};
use page::Page;

/// All that browsers get.
#[derive(Clone)]
pub(super) struct WebUi(Arc<Inner>);

struct Inner {
    files: Files,
    /// The pages, each at its place: `/`, `/gui/` and `/docs`. None while the files are read from a folder, for they change then.
    pages: Option<[Page; 3]>,
}

/// Where a page is, from which follows how it refers to its files.
#[derive(Debug, Clone, Copy)]
enum PageUrl {
    Root,
    Gui,
    Docs,
}

impl PageUrl {
    const ALL: [Self; 3] = [Self::Root, Self::Gui, Self::Docs];

    /// Its text, and the module that it starts.
    fn files(self) -> (&'static str, &'static str) {
        match self {
            Self::Root | Self::Gui => ("index.html", "app.js"),
            Self::Docs => ("docs.html", "docs.js"),
        }
    }

    /// From the page to the folder `/gui/`.
    fn to_gui(self) -> &'static str {
        match self {
            Self::Gui => "",
            Self::Root | Self::Docs => "gui/",
        }
    }
}

impl WebUi {
    /// Takes the files out of the program, or, for those who work on them, from a folder as they are at each request.
    pub(super) fn new(folder: Option<PathBuf>) -> Self {
        let files = folder.map_or(Files::Embedded, Files::Folder);
        let pages = match files {
            Files::Embedded => Some(PageUrl::ALL.map(|place| {
                Page::render(&files, place).expect("build.rs embeds all that a page is made of")
            })),
            Files::Folder(_) => None,
        };
        Self(Arc::new(Inner { files, pages }))
    }

    async fn page(&self, place: PageUrl, headers: &HeaderMap) -> Response {
        let inner = Arc::clone(&self.0);
        let page = match &inner.pages {
            Some(pages) => Some(pages[place as usize].clone()),
            None => off_thread(move || Page::render(&inner.files, place)).await,
        };
        let Some(page) = page else { return not_here().into_response() };
        let mut response = self.answer(page.file, &page.version, headers, "no-cache");
        for (name, value) in page.headers {
            response.headers_mut().insert(name, value);
        }
        response
    }

    /// A file in the form that the client takes, or the word that it has this version of it already.
    fn answer(
        &self,
        file: File,
        version: &str,
        headers: &HeaderMap,
        cache_control: &'static str,
    ) -> Response {
        let mut response = Response::new(Body::empty());
        let fields = response.headers_mut();
        fields.insert(HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff"));
        fields.insert(CONTENT_TYPE, HeaderValue::from_static(file.media_type));
        let Files::Embedded = self.0.files else {
            fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            *response.body_mut() = Body::from(file.bytes);
            return response;
        };
        let takes = |coding| takes(headers, coding);
        let (coding, bytes) = match file {
            File { brotli, .. } if !brotli.is_empty() && takes("br") => (Some("br"), brotli),
            File { gzip, .. } if !gzip.is_empty() && takes("gzip") => (Some("gzip"), gzip),
            File { bytes, .. } => (None, bytes),
        };
        let tag = format!("\"{version}{}\"", coding.map(|coding| format!("-{coding}")).unwrap_or_default());
        fields.insert(CACHE_CONTROL, HeaderValue::from_static(cache_control));
        fields.append(VARY, HeaderValue::from_static("Accept-Encoding"));
        if let Ok(value) = HeaderValue::from_str(&tag) {
            fields.insert(ETAG, value);
        }
        if has_already(headers, &tag) {
            fields.remove(CONTENT_TYPE);
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return response;
        }
        if let Some(coding) = coding {
            fields.insert(CONTENT_ENCODING, HeaderValue::from_static(coding));
        }
        *response.body_mut() = Body::from(bytes);
        response
    }
}

/// Show the page to browsers, and what there is to all others.
///
/// Only where the two doors have endpoints of their own: else this is the root of the southbound. `/gui/` is the page everywhere, and `/about`
/// tells what there is.
#[utoipa::path(
    get, path = "/", tag = "service", operation_id = "showRoot",
    responses((status = 200, description = "What the client likes better, by its `Accept`.", content(
        (Index = "application/json", example = json!(examples::index())),
        (String = "text/html"),
    ))),
)]
pub(super) async fn root(State(api): State<Northbound>, headers: HeaderMap) -> Response {
    let mut response = if prefers_page(&headers) {
        api.web_ui.page(PageUrl::Root, &headers).await
    } else {
        index::show(State(api), headers).await.into_response()
    };
    response.headers_mut().append(VARY, HeaderValue::from_static("Accept"));
    response
}

/// `GET /gui/`: the page, where the old service had its own, and where both doors share an endpoint.
pub(super) async fn gui(State(api): State<Northbound>, headers: HeaderMap) -> Response {
    api.web_ui.page(PageUrl::Gui, &headers).await
}

/// `GET /gui`: what the page refers to is found from inside its folder.
pub(super) async fn to_gui() -> impl IntoResponse {
    (StatusCode::PERMANENT_REDIRECT, [(LOCATION, HeaderValue::from_static("gui/"))])
}

/// `GET /gui/docs`: the same link leads to the page about the API from `/` and from here.
pub(super) async fn to_docs() -> impl IntoResponse {
    (StatusCode::PERMANENT_REDIRECT, [(LOCATION, HeaderValue::from_static("../docs"))])
}

/// `GET /docs`: the page about the API.
pub(super) async fn docs(State(api): State<Northbound>, headers: HeaderMap) -> Response {
    api.web_ui.page(PageUrl::Docs, &headers).await
}

/// `GET /gui/{version}/{path}`: a file that the pages are made of.
pub(super) async fn file(
    State(api): State<Northbound>,
    name: Result<UrlPath<(String, String)>, PathRejection>,
    headers: HeaderMap,
) -> Response {
    // What is no text is the name of no file.
    let Ok(UrlPath((version, path))) = name else { return not_here().into_response() };
    let inner = Arc::clone(&api.web_ui.0);
    let current = inner.files.version();
    let found = match inner.files {
        // Pages are at their own places, with what browsers must hold them to.
        _ if version != current || path.ends_with(".html") => None,
        Files::Embedded => inner.files.read(&path),
        Files::Folder(_) => off_thread(move || inner.files.read(&path)).await,
    };
    match found {
        Some(file) => api.web_ui.answer(file, current, &headers, "public, max-age=31536000, immutable"),
        None => not_here().into_response(),
    }
}

async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> Option<T> + Send + 'static) -> Option<T> {
    tokio::task::spawn_blocking(work).await.ok().flatten()
}

fn not_here() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "the page has no such file; reload it, for it may be of another version",
    )
}

/// Whether a client wants a page more than JSON: browsers do. Whoever takes anything, such as curl, gets JSON.
fn prefers_page(headers: &HeaderMap) -> bool {
    let accept: Vec<&str> = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    let accept = accept.join(",");
    rank(&accept, "text", "html") > rank(&accept, "application", "json")
}

/// Whether a client takes a content coding (RFC 9110 §12.5.3), as far as clients say so: it is named, and not with a quality of zero.
fn takes(headers: &HeaderMap, coding: &str) -> bool {
    let codings = headers
        .get_all(ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    codings.map(str::trim).any(|taken| {
        let (name, quality) = taken.split_once(';').unwrap_or((taken, ""));
        let is_refused = quality.trim().strip_prefix("q=").is_some_and(|value| value.parse() == Ok(0.0_f32));
        name.trim().eq_ignore_ascii_case(coding) && !is_refused
    })
}

/// RFC 9110 §13.1.2. Proxies that compress on their own make a tag weak.
fn has_already(headers: &HeaderMap, tag: &str) -> bool {
    let tags = headers
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    tags.map(str::trim).any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn browsers_get_the_page_and_programs_the_index() {
        for (accept, page) in [
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", true),
            ("Text/HTML", true),
            ("*/*", false),
            ("application/json", false),
            ("application/json, text/html", false),
            ("text/plain", false),
            ("text/html;q=0", false),
            ("text/html;q=0.5, application/json", false),
            ("application/json;q=0.5, text/html", true),
            ("*/*, text/html;q=0.1", false),
            ("text/*", true),
        ] {
            assert_eq!(prefers_page(&headers(ACCEPT, accept)), page, "{accept}");
        }
        assert!(!prefers_page(&HeaderMap::new()));
    }

    #[test]
    fn compressed_is_what_was_asked_for() {
        for (value, is_taken) in [
            ("gzip, deflate, br, zstd", true),
            ("br;q=1.0, GZip;q=0.5", true),
            ("gzip;q=0", false),
            ("gzip; q=0.0", false),
            ("br", false),
            ("", false),
        ] {
            assert_eq!(takes(&headers(ACCEPT_ENCODING, value), "gzip"), is_taken, "{value}");
        }
    }

    #[test]
    fn a_tag_is_known_among_others() {
        for (value, known) in
            [("\"a\"", true), ("\"b\", W/\"a\"", true), ("*", true), ("\"b\"", false), ("a", false)]
        {
            assert_eq!(has_already(&headers(IF_NONE_MATCH, value), "\"a\""), known, "{value}");
        }
    }
}
