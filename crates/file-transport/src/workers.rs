//! The threads that serve connections: one a core, each with a runtime of its own. A connection stays on its
//! core, and nothing between request and answer waits for another thread.

use std::io;
use std::thread;

use tokio::runtime::{Builder, Handle};
use tokio::sync::watch;

/// How many events a thread handles before it asks the system for new ones. A turn of a large transfer takes
/// a fraction of a millisecond, so small requests are noticed soon.
const EVENT_INTERVAL: u32 = 13;

/// Threads of one worker that may wait for a disk. The limit of loads keeps their number far lower, unless
/// there are many workers.
const MAX_BLOCKING: usize = 256;

/// The threads. When this is dropped they end, whatever they are doing.
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
        // If the system does not tell, one thread serves as well.
        Self::start(thread::available_parallelism().map_or(1, usize::from))
    }

    /// Returns when each thread has run a task: all of them turn.
    pub fn turn(&self) -> impl Future<Output = ()> + Send + use<> {
        let turns: Vec<_> = self.handles.iter().map(|handle| handle.spawn(async {})).collect();
        async move {
            for turn in turns {
                // A runtime that ends cancels its tasks.
                let _ = turn.await;
            }
        }
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
        // Nothing is ever sent; the wait ends when the sender is dropped.
        let _ = runtime.block_on(ended.changed());
        // A thread may still wait for a disk that hangs. Nothing depends on it.
        runtime.shutdown_background();
    })?;
    Ok(handle)
}
