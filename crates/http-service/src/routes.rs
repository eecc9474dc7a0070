//! A router behind the transport.

use std::convert::Infallible;

use axum::Router;
use axum::body::{Body as AxumBody, Bytes};
use axum::routing::MethodRouter;
use file_transport::{Body, Incoming};
use futures_util::stream;
use http::header::{ALLOW, CONTENT_LENGTH, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use tower::ServiceExt;

use crate::client::Client;
use crate::problem::Problem;

/// An extension of answers that end only when the client goes away. They do not delay a stop of the server.
#[derive(Debug, Clone, Copy)]
pub struct Endless;

/// Adds what every path answers: OPTIONS with its methods, and 405 to all others.
pub fn on<S: Clone + Send + Sync + 'static>(allow: &'static str, routes: MethodRouter<S>) -> MethodRouter<S> {
    routes
        .options(move || async move { (StatusCode::NO_CONTENT, [(ALLOW, HeaderValue::from_static(allow))]) })
        .fallback(move || async move { Problem::method_not_allowed(allow) })
}

/// Answers one request of `client`, which becomes an extension of the request.
pub async fn respond(router: Router, request: Request<Incoming>, client: Client) -> Response<Body> {
    let mut request = request.map(AxumBody::new);
    request.extensions_mut().insert(client);
    let is_head = request.method() == Method::HEAD;
    let mut response = router.oneshot(request).await.unwrap_or_else(|never| match never {});
    if response.status() == StatusCode::NOT_MODIFIED {
        // It would be the length of the content that the client has (RFC 9110 §8.6).
        response.headers_mut().remove(CONTENT_LENGTH);
    }
    if is_head && !response.headers().contains_key(CONTENT_LENGTH) {
        // A body of unknown length: the transport would send `Content-Length: 0` with an empty one.
        return response
            .map(|_| Body::stream(AxumBody::from_stream(stream::empty::<Result<Bytes, Infallible>>())));
    }
    let is_endless = response.extensions().get::<Endless>().is_some();
    let response = response.map(Body::stream);
    if is_endless { response.map(Body::expendable) } else { response }
}
