//! The URLs of the web UI.

use axum::Extension;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path as UrlPath, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{ACCEPT, HeaderMap, HeaderValue, LOCATION, VARY};
use http_service::browsers::Called;
use model::media_range::rank;

use super::content::not_here;
use super::page::PageUrl;
use crate::northbound::about::{self, Index};
use crate::northbound::api::Northbound;
use crate::northbound::api_types::examples;

/// Show the page to browsers, and what there is to all others.
///
/// Only where northbound and southbound have endpoints of their own: else this is the root of the southbound.
/// `/gui/` is the page everywhere, and `/about` tells what there is.
#[utoipa::path(
    get, path = "/", tag = "service", operation_id = "showRoot",
    responses((status = 200, description = "What the client likes better, by its `Accept`.", content(
        (Index = "application/json", example = json!(examples::index())),
        (String = "text/html"),
    ))),
)]
pub(in crate::northbound) async fn root(
    State(api): State<Northbound>,
    called: Option<Extension<Called>>,
    headers: HeaderMap,
) -> Response {
    let mut response = if prefers_page(&headers) {
        api.web_ui.page(PageUrl::Root, &headers).await
    } else {
        about::show(State(api), called).await.into_response()
    };
    response.headers_mut().append(VARY, HeaderValue::from_static("Accept"));
    response
}

/// `GET /gui/`: the page, where the old service had its own, and where the southbound shares the endpoint.
pub(in crate::northbound) async fn gui(State(api): State<Northbound>, headers: HeaderMap) -> Response {
    api.web_ui.page(PageUrl::Gui, &headers).await
}

/// `GET /gui`: the relative links of the page work only below `/gui/`.
pub(in crate::northbound) async fn to_gui() -> impl IntoResponse {
    (StatusCode::PERMANENT_REDIRECT, [(LOCATION, HeaderValue::from_static("gui/"))])
}

/// `GET /gui/docs`: the page links to the API's page by the same relative URL from `/` and from `/gui/`.
pub(in crate::northbound) async fn to_docs() -> impl IntoResponse {
    (StatusCode::PERMANENT_REDIRECT, [(LOCATION, HeaderValue::from_static("../docs"))])
}

/// `GET /docs`: the page about the API.
pub(in crate::northbound) async fn docs(State(api): State<Northbound>, headers: HeaderMap) -> Response {
    api.web_ui.page(PageUrl::Docs, &headers).await
}

/// `GET /gui/{version}/{path}`: a file that the pages refer to.
pub(in crate::northbound) async fn file(
    State(api): State<Northbound>,
    name: Result<UrlPath<(String, String)>, PathRejection>,
    headers: HeaderMap,
) -> Response {
    match name {
        Ok(UrlPath((version, path))) => api.web_ui.file(&version, path, &headers).await,
        // No file has a name that is not UTF-8.
        Err(_) => not_here().into_response(),
    }
}

/// Whether a client prefers a page to JSON: browsers do. A client that accepts anything, such as curl, gets
/// JSON.
fn prefers_page(headers: &HeaderMap) -> bool {
    let accept: Vec<&str> = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    let accept = accept.join(",");
    rank(&accept, "text", "html") > rank(&accept, "application", "json")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(value))])
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
            assert_eq!(prefers_page(&headers(accept)), page, "{accept}");
        }
        assert!(!prefers_page(&HeaderMap::new()));
    }
}
