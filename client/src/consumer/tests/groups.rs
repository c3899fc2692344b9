//! Tests of membership and commits over the fake cluster. Its group coordinator is here: of a group
//! of one member, which gets everything.

mod errors;
mod faults;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use ringbrook_protocol::messages::consumer_group_heartbeat_response::{
    Assignment, TopicPartitions,
};
use ringbrook_protocol::messages::join_group_response::JoinGroupResponseMember;
use ringbrook_protocol::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};
use ringbrook_protocol::messages::{
    ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, HeartbeatRequest,
    HeartbeatResponse, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, LeaveGroupResponse,
    OffsetCommitRequest, OffsetFetchRequest, OffsetFetchResponse, SyncGroupRequest,
    SyncGroupResponse,
};
use ringbrook_protocol::{ResponseError as E, StrBytes};
use uuid::Uuid;

use super::*;
use crate::config::GroupProtocol;
use crate::testing::{Asked, ErrorAnswer, Reply};

pub(super) const BOTH: [GroupProtocol; 2] = [GroupProtocol::Classic, GroupProtocol::Consumer];

/// What the coordinator knows.
#[derive(Default)]
pub(super) struct Group {
    /// The node that coordinates it.
    node: i32,
    generation_id: i32,
    members_count: i32,
    member_id: String,
    /// Committed offsets of topic `t`.
    offsets: BTreeMap<i32, i64>,
}

type Shared = Arc<Mutex<Group>>;

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// Requests of `R` are answered by `answer`, except by a node that does not coordinate the group.
fn on<R: ErrorAnswer>(
    fake: &FakeCluster,
    group: &Shared,
    mut answer: impl FnMut(&mut Group, &Asked, &R) -> Result<R::Response, E> + Send + 'static,
) where
    R::Response: Send + 'static,
{
    let group = Arc::clone(group);
    fake.on::<R>(move |asked, request| {
        let mut group = group.lock().unwrap();
        let answer = if asked.node == group.node {
            answer(&mut group, asked, &request)
        } else {
            Err(E::NotCoordinator)
        };
        let refuse = |error: E| request.error_answer(asked.version, error.code());
        Reply::answer(answer.unwrap_or_else(refuse))
    });
}

impl Group {
    fn check(&self, member_id: &StrBytes, generation_id: i32) -> Result<(), E> {
        if member_id.as_str() != self.member_id {
            return Err(E::UnknownMemberId);
        }
        if generation_id != self.generation_id {
            return Err(E::IllegalGeneration);
        }
        Ok(())
    }

    fn join(&mut self, asked: &Asked, request: &JoinGroupRequest) -> Result<JoinGroupResponse, E> {
        let response = JoinGroupResponse::default();
        if request.member_id.is_empty() {
            self.members_count += 1;
            self.member_id = format!("m-{}", self.members_count);
            if 4 <= asked.version {
                return Ok(response
                    .with_error_code(E::MemberIdRequired.code())
                    .with_protocol_name(Some(text("")))
                    .with_member_id(text(&self.member_id)));
            }
        } else if request.member_id.as_str() != self.member_id {
            return Err(E::UnknownMemberId);
        }
        self.generation_id += 1;
        let protocol = &request.protocols[0];
        let member = JoinGroupResponseMember::default()
            .with_member_id(text(&self.member_id))
            .with_metadata(protocol.metadata.clone());
        Ok(response
            .with_generation_id(self.generation_id)
            .with_protocol_name(Some(protocol.name.clone()))
            .with_leader(text(&self.member_id))
            .with_member_id(text(&self.member_id))
            .with_members(vec![member]))
    }

    fn heartbeat(
        &mut self,
        request: &ConsumerGroupHeartbeatRequest,
    ) -> Result<ConsumerGroupHeartbeatResponse, E> {
        let response = ConsumerGroupHeartbeatResponse::default().with_heartbeat_interval_ms(5_000);
        if request.member_epoch < 0 {
            return Ok(response.with_member_epoch(request.member_epoch));
        }
        if 0 < request.member_epoch {
            self.check(&request.member_id, request.member_epoch)?;
            return Ok(response.with_member_epoch(self.generation_id));
        }
        self.member_id = request.member_id.to_string();
        self.generation_id += 1;
        let all = TopicPartitions::default()
            .with_topic_id(Uuid::from_u128(1))
            .with_partitions(vec![0]);
        Ok(response
            .with_member_epoch(self.generation_id)
            .with_assignment(Some(Assignment::default().with_topic_partitions(vec![all]))))
    }

    fn commit(&mut self, request: &OffsetCommitRequest) -> Result<(), E> {
        let generation_id = request.generation_id_or_member_epoch;
        self.check(&request.member_id, generation_id)?;
        for it in request.topics.iter().flat_map(|topic| &topic.partitions) {
            self.offsets.insert(it.partition_index, it.committed_offset);
        }
        Ok(())
    }

    fn offset(&self, partition: i32) -> i64 {
        self.offsets.get(&partition).copied().unwrap_or(-1)
    }

    fn fetch(&self, version: i16, request: &OffsetFetchRequest) -> OffsetFetchResponse {
        if version < 8 {
            let topics = request.topics.iter().flatten().map(|topic| {
                let partitions = topic.partition_indexes.iter().map(|it| {
                    OffsetFetchResponsePartition::default()
                        .with_partition_index(*it)
                        .with_committed_offset(self.offset(*it))
                        .with_metadata(Some(text("")))
                });
                OffsetFetchResponseTopic::default()
                    .with_name(topic.name.clone())
                    .with_partitions(partitions.collect())
            });
            return OffsetFetchResponse::default().with_topics(topics.collect());
        }
        let groups = request.groups.iter().map(|group| {
            let topics = group.topics.iter().flatten().map(|topic| {
                let partitions = topic.partition_indexes.iter().map(|it| {
                    OffsetFetchResponsePartitions::default()
                        .with_partition_index(*it)
                        .with_committed_offset(self.offset(*it))
                });
                OffsetFetchResponseTopics::default()
                    .with_name(topic.name.clone())
                    .with_partitions(partitions.collect())
            });
            OffsetFetchResponseGroup::default()
                .with_group_id(group.group_id.clone())
                .with_topics(topics.collect())
        });
        OffsetFetchResponse::default().with_groups(groups.collect())
    }
}

/// The fake cluster coordinates a group from now on.
fn coordinate(fake: &FakeCluster) -> Shared {
    let group = Shared::default();
    on::<JoinGroupRequest>(fake, &group, |group, asked, it| group.join(asked, it));
    on::<SyncGroupRequest>(fake, &group, |group, _, it| {
        group.check(&it.member_id, it.generation_id)?;
        let given = it.assignments.first().map(|it| it.assignment.clone());
        Ok(SyncGroupResponse::default().with_assignment(given.unwrap_or_default()))
    });
    on::<HeartbeatRequest>(fake, &group, |group, _, it| {
        group.check(&it.member_id, it.generation_id)?;
        Ok(HeartbeatResponse::default())
    });
    on::<LeaveGroupRequest>(fake, &group, |_, _, _| Ok(LeaveGroupResponse::default()));
    on::<ConsumerGroupHeartbeatRequest>(fake, &group, |group, _, it| group.heartbeat(it));
    on::<OffsetCommitRequest>(fake, &group, |group, asked, it| {
        group.commit(it)?;
        Ok(it.error_answer(asked.version, 0))
    });
    on::<OffsetFetchRequest>(fake, &group, |group, asked, it| {
        Ok(group.fetch(asked.version, it))
    });
    group
}

/// A consumer of topic `t`, which has one partition with the records `a` and `b`, in group `g`.
pub(super) struct Scene {
    pub(super) fake: FakeCluster,
    pub(super) group: Shared,
    pub(super) consumer: TextConsumer,
}

impl Scene {
    /// Two nodes, of which 0 coordinates; nothing is committed by time.
    pub(super) fn new(protocol: GroupProtocol) -> Self {
        Self::with(protocol, |_| {})
    }

    pub(super) fn with(protocol: GroupProtocol, change: impl FnOnce(&mut ConsumerConfig)) -> Self {
        let fake = FakeCluster::new(2);
        fake.create_topic("t", 1);
        append(&fake, 0, &["a", "b"]);
        let group = coordinate(&fake);
        let mut config = ConsumerConfig {
            group_protocol: protocol,
            enable_auto_commit: false,
            ..config(&fake).with_group_id("g")
        };
        change(&mut config);
        let consumer = consumer_of(&fake, config);
        consumer.subscribe(["t"]).unwrap();
        Self {
            fake,
            group,
            consumer,
        }
    }

    pub(super) fn group(&self) -> MutexGuard<'_, Group> {
        self.group.lock().unwrap()
    }

    /// Reads `a` and `b` and commits them.
    pub(super) async fn begin(&self) {
        assert_eq!(values(&self.consumer, 2).await, ["a", "b"]);
        self.consumer.commit_sync().await.unwrap();
        assert_eq!(self.group().offset(0), 2);
    }

    /// Lets some heartbeats pass, then reads and commits another record.
    pub(super) async fn go_on(&self) {
        let idle = self.consumer.poll(Duration::from_secs(20)).await.unwrap();
        assert!(idle.is_empty(), "what is committed is not read again");
        append(&self.fake, 0, &["c"]);
        assert_eq!(values(&self.consumer, 1).await, ["c"]);
        let before = self.group().offset(0);
        self.consumer.commit_sync().await.unwrap();
        assert_eq!(self.group().offset(0), before + 1);
        assert_eq!(self.fake.steps_left_count(), 0);
    }

    /// Moves the group to another node, which knows its members.
    pub(super) fn move_to(&self, node: i32) {
        self.group().node = node;
        self.fake.move_coordinator(node);
    }
}
