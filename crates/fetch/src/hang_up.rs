//! The way to end a conversation that blocks a thread: whoever shuts its sockets down ends every read and write on them.

use std::io;
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

/// The sockets of one conversation, for the thread that opens them.
#[derive(Debug, Clone, Default)]
pub(super) struct Sockets(Arc<Mutex<Open>>);

/// Letting go of it ends the conversation, wherever that stands.
#[derive(Debug)]
pub(super) struct HangUp(pub(super) Sockets);

#[derive(Debug, Default)]
struct Open {
    over: bool,
    control: Option<TcpStream>,
    data: Option<TcpStream>,
}

impl Sockets {
    /// Notes the connection for commands. Fails where nobody waits any more.
    pub(super) fn keep_control(&self, socket: &TcpStream) -> io::Result<()> {
        self.keep(socket, |open| &mut open.control)
    }

    /// Notes the connection for the bytes, in the place of an earlier one.
    pub(super) fn keep_data(&self, socket: &TcpStream) -> io::Result<()> {
        self.keep(socket, |open| &mut open.data)
    }

    /// Forgets the connection for the bytes: as long as it is known here it does not close, which some servers wait for.
    pub(super) fn forget_data(&self) {
        self.with(|open| open.data = None);
    }

    fn keep(&self, socket: &TcpStream, slot: fn(&mut Open) -> &mut Option<TcpStream>) -> io::Result<()> {
        let socket = socket.try_clone()?;
        self.with(|open| {
            if open.over {
                return Err(io::Error::new(io::ErrorKind::ConnectionAborted, "nobody waits for it any more"));
            }
            *slot(open) = Some(socket);
            Ok(())
        })
    }

    fn with<T>(&self, work: impl FnOnce(&mut Open) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for HangUp {
    fn drop(&mut self) {
        self.0.with(|open| {
            open.over = true;
            for socket in [open.control.take(), open.data.take()].into_iter().flatten() {
                // Fails where the other side was faster.
                let _ = socket.shutdown(Shutdown::Both);
            }
        });
    }
}
