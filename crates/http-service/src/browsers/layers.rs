//! The rules as layers of a router: one admits requests, the other adds the fields of answers.

use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};

use super::called::{Called, scheme};
use super::rules::Browsers;
use crate::client::Client;
use crate::problem::Problem;
use crate::request_id::{REQUEST_ID, RequestId};

/// The methods that pages of allowed origins may use.
const METHODS: &str = "GET, HEAD, PUT, POST, PATCH, DELETE";

/// The method that a POST stands for.
const METHOD_OVERRIDE: &str = "x-http-method-override";

/// Fields of all answers. An answer may have its own value.
const FIELDS: [(HeaderName, HeaderValue); 5] = [
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
];

/// A year, in seconds.
const HSTS: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// What the layers of one API know.
#[derive(Debug, Clone, Default)]
pub struct Layers {
    /// The rules.
    pub browsers: Browsers,
    /// Routes whose GET and HEAD do more than read, so that no page of another origin may use them.
    pub guarded: &'static [&'static str],
    /// The fields of answers that pages of other origins may read, separated by commas.
    pub exposed: &'static str,
}

/// Answers requests that browsers may not send, and preflight requests. The others go on.
pub(crate) async fn admit(State(layers): State<Arc<Layers>>, mut request: Request, next: Next) -> Response {
    // Without a connection there is no browser.
    let Some(client) = request.extensions().get::<Client>() else { return next.run(request).await };
    let called = Called::read(client, request.version(), request.uri(), request.headers());
    let called = called.map_err(|wrong| Problem::new(StatusCode::BAD_REQUEST, wrong));
    match called.and_then(|called| Ok((layers.check(&called, &request)?, called))) {
        Err(problem) => problem.into_response(),
        Ok((Some(fields), _)) => (StatusCode::NO_CONTENT, fields).into_response(),
        Ok((None, called)) => {
            request.extensions_mut().insert(called);
            next.run(request).await
        }
    }
}

impl Layers {
    /// The answer to a preflight request, if this is one that is allowed.
    fn check(&self, called: &Called, request: &Request) -> Result<Option<HeaderMap>, Problem> {
        let rules = self.browsers.rules();
        let headers = request.headers();
        if let Some(host) = called.host() {
            rules.hosts.check(host)?;
        }
        if request.method() == Method::OPTIONS {
            return Ok(rules.origins.preflight(headers, METHODS));
        }
        if self.is_guarded(request) {
            rules.origins.check(called, headers)?;
        }
        Ok(None)
    }

    /// Whether only own pages may send the request. A method that a field names counts as well.
    fn is_guarded(&self, request: &Request) -> bool {
        let is_read = |method: &[u8]| matches!(method, b"GET" | b"HEAD");
        let named = request.headers().get_all(METHOD_OVERRIDE);
        !is_read(request.method().as_str().as_bytes())
            || named.iter().any(|method| !is_read(method.as_bytes()))
            || request
                .extensions()
                .get::<MatchedPath>()
                .is_some_and(|path| self.guarded.contains(&path.as_str()))
    }
}

/// Adds the fields of every answer, and the id of the request.
pub(crate) async fn describe(State(layers): State<Arc<Layers>>, request: Request, next: Next) -> Response {
    let id = RequestId::of(request.headers());
    let origin = request.headers().get(header::ORIGIN).cloned();
    let client = request.extensions().get::<Client>();
    let is_encrypted = client.is_some_and(|client| scheme(client, request.headers()) == "https");
    let mut response = id.clone().scope(next.run(request)).await;
    let rules = layers.browsers.rules();
    let answer = response.headers_mut();
    for (name, value) in FIELDS {
        answer.entry(name).or_insert(value);
    }
    if rules.hsts && is_encrypted {
        answer.insert(header::STRICT_TRANSPORT_SECURITY, HSTS);
    }
    rules.origins.describe(origin.as_ref(), layers.exposed, answer);
    answer.insert(REQUEST_ID, id.value().clone());
    response
}
