//! Work for which nobody waits: on a thread of its own that the system lets run, and read, only when nobody else wants to.

use std::thread;

use thread_priority::{
    NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy, set_thread_priority_and_policy,
    thread_native_id,
};
use tokio::sync::oneshot;

/// Does `work` on a thread called `name`. Whoever drops the receiver does not stop it.
///
/// The policy for idle work makes the kernel take the thread's reading for idle too, where the scheduler of the disk knows such a class
/// (`ioprio_set(2)`: a thread without a class of its own gets the one that goes with its policy). `work` must hold no lock that others
/// want, because it may not run for long.
pub(super) fn spawn<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> std::io::Result<oneshot::Receiver<T>> {
    let (sender, receiver) = oneshot::channel();
    thread::Builder::new().name(name.into()).spawn(move || {
        let policy = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
        if let Err(error) = set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, policy) {
            tracing::debug!(?error, "idle work is done like any other");
        }
        // Nobody may want it any more.
        let _ = sender.send(work());
    })?;
    Ok(receiver)
}
