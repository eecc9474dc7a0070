//! A bounded queue of lines, and the thread that writes them.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// Bytes of lines that may wait. As many again may be with the thread.
const CAPACITY: usize = 1 << 20;

/// The pause before a write to a pipe that is full and does not let its writers wait.
const RETRY: Duration = Duration::from_millis(20);

/// The queue. Clones share it. A line that does not fit is dropped, and the next line that fits tells so.
#[derive(Clone)]
pub(super) struct Queue(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    /// Lines that were dropped since the start, also by the queues before this one.
    dropped: Arc<AtomicU64>,
}

/// Told once when lines can no longer be written.
type OnFailure = fn(&io::Error);

#[derive(Default)]
struct State {
    waiting: Vec<u8>,
    /// The lines that were dropped since the last one that fitted.
    untold: u64,
    is_writing: bool,
    /// The file for all further lines.
    next: Option<File>,
}

impl Queue {
    /// Starts the thread, called `name`, which writes to `file`. It counts lines that it drops in `dropped`,
    /// and calls `failed` when the file first refuses lines.
    pub(super) fn start(
        name: &str,
        file: File,
        dropped: Arc<AtomicU64>,
        failed: OnFailure,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared { state: Mutex::default(), changed: Condvar::new(), dropped });
        let queue = Self(Arc::clone(&shared));
        // The thread ends with the program, or when its queue was replaced.
        thread::Builder::new()
            .name(name.into())
            .spawn(move || Writer { file, is_torn: false, is_failing: false, failed }.run(&shared))?;
        Ok(queue)
    }

    /// Adds a line, which ends in a line feed. If lines were dropped before it, `told` makes a line that says
    /// how many.
    pub(super) fn push(&self, line: &str, told: impl FnOnce(u64) -> String) {
        let mut state = self.0.lock();
        let note = if state.untold > 0 { told(state.untold) } else { String::new() };
        if state.waiting.len() + note.len() + line.len() > CAPACITY {
            state.untold += 1;
            self.0.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let was_empty = state.waiting.is_empty();
        state.untold = 0;
        state.waiting.extend_from_slice(note.as_bytes());
        state.waiting.extend_from_slice(line.as_bytes());
        drop(state);
        if was_empty {
            self.0.changed.notify_all();
        }
    }

    /// Writes to another file from now on.
    pub(super) fn redirect(&self, file: File) {
        self.0.lock().next = Some(file);
        self.0.changed.notify_all();
    }

    /// Waits until all lines are written, or for `limit`.
    pub(super) fn flush(&self, limit: Duration) {
        let is_busy = |state: &mut State| state.is_writing || !state.waiting.is_empty();
        drop(self.0.changed.wait_timeout_while(self.0.lock(), limit, is_busy));
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Writer {
    file: File,
    /// Whether an error left a part of a line in the file.
    is_torn: bool,
    /// Whether the last lines could not be written.
    is_failing: bool,
    failed: OnFailure,
}

impl Writer {
    fn run(mut self, shared: &Arc<Shared>) {
        let mut lines = Vec::new();
        loop {
            // Another handle than this one is the queue's; without one there will be no more lines.
            let mut state = shared.lock();
            while state.waiting.is_empty() && state.next.is_none() {
                let waited = shared.changed.wait_timeout(state, Duration::from_secs(60));
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
                if Arc::strong_count(shared) == 1 {
                    return;
                }
            }
            if let Some(file) = state.next.take() {
                (self.file, self.is_torn, self.is_failing) = (file, false, false);
            }
            std::mem::swap(&mut state.waiting, &mut lines);
            state.is_writing = true;
            drop(state);
            let lost = self.write(&lines, shared);
            lines.clear();
            let mut state = shared.lock();
            state.is_writing = false;
            state.untold += lost;
            drop(state);
            shared.dropped.fetch_add(lost, Ordering::Relaxed);
            shared.changed.notify_all();
        }
    }

    /// Writes the lines, and returns how many of them could not be written.
    fn write(&mut self, lines: &[u8], shared: &Arc<Shared>) -> u64 {
        let is_replaced = || Arc::strong_count(shared) == 1 || shared.lock().next.is_some();
        let mut left = lines;
        if self.is_torn && self.file.write_all(b"\n").is_ok() {
            self.is_torn = false;
        }
        while !left.is_empty() {
            match self.file.write(left) {
                Ok(0) => break,
                Ok(written) => left = left.get(written..).unwrap_or_default(),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if is_replaced() {
                        break;
                    }
                    thread::sleep(RETRY);
                }
                // A full disk or a closed pipe.
                Err(error) => {
                    if !std::mem::replace(&mut self.is_failing, true) {
                        (self.failed)(&error);
                    }
                    break;
                }
            }
        }
        self.is_failing &= !left.is_empty();
        let written = lines.len() - left.len();
        self.is_torn |= !left.is_empty() && written > 0 && lines.get(written - 1) != Some(&b'\n');
        u64::try_from(left.iter().filter(|byte| **byte == b'\n').count()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Read};
    use std::time::Instant;

    use super::*;

    fn pipe() -> (File, File) {
        let (reader, writer) = io::pipe().expect("a pipe");
        (File::from(std::os::fd::OwnedFd::from(reader)), File::from(std::os::fd::OwnedFd::from(writer)))
    }

    fn start(file: File) -> (Queue, Arc<AtomicU64>) {
        let dropped = Arc::default();
        (Queue::start("test", file, Arc::clone(&dropped), |_| {}).expect("a thread"), dropped)
    }

    fn told(lost: u64) -> String {
        format!("{lost} lost\n")
    }

    #[test]
    fn nothing_waits_for_a_reader_and_the_loss_is_told() {
        let (reader, writer) = pipe();
        let (queue, dropped) = start(writer);
        let line = format!("{}\n", "x".repeat(999));
        // More than fits into the pipe, so that the writer waits for its reader before a line is dropped.
        let first = "f".repeat(200_000);
        queue.push(&format!("{first}\n"), told);
        let begun = Instant::now();
        let is_stuck = |state: &State| state.is_writing && state.waiting.is_empty();
        while !is_stuck(&queue.0.lock()) {
            assert!(begun.elapsed() < Duration::from_secs(20), "the writer takes the line");
            thread::sleep(RETRY);
        }
        let all = 10_000;
        (0..all).for_each(|_| queue.push(&line, told));
        let dropped = dropped.load(Ordering::Relaxed);
        assert!(dropped > 0, "{all} lines are more than fit");
        queue.flush(Duration::from_millis(10));

        let mut lines = BufReader::new(reader).lines().map(|line| line.expect("a line"));
        assert!(lines.next() == Some(first), "the line that is longer than the pipe");
        let kept = lines.by_ref().take(usize::try_from(all - dropped).expect("few")).collect::<Vec<_>>();
        assert!(kept.iter().all(|kept| *kept == line.trim_end()), "all that were kept are whole");
        queue.flush(Duration::from_secs(20));
        queue.push("the next\n", told);
        assert_eq!(lines.next(), Some(format!("{dropped} lost")));
        assert_eq!(lines.next().as_deref(), Some("the next"));
    }

    #[test]
    fn lines_that_cannot_be_written_are_counted() {
        let (reader, writer) = pipe();
        drop(reader);
        let (queue, dropped) = start(writer);
        queue.push("a\nb\n", told);
        queue.flush(Duration::from_secs(20));
        assert_eq!(dropped.load(Ordering::Relaxed), 2);
        let (mut reader, writer) = pipe();
        queue.redirect(writer);
        queue.push("c\n", told);
        queue.flush(Duration::from_secs(20));
        let mut text = [0; 9];
        reader.read_exact(&mut text).expect("what was written");
        assert_eq!(&text, b"2 lost\nc\n");
    }
}
