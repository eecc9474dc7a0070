//! The variable parts of a path.

use axum::extract::{FromRequestParts, Path};
use http::{StatusCode, request};
use serde::de::DeserializeOwned;

use crate::problem::Problem;

/// The variable parts of a path, as [`Path`] reads them, with refusals in the form of all others.
#[derive(Debug)]
pub struct UrlPath<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for UrlPath<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut request::Parts, state: &S) -> Result<Self, Problem> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(path)) => Ok(Self(path)),
            Err(_) => Err(Problem::new(StatusCode::BAD_REQUEST, "the path is not valid UTF-8")),
        }
    }
}
