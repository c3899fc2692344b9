//! The fake cluster does what its scripts say, over the real client's connections.

use std::time::Duration;

use ringbrook_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use ringbrook_protocol::messages::{
    ApiKey, DescribeClusterRequest, DescribeClusterResponse, FetchRequest, FindCoordinatorRequest,
    InitProducerIdRequest, ListOffsetsRequest, MetadataRequest, ProduceRequest,
};
use ringbrook_protocol::{ResponseError, StrBytes};
use ringbrook_record::{BatchBuilder, Codec, Header};
use tokio::time::Instant;

use super::*;
use crate::cluster::{Cluster, CoordinatorKind};
use crate::error::ClientError;
use crate::net::{Connection, TcpConnector};

fn cluster(fake: &FakeCluster) -> Cluster {
    Cluster::new(fake.client_config(), fake.connector()).unwrap()
}

async fn connection(fake: &FakeCluster) -> Connection {
    cluster(fake).any_connection().await.unwrap()
}

fn batch(producer: Option<(i64, i16, i32)>, value: &str) -> bytes::Bytes {
    let mut batch = BatchBuilder::new();
    if let Some((id, epoch, sequence)) = producer {
        batch = batch.producer(id, epoch, sequence);
    }
    let no_headers = std::iter::empty::<Header<'_>>();
    batch
        .append(5, None, Some(value.as_bytes()), no_headers)
        .unwrap();
    batch.finish(Codec::Lz4, None).unwrap().freeze()
}

fn produce(name: &str, batch: bytes::Bytes) -> ProduceRequest {
    let data = PartitionProduceData::default().with_records(Some(batch));
    let topic = TopicProduceData::default()
        .with_name(StrBytes::from_string(name.to_owned()).into())
        .with_partition_data(vec![data]);
    ProduceRequest::default()
        .with_acks(-1)
        .with_topic_data(vec![topic])
}

async fn produced(connection: &Connection, request: &ProduceRequest) -> (i16, i64) {
    let answer = connection.call(12, request).await.unwrap();
    let partition = &answer.responses[0].partition_responses[0];
    (partition.error_code, partition.base_offset)
}

#[tokio::test(start_paused = true)]
async fn without_a_script_it_is_a_small_cluster() {
    let fake = FakeCluster::new(2);
    fake.create_topic("t", 3);
    let cluster = cluster(&fake);
    cluster.watch_topic("t");
    let metadata = cluster.refresh().await.unwrap();
    let leaders: Vec<_> = (0..3)
        .map(|index| metadata.partition("t", index).unwrap().leader)
        .collect();
    assert_eq!(leaders, [Some(0), Some(1), Some(0)]);
    fake.move_coordinator(1);
    let found = cluster
        .coordinator(CoordinatorKind::Group, "g")
        .await
        .unwrap();
    assert_eq!(found, 1);
    assert_eq!(fake.requests::<FindCoordinatorRequest>().len(), 1);
    assert_eq!(fake.steps_left_count(), 0);

    fake.topics(|topics| topics.auto_create(4));
    let created = cluster
        .topic("new", Instant::now() + Duration::from_secs(1))
        .await
        .unwrap();
    assert_eq!(created.partitions_count(), 4);
    fake.topics(|topics| {
        topics.delete("new");
        topics.topic("t").error = Some(ResponseError::InvalidReplicationFactor);
    });
    let metadata = cluster.refresh().await.unwrap();
    assert_eq!(metadata.topic("t").unwrap().error_code, 38);
}

#[tokio::test(start_paused = true)]
async fn producers_are_known_by_id_epoch_and_sequence() {
    let fake = FakeCluster::new(1);
    fake.create_topic("t", 1);
    let connection = connection(&fake).await;
    let init = InitProducerIdRequest::default();
    let producer = connection.call(5, &init).await.unwrap();
    let (id, epoch) = (producer.producer_id.0, producer.producer_epoch);
    let first = produce("t", batch(Some((id, epoch, 0)), "a"));
    assert_eq!(produced(&connection, &first).await, (0, 0));
    let second = produce("t", batch(Some((id, epoch, 1)), "b"));
    assert_eq!(produced(&connection, &second).await, (0, 1));
    assert_eq!(produced(&connection, &first).await, (0, 0), "a duplicate");
    let gap = produce("t", batch(Some((id, epoch, 7)), "c"));
    assert_eq!(produced(&connection, &gap).await.0, 45);
    let elsewhere = produce("nowhere", batch(None, "c"));
    assert_eq!(produced(&connection, &elsewhere).await.0, 3);
    let next = init.with_producer_id(id.into()).with_producer_epoch(epoch);
    let next = connection.call(5, &next).await.unwrap();
    assert_eq!((next.producer_id.0, next.producer_epoch), (id, epoch + 1));
    let renewed = produce("t", batch(Some((id, epoch + 1, 0)), "d"));
    assert_eq!(produced(&connection, &renewed).await, (0, 2));
    assert_eq!(produced(&connection, &second).await.0, 47);
    assert_eq!(fake.topics(|topics| topics.values("t", 0)), ["a", "b", "d"]);
    fake.topics(|topics| topics.partition("t", 0).log.forget_producers());
    let unknown = produce("t", batch(Some((id, epoch + 1, 1)), "e"));
    assert_eq!(produced(&connection, &unknown).await.0, 45);
}

#[tokio::test(start_paused = true)]
async fn fetches_wait_for_records() {
    use ringbrook_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
    let fake = FakeCluster::new(1);
    fake.create_topic("t", 1);
    let connection = connection(&fake).await;
    let partition = FetchPartition::default().with_partition_max_bytes(1 << 20);
    let topic = FetchTopic::default()
        .with_topic(StrBytes::from_static_str("t").into())
        .with_partitions(vec![partition]);
    let request = FetchRequest::default()
        .with_max_wait_ms(500)
        .with_min_bytes(1)
        .with_topics(vec![topic]);
    let started = Instant::now();
    let nothing = connection.call(12, &request).await.unwrap();
    assert_eq!(started.elapsed(), Duration::from_millis(500));
    assert!(
        nothing.responses[0].partitions[0]
            .records
            .as_ref()
            .unwrap()
            .is_empty()
    );

    let waiting = connection.send(12, &request).unwrap();
    fake.received::<FetchRequest>(2).await;
    let base_offset = fake.topics(|topics| topics.append("t", 0, &[(Some("k"), "v"), (None, "w")]));
    assert_eq!(base_offset, 0);
    let answer = waiting.await.unwrap();
    assert_eq!(started.elapsed(), Duration::from_millis(500));
    let stored = fake.topics(|topics| topics.partition("t", 0).log.batches()[0].clone());
    assert_eq!(answer.responses[0].partitions[0].records, Some(stored));

    let mut wrong = request.clone();
    wrong.topics[0].partitions[0].fetch_offset = 9;
    let refused = connection.call(12, &wrong).await.unwrap();
    assert_eq!(refused.responses[0].partitions[0].error_code, 1);
}

#[tokio::test(start_paused = true)]
async fn offsets_are_found_by_time() {
    use ringbrook_protocol::messages::list_offsets_request::{
        ListOffsetsPartition, ListOffsetsTopic,
    };
    let fake = FakeCluster::new(1);
    fake.create_topic("t", 1);
    fake.topics(|topics| topics.append("t", 0, &[(None, "a"), (None, "b"), (None, "c")]));
    let connection = connection(&fake).await;
    for (timestamp, expected) in [
        (-2, (0, -1)),
        (-1, (3, -1)),
        (1_001, (1, 1_001)),
        (9_999, (-1, -1)),
    ] {
        let partition = ListOffsetsPartition::default().with_timestamp(timestamp);
        let topic = ListOffsetsTopic::default()
            .with_name(StrBytes::from_static_str("t").into())
            .with_partitions(vec![partition]);
        let request = ListOffsetsRequest::default().with_topics(vec![topic]);
        let answer = connection.call(8, &request).await.unwrap();
        let partition = &answer.topics[0].partitions[0];
        assert_eq!((partition.offset, partition.timestamp), expected);
    }
    fake.topics(|topics| topics.move_leader("t", 0, -1));
    let metadata = connection
        .call(12, &MetadataRequest::default().with_topics(None))
        .await
        .unwrap();
    assert_eq!(metadata.topics[0].partitions[0].error_code, 5);
}

#[tokio::test(start_paused = true)]
async fn answers_are_slow_lost_or_in_disorder_as_the_script_says() {
    let fake = FakeCluster::new(1);
    let request = DescribeClusterRequest::default();
    let slow = connection(&fake).await;
    fake.next::<DescribeClusterRequest>(|_, _| Reply::builtin().delayed(Duration::from_secs(3)));
    let started = Instant::now();
    slow.call(1, &request).await.unwrap();
    assert_eq!(started.elapsed(), Duration::from_secs(3));
    let (asked, _) = fake.requests::<DescribeClusterRequest>().remove(0);
    assert_eq!((asked.at, asked.connection), (started, 1));

    let gate = Gate::closed();
    let held = gate.clone();
    fake.next::<DescribeClusterRequest>(move |_, _| {
        Reply::changed(|it: &mut DescribeClusterResponse| it.cluster_id = "other".into())
            .when(&held)
    });
    let waiting = slow.send(1, &request).unwrap();
    fake.received::<DescribeClusterRequest>(2).await;
    gate.open();
    assert_eq!(waiting.await.unwrap().cluster_id.as_str(), "other");

    fake.next_at::<DescribeClusterRequest>(7, |_, _| panic!("there is no node 7"));
    fake.next::<DescribeClusterRequest>(|_, _| Reply::builtin().lost());
    let error = slow.call(1, &request).await.unwrap_err();
    assert!(matches!(error, ClientError::Timeout { .. }), "{error}");
    assert_eq!(fake.steps_left_count(), 1);

    for reply in [
        || Reply::builtin().hang_up(),
        || Reply::builtin().cut_after(9),
        || Reply::builtin().misnumbered(1),
        || Reply::raw("HTTP/1.1 400 Bad Request\r\n\r\n"),
    ] {
        let connection = connection(&fake).await;
        fake.next::<DescribeClusterRequest>(move |_, _| reply());
        let error = connection.call(1, &request).await.unwrap_err();
        assert!(matches!(error, ClientError::Disconnected { .. }), "{error}");
    }

    let disordered = connection(&fake).await;
    fake.next::<DescribeClusterRequest>(|_, _| Reply::builtin().after_next());
    let first = disordered.send(1, &request).unwrap();
    disordered.send(1, &request).unwrap().await.unwrap_err();
    let error = first.await.unwrap_err();
    assert!(error.to_string().contains("out of order"), "{error}");

    fake.on::<DescribeClusterRequest>(|_, _| Reply::ignored());
    let ignored = connection(&fake).await;
    ignored.call(1, &request).await.unwrap_err();
    fake.on::<DescribeClusterRequest>(|_, _| Reply::answer(DescribeClusterResponse::default()));
    let answered = connection(&fake).await;
    answered.call(1, &request).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn nodes_stop_freeze_and_start_again() {
    let fake = FakeCluster::new(1);
    let before = connection(&fake).await;
    assert_eq!(fake.connections_count(0), 1);
    fake.stop_node(0);
    fake.until("the end", || before.is_closed().then_some(()))
        .await;
    assert_eq!(fake.connections_count(0), 0);
    let error = cluster(&fake).any_connection().await.err().unwrap();
    assert!(matches!(error, ClientError::NoBroker { .. }), "{error}");
    fake.freeze_node(0);
    let started = Instant::now();
    cluster(&fake).any_connection().await.err().unwrap();
    assert!(Duration::from_secs(8) <= started.elapsed());
    fake.start_node(0);
    connection(&fake).await;
    assert_eq!(fake.connection_attempts(0).len(), 4);
    fake.unregister_node(0);
    let error = cluster(&fake).refresh().await.unwrap_err();
    assert!(error.to_string().contains("lists no broker"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn versions_and_features_are_what_the_test_says() {
    let fake = FakeCluster::new(1);
    fake.serve(ApiKey::ApiVersions, 0, 0);
    fake.serve(ApiKey::Fetch, 4, 11);
    fake.serve(ApiKey::DescribeCluster, 0, -1);
    let old = connection(&fake).await;
    assert_eq!(old.version_of::<FetchRequest>().unwrap(), 11);
    old.version_of::<DescribeClusterRequest>().unwrap_err();
    fake.serve(ApiKey::ApiVersions, 0, 4);
    fake.finalize_feature("transaction.version", 2);
    let new = connection(&fake).await;
    let features = &new.versions().response().finalized_features;
    assert_eq!(features[0].max_version_level, 2);
}

#[tokio::test]
async fn errors_come_over_tcp_too() {
    let fake = FakeCluster::new(1);
    fake.listen().await;
    let connector = std::sync::Arc::new(TcpConnector);
    let cluster = Cluster::new(fake.client_config(), connector).unwrap();
    let connection = cluster.any_connection().await.unwrap();
    fake.next_error::<DescribeClusterRequest>(ResponseError::BrokerNotAvailable);
    let answer = connection
        .call(1, &DescribeClusterRequest::default())
        .await
        .unwrap();
    assert_eq!(answer.error_code, 8);
    let (asked, _) = &fake.requests::<DescribeClusterRequest>()[0];
    assert_eq!((asked.node, asked.version), (0, 1));
    assert_eq!(asked.client_id.as_deref(), Some("test"));
    fake.stop_node(0);
    fake.until("the end", || connection.is_closed().then_some(()))
        .await;
}
