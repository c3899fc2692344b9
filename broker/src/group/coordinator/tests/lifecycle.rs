//! Loading and unloading partitions.

use std::sync::Arc;
use std::time::Duration;

use super::harness::{Harness, commit_request, config, join_request, on_a_core, settle, start};
use crate::coordinator::CoordinatorLogError;
use crate::coordinator::testing::PARTITIONS;
use crate::group::{
    FetchingMember, GroupError, GroupState, LoadSummary, MemberIdentity, OffsetSelection,
};

const MEMBER: MemberIdentity<'static> = MemberIdentity {
    member_id: "m",
    group_instance_id: None,
};

#[test]
fn a_partition_that_is_not_loaded_is_not_coordinated() {
    on_a_core(async {
        let h = Harness::unloaded(config(), Arc::default());
        let not = GroupError::NotCoordinator;
        let refused = h
            .groups
            .join_group(join_request("group", ""))
            .await
            .unwrap_err();
        assert_eq!(refused.error, not);
        assert_eq!(h.groups.heartbeat("group", MEMBER, 1), Err(not));
        assert_eq!(h.commit("group", &[("t", 0, 1)]).await, Err(not));
        let fetched = h
            .groups
            .offset_fetch(
                "group",
                FetchingMember::ANYBODY,
                &OffsetSelection::All,
                false,
            )
            .await;
        assert_eq!(fetched, Err(not));
        assert_eq!(
            h.groups.delete_groups(&[Arc::from("group")]).await,
            [Err(not)]
        );
        assert_eq!(h.groups.list_groups(&[], &[]), Ok(Vec::new()));
        assert_eq!(h.groups.expire_offsets().await, 0);
    });
}

#[test]
fn requests_wait_for_the_load_to_end() {
    on_a_core(async {
        let h = Harness::unloaded(config(), Arc::default());
        h.log.hold();
        let partition = Harness::partition("group");
        let groups = h.groups.clone();
        let load = start(async move { groups.load(partition).await });
        settle().await;
        let loading = GroupError::CoordinatorLoadInProgress;
        assert_eq!(h.commit("group", &[("t", 0, 1)]).await, Err(loading));
        assert_eq!(h.groups.describe_group("group"), Err(loading));
        assert_eq!(h.groups.list_groups(&[], &[]), Err(loading));
        assert_eq!(
            h.groups.heartbeat("group", MEMBER, 1),
            Ok(()),
            "sessions have not begun"
        );
        h.log.release();
        assert_eq!(load.answer().await, Some(Ok(LoadSummary::default())));
        assert_eq!(h.commit("group", &[("t", 0, 1)]).await, Ok(()));
        // Loading again does not lose what is there.
        assert_eq!(h.groups.load(partition).await, Ok(LoadSummary::default()));
        assert_eq!(h.fetch("group", "t", 0).await, Some(1));
    });
}

#[test]
fn a_load_that_fails_leaves_the_partition_alone() {
    on_a_core(async {
        let h = Harness::unloaded(config(), Arc::default());
        h.log
            .fail_with(Some(CoordinatorLogError::KafkaStorageError));
        let partition = Harness::partition("group");
        assert_eq!(
            h.groups.load(partition).await,
            Err(GroupError::KafkaStorageError)
        );
        h.log.fail_with(None);
        let refused = h.commit("group", &[("t", 0, 1)]).await;
        assert_eq!(refused, Err(GroupError::NotCoordinator));
        h.groups.load(partition).await.unwrap();
        assert_eq!(h.commit("group", &[("t", 0, 1)]).await, Ok(()));
    });
}

#[test]
fn an_unload_during_the_load_wins() {
    on_a_core(async {
        let h = Harness::unloaded(config(), Arc::default());
        h.log.hold();
        let partition = Harness::partition("group");
        let groups = h.groups.clone();
        let load = start(async move { groups.load(partition).await });
        settle().await;
        h.groups.unload(partition);
        h.log.release();
        assert_eq!(load.answer().await, Some(Err(GroupError::NotCoordinator)));
        let refused = h.commit("group", &[("t", 0, 1)]).await;
        assert_eq!(refused, Err(GroupError::NotCoordinator));
    });
}

#[test]
fn an_unload_answers_everything_under_way() {
    on_a_core(async {
        let h = Harness::new().await;
        h.commit("group", &[("t", 0, 1)]).await.unwrap();
        let join = h.start_join(join_request("group", ""));
        settle().await;
        h.log.hold();
        let mut other = commit_request("group", &[("t", 1, 2)]);
        other.group_id = same_partition("group");
        let writing = h.start_commit(other.clone());
        settle().await;
        let queued = h.start_commit(other);
        settle().await;
        h.groups.unload(Harness::partition("group"));
        let not = GroupError::NotCoordinator;
        assert_eq!(join.answer().await.unwrap().unwrap_err().error, not);
        assert_eq!(queued.answer().await, Some(Err(not)));
        assert!(writing.answer().await.is_none(), "the append is under way");
        h.log.release();
        assert_eq!(writing.answer().await, Some(Err(not)));
        // What reached the log is there after the next load.
        h.groups.load(Harness::partition("group")).await.unwrap();
        assert_eq!(h.fetch("group", "t", 0).await, Some(1));
        assert_eq!(h.fetch(&same_partition("group"), "t", 1).await, Some(2));
    });
}

/// Another group of the same partition.
fn same_partition(group_id: &str) -> Arc<str> {
    let partition = Harness::partition(group_id);
    (0..)
        .map(|i| format!("other-{i}"))
        .find(|other| Harness::partition(other) == partition)
        .map(Arc::from)
        .unwrap()
}

#[test]
fn damaged_and_unknown_records_are_skipped_and_counted() {
    on_a_core(async {
        let h = Harness::new().await;
        h.commit("group", &[("t", 0, 1)]).await.unwrap();
        let partition = Harness::partition("group");
        let good = h.log.records(partition)[0].clone();
        h.log.push(partition, b"\0\x0awhatever", Some(b"x"));
        h.log.push(partition, b"\0", None);
        h.log.push(partition, &good.key, Some(b"\0\x09"));
        let fresh = Harness::unloaded(config(), Arc::clone(&h.log));
        let summary = fresh.groups.load(partition).await.unwrap();
        assert_eq!(
            summary,
            LoadSummary {
                records: 4,
                groups: 1,
                unknown: 1,
                damaged: 2
            }
        );
        assert_eq!(fresh.fetch("group", "t", 0).await, Some(1));
    });
}

#[test]
fn members_of_a_loaded_group_go_on_or_time_out() {
    on_a_core(async {
        let h = Harness::new().await;
        let joined = h.lone_member("group").await;
        let h = h.restarted().await;
        let identity = MemberIdentity {
            member_id: &joined.member_id,
            group_instance_id: None,
        };
        h.advance(Duration::from_secs(9)).await;
        assert_eq!(h.groups.heartbeat("group", identity, 1), Ok(()));
        h.advance(Duration::from_secs(9)).await;
        assert_eq!(
            h.groups.describe_group("group").unwrap().state,
            GroupState::Stable
        );
        h.advance(Duration::from_secs(2)).await;
        assert_eq!(
            h.groups.describe_group("group").unwrap().state,
            GroupState::Empty
        );
    });
}

#[test]
fn groups_are_listed_by_state_and_type() {
    on_a_core(async {
        let h = Harness::new().await;
        h.lone_member("stable").await;
        h.commit("empty", &[("t", 0, 1)]).await.unwrap();
        let names = |states: &[&str], types: &[&str]| {
            let listed = h.groups.list_groups(states, types).unwrap();
            listed
                .iter()
                .map(|group| group.group_id.to_string())
                .collect::<Vec<_>>()
        };
        assert_eq!(names(&[], &[]), ["empty", "stable"]);
        assert_eq!(names(&["STABLE"], &[]), ["stable"]);
        assert_eq!(names(&["Empty", "Dead"], &["Classic"]), ["empty"]);
        assert_eq!(names(&[], &["consumer"]), [""; 0]);
        assert_eq!(names(&["nonsense"], &[]), [""; 0]);
        assert!((0..PARTITIONS).contains(&h.groups.partition_for("stable")));
    });
}
