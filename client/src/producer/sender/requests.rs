//! Batches to Produce requests.

use std::sync::Arc;
use std::time::Duration;

use ringbrook_protocol::StrBytes;
use ringbrook_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use ringbrook_protocol::messages::{ProduceRequest, TopicName, TransactionalId};
use ringbrook_record::{Codec, RecordError};
use tokio::time::Instant;

use super::{Event, Sender};
use crate::config::Acks;
use crate::error::ClientError;
use crate::metadata::Metadata;
use crate::net::Connection;
use crate::producer::accumulator::{DrainLimits, LeaderOf};
use crate::producer::batch::Batch;
use crate::producer::outcome::Acknowledged;

/// From this version on topics have ids instead of names (KIP-516).
pub(super) const TOPIC_IDS_VERSION: i16 = 13;

/// Up to this version partitions do not become part of a transaction by themselves (KIP-890).
const TRANSACTIONS_V1_VERSION_MAX: i16 = 11;

/// A request that a broker has not answered yet.
pub(super) struct InFlightRequest {
    pub(super) node: i32,
    /// In the order of the request; those that expired are gone.
    pub(super) batches: Vec<Option<Batch>>,
    /// When the first batch is too old.
    pub(super) expires_at: Option<Instant>,
}

impl InFlightRequest {
    fn new(node: i32, batches: Vec<Batch>, delivery_timeout: Duration) -> Self {
        let mut request = Self {
            node,
            batches: batches.into_iter().map(Some).collect(),
            expires_at: None,
        };
        request.note_expiry(delivery_timeout);
        request
    }

    fn note_expiry(&mut self, delivery_timeout: Duration) {
        let created = self.batches.iter().flatten().map(|batch| batch.created_at);
        self.expires_at = created.min().map(|first| first + delivery_timeout);
    }

    /// Takes out what is too old.
    pub(super) fn take_expired(&mut self, now: Instant, timeout: Duration) -> Vec<Batch> {
        if self.expires_at.is_none_or(|expires_at| now < expires_at) {
            return Vec::new();
        }
        let is_expired = |batch: &mut Batch| batch.created_at + timeout <= now;
        let expired = self.batches.iter_mut();
        let expired = expired.filter_map(|it| it.take_if(is_expired)).collect();
        self.note_expiry(timeout);
        expired
    }

    /// Takes out everything.
    pub(super) fn take_all(&mut self) -> Vec<Batch> {
        self.batches.iter_mut().filter_map(Option::take).collect()
    }
}

impl Sender {
    /// Sends one request to a broker if it takes one. Returns whether it did.
    pub(super) fn send_to(
        &mut self,
        node: i32,
        now: Instant,
        leader_of: &LeaderOf<'_>,
        metadata: &Metadata,
    ) -> bool {
        let connection = self.connection(node);
        let has_room = self.nodes.has_room(node, now);
        let Some(connection) = connection.filter(|_| has_room) else {
            self.nodes.passed_over(node, now);
            if let Some(away) = self.nodes.unavailable(now) {
                self.shared.accumulator().set_unavailable(away);
            }
            return false;
        };
        let config = &self.shared.config;
        let limits = DrainLimits {
            request_bytes_max: config.max_request_size,
            is_muting: config.max_in_flight_requests_per_connection == 1,
        };
        let batches = {
            let mut accumulator = self.shared.accumulator();
            let mut sequences = self.shared.sequences();
            accumulator.drain(node, now, limits, leader_of, sequences.as_deref_mut())
        };
        let batches = self.seal(batches);
        if batches.is_empty() {
            return false;
        }
        self.send(node, &connection, batches, metadata);
        if let Some(away) = self.nodes.unavailable(now) {
            self.shared.accumulator().set_unavailable(away);
        }
        true
    }

    /// The connection to a broker, if it is open; otherwise one is asked for.
    fn connection(&mut self, node: i32) -> Option<Connection> {
        if let Some(open) = self.shared.cluster.open_connection(node) {
            return Some(open);
        }
        if self.nodes.begin_connecting(node) {
            let cluster = self.shared.cluster.clone();
            self.tasks.push(Box::pin(async move {
                if let Err(error) = cluster.connection(node).await {
                    tracing::debug!(node, %error, "a leader cannot be reached");
                    // The next attempt waits for `reconnect.backoff.ms`, but one that cannot even
                    // begin would come at once.
                    tokio::time::sleep(cluster.config().reconnect_backoff).await;
                }
                Event::Connected(node)
            }));
        }
        None
    }

    /// Compresses batches and writes their headers. Those that cannot be are given up.
    fn seal(&self, batches: Vec<Batch>) -> Vec<Batch> {
        let config = &self.shared.config;
        let (codec, level) = (config.compression_type, config.compression_level());
        let is_transactional = config.transactional_id.is_some();
        let mut sealed = Vec::with_capacity(batches.len());
        for mut batch in batches {
            if !batch.is_open() {
                sealed.push(batch);
                continue;
            }
            let before = batch.size_bytes();
            let buffer = match codec {
                Codec::None => Vec::new(),
                _ => self.shared.accumulator().spare_buffer(),
            };
            match batch.seal(codec, level, buffer, is_transactional) {
                Ok(spare) => {
                    let after = batch.size_bytes();
                    let mut accumulator = self.shared.accumulator();
                    accumulator.compressed(batch.slot, before, after);
                    accumulator.give_back(spare);
                    sealed.push(batch);
                }
                Err(error) => self.refuse_locally(batch, &error),
            }
        }
        sealed
    }

    fn refuse_locally(&self, batch: Batch, error: &RecordError) {
        if let Some(mut sequences) = self.shared.sequences() {
            sequences.failed(batch.slot, batch.key, true);
        }
        self.shared.accumulator().unmute(batch.slot);
        let text = format!("a batch cannot be written: {error}");
        self.give_up(batch, ClientError::Unsupported(text));
    }

    fn send(
        &mut self,
        node: i32,
        connection: &Connection,
        batches: Vec<Batch>,
        metadata: &Metadata,
    ) {
        let delivery_timeout = self.shared.config.effective_delivery_timeout();
        let mut request = InFlightRequest::new(node, batches, delivery_timeout);
        self.shared.accumulator().counters.requests += 1;
        match self.dispatch(connection, &mut request, metadata) {
            Ok(Some(answer)) => {
                let id = self.next_request;
                self.next_request += 1;
                self.nodes.sent(node);
                self.requests.insert(id, request);
                self.tasks
                    .push(Box::pin(async move { Event::Answered(id, answer.await) }));
            }
            Ok(None) => {
                let unknown = Acknowledged {
                    base_offset: -1,
                    log_append_time: None,
                };
                for batch in request.take_all() {
                    self.acknowledge(batch, unknown);
                }
                // No answer will come to look after it whether all is done.
                self.shared.wake.notify_one();
            }
            Err(error) => self.refused_all(request, &error),
        }
    }

    /// Hands a request to a connection. No answer is awaited with acks=0.
    fn dispatch(
        &self,
        connection: &Connection,
        request: &mut InFlightRequest,
        metadata: &Metadata,
    ) -> Result<Option<crate::net::PendingResponse<ProduceRequest>>, ClientError> {
        let config = &self.shared.config;
        let topics = request.batches.iter().flatten();
        let has_ids = topics.map(|batch| &batch.outcome.topic).all(|topic| {
            let topic = metadata.topic(topic);
            topic.is_some_and(|topic| !topic.id.is_nil())
        });
        let mut version_max = if has_ids {
            i16::MAX
        } else {
            TOPIC_IDS_VERSION - 1
        };
        let transactions = self.shared.transactions();
        if transactions.is_some_and(|transactions| !transactions.is_v2()) {
            version_max = version_max.min(TRANSACTIONS_V1_VERSION_MAX);
        }
        let version = connection.version_up_to::<ProduceRequest>(version_max)?;
        let topics = self.topic_data(request, version, metadata)?;
        let transactional_id = config.transactional_id.as_ref();
        let timeout = config.client.request_timeout.as_millis();
        let produce = ProduceRequest::default()
            .with_transactional_id(
                transactional_id.map(|id| TransactionalId(StrBytes::from_string(id.clone()))),
            )
            .with_acks(config.acks.code())
            .with_timeout_ms(i32::try_from(timeout).unwrap_or(i32::MAX))
            .with_topic_data(topics);
        if config.acks == Acks::None {
            connection.send_one_way(version, &produce)?;
            return Ok(None);
        }
        connection.send(version, &produce).map(Some)
    }

    fn topic_data(
        &self,
        request: &mut InFlightRequest,
        version: i16,
        metadata: &Metadata,
    ) -> Result<Vec<TopicProduceData>, ClientError> {
        let sequences = self.shared.sequences();
        let mut topics: Vec<(Arc<str>, TopicProduceData)> = Vec::new();
        for batch in request.batches.iter_mut().flatten() {
            let assigned = sequences
                .as_ref()
                .and_then(|it| it.assigned(batch.slot, batch.key));
            let bytes = batch.bytes_as(assigned).map_err(|error| {
                ClientError::Unsupported(format!("a batch cannot be written: {error}"))
            })?;
            let data = PartitionProduceData::default()
                .with_index(batch.outcome.partition)
                .with_records(Some(bytes));
            let topic = &batch.outcome.topic;
            // Batches of a topic mostly follow each other.
            let known = topics.iter_mut().rev().find(|(name, _)| name == topic);
            match known {
                Some((_, known)) => known.partition_data.push(data),
                None => {
                    let new = topic_of(topic, version, metadata).with_partition_data(vec![data]);
                    topics.push((Arc::clone(topic), new));
                }
            }
        }
        Ok(topics.into_iter().map(|(_, topic)| topic).collect())
    }
}

fn topic_of(topic: &Arc<str>, version: i16, metadata: &Metadata) -> TopicProduceData {
    if version < TOPIC_IDS_VERSION {
        let name = StrBytes::from_string(topic.to_string());
        return TopicProduceData::default().with_name(TopicName(name));
    }
    let id = metadata.topic(topic).map(|topic| topic.id);
    TopicProduceData::default().with_topic_id(id.unwrap_or_default())
}
