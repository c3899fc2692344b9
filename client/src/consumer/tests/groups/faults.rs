//! Coordinators that are slow, silent, elsewhere or old, and connections that end.

use ringbrook_protocol::messages::{ApiKey, FindCoordinatorRequest};

use super::*;
use crate::testing::Gate;

/// Answers are lost with their connections or garbage; or, if the request is one that
/// `request.timeout.ms` is for, never come: the group is joined all the same.
async fn make_up_for<R: ErrorAnswer>(protocol: GroupProtocol, is_ordinary: bool)
where
    R::Response: Send + 'static,
{
    let scene = Scene::new(protocol);
    let fake = &scene.fake;
    fake.next::<R>(|asked, request| {
        Reply::answer(request.error_answer(asked.version, 0)).hang_up()
    });
    fake.next::<R>(|_, _| Reply::raw(&b"HTTP/1.1 400 Bad Request\r\n"[..]));
    if is_ordinary {
        fake.next::<R>(|_, _| Reply::ignored());
    }
    scene.begin().await;
    // Connections end in between, too.
    for node in [0, 1] {
        fake.drop_connections(node);
    }
    while 0 < fake.steps_left_count() {
        scene.consumer.poll(Duration::from_secs(20)).await.unwrap();
    }
    scene.go_on().await;
    scene.consumer.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn lost_answers_of_a_coordinator_are_made_up_for() {
    for protocol in BOTH {
        make_up_for::<FindCoordinatorRequest>(protocol, true).await;
        make_up_for::<OffsetCommitRequest>(protocol, true).await;
        make_up_for::<OffsetFetchRequest>(protocol, true).await;
    }
    make_up_for::<JoinGroupRequest>(GroupProtocol::Classic, false).await;
    make_up_for::<SyncGroupRequest>(GroupProtocol::Classic, false).await;
    make_up_for::<HeartbeatRequest>(GroupProtocol::Classic, true).await;
    make_up_for::<ConsumerGroupHeartbeatRequest>(GroupProtocol::Consumer, true).await;
}

#[tokio::test(start_paused = true)]
async fn a_group_that_moves_is_followed() {
    for protocol in BOTH {
        let scene = Scene::new(protocol);
        scene.begin().await;
        for node in [1, 0, 1] {
            scene.move_to(node);
            scene.go_on().await;
        }
        // To a node that takes over from one that is gone.
        scene.fake.topics(|topics| topics.move_leader("t", 0, 0));
        scene.fake.stop_node(1);
        scene.move_to(0);
        scene.go_on().await;
        // Nobody joined again for that.
        assert_eq!(scene.group().generation_id, 1, "{protocol:?}");
        scene.consumer.close().await.unwrap();
    }
}

/// The others may need as long as `max.poll.interval.ms` to come to the rebalance.
#[tokio::test(start_paused = true)]
async fn the_answer_to_a_join_is_waited_for_longer_than_a_request_may_take() {
    let scene = Scene::new(GroupProtocol::Classic);
    let fake = &scene.fake;
    let gate = Gate::closed();
    let held = gate.clone();
    let group = Arc::clone(&scene.group);
    // The first join brings the member id.
    fake.next::<JoinGroupRequest>({
        let group = Arc::clone(&group);
        move |asked, request| Reply::answer(group.lock().unwrap().join(asked, &request).unwrap())
    });
    fake.next::<JoinGroupRequest>(move |asked, request| {
        Reply::answer(group.lock().unwrap().join(asked, &request).unwrap()).when(&held)
    });
    let idle = scene.consumer.poll(Duration::from_secs(280)).await.unwrap();
    assert!(idle.is_empty());
    assert_eq!(
        fake.requests::<JoinGroupRequest>().len(),
        2,
        "it is not asked again"
    );
    gate.open();
    scene.begin().await;
    scene.go_on().await;
}

#[tokio::test(start_paused = true)]
async fn every_version_of_every_request_does() {
    let apis = [
        (ApiKey::FindCoordinator, 0, 6),
        (ApiKey::JoinGroup, 2, 9),
        (ApiKey::SyncGroup, 0, 5),
        (ApiKey::Heartbeat, 0, 4),
        (ApiKey::LeaveGroup, 0, 5),
        (ApiKey::OffsetCommit, 2, 9),
        (ApiKey::OffsetFetch, 1, 9),
    ];
    for (api, min, max) in apis {
        for version in min..=max {
            let scene = Scene::new(GroupProtocol::Classic);
            scene.fake.serve(api, version, version);
            scene.begin().await;
            scene.go_on().await;
            scene
                .fake
                .next_error::<HeartbeatRequest>(E::IllegalGeneration);
            scene.go_on().await;
            scene.consumer.close().await.unwrap();
            let asked = scene.fake.asked();
            let mut versions = asked.iter().filter(|it| it.api == api).map(|it| it.version);
            assert!(versions.clone().count() != 0 && versions.all(|it| it == version));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn without_the_consumer_protocol_poll_says_what_to_set() {
    let scene = Scene::new(GroupProtocol::Consumer);
    scene.fake.serve(ApiKey::ConsumerGroupHeartbeat, 1, 0);
    let error = scene.consumer.poll(LONG).await.unwrap_err();
    assert!(
        error.to_string().contains("group.protocol=classic"),
        "{error}"
    );
}

/// A member whose poll waited longer than `max.poll.interval.ms` for records was taken for dead,
/// and what it had read before was not committed meanwhile.
#[tokio::test(start_paused = true)]
async fn a_poll_that_waits_long_is_a_sign_of_life_and_commits() {
    for protocol in BOTH {
        let scene = Scene::with(protocol, |config| config.enable_auto_commit = true);
        assert_eq!(values(&scene.consumer, 2).await, ["a", "b"]);
        let hour = Duration::from_hours(1);
        assert!(scene.consumer.poll(hour).await.unwrap().is_empty());
        assert_eq!(scene.group().offset(0), 2, "{protocol:?}");
        assert_eq!(scene.group().generation_id, 1, "{protocol:?}");
        assert_eq!(scene.fake.requests::<LeaveGroupRequest>().len(), 0);
        let append = async {
            scene.fake.received::<OffsetCommitRequest>(1).await;
            append(&scene.fake, 0, &["c"]);
        };
        let (records, ()) = tokio::join!(scene.consumer.poll(Duration::MAX), append);
        assert_eq!(records.unwrap().into_iter().count(), 1);
    }
}

/// A poll waited a minute for the commit before a rebalance, whatever its own timeout.
#[tokio::test(start_paused = true)]
async fn a_poll_ends_in_time_while_the_commit_before_a_rebalance_waits() {
    for protocol in [GroupProtocol::Classic] {
        let fake = FakeCluster::new(2);
        fake.create_topic("t", 1);
        append(&fake, 0, &["a", "b"]);
        let group = coordinate(&fake);
        let config = ConsumerConfig {
            group_protocol: protocol,
            auto_commit_interval: Duration::from_hours(1),
            ..config(&fake).with_group_id("g")
        };
        let consumer = consumer_of(&fake, config);
        consumer.subscribe(["t"]).unwrap();
        assert_eq!(values(&consumer, 2).await, ["a", "b"]);
        let gate = Gate::closed();
        let held = gate.clone();
        fake.next::<OffsetCommitRequest>(move |asked, request| {
            Reply::answer(request.error_answer(asked.version, E::NotCoordinator.code())).when(&held)
        });
        fake.next_error::<HeartbeatRequest>(E::RebalanceInProgress);
        let began = Instant::now();
        for _ in 0..3 {
            assert!(
                consumer
                    .poll(Duration::from_secs(4))
                    .await
                    .unwrap()
                    .is_empty()
            );
        }
        assert_eq!(began.elapsed(), Duration::from_secs(12));
        assert_eq!(fake.steps_left_count(), 0, "the rebalance has begun");
        assert_eq!(fake.requests::<JoinGroupRequest>().len(), 2);
        gate.open();
        append(&fake, 0, &["c"]);
        assert_eq!(values(&consumer, 1).await, ["c"]);
        assert_eq!(
            group.lock().unwrap().offset(0),
            2,
            "committed before the rebalance"
        );
        assert_eq!(fake.requests::<JoinGroupRequest>().len(), 3);
    }
}

/// A member that was told to leave just behind a heartbeat waited for its answer for ever.
#[tokio::test(start_paused = true)]
async fn closing_waits_for_nothing_but_the_commit_and_the_leave() {
    let scene = Scene::new(GroupProtocol::Classic);
    scene.begin().await;
    scene.fake.next::<HeartbeatRequest>(|_, _| Reply::ignored());
    let asked = scene.fake.requests::<HeartbeatRequest>().len();
    scene.fake.received::<HeartbeatRequest>(asked + 1).await;
    let began = Instant::now();
    scene
        .consumer
        .close_within(Duration::from_secs(5))
        .await
        .unwrap_err();
    // The leave goes out on a connection that answers nothing any more: time is up, not more.
    assert_eq!(began.elapsed(), Duration::from_secs(5));

    let scene = Scene::new(GroupProtocol::Consumer);
    scene.begin().await;
    let late = |_: &Asked, _: ConsumerGroupHeartbeatRequest| {
        let answer = ConsumerGroupHeartbeatResponse::default().with_member_epoch(1);
        Reply::answer(answer).delayed(Duration::from_secs(1))
    };
    scene.fake.next(late);
    let asked = scene.fake.requests::<ConsumerGroupHeartbeatRequest>().len();
    scene
        .fake
        .received::<ConsumerGroupHeartbeatRequest>(asked + 1)
        .await;
    let began = Instant::now();
    scene.consumer.close().await.unwrap();
    assert!(began.elapsed() <= Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn commits_reach_the_coordinator_in_the_order_of_calls() {
    for protocol in BOTH {
        let scene = Scene::new(protocol);
        scene.begin().await;
        let told = Arc::new(Mutex::new(Vec::new()));
        for offset in [7, 5, 6] {
            let told = Arc::clone(&told);
            let offsets = [(tp(0), offset.into())].into();
            let tell = move |result: Result<(), ClientError>| {
                result.unwrap();
                told.lock().unwrap().push(offset);
            };
            scene.consumer.commit_offsets_async(offsets, tell).unwrap();
        }
        // It comes after all of those, and is answered after them.
        scene
            .consumer
            .commit_offsets([(tp(0), 8.into())].into())
            .await
            .unwrap();
        assert_eq!(*told.lock().unwrap(), [7, 5, 6], "{protocol:?}");
        assert_eq!(scene.group().offset(0), 8);
    }
}
