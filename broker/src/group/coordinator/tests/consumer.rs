//! Consumer groups through the coordinator: answers wait for the disk, a failed write is taken
//! back, groups survive restarts, change their kind when empty, and are administered.

use std::sync::Arc;
use std::time::Duration;

use super::harness::{Harness, config, on_a_core, settle, txn_commit_request, until};
use crate::coordinator::CoordinatorLogError;
use crate::group::assignor::Assignment;
use crate::group::{
    ConsumerHeartbeat, ConsumerHeartbeatAnswer, FetchingMember, GroupError, OffsetSelection,
    Refused,
};

type Answer = Result<ConsumerHeartbeatAnswer, Refused>;
/// Makes something wrong with a request.
type Change = fn(&mut ConsumerHeartbeat);

fn join(group_id: &str, member_id: &str) -> ConsumerHeartbeat {
    ConsumerHeartbeat {
        group_id: Arc::from(group_id),
        member_id: Arc::from(member_id),
        member_epoch: 0,
        instance_id: None,
        rack_id: None,
        rebalance_timeout_ms: Some(60_000),
        subscribed_topic_names: Some([Arc::from("t")].into()),
        subscribed_topic_regex: None,
        server_assignor: None,
        owned: Some(Assignment::new()),
        client_id: Arc::from("client"),
        client_host: Arc::from("/127.0.0.1"),
        generates_member_id: true,
    }
}

fn beat(group_id: &str, member_id: &str, member_epoch: i32) -> ConsumerHeartbeat {
    ConsumerHeartbeat {
        member_epoch,
        rebalance_timeout_ms: None,
        subscribed_topic_names: None,
        owned: None,
        ..join(group_id, member_id)
    }
}

async fn with_topic() -> Harness {
    let h = Harness::new().await;
    h.cluster.change(|topics| topics.put("t", 2));
    h
}

async fn send(h: &Harness, request: ConsumerHeartbeat) -> Answer {
    h.groups.consumer_group_heartbeat(request).await
}

fn error_of(answer: Answer) -> GroupError {
    answer.expect_err("refused").error
}

#[test]
fn answers_wait_for_the_disk_also_those_that_say_nothing_new() {
    on_a_core(async {
        let h = with_topic().await;
        h.log.hold();
        let (groups, again) = (h.groups.clone(), h.groups.clone());
        let joining = tokio::task::spawn_local(async move {
            groups.consumer_group_heartbeat(join("group", "a")).await
        });
        settle().await;
        let beating = tokio::task::spawn_local(async move {
            again.consumer_group_heartbeat(beat("group", "a", 2)).await
        });
        settle().await;
        assert!(!joining.is_finished() && !beating.is_finished());
        h.log.release();
        assert_eq!(joining.await.unwrap().unwrap().member_epoch, 2);
        assert_eq!(beating.await.unwrap().unwrap().assignment, None);
        settle().await;
        assert_eq!(h.log.batches(), [5], "the second had nothing to write");
        h.groups.assert_quiet(Harness::partition("group"));
        // Nothing under way: answered at once.
        h.log.hold();
        send(&h, beat("group", "a", 2)).await.unwrap();
    });
}

#[test]
fn a_failed_write_is_as_if_it_had_not_happened() {
    on_a_core(async {
        let h = with_topic().await;
        send(&h, join("group", "a")).await.unwrap();
        h.commit("group", &[("t", 0, 7)]).await.unwrap_err();
        h.log
            .fail_with(Some(CoordinatorLogError::NotEnoughReplicas));
        let failed = send(&h, join("group", "b")).await;
        assert_eq!(error_of(failed), GroupError::CoordinatorNotAvailable);
        // The partition cannot even be read for a while.
        settle().await;
        let loading = send(&h, beat("group", "a", 2)).await;
        assert!(
            matches!(
                error_of(loading),
                GroupError::CoordinatorLoadInProgress | GroupError::NotCoordinator
            ),
            "not served meanwhile"
        );
        h.log.fail_with(None);
        let described = || h.groups.describe_consumer_group("group");
        until("the partition is read again", || described().is_ok()).await;
        let described = described().unwrap();
        assert_eq!(described.epoch, 2);
        assert_eq!(described.members.len(), 1, "b never was");
        assert_eq!(
            send(&h, beat("group", "a", 2)).await.unwrap().member_epoch,
            2
        );
        send(&h, join("group", "b")).await.unwrap();
    });
}

#[test]
fn a_restarted_coordinator_goes_on_where_the_other_was() {
    on_a_core(async {
        let h = with_topic().await;
        send(&h, join("group", "a")).await.unwrap();
        // Past the interval between two assignments.
        h.clock.advance(Duration::from_secs(1));
        send(&h, join("group", "b")).await.unwrap();
        send(&h, beat("group", "a", 2)).await.unwrap();
        let before = h.groups.describe_consumer_group("group").unwrap();
        let fresh = h.restarted().await;
        let topics = h.cluster.change(|topics| topics.clone());
        fresh.cluster.change(|mine| *mine = topics);
        assert_eq!(fresh.groups.describe_consumer_group("group"), Ok(before));
        assert_eq!(
            send(&fresh, beat("group", "b", 3))
                .await
                .unwrap()
                .member_epoch,
            3
        );
        fresh.advance(Duration::from_secs(46)).await;
        assert_eq!(
            error_of(send(&fresh, beat("group", "a", 2)).await),
            GroupError::UnknownMemberId
        );
        let described = fresh.groups.describe_consumer_group("group").unwrap();
        assert_eq!((described.state, described.members.len()), ("Empty", 0));
    });
}

#[test]
fn groups_change_their_kind_when_they_are_empty() {
    on_a_core(async {
        let h = with_topic().await;
        let joined = h.lone_member("group").await;
        assert_eq!(
            error_of(send(&h, join("group", "a")).await),
            GroupError::GroupIdNotFound,
            "in use by the classic protocol, with assignments nobody can read"
        );
        let leaving = crate::group::LeavingMember {
            member_id: joined.member_id,
            group_instance_id: None,
            reason: None,
        };
        h.groups.leave_group("group", &[leaving]).await.unwrap();
        settle().await;
        h.commit("group", &[("t", 0, 42)]).await.unwrap();
        send(&h, join("group", "a")).await.unwrap();
        assert_eq!(h.fetch("group", "t", 0).await, Some(42), "offsets stay");
        let listed = h.groups.list_groups(&[], &["consumer"]).unwrap();
        assert_eq!((listed.len(), listed[0].group_type), (1, "consumer"));
        assert_eq!(
            h.groups.describe_group("group"),
            Err(GroupError::GroupIdNotFound)
        );
        let fresh = h.restarted().await;
        assert_eq!(
            fresh.groups.list_groups(&[], &[]).unwrap()[0].group_type,
            "consumer"
        );
        assert_eq!(fresh.fetch("group", "t", 0).await, Some(42));

        send(&h, beat("group", "a", -1)).await.unwrap();
        h.lone_member("group").await;
        let listed = h.groups.list_groups(&["stable"], &[]).unwrap();
        assert_eq!((listed.len(), listed[0].group_type), (1, "classic"));
        assert_eq!(h.fetch("group", "t", 0).await, Some(42));
        let fresh = h.restarted().await;
        let listed = fresh.groups.list_groups(&[], &[]).unwrap();
        assert_eq!((listed.len(), listed[0].group_type), (1, "classic"));
    });
}

#[test]
fn a_refused_first_member_leaves_no_group() {
    on_a_core(async {
        let h = with_topic().await;
        let invalid = ConsumerHeartbeat {
            subscribed_topic_regex: Some(Arc::from("[")),
            ..join("group", "a")
        };
        assert_eq!(
            error_of(send(&h, invalid).await),
            GroupError::InvalidRegularExpression
        );
        assert_eq!(
            error_of(send(&h, beat("group", "a", 1)).await),
            GroupError::GroupIdNotFound
        );
        assert!(h.groups.list_groups(&[], &[]).unwrap().is_empty());
        assert!(h.log.batches().is_empty());
    });
}

#[test]
fn an_empty_group_is_deleted_with_everything_it_has() {
    on_a_core(async {
        let h = with_topic().await;
        let by_regex = ConsumerHeartbeat {
            subscribed_topic_regex: Some(Arc::from("t.*")),
            ..join("group", "a")
        };
        send(&h, by_regex).await.unwrap();
        h.advance(Duration::from_millis(500)).await;
        let ids = [Arc::from("group")];
        let refused = h.groups.delete_groups(&ids).await;
        assert_eq!(refused, [Err(GroupError::NonEmptyGroup)]);
        send(&h, beat("group", "a", -1)).await.unwrap();
        h.commit("group", &[("t", 1, 3)]).await.unwrap();
        assert_eq!(h.groups.delete_groups(&ids).await, [Ok(())]);
        assert!(h.groups.list_groups(&[], &[]).unwrap().is_empty());
        let fresh = h.restarted().await;
        assert!(fresh.groups.list_groups(&[], &[]).unwrap().is_empty());
        // Of every key the last record is a tombstone.
        let mut last = std::collections::HashMap::new();
        for record in h.log.records(Harness::partition("group")) {
            last.insert(record.key, record.value.is_some());
        }
        assert!(last.values().all(|has_value| !has_value), "{last:?}");
    });
}

#[test]
fn a_leave_under_way_is_written_before_the_group_is_deleted() {
    on_a_core(async {
        let h = with_topic().await;
        send(&h, join("group", "a")).await.unwrap();
        h.log.hold();
        let groups = h.groups.clone();
        let leaving = tokio::task::spawn_local(async move {
            groups
                .consumer_group_heartbeat(beat("group", "a", -1))
                .await
        });
        settle().await;
        let groups = h.groups.clone();
        let deleting =
            tokio::task::spawn_local(
                async move { groups.delete_groups(&[Arc::from("group")]).await },
            );
        settle().await;
        h.log.release();
        leaving.await.unwrap().unwrap();
        assert_eq!(deleting.await.unwrap(), [Ok(())]);
        let fresh = h.restarted().await;
        assert!(fresh.groups.list_groups(&[], &[]).unwrap().is_empty());
    });
}

#[test]
fn regular_expressions_are_resolved_in_the_background() {
    on_a_core(async {
        let h = with_topic().await;
        let by_regex = ConsumerHeartbeat {
            subscribed_topic_names: None,
            subscribed_topic_regex: Some(Arc::from("t.*")),
            ..join("group", "a")
        };
        let answer = send(&h, by_regex).await.unwrap();
        assert_eq!(answer.assignment, Some(Assignment::new()));
        let mut epoch = 1;
        // The search runs on another thread.
        while h.groups.describe_consumer_group("group").unwrap().epoch == epoch {
            tokio::task::yield_now().await;
        }
        h.clock.advance(Duration::from_secs(1));
        let answer = send(&h, beat("group", "a", epoch)).await.unwrap();
        epoch = answer.member_epoch;
        assert_eq!(epoch, 2);
        assert_eq!(answer.assignment.expect("found").len(), 1);
    });
}

#[test]
fn offsets_of_a_consumer_group_are_its_members() {
    on_a_core(async {
        let h = with_topic().await;
        send(&h, join("group", "a")).await.unwrap();
        assert_eq!(
            h.commit("group", &[("t", 0, 1)]).await,
            Err(GroupError::UnknownMemberId)
        );
        let wrong = FetchingMember {
            member_id: Some("a"),
            member_epoch: 1,
        };
        let fetched = h
            .groups
            .offset_fetch("group", wrong, &OffsetSelection::All, false);
        assert_eq!(fetched.await, Err(GroupError::StaleMemberEpoch));
        // Subscribed to, so not to be deleted.
        let group_id = Arc::from("group");
        let deleted = h
            .groups
            .offset_delete(&group_id, vec![(Arc::from("t"), vec![0])]);
        assert_eq!(
            deleted.await,
            Ok(vec![Err(GroupError::GroupSubscribedToTopic)])
        );
    });
}

#[test]
fn requests_that_contradict_themselves_are_refused() {
    let wrong: [(&str, Change); 11] = [
        ("no member id", |it| it.member_id = Arc::from("")),
        ("no group id", |it| it.group_id = Arc::from("")),
        ("instance id", |it| it.instance_id = Some(Arc::from(""))),
        ("rack id", |it| it.rack_id = Some(Arc::from(""))),
        ("no timeout", |it| it.rebalance_timeout_ms = None),
        ("owned unsaid", |it| it.owned = None),
        ("no topics", |it| it.subscribed_topic_names = None),
        ("static without instance", |it| it.member_epoch = -2),
        ("epoch", |it| it.member_epoch = -3),
        ("member id too long", |it| {
            it.member_id = Arc::from("x".repeat(32_768));
        }),
        ("too much", |it| {
            let names = (0..30_000).map(|i| Arc::from(format!("topic-{i:06}")));
            it.subscribed_topic_names = Some(names.collect());
        }),
    ];
    on_a_core(async {
        let h = Harness::with_config(config()).await;
        for (what, change) in wrong {
            let mut request = join("group", "a");
            change(&mut request);
            let error = error_of(send(&h, request).await);
            assert_eq!(error, GroupError::InvalidRequest, "{what}");
        }
        let mut unknown = join("group", "a");
        unknown.server_assignor = Some(Arc::from("sticky"));
        let refused = send(&h, unknown).await.expect_err("refused");
        assert_eq!(refused.error, GroupError::UnsupportedAssignor);
        assert!(
            refused
                .message
                .ends_with("Supported assignors: uniform, range.")
        );
        // Version 0 lets the coordinator make the id.
        let mut nameless = join("group", "");
        nameless.generates_member_id = false;
        assert!(!send(&h, nameless).await.unwrap().member_id.is_empty());
    });
}

/// The handler once gave no topic ids, so that a transaction which was under way when the epoch
/// rose could not be committed.
#[test]
fn transactions_commit_with_the_epoch_of_what_the_member_has_kept() {
    on_a_core(async {
        let h = Harness::new().await;
        let topic_id = h.cluster.change(|topics| topics.put("t", 2));
        send(&h, join("group", "a")).await.unwrap();
        h.clock.advance(Duration::from_secs(1));
        send(&h, join("group", "b")).await.unwrap();
        let answer = send(&h, beat("group", "a", 2)).await.unwrap();
        let kept = answer.assignment.unwrap();
        let kept_index = *kept[&topic_id].first().unwrap();
        let owning = ConsumerHeartbeat {
            owned: Some(kept),
            ..beat("group", "a", 2)
        };
        assert_eq!(send(&h, owning).await.unwrap().member_epoch, 3);
        let commit = |partition| {
            let mut request = txn_commit_request("group", 7, &[("t", partition, 5)]);
            request.member_id = Arc::from("a");
            request.generation = 2;
            request.offsets[0].topic_id = topic_id;
            h.groups.txn_offset_commit(request)
        };
        let moved = commit(1 - kept_index).await;
        assert_eq!(moved.unwrap_err(), GroupError::IllegalGeneration);
        commit(kept_index).await.unwrap();
        h.end("group", 7, true).await.unwrap();
        assert_eq!(h.fetch("group", "t", kept_index).await, Some(5));
    });
}
