//! Fetching over ftp, on a thread of its own. Proxies are not asked: those of the environment speak http.

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

/// Bytes read at once, and how many such chunks may wait for the disk.
const CHUNK: usize = 256 << 10;
const CHUNKS: usize = 4;

/// How much longer than one silence all the words before the first byte, and the one after the last, may take. A server that trickles is
/// never silent.
const OPENING: u32 = 4;
const CLOSING: u32 = 2;

/// What the thread that speaks with the server tells.
enum Told {
    /// Bytes of the file.
    Bytes(Bytes),
    /// There are no more; the server has not yet said whether these are all.
    End,
}

type Telling = mpsc::Sender<Result<Told, Fault>>;

/// The bytes to come. Letting go of it ends the conversation.
struct Transfer {
    told: mpsc::Receiver<Result<Told, Fault>>,
    closing: Duration,
    _hang_up: HangUp,
}

/// Logs in, asks for size and time and begins to fetch, from where an earlier try broke off if the file is still the same.
pub(super) async fn fetch(fetcher: &Fetcher, url: &Url, from: Option<Resume>) -> Result<Fetched, Fault> {
    egress::check_link(&fetcher.egress, url)?;
    let (begun, begins) = oneshot::channel();
    let (sender, told) = mpsc::channel(CHUNKS);
    let session = Session::new(fetcher, url)?;
    let closing = fetcher.stall.saturating_mul(CLOSING);
    let transfer = Transfer { told, closing, _hang_up: HangUp(session.sockets.clone()) };
    tokio::task::spawn_blocking(move || run(&session, from.as_ref(), begun, sender));
    let begun = timeout(fetcher.stall.saturating_mul(OPENING), begins)
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
        bytes: Box::pin(bytes),
    })
}

impl Transfer {
    async fn next(&mut self) -> Option<Result<Bytes, Fault>> {
        let told = match self.told.recv().await? {
            Ok(Told::End) => {
                timeout(self.closing, self.told.recv()).await.unwrap_or(Some(Err(too_slow())))?
            }
            told => told,
        };
        match told {
            Ok(Told::Bytes(bytes)) => Some(Ok(bytes)),
            Ok(Told::End) => None,
            Err(fault) => Some(Err(fault)),
        }
    }
}

fn too_slow() -> Fault {
    Fault::transient("the ftp server answers too slowly")
}

/// The whole conversation: `begun` is told what will come, or why there is nothing to fetch; the bytes go to `sender`.
fn run(
    session: &Session,
    from: Option<&Resume>,
    begun: oneshot::Sender<Result<Begun, Fault>>,
    sender: Telling,
) {
    let Opened { mut connection, transfer, begun: told } = match session.open(from) {
        Ok(opened) => opened,
        Err(fault) => {
            // Nobody listens any more when the download was cancelled.
            let _ = begun.send(Err(fault));
            return;
        }
    };
    // If nobody listens, the first chunk will tell.
    let _ = begun.send(Ok(told));
    if let Some(mut transfer) = transfer {
        if pump(&mut transfer, &sender).is_err() {
            return;
        }
        session.sockets.forget_data();
        // Only the server's closing word tells a whole file from a broken connection (RFC 959 §5.4, code 226).
        if let Err(error) = transfer.finish() {
            let _ = sender.blocking_send(Err(explain(&error)));
            return;
        }
    }
    // Nobody needs to wait for the goodbye.
    drop(sender);
    let _ = connection.quit();
}

/// Moves the bytes. `Err` means that there is no more to say: the receiver has gone, or was told why.
fn pump(transfer: &mut impl Read, sender: &Telling) -> Result<(), ()> {
    let mut buffer = vec![0; CHUNK];
    loop {
        match transfer.read(&mut buffer) {
            Ok(0) => return sender.blocking_send(Ok(Told::End)).map_err(drop),
            Ok(count) => {
                let chunk = Bytes::copy_from_slice(buffer.get(..count).unwrap_or_default());
                sender.blocking_send(Ok(Told::Bytes(chunk))).map_err(drop)?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                let _ = sender.blocking_send(Err(broken(&error)));
                return Err(());
            }
        }
    }
}
