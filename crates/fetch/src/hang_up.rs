//! Ends an FTP session that blocks a thread: shutting down its sockets ends every read and write on them.

use std::io;
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

/// The sockets of one session, shared with the thread that opens them.
#[derive(Debug, Clone, Default)]
pub(super) struct Sockets(Arc<Mutex<Open>>);

/// Shuts the sockets down on drop.
#[derive(Debug)]
pub(super) struct HangUp(pub(super) Sockets);

#[derive(Debug, Default)]
struct Open {
    is_over: bool,
    control: Option<TcpStream>,
    data: Option<TcpStream>,
}

impl Sockets {
    /// Keeps the control connection. Fails if the session was ended.
    pub(super) fn keep_control(&self, socket: &TcpStream) -> io::Result<()> {
        self.keep(socket, |open| &mut open.control)
    }

    /// Keeps the data connection, instead of an earlier one.
    pub(super) fn keep_data(&self, socket: &TcpStream) -> io::Result<()> {
        self.keep(socket, |open| &mut open.data)
    }

    /// Forgets the data connection. A kept one stays open, and some servers wait for its end.
    pub(super) fn forget_data(&self) {
        self.with(|open| open.data = None);
    }

    fn keep(&self, socket: &TcpStream, slot: fn(&mut Open) -> &mut Option<TcpStream>) -> io::Result<()> {
        let socket = socket.try_clone()?;
        self.with(|open| {
            if open.is_over {
                return Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the download was cancelled"));
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
            open.is_over = true;
            for socket in [open.control.take(), open.data.take()].into_iter().flatten() {
                // Fails if the server has closed it.
                let _ = socket.shutdown(Shutdown::Both);
            }
        });
    }
}
