//! What has to be asked of a broker before and after the load, one request at a time.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use anyhow::{Context, ensure};
use bytes::Bytes;
use ringbrook_protocol::messages::create_topics_request::CreatableTopic;
use ringbrook_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use ringbrook_protocol::messages::{BrokerId, CreateTopicsRequest, ListOffsetsRequest, TopicName};
use ringbrook_protocol::{Request, StrBytes};
use uuid::Uuid;

use crate::frames::encode;
use crate::load::decode;

/// The topic of all scenarios.
const TOPIC: &str = "bench";
const CREATE_TOPICS_VERSION: i16 = 7;
const LIST_OFFSETS_VERSION: i16 = 7;
const TIMEOUT_MS: i32 = 60_000;
/// Timestamp that asks for the log end offset.
const LATEST: i64 = -1;

/// A connection to a broker.
pub(crate) struct Admin {
    stream: TcpStream,
    correlation_id: i32,
}

impl Admin {
    /// Connects.
    ///
    /// # Errors
    /// Nobody listens there.
    pub(crate) fn connect(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).context("cannot connect to the broker")?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            correlation_id: 0,
        })
    }

    /// Creates the benchmark's topic and returns its id.
    ///
    /// # Errors
    /// The broker refused.
    pub(crate) fn create_topic(&mut self, partitions: u16) -> anyhow::Result<Uuid> {
        let topic = CreatableTopic::default()
            .with_name(topic_name())
            .with_num_partitions(i32::from(partitions))
            .with_replication_factor(1);
        let request = CreateTopicsRequest::default()
            .with_topics(vec![topic])
            .with_timeout_ms(TIMEOUT_MS);
        let response = self.call(&request, CREATE_TOPICS_VERSION)?;
        let created = response.topics.first().context("a topic")?;
        ensure!(created.error_code == 0, "no topic created: {created:?}");
        Ok(created.topic_id)
    }

    /// The sum of the log end offsets of all partitions: how many records the topic holds.
    ///
    /// # Errors
    /// The broker refused.
    pub(crate) fn records_count(&mut self, partitions: u16) -> anyhow::Result<i64> {
        let wanted = (0..i32::from(partitions)).map(|index| {
            ListOffsetsPartition::default()
                .with_partition_index(index)
                .with_current_leader_epoch(-1)
                .with_timestamp(LATEST)
        });
        let topic = ListOffsetsTopic::default()
            .with_name(topic_name())
            .with_partitions(wanted.collect());
        let request = ListOffsetsRequest::default()
            .with_replica_id(BrokerId(-1))
            .with_topics(vec![topic]);
        let response = self.call(&request, LIST_OFFSETS_VERSION)?;
        let answers = &response.topics.first().context("a topic")?.partitions;
        ensure!(answers.len() == usize::from(partitions), "partitions miss");
        let mut count = 0;
        for answer in answers {
            ensure!(answer.error_code == 0, "no offset: {answer:?}");
            count += answer.offset;
        }
        Ok(count)
    }

    fn call<Q: Request>(&mut self, request: &Q, version: i16) -> anyhow::Result<Q::Response> {
        self.correlation_id += 1;
        let answer = self.exchange(&encode(request, version, self.correlation_id)?)?;
        decode(answer, self.correlation_id, version)
    }

    /// Sends a frame and waits for the whole answer, which comes without its length field.
    ///
    /// # Errors
    /// The connection failed.
    pub(crate) fn exchange(&mut self, frame: &[u8]) -> anyhow::Result<Bytes> {
        self.stream.write_all(frame)?;
        let mut length = [0; 4];
        self.stream.read_exact(&mut length)?;
        let mut answer = vec![0; usize::try_from(u32::from_be_bytes(length))?];
        self.stream.read_exact(&mut answer)?;
        Ok(answer.into())
    }
}

fn topic_name() -> TopicName {
    TopicName(StrBytes::from_static_str(TOPIC))
}
