//! The origins of pages (RFC 6454) that may call a service: its own, and those of the setting `corsOrigins`.

use http::StatusCode;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::called::Called;
use crate::problem::Problem;

/// Tells how the page of a request relates to the URL that it calls (W3C Fetch Metadata).
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Whether pages of other origins may have an answer (Fetch §3.7).
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// Pages of other services that may call a service (CORS, Fetch §3.2).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowedOrigins {
    is_any: bool,
    list: Vec<HeaderValue>,
}

impl AllowedOrigins {
    /// These origins; `*` is all.
    pub fn new(origins: &[String]) -> Self {
        let is_any = origins.iter().any(|origin| origin == "*");
        Self {
            is_any,
            list: origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok()).collect(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether a page may change something. Pages without an origin, such as those in a sandbox, may not.
    fn may_call(&self, origin: &HeaderValue) -> bool {
        self.list.contains(origin) || self.is_any && origin != "null"
    }

    /// Refuses a request that a page of another origin sent.
    pub(crate) fn check(&self, called: &Called, headers: &HeaderMap) -> Result<(), Problem> {
        let origins = headers.get_all(header::ORIGIN);
        let is_listed = origins.iter().next().is_some() && origins.iter().all(|origin| self.may_call(origin));
        if is_listed {
            return Ok(());
        }
        let sites = headers.get_all(SEC_FETCH_SITE);
        if let Some(site) = sites.iter().find(|site| *site != "same-origin" && *site != "none") {
            return Err(refusal(&format!("a page of another site (Sec-Fetch-Site: {})", shown(site))));
        }
        // Browsers send this field only to URLs whose names cannot be rebound: by HTTPS, or to loopback.
        let is_vouched_for = called.is_hidden && sites.iter().any(|site| site == "same-origin");
        match origins.iter().find(|origin| !called.is_origin(origin)) {
            Some(origin) if !is_vouched_for => Err(refusal(&format!("a page of {}", shown(origin)))),
            _ => Ok(()),
        }
    }

    /// Adds the fields by which browsers let pages of these origins read an answer, and those of `exposed`.
    pub fn describe(&self, origin: Option<&HeaderValue>, exposed: &'static str, answer: &mut HeaderMap) {
        if self.is_empty() {
            return;
        }
        let allowed = if self.is_any {
            Some(HeaderValue::from_static("*"))
        } else {
            vary_by_origin(answer);
            origin.filter(|origin| self.list.contains(origin)).cloned()
        };
        let Some(allowed) = allowed else { return };
        answer.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
        answer.insert(RESOURCE_POLICY, HeaderValue::from_static("cross-origin"));
        answer.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(exposed));
    }

    /// The fields of the answer to a preflight request (Fetch §3.2.2); `None` if this is none, or not from an
    /// allowed page.
    pub fn preflight(&self, request: &HeaderMap, methods: &'static str) -> Option<HeaderMap> {
        request.get(header::ACCESS_CONTROL_REQUEST_METHOD)?;
        request.get(header::ORIGIN).filter(|origin| self.is_any || self.list.contains(origin))?;
        let mut answer = HeaderMap::new();
        answer.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(methods));
        if let Some(fields) = request.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
            answer.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, fields.clone());
        }
        Some(answer)
    }
}

/// Tells caches that the answer depends on the page, beside what it depends on already.
fn vary_by_origin(answer: &mut HeaderMap) {
    let before = answer.get(header::VARY).and_then(|value| value.to_str().ok());
    let all = before.map(|before| format!("{before}, Origin"));
    let all = all.and_then(|all| HeaderValue::from_str(&all).ok());
    answer.insert(header::VARY, all.unwrap_or(HeaderValue::from_static("Origin")));
}

fn refusal(page: &str) -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        format!(
            "this request comes from {page}. If that page may call this service, add its origin to `corsOrigins`. \
             If it is this service's own page behind a proxy, have the proxy send the name that browsers call: \
             by plain HTTP as Host (nginx: proxy_set_header Host $http_host), else as X-Forwarded-Host and \
             X-Forwarded-Proto, with the proxy in `trustedProxies`"
        ),
    )
}

/// The text of a field, bounded.
fn shown(value: &HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).chars().take(200).collect()
}
