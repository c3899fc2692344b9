//! Assignment by hand, and where and whether its partitions are read.

use std::collections::BTreeSet;
use std::pin::pin;
use std::time::Duration;

use super::Consumer;
use super::offset::OffsetAndMetadata;
use super::partition_state::FetchState;
use super::subscription_state::leader_of;
use crate::config::AutoOffsetReset;
use crate::error::ClientError;
use crate::topic_partition::TopicPartition;

impl<K, V> Consumer<K, V> {
    /// Reads exactly these partitions, without a group's help; with none, ends the assignment. What
    /// stays assigned keeps its position, the others begin at their committed offsets, or where
    /// `auto.offset.reset` says.
    ///
    /// # Errors
    /// There is a subscription, a partition is not valid, or the consumer is closed.
    pub fn assign(
        &self,
        partitions: impl IntoIterator<Item = TopicPartition>,
    ) -> Result<(), ClientError> {
        self.shared.check_open()?;
        let partitions: Vec<_> = partitions.into_iter().collect();
        for partition in &partitions {
            if partition.topic.trim().is_empty() || partition.partition < 0 {
                return Err(ClientError::InvalidArgument(format!(
                    "\"{partition}\" is no partition: it needs a topic and an index from 0 on"
                )));
            }
        }
        if partitions.is_empty() && self.shared.lock().subscriptions.is_auto_assigned() {
            return Err(ClientError::IllegalState(
                "there is a subscription: call unsubscribe to end it".to_owned(),
            ));
        }
        let mut state = self.shared.lock();
        if partitions.is_empty() {
            state.subscriptions.unsubscribe();
        } else {
            state.subscriptions.assign(partitions)?;
        }
        drop(state);
        self.shared.assignment_changed();
        Ok(())
    }

    /// The partitions that are assigned now.
    #[must_use]
    pub fn assignment(&self) -> BTreeSet<TopicPartition> {
        self.shared.lock().subscriptions.assigned_partitions()
    }

    /// Stops handing out records of these partitions; they stay assigned. What is buffered of them
    /// is kept.
    ///
    /// # Errors
    /// One is not assigned; those before it are paused.
    pub fn pause(&self, partitions: &[TopicPartition]) -> Result<(), ClientError> {
        self.shared.check_open()?;
        let mut state = self.shared.lock();
        for partition in partitions {
            state.subscriptions.set_paused(partition, true)?;
        }
        Ok(())
    }

    /// Goes on with partitions that are paused; others are left as they are.
    ///
    /// # Errors
    /// One is not assigned; those before it are resumed.
    pub fn resume(&self, partitions: &[TopicPartition]) -> Result<(), ClientError> {
        self.shared.check_open()?;
        let mut state = self.shared.lock();
        for partition in partitions {
            state.subscriptions.set_paused(partition, false)?;
            state.buffer.unpark(partition);
        }
        drop(state);
        self.shared.plan_anew();
        self.shared.wake_poll();
        Ok(())
    }

    /// The partitions that are paused now.
    #[must_use]
    pub fn paused(&self) -> BTreeSet<TopicPartition> {
        self.shared.lock().subscriptions.paused_partitions()
    }

    /// Goes on at another offset with the next poll; nothing is asked before. An offset that the
    /// log does not have is treated by `auto.offset.reset`.
    ///
    /// ```no_run
    /// # use ringbrook_client::{ClientError, TopicPartition, consumer::Consumer};
    /// # fn example(consumer: &Consumer) -> Result<(), ClientError> {
    /// consumer.seek(&TopicPartition::new("orders", 0), 42)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The partition is not assigned, or the offset is negative.
    pub fn seek(
        &self,
        partition: &TopicPartition,
        to: impl Into<OffsetAndMetadata>,
    ) -> Result<(), ClientError> {
        self.shared.check_open()?;
        let to = to.into();
        if to.offset < 0 {
            return Err(ClientError::InvalidArgument(format!(
                "{} is no offset to seek to: offsets begin at 0",
                to.offset
            )));
        }
        let leader = leader_of(&self.shared.cluster.metadata(), partition);
        self.shared
            .lock()
            .subscriptions
            .seek(partition, &to, leader)?;
        self.moved();
        Ok(())
    }

    /// Goes on at the log start offset; of all assigned partitions when none is named.
    ///
    /// # Errors
    /// One is not assigned; those before it are moved.
    pub fn seek_to_beginning(&self, partitions: &[TopicPartition]) -> Result<(), ClientError> {
        self.reset(partitions, AutoOffsetReset::Earliest)
    }

    /// Goes on behind the last record, or with `read_committed` at the last stable offset; of all
    /// assigned partitions when none is named. Where that is, is found out with the next poll.
    ///
    /// # Errors
    /// One is not assigned; those before it are moved.
    pub fn seek_to_end(&self, partitions: &[TopicPartition]) -> Result<(), ClientError> {
        self.reset(partitions, AutoOffsetReset::Latest)
    }

    fn reset(&self, partitions: &[TopicPartition], to: AutoOffsetReset) -> Result<(), ClientError> {
        self.shared.check_open()?;
        let mut state = self.shared.lock();
        let all: Vec<_> = if partitions.is_empty() {
            state
                .subscriptions
                .assigned_partitions()
                .into_iter()
                .collect()
        } else {
            partitions.to_vec()
        };
        for partition in &all {
            state.subscriptions.request_reset(partition, Some(to))?;
        }
        drop(state);
        self.moved();
        Ok(())
    }

    fn moved(&self) {
        let mut state = self.shared.lock();
        let super::shared::State {
            subscriptions,
            buffer,
            ..
        } = &mut *state;
        buffer.retain_parked(|fetch| {
            let known = subscriptions.partition(&fetch.partition);
            known.is_some_and(|known| known.generation == fetch.generation)
        });
        drop(state);
        self.shared.plan_anew();
        self.shared.wake_poll();
        self.shared.settle();
    }

    /// The offset of the next record that `poll` will return of a partition. Waits until it is
    /// known, up to `default.api.timeout.ms`. Dropping the future changes nothing: the position is
    /// looked for all the same.
    ///
    /// # Errors
    /// The partition is not assigned, it has no position, or time is up.
    pub async fn position(&self, partition: &TopicPartition) -> Result<i64, ClientError> {
        let timeout = self.shared.config.default_api_timeout;
        self.position_within(partition, timeout).await
    }

    /// As [`Consumer::position`], with another time limit; may be dropped as well.
    ///
    /// # Errors
    /// See [`Consumer::position`].
    pub async fn position_within(
        &self,
        partition: &TopicPartition,
        timeout: Duration,
    ) -> Result<i64, ClientError> {
        let deadline = crate::clock::deadline_after(timeout);
        loop {
            // Listens before it looks: nothing that settles in between is missed.
            let mut settled = pin!(self.shared.settled());
            settled.as_mut().enable();
            self.shared.check_waiting()?;
            if let Some(position) = self.valid_position(partition)? {
                return Ok(position);
            }
            if tokio::time::timeout_at(deadline, settled).await.is_err() {
                return Err(ClientError::Timeout {
                    what: format!("finding the position of {partition}"),
                    after: timeout,
                    last: None,
                });
            }
        }
    }

    fn valid_position(&self, partition: &TopicPartition) -> Result<Option<i64>, ClientError> {
        let mut state = self.shared.lock();
        let position = state.subscriptions.position(partition)?;
        let known = state.subscriptions.partition(partition);
        let is_valid = known.is_some_and(|known| known.fetch_state == FetchState::Fetching);
        if let Some(position) = position.filter(|_| is_valid) {
            return Ok(Some(position.offset));
        }
        state.take_error_of(partition).map_or(Ok(None), Err)
    }
}
