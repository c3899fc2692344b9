//! Groups that change their protocol through the coordinator: what is written and in which order,
//! who is answered what and when, and what a restart or a failed write leaves.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::harness::{
    Harness, commit_request, config, join_request, on_a_core, settle, start, until,
};
use crate::coordinator::CoordinatorLogError;
use crate::group::assignor::Assignment;
use crate::group::consumer::settings::ConsumerGroupConfig;
use crate::group::schema::{ConsumerAssignment, ConsumerGroupKey, RecordKey};
use crate::group::{
    ConsumerHeartbeat, GroupConfig, GroupError, GroupState, JoinRequest, Joined, LeavingMember,
    MemberIdentity, MigrationPolicy, OffsetCommit, SyncRequest, Synced,
};

/// The topic that `join_request` subscribes to.
const TOPIC: &str = "topic";

async fn with_topic(config: GroupConfig) -> Harness {
    let h = Harness::with_config(config).await;
    h.cluster.change(|topics| topics.put(TOPIC, 4));
    h
}

fn consumer(member_id: &str, member_epoch: i32) -> ConsumerHeartbeat {
    ConsumerHeartbeat {
        group_id: Arc::from("group"),
        member_id: Arc::from(member_id),
        member_epoch,
        instance_id: None,
        rack_id: None,
        rebalance_timeout_ms: Some(60_000),
        subscribed_topic_names: Some([Arc::from(TOPIC)].into()),
        subscribed_topic_regex: None,
        server_assignor: None,
        owned: Some(Assignment::new()),
        client_id: Arc::from("client"),
        client_host: Arc::from("/127.0.0.1"),
        generates_member_id: true,
    }
}

fn sync(joined: &Joined, assignments: Vec<(Arc<str>, Bytes)>) -> SyncRequest {
    SyncRequest {
        group_id: Arc::from("group"),
        member_id: Arc::clone(&joined.member_id),
        group_instance_id: None,
        generation: joined.generation,
        protocol_type: joined.protocol_type.clone(),
        protocol_name: joined.protocol_name.clone(),
        assignments,
    }
}

fn partitions(synced: &Synced) -> Vec<i32> {
    let assigned = ConsumerAssignment::decode(&synced.assignment).unwrap();
    let partitions = assigned.partitions.into_iter();
    partitions.flat_map(|(_, partitions)| partitions).collect()
}

/// A stable classic group of one member, which has all of the topic.
async fn classic_member(h: &Harness) -> Joined {
    let join = h.groups.join_group(join_request("group", ""));
    let (joined, ()) = tokio::join!(join, h.advance(Duration::from_secs(6)));
    let joined = joined.unwrap();
    let all = [(Arc::from(TOPIC), vec![0, 1, 2, 3])];
    let assignment = ConsumerAssignment::encode(0, &all).unwrap();
    let assignments = vec![(Arc::clone(&joined.member_id), assignment)];
    h.groups
        .sync_group(sync(&joined, assignments))
        .await
        .unwrap();
    joined
}

fn rejoin(joined: &Joined) -> JoinRequest {
    join_request("group", &joined.member_id)
}

/// The group the record is of, what it is about, and whether it is a tombstone, from the record
/// with this number on.
fn written(h: &Harness, from: usize) -> Vec<&'static str> {
    let records = h.log.records(Harness::partition("group"));
    let records = records.iter().skip(from);
    records
        .map(|record| {
            let is_tombstone = record.value.is_none();
            let (value, tombstone) = match RecordKey::decode(&record.key).unwrap() {
                RecordKey::GroupMetadata(_) => ("classic", "-classic"),
                RecordKey::ConsumerGroup { part, .. } => match part {
                    ConsumerGroupKey::Metadata => ("metadata", "-metadata"),
                    ConsumerGroupKey::LegacyPartitionMetadata => ("legacy", "-legacy"),
                    ConsumerGroupKey::Member(_) => ("member", "-member"),
                    ConsumerGroupKey::TargetAssignment => ("target", "-target"),
                    ConsumerGroupKey::TargetAssignmentMember(_) => ("target of", "-target of"),
                    ConsumerGroupKey::CurrentAssignment(_) => ("current", "-current"),
                    ConsumerGroupKey::RegularExpression(_) => ("regex", "-regex"),
                },
                RecordKey::OffsetCommit(_) | RecordKey::Unknown(_) => ("other", "-other"),
            };
            if is_tombstone { tombstone } else { value }
        })
        .collect()
}

fn record_count(h: &Harness) -> usize {
    h.log.records(Harness::partition("group")).len()
}

fn kind(h: &Harness) -> &'static str {
    h.groups.list_groups(&[], &[]).unwrap()[0].group_type
}

async fn heartbeat(h: &Harness, joined: &Joined) -> Result<(), GroupError> {
    let identity = MemberIdentity {
        member_id: &joined.member_id,
        group_instance_id: None,
    };
    h.groups.heartbeat("group", identity, joined.generation)
}

/// Another coordinator of the same cluster that reads what this one wrote.
async fn restarted(h: &Harness) -> Harness {
    let fresh = h.restarted().await;
    let topics = h.cluster.change(|topics| topics.clone());
    fresh.cluster.change(|mine| *mine = topics);
    fresh
}

#[test]
fn a_group_is_upgraded_while_its_members_work_on() {
    on_a_core(async {
        let h = with_topic(config()).await;
        let joined = classic_member(&h).await;
        let before = record_count(&h);
        let answer = h.groups.consumer_group_heartbeat(consumer("c", 0)).await;
        let epoch = answer.unwrap().member_epoch;
        assert_eq!(epoch, joined.generation + 1);
        let upgraded = [
            "-classic",
            "member",
            "metadata",
            "target of",
            "target",
            "current",
        ];
        let member = [
            "member",
            "metadata",
            "target of",
            "target of",
            "target",
            "current",
        ];
        assert_eq!(written(&h, before), [upgraded, member].concat());
        assert_eq!(
            (kind(&h), kind(&restarted(&h).await)),
            ("consumer", "consumer")
        );
        // The classic member is told to join again, and gets what the new one leaves it.
        assert_eq!(
            heartbeat(&h, &joined).await,
            Err(GroupError::RebalanceInProgress)
        );
        let again = h.groups.join_group(rejoin(&joined)).await.unwrap();
        assert_eq!((again.generation, &*again.leader), (epoch, ""));
        let synced = h.groups.sync_group(sync(&again, Vec::new())).await.unwrap();
        assert_eq!(partitions(&synced), [0, 1]);
        assert_eq!(heartbeat(&h, &again).await, Ok(()));
        let answer = h
            .groups
            .consumer_group_heartbeat(consumer("c", epoch))
            .await;
        assert_eq!(
            answer
                .unwrap()
                .assignment
                .unwrap()
                .values()
                .next()
                .unwrap()
                .len(),
            2
        );
        let described = h.groups.describe_consumer_group("group").unwrap();
        assert_eq!(described.state, "Stable");
        let fresh = restarted(&h).await;
        assert_eq!(fresh.groups.describe_consumer_group("group"), Ok(described));
    });
}

#[test]
fn a_group_is_downgraded_when_the_last_consumer_leaves() {
    on_a_core(async {
        let h = with_topic(config()).await;
        h.groups
            .consumer_group_heartbeat(consumer("c", 0))
            .await
            .unwrap();
        h.clock.advance(Duration::from_secs(1));
        let again = h
            .groups
            .join_group(join_request("group", ""))
            .await
            .unwrap();
        let epoch = again.generation;
        let before = record_count(&h);
        h.groups
            .consumer_group_heartbeat(consumer("c", -1))
            .await
            .unwrap();
        let tombstones = [
            "-current",
            "-current",
            "-target of",
            "-target of",
            "-target",
            "-member",
            "-member",
            "-legacy",
            "-metadata",
        ];
        assert_eq!(
            written(&h, before),
            [&tombstones[..], &["classic"]].concat()
        );
        assert_eq!(
            (kind(&h), kind(&restarted(&h).await)),
            ("classic", "classic")
        );
        let described = h.groups.describe_group("group").unwrap();
        assert_eq!(described.state, GroupState::PreparingRebalance);
        assert_eq!(
            heartbeat(&h, &again).await,
            Err(GroupError::RebalanceInProgress)
        );
        let last = h.groups.join_group(rejoin(&again)).await.unwrap();
        assert_eq!(
            (last.generation, &last.leader),
            (epoch + 1, &again.member_id)
        );
        h.groups.sync_group(sync(&last, Vec::new())).await.unwrap();
        assert_eq!(heartbeat(&h, &last).await, Ok(()));
        h.groups.assert_quiet(Harness::partition("group"));
    });
}

#[test]
fn whoever_waits_in_a_classic_group_is_sent_to_the_consumer_group() {
    on_a_core(async {
        let h = with_topic(config()).await;
        let leader = classic_member(&h).await;
        // A second member joins, the first rejoins and syncs late: one waits in its sync.
        let join = h.start_join(JoinRequest {
            protocols: rejoin(&leader).protocols,
            ..join_request("group", "")
        });
        assert!(join.answer().await.is_none());
        let leader = h.groups.join_group(rejoin(&leader)).await.unwrap();
        let follower = join.answer().await.unwrap().unwrap();
        assert_eq!(follower.leader, leader.member_id);
        let groups = h.groups.clone();
        let request = sync(&follower, Vec::new());
        let waiting = start(async move { groups.sync_group(request).await });
        assert!(waiting.answer().await.is_none());
        h.groups
            .consumer_group_heartbeat(consumer("c", 0))
            .await
            .unwrap();
        assert_eq!(
            waiting.answer().await.unwrap(),
            Err(GroupError::RebalanceInProgress)
        );
        for member in [&leader, &follower] {
            assert_eq!(
                heartbeat(&h, member).await,
                Err(GroupError::RebalanceInProgress)
            );
            h.groups.join_group(rejoin(member)).await.unwrap();
        }
        assert_eq!(
            h.groups
                .describe_consumer_group("group")
                .unwrap()
                .members
                .len(),
            3
        );
    });
}

#[test]
fn a_join_that_waits_is_sent_to_the_consumer_group() {
    on_a_core(async {
        let h = with_topic(config()).await;
        let member = classic_member(&h).await;
        let join = h.start_join(join_request("group", ""));
        assert!(
            join.answer().await.is_none(),
            "until the first member rejoins"
        );
        h.groups
            .consumer_group_heartbeat(consumer("c", 0))
            .await
            .unwrap();
        let refused = join.answer().await.unwrap().unwrap_err();
        assert_eq!(refused.error, GroupError::RebalanceInProgress);
        assert!(!refused.member_id.is_empty());
        let again = join_request("group", &refused.member_id);
        let joined = h.groups.join_group(again).await.unwrap();
        assert_ne!(joined.member_id, member.member_id);
        assert_eq!(
            h.groups
                .describe_consumer_group("group")
                .unwrap()
                .members
                .len(),
            3
        );
    });
}

#[test]
fn a_refused_upgrade_leaves_the_classic_group_as_it_is() {
    on_a_core(async {
        let consumer_config = ConsumerGroupConfig {
            migration_policy: MigrationPolicy::Disabled,
            ..ConsumerGroupConfig::default()
        };
        let refusals = [
            (
                consumer_config,
                consumer("c", 0),
                GroupError::GroupIdNotFound,
            ),
            (
                ConsumerGroupConfig {
                    max_size: 1,
                    ..ConsumerGroupConfig::default()
                },
                consumer("c", 0),
                GroupError::GroupMaxSizeReached,
            ),
            (
                ConsumerGroupConfig::default(),
                ConsumerHeartbeat {
                    subscribed_topic_regex: Some(Arc::from("[")),
                    ..consumer("c", 0)
                },
                GroupError::InvalidRegularExpression,
            ),
            (
                ConsumerGroupConfig::default(),
                consumer("c", 3),
                GroupError::GroupIdNotFound,
            ),
            (
                ConsumerGroupConfig::default(),
                consumer("c", -1),
                GroupError::GroupIdNotFound,
            ),
        ];
        for (consumer, request, error) in refusals {
            let h = with_topic(GroupConfig {
                consumer,
                ..config()
            })
            .await;
            let joined = classic_member(&h).await;
            let before = record_count(&h);
            let refused = h
                .groups
                .consumer_group_heartbeat(request)
                .await
                .unwrap_err();
            assert_eq!(refused.error, error);
            settle().await;
            assert_eq!((record_count(&h), kind(&h)), (before, "classic"));
            assert_eq!(heartbeat(&h, &joined).await, Ok(()));
            h.advance(Duration::from_secs(11)).await;
            let described = h.groups.describe_group("group").unwrap();
            assert_eq!(
                described.members.len(),
                0,
                "its session still ends by itself"
            );
        }
    });
}

#[test]
fn an_upgrade_that_cannot_be_written_is_as_if_it_had_not_happened() {
    on_a_core(async {
        let h = with_topic(config()).await;
        let joined = classic_member(&h).await;
        h.log
            .fail_with(Some(CoordinatorLogError::NotEnoughReplicas));
        let failed = h.groups.consumer_group_heartbeat(consumer("c", 0)).await;
        assert_eq!(
            failed.unwrap_err().error,
            GroupError::CoordinatorNotAvailable
        );
        h.log.fail_with(None);
        let described = || h.groups.describe_group("group");
        until("the partition is read again", || described().is_ok()).await;
        assert_eq!(kind(&h), "classic");
        assert_eq!(heartbeat(&h, &joined).await, Ok(()));
        h.groups
            .consumer_group_heartbeat(consumer("c", 0))
            .await
            .unwrap();
        assert_eq!(kind(&h), "consumer");
    });
}

#[test]
fn answers_to_classic_members_wait_for_the_disk() {
    on_a_core(async {
        let h = with_topic(config()).await;
        h.groups
            .consumer_group_heartbeat(consumer("c", 0))
            .await
            .unwrap();
        h.log.hold();
        let join = h.start_join(join_request("group", ""));
        assert!(join.answer().await.is_none());
        h.log.release();
        let joined = join.answer().await.unwrap().unwrap();
        h.log.hold();
        let groups = h.groups.clone();
        let leaving = [LeavingMember {
            member_id: Arc::from("c"),
            group_instance_id: None,
            reason: None,
        }];
        let leave = start(async move { groups.leave_group("group", &leaving).await });
        assert!(
            leave.answer().await.is_none(),
            "the group becomes a classic one"
        );
        h.log.release();
        assert_eq!(leave.answer().await, Some(Ok(vec![Ok(())])));
        assert_eq!(kind(&h), "classic");
        let again = h.groups.join_group(rejoin(&joined)).await.unwrap();
        assert_eq!(again.leader, joined.member_id);
    });
}

#[test]
fn members_of_both_kinds_commit_with_their_epochs() {
    on_a_core(async {
        let h = with_topic(config()).await;
        let joined = classic_member(&h).await;
        let commit = |joined: &Joined, generation, offset| OffsetCommit {
            member_id: Arc::clone(&joined.member_id),
            generation,
            ..commit_request("group", &[(TOPIC, 0, offset)])
        };
        let of_classic = commit(&joined, joined.generation, 7);
        h.groups.offset_commit(of_classic).await.unwrap();
        h.groups
            .consumer_group_heartbeat(consumer("c", 0))
            .await
            .unwrap();
        assert_eq!(
            h.fetch("group", TOPIC, 0).await,
            Some(7),
            "offsets stay with the group"
        );
        // What it consumed before it was told to join again it may still commit.
        let before_rejoin = commit(&joined, joined.generation, 8);
        h.groups.offset_commit(before_rejoin).await.unwrap();
        let newer = commit(&joined, joined.generation + 1, 9);
        let refused = h.groups.offset_commit(newer).await;
        assert_eq!(refused.unwrap_err(), GroupError::IllegalGeneration);
        h.groups
            .consumer_group_heartbeat(consumer("c", -1))
            .await
            .unwrap();
        assert_eq!(h.fetch("group", TOPIC, 0).await, Some(8));
        assert_eq!(restarted(&h).await.fetch("group", TOPIC, 0).await, Some(8));
    });
}

#[test]
fn a_classic_member_that_is_gone_is_fenced_by_its_own_session() {
    on_a_core(async {
        let h = with_topic(config()).await;
        h.groups
            .consumer_group_heartbeat(consumer("c", 0))
            .await
            .unwrap();
        h.groups
            .join_group(join_request("group", ""))
            .await
            .unwrap();
        for h in [&h, &restarted(&h).await] {
            h.advance(Duration::from_secs(9)).await;
            assert_eq!(
                h.groups
                    .describe_consumer_group("group")
                    .unwrap()
                    .members
                    .len(),
                2
            );
            h.advance(Duration::from_secs(2)).await;
            assert_eq!(
                h.groups
                    .describe_consumer_group("group")
                    .unwrap()
                    .members
                    .len(),
                1
            );
        }
    });
}
