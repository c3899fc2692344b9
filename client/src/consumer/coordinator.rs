//! The seam between the consumer and its group: what the one asks of the other.
//!
//! The consumer reads partitions; who decides which ones, and where committed offsets are, is the
//! coordinator's side. It plugs in at four places, all of which go through [`Coordinator`]:
//!
//! - `ConsumerBuilder::build` makes it when there is a `group.id`, and keeps it;
//! - every `poll` calls [`Coordinator::on_poll`] before it looks for records, and again whenever
//!   [`super::shared::Shared::wake_poll`] was called: that is where rebalance listeners run, where
//!   what was read is committed by time, and where `max.poll.interval.ms` starts anew;
//! - the fetch task calls [`Coordinator::committed`] for partitions that were assigned and have no
//!   position ([`super::FetchState::Initializing`]);
//! - `close` calls `GroupCoordinator::close` before connections end.
//!
//! The coordinator in turn changes the [`super::SubscriptionState`] behind
//! [`super::shared::Shared::lock`] (`assign_from_subscribed`, `mark_pending_revocation`, ...), and
//! says so with [`super::shared::Shared::plan_anew`].

use futures_util::future::BoxFuture;
use hashbrown::HashMap;
use tokio::time::Instant;

use super::offset::OffsetAndMetadata;
use crate::error::ClientError;
use crate::topic_partition::TopicPartition;

/// A consumer's side of its group.
pub(crate) trait Coordinator: Send + Sync {
    /// The application polls. Runs what is due on its side, and returns without waiting for
    /// records, by `deadline` unless a listener takes longer. Dropping the future must lose
    /// nothing.
    fn on_poll(&self, deadline: Instant) -> BoxFuture<'_, Result<(), ClientError>>;

    /// Committed offsets of those partitions that have one. One attempt.
    fn committed(
        &self,
        partitions: Vec<TopicPartition>,
    ) -> BoxFuture<'_, Result<HashMap<TopicPartition, OffsetAndMetadata>, ClientError>>;
}
