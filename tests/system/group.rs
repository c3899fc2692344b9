//! What tests need of the classic group protocol: one member's requests.

use std::time::Duration;

use anyhow::{Context, ensure};
use bytes::Bytes;
use ringbrook_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use ringbrook_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use ringbrook_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopics,
};
use ringbrook_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use ringbrook_protocol::messages::{
    FindCoordinatorRequest, GroupId, HeartbeatRequest, JoinGroupRequest, JoinGroupResponse,
    OffsetCommitRequest, OffsetFetchRequest, SyncGroupRequest,
};
use ringbrook_protocol::{ResponseError, StrBytes};
use ringbrook_tests::{Client, error, topic_name, wait_until};

pub(crate) fn group_id(name: &str) -> GroupId {
    GroupId(text(name))
}

pub(crate) fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// Waits until the group's coordinator is there; the first one to ask creates the offsets topic.
pub(crate) fn find_coordinator(client: &mut Client, group: &str) -> anyhow::Result<()> {
    let request = FindCoordinatorRequest::default().with_coordinator_keys(vec![text(group)]);
    let mut last = None;
    let found = wait_until(Duration::from_secs(30), || {
        let Ok(response) = client.call(&request, 4) else {
            return false;
        };
        last = response
            .coordinators
            .first()
            .and_then(|found| error(found.error_code));
        // Apache Kafka names a coordinator that is still loading; a group request shows it.
        last.is_none() && fetched_offset(client, group, "any", 0).is_ok()
    });
    ensure!(found, "no coordinator: {last:?}");
    Ok(())
}

/// A JoinGroup request of a consumer that supports the assignor "range".
pub(crate) fn join_request(group: &str, member_id: &str) -> JoinGroupRequest {
    let protocol = JoinGroupRequestProtocol::default()
        .with_name(text("range"))
        .with_metadata(subscription(&["subscribed"]));
    JoinGroupRequest::default()
        .with_group_id(group_id(group))
        .with_session_timeout_ms(30_000)
        .with_rebalance_timeout_ms(30_000)
        .with_member_id(text(member_id))
        .with_protocol_type(text("consumer"))
        .with_protocols(vec![protocol])
}

/// A consumer's metadata, version 0: topics, no user data.
pub(crate) fn subscription(topics: &[&str]) -> Bytes {
    let mut bytes = vec![0, 0];
    bytes.extend(u32::try_from(topics.len()).unwrap_or(0).to_be_bytes());
    for topic in topics {
        bytes.extend(u16::try_from(topic.len()).unwrap_or(0).to_be_bytes());
        bytes.extend(topic.as_bytes());
    }
    bytes.extend((-1_i32).to_be_bytes());
    bytes.into()
}

/// A member that has joined.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) group: String,
    pub(crate) id: String,
    pub(crate) generation: i32,
}

/// Joins as a new dynamic member, in the two steps of version 4 and above.
pub(crate) fn join(
    client: &mut Client,
    group: &str,
) -> anyhow::Result<(Member, JoinGroupResponse)> {
    let first = client.call(&join_request(group, ""), 9)?;
    ensure!(
        error(first.error_code) == Some(ResponseError::MemberIdRequired),
        "no member id was asked for: {:?}",
        error(first.error_code)
    );
    let id = first.member_id.to_string();
    let joined = client.call(&join_request(group, &id), 9)?;
    ensure!(
        joined.error_code == 0,
        "not joined: {:?}",
        error(joined.error_code)
    );
    ensure!(*joined.member_id == *id, "joined as {}", joined.member_id);
    let generation = joined.generation_id;
    Ok((
        Member {
            group: group.to_owned(),
            id,
            generation,
        },
        joined,
    ))
}

/// A group with one member that is its leader, with an assignment.
pub(crate) fn stable_member(client: &mut Client, group: &str) -> anyhow::Result<Member> {
    find_coordinator(client, group)?;
    let (member, joined) = join(client, group)?;
    ensure!(*joined.leader == *member.id, "{} leads", joined.leader);
    let synced = client.call(&member.sync(&[(&member.id, b"mine")]), 5)?;
    ensure!(
        synced.error_code == 0,
        "not synced: {:?}",
        error(synced.error_code)
    );
    ensure!(
        &synced.assignment[..] == b"mine",
        "another assignment: {:?}",
        synced.assignment
    );
    Ok(member)
}

impl Member {
    /// A SyncGroup request with the assignments of the leader.
    pub(crate) fn sync(&self, assignments: &[(&str, &'static [u8])]) -> SyncGroupRequest {
        let assignments = assignments.iter().map(|(member, assignment)| {
            SyncGroupRequestAssignment::default()
                .with_member_id(text(member))
                .with_assignment(Bytes::from_static(assignment))
        });
        SyncGroupRequest::default()
            .with_group_id(group_id(&self.group))
            .with_generation_id(self.generation)
            .with_member_id(text(&self.id))
            .with_protocol_type(Some(text("consumer")))
            .with_protocol_name(Some(text("range")))
            .with_assignments(assignments.collect())
    }

    pub(crate) fn heartbeat(&self) -> HeartbeatRequest {
        HeartbeatRequest::default()
            .with_group_id(group_id(&self.group))
            .with_generation_id(self.generation)
            .with_member_id(text(&self.id))
    }

    /// An OffsetCommit request for one partition.
    pub(crate) fn commit(&self, topic: &str, partition: i32, offset: i64) -> OffsetCommitRequest {
        let partition = OffsetCommitRequestPartition::default()
            .with_partition_index(partition)
            .with_committed_offset(offset)
            .with_committed_leader_epoch(-1)
            .with_committed_metadata(Some(text("note")));
        let topic = OffsetCommitRequestTopic::default()
            .with_name(topic_name(topic))
            .with_partitions(vec![partition]);
        OffsetCommitRequest::default()
            .with_group_id(group_id(&self.group))
            .with_generation_id_or_member_epoch(self.generation)
            .with_member_id(text(&self.id))
            .with_retention_time_ms(-1)
            .with_topics(vec![topic])
    }

    /// Nobody: commits as a consumer does that assigns partitions to itself.
    pub(crate) fn simple(group: &str) -> Self {
        Self {
            group: group.to_owned(),
            id: String::new(),
            generation: -1,
        }
    }
}

/// The code that a commit of one partition is answered with.
pub(crate) fn commit(
    client: &mut Client,
    request: &OffsetCommitRequest,
) -> anyhow::Result<Option<ResponseError>> {
    let response = client.call(request, 9)?;
    let topic = response.topics.first().context("a topic in the answer")?;
    Ok(error(
        topic
            .partitions
            .first()
            .context("a partition in the answer")?
            .error_code,
    ))
}

/// The committed offset of one partition, -1 for none, with its metadata.
pub(crate) fn fetched_offset(
    client: &mut Client,
    group: &str,
    topic: &str,
    partition: i32,
) -> anyhow::Result<(i64, String)> {
    let topic = OffsetFetchRequestTopics::default()
        .with_name(topic_name(topic))
        .with_partition_indexes(vec![partition]);
    let group = OffsetFetchRequestGroup::default()
        .with_group_id(group_id(group))
        .with_member_id(None)
        .with_member_epoch(-1)
        .with_topics(Some(vec![topic]));
    let response = client.call(&OffsetFetchRequest::default().with_groups(vec![group]), 9)?;
    let group = response
        .groups
        .into_iter()
        .next()
        .context("a group in the answer")?;
    ensure!(
        group.error_code == 0,
        "not fetched: {:?}",
        error(group.error_code)
    );
    let partition = group
        .topics
        .into_iter()
        .flat_map(|topic| topic.partitions)
        .next()
        .context("a partition in the answer")?;
    ensure!(
        partition.error_code == 0,
        "not fetched: {:?}",
        error(partition.error_code)
    );
    Ok((
        partition.committed_offset,
        partition.metadata.unwrap_or_default().to_string(),
    ))
}
