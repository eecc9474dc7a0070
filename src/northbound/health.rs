//! `/livez` and `/readyz`: whether the loops of the program turn, and whether it can do its work now.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use component::Check;
use file_transport::{Body, Incoming};
use futures_util::future::join_all;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response};
use http_service::access_log::Access;
use http_service::{Answer, Client, HttpService, StatusCode};

/// The checks of both questions. Clones share them.
#[derive(Debug, Clone)]
pub struct Health {
    /// What must turn for the program to be alive. If one does not, only a restart helps.
    live: Arc<[Watched]>,
    /// What must be well for the program to do its work.
    ready: Arc<[Watched]>,
}

/// A check, and whether it failed last time. Probes come every few seconds, so only a change is logged.
#[derive(Debug)]
struct Watched {
    check: Check,
    fails: AtomicBool,
}

/// The answer to a question, for any server.
#[derive(Debug)]
pub struct Verdict {
    /// Whether all checks pass.
    pub is_well: bool,
    /// A line for each check that fails, or for all of them, and one for the whole.
    pub text: String,
}

impl Health {
    /// These checks.
    pub fn new(live: Vec<Check>, ready: Vec<Check>) -> Self {
        let watched = |checks: Vec<Check>| {
            checks.into_iter().map(|check| Watched { check, fails: AtomicBool::new(false) }).collect()
        };
        Self { live: watched(live), ready: watched(ready) }
    }

    /// Whether the program is alive. `query` is that of the request; `verbose` in it asks for all checks.
    pub async fn is_live(&self, query: Option<&str>) -> Verdict {
        judge(&self.live, query, ["alive\n", "not alive\n"]).await
    }

    /// Whether the program is ready, as [`Self::is_live`].
    pub async fn is_ready(&self, query: Option<&str>) -> Verdict {
        judge(&self.ready, query, ["ready\n", "not ready\n"]).await
    }

    async fn answer(&self, request: &Request<Incoming>) -> Response<Body> {
        let (path, query) = (request.uri().path(), request.uri().query());
        if !self.owns(path) {
            return text(StatusCode::NOT_FOUND, "here are /livez and /readyz\n".into());
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "GET and HEAD alone\n".into());
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        let verdict = if path == "/livez" { self.is_live(query).await } else { self.is_ready(query).await };
        let status = if verdict.is_well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        text(status, verdict.text)
    }
}

/// As a service it runs on the threads of connections, so that it answers also when the main runtime hangs.
impl HttpService for Health {
    fn owns(&self, path: &str) -> bool {
        matches!(path, "/livez" | "/readyz")
    }

    fn handle(self: Arc<Self>, request: Request<Incoming>, client: Client) -> Answer {
        Box::pin(async move {
            let access = Access::begin(client, request.method(), request.uri().path(), request.headers());
            let response = self.answer(&request).await;
            if let Some(access) = access {
                access.end("health", response.status().as_u16(), response.body().length(), None);
            }
            response
        })
    }
}

impl Watched {
    async fn run(&self) -> Result<(), String> {
        let result = self.check.run().await;
        let failed = self.fails.swap(result.is_err(), Ordering::Relaxed);
        let check = self.check.name;
        match &result {
            Err(error) if !failed => tracing::warn!(check, error, "a check fails"),
            Ok(()) if failed => tracing::info!(check, "a check that failed passes again"),
            _ => {}
        }
        result
    }
}

async fn judge(checks: &[Watched], query: Option<&str>, [well, unwell]: [&str; 2]) -> Verdict {
    let query = query.unwrap_or_default();
    let is_verbose = query.split('&').any(|pair| pair.split('=').next() == Some("verbose"));
    let (mut text, mut is_well) = (String::new(), true);
    for (Watched { check, .. }, result) in checks.iter().zip(join_all(checks.iter().map(Watched::run)).await)
    {
        // Writing to a string cannot fail.
        let _ = match result {
            Ok(()) if is_verbose => writeln!(text, "{}: ok", check.name),
            Ok(()) => Ok(()),
            Err(error) => {
                is_well = false;
                writeln!(text, "{}: {error}", check.name)
            }
        };
    }
    text += if is_well { well } else { unwell };
    Verdict { is_well, text }
}

fn text(status: StatusCode, text: String) -> Response<Body> {
    let mut response = Response::new(Body::from(Bytes::from(text)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
