//! Syncs that are left to a task of the ring's thread, which makes many of them together.

use std::future::Future;
use std::io;

use tokio::sync::oneshot;

/// Who waits for a sync.
pub(super) type Done = oneshot::Sender<io::Result<()>>;

/// Leaves a sync to a task and waits for it. `enqueue` tells whether one runs that will see to it;
/// else `task` is started.
///
/// # Errors
/// As the task says; or it is gone.
pub(super) async fn leave<F: Future<Output = ()> + 'static>(
    enqueue: impl FnOnce(Done) -> bool,
    task: impl FnOnce() -> F,
) -> io::Result<()> {
    let (done, synced) = oneshot::channel();
    if !enqueue(done) {
        // The task reports to those who wait; nobody waits for the handle.
        drop(tokio::task::spawn_local(task()));
    }
    synced
        .await
        .unwrap_or_else(|_gone| Err(io::Error::other("the sync was given up")))
}

/// Tells each who waits its result.
pub(super) fn tell(
    waiting: impl IntoIterator<Item = Done>,
    results: impl IntoIterator<Item = io::Result<()>>,
) {
    for (done, result) in waiting.into_iter().zip(results) {
        // A drain that was dropped took its log dir offline.
        let _is_heard = done.send(result);
    }
}
