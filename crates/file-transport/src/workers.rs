//! The threads that serve connections: one a core, each with a runtime of its own, so that a connection stays on its core and nothing on
//! the way from request to answer waits for another thread.

use std::io;
use std::thread;

use tokio::runtime::{Builder, Handle};
use tokio::sync::watch;

/// How many events a thread handles before it asks the system for new ones. A turn of a large transfer takes a fraction of a
/// millisecond, so few enough that small requests are noticed soon.
const EVENT_INTERVAL: u32 = 13;

/// Threads of one worker that may wait for a disk. Limits above keep their number far lower, unless there are many workers.
const MAX_BLOCKING: usize = 256;

/// The threads. They end when this goes, whatever they are doing.
pub struct Workers {
    handles: Vec<Handle>,
    _end: watch::Sender<()>,
}

impl Workers {
    /// Starts `count` threads, at least one.
    ///
    /// # Errors
    ///
    /// The system refuses a thread or an event queue.
    pub fn start(count: usize) -> io::Result<Self> {
        let (end, ended) = watch::channel(());
        let handles =
            (0..count.max(1)).map(|index| start(index, ended.clone())).collect::<io::Result<_>>()?;
        Ok(Self { handles, _end: end })
    }

    /// A thread for each core that this process may use.
    ///
    /// # Errors
    ///
    /// As [`Workers::start`].
    pub fn one_a_core() -> io::Result<Self> {
        // Where the system cannot tell, one thread serves too.
        Self::start(thread::available_parallelism().map_or(1, usize::from))
    }

    pub(crate) fn handles(&self) -> &[Handle] {
        &self.handles
    }
}

fn start(index: usize, mut ended: watch::Receiver<()>) -> io::Result<Handle> {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .event_interval(EVENT_INTERVAL)
        .max_blocking_threads(MAX_BLOCKING)
        .thread_name(format!("disk-{index}"))
        .build()?;
    let handle = runtime.handle().clone();
    thread::Builder::new().name(format!("worker-{index}")).spawn(move || {
        // Nothing is ever sent; the wait ends when the sender goes.
        let _ = runtime.block_on(ended.changed());
        // A thread may still wait for a disk that hangs; nothing that matters is left to it.
        runtime.shutdown_background();
    })?;
    Ok(handle)
}
