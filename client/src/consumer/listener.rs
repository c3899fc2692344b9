//! What an application may want to know about rebalances, and do meanwhile.

use futures_util::future::BoxFuture;

use super::rebalance_context::RebalanceContext;
use crate::topic_partition::TopicPartition;

/// Told which partitions come and go, from within `poll`, `unsubscribe` and `close`, and nowhere
/// else. Kafka's `ConsumerRebalanceListener`. A rebalance waits for it, at most for
/// `max.poll.interval.ms`.
///
/// When a `poll` is dropped while a listener runs, the next one goes on with it where it was.
///
/// ```
/// use futures_util::future::BoxFuture;
/// use ringbrook_client::TopicPartition;
/// use ringbrook_client::consumer::{RebalanceContext, RebalanceListener};
///
/// struct Save;
///
/// impl RebalanceListener for Save {
///     fn on_partitions_revoked<'a>(
///         &'a self,
///         consumer: &'a RebalanceContext,
///         partitions: &'a [TopicPartition],
///     ) -> BoxFuture<'a, ()> {
///         Box::pin(async move {
///             if let Err(error) = consumer.commit_sync().await {
///                 eprintln!("{partitions:?} will be read again: {error}");
///             }
///         })
///     }
/// }
/// ```
pub trait RebalanceListener: Send + Sync {
    /// These are new, after a rebalance that is complete; maybe none. Nothing of them was read yet:
    /// the moment to seek.
    fn on_partitions_assigned<'a>(
        &'a self,
        _consumer: &'a RebalanceContext,
        _partitions: &'a [TopicPartition],
    ) -> BoxFuture<'a, ()> {
        Box::pin(std::future::ready(()))
    }

    /// These are about to be given up: the moment to commit what was processed of them. With
    /// `enable.auto.commit` that is already done. None of them where an eager assignor's group
    /// rebalances and the member had nothing.
    fn on_partitions_revoked<'a>(
        &'a self,
        _consumer: &'a RebalanceContext,
        _partitions: &'a [TopicPartition],
    ) -> BoxFuture<'a, ()> {
        Box::pin(std::future::ready(()))
    }

    /// These were taken away, and others may read them already: it is too late to commit. As if
    /// they were revoked, unless told otherwise.
    fn on_partitions_lost<'a>(
        &'a self,
        consumer: &'a RebalanceContext,
        partitions: &'a [TopicPartition],
    ) -> BoxFuture<'a, ()> {
        self.on_partitions_revoked(consumer, partitions)
    }
}
