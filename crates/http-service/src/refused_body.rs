//! A client that sends a body without `Expect: 100-continue` reads the answer only when it has sent all of
//! it. If the server closed the connection after a refusal, such a client would see a reset connection and
//! never learn why. So some of a refused body is read.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use futures_util::StreamExt;
use http::header::EXPECT;
use http_body::{Frame, SizeHint};
use tokio::sync::oneshot;

/// The most that is read of a refused body, in bytes.
const MAX_BYTES: usize = 1 << 20;

/// The longest that a refusal waits for its body.
const MAX_TIME: Duration = Duration::from_secs(2);

/// Middleware that reads what a handler left of the body of a request that it refused. Clients with `Expect`
/// stop sending by themselves.
pub(crate) async fn drain(request: Request, next: Next) -> Response {
    if request.body().is_end_stream() || request.headers().contains_key(EXPECT) {
        return next.run(request).await;
    }
    let (sender, mut unread) = oneshot::channel();
    let request = request.map(|body| Body::new(Observed { body: Some(body), unread: Some(sender) }));
    let response = next.run(request).await;
    let is_refused = response.status().is_client_error() || response.status().is_server_error();
    if is_refused && let Ok(body) = unread.try_recv() {
        let _ = tokio::time::timeout(MAX_TIME, discard(body)).await;
    }
    response
}

async fn discard(body: Body) {
    let mut chunks = body.into_data_stream();
    let mut read = 0;
    while let Some(Ok(chunk)) = chunks.next().await {
        read += chunk.len();
        if read > MAX_BYTES {
            break;
        }
    }
}

/// A body that is handed on when its reader drops it before its end.
struct Observed {
    /// `None` after its end.
    body: Option<Body>,
    unread: Option<oneshot::Sender<Body>>,
}

impl HttpBody for Observed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let polled = Pin::new(body).poll_frame(context);
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            self.body = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl Drop for Observed {
    fn drop(&mut self) {
        let unread = self.body.take().filter(|body| !body.is_end_stream());
        if let (Some(body), Some(sender)) = (unread, self.unread.take()) {
            // The receiver is gone if the answer was made already.
            let _ = sender.send(body);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::Router;
    use axum::routing::put;
    use futures_util::stream;
    use http::StatusCode;
    use tower::ServiceExt;

    use super::*;

    /// The chunks that are read of ten when a handler reads `count` and answers with `status`.
    async fn read(count: usize, status: StatusCode, expect: &str) -> usize {
        let handler = async move |body: Body| {
            let mut chunks = body.into_data_stream();
            for _ in 0..count {
                chunks.next().await;
            }
            status
        };
        let router = Router::new().route("/", put(handler)).layer(axum::middleware::from_fn(drain));
        let polled = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&polled);
        let chunks = stream::iter(0..10).map(move |_| {
            counter.fetch_add(1, Ordering::Relaxed);
            Ok::<_, std::convert::Infallible>(Bytes::from_static(b"chunk"))
        });
        let mut request = http::Request::put("/").body(Body::from_stream(chunks)).expect("a request");
        if !expect.is_empty() {
            request.headers_mut().insert(EXPECT, expect.parse().expect("a value"));
        }
        let response = router.oneshot(request).await.expect("an answer");
        assert_eq!(response.status(), status);
        polled.load(Ordering::Relaxed)
    }

    #[tokio::test]
    async fn a_refused_body_is_read_to_its_end() {
        assert_eq!(read(0, StatusCode::CONFLICT, "").await, 10);
        assert_eq!(read(3, StatusCode::INSUFFICIENT_STORAGE, "").await, 10);
        assert_eq!(read(11, StatusCode::UNPROCESSABLE_ENTITY, "").await, 10);
    }

    #[tokio::test]
    async fn other_bodies_are_left_alone() {
        assert_eq!(read(3, StatusCode::OK, "").await, 3);
        assert_eq!(read(0, StatusCode::CONFLICT, "100-continue").await, 0);
    }
}
