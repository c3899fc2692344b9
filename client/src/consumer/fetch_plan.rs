//! What the fetch task has to ask for now, from the state of all assigned partitions. Pure.

use std::sync::Arc;

use hashbrown::HashMap;
use tokio::time::{Duration, Instant};
use uuid::Uuid;

use super::fetch_session::Wanted;
use super::partition_state::{FetchState, PartitionState};
use super::shared::State;
use super::subscription_state::{FetchPosition, LeaderAndEpoch, leader_of};
use crate::config::{AutoOffsetReset, ConsumerConfig};
use crate::metadata::Metadata;
use crate::topic_partition::TopicPartition;

/// A broker is asked for more as soon as the application has fewer bytes than this of its earlier
/// answers left to read, so that answers come while records are read. More would only leave the
/// processor's caches before it is read.
pub(super) const PREFETCH_BYTES: usize = 2 * 1024 * 1024;

/// What was asked of a partition: an answer counts only while the generation is the same.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    pub(super) generation: u64,
    pub(super) fetch_offset: i64,
    pub(super) last_epoch: Option<i32>,
}

/// A fetch from one broker.
#[derive(Debug, Default)]
pub(super) struct NodeFetch {
    pub(super) wanted: Vec<(TopicPartition, Wanted)>,
    pub(super) asked: HashMap<TopicPartition, Asked>,
}

/// A position that is looked for.
#[derive(Debug, Clone)]
pub(super) struct Reset {
    pub(super) partition: TopicPartition,
    pub(super) generation: u64,
    pub(super) leader: LeaderAndEpoch,
    pub(super) strategy: AutoOffsetReset,
}

/// A position that is to be confirmed.
#[derive(Debug, Clone)]
pub(super) struct Validation {
    pub(super) partition: TopicPartition,
    pub(super) generation: u64,
    pub(super) position: FetchPosition,
}

/// What is due, by broker.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) fetches: HashMap<i32, NodeFetch>,
    pub(super) resets: HashMap<i32, Vec<Reset>>,
    pub(super) validations: HashMap<i32, Vec<Validation>>,
    /// Partitions whose committed offset is to be looked up.
    pub(super) initializing: Vec<TopicPartition>,
    /// Whether a leader is not known.
    pub(super) is_metadata_needed: bool,
}

/// What the plan depends on beside the partitions.
pub(super) struct Circumstances<'a> {
    pub(super) metadata: &'a Metadata,
    pub(super) config: &'a ConsumerConfig,
    pub(super) now: Instant,
    /// Whether a broker has a fetch to answer, or is left alone after an error.
    pub(super) is_busy: &'a dyn Fn(i32) -> bool,
    /// How long an answer about a position may take before it is asked for again.
    pub(super) patience: Duration,
}

/// What is due. Partitions whose positions are looked for are not due again for a while.
pub(super) fn plan(state: &mut State, about: &Circumstances<'_>) -> Plan {
    let mut plan = Plan::default();
    let mut turns: HashMap<i32, Vec<u64>> = HashMap::new();
    let State {
        subscriptions,
        buffer,
        ..
    } = state;
    let mut topic_ids = TopicIds::of(about.metadata);
    for (partition, it) in subscriptions.iter_mut() {
        if !it.may_try(about.now) {
            continue;
        }
        match it.fetch_state {
            // The listener may yet seek.
            FetchState::Initializing if it.is_pending_assigned_callback => {}
            FetchState::Initializing => plan.initializing.push(partition.clone()),
            FetchState::AwaitReset(strategy) => plan.add_reset(partition, it, strategy, about),
            FetchState::AwaitValidation => plan.add_validation(partition, it, about),
            FetchState::Fetching if !it.is_readable() => {}
            FetchState::Fetching => {
                forget_unknown_replica(it, about.metadata);
                let Some(node) = it.node(about.now) else {
                    plan.is_metadata_needed = true;
                    continue;
                };
                if (about.is_busy)(node) || PREFETCH_BYTES <= buffer.unread_bytes(node) {
                    continue;
                }
                let wanted = wanted_of(it, topic_ids.id(&partition.topic), about.config);
                plan.add_fetch(node, partition, it, wanted);
                turns.entry(node).or_default().push(it.turn);
            }
        }
    }
    for (node, fetch) in &mut plan.fetches {
        let turns = turns.remove(node).unwrap_or_default();
        fetch.order_by(turns);
    }
    plan
}

impl Plan {
    fn add_reset(
        &mut self,
        partition: &TopicPartition,
        it: &mut PartitionState,
        strategy: AutoOffsetReset,
        about: &Circumstances<'_>,
    ) {
        let leader = leader_of(about.metadata, partition);
        let Some(node) = leader.leader else {
            self.is_metadata_needed = true;
            return;
        };
        it.retry_at = Some(about.now + about.patience);
        self.resets.entry(node).or_default().push(Reset {
            partition: partition.clone(),
            generation: it.generation,
            leader,
            strategy,
        });
    }

    fn add_validation(
        &mut self,
        partition: &TopicPartition,
        it: &mut PartitionState,
        about: &Circumstances<'_>,
    ) {
        let Some(position) = it.position else {
            return;
        };
        let Some(node) = position.current_leader.leader else {
            self.is_metadata_needed = true;
            return;
        };
        it.retry_at = Some(about.now + about.patience);
        self.validations.entry(node).or_default().push(Validation {
            partition: partition.clone(),
            generation: it.generation,
            position,
        });
    }

    fn add_fetch(
        &mut self,
        node: i32,
        partition: &TopicPartition,
        it: &PartitionState,
        wanted: Wanted,
    ) {
        let fetch = self.fetches.entry(node).or_default();
        let (fetch_offset, last_epoch) = it.next_fetch;
        let asked = Asked {
            generation: it.generation,
            fetch_offset,
            last_epoch,
        };
        fetch.asked.insert(partition.clone(), asked);
        fetch.wanted.push((partition.clone(), wanted));
    }
}

impl NodeFetch {
    /// Who has had no data for longest comes first: an answer may not have room for all.
    fn order_by(&mut self, turns: Vec<u64>) {
        if turns.is_sorted() {
            return;
        }
        let mut wanted: Vec<_> = turns
            .into_iter()
            .zip(std::mem::take(&mut self.wanted))
            .collect();
        wanted.sort_by_key(|(turn, _)| *turn);
        self.wanted = wanted.into_iter().map(|(_, wanted)| wanted).collect();
    }
}

fn wanted_of(it: &PartitionState, topic_id: Uuid, config: &ConsumerConfig) -> Wanted {
    let leader = it.position.map(|position| position.current_leader);
    Wanted {
        topic_id,
        fetch_offset: it.next_fetch.0,
        current_leader_epoch: leader.and_then(|leader| leader.epoch).unwrap_or(-1),
        partition_max_bytes: config.max_partition_fetch_bytes,
    }
}

/// A follower that has left the cluster is preferred no longer.
fn forget_unknown_replica(it: &mut PartitionState, metadata: &Metadata) {
    let preferred = it.preferred_read_replica;
    if preferred.is_some_and(|(id, _)| metadata.node(id).is_none()) {
        it.preferred_read_replica = None;
    }
}

/// Topic ids by name; neighbours are mostly of the same topic.
struct TopicIds<'a> {
    metadata: &'a Metadata,
    last: Option<(Arc<str>, Uuid)>,
}

impl<'a> TopicIds<'a> {
    fn of(metadata: &'a Metadata) -> Self {
        Self {
            metadata,
            last: None,
        }
    }

    fn id(&mut self, topic: &Arc<str>) -> Uuid {
        if let Some((last, id)) = &self.last
            && Arc::ptr_eq(last, topic)
        {
            return *id;
        }
        let id = self.metadata.topic(topic).map_or(Uuid::nil(), |it| it.id);
        self.last = Some((Arc::clone(topic), id));
        id
    }
}
