//! The id of a request: in its answer, in the access log, and in what the log tells of its failure.

use std::fmt;

use http::header::{HeaderMap, HeaderName, HeaderValue};

/// The field of the id, in requests and in answers.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest id that is taken from a client.
const MAX_ID: usize = 64;

tokio::task_local! {
    static CURRENT: RequestId;
}

/// The id of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// The client's id of the request if it is short and plain, else a new one.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        let is_usable =
            |id: &HeaderValue| (1..=MAX_ID).contains(&id.len()) && id.as_bytes().iter().all(is_plain);
        let mut ids = headers.get_all(REQUEST_ID).iter();
        Self(match (ids.next(), ids.next()) {
            (Some(id), None) if is_usable(id) => id.clone(),
            _ => {
                let id = uuid::Uuid::new_v4().simple().to_string();
                // Hexadecimal digits are a value.
                HeaderValue::from_str(&id).unwrap_or(HeaderValue::from_static("0"))
            }
        })
    }

    /// The id of the request that the current task works on, if it works on one.
    pub fn current() -> Option<Self> {
        CURRENT.try_with(Self::clone).ok()
    }

    /// Does `work` as work on this request.
    pub(crate) async fn scope<T>(self, work: impl Future<Output = T>) -> T {
        CURRENT.scope(self, work).await
    }

    pub(crate) fn value(&self) -> &HeaderValue {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0.to_str().unwrap_or_default())
    }
}
