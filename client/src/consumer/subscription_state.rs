//! What a consumer reads: its subscription, its assignment, and every assigned partition's state.
//!
//! Pure: it is told what happened and answers questions; it sends nothing. The consumer keeps it
//! behind one lock ([`super::shared::Shared`]); the fetch task, the poll and the coordinator change
//! it from three sides.
//!
//! After Kafka's `SubscriptionState`. Differs: positions of buffered and handed-out records are
//! apart, see [`super::partition_state`].

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use hashbrown::{HashMap, HashSet};
use regex::Regex;
use tokio::time::Instant;

use super::offset::OffsetAndMetadata;
use super::partition_state::PartitionState;
pub use super::partition_state::{FetchPosition, FetchState, LeaderAndEpoch};
use crate::config::{AutoOffsetReset, IsolationLevel};
use crate::error::ClientError;
use crate::metadata::Metadata;
use crate::topic_partition::TopicPartition;

/// How a consumer came to its partitions.
#[derive(Debug, Clone)]
pub enum Subscription {
    /// There is none.
    None,
    /// By `assign`.
    Assigned,
    /// By `subscribe` to topics.
    Topics(BTreeSet<Arc<str>>),
    /// By `subscribe` to a pattern that this client matches, with the topics it matches now.
    Pattern(Regex, BTreeSet<Arc<str>>),
    /// By `subscribe` to a pattern that the broker matches (KIP-848).
    BrokerPattern(Arc<str>),
}

/// A consumer's subscription and assignment.
#[derive(Debug)]
pub struct SubscriptionState {
    subscription: Subscription,
    partitions: HashMap<TopicPartition, PartitionState>,
    default_reset: AutoOffsetReset,
    last_generation: u64,
    last_turn: u64,
}

impl SubscriptionState {
    /// Nothing is subscribed to.
    #[must_use]
    pub fn new(default_reset: AutoOffsetReset) -> Self {
        Self {
            subscription: Subscription::None,
            partitions: HashMap::new(),
            default_reset,
            last_generation: 0,
            last_turn: 0,
        }
    }

    /// How the consumer came to its partitions.
    #[must_use]
    pub fn subscription(&self) -> &Subscription {
        &self.subscription
    }

    /// The topics subscribed to by name or matched here.
    #[must_use]
    pub fn subscribed_topics(&self) -> BTreeSet<Arc<str>> {
        match &self.subscription {
            Subscription::Topics(topics) | Subscription::Pattern(_, topics) => topics.clone(),
            _ => BTreeSet::new(),
        }
    }

    /// Whether the group decides what is assigned.
    #[must_use]
    pub fn is_auto_assigned(&self) -> bool {
        !matches!(
            self.subscription,
            Subscription::None | Subscription::Assigned
        )
    }

    /// Whether topics are found by a pattern.
    #[must_use]
    pub fn is_by_pattern(&self) -> bool {
        matches!(
            self.subscription,
            Subscription::Pattern(..) | Subscription::BrokerPattern(_)
        )
    }

    /// Subscribes, or changes the subscription. Partitions are assigned later, by the group.
    ///
    /// # Errors
    /// Partitions were assigned by hand.
    pub fn subscribe(&mut self, subscription: Subscription) -> Result<(), ClientError> {
        if matches!(self.subscription, Subscription::Assigned) {
            return Err(exclusive());
        }
        self.subscription = subscription;
        Ok(())
    }

    /// The topics that a pattern matches now; says whether they changed.
    pub fn set_matched_topics(&mut self, matched: BTreeSet<Arc<str>>) -> bool {
        let Subscription::Pattern(_, topics) = &mut self.subscription else {
            return false;
        };
        let is_changed = *topics != matched;
        *topics = matched;
        is_changed
    }

    /// Ends subscription and assignment.
    pub fn unsubscribe(&mut self) {
        self.subscription = Subscription::None;
        self.partitions.clear();
    }

    /// Assigns by hand: what was assigned before and is no more ends, what stays keeps its state.
    ///
    /// # Errors
    /// There is a subscription.
    pub fn assign(
        &mut self,
        partitions: impl IntoIterator<Item = TopicPartition>,
    ) -> Result<(), ClientError> {
        if self.is_auto_assigned() {
            return Err(exclusive());
        }
        self.subscription = Subscription::Assigned;
        self.replace_assignment(partitions);
        Ok(())
    }

    /// Takes over what the group assigned; what stays keeps its state. With
    /// `is_callback_pending` new partitions are not read before [`Self::enable_assigned`].
    pub fn assign_from_subscribed(
        &mut self,
        partitions: impl IntoIterator<Item = TopicPartition>,
        is_callback_pending: bool,
    ) {
        for added in self.replace_assignment(partitions) {
            if let Some(state) = self.partitions.get_mut(&added) {
                state.is_pending_assigned_callback = is_callback_pending;
            }
        }
    }

    /// The listener has been told of these partitions: they may be read.
    pub fn enable_assigned(&mut self, partitions: &[TopicPartition]) {
        for partition in partitions {
            if let Some(state) = self.partitions.get_mut(partition) {
                state.is_pending_assigned_callback = false;
            }
        }
    }

    /// These partitions are about to be revoked: nothing more of them is handed out.
    pub fn mark_pending_revocation(&mut self, partitions: &[TopicPartition]) {
        for partition in partitions {
            if let Some(state) = self.partitions.get_mut(partition) {
                state.is_pending_revocation = true;
            }
        }
    }

    fn replace_assignment(
        &mut self,
        partitions: impl IntoIterator<Item = TopicPartition>,
    ) -> Vec<TopicPartition> {
        let wanted: HashSet<_> = partitions.into_iter().collect();
        self.partitions.retain(|it, _| wanted.contains(it));
        let mut added = Vec::new();
        for partition in wanted {
            if !self.partitions.contains_key(&partition) {
                let state = PartitionState::new(self.new_generation());
                self.partitions.insert(partition.clone(), state);
                added.push(partition);
            }
        }
        added
    }

    /// Assigned partitions, by name and index.
    #[must_use]
    pub fn assigned_partitions(&self) -> BTreeSet<TopicPartition> {
        self.partitions.keys().cloned().collect()
    }

    /// Whether a partition is assigned.
    #[must_use]
    pub fn is_assigned(&self, partition: &TopicPartition) -> bool {
        self.partitions.contains_key(partition)
    }

    /// The topics of assigned partitions.
    #[must_use]
    pub fn assigned_topics(&self) -> BTreeSet<Arc<str>> {
        let topics = self.partitions.keys().map(|it| &it.topic);
        topics.cloned().collect()
    }

    /// Where every assigned partition that has a position is read next: what may be committed.
    #[must_use]
    pub fn all_consumed(&self) -> HashMap<TopicPartition, OffsetAndMetadata> {
        let consumed = self.partitions.iter().filter_map(|(partition, state)| {
            let position = state.position?;
            let offset = OffsetAndMetadata::new(position.offset);
            let offset = offset.with_leader_epoch(position.offset_epoch);
            // Until a position is confirmed it must not replace a committed one.
            let is_valid = matches!(
                state.fetch_state,
                FetchState::Fetching | FetchState::AwaitValidation
            );
            is_valid.then(|| (partition.clone(), offset))
        });
        consumed.collect()
    }

    /// Goes on at an offset; nothing buffered of the partition is handed out any more.
    ///
    /// # Errors
    /// The partition is not assigned.
    pub fn seek(
        &mut self,
        partition: &TopicPartition,
        to: &OffsetAndMetadata,
        leader: LeaderAndEpoch,
    ) -> Result<(), ClientError> {
        let position = FetchPosition {
            offset: to.offset,
            offset_epoch: to.leader_epoch,
            current_leader: leader,
        };
        let generation = self.new_generation();
        let state = self.assigned_mut(partition)?;
        state.start_at(position, generation);
        if position.offset_epoch.is_some() && leader.epoch.is_some() {
            state.fetch_state = FetchState::AwaitValidation;
        }
        state.preferred_read_replica = None;
        Ok(())
    }

    /// Has the position found again, by `reset` or by `auto.offset.reset`.
    ///
    /// # Errors
    /// The partition is not assigned.
    pub fn request_reset(
        &mut self,
        partition: &TopicPartition,
        reset: Option<AutoOffsetReset>,
    ) -> Result<(), ClientError> {
        let reset = reset.unwrap_or(self.default_reset);
        let generation = self.new_generation();
        let state = self.assigned_mut(partition)?;
        state.fetch_state = FetchState::AwaitReset(reset);
        state.position = None;
        state.next_fetch = (-1, None);
        state.generation = generation;
        state.retry_at = None;
        state.preferred_read_replica = None;
        Ok(())
    }

    /// Says where records begin that were looked for under `generation`; a later seek wins.
    pub fn finish_reset(
        &mut self,
        partition: &TopicPartition,
        generation: u64,
        position: FetchPosition,
    ) {
        let next_generation = self.new_generation();
        if let Some(state) = self.partitions.get_mut(partition)
            && state.generation == generation
            && matches!(state.fetch_state, FetchState::AwaitReset(_))
        {
            state.start_at(position, next_generation);
        }
    }

    /// Where a partition is read next.
    ///
    /// # Errors
    /// The partition is not assigned.
    pub fn position(
        &self,
        partition: &TopicPartition,
    ) -> Result<Option<FetchPosition>, ClientError> {
        Ok(self.assigned(partition)?.position)
    }

    /// Stops or goes on handing out records of a partition.
    ///
    /// # Errors
    /// The partition is not assigned.
    pub fn set_paused(
        &mut self,
        partition: &TopicPartition,
        is_paused: bool,
    ) -> Result<(), ClientError> {
        self.assigned_mut(partition)?.is_paused = is_paused;
        Ok(())
    }

    /// The partitions that are paused.
    #[must_use]
    pub fn paused_partitions(&self) -> BTreeSet<TopicPartition> {
        let paused = self.partitions.iter().filter(|(_, it)| it.is_paused);
        paused.map(|(partition, _)| partition.clone()).collect()
    }

    /// How many records behind the end the position is, by the latest answer of the broker.
    ///
    /// # Errors
    /// The partition is not assigned.
    pub fn lag(
        &self,
        partition: &TopicPartition,
        isolation: IsolationLevel,
    ) -> Result<Option<i64>, ClientError> {
        let state = self.assigned(partition)?;
        let end = match isolation {
            IsolationLevel::ReadCommitted => state.last_stable_offset,
            IsolationLevel::ReadUncommitted => state.high_watermark,
        };
        let position = state.position.map(|position| position.offset);
        Ok(end
            .zip(position)
            .map(|(end, at)| end.saturating_sub(at).max(0)))
    }

    /// Draws the conclusions from new metadata: a partition with another leader is asked whether
    /// its log still has the position, if the position's epoch is known (KIP-320).
    pub fn on_metadata(&mut self, metadata: &Metadata) {
        for (partition, state) in &mut self.partitions {
            let Some(position) = &mut state.position else {
                continue;
            };
            let leader = leader_of(metadata, partition);
            // Without a leader now, the one that is known may still tell what happened.
            if leader == position.current_leader || leader.leader.is_none() {
                continue;
            }
            let is_other_epoch = leader.epoch != position.current_leader.epoch;
            position.current_leader = leader;
            let is_known = position.offset_epoch.is_some() && leader.epoch.is_some();
            state.retry_at = None;
            state.preferred_read_replica = None;
            if !is_other_epoch {
                continue;
            }
            self.last_generation += 1;
            state.restart(self.last_generation);
            if state.fetch_state == FetchState::Fetching && is_known {
                state.fetch_state = FetchState::AwaitValidation;
            }
        }
    }

    /// Pauses asking about a partition after an error.
    pub fn retry_later(&mut self, partition: &TopicPartition, now: Instant, pause: Duration) {
        if let Some(state) = self.partitions.get_mut(partition) {
            state.retry_at = Some(now + pause);
        }
    }

    /// The next moment at which a partition that had an error may be asked about again.
    #[must_use]
    pub fn next_retry(&self, now: Instant) -> Option<Instant> {
        let retries = self.partitions.values().filter_map(|it| it.retry_at);
        retries.filter(|at| now < *at).min()
    }

    /// What `auto.offset.reset` says.
    #[must_use]
    pub fn default_reset(&self) -> AutoOffsetReset {
        self.default_reset
    }

    pub(crate) fn partition(&self, partition: &TopicPartition) -> Option<&PartitionState> {
        self.partitions.get(partition)
    }

    pub(crate) fn partition_mut(
        &mut self,
        partition: &TopicPartition,
    ) -> Option<&mut PartitionState> {
        self.partitions.get_mut(partition)
    }

    pub(crate) fn iter_mut(
        &mut self,
    ) -> impl Iterator<Item = (&TopicPartition, &mut PartitionState)> {
        self.partitions.iter_mut()
    }

    /// A generation that no partition had before.
    pub(crate) fn new_generation(&mut self) -> u64 {
        self.last_generation += 1;
        self.last_generation
    }

    /// A turn behind all others.
    pub(crate) fn new_turn(&mut self) -> u64 {
        self.last_turn += 1;
        self.last_turn
    }

    fn assigned(&self, partition: &TopicPartition) -> Result<&PartitionState, ClientError> {
        let state = self.partitions.get(partition);
        state.ok_or_else(|| not_assigned(partition))
    }

    fn assigned_mut(
        &mut self,
        partition: &TopicPartition,
    ) -> Result<&mut PartitionState, ClientError> {
        let state = self.partitions.get_mut(partition);
        state.ok_or_else(|| not_assigned(partition))
    }
}

/// A partition's leader by the metadata.
pub(crate) fn leader_of(metadata: &Metadata, partition: &TopicPartition) -> LeaderAndEpoch {
    let known = metadata.partition(&partition.topic, partition.partition);
    known.map_or_else(LeaderAndEpoch::default, |known| LeaderAndEpoch {
        leader: known.leader,
        epoch: Some(known.leader_epoch).filter(|epoch| 0 <= *epoch),
    })
}

fn not_assigned(partition: &TopicPartition) -> ClientError {
    ClientError::IllegalState(format!(
        "{partition} is not assigned to this consumer: assign it, or wait for the group to"
    ))
}

fn exclusive() -> ClientError {
    ClientError::IllegalState(
        "subscribe and assign exclude each other: call unsubscribe before the other".to_owned(),
    )
}

#[cfg(test)]
mod tests;
