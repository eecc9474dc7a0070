//! Serves one file to all clients: `serve FILE ADDRESS:PORT`.

use std::error::Error;
use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use file_transport::{Body, OpenFile, Piece, Server, Workers};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(path), Some(address)) = (arguments.next(), arguments.next()) else {
        return Err("usage: serve FILE ADDRESS:PORT".into());
    };
    let file = Arc::new(OpenFile::from(File::open(&path)?));
    let length = file.metadata()?.len();
    let listener = TcpListener::bind(&address)?;
    println!("{path}, {length} bytes, at http://{}/", listener.local_addr()?);
    let handler = move |_request, _peer: SocketAddr| {
        let body = Body::from_pieces([Piece::File { file: Arc::clone(&file), offset: 0, length }]);
        async move { http::Response::new(body) }
    };
    let workers = Workers::one_a_core()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(Server::default().run(&workers, listener, handler, std::future::pending()))?;
    Ok(())
}
