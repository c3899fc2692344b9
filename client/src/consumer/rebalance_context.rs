//! The consumer as a rebalance listener sees it: what may be done in the middle of a rebalance.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::commit::Offsets;
use super::group_coordinator::Inner;
use super::offset::OffsetAndMetadata;
use super::subscription_state::leader_of;
use crate::error::ClientError;
use crate::topic_partition::TopicPartition;

/// What a [`super::RebalanceListener`] may do with the consumer. Cheap to clone, but of use only
/// while the consumer lives.
#[derive(Clone)]
pub struct RebalanceContext {
    inner: Arc<Inner>,
}

impl RebalanceContext {
    pub(super) fn new(inner: Arc<Inner>) -> Self {
        Self { inner }
    }

    /// The partitions that are assigned now; those that are being revoked still are.
    #[must_use]
    pub fn assignment(&self) -> BTreeSet<TopicPartition> {
        self.inner.shared.lock().subscriptions.assigned_partitions()
    }

    /// The offset of the next record that `poll` returns; nothing while it is not known.
    ///
    /// # Errors
    /// The partition is not assigned.
    pub fn position(&self, partition: &TopicPartition) -> Result<Option<i64>, ClientError> {
        let position = self.inner.shared.lock().subscriptions.position(partition)?;
        Ok(position.map(|position| position.offset))
    }

    /// Commits the positions of all assigned partitions. Dropping the future does not undo what
    /// was asked for.
    ///
    /// # Errors
    /// See [`super::Consumer::commit_sync`].
    pub async fn commit_sync(&self) -> Result<(), ClientError> {
        let offsets = self.inner.consumed();
        self.commit_offsets(offsets).await
    }

    /// Commits these offsets. Dropping the future does not undo what was asked for.
    ///
    /// # Errors
    /// See [`super::Consumer::commit_offsets`].
    pub async fn commit_offsets(&self, offsets: Offsets) -> Result<(), ClientError> {
        let deadline = self.inner.api_deadline();
        self.inner.commit_until(offsets, deadline).await
    }

    /// The committed offsets of those partitions that have one. Dropping the future leaves nothing
    /// behind.
    ///
    /// # Errors
    /// See [`super::Consumer::committed`].
    pub async fn committed(&self, partitions: &[TopicPartition]) -> Result<Offsets, ClientError> {
        let deadline = self.inner.api_deadline();
        self.inner.committed_until(partitions, deadline).await
    }

    /// Goes on at another offset.
    ///
    /// # Errors
    /// The partition is not assigned, or the offset is negative.
    pub fn seek(
        &self,
        partition: &TopicPartition,
        to: impl Into<OffsetAndMetadata>,
    ) -> Result<(), ClientError> {
        let shared = &self.inner.shared;
        let to = to.into();
        if to.offset < 0 {
            return Err(ClientError::InvalidArgument(format!(
                "{} is no offset to seek to: offsets begin at 0",
                to.offset
            )));
        }
        let leader = leader_of(&shared.cluster.metadata(), partition);
        shared.lock().subscriptions.seek(partition, &to, leader)?;
        shared.plan_anew();
        Ok(())
    }

    /// Stops handing out records of these partitions.
    ///
    /// # Errors
    /// One is not assigned.
    pub fn pause(&self, partitions: &[TopicPartition]) -> Result<(), ClientError> {
        let mut state = self.inner.shared.lock();
        for partition in partitions {
            state.subscriptions.set_paused(partition, true)?;
        }
        Ok(())
    }
}
