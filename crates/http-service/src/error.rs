//! The one form of an answer that refuses a request, which each dialect makes its errors of.

use axum::body::{Body, Bytes};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};

use crate::request_id::RequestId;

/// An answer that refuses a request: problem details, the JSON of an older API, or XML. An API matches each
/// of its errors to one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    /// The status.
    pub status: StatusCode,
    /// The headers, `Content-Type` among them.
    pub headers: HeaderMap,
    /// The body in the API's dialect.
    pub body: Bytes,
    /// What only the operator can repair. It goes to the log when the answer is made, and never to the
    /// client.
    pub log: Option<String>,
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        if let Some(error) = self.log {
            let request = RequestId::current().map(tracing::field::display);
            tracing::error!(request, error, "a request failed");
        }
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }
}
