//! Calls to the right broker, whatever brokers answer meanwhile.

use ringbrook_protocol::messages::{
    DescribeClusterRequest, DescribeClusterResponse, FindCoordinatorRequest, HeartbeatRequest,
    HeartbeatResponse, MetadataRequest,
};

use super::*;
use crate::error::BrokerError;
use crate::testing::{FakeCluster, Reply};

const MINUTE: Duration = Duration::from_mins(1);

fn cluster(fake: &FakeCluster) -> Cluster {
    Cluster::new(fake.client_config(), fake.connector()).unwrap()
}

async fn describe(cluster: &Cluster, target: Target<'_>) -> Result<i32, ClientError> {
    let deadline = Instant::now() + MINUTE;
    let build = |_| Ok(DescribeClusterRequest::default());
    let check = |answer: DescribeClusterResponse| {
        BrokerError::check(answer.error_code, "describing")?;
        Ok(answer.controller_id.0)
    };
    cluster
        .call_until(target, i16::MAX, deadline, build, check)
        .await
}

#[tokio::test(start_paused = true)]
async fn every_retriable_error_is_tried_again_and_no_other_is() {
    let fake = FakeCluster::new(2);
    let cluster = cluster(&fake);
    let (mut retried_count, mut final_count) = (0, 0);
    for code in (-1..=133).filter(|code| *code != 0) {
        let Some(error) = BrokerError::new(code, "").error() else {
            continue;
        };
        let before = fake.requests::<DescribeClusterRequest>().len();
        fake.next_error::<DescribeClusterRequest>(error);
        let described = describe(&cluster, Target::Any).await;
        let asked = fake.requests::<DescribeClusterRequest>().len() - before;
        if crate::error::is_retriable(error) {
            assert_eq!((described.unwrap(), asked), (0, 2), "{error:?}");
            retried_count += 1;
        } else {
            assert_eq!(described.unwrap_err().response_error(), Some(error));
            assert_eq!(asked, 1, "{error:?}");
            final_count += 1;
        }
    }
    assert!(
        30 < retried_count && 60 < final_count,
        "{retried_count} {final_count}"
    );
}

#[tokio::test(start_paused = true)]
async fn dropped_connections_and_silent_brokers_are_tried_again() {
    let fake = FakeCluster::new(3);
    let cluster = cluster(&fake);
    for reply in [
        || Reply::builtin().hang_up(),
        || Reply::builtin().cut_after(11),
        || Reply::builtin().misnumbered(3),
        || Reply::builtin().lost(),
        || Reply::raw(vec![0xff; 100]),
    ] {
        for target in [Target::Any, Target::Controller, Target::Node(1)] {
            fake.next::<DescribeClusterRequest>(move |_, _| reply());
            assert_eq!(describe(&cluster, target).await.unwrap(), 0, "{target:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_cannot_be_read_is_not_tried_again() {
    let fake = FakeCluster::new(1);
    let cluster = cluster(&fake);
    cluster.any_connection().await.unwrap();
    // A header with the right number, and no body.
    fake.next::<DescribeClusterRequest>(|asked, _| {
        let number = asked.correlation_id.to_be_bytes();
        Reply::raw([[0, 0, 0, 4], number].concat())
    });
    let error = describe(&cluster, Target::Any).await.unwrap_err();
    assert!(matches!(error, ClientError::Protocol { .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_controller_that_has_moved_is_found_by_the_next_attempt() {
    let fake = FakeCluster::new(2);
    let cluster = cluster(&fake);
    describe(&cluster, Target::Controller).await.unwrap();
    fake.unregister_node(0);
    fake.on::<DescribeClusterRequest>(|asked, _| {
        let moved = ResponseError::NotController.code();
        let code = if asked.node == 0 { moved } else { 0 };
        Reply::changed(move |it: &mut DescribeClusterResponse| it.error_code = code)
    });
    let before = fake.requests::<DescribeClusterRequest>().len();
    assert_eq!(describe(&cluster, Target::Controller).await.unwrap(), 1);
    assert_eq!(fake.requests::<DescribeClusterRequest>().len(), before + 2);
}

async fn heartbeat(cluster: &Cluster) -> Result<(), ClientError> {
    let deadline = Instant::now() + MINUTE;
    let target = Target::Coordinator(CoordinatorKind::Group, "g");
    let build = |_| Ok(HeartbeatRequest::default());
    let check = |answer: HeartbeatResponse| Ok(BrokerError::check(answer.error_code, "g")?);
    cluster
        .call_until(target, i16::MAX, deadline, build, check)
        .await
}

#[tokio::test(start_paused = true)]
async fn a_coordinator_that_has_moved_or_died_is_looked_for_again() {
    let fake = FakeCluster::new(3);
    fake.on::<HeartbeatRequest>(|_, _| Reply::answer(HeartbeatResponse::default()));
    let cluster = cluster(&fake);
    heartbeat(&cluster).await.unwrap();
    heartbeat(&cluster).await.unwrap();
    assert_eq!(fake.requests::<FindCoordinatorRequest>().len(), 1);

    fake.move_coordinator(1);
    fake.next_error::<HeartbeatRequest>(ResponseError::NotCoordinator);
    heartbeat(&cluster).await.unwrap();
    let nodes = |it: Vec<(crate::testing::Asked, HeartbeatRequest)>| {
        it.into_iter()
            .map(|(asked, _)| asked.node)
            .collect::<Vec<_>>()
    };
    assert_eq!(nodes(fake.requests()), [0, 0, 0, 1]);

    fake.stop_node(1);
    fake.move_coordinator(2);
    heartbeat(&cluster).await.unwrap();
    assert_eq!(nodes(fake.requests()), [0, 0, 0, 1, 2]);

    // Loading is no reason to look elsewhere.
    let found_count = fake.requests::<FindCoordinatorRequest>().len();
    fake.next_error::<HeartbeatRequest>(ResponseError::CoordinatorLoadInProgress);
    heartbeat(&cluster).await.unwrap();
    assert_eq!(fake.requests::<FindCoordinatorRequest>().len(), found_count);
    for error in [
        ResponseError::CoordinatorNotAvailable,
        ResponseError::CoordinatorLoadInProgress,
    ] {
        cluster.forget_coordinator(CoordinatorKind::Group, "g");
        fake.next_error::<FindCoordinatorRequest>(error);
        heartbeat(&cluster).await.unwrap();
    }
    cluster.forget_coordinator(CoordinatorKind::Group, "g");
    fake.next_error::<FindCoordinatorRequest>(ResponseError::GroupAuthorizationFailed);
    let error = heartbeat(&cluster).await.unwrap_err();
    assert_eq!(
        error.response_error(),
        Some(ResponseError::GroupAuthorizationFailed)
    );
}

#[tokio::test(start_paused = true)]
async fn time_that_is_up_tells_the_last_error() {
    let fake = FakeCluster::new(1);
    let cluster = cluster(&fake);
    fake.on::<DescribeClusterRequest>(|_, _| {
        let code = ResponseError::RequestTimedOut.code();
        Reply::changed(move |it: &mut DescribeClusterResponse| it.error_code = code)
    });
    let started = Instant::now();
    let error = describe(&cluster, Target::Any).await.unwrap_err();
    assert!(started.elapsed() <= MINUTE, "{:?}", started.elapsed());
    assert!(matches!(error, ClientError::Timeout { .. }), "{error}");
    assert_eq!(error.response_error(), Some(ResponseError::RequestTimedOut));
    fake.stop_node(0);
    let error = describe(&cluster, Target::Any).await.unwrap_err();
    assert!(
        error.to_string().contains("no broker of node-0:9092"),
        "{error}"
    );
    assert!(
        fake.requests::<MetadataRequest>().len() < 100,
        "it does not spin"
    );
}

/// Users spawn what they call.
#[tokio::test(start_paused = true)]
async fn futures_can_be_sent_to_other_threads() {
    fn assert_send<T: Send>(_: &T) {}
    let fake = FakeCluster::new(1);
    let cluster = cluster(&fake);
    let describing = describe(&cluster, Target::Any);
    assert_send(&describing);
    describing.await.unwrap();
    let waiting = cluster.topic("t", Instant::now());
    assert_send(&waiting);
    waiting.await.unwrap_err();
}
