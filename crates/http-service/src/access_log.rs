//! Lines of single requests, for the access log. They are events of a target of their own, so that they cost
//! nothing while no access log is written.

use std::time::Instant;

use http::header::USER_AGENT;
use http::{HeaderMap, Method};

use crate::client::Client;

/// The target of these events. The program writes them where `accessLog` says.
pub const TARGET: &str = file_transport::ACCESS_LOG;

/// A request, kept until it is answered.
#[derive(Debug)]
pub struct Access {
    started: Instant,
    client: Client,
    method: Method,
    path: String,
    agent: Option<String>,
}

impl Access {
    /// Begins the line of a request, if an access log is written. The query stays out of it: a link in it may
    /// hold credentials.
    pub fn begin(client: Client, method: &Method, path: &str, headers: &HeaderMap) -> Option<Self> {
        tracing::enabled!(target: TARGET, tracing::Level::INFO).then(|| Self {
            started: Instant::now(),
            client,
            method: method.clone(),
            path: path.to_owned(),
            agent: headers
                .get(USER_AGENT)
                .map(|agent| String::from_utf8_lossy(agent.as_bytes()).into_owned()),
        })
    }

    /// Writes the line. `length` is that of the answer's body, if it is known, and `request` the id that the
    /// answer has.
    pub fn end(self, api: &str, status: u16, length: Option<u64>, request: Option<&str>) {
        let seconds = self.started.elapsed().as_secs_f64();
        let Self { client, method, path, agent, .. } = self;
        tracing::info!(
            target: TARGET,
            %client, %method, path, status, length, seconds, agent, api, request
        );
    }
}
