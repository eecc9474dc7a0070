//! Fetches over ftp, on a thread of its own. It uses no proxy, because those of the environment speak http.

use std::io::{self, Read};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use url::Url;

use super::ftp_session::{Begun, Opened, Session, broken, explain};
use super::hang_up::HangUp;
use super::{Fault, Fetched, Fetcher, Resume, egress};
use model::link::shown;

/// Bytes of a chunk, and chunks that may wait for the caller.
const CHUNK: usize = 256 << 10;
const CHUNKS: usize = 4;

/// Limits for all replies before the first byte, and for the one after the last, as multiples of the stall
/// timeout. A slow server never stalls.
const OPENING: u32 = 4;
const CLOSING: u32 = 2;

/// A message of the thread that talks to the server.
enum Message {
    /// Bytes of the file.
    Bytes(Bytes),
    /// The data connection has ended; the reply that confirms the transfer is still to come.
    End,
}

type Sender = mpsc::Sender<Result<Message, Fault>>;

/// The bytes to come. A drop ends the session.
struct Transfer {
    messages: mpsc::Receiver<Result<Message, Fault>>,
    closing: Duration,
    _hang_up: HangUp,
}

/// Logs in, asks for size and time, and begins the transfer; it resumes an earlier one if the file is the
/// same.
pub(super) async fn fetch(fetcher: &Fetcher, url: &Url, from: Option<Resume>) -> Result<Fetched, Fault> {
    egress::check_link(&fetcher.egress.get(), url)?;
    let (begun, begins) = oneshot::channel();
    let (sender, messages) = mpsc::channel(CHUNKS);
    let session = Session::new(fetcher, url)?;
    let closing = fetcher.stall().saturating_mul(CLOSING);
    let transfer = Transfer { messages, closing, _hang_up: HangUp(session.sockets.clone()) };
    tokio::task::spawn_blocking(move || run(&session, from.as_ref(), begun, sender));
    let begun = timeout(fetcher.stall().saturating_mul(OPENING), begins)
        .await
        .map_err(|_| too_slow())?
        .map_err(|_| Fault::transient("the conversation with the ftp server ended"))??;
    let bytes =
        stream::unfold(transfer, |mut transfer| async move { Some((transfer.next().await?, transfer)) });
    Ok(Fetched {
        start: begun.start,
        total: begun.total,
        validator: begun.validator,
        proposed_name: None,
        final_url: shown(url),
        started_over: begun.started_over,
        coding: None,
        bytes: Box::pin(bytes),
    })
}

impl Transfer {
    async fn next(&mut self) -> Option<Result<Bytes, Fault>> {
        let message = match self.messages.recv().await? {
            Ok(Message::End) => {
                timeout(self.closing, self.messages.recv()).await.unwrap_or(Some(Err(too_slow())))?
            }
            message => message,
        };
        match message {
            Ok(Message::Bytes(bytes)) => Some(Ok(bytes)),
            Ok(Message::End) => None,
            Err(fault) => Some(Err(fault)),
        }
    }
}

fn too_slow() -> Fault {
    Fault::transient("the ftp server answers too slowly")
}

/// Runs the session: `begun` gets the head of the transfer or the fault, and `sender` the bytes.
fn run(
    session: &Session,
    from: Option<&Resume>,
    begun: oneshot::Sender<Result<Begun, Fault>>,
    sender: Sender,
) {
    let Opened { mut connection, transfer, begun: head } = match session.open(from) {
        Ok(opened) => opened,
        Err(fault) => {
            // Fails if the download was cancelled.
            let _ = begun.send(Err(fault));
            return;
        }
    };
    // Fails if the download was cancelled, and then the first chunk cannot be sent either.
    let _ = begun.send(Ok(head));
    if let Some(mut transfer) = transfer {
        if pump(&mut transfer, &sender).is_err() {
            return;
        }
        session.sockets.forget_data();
        // Only the final reply, code 226, distinguishes a complete file from a broken connection (RFC 959
        // §5.4).
        if let Err(error) = transfer.finish() {
            let _ = sender.blocking_send(Err(explain(&error)));
            return;
        }
    }
    // The caller need not wait for the reply to QUIT.
    drop(sender);
    let _ = connection.quit();
}

/// Sends the bytes. `Err` if the receiver is gone or has got a fault.
fn pump(transfer: &mut impl Read, sender: &Sender) -> Result<(), ()> {
    let mut buffer = vec![0; CHUNK];
    loop {
        match transfer.read(&mut buffer) {
            Ok(0) => return sender.blocking_send(Ok(Message::End)).map_err(drop),
            Ok(count) => {
                let chunk = Bytes::copy_from_slice(buffer.get(..count).unwrap_or_default());
                sender.blocking_send(Ok(Message::Bytes(chunk))).map_err(drop)?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                let _ = sender.blocking_send(Err(broken(&error)));
                return Err(());
            }
        }
    }
}
