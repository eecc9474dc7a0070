//! Two services at one endpoint: an API below `/api/`, and a page for all other paths: `greet ADDRESS:PORT`.
//! `curl ADDRESS:PORT/api/greeting?name=you` gets an answer, and without a name problem details.

use std::error::Error;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::Request;
use axum::routing::get;
use file_transport::{Incoming, Server, Workers};
use http_service::browsers::Layers;
use http_service::middleware::Rules;
use http_service::parameters::Parameters;
use http_service::routes::{on, respond};
use http_service::{Answer, Client, HttpService, Problem, answer};

/// The API: a router behind the rules for every request.
struct Api(Router);

impl HttpService for Api {
    fn owns(&self, path: &str) -> bool {
        path.starts_with("/api/")
    }

    fn handle(self: Arc<Self>, request: http::Request<Incoming>, client: Client) -> Answer {
        Box::pin(respond(self.0.clone(), request, client))
    }
}

/// What all other paths show.
struct Page;

impl HttpService for Page {
    fn owns(&self, _path: &str) -> bool {
        true
    }

    fn handle(self: Arc<Self>, _request: http::Request<Incoming>, _client: Client) -> Answer {
        Box::pin(async { http::Response::new(Bytes::from_static(b"Ask /api/greeting?name=you\n").into()) })
    }
}

async fn greet(request: Request) -> Result<String, Problem> {
    let (parts, _body) = request.into_parts();
    let parameters = Parameters::of_query(&parts, &["name"])?;
    let name =
        parameters.required("name", |name| if name.is_empty() { Err("is empty") } else { Ok(name) })?;
    Ok(format!("Hello, {name}!\n"))
}

fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).ok_or("usage: greet ADDRESS:PORT")?;
    let rules = Rules {
        name: "greetings",
        timeout: Some(Duration::from_secs(10)).into(),
        browsers: Layers::default(),
    };
    let router = Router::new().route("/api/greeting", on("GET, HEAD, OPTIONS", get(greet)));
    let services: [Arc<dyn HttpService>; 2] = [Arc::new(Api(rules.apply(router))), Arc::new(Page)];
    let listener = TcpListener::bind(address)?;
    println!("listening on http://{}/", listener.local_addr()?);
    let workers = Workers::one_a_core()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let handler = move |request, peer| answer(&services, request, Client::at(peer, false));
    runtime.block_on(Server::default().run(&workers, listener, handler, std::future::pending()))?;
    Ok(())
}
