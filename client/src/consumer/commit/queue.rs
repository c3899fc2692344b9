//! Commits in the order in which they were asked for. One task per consumer sends them one after
//! the other, without waiting for answers in between.

use std::future::Future;
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::FuturesOrdered;
use ringbrook_protocol::messages::OffsetCommitRequest;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::{Committer, Offsets};
use crate::consumer::group::Identity;
use crate::consumer::interceptor::OnCommit;
use crate::error::ClientError;
use crate::net::PendingResponse;

/// A commit to be sent.
pub(in super::super) struct CommitJob {
    /// Who commits.
    pub(in super::super) identity: Identity,
    /// What.
    pub(in super::super) offsets: Offsets,
    /// Told what came of it.
    pub(in super::super) done: Box<dyn FnOnce(Result<(), ClientError>) + Send>,
}

/// The way to the task.
pub(in super::super) struct CommitQueue {
    jobs: mpsc::UnboundedSender<Message>,
    task: JoinHandle<()>,
}

enum Message {
    Commit(CommitJob),
    /// Answered when all before it are.
    Barrier(oneshot::Sender<()>),
}

impl CommitQueue {
    /// Starts the task. `on_commit` is told of all that succeed, before who waits for it.
    pub(in super::super) fn new(committer: Committer, on_commit: OnCommit) -> Self {
        let (jobs, queue) = mpsc::unbounded_channel();
        let task = tokio::spawn(run(committer, queue, on_commit));
        Self { jobs, task }
    }

    /// Queues a commit.
    pub(in super::super) fn push(&self, job: CommitJob) {
        if let Err(mpsc::error::SendError(Message::Commit(job))) =
            self.jobs.send(Message::Commit(job))
        {
            (job.done)(Err(ClientError::Closed("consumer")));
        }
    }

    /// Queues a commit and awaits what comes of it. Dropping the future does not undo it.
    pub(in super::super) fn commit(
        &self,
        identity: Identity,
        offsets: Offsets,
    ) -> impl Future<Output = Result<(), ClientError>> + use<> {
        let (done, outcome) = oneshot::channel();
        let tell = move |result| {
            // Whoever waited may have gone.
            done.send(result).ok();
        };
        self.push(CommitJob {
            identity,
            offsets,
            done: Box::new(tell),
        });
        async move {
            outcome
                .await
                .unwrap_or(Err(ClientError::Closed("consumer")))
        }
    }

    /// Waits until everything queued so far is answered, at most until `deadline`.
    pub(in super::super) async fn flush(&self, deadline: Instant) {
        let (done, is_done) = oneshot::channel();
        if self.jobs.send(Message::Barrier(done)).is_ok()
            && tokio::time::timeout_at(deadline, is_done).await.is_err()
        {
            tracing::warn!("commits are not answered in time");
        }
    }
}

impl Drop for CommitQueue {
    fn drop(&mut self) {
        self.task.abort();
    }
}

type Sent = (
    Result<PendingResponse<OffsetCommitRequest>, ClientError>,
    Box<dyn FnOnce(Result<(), ClientError>) + Send>,
);

async fn run(
    committer: Committer,
    mut queue: mpsc::UnboundedReceiver<Message>,
    on_commit: OnCommit,
) {
    let mut sent = FuturesOrdered::new();
    loop {
        tokio::select! {
            Some(()) = sent.next() => {}
            message = queue.recv() => match message {
                None => break,
                Some(Message::Barrier(done)) => {
                    while let Some(()) = sent.next().await {}
                    // Whoever waited may have gone.
                    done.send(()).ok();
                }
                Some(Message::Commit(job)) => {
                    let pending = committer.send(&job.identity, &job.offsets).await;
                    let done = tell_both(&on_commit, job);
                    sent.push_back(finish(&committer, (pending, done)));
                }
            }
        }
    }
    while let Some(()) = sent.next().await {}
}

/// Tells interceptors what was committed, and then whoever asked for it what came of it.
fn tell_both(
    on_commit: &OnCommit,
    job: CommitJob,
) -> Box<dyn FnOnce(Result<(), ClientError>) + Send> {
    let on_commit = Arc::clone(on_commit);
    Box::new(move |result| {
        if result.is_ok() {
            on_commit(&job.offsets);
        }
        (job.done)(result);
    })
}

async fn finish(committer: &Committer, (pending, done): Sent) {
    let result = match pending {
        Ok(pending) => pending.await.and_then(|answer| committer.outcome(&answer)),
        Err(error) => Err(error),
    };
    if let Err(error) = &result {
        committer.note(error);
    }
    done(result);
}
