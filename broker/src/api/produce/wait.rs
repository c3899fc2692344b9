//! What the answer to a produce request waits for.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use ringbrook_protocol::ResponseError;
use tokio::time::{Instant, Sleep, sleep_until};

use super::Acks;
use crate::api::error::KafkaError;
use crate::replica::{Milestone, OffsetWait};

/// What the answer for an appended batch has to wait for, in turn.
pub(super) struct Wait {
    offsets: OffsetWait,
    /// Where the batch ends.
    end: i64,
    acks: Acks,
    is_published: bool,
    /// Ends the wait for other brokers, once that has begun.
    timeout: Option<Pin<Box<Sleep>>>,
}

impl Wait {
    /// For a batch that ends at `end`.
    pub(super) fn new(offsets: OffsetWait, end: i64, acks: Acks) -> Self {
        Self {
            offsets,
            end,
            acks,
            is_published: false,
            timeout: None,
        }
    }

    /// Waits for this broker's disk for as long as it takes, then, with `acks=all`, for other
    /// brokers until the deadline. Gives the error to answer with, if any.
    pub(super) fn poll(
        &mut self,
        ctx: &mut Context<'_>,
        deadline: &mut Deadline,
    ) -> Poll<Option<ResponseError>> {
        let is_all = self.acks == Acks::All;
        // Without other brokers what is published is committed.
        if is_all && self.offsets.is_reached(Milestone::Committed, self.end) {
            return Poll::Ready(None);
        }
        if !self.is_published {
            let published = self.offsets.poll(ctx, Milestone::Published, self.end);
            if let Err(error) = ready!(published) {
                return Poll::Ready(Some(error.kafka_error()));
            }
            self.is_published = true;
        }
        if !is_all {
            return Poll::Ready(None);
        }
        if let Poll::Ready(committed) = self.offsets.poll(ctx, Milestone::Committed, self.end) {
            return Poll::Ready(committed.err().map(|error| error.kafka_error()));
        }
        let sleep = || Box::pin(sleep_until(deadline.get()));
        let timeout = self.timeout.get_or_insert_with(sleep);
        ready!(timeout.as_mut().poll(ctx));
        Poll::Ready(Some(ResponseError::RequestTimedOut))
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

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use futures_util::FutureExt;

    use super::*;
    use crate::replica::{NotReached, OwnOffsetWaiters};

    const TIMEOUT: Duration = Duration::from_secs(30);

    /// A wait for offset 5, and who tells it of progress.
    fn wait(acks: Acks) -> (OwnOffsetWaiters, impl AsyncFnMut() -> Option<ResponseError>) {
        let waiters = OwnOffsetWaiters::new(0, 0);
        let mut wait = Wait::new(OffsetWait::new(&waiters), 5, acks);
        let mut deadline = Deadline::new(TIMEOUT);
        let ended = async move || poll_fn(|ctx| wait.poll(ctx, &mut deadline)).await;
        (waiters, ended)
    }

    #[tokio::test(start_paused = true)]
    async fn with_acks_1_what_is_published_needs_no_more() {
        let (waiters, mut ended) = wait(Acks::Leader);
        assert_eq!(ended().now_or_never(), None);
        waiters.advance(5, 0);
        assert_eq!(ended().now_or_never(), Some(None));
    }

    #[tokio::test(start_paused = true)]
    async fn the_disk_may_take_any_time_and_other_brokers_until_the_deadline() {
        let (waiters, mut ended) = wait(Acks::All);
        let on_disk = tokio::time::timeout(TIMEOUT * 10, ended()).await;
        assert!(on_disk.is_err(), "only other brokers have a deadline");
        waiters.advance(5, 4);
        let begin = Instant::now();
        assert_eq!(ended().await, Some(ResponseError::RequestTimedOut));
        assert_eq!(begin.elapsed(), TIMEOUT);
    }

    #[tokio::test(start_paused = true)]
    async fn other_brokers_in_time_end_the_wait() {
        let (waiters, mut ended) = wait(Acks::All);
        waiters.advance(5, 4);
        assert!(tokio::time::timeout(TIMEOUT / 2, ended()).await.is_err());
        waiters.advance(5, 5);
        assert_eq!(ended().now_or_never(), Some(None));
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_is_the_answer_before_and_after_publication() {
        for published in [4, 5] {
            let (waiters, mut ended) = wait(Acks::All);
            waiters.advance(published, 0);
            assert_eq!(ended().now_or_never(), None);
            waiters.fail(NotReached::StorageFailed);
            let failed = ended().now_or_never();
            assert_eq!(failed, Some(Some(ResponseError::KafkaStorageError)));
        }
    }
}
