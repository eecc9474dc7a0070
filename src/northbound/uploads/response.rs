//! What every answer about an upload has in common.

use std::time::{Duration, SystemTime};

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{HeaderName, HeaderValue};
use http_service::Problem;
use model::unfinished_file::{Owner, UnfinishedFile, UnfinishedFileId};

use super::fields::VERSION;
use crate::northbound::api::Northbound;

/// The headers of answers that pages of other origins may read.
pub(in crate::northbound) const EXPOSED: &str = "etag, link, x-total-count, location, tus-resumable, tus-version, \
    tus-extension, tus-checksum-algorithm, upload-offset, upload-length, upload-defer-length, upload-expires, x-request-id";

/// The methods of `/uploads`.
pub(in crate::northbound) const ALLOW_ALL: &str = "GET, HEAD, POST, OPTIONS";

/// The methods of `/uploads/{id}`.
pub(in crate::northbound) const ALLOW_ONE: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// An answer with the headers that clients of tus expect of each.
pub(super) fn tus(answer: impl IntoResponse) -> Response {
    let mut answer = answer.into_response();
    answer.headers_mut().insert("tus-resumable", HeaderValue::from_static(VERSION));
    if answer.status() == StatusCode::PRECONDITION_FAILED {
        answer.headers_mut().insert("tus-version", HeaderValue::from_static(VERSION));
    }
    answer
}

/// Says how many bytes an upload has, how many it will have, and when it expires.
pub(super) fn progress(api: &Northbound, id: &UnfinishedFileId, offset: u64) -> Response {
    let mut answer = tus(StatusCode::NO_CONTENT);
    let headers = answer.headers_mut();
    let mut add = |name: &'static str, value: String| {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    add("upload-offset", offset.to_string());
    if let Some((_, file)) = api.catalog.intakes.unfinished_file(id) {
        match file.plan.size {
            Some(size) => add("upload-length", size.to_string()),
            None => add("upload-defer-length", "1".into()),
        }
        add("upload-expires", httpdate::fmt_http_date(expires(api, &file)));
    }
    answer
}

/// When an upload is removed, if no request touches it until then.
pub(super) fn expires(api: &Northbound, file: &UnfinishedFile) -> SystemTime {
    let left = file.lifetime(*api.upload_expiry.get()).saturating_sub(file.age);
    SystemTime::now()
        .checked_add(left)
        .unwrap_or(SystemTime::UNIX_EPOCH + Duration::from_secs(u32::MAX.into()))
}

/// The id of an upload. Unfinished downloads have ids as well, but are none.
pub(super) fn known(api: &Northbound, id: String) -> Result<UnfinishedFileId, Problem> {
    let found =
        UnfinishedFileId::new(id).ok().and_then(|id| Some((api.catalog.intakes.unfinished_file(&id)?.1, id)));
    match found {
        Some((file, id)) if file.plan.owner == Owner::Upload => Ok(id),
        _ => Err(Problem::new(StatusCode::NOT_FOUND, "there is no such upload, or no more")),
    }
}
