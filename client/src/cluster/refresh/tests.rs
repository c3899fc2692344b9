//! When metadata is asked for, and whom.

use std::time::Duration;

use super::*;
use crate::testing::{FakeCluster, Reply};

const SECOND: Duration = Duration::from_secs(1);

fn cluster(fake: &FakeCluster) -> Cluster {
    Cluster::new(fake.client_config(), fake.connector()).unwrap()
}

fn asked_count(fake: &FakeCluster) -> usize {
    fake.requests::<MetadataRequest>().len()
}

#[tokio::test(start_paused = true)]
async fn nothing_is_asked_before_somebody_needs_it_and_then_by_age() {
    let fake = FakeCluster::new(1);
    let cluster = cluster(&fake);
    tokio::time::sleep(1_000 * SECOND).await;
    assert_eq!(asked_count(&fake), 0);
    cluster.refresh().await.unwrap();
    tokio::time::sleep(301 * SECOND).await;
    assert_eq!(asked_count(&fake), 2);
    assert_eq!(fake.connections_count(0), 1);
    drop(cluster);
    tokio::time::sleep(301 * SECOND).await;
    assert_eq!((asked_count(&fake), fake.connections_count(0)), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn callers_at_the_same_time_share_an_answer() {
    let fake = FakeCluster::new(1);
    fake.create_topic("t", 1);
    let cluster = cluster(&fake);
    cluster.watch_topic("t");
    cluster.refresh().await.unwrap();
    fake.next::<MetadataRequest>(|_, _| Reply::builtin().delayed(SECOND));
    let refreshes = (0..10).map(|_| cluster.refresh());
    for refreshed in futures_util::future::join_all(refreshes).await {
        refreshed.unwrap();
    }
    // One for whoever came first, one for all who asked after that one was sent.
    assert!(asked_count(&fake) <= 3, "{}", asked_count(&fake));
}

#[tokio::test(start_paused = true)]
async fn topics_are_kept_while_they_are_watched() {
    let fake = FakeCluster::new(1);
    fake.create_topic("a", 1);
    fake.create_topic("b", 1);
    let cluster = cluster(&fake);
    assert!(cluster.watch_topic("a"));
    assert!(!cluster.watch_topic("a"));
    cluster.watch_topic("b");
    let metadata = cluster.refresh().await.unwrap();
    assert_eq!(metadata.topics().len(), 2);
    cluster.unwatch_topic("a");
    let metadata = cluster.refresh().await.unwrap();
    assert_eq!(metadata.topics().len(), 1);
    cluster.watch_all_topics(true);
    let metadata = cluster.refresh().await.unwrap();
    assert_eq!(metadata.topics().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_topic_is_waited_for_until_it_is_there() {
    let fake = FakeCluster::new(1);
    let cluster = cluster(&fake);
    let waiting = {
        let cluster = cluster.clone();
        tokio::spawn(async move { cluster.topic("t", Instant::now() + 60 * SECOND).await })
    };
    fake.received::<MetadataRequest>(3).await;
    fake.create_topic("t", 2);
    assert_eq!(waiting.await.unwrap().unwrap().partitions_count(), 2);

    let error = cluster
        .topic("nowhere", Instant::now() + SECOND)
        .await
        .unwrap_err();
    assert_eq!(
        error.response_error(),
        Some(ResponseError::UnknownTopicOrPartition)
    );
    fake.topics(|topics| topics.topic("t").error = Some(ResponseError::TopicAuthorizationFailed));
    cluster.refresh().await.unwrap();
    let started = Instant::now();
    let error = cluster.topic("t", started + 60 * SECOND).await.unwrap_err();
    assert_eq!(
        error.response_error(),
        Some(ResponseError::TopicAuthorizationFailed)
    );
    assert_eq!(started.elapsed(), Duration::ZERO, "waiting would not help");
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_brokers_is_not_believed() {
    let fake = FakeCluster::new(1);
    let cluster = cluster(&fake);
    cluster.refresh().await.unwrap();
    fake.next::<MetadataRequest>(|_, _| {
        Reply::changed(|it: &mut MetadataResponse| it.brokers.clear())
    });
    let error = cluster.refresh().await.unwrap_err();
    assert!(error.is_retriable(), "{error}");
    assert_eq!(cluster.metadata().nodes().len(), 1);
}

/// The brokers known have all been replaced by others; one is still to be found by its name.
#[tokio::test(start_paused = true)]
async fn bootstrap_servers_are_asked_again_when_nobody_known_is_there() {
    let fake = FakeCluster::new(3);
    let mut config = fake.client_config();
    config.bootstrap_servers.truncate(1);
    let cluster = Cluster::new(config.clone(), fake.connector()).unwrap();
    fake.unregister_node(0);
    assert_eq!(cluster.refresh().await.unwrap().nodes().len(), 2);
    fake.stop_node(1);
    fake.stop_node(2);
    cluster.refresh().await.unwrap();
    let (asked, _) = fake.requests::<MetadataRequest>().pop().unwrap();
    assert_eq!(asked.node, 0);

    config.metadata_recovery = MetadataRecovery::None;
    let faithful = Cluster::new(config, fake.connector()).unwrap();
    faithful.refresh().await.unwrap();
    let error = faithful.refresh().await.unwrap_err();
    assert!(matches!(error, ClientError::NoBroker { .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_broker_may_send_clients_back_to_the_bootstrap_servers() {
    let fake = FakeCluster::new(2);
    let mut config = fake.client_config();
    config.bootstrap_servers.truncate(1);
    let cluster = Cluster::new(config, fake.connector()).unwrap();
    fake.unregister_node(0);
    cluster.refresh().await.unwrap();
    cluster.connection(1).await.unwrap();
    let required = ResponseError::RebootstrapRequired.code();
    fake.next_at::<MetadataRequest>(1, move |_, _| {
        Reply::changed(move |it: &mut MetadataResponse| it.error_code = required)
    });
    cluster.refresh().await.unwrap_err();
    cluster.refresh().await.unwrap();
    let (asked, _) = fake.requests::<MetadataRequest>().pop().unwrap();
    assert_eq!(asked.node, 0);
    assert_eq!(cluster.metadata().nodes().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn brokers_that_answer_no_metadata_are_left_after_a_while() {
    let fake = FakeCluster::new(2);
    let mut config = fake.client_config();
    config.bootstrap_servers.truncate(1);
    let cluster = Cluster::new(config, fake.connector()).unwrap();
    fake.unregister_node(0);
    cluster.refresh().await.unwrap();
    cluster.connection(1).await.unwrap();
    fake.on::<MetadataRequest>(|asked, _| match asked.node {
        0 => Reply::builtin(),
        _ => Reply::changed(|it: &mut MetadataResponse| it.brokers.clear()),
    });
    let started = Instant::now();
    cluster.request_refresh();
    fake.until_for(600 * SECOND, "a request to node 0", || {
        let requests = fake.requests::<MetadataRequest>();
        (1 < requests.iter().filter(|(asked, _)| asked.node == 0).count()).then_some(())
    })
    .await;
    let trigger = 300 * SECOND;
    assert!(trigger <= started.elapsed() && started.elapsed() < trigger + 5 * SECOND);
}
