//! The requests that most tests need, over [`Wire`].

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use ringbrook_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use ringbrook_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use ringbrook_protocol::messages::fetch_response::PartitionData;
use ringbrook_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use ringbrook_protocol::messages::list_offsets_response::ListOffsetsPartitionResponse;
use ringbrook_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use ringbrook_protocol::messages::produce_response::PartitionProduceResponse;
use ringbrook_protocol::messages::{
    BrokerId, CreateTopicsRequest, FetchRequest, FetchResponse, InitProducerIdRequest,
    ListOffsetsRequest, ProduceRequest, ProduceResponse, ProducerId, TopicName,
};
use ringbrook_protocol::{Request, ResponseError, StrBytes};
use uuid::Uuid;

use crate::{TestRecord, Wire, WireError, read, wait_until};

/// How long Apache Kafka may take to serve a topic that it has said is created.
const SERVED_WITHIN: Duration = Duration::from_secs(20);
/// The newest versions of Produce and Fetch that name topics.
const PRODUCE_BY_NAME: i16 = 12;
const FETCH_BY_NAME: i16 = 12;
/// What a fetch of a test asks for at most.
const FETCH_BYTES: i32 = 32 * 1024 * 1024;

/// A connection with the requests that most tests need.
#[derive(Debug)]
pub struct Client {
    wire: Wire,
}

/// A topic's name as messages have it.
#[must_use]
pub fn topic_name(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.to_owned()))
}

/// The error that a code stands for.
#[must_use]
pub fn error(code: i16) -> Option<ResponseError> {
    ResponseError::try_from_code(code)
}

/// Names a topic of a Produce request, up to version 12.
#[must_use]
pub fn by_name(name: &str) -> TopicProduceData {
    TopicProduceData::default().with_name(topic_name(name))
}

/// Names a topic of a Produce request, from version 13.
#[must_use]
pub fn by_id(id: Uuid) -> TopicProduceData {
    TopicProduceData::default().with_topic_id(id)
}

/// A Produce request with `acks` for one partition.
#[must_use]
pub fn produce_request(
    topic: TopicProduceData,
    partition: i32,
    acks: i16,
    records: Bytes,
) -> ProduceRequest {
    let partition = PartitionProduceData::default()
        .with_index(partition)
        .with_records(Some(records));
    ProduceRequest::default()
        .with_transactional_id(None)
        .with_acks(acks)
        .with_timeout_ms(30_000)
        .with_topic_data(vec![topic.with_partition_data(vec![partition])])
}

/// A Fetch request without a session, without waiting and without tight limits, for the given
/// partitions and offsets.
#[must_use]
pub fn fetch_request(topic: FetchTopic, offsets: &[(i32, i64)]) -> FetchRequest {
    let partitions = offsets.iter().map(|(partition, offset)| {
        FetchPartition::default()
            .with_partition(*partition)
            .with_fetch_offset(*offset)
            .with_current_leader_epoch(-1)
            .with_partition_max_bytes(FETCH_BYTES)
    });
    FetchRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_max_bytes(FETCH_BYTES)
        .with_session_epoch(-1)
        .with_topics(vec![topic.with_partitions(partitions.collect())])
}

/// The answer for the only partition of a Produce request.
///
/// # Errors
/// There is not exactly one.
pub fn single_produced(response: ProduceResponse) -> anyhow::Result<PartitionProduceResponse> {
    let partitions = response
        .responses
        .into_iter()
        .flat_map(|topic| topic.partition_responses);
    single(partitions)
}

/// The answer for the only partition of a Fetch request.
///
/// # Errors
/// There is not exactly one, or the request as a whole failed.
pub fn single_fetched(response: FetchResponse) -> anyhow::Result<PartitionData> {
    ensure!(
        response.error_code == 0,
        "fetch failed: {:?}",
        error(response.error_code)
    );
    single(
        response
            .responses
            .into_iter()
            .flat_map(|topic| topic.partitions),
    )
}

fn single<T: std::fmt::Debug>(items: impl Iterator<Item = T>) -> anyhow::Result<T> {
    let mut items: Vec<_> = items.collect();
    ensure!(
        items.len() == 1,
        "not one partition in the answer: {items:?}"
    );
    items.pop().context("one partition")
}

impl Client {
    /// Connects.
    ///
    /// # Errors
    /// Nobody listens.
    pub fn connect(address: SocketAddr) -> anyhow::Result<Self> {
        let wire = Wire::connect(address).with_context(|| format!("connecting to {address}"))?;
        Ok(Self { wire })
    }

    /// Calls itself `client_id` in requests from now on.
    #[must_use]
    pub fn named(self, client_id: &str) -> Self {
        Self {
            wire: self.wire.named(client_id),
        }
    }

    /// The connection below.
    pub fn wire(&mut self) -> &mut Wire {
        &mut self.wire
    }

    /// Sends a request and reads its response.
    ///
    /// # Errors
    /// See [`Wire::call`].
    pub fn call<R: Request>(
        &mut self,
        request: &R,
        version: i16,
    ) -> Result<R::Response, WireError> {
        self.wire.call(request, version)
    }

    /// Creates a topic and waits until all its partitions are served. Returns its id.
    ///
    /// # Errors
    /// The broker refuses.
    pub fn create_topic(
        &mut self,
        name: &str,
        partitions: i32,
        configs: &[(&str, &str)],
    ) -> anyhow::Result<Uuid> {
        let configs = configs.iter().map(|(key, value)| {
            CreatableTopicConfig::default()
                .with_name(StrBytes::from_string((*key).to_owned()))
                .with_value(Some(StrBytes::from_string((*value).to_owned())))
        });
        let topic = CreatableTopic::default()
            .with_name(topic_name(name))
            .with_num_partitions(partitions)
            .with_replication_factor(1)
            .with_configs(configs.collect());
        let request = CreateTopicsRequest::default()
            .with_topics(vec![topic])
            .with_timeout_ms(30_000);
        let response = self.call(&request, 7)?;
        let result = response
            .topics
            .into_iter()
            .next()
            .context("a topic in the answer")?;
        if result.error_code != 0 {
            bail!(
                "{name} not created: {:?} {:?}",
                error(result.error_code),
                result.error_message
            );
        }
        // Apache Kafka answers a moment before it serves the partitions.
        let mut last = Ok(());
        wait_until(SERVED_WITHIN, || {
            last = (0..partitions).try_for_each(|it| self.list_offset(name, it, -1).map(drop));
            last.is_ok()
        });
        last?;
        Ok(result.topic_id)
    }

    /// Produces to one partition with acks=all; the answer may be a refusal.
    ///
    /// # Errors
    /// There is no answer.
    pub fn try_produce(
        &mut self,
        topic: &str,
        partition: i32,
        records: Bytes,
    ) -> anyhow::Result<PartitionProduceResponse> {
        let request = produce_request(by_name(topic), partition, -1, records);
        single_produced(self.call(&request, PRODUCE_BY_NAME)?)
    }

    /// Produces to one partition with acks=all; returns the base offset.
    ///
    /// # Errors
    /// The broker refuses.
    pub fn produce(&mut self, topic: &str, partition: i32, records: Bytes) -> anyhow::Result<i64> {
        let produced = self.try_produce(topic, partition, records)?;
        let code = produced.error_code;
        ensure!(
            code == 0,
            "not produced: {:?} {:?}",
            error(code),
            produced.error_message
        );
        Ok(produced.base_offset)
    }

    /// Fetches from one partition without waiting; the answer may be a refusal.
    ///
    /// # Errors
    /// There is no answer.
    pub fn try_fetch(
        &mut self,
        topic: &str,
        partition: i32,
        offset: i64,
    ) -> anyhow::Result<PartitionData> {
        let topic = FetchTopic::default().with_topic(topic_name(topic));
        single_fetched(self.call(&fetch_request(topic, &[(partition, offset)]), FETCH_BY_NAME)?)
    }

    /// Everything that one partition holds from `offset` on.
    ///
    /// # Errors
    /// The broker refuses, or a batch is damaged.
    pub fn read_all(
        &mut self,
        topic: &str,
        partition: i32,
        mut offset: i64,
    ) -> anyhow::Result<Vec<TestRecord>> {
        let mut records = Vec::new();
        loop {
            let fetched = self.try_fetch(topic, partition, offset)?;
            let code = fetched.error_code;
            ensure!(code == 0, "not fetched from {offset}: {:?}", error(code));
            let read = read(fetched.records.as_deref().context("records are null")?)?;
            records.extend(read.into_iter().filter(|record| offset <= record.offset));
            let Some(last) = records.last() else {
                return Ok(records);
            };
            if fetched.high_watermark <= last.offset + 1 {
                return Ok(records);
            }
            ensure!(offset <= last.offset, "no progress from {offset}");
            offset = last.offset + 1;
        }
    }

    /// The values that one partition holds from `offset` on, as text.
    ///
    /// # Errors
    /// The broker refuses, or a batch is damaged.
    pub fn texts(
        &mut self,
        topic: &str,
        partition: i32,
        offset: i64,
    ) -> anyhow::Result<Vec<String>> {
        let records = self.read_all(topic, partition, offset)?;
        Ok(records.iter().map(TestRecord::text).collect())
    }

    /// Asks for the offset of a timestamp (or one of Kafka's special negative ones).
    ///
    /// # Errors
    /// The broker refuses.
    pub fn list_offset(
        &mut self,
        topic: &str,
        partition: i32,
        timestamp: i64,
    ) -> anyhow::Result<ListOffsetsPartitionResponse> {
        let partition = ListOffsetsPartition::default()
            .with_partition_index(partition)
            .with_current_leader_epoch(-1)
            .with_timestamp(timestamp);
        let topic = ListOffsetsTopic::default()
            .with_name(topic_name(topic))
            .with_partitions(vec![partition]);
        let request = ListOffsetsRequest::default()
            .with_replica_id(BrokerId(-1))
            .with_topics(vec![topic]);
        let response = self.call(&request, 9)?;
        let listed = single(
            response
                .topics
                .into_iter()
                .flat_map(|topic| topic.partitions),
        )?;
        ensure!(
            listed.error_code == 0,
            "not listed: {:?}",
            error(listed.error_code)
        );
        Ok(listed)
    }

    /// A new producer id with its epoch.
    ///
    /// # Errors
    /// The broker refuses.
    pub fn init_producer_id(&mut self) -> anyhow::Result<(i64, i16)> {
        let request = InitProducerIdRequest::default()
            .with_transactional_id(None)
            .with_producer_id(ProducerId(-1))
            .with_producer_epoch(-1)
            .with_transaction_timeout_ms(60_000);
        // Apache Kafka says so while it fetches a block of ids.
        let loading = Some(ResponseError::CoordinatorLoadInProgress);
        let mut response = self.call(&request, 5)?;
        wait_until(SERVED_WITHIN, || {
            if error(response.error_code) == loading
                && let Ok(again) = self.call(&request, 5)
            {
                response = again;
            }
            error(response.error_code) != loading
        });
        ensure!(
            response.error_code == 0,
            "no producer id: {:?}",
            error(response.error_code)
        );
        Ok((response.producer_id.0, response.producer_epoch))
    }
}
