//! HTTP/1.1 connections whose bodies are ranges of open files.
//!
//! A [`Body`] is a queue of [`Piece`]s: bytes at hand, ranges of files, what a [`ReadAt`] computes, runs of zeros. [`Server`] speaks HTTP/1.1 with hyper and spells
//! header names in title case, because boot firmware compares them letter by letter. This crate knows nothing of what it serves.
//!
//! ```no_run
//! use std::{fs::File, net::SocketAddr, net::TcpListener, sync::Arc};
//! use file_transport::{Body, OpenFile, Piece, Server, Workers};
//!
//! # async fn example() -> std::io::Result<()> {
//! let file = Arc::new(OpenFile::from(File::open("/boot/vmlinuz")?));
//! let length = file.metadata()?.len();
//! let listener = TcpListener::bind("127.0.0.1:8080")?;
//! let handler = move |_request, _peer: SocketAddr| {
//!     let body = Body::from_pieces([Piece::File { file: Arc::clone(&file), offset: 0, length }]);
//!     async move { http::Response::new(body) }
//! };
//! let workers = Workers::one_a_core()?;
//! Server::default().run(&workers, listener, handler, std::future::pending()).await
//! # }
//! ```

mod body;
mod chunk;
mod computed;
mod connection;
mod counters;
mod lot;
mod open_file;
mod outbox;
mod places;
mod residency;
mod server;
mod share;
mod socket;
mod tls;
mod watch;
mod wire;
mod workers;

pub use body::{Body, BoxError, Piece};
pub use chunk::Chunk;
pub use computed::ReadAt;
pub use counters::{Counter, Counters};
pub use open_file::OpenFile;
pub use server::{Incoming, Server};
pub use share::Relief;
pub use tls::{Tls, TlsError, TlsStream};
pub use watch::{Pace, Watch};
pub use wire::Wire;
pub use workers::Workers;
