//! Joining, syncing, heartbeats and leaves through the coordinator.

use std::sync::Arc;
use std::time::Duration;

use ringbrook_engine::SystemClock;

use super::harness::{
    Harness, config, join_request, on_a_core, settle, start, sync_request, until,
};
use crate::coordinator::testing::shared;
use crate::group::testing::TestCluster;
use crate::group::{
    GroupConfig, GroupCoordinator, GroupError, GroupState, JoinRefused, JoinRequest, LeavingMember,
    MemberIdentity,
};

fn identity(member_id: &str) -> MemberIdentity<'_> {
    MemberIdentity {
        member_id,
        group_instance_id: None,
    }
}

fn leaving(member_id: &str) -> LeavingMember {
    LeavingMember {
        member_id: Arc::from(member_id),
        group_instance_id: None,
        reason: None,
    }
}

#[test]
fn a_member_joins_syncs_lives_and_leaves() {
    on_a_core(async {
        let h = Harness::new().await;
        let joined = h.lone_member("group").await;
        let described = h.groups.describe_group("group").unwrap();
        assert_eq!(described.state, GroupState::Stable);
        assert_eq!(&*described.protocol, "range");
        assert_eq!(
            &*described.members[0].assignment,
            joined.member_id.as_bytes()
        );
        assert_eq!(&*described.members[0].client_host, "/127.0.0.1");

        assert_eq!(
            h.groups.heartbeat("group", identity(&joined.member_id), 1),
            Ok(())
        );
        let wrong = h.groups.heartbeat("group", identity(&joined.member_id), 2);
        assert_eq!(wrong, Err(GroupError::IllegalGeneration));

        let left = h
            .groups
            .leave_group("group", &[leaving(&joined.member_id)])
            .await;
        assert_eq!(left, Ok(vec![Ok(())]));
        settle().await;
        assert_eq!(
            h.groups.describe_group("group").unwrap().state,
            GroupState::Empty
        );
        assert_eq!(h.log.batches(), [1, 1, 1], "created, stable, empty");
    });
}

#[test]
fn the_sync_waits_for_the_disk() {
    on_a_core(async {
        let h = Harness::new().await;
        let join = h.start_join(join_request("group", ""));
        h.advance(Duration::from_secs(6)).await;
        let joined = join.answer().await.unwrap().unwrap();
        h.log.hold();
        let groups = h.groups.clone();
        let request = sync_request("group", &joined);
        let sync = start(async move { groups.sync_group(request).await });
        assert!(sync.answer().await.is_none());
        let state = h.groups.describe_group("group").unwrap().state;
        assert_eq!(state, GroupState::CompletingRebalance);
        h.log.release();
        let synced = sync.answer().await.unwrap().unwrap();
        assert_eq!(&*synced.assignment, joined.member_id.as_bytes());
        assert_eq!(
            h.groups.describe_group("group").unwrap().state,
            GroupState::Stable
        );
    });
}

#[test]
fn unknown_groups_know_no_members() {
    on_a_core(async {
        let h = Harness::new().await;
        let unknown = Err(GroupError::UnknownMemberId);
        assert_eq!(h.groups.heartbeat("none", identity("m"), 1), unknown);
        let refused = h
            .groups
            .join_group(join_request("none", "m"))
            .await
            .unwrap_err();
        let member_id = Arc::from("m");
        assert_eq!(
            refused,
            JoinRefused {
                error: GroupError::UnknownMemberId,
                member_id
            }
        );
        assert_eq!(
            h.groups.leave_group("none", &[leaving("m")]).await,
            Ok(vec![unknown])
        );
        assert_eq!(
            h.groups.describe_group("none"),
            Err(GroupError::GroupIdNotFound)
        );
        assert_eq!(h.groups.list_groups(&[], &[]), Ok(Vec::new()));
    });
}

#[test]
fn requests_that_are_wrong_in_themselves_are_refused() {
    on_a_core(async {
        let h = Harness::new().await;
        let error = |request: JoinRequest| {
            let groups = h.groups.clone();
            async move { groups.join_group(request).await.unwrap_err().error }
        };
        assert_eq!(
            error(join_request("", "")).await,
            GroupError::InvalidGroupId
        );
        let long = "g".repeat(32_768);
        assert_eq!(
            error(join_request(&long, "")).await,
            GroupError::InvalidGroupId
        );
        for session_timeout_ms in [-1, 0, 5_999, 1_800_001] {
            let request = JoinRequest {
                session_timeout_ms,
                ..join_request("group", "")
            };
            assert_eq!(error(request).await, GroupError::InvalidSessionTimeout);
        }
        let no_protocols = JoinRequest {
            protocols: Vec::new(),
            ..join_request("group", "")
        };
        assert_eq!(
            error(no_protocols).await,
            GroupError::InconsistentGroupProtocol
        );
        assert_eq!(
            h.groups.heartbeat("", identity("m"), 1),
            Err(GroupError::InvalidGroupId)
        );
        settle().await;
        assert_eq!(
            h.groups.list_groups(&[], &[]),
            Ok(Vec::new()),
            "no group came of it"
        );
        assert!(h.log.batches().is_empty());
    });
}

#[test]
fn hundreds_of_members_join_at_once() {
    on_a_core(async {
        let h = Harness::new().await;
        let joins: Vec<_> = (0..300)
            .map(|_| h.start_join(join_request("group", "")))
            .collect();
        h.advance(Duration::from_secs(7)).await;
        let mut syncs = Vec::new();
        for join in &joins {
            let joined = join
                .answer()
                .await
                .expect("an answer")
                .expect("a generation");
            assert_eq!(joined.generation, 1);
            let groups = h.groups.clone();
            let request = sync_request("group", &joined);
            let sync = start(async move { groups.sync_group(request).await });
            syncs.push((joined.member_id, sync));
        }
        for (member_id, sync) in syncs {
            let synced = sync
                .answer()
                .await
                .expect("an answer")
                .expect("an assignment");
            assert_eq!(&*synced.assignment, member_id.as_bytes());
        }
        assert_eq!(h.groups.describe_group("group").unwrap().members.len(), 300);
    });
}

#[test]
fn the_timer_task_fires_timers_by_itself() {
    on_a_core(async {
        let config = GroupConfig {
            initial_rebalance_delay: Duration::from_millis(20),
            min_session_timeout: Duration::from_millis(1),
            ..config()
        };
        let clock = Arc::new(SystemClock::new());
        let groups = GroupCoordinator::new(
            config,
            shared(&Arc::default()),
            Arc::default() as Arc<TestCluster>,
            clock,
        );
        groups.load(Harness::partition("group")).await.unwrap();
        let timers = groups.clone();
        let task = tokio::task::spawn_local(async move { timers.run_timers().await });
        // The task sleeps already, with nothing to wait for, when the join sets a timer.
        settle().await;
        let request = JoinRequest {
            session_timeout_ms: 50,
            ..join_request("group", "")
        };
        let joined = groups.join_group(request).await.unwrap();
        groups
            .sync_group(sync_request("group", &joined))
            .await
            .unwrap();
        let state = || groups.describe_group("group").unwrap().state;
        until("its session ended", || state() == GroupState::Empty).await;
        task.abort();
    });
}

#[test]
fn a_client_that_goes_away_while_parked_does_no_harm() {
    on_a_core(async {
        let h = Harness::new().await;
        let gone = h.start_join(join_request("group", ""));
        settle().await;
        gone.abandon();
        let join = h.start_join(join_request("group", ""));
        h.advance(Duration::from_secs(7)).await;
        let joined = join.answer().await.unwrap().unwrap();
        assert_eq!(joined.generation, 1);
        assert_ne!(
            joined.leader, joined.member_id,
            "the one that went away came first"
        );
        // Its sync is missed after the rebalance timeout; the other one goes on without it.
        h.advance(Duration::from_secs(61)).await;
        let described = h.groups.describe_group("group").unwrap();
        assert!(described.members.is_empty(), "neither synced");
    });
}
