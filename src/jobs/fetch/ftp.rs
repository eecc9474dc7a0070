//! Fetching over ftp, on a thread of its own. Proxies are not asked: those of the environment speak http.

use std::io::{self, Read};

use bytes::Bytes;
use futures_util::stream;
use tokio::sync::{mpsc, oneshot};
use url::Url;

use super::ftp_session::{Begun, Opened, Session, broken, explain};
use super::{Fault, Fetched, Fetcher, Resume, reach};
use crate::model::link::shown;

/// Bytes read at once, and how many such chunks may wait for the disk.
const CHUNK: usize = 256 << 10;
const CHUNKS: usize = 4;

type Chunk = Result<Bytes, Fault>;

/// Logs in, asks for size and time and begins to fetch, from where an earlier try broke off if the file is still the same.
pub(super) async fn fetch(fetcher: &Fetcher, url: &Url, from: Option<Resume>) -> Result<Fetched, Fault> {
    reach::check_link(&fetcher.reach, url)?;
    let (begun, begins) = oneshot::channel();
    let (sender, receiver) = mpsc::channel::<Chunk>(CHUNKS);
    let session = Session::new(fetcher, url)?;
    tokio::task::spawn_blocking(move || run(&session, from.as_ref(), begun, &sender));
    let begun =
        begins.await.map_err(|_| Fault::transient("the conversation with the ftp server ended"))??;
    let bytes =
        stream::unfold(receiver, |mut receiver| async move { Some((receiver.recv().await?, receiver)) });
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

/// The whole conversation: `begun` is told what will come, or why there is nothing to fetch; the bytes go to `sender`.
fn run(
    session: &Session,
    from: Option<&Resume>,
    begun: oneshot::Sender<Result<Begun, Fault>>,
    sender: &mpsc::Sender<Chunk>,
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
        if pump(&mut transfer, sender).is_err() {
            return;
        }
        // Only the server's closing word tells a whole file from a broken connection (RFC 959 §5.4, code 226).
        if let Err(error) = transfer.finish() {
            let _ = sender.blocking_send(Err(explain(&error)));
            return;
        }
    }
    let _ = connection.quit();
}

/// Moves the bytes. `Err` means that there is no more to say: the receiver has gone, or was told why.
fn pump(transfer: &mut impl Read, sender: &mpsc::Sender<Chunk>) -> Result<(), ()> {
    let mut buffer = vec![0; CHUNK];
    loop {
        match transfer.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => {
                let chunk = Bytes::copy_from_slice(buffer.get(..count).unwrap_or_default());
                sender.blocking_send(Ok(chunk)).map_err(drop)?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                let _ = sender.blocking_send(Err(broken(&error)));
                return Err(());
            }
        }
    }
}
