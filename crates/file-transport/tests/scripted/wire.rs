//! A socket in memory that plays a script.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use file_transport::{OpenFile, Wire};
use hyper::rt::ReadBufCursor;
use tokio::time::{Sleep, sleep};

use crate::script::{Log, Say, Script, Take};

/// More calls than this mean an endless loop.
const MAX_CALLS: u64 = 1 << 20;

/// The wire.
pub(crate) struct Scripted {
    says: VecDeque<Say>,
    takes: VecDeque<Take>,
    flushes: VecDeque<Duration>,
    shutdown: Duration,
    /// Timers for as long as the client sends nothing, takes nothing, lets a flush wait, and lets the
    /// shutdown wait.
    silence: Option<Pin<Box<Sleep>>>,
    refusal: Option<Pin<Box<Sleep>>>,
    flushing: Option<Pin<Box<Sleep>>>,
    ending: Option<Pin<Box<Sleep>>>,
    unflushed: bool,
    /// Bytes of a file must follow.
    promised: bool,
    reset: bool,
    log: Arc<Mutex<Log>>,
}

impl Scripted {
    pub(crate) fn new(mut script: Script) -> Self {
        // An empty read would be the end.
        script.says.retain(|say| !matches!(say, Say::Bytes(bytes) if bytes.is_empty()));
        Self {
            says: script.says.into(),
            takes: script.takes.into(),
            flushes: script.flushes.into(),
            shutdown: script.shutdown,
            silence: None,
            refusal: None,
            flushing: None,
            ending: None,
            unflushed: false,
            promised: false,
            reset: false,
            log: Arc::default(),
        }
    }

    pub(crate) fn log(&self) -> Arc<Mutex<Log>> {
        Arc::clone(&self.log)
    }

    fn count_call(&self) {
        let mut log = self.log.lock().unwrap();
        log.calls += 1;
        assert!(log.calls < MAX_CALLS, "the wire is called in an endless loop");
        assert!(!log.over || self.reset, "the wire is called although a file was too short");
    }

    fn gone(&mut self) -> io::Error {
        self.reset = true;
        self.log.lock().unwrap().over = true;
        io::ErrorKind::ConnectionReset.into()
    }

    /// Waits until the client's next step is one that a read would see.
    fn poll_says(&mut self, context: &mut Context<'_>) -> Poll<()> {
        while let Some(Say::Pause(pause)) = self.says.front() {
            ready!(poll_pause(&mut self.silence, *pause, context));
            self.says.pop_front();
        }
        if self.says.is_empty() && !self.reset { Poll::Pending } else { Poll::Ready(()) }
    }

    /// Waits until the client takes bytes, and returns how many at most.
    fn poll_takes(&mut self, context: &mut Context<'_>, file: Option<&OpenFile>) -> Poll<io::Result<usize>> {
        self.count_call();
        assert!(!self.log.lock().unwrap().shut, "bytes after the end");
        loop {
            if self.reset {
                return Poll::Ready(Err(self.gone()));
            }
            match self.takes.front_mut() {
                None => return Poll::Ready(Ok(usize::MAX)),
                Some(Take::Bytes(count)) => {
                    let count = (*count).max(1);
                    self.takes.pop_front();
                    return Poll::Ready(Ok(count));
                }
                Some(Take::Refuse(times)) if *times > 0 => {
                    *times -= 1;
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Some(Take::Refuse(_)) => {}
                Some(Take::Pause(pause)) => ready!(poll_pause(&mut self.refusal, *pause, context)),
                Some(Take::Shrink(length)) => match file {
                    Some(file) => file.set_len(file.metadata()?.len().min(*length))?,
                    // This step waits for a file.
                    None => return Poll::Ready(Ok(usize::MAX)),
                },
                Some(Take::Reset) => return Poll::Ready(Err(self.gone())),
            }
            self.takes.pop_front();
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        self.unflushed = true;
        self.log.lock().unwrap().output.extend_from_slice(bytes);
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        // A test that failed while it held the log has failed already.
        if let Ok(mut log) = self.log.lock() {
            log.over = true;
        }
    }
}

impl Wire for Scripted {
    fn poll_readable(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.count_call();
        ready!(self.poll_says(context));
        Poll::Ready(Ok(()))
    }

    fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        self.count_call();
        assert!(buffer.remaining() > 0, "a read into an empty buffer would be taken for the end");
        ready!(self.poll_says(context));
        if self.reset {
            return Poll::Ready(Err(self.gone()));
        }
        match self.says.front_mut() {
            Some(Say::Bytes(bytes)) => {
                let rest = bytes.split_off(bytes.len().min(buffer.remaining()));
                buffer.put_slice(bytes);
                *bytes = rest;
                if bytes.is_empty() {
                    self.says.pop_front();
                }
                Poll::Ready(Ok(()))
            }
            Some(Say::Nothing) => {
                self.says.pop_front();
                // Otherwise the task would not be woken for the next step.
                context.waker().wake_by_ref();
                Poll::Pending
            }
            Some(Say::Reset) => Poll::Ready(Err(self.gone())),
            // The end stays in the script, because it may be read twice.
            Some(Say::End | Say::Pause(_)) | None => Poll::Ready(Ok(())),
        }
    }

    fn poll_write(
        &mut self,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
        more: bool,
    ) -> Poll<io::Result<usize>> {
        let max = ready!(self.poll_takes(context, None))?;
        assert!(!self.promised, "other bytes came where bytes of a file were promised");
        let bytes = slices.iter().map(|slice| &**slice).collect::<Vec<&[u8]>>().concat();
        assert!(!bytes.is_empty(), "a write of nothing");
        let taken = &bytes[..bytes.len().min(max)];
        self.promised = more && taken.len() == bytes.len();
        self.take(taken);
        self.log.lock().unwrap().promises += u64::from(self.promised);
        Poll::Ready(Ok(taken.len()))
    }

    fn poll_send_file(
        &mut self,
        context: &mut Context<'_>,
        file: &OpenFile,
        offset: u64,
        count: usize,
    ) -> Poll<io::Result<usize>> {
        assert!(count > 0, "a transfer of nothing");
        let max = ready!(self.poll_takes(context, Some(file)))?;
        self.promised = false;
        let mut bytes = vec![0; count.min(max)];
        let taken = file.read_at(&mut bytes, offset)?;
        if taken == 0 {
            self.log.lock().unwrap().over = true;
            return Poll::Ready(Ok(0));
        }
        self.take(&bytes[..taken]);
        self.log.lock().unwrap().from_files += taken as u64;
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.count_call();
        if self.unflushed {
            if let Some(pause) = self.flushes.front() {
                ready!(poll_pause(&mut self.flushing, *pause, context));
                self.flushes.pop_front();
            }
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.count_call();
        ready!(poll_pause(&mut self.ending, self.shutdown, context));
        self.log.lock().unwrap().shut = true;
        Poll::Ready(Ok(()))
    }
}

/// Waits for `pause` since the first call.
fn poll_pause(waiting: &mut Option<Pin<Box<Sleep>>>, pause: Duration, context: &mut Context<'_>) -> Poll<()> {
    if !pause.is_zero() {
        ready!(waiting.get_or_insert_with(|| Box::pin(sleep(pause))).as_mut().poll(context));
        *waiting = None;
    }
    Poll::Ready(())
}
