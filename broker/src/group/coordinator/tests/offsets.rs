//! Committing, fetching, deleting and expiring offsets; deleting groups.

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::harness::{Harness, commit_request, config, join_request, on_a_core, settle, start};
use crate::coordinator::CoordinatorLogError;
use crate::group::write::QUEUE_BYTES_MAX;
use crate::group::{
    FetchingMember, GroupConfig, GroupError, GroupState, LeavingMember, OffsetCommit,
    OffsetSelection, TopicToFetch,
};

fn ids(names: &[&str]) -> Vec<Arc<str>> {
    names.iter().map(|name| Arc::from(*name)).collect()
}

#[test]
fn what_was_committed_is_fetched() {
    on_a_core(async {
        let h = Harness::new().await;
        h.commit("group", &[("b", 1, 7), ("a", 0, 5), ("a", 2, 6)])
            .await
            .unwrap();
        let topics = vec![TopicToFetch {
            topic: Arc::from("a"),
            topic_id: Uuid::nil(),
            partitions: vec![2, 1],
        }];
        let some = OffsetSelection::Topics(topics);
        let fetched = h
            .groups
            .offset_fetch("group", FetchingMember::ANYBODY, &some, true)
            .await
            .unwrap();
        let (partition, committed) = &fetched[0].partitions[0];
        let committed = committed.as_ref().unwrap().as_ref().unwrap();
        assert_eq!(
            (*partition, committed.offset, committed.leader_epoch),
            (2, 6, 3)
        );
        assert_eq!((&*committed.metadata, committed.log_offset), ("note", 2));
        assert_eq!(fetched[0].partitions[1], (1, Ok(None)));

        let all = h
            .groups
            .offset_fetch(
                "group",
                FetchingMember::ANYBODY,
                &OffsetSelection::All,
                true,
            )
            .await
            .unwrap();
        let shape: Vec<_> = all
            .iter()
            .map(|topic| (&*topic.topic, topic.partitions.len()))
            .collect();
        assert_eq!(shape, [("a", 2), ("b", 1)]);
        let unknown = h
            .groups
            .offset_fetch("none", FetchingMember::ANYBODY, &some, true)
            .await
            .unwrap();
        assert_eq!(unknown[0].partitions, [(2, Ok(None)), (1, Ok(None))]);
        let unknown = h
            .groups
            .offset_fetch(
                "none",
                FetchingMember::ANYBODY,
                &OffsetSelection::All,
                false,
            )
            .await
            .unwrap();
        assert!(unknown.is_empty());
        let listed = h.groups.list_groups(&[], &[]).unwrap();
        assert_eq!((&*listed[0].group_id, listed[0].state), ("group", "Empty"));
        assert_eq!(&*listed[0].protocol_type, "");
    });
}

#[test]
fn an_offset_is_on_disk_before_it_is_answered_or_fetched() {
    on_a_core(async {
        let h = Harness::new().await;
        h.log.hold();
        let commit = h.start_commit(commit_request("group", &[("t", 0, 5)]));
        assert!(commit.answer().await.is_none());
        assert_eq!(h.fetch("group", "t", 0).await, None);
        let groups = h.groups.clone();
        let stable = start(async move {
            groups
                .offset_fetch(
                    "group",
                    FetchingMember::ANYBODY,
                    &OffsetSelection::All,
                    true,
                )
                .await
        });
        assert!(
            stable.answer().await.is_none(),
            "a stable fetch waits for the commit"
        );
        h.log.release();
        assert_eq!(commit.answer().await, Some(Ok(vec![Ok(())])));
        let fetched = stable.answer().await.unwrap().unwrap();
        let committed = fetched[0].partitions[0].1.as_ref().unwrap();
        assert_eq!(
            committed.as_ref().map(|committed| committed.offset),
            Some(5)
        );
    });
}

#[test]
fn commits_that_queue_up_share_one_batch() {
    on_a_core(async {
        let h = Harness::new().await;
        h.log.hold();
        let commits: Vec<_> = (0..40)
            .map(|i| h.start_commit(commit_request("group", &[("t", i % 4, i64::from(i))])))
            .collect();
        settle().await;
        h.log.release();
        for commit in commits {
            assert_eq!(commit.answer().await, Some(Ok(vec![Ok(())])));
        }
        let batches = h.log.batches();
        assert_eq!(batches.iter().sum::<usize>(), 40);
        assert!(batches.len() <= 2, "{batches:?}");
        for partition in 0..4 {
            assert_eq!(
                h.fetch("group", "t", partition).await,
                Some(i64::from(36 + partition))
            );
        }
    });
}

#[test]
fn a_topic_that_takes_small_batches_only_gets_them_one_by_one() {
    on_a_core(async {
        let h = Harness::new().await;
        h.log.limit_batches(1);
        h.log.hold();
        let good: Vec<_> = (0..3)
            .map(|i| h.start_commit(commit_request("group", &[("t", i, 5)])))
            .collect();
        let too_large = h.start_commit(commit_request("group", &[("t", 8, 5), ("t", 9, 5)]));
        settle().await;
        h.log.release();
        for commit in good {
            assert_eq!(commit.answer().await, Some(Ok(vec![Ok(())])));
        }
        assert_eq!(
            too_large.answer().await,
            Some(Err(GroupError::UnknownServerError))
        );
        assert_eq!(h.fetch("group", "t", 8).await, None);
    });
}

#[test]
fn a_failed_write_commits_nothing() {
    on_a_core(async {
        let h = Harness::new().await;
        h.log
            .fail_with(Some(CoordinatorLogError::KafkaStorageError));
        let failed = h.commit("group", &[("t", 0, 5)]).await;
        assert_eq!(failed, Err(GroupError::NotCoordinator));
        h.log.fail_with(None);
        assert_eq!(h.fetch("group", "t", 0).await, None);
        assert_eq!(
            h.groups.describe_group("group"),
            Err(GroupError::GroupIdNotFound)
        );
        h.commit("group", &[("t", 0, 6)]).await.unwrap();
        assert_eq!(h.fetch("group", "t", 0).await, Some(6));
    });
}

#[test]
fn a_commit_whose_client_went_away_is_committed_all_the_same() {
    on_a_core(async {
        let h = Harness::new().await;
        h.log.hold();
        let commit = h.start_commit(commit_request("group", &[("t", 0, 5)]));
        settle().await;
        commit.abandon();
        h.log.release();
        settle().await;
        assert_eq!(h.fetch("group", "t", 0).await, Some(5));
    });
}

#[test]
fn a_commit_that_takes_too_long_is_answered_and_goes_on() {
    on_a_core(async {
        let timeout = Duration::from_millis(5);
        let hasty = GroupConfig {
            offsets_commit_timeout: timeout,
            ..config()
        };
        let h = Harness::with_config(hasty).await;
        h.log.hold();
        let late = h.commit("group", &[("t", 0, 5)]).await;
        assert_eq!(late, Err(GroupError::CoordinatorNotAvailable));
        h.log.release();
        settle().await;
        assert_eq!(h.fetch("group", "t", 0).await, Some(5));
    });
}

#[test]
fn commits_wait_in_a_bounded_queue() {
    on_a_core(async {
        let config = GroupConfig {
            offset_metadata_max_bytes: usize::MAX,
            ..config()
        };
        let h = Harness::with_config(config).await;
        h.log.hold();
        let mut request = commit_request("group", &[("t", 0, 5)]);
        request.offsets[0].metadata = Some("x".repeat(QUEUE_BYTES_MAX / 8).into());
        let first = h.start_commit(request.clone());
        assert!(
            first.answer().await.is_none(),
            "it is being written, no longer queued"
        );
        // Seven and a bit fill the queue.
        let commits: Vec<_> = (0..9).map(|_| h.start_commit(request.clone())).collect();
        let mut refused = 0;
        for commit in &commits {
            if let Some(answer) = commit.answer().await {
                assert_eq!(answer, Err(GroupError::CoordinatorNotAvailable));
                refused += 1;
            }
        }
        assert_eq!(refused, 2);
        h.log.release();
        assert_eq!(
            h.commit("group", &[("t", 0, 6)]).await,
            Ok(()),
            "there is room again"
        );
    });
}

#[test]
fn only_metadata_within_the_limit_is_taken() {
    on_a_core(async {
        let h = Harness::new().await;
        let mut request = commit_request("group", &[("t", 0, 1), ("t", 1, 2), ("t", 2, 3)]);
        request.offsets[0].metadata = Some("x".repeat(4097).into());
        // 4096 UTF-16 units, 12288 bytes: Java's length counts.
        request.offsets[1].metadata = Some("\u{20ac}".repeat(4096).into());
        request.offsets[2].metadata = None;
        let outcomes = h.groups.offset_commit(request).await.unwrap();
        assert_eq!(
            outcomes,
            [Err(GroupError::OffsetMetadataTooLarge), Ok(()), Ok(())]
        );
        assert_eq!(h.fetch("group", "t", 0).await, None);
        assert_eq!(h.fetch("group", "t", 1).await, Some(2));
        let mut request = commit_request("other", &[("t", 0, 1)]);
        request.offsets[0].metadata = Some("x".repeat(4097).into());
        let outcomes = h.groups.offset_commit(request).await.unwrap();
        assert_eq!(outcomes, [Err(GroupError::OffsetMetadataTooLarge)]);
    });
}

#[test]
fn a_commit_to_an_unknown_group_needs_no_generation() {
    on_a_core(async {
        let h = Harness::new().await;
        let commit = |reports_unknown_group| OffsetCommit {
            generation: 3,
            member_id: Arc::from("m"),
            reports_unknown_group,
            ..commit_request("none", &[("t", 0, 1)])
        };
        let error = h.groups.offset_commit(commit(true)).await.unwrap_err();
        assert_eq!(error, GroupError::GroupIdNotFound);
        let error = h.groups.offset_commit(commit(false)).await.unwrap_err();
        assert_eq!(error, GroupError::IllegalGeneration);
        h.commit("", &[("t", 0, 9)]).await.unwrap();
        assert_eq!(
            h.fetch("", "t", 0).await,
            Some(9),
            "the empty group id is one, too"
        );
    });
}

#[test]
fn a_commit_of_a_member_refreshes_its_session() {
    on_a_core(async {
        let h = Harness::new().await;
        let joined = h.lone_member("group").await;
        for _ in 0..5 {
            h.advance(Duration::from_secs(6)).await;
            let request = OffsetCommit {
                member_id: Arc::clone(&joined.member_id),
                generation: 1,
                ..commit_request("group", &[("topic", 0, 1)])
            };
            assert_eq!(h.groups.offset_commit(request).await, Ok(vec![Ok(())]));
        }
        assert_eq!(
            h.groups.describe_group("group").unwrap().state,
            GroupState::Stable
        );
        h.advance(Duration::from_secs(11)).await;
        assert_eq!(
            h.groups.describe_group("group").unwrap().state,
            GroupState::Empty
        );
    });
}

#[test]
fn offsets_of_subscribed_topics_are_not_deleted() {
    on_a_core(async {
        let h = Harness::new().await;
        h.commit(
            "group",
            &[("topic", 0, 1), ("other", 0, 2), ("other", 1, 3)],
        )
        .await
        .unwrap();
        let joined = h.lone_member("group").await;
        let group_id = Arc::from("group");
        let topics = || {
            vec![
                (Arc::from("topic"), vec![0]),
                (Arc::from("other"), vec![1, 7]),
            ]
        };
        let deleted = h.groups.offset_delete(&group_id, topics()).await;
        assert_eq!(
            deleted,
            Ok(vec![Err(GroupError::GroupSubscribedToTopic), Ok(())])
        );
        assert_eq!(h.fetch("group", "topic", 0).await, Some(1));
        assert_eq!(h.fetch("group", "other", 0).await, Some(2));
        assert_eq!(h.fetch("group", "other", 1).await, None);
        let leaving = LeavingMember {
            member_id: joined.member_id,
            group_instance_id: None,
            reason: None,
        };
        h.groups.leave_group("group", &[leaving]).await.unwrap();
        assert_eq!(
            h.groups.offset_delete(&group_id, topics()).await,
            Ok(vec![Ok(()), Ok(())])
        );
        assert_eq!(h.fetch("group", "topic", 0).await, None);
        let unknown = h.groups.offset_delete(&Arc::from("none"), topics()).await;
        assert_eq!(unknown, Err(GroupError::GroupIdNotFound));
        let invalid = h.groups.offset_delete(&Arc::from(""), topics()).await;
        assert_eq!(invalid, Err(GroupError::InvalidGroupId));
    });
}

#[test]
fn groups_without_members_are_deleted_with_their_offsets() {
    on_a_core(async {
        let h = Harness::new().await;
        h.lone_member("busy").await;
        h.commit("idle", &[("t", 0, 1), ("u", 3, 2)]).await.unwrap();
        let outcomes = h
            .groups
            .delete_groups(&ids(&["busy", "idle", "none"]))
            .await;
        let (busy, none) = (
            Err(GroupError::NonEmptyGroup),
            Err(GroupError::GroupIdNotFound),
        );
        assert_eq!(outcomes, [busy, Ok(()), none]);
        assert_eq!(
            h.groups.describe_group("idle"),
            Err(GroupError::GroupIdNotFound)
        );
        assert_eq!(h.fetch("idle", "t", 0).await, None);
        let restarted = h.restarted().await;
        assert_eq!(
            restarted.groups.describe_group("idle"),
            Err(GroupError::GroupIdNotFound)
        );
        assert_eq!(restarted.groups.list_groups(&[], &[]).unwrap().len(), 1);
    });
}

#[test]
fn a_deletion_takes_along_what_was_committed_before_it() {
    on_a_core(async {
        let h = Harness::new().await;
        h.commit("group", &[("t", 0, 1)]).await.unwrap();
        h.log.hold();
        let commit = h.start_commit(commit_request("group", &[("t", 1, 2)]));
        settle().await;
        let groups = h.groups.clone();
        let delete = start(async move { groups.delete_groups(&ids(&["group"])).await });
        assert!(delete.answer().await.is_none());
        h.log.release();
        assert_eq!(commit.answer().await, Some(Ok(vec![Ok(())])));
        assert_eq!(delete.answer().await, Some(vec![Ok(())]));
        let restarted = h.restarted().await;
        assert_eq!(restarted.fetch("group", "t", 1).await, None);
        assert_eq!(
            restarted.groups.describe_group("group"),
            Err(GroupError::GroupIdNotFound)
        );
    });
}

#[test]
fn a_group_that_is_being_deleted_takes_nobody() {
    on_a_core(async {
        let h = Harness::new().await;
        h.commit("group", &[("t", 0, 1)]).await.unwrap();
        h.log.hold();
        let groups = h.groups.clone();
        let delete = start(async move { groups.delete_groups(&ids(&["group"])).await });
        settle().await;
        let refused = h
            .groups
            .join_group(join_request("group", ""))
            .await
            .unwrap_err();
        assert_eq!(refused.error, GroupError::CoordinatorNotAvailable);
        let late = h.commit("group", &[("t", 0, 2)]).await;
        assert_eq!(late, Err(GroupError::CoordinatorNotAvailable));
        assert_eq!(h.fetch("group", "t", 0).await, None);
        // The tombstones fail: everything is as before.
        h.log
            .fail_with(Some(CoordinatorLogError::NotEnoughReplicas));
        h.log.release();
        let failed = delete.answer().await.unwrap();
        assert_eq!(failed, [Err(GroupError::CoordinatorNotAvailable)]);
        h.log.fail_with(None);
        assert_eq!(h.fetch("group", "t", 0).await, Some(1));
        assert_eq!(h.commit("group", &[("t", 0, 2)]).await, Ok(()));
    });
}

#[test]
fn offsets_of_deleted_topics_are_removed_from_all_groups() {
    on_a_core(async {
        let h = Harness::new().await;
        for group in ["a", "b", "c"] {
            h.commit(group, &[("gone", 0, 1), ("gone", 1, 1), ("kept", 0, 1)])
                .await
                .unwrap();
        }
        assert_eq!(
            h.groups.on_topics_deleted(&ids(&["gone", "never"])).await,
            6
        );
        for group in ["a", "b", "c"] {
            assert_eq!(h.fetch(group, "gone", 1).await, None);
            assert_eq!(h.fetch(group, "kept", 0).await, Some(1));
        }
        assert_eq!(h.groups.on_topics_deleted(&ids(&["gone"])).await, 0);
    });
}

#[test]
fn offsets_expire_and_take_the_empty_group_along() {
    on_a_core(async {
        let h = Harness::new().await;
        h.commit("simple", &[("t", 0, 1)]).await.unwrap();
        let joined = h.lone_member("busy").await;
        h.commit("simple", &[("t", 1, 1)]).await.unwrap();
        let week = Duration::from_secs(7 * 24 * 3600);
        h.clock
            .advance(week.checked_sub(Duration::from_secs(7)).unwrap());
        assert_eq!(h.groups.expire_offsets().await, 0);
        h.clock.advance(Duration::from_secs(2));
        assert_eq!(
            h.groups.expire_offsets().await,
            1,
            "committed six seconds earlier"
        );
        assert_eq!(h.fetch("simple", "t", 0).await, None);
        assert_eq!(h.fetch("simple", "t", 1).await, Some(1));
        h.clock.advance(Duration::from_secs(6));
        assert_eq!(
            h.groups.expire_offsets().await,
            2,
            "the last offset, and the group"
        );
        assert_eq!(
            h.groups.describe_group("simple"),
            Err(GroupError::GroupIdNotFound)
        );
        let busy = h.groups.describe_group("busy").unwrap();
        assert_eq!(
            busy.members[0].member_id, joined.member_id,
            "no timer has been fired"
        );
    });
}

#[test]
fn an_explicit_retention_is_kept_across_a_restart() {
    on_a_core(async {
        let h = Harness::new().await;
        let request = OffsetCommit {
            retention_time_ms: Some(60_000),
            ..commit_request("group", &[("t", 0, 1)])
        };
        h.groups.offset_commit(request).await.unwrap();
        let h = h.restarted().await;
        h.clock.advance(Duration::from_millis(59_999));
        assert_eq!(h.groups.expire_offsets().await, 0);
        h.clock.advance(Duration::from_millis(1));
        assert_eq!(h.groups.expire_offsets().await, 2);
    });
}

#[test]
fn many_tombstones_are_written_in_several_batches() {
    on_a_core(async {
        let h = Harness::new().await;
        let topic = "t".repeat(200);
        let offsets: Vec<(&str, i32, i64)> = (0..3_000).map(|p| (&*topic, p, 1)).collect();
        h.commit("group", &offsets).await.unwrap();
        let before = h.log.batches().len();
        assert_eq!(h.groups.on_topics_deleted(&ids(&[&topic])).await, 3_000);
        let batches = &h.log.batches()[before..];
        assert!(2 <= batches.len(), "{batches:?}");
        assert_eq!(batches.iter().sum::<usize>(), 3_000);
    });
}
