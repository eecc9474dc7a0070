//! The only place where errors become HTTP: RFC 9457 problem details, with a `message` for old clients. What a client can repair is told
//! to the client; what only the operator can repair goes to the log, and the client gets a sentence without inner details.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::header::{self, HeaderValue};
use http::{HeaderMap, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use crate::catalog::CatalogError;
use crate::events::SubscribeError;
use crate::jobs::checksums::ChecksumError;
use crate::jobs::{Failure, JobError};
use crate::store::StoreError;
use crate::trees::FileError;

/// How a problem is written (RFC 9457 §3).
pub(super) const MEDIA_TYPE: &str = "application/problem+json";

/// An answer that says what went wrong.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Problem {
    status: StatusCode,
    detail: String,
    parameter: Option<String>,
    allow: Option<&'static str>,
}

/// What went wrong: problem details by RFC 9457.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct Body {
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
}

impl Problem {
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), parameter: None, allow: None }
    }

    /// A parameter is missing, repeated, unknown or unusable.
    pub(super) fn parameter(name: &str, what: impl std::fmt::Display) -> Self {
        Self::new(StatusCode::BAD_REQUEST, format!("the parameter `{name}` {what}")).about(name)
    }

    /// The path exists, the method does not.
    pub(super) fn method_not_allowed(allow: &'static str) -> Self {
        let problem = Self::new(StatusCode::METHOD_NOT_ALLOWED, format!("this path answers to {allow}"));
        Self { allow: Some(allow), ..problem }
    }

    /// Names the parameter that led here, where an error of the desk has one and does not say so itself.
    pub(super) fn of_parameter(self, name: &str) -> Self {
        if self.parameter.is_some() {
            return self;
        }
        Self { detail: format!("`{name}`: {}", self.detail), parameter: Some(name.to_owned()), ..self }
    }

    /// Names all those whose word led here. The first of them that is a parameter is told to programs as well.
    pub(super) fn of_names(self, names: &[&str], parameters: &[&str]) -> Self {
        let parameter = names.iter().find(|name| parameters.contains(name)).map(|name| (*name).to_owned());
        let detail = format!("`{}`: {}", names.join("`, `"), self.detail);
        Self { detail, parameter: self.parameter.or(parameter), ..self }
    }

    /// The same problem, said of a parameter that its text names already.
    pub(super) fn about(self, name: &str) -> Self {
        Self { parameter: Some(name.to_owned()), ..self }
    }

    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    /// What a client reads.
    pub(super) fn body(&self) -> Body {
        Body {
            kind: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: self.detail.clone(),
            message: self.detail.clone(),
            parameter: self.parameter.clone(),
        }
    }

    fn internal(error: &dyn std::fmt::Display) -> Self {
        tracing::error!(%error, "a request failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "the service cannot do this just now; its log says why")
    }
}

/// The status by which tus says that the bytes do not have their checksum.
const CHECKSUM_MISMATCH: u16 = 460;

/// The bytes of a piece do not have the checksum that the client announced.
pub(super) fn checksum_mismatch() -> Problem {
    let status = StatusCode::from_u16(CHECKSUM_MISMATCH).unwrap_or(StatusCode::BAD_REQUEST);
    Problem::new(status, "the bytes do not have the checksum that was said; send them again")
}

impl From<CatalogError> for Problem {
    fn from(error: CatalogError) -> Self {
        let text = error.to_string();
        let status = match &error {
            CatalogError::Duplicate { .. }
            | CatalogError::Busy(_)
            | CatalogError::InUse { .. }
            | CatalogError::NameIsLocal(_)
            | CatalogError::NameIsStored(_)
            | CatalogError::Whole
            | CatalogError::NotServed { .. }
            | CatalogError::Changing(_)
            | CatalogError::Damaged { .. } => StatusCode::CONFLICT,
            CatalogError::NoSuchImage
            | CatalogError::NoSuchFile { .. }
            | CatalogError::NoSuchFolder(_)
            | CatalogError::NotAFolder(_)
            | CatalogError::Local(FileError::NotFound) => StatusCode::NOT_FOUND,
            CatalogError::Empty
            | CatalogError::LocalName(_)
            | CatalogError::Local(FileError::NotRegular(_)) => StatusCode::BAD_REQUEST,
            CatalogError::Local(FileError::Forbidden) => StatusCode::FORBIDDEN,
            CatalogError::TreeChoice(_) => {
                return Self::new(StatusCode::UNPROCESSABLE_ENTITY, text).of_parameter("tree");
            }
            CatalogError::NotAnImage(_) => StatusCode::UNPROCESSABLE_ENTITY,
            CatalogError::Store(error) => match error {
                StoreError::NotFound(_) | StoreError::NoSuchPart => StatusCode::NOT_FOUND,
                StoreError::NotAFile(_) | StoreError::PartExists => StatusCode::CONFLICT,
                StoreError::TooManyParts(_) => StatusCode::SERVICE_UNAVAILABLE,
                StoreError::Full { .. } => StatusCode::INSUFFICIENT_STORAGE,
                StoreError::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
                StoreError::Mismatch(_) => StatusCode::UNPROCESSABLE_ENTITY,
                StoreError::InUse(_) | StoreError::Io { .. } => return Self::internal(&text),
            },
            CatalogError::Tree(error) => {
                tracing::error!(%error, "a request failed");
                return Self::new(StatusCode::INTERNAL_SERVER_ERROR, error.public_message());
            }
            CatalogError::Inventory(_) => {
                tracing::error!(error = text, "a request failed");
                return Self::new(
                    StatusCode::INSUFFICIENT_STORAGE,
                    "the inventory cannot be written, so nothing was changed; the service's log says why",
                );
            }
            CatalogError::Local(FileError::Io(_)) | CatalogError::Lookup(_) => return Self::internal(&text),
            CatalogError::Crowded | CatalogError::Searching | CatalogError::Stopping => {
                StatusCode::SERVICE_UNAVAILABLE
            }
        };
        Self::new(status, text)
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        let text = failure.to_string();
        let status = match failure {
            Failure::TreeChoice(_) => {
                return Self::new(StatusCode::UNPROCESSABLE_ENTITY, text).of_parameter("tree");
            }
            Failure::Missing(_) => StatusCode::NOT_FOUND,
            Failure::Source(_) | Failure::NotAnImage(_) | Failure::Mismatch(_) | Failure::Forbidden(_) => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            Failure::Conflict(_) | Failure::Cancelled => StatusCode::CONFLICT,
            Failure::Space(_) => StatusCode::INSUFFICIENT_STORAGE,
            Failure::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Failure::Storage(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, text)
    }
}

impl From<ChecksumError> for Problem {
    fn from(error: ChecksumError) -> Self {
        Failure::from(error).into()
    }
}

impl From<JobError> for Problem {
    fn from(error: JobError) -> Self {
        let text = error.to_string();
        let status = match error {
            JobError::NoSuchJob => StatusCode::NOT_FOUND,
            JobError::NotOver(_) | JobError::Pointless(_) | JobError::Busy => StatusCode::CONFLICT,
            JobError::Refused(error) => {
                return error
                    .downcast::<CatalogError>()
                    .map_or_else(|error| Self::internal(&error), |error| (*error).into());
            }
        };
        Self::new(status, text)
    }
}

impl From<SubscribeError> for Problem {
    fn from(error: SubscribeError) -> Self {
        match error {
            SubscribeError::Crowded | SubscribeError::Stopping => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        if let Some(allow) = self.allow {
            headers.insert(header::ALLOW, HeaderValue::from_static(allow));
        }
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        }
        (self.status, headers, Json(self.body())).into_response()
    }
}
