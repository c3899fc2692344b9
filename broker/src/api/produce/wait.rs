//! What the answer to a produce request waits for.

use std::sync::Arc;
use std::time::Duration;

use ringbrook_protocol::ResponseError;
use ringbrook_protocol::produce::{Few, Response};
use tokio::time::Instant;

use super::{Acks, failed};
use crate::api::error::KafkaError;
use crate::replica::{Partition, Waiting};

/// A partition's part of the answer, and what it still waits for.
pub(super) struct Pending {
    pub(super) topic_index: usize,
    pub(super) partition_index: usize,
    pub(super) wait: Wait,
}

/// What the answer for an appended batch has to wait for, in turn.
pub(super) struct Wait {
    /// Until the batch is published; `None` when it is.
    published: Option<Waiting>,
    /// Then until all records below the offset are committed, with `acks=all`.
    committed: Option<(Arc<Partition>, i64)>,
}

impl Wait {
    /// `None` when there is nothing to wait for.
    pub(super) fn new(partition: &Arc<Partition>, end: i64, acks: Acks) -> Option<Self> {
        if acks == Acks::Never {
            return None;
        }
        let published = partition.published(end);
        let needs_commit =
            acks == Acks::All && (published.is_some() || !partition.is_committed(end));
        let committed = needs_commit.then(|| (Arc::clone(partition), end));
        (published.is_some() || committed.is_some()).then_some(Self {
            published,
            committed,
        })
    }

    /// Waits for this broker's disk for as long as it takes, then for other brokers until the
    /// deadline.
    async fn end(self, deadline: &mut Deadline) -> Option<ResponseError> {
        let mut high_watermark = None;
        if let Some(published) = self.published {
            match published.end().await {
                Ok(then) => high_watermark = Some(then),
                Err(error) => return Some(error.kafka_error()),
            }
        }
        let (partition, end) = self.committed?;
        if high_watermark.is_some_and(|then| end <= then) {
            return None;
        }
        let committed = partition.committed(end)?;
        match tokio::time::timeout_at(deadline.get(), committed.end()).await {
            Ok(reached) => reached.err().map(|error| error.kafka_error()),
            Err(_) => Some(ResponseError::RequestTimedOut),
        }
    }
}

/// When waiting for other brokers ends: so long after the first such wait began. A partition
/// without followers sets no timer and asks for no time: with few clients each would cost two
/// system calls, because its deadline comes before all others.
struct Deadline {
    timeout: Duration,
    at: Option<Instant>,
}

impl Deadline {
    fn get(&mut self) -> Instant {
        *self.at.get_or_insert_with(|| Instant::now() + self.timeout)
    }
}

/// Waits for every pending partition, for other brokers no longer than `timeout`; puts errors into
/// the response.
pub(super) async fn for_all(response: &mut Response, pending: Few<Pending>, timeout: Duration) {
    let mut deadline = Deadline { timeout, at: None };
    for Pending {
        topic_index,
        partition_index,
        wait,
    } in pending
    {
        let error = wait.end(&mut deadline).await;
        let Some(error) = error else { continue };
        let partition = response
            .topics
            .get_mut(topic_index)
            .and_then(|topic| topic.partitions.get_mut(partition_index));
        if let Some(partition) = partition {
            *partition = failed(partition.index, error, None);
        }
    }
}
