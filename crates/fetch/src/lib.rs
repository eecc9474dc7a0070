#![doc = include_str!("../README.md")]

mod address;
mod answer;
pub mod checksums;
mod client;
mod content_range;
mod cookies;
mod egress;
mod egress_policy;
mod explain;
mod fault;
mod ftp;
mod ftp_session;
mod gzip;
mod hang_up;
mod http;
mod length;
mod request;
mod resolver;
mod retry_after;
pub mod signature;
mod transfer;
mod validator;

pub use client::Fetcher;
pub use egress_policy::{EgressPolicy, SCHEMES};
pub use fault::Fault;
pub use request::{fetch, small};
/// The HTTP client cannot be made.
pub use reqwest::Error as ClientError;
pub use transfer::{ByteStream, Fetched, Resume};
pub use validator::Validator;
