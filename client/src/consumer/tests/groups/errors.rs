//! Every error that coordinators answer with: what passes is waited out, what does not is told.

use ringbrook_protocol::messages::FindCoordinatorRequest;

use super::*;

/// Lays down one error after the other, each for a group of its own that has to begin and go on.
async fn wait_out<R: ErrorAnswer>(protocol: GroupProtocol, errors: &[E])
where
    R::Response: Send + 'static,
{
    for error in errors {
        let scene = Scene::new(protocol);
        scene.fake.next_error::<R>(*error);
        scene.fake.next_error::<R>(*error);
        scene.begin().await;
        scene.go_on().await;
        scene.consumer.close().await.unwrap();
    }
}

/// The errors that say that there is no coordinator now, or not there.
const AWAY: [E; 3] = [
    E::CoordinatorLoadInProgress,
    E::CoordinatorNotAvailable,
    E::NotCoordinator,
];

#[tokio::test(start_paused = true)]
async fn coordinators_that_are_away_are_waited_for() {
    for protocol in BOTH {
        wait_out::<FindCoordinatorRequest>(protocol, &[E::CoordinatorNotAvailable]).await;
        wait_out::<OffsetCommitRequest>(protocol, &AWAY).await;
        wait_out::<OffsetFetchRequest>(protocol, &AWAY).await;
    }
    wait_out::<JoinGroupRequest>(GroupProtocol::Classic, &AWAY).await;
    wait_out::<SyncGroupRequest>(GroupProtocol::Classic, &AWAY).await;
    wait_out::<HeartbeatRequest>(GroupProtocol::Classic, &AWAY).await;
    wait_out::<ConsumerGroupHeartbeatRequest>(GroupProtocol::Consumer, &AWAY).await;
}

#[tokio::test(start_paused = true)]
async fn rebalances_and_lost_places_lead_back_into_the_group() {
    let moved = [
        E::RebalanceInProgress,
        E::IllegalGeneration,
        E::UnknownMemberId,
    ];
    wait_out::<JoinGroupRequest>(GroupProtocol::Classic, &[E::UnknownMemberId]).await;
    wait_out::<SyncGroupRequest>(GroupProtocol::Classic, &moved).await;
    wait_out::<HeartbeatRequest>(GroupProtocol::Classic, &moved).await;
    let put_out = [E::FencedMemberEpoch, E::UnknownMemberId];
    wait_out::<ConsumerGroupHeartbeatRequest>(GroupProtocol::Consumer, &put_out).await;
}

#[tokio::test(start_paused = true)]
async fn commits_and_offsets_that_must_wait_do() {
    for protocol in BOTH {
        let passing = [E::RequestTimedOut, E::UnknownTopicOrPartition];
        wait_out::<OffsetCommitRequest>(protocol, &passing).await;
        wait_out::<OffsetFetchRequest>(protocol, &[E::UnstableOffsetCommit]).await;
    }
}

/// Polls until there is an error, in a time in which nothing may be missed.
async fn error_of(consumer: &TextConsumer) -> ClientError {
    for _ in 0..5 {
        if let Err(error) = consumer.poll(Duration::from_secs(10)).await {
            return error;
        }
    }
    panic!("no error");
}

/// An error that the application is told, and how it goes on when the cause is gone.
async fn told<R: ErrorAnswer>(errors: &[E])
where
    R::Response: Send + 'static,
{
    for code in errors {
        let scene = Scene::new(GroupProtocol::Classic);
        scene.fake.next_error::<R>(*code);
        let error = error_of(&scene.consumer).await;
        assert_eq!(error.response_error(), Some(*code), "{error}");
        assert_eq!(scene.fake.steps_left_count(), 0);
        append(&scene.fake, 0, &["c"]);
        scene.consumer.seek_to_beginning_when_assigned().await;
        assert_eq!(
            values(&scene.consumer, 3).await,
            ["a", "b", "c"],
            "{code:?}"
        );
        scene.consumer.commit_sync().await.unwrap();
        assert_eq!(scene.group().offset(0), 3);
    }
}

impl TextConsumer {
    /// Polls until its partition is there, and goes to its beginning.
    async fn seek_to_beginning_when_assigned(&self) {
        while self.assignment().is_empty() {
            self.poll(Duration::from_millis(1)).await.unwrap();
        }
        self.seek(&tp(0), 0).unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn what_does_not_pass_is_told_by_poll() {
    told::<FindCoordinatorRequest>(&[E::GroupAuthorizationFailed, E::InvalidGroupId]).await;
    told::<JoinGroupRequest>(&[
        E::GroupAuthorizationFailed,
        E::InconsistentGroupProtocol,
        E::InvalidSessionTimeout,
        E::InvalidGroupId,
        E::GroupMaxSizeReached,
        E::FencedInstanceId,
    ])
    .await;
    told::<SyncGroupRequest>(&[E::GroupAuthorizationFailed, E::FencedInstanceId]).await;
    told::<HeartbeatRequest>(&[E::GroupAuthorizationFailed, E::FencedInstanceId]).await;
}

#[tokio::test(start_paused = true)]
async fn what_ends_membership_in_the_consumer_protocol_is_told_once() {
    for code in [
        E::GroupAuthorizationFailed,
        E::InvalidRequest,
        E::GroupMaxSizeReached,
        E::UnsupportedAssignor,
        E::UnreleasedInstanceId,
        E::FencedInstanceId,
        E::InvalidRegularExpression,
        E::UnsupportedVersion,
        E::UnknownServerError,
    ] {
        let scene = Scene::new(GroupProtocol::Consumer);
        let fake = &scene.fake;
        scene.begin().await;
        fake.next_error::<ConsumerGroupHeartbeatRequest>(code);
        let error = error_of(&scene.consumer).await;
        assert_eq!(error.response_error(), Some(code), "{error}");
        let asked = fake.requests::<ConsumerGroupHeartbeatRequest>().len();
        assert!(scene.consumer.poll(LONG).await.unwrap().is_empty());
        assert!(scene.consumer.assignment().is_empty());
        let asked_since = fake.requests::<ConsumerGroupHeartbeatRequest>().len() - asked;
        assert_eq!(asked_since, 0, "{code:?}");
        scene.consumer.unsubscribe().await.unwrap();
        scene.consumer.subscribe(["t"]).unwrap();
        scene.go_on().await;
    }
}

#[tokio::test(start_paused = true)]
async fn commits_that_are_refused_are_not_tried_again() {
    for protocol in BOTH {
        let scene = Scene::new(protocol);
        scene.begin().await;
        for code in [
            E::GroupAuthorizationFailed,
            E::TopicAuthorizationFailed,
            E::OffsetMetadataTooLarge,
            E::InvalidCommitOffsetSize,
            E::IllegalGeneration,
            E::UnknownMemberId,
            E::FencedInstanceId,
            E::RebalanceInProgress,
        ] {
            let asked = scene.fake.requests::<OffsetCommitRequest>().len();
            scene.fake.next_error::<OffsetCommitRequest>(code);
            let error = scene.consumer.commit_sync().await.unwrap_err();
            assert_eq!(error.response_error(), Some(code), "{error}");
            let asked_since = scene.fake.requests::<OffsetCommitRequest>().len() - asked;
            assert_eq!(asked_since, 1, "{protocol:?} {code:?}");
        }
        scene.go_on().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_commit_of_a_stale_epoch_is_sent_again_with_the_new_one() {
    let scene = Scene::new(GroupProtocol::Consumer);
    scene.begin().await;
    scene
        .fake
        .next_error::<OffsetCommitRequest>(E::StaleMemberEpoch);
    // As long as the member knows no other epoch, the same commit cannot do better.
    let error = scene.consumer.commit_sync().await.unwrap_err();
    assert_eq!(error.response_error(), Some(E::StaleMemberEpoch), "{error}");
    scene.go_on().await;
}

#[tokio::test(start_paused = true)]
async fn offsets_that_may_not_be_read_are_an_error() {
    for protocol in BOTH {
        for code in [E::GroupAuthorizationFailed, E::InvalidGroupId] {
            let scene = Scene::new(protocol);
            scene.begin().await;
            scene.fake.next_error::<OffsetFetchRequest>(code);
            let error = scene.consumer.committed(&[tp(0)]).await.unwrap_err();
            assert_eq!(error.response_error(), Some(code), "{error}");
            scene.go_on().await;
        }
    }
}
