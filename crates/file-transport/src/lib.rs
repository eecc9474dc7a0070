//! HTTP/1.1 connections whose bodies are ranges of open files.
//!
//! A [`Body`] is a queue of [`Piece`]s: bytes in memory, ranges of files, bytes that a [`ReadAt`] computes,
//! runs of zeros. [`Server`] speaks HTTP/1.1 with hyper and sends ranges of files with `sendfile`, so that no
//! byte of a file passes through the program's memory. It writes header names in title case, because boot
//! firmware compares them letter by letter.
//!
//! The crate has no routes, no paths and no headers of its own: a handler makes an answer of each request.
//!
//! ```
//! use std::io::Write;
//! use std::net::{SocketAddr, TcpListener, TcpStream};
//! use std::sync::Arc;
//!
//! use file_transport::{Body, OpenFile, Piece, Server, Workers};
//!
//! # fn main() -> std::io::Result<()> {
//! # let mut kernel = tempfile::tempfile()?;
//! # kernel.write_all(b"a kernel")?;
//! let file = Arc::new(OpenFile::from(kernel));
//! let length = file.metadata()?.len();
//! let handler = move |_request, _peer: SocketAddr| {
//!     let body = Body::from_pieces([Piece::File { file: Arc::clone(&file), offset: 0, length }]);
//!     async move { http::Response::new(body) }
//! };
//! let listener = TcpListener::bind("127.0.0.1:0")?;
//! let address = listener.local_addr()?;
//! let client = move || -> std::io::Result<String> {
//!     let mut connection = TcpStream::connect(address)?;
//!     connection.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")?;
//!     std::io::read_to_string(connection)
//! };
//! let workers = Workers::one_a_core()?;
//! let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
//! // The server stops when this is ready: here after the first client.
//! let mut answer = None;
//! let stop = async { answer = tokio::task::spawn_blocking(client).await.ok() };
//! runtime.block_on(Server::default().run(&workers, listener, handler, stop))?;
//! let answer = answer.expect("a client")?;
//! assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"));
//! assert!(answer.ends_with("\r\n\r\na kernel"));
//! # Ok(())
//! # }
//! ```
//!
//! # Limits
//!
//! Linux only. HTTP/2 is not offered: it interleaves bodies, so they would have to pass through user space.
//! The head of a request has at most 64 KiB. [`ServerSettings`] holds the timeouts, and [`ServerLimits`] the
//! limits of connections, which may change while a server runs. After a request with a body the connection
//! closes.

mod access_log;
mod body;
mod body_observer;
mod chunk;
mod computed;
mod connection;
mod connection_limit;
mod counters;
mod idle_eviction;
mod idle_pool;
mod limits;
mod open_file;
mod page_cache;
mod rate_limit;
mod send_queue;
mod server;
mod settings;
mod socket;
mod tls;
mod wire;
mod worker_load;
mod workers;

pub use access_log::ACCESS_LOG;
pub use body::{Body, BoxError, Piece};
pub use body_observer::BodyObserver;
pub use chunk::Chunk;
pub use computed::ReadAt;
pub use counters::{Counter, Counters};
pub use hyper::body::Incoming;
pub use idle_eviction::IdleEviction;
pub use limits::{LiveLimits, ServerLimits};
pub use open_file::OpenFile;
pub use rate_limit::RateLimit;
pub use server::{Server, Started};
pub use settings::{ExemptAddresses, ServerSettings};
pub use tls::{Tls, TlsError, TlsStream};
pub use wire::Wire;
pub use workers::Workers;
