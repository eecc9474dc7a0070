//! HTTP/1.1 connections whose bodies are ranges of open files.
//!
//! A [`Body`] is a queue of [`Piece`]s: bytes at hand, ranges of files, runs of zeros. [`Server`] speaks HTTP/1.1 with hyper and spells
//! header names in title case, because boot firmware compares them letter by letter. This crate knows nothing of what it serves.
//!
//! ```no_run
//! use std::{fs::File, net::SocketAddr, sync::Arc};
//! use file_transport::{Body, Piece, Server};
//!
//! # async fn example() -> std::io::Result<()> {
//! let file = Arc::new(File::open("/boot/vmlinuz")?);
//! let length = file.metadata()?.len();
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
//! let handler = move |_request, _peer: SocketAddr| {
//!     let body = Body::from_pieces([Piece::File { file: Arc::clone(&file), offset: 0, length }]);
//!     async move { http::Response::new(body) }
//! };
//! Server::default().run(listener, handler, std::future::pending()).await;
//! # Ok(())
//! # }
//! ```

mod body;
mod chunk;
mod outbox;
mod residency;
mod server;
mod socket;

pub use body::{Body, BoxError, Piece};
pub use chunk::Chunk;
pub use server::{Incoming, Server};
