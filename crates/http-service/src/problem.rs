//! Problem details (RFC 9457), with a `message` for old clients.

use axum::response::{IntoResponse, Response};
use http::header::{self, HeaderValue};
use http::{HeaderMap, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use crate::error::ApiError;
use crate::request_id::RequestId;

/// How a problem is written (RFC 9457 §3).
pub const MEDIA_TYPE: &str = "application/problem+json";

/// Seconds after which a client may try again what the service has no capacity for now.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("5");

/// What a client reads when its request is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    status: StatusCode,
    detail: String,
    parameter: Option<String>,
    id: Option<Box<str>>,
    name: Option<Box<str>>,
    allow: Option<&'static str>,
    log: Option<Box<str>>,
    is_unread: bool,
}

/// What went wrong: problem details by RFC 9457.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct Body {
    /// Always `about:blank`: the status says what kind of problem it is.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The status in words.
    title: &'static str,
    /// The status.
    status: u16,
    /// What went wrong, for people.
    detail: String,
    /// The same, for older clients.
    message: String,
    /// The parameter that it is about, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    parameter: Option<String>,
    /// The id of the thing that is there already, where the problem is that there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    id: Option<String>,
    /// The name of the file that it is about, where the problem is that there is one or another request has
    /// it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    name: Option<String>,
}

impl Problem {
    /// A problem that the client can read in full.
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            status,
            detail: detail.into(),
            parameter: None,
            id: None,
            name: None,
            allow: None,
            log: None,
            is_unread: false,
        }
    }

    /// 500 for a failure that only the operator can repair: the client reads `detail`, the log gets `error`.
    pub fn internal(error: impl ToString, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, detail).logged(error)
    }

    /// 500 for a defect of the program, which is in the log already.
    pub fn mistake() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "the service made a mistake; its log says more")
    }

    /// 400 of a parameter that is missing, repeated, unknown or unusable.
    pub fn parameter(name: &str, what: impl std::fmt::Display) -> Self {
        Self::new(StatusCode::BAD_REQUEST, format!("the parameter `{name}` {what}")).about(name)
    }

    /// 405 of a path whose methods are `allow`.
    pub fn method_not_allowed(allow: &'static str) -> Self {
        let problem = Self::new(StatusCode::METHOD_NOT_ALLOWED, format!("this path answers to {allow}"));
        Self { allow: Some(allow), ..problem }
    }

    /// Names the parameter that led here, unless one is named already.
    pub fn of_parameter(self, name: &str) -> Self {
        if self.parameter.is_some() {
            return self;
        }
        Self { detail: format!("`{name}`: {}", self.detail), parameter: Some(name.to_owned()), ..self }
    }

    /// Names all parameters and fields that led here. Programs read the first that is one of `parameters`.
    pub fn of_names(self, names: &[&str], parameters: &[&str]) -> Self {
        let parameter = names.iter().find(|name| parameters.contains(name)).map(|name| (*name).to_owned());
        let detail = format!("`{}`: {}", names.join("`, `"), self.detail);
        Self { detail, parameter: self.parameter.or(parameter), ..self }
    }

    /// The problem of a parameter that its text names already.
    pub fn about(self, name: &str) -> Self {
        Self { parameter: Some(name.to_owned()), ..self }
    }

    /// Tells the id of the thing that is there already.
    pub fn with_id(self, id: impl Into<Box<str>>) -> Self {
        Self { id: Some(id.into()), ..self }
    }

    /// Tells the name of the file that it is about.
    pub fn with_name(self, name: impl Into<Box<str>>) -> Self {
        Self { name: Some(name.into()), ..self }
    }

    /// Adds details for the log, which the client does not read.
    pub fn logged(self, error: impl ToString) -> Self {
        Self { log: Some(error.to_string().into()), ..self }
    }

    /// A problem whose client has gone, so that it reads no answer.
    pub(crate) fn unread(self) -> Self {
        Self { is_unread: true, ..self }
    }

    /// Whether the client has gone.
    pub(crate) fn is_unread(&self) -> bool {
        self.is_unread
    }

    /// Writes the problem to the log, because its client has gone and reads no answer.
    pub(crate) fn log_unanswered(&self) {
        let request = RequestId::current().map(tracing::field::display);
        let (status, reason) = (self.status.as_u16(), self.detail.as_str());
        match self.log.as_deref() {
            Some(error) => tracing::error!(request, error, "a request failed"),
            None => tracing::info!(request, status, reason, "a request failed after its client had gone"),
        }
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// What a client reads.
    pub fn body(&self) -> Body {
        Body {
            kind: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: self.detail.clone(),
            message: self.detail.clone(),
            parameter: self.parameter.clone(),
            id: self.id.as_deref().map(str::to_owned),
            name: self.name.as_deref().map(str::to_owned),
        }
    }
}

impl From<Problem> for ApiError {
    fn from(problem: Problem) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        if let Some(allow) = problem.allow {
            headers.insert(header::ALLOW, HeaderValue::from_static(allow));
        }
        if matches!(problem.status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
            headers.insert(header::RETRY_AFTER, RETRY_AFTER);
        }
        // Text and numbers are always JSON.
        let body = serde_json::to_vec(&problem.body()).unwrap_or_default();
        Self { status: problem.status, headers, body: body.into(), log: problem.log.map(String::from) }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        ApiError::from(self).into_response()
    }
}
