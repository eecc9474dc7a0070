//! What every HTTP API of the program needs, and what knows no image, store or job.
//!
//! An endpoint is an ordered list of [`HttpService`]s: each request goes to the first that owns its path.
//!
//! | module | what for |
//! | --- | --- |
//! | [`Client`], [`TrustedProxies`] | the client of a request, behind proxies too |
//! | [`browsers`] | what pages of other sites may do |
//! | [`ApiError`], [`problem`] | refusals: one form for all dialects, and problem details (RFC 9457) |
//! | [`parameters`], [`digest_fields`], [`structured`] | parsers of queries, JSON bodies and header fields |
//! | [`EntityTag`], [`Preconditions`] | the versions of answers, and requests that depend on them |
//! | [`UrlPath`] | the variable parts of paths |
//! | [`request_body`] | bodies that are files, from clients that keep a minimum rate |
//! | [`middleware`], [`routes`] | the rules for every request, and the router behind the transport |
//! | [`access_log`] | lines of single requests |
//! | [`openapi`] | the shared parts of an API's document |
//! | [`transfers`] | files that are being sent, with their limits |
//!
//! A handler reads parameters, and refuses a request by an error:
//!
//! ```
//! use http_service::Problem;
//! use http_service::parameters::Parameters;
//!
//! fn name(parts: &http::request::Parts) -> Result<String, Problem> {
//!     let parameters = Parameters::of_query(parts, &["name"])?;
//!     parameters.required("name", |name| if name.contains('/') { Err("has a slash") } else { Ok(name) })
//! }
//!
//! let (request, ()) = http::Request::get("/iso?name=a%2Fb").body(()).expect("a request").into_parts();
//! let problem = name(&request).expect_err("a slash");
//! assert_eq!(problem.status(), http::StatusCode::BAD_REQUEST);
//! assert_eq!(problem, Problem::parameter("name", "has a slash"));
//! ```
//!
//! A handler need not read the body of a request that it refuses: [`middleware::Rules`] does.

pub mod access_log;
pub mod browsers;
mod client;
mod codings;
mod completion;
pub mod digest_fields;
mod entity_tag;
mod error;
mod forwarded;
pub mod middleware;
pub mod openapi;
pub mod parameters;
mod path;
pub mod problem;
mod query;
mod refused_body;
pub mod request_body;
mod request_id;
pub mod routes;
mod service;
pub mod structured;
pub mod transfers;
mod unrepeated;

pub use client::{Client, TrustedProxies};
pub use completion::{complete, run_to_completion};
pub use entity_tag::{EntityTag, Preconditions};
pub use error::ApiError;
pub use http::StatusCode;
pub use path::UrlPath;
pub use problem::Problem;
pub use request_id::RequestId;
pub use service::{Answer, HttpService, OnRuntime, answer};
