//! What has to be asked of a broker before and after the load, one request at a time.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, ensure};
use bytes::Bytes;
use ringbrook_protocol::messages::create_topics_request::CreatableTopic;
use ringbrook_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use ringbrook_protocol::messages::{
    ApiKey, ApiVersionsRequest, ApiVersionsResponse, BrokerId, CreateTopicsRequest,
    FindCoordinatorRequest, ListOffsetsRequest, MetadataRequest, TopicName,
};
use ringbrook_protocol::{Request, StrBytes};
use uuid::Uuid;

use crate::frames::{FETCH_VERSION, PRODUCE_VERSION, Versions, encode};
use crate::load::decode;
use crate::process::{now, rest};

/// The topic of all scenarios.
pub(crate) const TOPIC: &str = "bench";
/// The one that every broker has answered since there are such requests.
const API_VERSIONS_VERSION: i16 = 0;
/// Batches with CRC-32C came with these.
const PRODUCE_VERSION_MIN: i16 = 3;
const FETCH_VERSION_MIN: i16 = 4;
/// The oldest that can name no topic, instead of all.
const METADATA_VERSION: i16 = 1;
const CREATE_TOPICS_VERSION: i16 = 7;
const LIST_OFFSETS_VERSION: i16 = 7;
const TIMEOUT_MS: i32 = 60_000;
const FIND_COORDINATOR_VERSION: i16 = 4;
const READ_UNCOMMITTED: i8 = 0;
const READ_COMMITTED: i8 = 1;
/// What FindCoordinator is asked for.
pub(crate) const KEY_GROUP: i8 = 0;
pub(crate) const KEY_TRANSACTION: i8 = 1;
/// How long a coordinator or a new topic may take to be there.
const COORDINATOR_TIMEOUT: Duration = Duration::from_secs(60);
const COORDINATOR_PAUSE: Duration = Duration::from_millis(20);
/// COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE, NOT_COORDINATOR.
const NOT_YET: [i16; 3] = [14, 15, 16];
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

    /// Asks which versions are served, and chooses the newest of them that this client knows.
    ///
    /// # Errors
    /// The broker serves none of a request that loads need.
    pub(crate) fn versions(&mut self) -> anyhow::Result<Versions> {
        let answer = self.call(&ApiVersionsRequest::default(), API_VERSIONS_VERSION)?;
        for (key, version) in [
            (ApiKey::CreateTopics, CREATE_TOPICS_VERSION),
            (ApiKey::ListOffsets, LIST_OFFSETS_VERSION),
        ] {
            newest(&answer, key, version, version)?;
        }
        Ok(Versions {
            produce: newest(
                &answer,
                ApiKey::Produce,
                PRODUCE_VERSION_MIN,
                PRODUCE_VERSION,
            )?,
            fetch: newest(&answer, ApiKey::Fetch, FETCH_VERSION_MIN, FETCH_VERSION)?,
        })
    }

    /// Whether it answers which versions it serves, and that there is a broker to talk to: what a
    /// client needs before anything else.
    ///
    /// # Errors
    /// The connection failed, or there is no broker yet.
    pub(crate) fn ensure_served(&mut self) -> anyhow::Result<()> {
        let versions = self.call(&ApiVersionsRequest::default(), API_VERSIONS_VERSION)?;
        ensure!(versions.error_code == 0, "no versions: {versions:?}");
        let request = MetadataRequest::default().with_topics(Some(Vec::new()));
        let metadata = self.call(&request, METADATA_VERSION)?;
        ensure!(!metadata.brokers.is_empty(), "no broker is known yet");
        Ok(())
    }

    /// Creates the benchmark's topic and returns its id.
    ///
    /// # Errors
    /// The broker refused.
    pub(crate) fn create_topic(&mut self, partitions: u16) -> anyhow::Result<Uuid> {
        self.create_topic_named(TOPIC, partitions)
    }

    /// Creates a topic of another name and returns its id.
    ///
    /// # Errors
    /// The broker refused.
    pub(crate) fn create_topic_named(
        &mut self,
        name: &str,
        partitions: u16,
    ) -> anyhow::Result<Uuid> {
        let topic = CreatableTopic::default()
            .with_name(topic_name(name))
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

    /// Creates a topic and waits until all its partitions are served, which takes Apache Kafka a
    /// moment.
    ///
    /// # Errors
    /// The broker refused.
    pub(crate) fn create_served(&mut self, name: &str, partitions: u16) -> anyhow::Result<Uuid> {
        let topic = self.create_topic_named(name, partitions)?;
        let deadline = now() + COORDINATOR_TIMEOUT;
        while let Err(error) = self.stable_count(name, partitions) {
            ensure!(now() < deadline, "{name} is not served: {error}");
            rest(COORDINATOR_PAUSE);
        }
        Ok(topic)
    }

    /// The sum of the log end offsets of all partitions: how many records a topic holds.
    ///
    /// # Errors
    /// The broker refused.
    pub(crate) fn records_count(&mut self, name: &str, partitions: u16) -> anyhow::Result<i64> {
        self.end_offsets(name, partitions, READ_UNCOMMITTED)
    }

    /// The sum of the last stable offsets of all partitions of a topic: how many records and
    /// markers of ended transactions it holds.
    ///
    /// # Errors
    /// The broker refused.
    pub(crate) fn stable_count(&mut self, name: &str, partitions: u16) -> anyhow::Result<i64> {
        self.end_offsets(name, partitions, READ_COMMITTED)
    }

    fn end_offsets(&mut self, name: &str, partitions: u16, isolation: i8) -> anyhow::Result<i64> {
        let wanted = (0..i32::from(partitions)).map(|index| {
            ListOffsetsPartition::default()
                .with_partition_index(index)
                .with_current_leader_epoch(-1)
                .with_timestamp(LATEST)
        });
        let topic = ListOffsetsTopic::default()
            .with_name(topic_name(name))
            .with_partitions(wanted.collect());
        let request = ListOffsetsRequest::default()
            .with_replica_id(BrokerId(-1))
            .with_isolation_level(isolation)
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

    /// Asks until the coordinator of `key` is found: the first time its topic is created.
    ///
    /// # Errors
    /// The broker refused, or it takes too long.
    pub(crate) fn find_coordinator(&mut self, key_type: i8, key: &str) -> anyhow::Result<()> {
        let request = FindCoordinatorRequest::default()
            .with_key_type(key_type)
            .with_coordinator_keys(vec![StrBytes::from_string(key.to_owned())]);
        self.patiently(&request, FIND_COORDINATOR_VERSION, |answer| {
            answer.coordinators.first().map_or(-1, |it| it.error_code)
        })?;
        Ok(())
    }

    /// Asks until the answer's code is none of a coordinator that is not there yet.
    ///
    /// # Errors
    /// The broker refused, or it takes too long.
    pub(crate) fn patiently<Q: Request>(
        &mut self,
        request: &Q,
        version: i16,
        code: impl Fn(&Q::Response) -> i16,
    ) -> anyhow::Result<Q::Response> {
        let deadline = now() + COORDINATOR_TIMEOUT;
        loop {
            let answer = self.call(request, version)?;
            let code = code(&answer);
            if code == 0 {
                return Ok(answer);
            }
            let passes = NOT_YET.contains(&code) && now() < deadline;
            ensure!(passes, "error {code} for API {}", Q::KEY);
            rest(COORDINATOR_PAUSE);
        }
    }

    /// Sends a request and waits for its answer.
    ///
    /// # Errors
    /// The connection failed.
    pub(crate) fn call<Q: Request>(
        &mut self,
        request: &Q,
        version: i16,
    ) -> anyhow::Result<Q::Response> {
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

/// A topic's name as messages have it.
pub(crate) fn topic_name(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.to_owned()))
}

/// The newest version from `oldest` to `newest` that a broker serves.
fn newest(
    served: &ApiVersionsResponse,
    key: ApiKey,
    oldest: i16,
    newest: i16,
) -> anyhow::Result<i16> {
    let number = key as i16;
    let range = served.api_keys.iter().find(|it| it.api_key == number);
    let range = range.with_context(|| format!("the broker does not serve {key:?}"))?;
    let version = newest.min(range.max_version);
    ensure!(
        oldest.max(range.min_version) <= version,
        "the broker serves versions {} to {} of {key:?}, this client knows {oldest} to {newest}",
        range.min_version,
        range.max_version
    );
    Ok(version)
}

#[cfg(test)]
mod tests {
    use ringbrook_protocol::messages::api_versions_response::ApiVersion;

    use super::*;

    #[test]
    fn the_newest_version_that_both_know_is_chosen() {
        let served = |oldest, newest| {
            let range = ApiVersion::default()
                .with_api_key(ApiKey::Produce as i16)
                .with_min_version(oldest)
                .with_max_version(newest);
            ApiVersionsResponse::default().with_api_keys(vec![range])
        };
        let chosen = |range: ApiVersionsResponse| newest(&range, ApiKey::Produce, 3, 13);
        assert_eq!(chosen(served(0, 7)).unwrap(), 7);
        assert_eq!(chosen(served(0, 20)).unwrap(), 13);
        for none in [served(0, 2), served(14, 20), ApiVersionsResponse::default()] {
            assert!(chosen(none).is_err());
        }
    }
}
