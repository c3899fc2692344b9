//! Commits as the application asks for them: waiting for the answer or not, of positions or of
//! given offsets.

use super::Consumer;
use super::commit::Offsets;
use super::offset::OffsetAndMetadata;
use super::record::ConsumerRecord;
use crate::error::ClientError;
use crate::topic_partition::TopicPartition;

impl<K, V> Consumer<K, V> {
    /// Commits the positions of all assigned partitions: everything that `poll` returned counts as
    /// processed. Waits for the answer, and tries again what may pass, up to
    /// `default.api.timeout.ms`. Comes after all earlier commits of this consumer.
    ///
    /// Dropping the future does not undo a commit that was asked for; it is not tried again then.
    ///
    /// # Errors
    /// The member has lost its place in the group (`UNKNOWN_MEMBER_ID`, `ILLEGAL_GENERATION`), the
    /// group rebalances (`REBALANCE_IN_PROGRESS`: commit after the next poll), the coordinator
    /// refuses, time is up, or the consumer was woken up.
    pub async fn commit_sync(&self) -> Result<(), ClientError> {
        let offsets = self.group()?.inner.consumed();
        self.commit_offsets(offsets).await
    }

    /// As [`Consumer::commit_sync`], but commits these offsets: for each partition that of the
    /// record to read next. Dropped, it does as [`Consumer::commit_sync`].
    ///
    /// # Errors
    /// See [`Consumer::commit_sync`]; or an offset is negative.
    pub async fn commit_offsets(&self, offsets: Offsets) -> Result<(), ClientError> {
        self.shared.check_open()?;
        check(&offsets)?;
        let inner = &self.group()?.inner;
        let committing = inner.commit_until(offsets, inner.api_deadline());
        self.shared.unless_woken(committing).await
    }

    /// As [`Consumer::commit_sync`], but commits that this record, and with it all before it in its
    /// partition, is processed. Dropped, it does as [`Consumer::commit_sync`].
    ///
    /// # Errors
    /// See [`Consumer::commit_sync`].
    pub async fn commit_record(&self, record: &ConsumerRecord<K, V>) -> Result<(), ClientError> {
        let next = OffsetAndMetadata::new(record.offset.saturating_add(1))
            .with_leader_epoch(record.leader_epoch);
        self.commit_offsets([(record.topic_partition(), next)].into())
            .await
    }

    /// Commits the positions of all assigned partitions without waiting; `done` is told what came
    /// of it, on the runtime. It is sent once, in the order of calls, and never tried again: a
    /// later commit says more.
    ///
    /// # Errors
    /// There is no `group.id`, or the consumer is closed.
    pub fn commit_async(
        &self,
        done: impl FnOnce(Result<(), ClientError>) + Send + 'static,
    ) -> Result<(), ClientError> {
        let offsets = self.group()?.inner.consumed();
        self.commit_offsets_async(offsets, done)
    }

    /// As [`Consumer::commit_async`], but commits these offsets.
    ///
    /// # Errors
    /// See [`Consumer::commit_async`]; or an offset is negative.
    pub fn commit_offsets_async(
        &self,
        offsets: Offsets,
        done: impl FnOnce(Result<(), ClientError>) + Send + 'static,
    ) -> Result<(), ClientError> {
        self.shared.check_open()?;
        check(&offsets)?;
        self.group()?.inner.commit_async(offsets, done);
        Ok(())
    }

    /// The committed offsets of those partitions that have one. Offsets in open transactions are
    /// waited for, up to `default.api.timeout.ms`. Dropping the future leaves nothing behind.
    ///
    /// # Errors
    /// The coordinator refuses, or time is up.
    pub async fn committed(&self, partitions: &[TopicPartition]) -> Result<Offsets, ClientError> {
        self.shared.check_open()?;
        let inner = &self.group()?.inner;
        let asking = inner.committed_until(partitions, inner.api_deadline());
        self.shared.unless_woken(asking).await
    }
}

fn check(offsets: &Offsets) -> Result<(), ClientError> {
    match offsets.iter().find(|(_, offset)| offset.offset < 0) {
        None => Ok(()),
        Some((partition, offset)) => Err(ClientError::InvalidArgument(format!(
            "{} is no offset to commit for {partition}: offsets begin at 0",
            offset.offset
        ))),
    }
}
