//! Whom is connected to, when, and how often.

use ringbrook_protocol::messages::ApiVersionsRequest;

use super::*;
use crate::cluster::CoordinatorKind;
use crate::testing::{FakeCluster, Gate, Reply};

const SECOND: Duration = Duration::from_secs(1);

fn cluster(fake: &FakeCluster) -> Cluster {
    Cluster::new(fake.client_config(), fake.connector()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn everybody_shares_one_connection_and_one_attempt() {
    let fake = FakeCluster::new(1);
    let shared = cluster(&fake);
    let opened = futures_util::future::join_all((0..100).map(|_| shared.any_connection())).await;
    assert!(opened.iter().all(Result::is_ok));
    assert_eq!(fake.connection_attempts(0).len(), 1);

    fake.stop_node(0);
    let refused = cluster(&fake);
    let started = Instant::now();
    let failed = futures_util::future::join_all((0..100).map(|_| refused.any_connection())).await;
    assert!(failed.iter().all(Result::is_err));
    assert!(started.elapsed() < SECOND, "one failure is everybody's");
}

#[tokio::test(start_paused = true)]
async fn pauses_and_patience_grow_with_failures() {
    let fake = FakeCluster::new(1);
    let cluster = cluster(&fake);
    fake.stop_node(0);
    for _ in 0..8 {
        cluster.any_connection().await.err().unwrap();
    }
    let attempts = fake.connection_attempts(0);
    let pauses: Vec<_> = attempts.windows(2).map(|pair| pair[1] - pair[0]).collect();
    for (pause, expected_ms) in pauses.iter().zip([50, 100, 200, 400, 800, 1_000, 1_000]) {
        let expected = Duration::from_millis(expected_ms);
        assert!(expected.mul_f64(0.79) <= *pause, "{pauses:?}");
        assert!(*pause <= expected.mul_f64(1.22), "{pauses:?}");
    }
    fake.freeze_node(0);
    let frozen = Cluster::new(fake.client_config(), fake.connector()).unwrap();
    for expected_s in [10, 20, 30, 30] {
        let started = Instant::now();
        frozen.any_connection().await.err().unwrap();
        let expected = expected_s * SECOND;
        let elapsed = started.elapsed();
        assert!(expected.mul_f64(0.79) <= elapsed, "{elapsed:?}");
        assert!(elapsed <= expected.mul_f64(1.21) + SECOND, "{elapsed:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_broker_holds_nobody_up_when_any_will_do() {
    let fake = FakeCluster::new(5);
    for id in 0..4 {
        fake.freeze_node(id);
    }
    let started = Instant::now();
    cluster(&fake).any_connection().await.unwrap();
    assert!(
        started.elapsed() <= 4 * HEAD_START,
        "{:?}",
        started.elapsed()
    );
}

/// Found by review: an attempt was given up with its caller, so callers with little time at every
/// call never got a connection to a slow broker.
#[tokio::test(start_paused = true)]
async fn opening_goes_on_when_the_caller_gives_up() {
    let fake = FakeCluster::new(1);
    let cluster = cluster(&fake);
    cluster.refresh().await.unwrap();
    fake.drop_connections(0);
    fake.until("the end", || {
        cluster.open_connection(0).is_none().then_some(())
    })
    .await;
    fake.next::<ApiVersionsRequest>(|_, _| Reply::builtin().delayed(3 * SECOND));
    let mut calls_count = 0;
    while tokio::time::timeout(SECOND / 10, cluster.connection(0))
        .await
        .is_err()
    {
        calls_count += 1;
        assert!(calls_count < 50, "it never opens");
    }
    assert_eq!(fake.connection_attempts(0).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn groups_have_a_connection_of_their_own() {
    let fake = FakeCluster::new(2);
    fake.move_coordinator(1);
    let cluster = cluster(&fake);
    cluster.refresh().await.unwrap();
    let ordinary = cluster.connection(1).await.unwrap();
    let before = fake.connections_count(1);
    let group = cluster
        .coordinator_connection(CoordinatorKind::Group, "g")
        .await
        .unwrap();
    assert_eq!(group.address(), ordinary.address());
    assert_eq!(fake.connections_count(1), before + 1);
    cluster
        .coordinator_connection(CoordinatorKind::Transaction, "t")
        .await
        .unwrap();
    assert_eq!(fake.connections_count(1), before + 1);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_opened_after_the_end() {
    let fake = FakeCluster::new(1);
    let cluster = cluster(&fake);
    let gate = Gate::closed();
    let held = gate.clone();
    fake.next::<ApiVersionsRequest>(move |_, _| Reply::builtin().when(&held));
    let opening = {
        let cluster = cluster.clone();
        tokio::spawn(async move { cluster.any_connection().await })
    };
    fake.received::<ApiVersionsRequest>(1).await;
    cluster.close_connections();
    gate.open();
    assert!(opening.await.unwrap().is_err());
    cluster.any_connection().await.err().unwrap();
    assert_eq!(fake.connection_attempts(0).len(), 1);
    let gone = || (fake.connections_count(0) == 0).then_some(());
    fake.until("the end of all connections", gone).await;
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_ends_connections_at_once_is_not_stormed() {
    let fake = FakeCluster::new(1);
    let cluster = cluster(&fake);
    let started = Instant::now();
    for _ in 0..10 {
        cluster.any_connection().await.unwrap();
        fake.drop_connections(0);
        let gone = || (fake.connections_count(0) == 0).then_some(());
        fake.until("the end of the connection", gone).await;
    }
    assert!(
        9 * SECOND / 25 <= started.elapsed(),
        "{:?}",
        started.elapsed()
    );
}

/// What a connector says when a broker does not take a password.
struct Unwelcome;

impl Connector for Unwelcome {
    fn connect<'a>(
        &'a self,
        _: &'a HostPort,
    ) -> futures_util::future::BoxFuture<
        'a,
        std::io::Result<std::pin::Pin<Box<dyn crate::net::IoStream>>>,
    > {
        Box::pin(async { Err(std::io::ErrorKind::PermissionDenied.into()) })
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_not_let_in_learns_it_at_once() {
    let fake = FakeCluster::new(3);
    let cluster = Cluster::new(fake.client_config(), Arc::new(Unwelcome)).unwrap();
    let started = Instant::now();
    let error = cluster.topic("t", started + 60 * SECOND).await.unwrap_err();
    assert!(matches!(error, ClientError::Connect { .. }), "{error}");
    assert!(started.elapsed() < SECOND, "{:?}", started.elapsed());
}
