//! Answers with pages and files: compressed as the client takes them, or 304 if it has them already. Browsers
//! revalidate pages, which are small. The URLs of files change with their content, so browsers keep them for
//! good.

use std::path::PathBuf;
use std::sync::Arc;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue,
    IF_NONE_MATCH, VARY,
};
use http_service::Problem;

use super::files::{File, Files};
use super::page::{Page, PageUrl};

/// The web UI: its pages, and the files that these refer to.
#[derive(Clone)]
pub(in crate::northbound) struct WebUi(Arc<Inner>);

struct Inner {
    files: Files,
    /// The pages `/`, `/gui/` and `/docs`, by [`PageUrl`]. `None` while the files are read from a folder,
    /// where they may change.
    pages: Option<[Page; 3]>,
}

impl WebUi {
    /// Takes the files out of the program, or, for the developers of the web UI, from a folder at each
    /// request.
    pub(in crate::northbound) fn new(folder: Option<PathBuf>) -> Self {
        let files = folder.map_or(Files::Embedded, Files::Folder);
        let pages = match files {
            Files::Embedded => Some(PageUrl::ALL.map(|place| {
                Page::render(&files, place).expect("build.rs embeds all that a page is made of")
            })),
            Files::Folder(_) => None,
        };
        Self(Arc::new(Inner { files, pages }))
    }

    /// A page.
    pub(super) async fn page(&self, place: PageUrl, headers: &HeaderMap) -> Response {
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

    /// A file of the web UI, if this version has it. Its URL changes with its content.
    pub(super) async fn file(&self, version: &str, path: String, headers: &HeaderMap) -> Response {
        let inner = Arc::clone(&self.0);
        let current = inner.files.version();
        let found = match inner.files {
            // Pages have URLs of their own, which set their security headers.
            _ if version != current || path.ends_with(".html") => None,
            Files::Embedded => inner.files.read(&path),
            Files::Folder(_) => off_thread(move || inner.files.read(&path)).await,
        };
        match found {
            Some(file) => self.answer(file, current, headers, "public, max-age=31536000, immutable"),
            None => not_here().into_response(),
        }
    }

    /// A file in an encoding that the client accepts, or 304 if the client has this version already.
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

async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> Option<T> + Send + 'static) -> Option<T> {
    tokio::task::spawn_blocking(work).await.ok().flatten()
}

/// The problem of a file that the web UI does not have.
pub(super) fn not_here() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "the page has no such file; reload it, for it may be of another version",
    )
}

/// Whether a client takes a content coding (RFC 9110 §12.5.3): it names it, and not with a quality of zero.
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
