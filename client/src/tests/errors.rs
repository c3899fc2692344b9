//! Every error code of Kafka, wherever a client can meet it on the way to a broker: what Kafka
//! calls retriable is tried again, after a pause and with what is stale asked for anew; all others
//! reach the caller as what they are, at once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ringbrook_protocol::ResponseError;
use ringbrook_protocol::messages::{
    FindCoordinatorRequest, HeartbeatRequest, HeartbeatResponse, ListOffsetsRequest,
    MetadataRequest, MetadataResponse,
};
use tokio::time::Instant;

use crate::admin::{Admin, ListOffsetsOptions, OffsetSpec};
use crate::cluster::{Cluster, CoordinatorKind, Target};
use crate::config::{AdminConfig, ConsumerConfig};
use crate::consumer::Consumer;
use crate::error::{BrokerError, is_retriable};
use crate::testing::{FakeCluster, Reply};
use crate::{ClientError, TopicPartition};

const MINUTE: Duration = Duration::from_mins(1);

/// All errors that a client knows by name.
fn all() -> impl Iterator<Item = ResponseError> {
    (-1..=200).filter_map(|code| BrokerError::new(code, "").error())
}

fn fake() -> FakeCluster {
    let fake = FakeCluster::new(2);
    fake.create_topic("t", 1);
    fake.on::<HeartbeatRequest>(|_, _| Reply::answer(HeartbeatResponse::default()));
    fake
}

fn cluster(fake: &FakeCluster) -> Cluster {
    Cluster::new(fake.client_config(), fake.connector()).unwrap()
}

/// One error came before; the outcome has to be that of `is_retried`.
fn expect<T>(
    error: ResponseError,
    is_retried: bool,
    started: Instant,
    outcome: Result<T, ClientError>,
) {
    let took = started.elapsed();
    match outcome {
        Ok(_) => {
            assert!(is_retried, "{error:?} was tried again");
            assert!(Duration::from_millis(79) < took, "{error:?}: {took:?}");
        }
        Err(told) => {
            assert!(!is_retried, "{error:?} was final: {told}");
            assert_eq!(told.response_error(), Some(error), "{told}");
            assert!(matches!(told, ClientError::Broker(_)), "{told:?}");
        }
    }
    assert!(took < Duration::from_secs(1), "{error:?}: {took:?}");
}

async fn heartbeat(cluster: &Cluster) -> Result<(), ClientError> {
    let target = Target::Coordinator(CoordinatorKind::Group, "g");
    let deadline = Instant::now() + MINUTE;
    let build = |_| Ok(HeartbeatRequest::default());
    let check = |answer: HeartbeatResponse| Ok(BrokerError::check(answer.error_code, "g")?);
    cluster
        .call_until(target, i16::MAX, deadline, build, check)
        .await
}

#[tokio::test(start_paused = true)]
async fn of_finding_a_coordinator() {
    for error in all() {
        let fake = fake();
        fake.next_error::<FindCoordinatorRequest>(error);
        let cluster = cluster(&fake);
        let started = Instant::now();
        let outcome = heartbeat(&cluster).await;
        expect(error, is_retriable(error), started, outcome);
    }
}

#[tokio::test(start_paused = true)]
async fn of_a_coordinator() {
    for error in all() {
        let fake = fake();
        let cluster = cluster(&fake);
        heartbeat(&cluster).await.unwrap();
        fake.next_error::<HeartbeatRequest>(error);
        let started = Instant::now();
        let outcome = heartbeat(&cluster).await;
        expect(error, is_retriable(error), started, outcome);
        heartbeat(&cluster).await.unwrap();
        let found_count = fake.requests::<FindCoordinatorRequest>().len();
        match error {
            ResponseError::NotCoordinator | ResponseError::CoordinatorNotAvailable => {
                assert_eq!(found_count, 2, "{error:?}");
            }
            ResponseError::CoordinatorLoadInProgress | ResponseError::RebalanceInProgress => {
                assert_eq!(found_count, 1, "{error:?}");
            }
            _ => {}
        }
    }
}

#[tokio::test(start_paused = true)]
async fn of_a_topic_in_metadata() {
    for error in all() {
        let fake = fake();
        fake.next::<MetadataRequest>(move |_, _| {
            Reply::changed(move |answer: &mut MetadataResponse| {
                for topic in &mut answer.topics {
                    topic.error_code = error.code();
                    topic.partitions.clear();
                }
            })
        });
        let cluster = cluster(&fake);
        let started = Instant::now();
        let outcome = cluster.topic("t", started + MINUTE).await;
        expect(error, is_retriable(error), started, outcome);
    }
}

#[tokio::test(start_paused = true)]
async fn of_a_leader_that_an_admin_client_asks() {
    let partition = TopicPartition::new("t", 0);
    let wanted: BTreeMap<_, _> = [(partition.clone(), OffsetSpec::Latest)].into();
    for error in all() {
        let fake = fake();
        fake.next_error::<ListOffsetsRequest>(error);
        let config = AdminConfig::new(fake.addresses());
        let admin = Admin::with_connector(config, fake.connector()).unwrap();
        let started = Instant::now();
        let listed = admin.list_offsets(&wanted, ListOffsetsOptions::default());
        let (told, outcome) = listed.await.into_iter().next().unwrap();
        assert_eq!(told, partition);
        expect(error, is_retriable(error), started, outcome);
        // The leader is looked up again for every attempt.
        let metadata_count = fake.requests::<MetadataRequest>().len();
        let asked_count = fake.requests::<ListOffsetsRequest>().len();
        assert!(asked_count <= metadata_count, "{error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn of_a_leader_that_a_consumer_asks() {
    let partitions = [TopicPartition::new("t", 0)];
    for error in all() {
        let fake = fake();
        let connector = fake.connector();
        let config = ConsumerConfig::new(fake.addresses());
        let consumer = Consumer::builder(config).connector(Arc::clone(&connector));
        let consumer = consumer.build().unwrap();
        consumer.end_offsets(&partitions).await.unwrap();
        fake.next_error::<ListOffsetsRequest>(error);
        let before = fake.requests::<MetadataRequest>().len();
        let started = Instant::now();
        let outcome = consumer.end_offsets(&partitions).await;
        let is_about_leader = matches!(
            error,
            ResponseError::NotLeaderOrFollower | ResponseError::FencedLeaderEpoch
        );
        expect(error, is_retriable(error), started, outcome);
        if is_about_leader {
            let after = fake.requests::<MetadataRequest>().len();
            assert!(before < after, "{error:?} has metadata asked for");
        }
    }
}
