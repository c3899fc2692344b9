//! A broker's answer to a fetch: into the buffer, or what follows from its errors.

use std::time::Duration;

use bytes::Bytes;
use hashbrown::HashMap;
use ringbrook_protocol::ResponseError;
use ringbrook_protocol::messages::FetchResponse;
use ringbrook_protocol::messages::fetch_response::{NodeEndpoint, PartitionData};
use tokio::time::Instant;
use tracing::{debug, warn};

use super::{FetchDone, FetchTask};
use crate::config::AutoOffsetReset;
use crate::consumer::aborted_transactions::AbortedTransactions;
use crate::consumer::completed_fetch::{self, CompletedFetch};
use crate::consumer::fetch_plan::Asked;
use crate::consumer::fetch_request::topic_name;
use crate::consumer::shared::State;
use crate::error::{BrokerError, ClientError};
use crate::metadata::{LeaderHints, Node};
use crate::topic_partition::TopicPartition;

/// What is told of a batch that the broker itself found damaged.
const CORRUPT_AT_BROKER: &str = "the broker says that its batch does not match its checksum";

impl FetchTask {
    pub(super) fn finish_fetch(&mut self, done: FetchDone) {
        let now = Instant::now();
        let Some(node) = self.nodes.get_mut(&done.node) else {
            return;
        };
        node.is_busy = false;
        node.not_before = None;
        let answer = done.answer.and_then(|answer| {
            match BrokerError::check(answer.error_code, format!("fetching from {}", done.node)) {
                Ok(()) => Ok(answer),
                Err(error) => Err(error.into()),
            }
        });
        let mut answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                node.session.on_error(error.response_error());
                // A session that the broker has forgotten is opened anew at once.
                let is_forgotten = is_about_session(&error) && !done.is_first;
                if !is_forgotten {
                    node.not_before = Some(now + node.backoff.next_pause());
                    self.fail(done.node, &done.asked, error);
                }
                return;
            }
        };
        node.backoff.reset();
        if let Ok(throttled_ms @ 1..) = u64::try_from(answer.throttle_time_ms) {
            node.not_before = Some(now + Duration::from_millis(throttled_ms));
        }
        let session_id = answer.session_id;
        let endpoints = std::mem::take(&mut answer.node_endpoints);
        let partitions = partitions_of(answer, |id| node.session.topic_name(id));
        let names: Vec<_> = partitions.iter().map(|(it, _)| it.clone()).collect();
        if let Err(reason) = node.session.on_response(session_id, &names) {
            warn!(
                node = done.node,
                reason, "a fetch was answered with something else"
            );
            node.not_before = Some(now + node.backoff.next_pause());
            return;
        }
        let hints = hints_of(&partitions, endpoints);
        if self.shared.cluster.learn_leaders(&hints) {
            debug!(
                node = done.node,
                ?hints,
                "a fetch was answered with other leaders"
            );
        }
        self.take_in(done.node, &done.asked, partitions, now);
    }

    /// A fetch as a whole failed. If a follower was asked, the leader is next.
    fn fail(&self, node: i32, asked: &HashMap<TopicPartition, Asked>, error: ClientError) {
        debug!(%error, node, "a fetch failed");
        let mut state = self.shared.lock();
        for partition in asked.keys() {
            if let Some(known) = state.subscriptions.partition_mut(partition) {
                known.preferred_read_replica.take_if(|(id, _)| *id == node);
            }
        }
        drop(state);
        self.shared.cluster.request_refresh();
        if !error.is_retriable() && !is_about_session(&error) {
            self.shared.report(error);
        }
    }

    fn take_in(
        &self,
        node: i32,
        asked: &HashMap<TopicPartition, Asked>,
        partitions: Vec<(TopicPartition, PartitionData)>,
        now: Instant,
    ) {
        let mut is_stale = false;
        let mut is_ready = false;
        let mut state = self.shared.lock();
        for (partition, data) in partitions {
            let Some(asked) = asked.get(&partition) else {
                continue;
            };
            let known = state.subscriptions.partition(&partition);
            // Meanwhile it was revoked, or reading goes on elsewhere.
            if known.is_none_or(|known| known.generation != asked.generation) {
                continue;
            }
            if data.error_code == 0 {
                is_ready |= self.take_data(&mut state, node, partition, asked, data, now);
            } else {
                let pause = self.shared.config.client.retry_backoff;
                state.subscriptions.retry_later(&partition, now, pause);
                is_stale |= self.take_error(&mut state, &partition, asked, data.error_code, now);
                is_ready = true;
            }
        }
        drop(state);
        if is_stale {
            self.shared.cluster.request_refresh();
        }
        if is_ready {
            self.shared.wake_poll();
        }
    }

    /// Says whether there is something for `poll`.
    fn take_data(
        &self,
        state: &mut State,
        node: i32,
        partition: TopicPartition,
        asked: &Asked,
        data: PartitionData,
        now: Instant,
    ) -> bool {
        let turn = state.subscriptions.new_turn();
        let Some(known) = state.subscriptions.partition_mut(&partition) else {
            return false;
        };
        known.retry_at = None;
        let some = |offset: i64| Some(offset).filter(|offset| 0 <= *offset);
        known.high_watermark = some(data.high_watermark).or(known.high_watermark);
        known.log_start_offset = some(data.log_start_offset).or(known.log_start_offset);
        known.last_stable_offset = some(data.last_stable_offset).or(known.last_stable_offset);
        if 0 <= data.preferred_read_replica.0 {
            let until = now + self.shared.config.client.metadata_max_age;
            known.preferred_read_replica = Some((data.preferred_read_replica.0, until));
        }
        let bytes = data.records.unwrap_or_default();
        if bytes.is_empty() {
            return false;
        }
        known.turn = turn;
        match completed_fetch::end_of(&bytes) {
            Ok(Some(end)) if asked.fetch_offset < end.offset => {
                known.next_fetch = (end.offset, end.epoch);
                let aborted = AbortedTransactions::new(data.aborted_transactions);
                let at = (asked.fetch_offset, asked.last_epoch);
                let generation = asked.generation;
                let fetch = CompletedFetch::new(partition, generation, node, at, bytes, aborted);
                state.buffer.push(fetch);
            }
            // Batches that end before what was asked for: there may be others later.
            Ok(Some(_)) => {
                let pause = self.shared.config.client.retry_backoff;
                state.subscriptions.retry_later(&partition, now, pause);
            }
            Ok(None) => self.refuse(state, &partition, asked, &cut_off(&bytes), now),
            Err(error) => self.refuse(state, &partition, asked, &error.to_string(), now),
        }
        true
    }

    /// What came is nothing that can be read. Records before it may still wait in the buffer: they
    /// are read first, and then the same comes again.
    fn refuse(
        &self,
        state: &mut State,
        partition: &TopicPartition,
        asked: &Asked,
        reason: &str,
        now: Instant,
    ) {
        let pause = self.shared.config.client.retry_backoff;
        state.subscriptions.retry_later(partition, now, pause);
        if is_at_position(state, partition, asked) {
            let error = ClientError::CorruptRecord {
                partition: partition.clone(),
                offset: asked.fetch_offset,
                reason: reason.to_owned(),
            };
            state.report(partition, error);
        }
    }

    /// Draws the conclusion from a partition's error; says whether metadata may be wrong.
    fn take_error(
        &self,
        state: &mut State,
        partition: &TopicPartition,
        asked: &Asked,
        code: i16,
        now: Instant,
    ) -> bool {
        use ResponseError as E;
        let error = BrokerError::new(code, format!("fetching from {partition}"));
        debug!(%error, "a partition cannot be fetched");
        let preferred = state.subscriptions.partition_mut(partition);
        let preferred = preferred.and_then(|known| known.preferred_read_replica.take());
        match error.error() {
            Some(E::OffsetOutOfRange) => {
                // A follower may be behind: the leader is asked before the position is given up.
                if preferred.is_none() && is_at_position(state, partition, asked) {
                    out_of_range(state, partition, asked.fetch_offset);
                }
                false
            }
            Some(
                E::NotLeaderOrFollower
                | E::ReplicaNotAvailable
                | E::KafkaStorageError
                | E::FencedLeaderEpoch
                | E::OffsetNotAvailable
                | E::LeaderNotAvailable
                | E::UnknownTopicOrPartition
                | E::UnknownTopicId
                | E::InconsistentTopicId,
            ) => true,
            Some(E::UnknownLeaderEpoch) => false,
            // As Kafka's consumer: the broker's log says more than could be told here.
            Some(E::UnknownServerError) => {
                warn!(%error, "a broker could not read; it is asked again");
                false
            }
            // Retriable by its class, but the broker's log will not mend.
            Some(E::CorruptMessage) => {
                self.refuse(state, partition, asked, CORRUPT_AT_BROKER, now);
                false
            }
            _ if error.is_retriable() => true,
            _ => {
                state.report(partition, error.into());
                false
            }
        }
    }
}

fn out_of_range(state: &mut State, partition: &TopicPartition, offset: i64) {
    if state.subscriptions.default_reset() == AutoOffsetReset::None {
        let partition_name = partition.clone();
        let error = ClientError::OffsetOutOfRange {
            partition: partition_name,
            offset,
        };
        state.report(partition, error);
    } else if let Err(error) = state.subscriptions.request_reset(partition, None) {
        debug!(%error, "a partition out of range is no longer assigned");
    }
}

/// Whether everything before what was asked for has been handed out.
fn is_at_position(state: &State, partition: &TopicPartition, asked: &Asked) -> bool {
    let known = state.subscriptions.partition(partition);
    let position = known.and_then(|known| known.position);
    position.is_some_and(|position| position.offset == asked.fetch_offset)
}

fn is_about_session(error: &ClientError) -> bool {
    matches!(
        error.response_error(),
        Some(
            ResponseError::FetchSessionIdNotFound
                | ResponseError::InvalidFetchSessionEpoch
                | ResponseError::FetchSessionTopicIdError
        )
    )
}

/// Leaders that the broker names beside errors about leadership (KIP-951).
fn hints_of(
    partitions: &[(TopicPartition, PartitionData)],
    endpoints: Vec<NodeEndpoint>,
) -> LeaderHints {
    let moved = [
        ResponseError::NotLeaderOrFollower.code(),
        ResponseError::FencedLeaderEpoch.code(),
    ];
    let moved = partitions
        .iter()
        .filter(|(_, data)| moved.contains(&data.error_code));
    let leaders = moved.filter_map(|(partition, data)| {
        let (id, epoch) = (
            data.current_leader.leader_id.0,
            data.current_leader.leader_epoch,
        );
        (0 <= id && 0 <= epoch).then(|| (partition.clone(), id, epoch))
    });
    let nodes = endpoints.into_iter().filter_map(|it| {
        let rack = it.rack.map(|rack| rack.to_string());
        Node::of(it.node_id.0, &it.host, it.port, rack)
    });
    LeaderHints {
        leaders: leaders.collect(),
        nodes: nodes.collect(),
    }
}

fn cut_off(bytes: &Bytes) -> String {
    format!(
        "its batch is longer than the {} bytes that came: raise max.partition.fetch.bytes",
        bytes.len()
    )
}

fn partitions_of<'a>(
    answer: FetchResponse,
    name_of_id: impl Fn(uuid::Uuid) -> Option<&'a std::sync::Arc<str>>,
) -> Vec<(TopicPartition, PartitionData)> {
    let mut partitions = Vec::new();
    for topic in answer.responses {
        let Some(name) = topic_name(&topic.topic, topic.topic_id, &name_of_id) else {
            continue;
        };
        let of_topic = topic.partitions.into_iter().map(|data| {
            let partition = TopicPartition::new(name.clone(), data.partition_index);
            (partition, data)
        });
        partitions.extend(of_topic);
    }
    partitions
}
