//! Threads for work that is not urgent. The system runs them, and reads for them, only when nothing else
//! wants to.

use std::thread;

use thread_priority::{
    NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy, set_thread_priority_and_policy,
    thread_native_id,
};
use tokio::sync::oneshot;

/// Runs `work` on a thread called `name`. Dropping the receiver does not stop it.
///
/// The kernel takes the thread's reading for idle too, where the disk's scheduler knows such a class: a
/// thread without an I/O class gets the one of its scheduling policy (`ioprio_set(2)`). `work` must hold no
/// lock that others need, because it may not run for long.
///
/// # Errors
///
/// The system has no thread to spare.
pub fn spawn<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> std::io::Result<oneshot::Receiver<T>> {
    let (sender, receiver) = oneshot::channel();
    thread::Builder::new().name(name.into()).spawn(move || {
        let policy = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
        if let Err(error) = set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, policy) {
            tracing::debug!(?error, "a thread for idle work runs like any other");
        }
        // The caller may have dropped the receiver.
        let _ = sender.send(work());
    })?;
    Ok(receiver)
}
