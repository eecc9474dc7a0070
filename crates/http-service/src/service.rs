//! Services of an endpoint, and the choice of the one that answers a request.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use file_transport::{Body, Incoming};
use http::{Request, Response, StatusCode};
use tokio::runtime::Handle;
use tokio_util::task::AbortOnDropHandle;

use crate::client::Client;

/// The answer to come. It ends early when the client goes away.
pub type Answer = Pin<Box<dyn Future<Output = Response<Body>> + Send>>;

/// An API or a file server at an endpoint.
pub trait HttpService: Send + Sync + 'static {
    /// Whether this service answers requests for `path` where it shares an endpoint with others.
    fn owns(&self, path: &str) -> bool;

    /// Answers one request of `client`.
    fn handle(self: Arc<Self>, request: Request<Incoming>, client: Client) -> Answer;
}

/// Has the first of `services` that owns the path answer the request. The last one takes what none of those
/// before owns,
/// so a service that is alone gets everything.
///
/// An endpoint without services answers 404.
pub fn answer(services: &[Arc<dyn HttpService>], request: Request<Incoming>, client: Client) -> Answer {
    let Some((last, others)) = services.split_last() else {
        return Box::pin(std::future::ready(status(StatusCode::NOT_FOUND)));
    };
    let path = request.uri().path();
    let service = others.iter().find(|service| service.owns(path)).unwrap_or(last);
    Arc::clone(service).handle(request, client)
}

/// Runs a service on a runtime of its own, so that a long answer does not occupy a worker of the transport.
pub struct OnRuntime<S> {
    runtime: Handle,
    service: Arc<S>,
}

impl<S: HttpService> OnRuntime<S> {
    /// Runs `service` on `runtime`.
    pub fn new(runtime: Handle, service: Arc<S>) -> Self {
        Self { runtime, service }
    }
}

impl<S: HttpService> HttpService for OnRuntime<S> {
    fn owns(&self, path: &str) -> bool {
        self.service.owns(path)
    }

    fn handle(self: Arc<Self>, request: Request<Incoming>, client: Client) -> Answer {
        // Dropping the answer ends the task, also before the first poll.
        let answer =
            AbortOnDropHandle::new(self.runtime.spawn(Arc::clone(&self.service).handle(request, client)));
        Box::pin(async move {
            answer.await.unwrap_or_else(|error| {
                tracing::error!(%error, "a request ended early");
                status(StatusCode::INTERNAL_SERVER_ERROR)
            })
        })
    }
}

fn status(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}
