//! Groups that change their protocol, and members of the classic protocol in consumer groups, step
//! by step and without a coordinator.

mod classic_members;
mod downgrades;
mod upgrades;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use uuid::Uuid;

use super::*;
use crate::group::assignor::fake_topics::FakeTopics;
use crate::group::assignor::{Assignment, MemberId};
use crate::group::classic::request::{JoinRequest, JoinResult, Protocol, SyncRequest};
use crate::group::classic::state::{ClassicGroup, GroupLimits};
use crate::group::consumer::action::Action;
use crate::group::consumer::group::ConsumerGroup;
use crate::group::consumer::record::ConsumerRecord;
use crate::group::consumer::request::{ConsumerHeartbeat, ConsumerHeartbeatAnswer, Refused};
use crate::group::consumer::settings::{ConsumerGroupConfig, Surroundings};
use crate::group::schema::{
    ConsumerAssignment, GroupMetadataValue, MemberMetadata, NamedPartitions,
};
use crate::group::timers::TimerKind;

const SESSION_MS: i32 = 20_000;
const REBALANCE_MS: i32 = 60_000;

fn limits() -> GroupLimits {
    GroupLimits {
        group_max_size: 10,
        pending_members_max: 10,
        initial_rebalance_delay: Duration::from_secs(3),
        new_member_join_timeout: Duration::from_secs(300),
    }
}

/// What a group is told of the world, and the group.
struct World {
    topics: FakeTopics,
    settings: ConsumerGroupConfig,
    limits: GroupLimits,
    now_ms: i64,
}

impl World {
    /// Topics `t` (id 1, four partitions) and `u` (id 2, two).
    fn new() -> Self {
        let mut topics = FakeTopics::default();
        topics.insert("t", 1, 4);
        topics.insert("u", 2, 2);
        Self {
            topics,
            settings: ConsumerGroupConfig {
                // Every change has its target at once.
                assignment_interval_ms: 0,
                max_size: 10,
                ..ConsumerGroupConfig::default()
            },
            limits: limits(),
            now_ms: 1_000,
        }
    }

    fn surroundings(&self) -> Surroundings<'_> {
        Surroundings {
            now_ms: self.now_ms,
            topics: &self.topics,
            settings: &self.settings,
            classic_limits: self.limits,
        }
    }

    fn heartbeat(
        &self,
        group: &mut ConsumerGroup,
        request: &ConsumerHeartbeat,
    ) -> (Result<ConsumerHeartbeatAnswer, Refused>, Vec<Action>) {
        let mut actions = Vec::new();
        let answer = if request.member_epoch < 0 {
            group.leave(request, &self.surroundings(), &mut actions)
        } else {
            group.heartbeat(request, &self.surroundings(), &mut actions)
        };
        group.assert_consistent();
        (answer, actions)
    }

    fn join(&self, group: &mut ConsumerGroup, request: &JoinRequest) -> (JoinResult, Vec<Action>) {
        let mut actions = Vec::new();
        let fresh_id = Uuid::from_u128(7);
        let joined = group.classic_join(request, fresh_id, &self.surroundings(), &mut actions);
        group.assert_consistent();
        (joined, actions)
    }

    /// The partitions a sync gives the member, and what is to be done.
    fn sync(
        &self,
        group: &ConsumerGroup,
        member_id: &str,
        generation: i32,
    ) -> (
        Result<NamedPartitions, crate::group::GroupError>,
        Vec<Action>,
    ) {
        let mut actions = Vec::new();
        let request = sync_request(member_id, generation);
        let synced = group.classic_sync(&request, &self.surroundings(), &mut actions);
        let partitions = synced.map(|synced| {
            ConsumerAssignment::decode(&synced.assignment)
                .unwrap()
                .partitions
        });
        (partitions, actions)
    }
}

fn put_string(bytes: &mut BytesMut, text: &str) {
    bytes.put_i16(i16::try_from(text.len()).unwrap());
    bytes.put_slice(text.as_bytes());
}

fn put_len(bytes: &mut BytesMut, len: usize) {
    bytes.put_i32(i32::try_from(len).unwrap());
}

/// A subscription in version 1.
fn subscription(topics: &[&str], owned: &[(&str, &[i32])]) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_i16(1);
    put_len(&mut bytes, topics.len());
    topics
        .iter()
        .for_each(|topic| put_string(&mut bytes, topic));
    bytes.put_i32(-1);
    put_len(&mut bytes, owned.len());
    for (topic, partitions) in owned {
        put_string(&mut bytes, topic);
        put_len(&mut bytes, partitions.len());
        partitions.iter().for_each(|index| bytes.put_i32(*index));
    }
    bytes.freeze()
}

fn named(partitions: &[(&str, &[i32])]) -> NamedPartitions {
    let named = partitions.iter();
    named
        .map(|(topic, of)| (Arc::from(*topic), of.to_vec()))
        .collect()
}

fn ids(partitions: &[(u128, &[i32])]) -> Assignment {
    let ids = partitions.iter();
    ids.map(|(id, of)| (Uuid::from_u128(*id), of.iter().copied().collect()))
        .collect()
}

/// A stored member of a classic group.
fn stored(
    member_id: &str,
    owned: &[(&str, &[i32])],
    assigned: Option<&[(&str, &[i32])]>,
) -> MemberMetadata {
    let assignment = assigned.map(|assigned| ConsumerAssignment::encode(1, &named(assigned)));
    MemberMetadata {
        member_id: Arc::from(member_id),
        group_instance_id: None,
        client_id: Arc::from("client"),
        client_host: Arc::from("/host"),
        rebalance_timeout_ms: REBALANCE_MS,
        session_timeout_ms: SESSION_MS,
        subscription: subscription(&["t"], owned),
        assignment: assignment.transpose().unwrap().unwrap_or_default(),
    }
}

/// A stable classic group in generation 5.
fn classic(members: Vec<MemberMetadata>) -> ClassicGroup {
    let record = GroupMetadataValue {
        protocol_type: Arc::from("consumer"),
        generation: 5,
        protocol: Some(Arc::from("range")),
        leader: members.first().map(|member| Arc::clone(&member.member_id)),
        current_state_timestamp_ms: 1,
        members,
    };
    ClassicGroup::from_record(Arc::from("group"), limits(), record)
}

/// A consumer that joins, or says everything.
fn consumer(member_id: &str, member_epoch: i32, topics: &[&str]) -> ConsumerHeartbeat {
    ConsumerHeartbeat {
        group_id: Arc::from("group"),
        member_id: Arc::from(member_id),
        member_epoch,
        instance_id: None,
        rack_id: None,
        rebalance_timeout_ms: Some(REBALANCE_MS),
        subscribed_topic_names: Some(topics.iter().map(|&topic| Arc::from(topic)).collect()),
        subscribed_topic_regex: None,
        server_assignor: None,
        owned: Some(Assignment::new()),
        client_id: Arc::from("client"),
        client_host: Arc::from("/host"),
        generates_member_id: true,
    }
}

fn join_request(member_id: &str, metadata: Bytes) -> JoinRequest {
    JoinRequest {
        group_id: Arc::from("group"),
        member_id: Arc::from(member_id),
        group_instance_id: None,
        client_id: Arc::from("client"),
        client_host: Arc::from("/host"),
        session_timeout_ms: SESSION_MS,
        rebalance_timeout_ms: REBALANCE_MS,
        protocol_type: Arc::from("consumer"),
        protocols: vec![Protocol {
            name: Arc::from("range"),
            metadata,
        }],
        requires_known_member_id: true,
        supports_skipping_assignment: true,
        reason: None,
    }
}

fn sync_request(member_id: &str, generation: i32) -> SyncRequest {
    SyncRequest {
        group_id: Arc::from("group"),
        member_id: Arc::from(member_id),
        group_instance_id: None,
        generation,
        protocol_type: Some(Arc::from("consumer")),
        protocol_name: Some(Arc::from("range")),
        assignments: Vec::new(),
    }
}

/// The records among the actions.
fn records(actions: &[Action]) -> Vec<&ConsumerRecord> {
    let records = actions.iter().filter_map(|action| match action {
        Action::Append(record) => Some(record),
        _ => None,
    });
    records.collect()
}

fn sets_timer(actions: &[Action], wanted: &TimerKind) -> bool {
    actions.iter().any(|action| {
        matches!(action, Action::SetTimer(kind, _) | Action::SetTimerIfUnset(kind, _)
            if kind == wanted)
    })
}

fn cancels_timer(actions: &[Action], wanted: &TimerKind) -> bool {
    let mut actions = actions.iter();
    actions.any(|action| matches!(action, Action::CancelTimer(kind) if kind == wanted))
}

fn id(member_id: &str) -> MemberId {
    Arc::from(member_id)
}

/// The members that own anything, with what they own.
fn owned(group: &ConsumerGroup, member_id: &str) -> BTreeSet<(Uuid, i32)> {
    group.members[member_id].current.owned().collect()
}
