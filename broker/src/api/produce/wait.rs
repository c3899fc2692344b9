//! What the answer to a produce request waits for.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::future::LocalBoxFuture;
use futures_util::{FutureExt, TryFutureExt};
use ringbrook_protocol::ResponseError;
use tokio::time::{Instant, timeout_at};

use super::Acks;
use crate::api::error::KafkaError;
use crate::replica::{NotReached, Partition, Progress, Waiting};

/// What the answer for an appended batch has to wait for, in turn.
pub(super) struct Wait {
    acks: Acks,
    /// Where the batch ends.
    end: i64,
    /// Until it is published; `None` when it is.
    published: Option<Waiting>,
    /// Then, with `acks=all`, until it is committed, if it is not at that moment.
    committed: Option<Waiting>,
    /// That wait, when it has begun.
    replicated: Option<LocalBoxFuture<'static, Option<ResponseError>>>,
}

impl Wait {
    /// For a batch that ends at `end`, after the wait for it to be `published`. `None` when there
    /// is nothing to wait for.
    pub(super) fn new(
        partition: &Partition,
        published: Option<Waiting>,
        end: i64,
        acks: Acks,
    ) -> Option<Self> {
        let committed = match published {
            None if acks == Acks::All => partition.committed(end),
            _ => None,
        };
        (published.is_some() || committed.is_some()).then_some(Self {
            acks,
            end,
            published,
            committed,
            replicated: None,
        })
    }

    /// Waits for this broker's disk for as long as it takes, then for other brokers until the
    /// deadline. Gives the error to answer with, if any.
    pub(super) fn poll(
        &mut self,
        ctx: &mut Context<'_>,
        deadline: &mut Deadline,
    ) -> Poll<Option<ResponseError>> {
        if let Some(published) = &mut self.published {
            match ready!(Pin::new(published).poll(ctx)) {
                Err(error) => return Poll::Ready(Some(error.kafka_error())),
                Ok(Progress::Published(partition)) if self.acks == Acks::All => {
                    let Some(partition) = partition.upgrade() else {
                        return Poll::Ready(Some(NotReached::Gone.kafka_error()));
                    };
                    self.committed = partition.committed(self.end);
                }
                Ok(Progress::Published(_) | Progress::Committed) => {}
            }
            self.published = None;
        }
        if let Some(committed) = self.committed.take() {
            let replicated = timeout_at(deadline.get(), committed).map_ok_or_else(
                |_| Some(ResponseError::RequestTimedOut),
                |reached| reached.err().map(|error| error.kafka_error()),
            );
            self.replicated = Some(replicated.boxed_local());
        }
        match &mut self.replicated {
            Some(replicated) => replicated.poll_unpin(ctx),
            None => Poll::Ready(None),
        }
    }
}

/// When waiting for other brokers ends: so long after the first such wait began. A partition
/// without followers sets no timer and asks for no time: with few clients each would cost two
/// system calls, because its deadline comes before all others.
pub(super) struct Deadline {
    timeout: Duration,
    at: Option<Instant>,
}

impl Deadline {
    pub(super) fn new(timeout: Duration) -> Self {
        Self { timeout, at: None }
    }

    fn get(&mut self) -> Instant {
        *self.at.get_or_insert_with(|| Instant::now() + self.timeout)
    }
}
