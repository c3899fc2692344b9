//! A member by JoinGroup, SyncGroup and Heartbeat, as consumers of the `range` assignor are.

use std::collections::BTreeSet;
use std::rc::Rc;

use anyhow::{Context, bail, ensure};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use ringbrook_protocol::messages::consumer_protocol_assignment::TopicPartition;
use ringbrook_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use ringbrook_protocol::messages::join_group_response::JoinGroupResponseMember;
use ringbrook_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use ringbrook_protocol::messages::{
    ConsumerProtocolAssignment, ConsumerProtocolSubscription, GroupId, HeartbeatRequest,
    JoinGroupRequest, JoinGroupResponse, SyncGroupRequest,
};
use ringbrook_protocol::{Decodable, Encodable, StrBytes};

use super::link::Link;
use super::{Group, HEARTBEAT, PARTITIONS_PER_MEMBER, REBALANCE_MS, SESSION_MS, TOPIC};
use crate::admin::topic_name;

const JOIN_GROUP_VERSION: i16 = 9;
const SYNC_GROUP_VERSION: i16 = 5;
const HEARTBEAT_VERSION: i16 = 4;
/// Of the messages that only members understand.
const EMBEDDED_VERSION: i16 = 0;
const PROTOCOL_TYPE: &str = "consumer";
const ASSIGNOR: &str = "range";
const MEMBER_ID_REQUIRED: i16 = 79;
/// ILLEGAL_GENERATION, REBALANCE_IN_PROGRESS: join again.
const REJOIN: [i16; 2] = [22, 27];
/// COORDINATOR_LOAD_IN_PROGRESS, NOT_COORDINATOR: the coordinator is not there yet.
const NOT_YET: [i16; 2] = [14, 16];

/// Joins, and stays until all members have their part.
pub(super) async fn member(group: Rc<Group>, index: usize) -> anyhow::Result<()> {
    let mut link = Link::connect(group.address).await?;
    let mut member_id = StrBytes::from_static_str("");
    while group.roster.completed_at().is_none() {
        let joined = join(&mut link, &group, &mut member_id).await?;
        let Some(partitions) = sync(&mut link, &group, &joined).await? else {
            continue;
        };
        let generation = joined.generation_id;
        group.roster.assigned(index, generation, partitions);
        while group.roster.completed_at().is_none() {
            tokio::time::sleep(HEARTBEAT).await;
            let request = HeartbeatRequest::default()
                .with_group_id(group_id(&group))
                .with_generation_id(generation)
                .with_member_id(member_id.clone());
            let code = link.call(&request, HEARTBEAT_VERSION).await?.error_code;
            if REJOIN.contains(&code) {
                break;
            }
            ensure!(code == 0, "heartbeat refused with {code}");
        }
    }
    Ok(())
}

fn group_id(group: &Group) -> GroupId {
    GroupId(StrBytes::from_string(group.name.clone()))
}

async fn join(
    link: &mut Link,
    group: &Group,
    member_id: &mut StrBytes,
) -> anyhow::Result<JoinGroupResponse> {
    let subscription =
        ConsumerProtocolSubscription::default().with_topics(vec![StrBytes::from_static_str(TOPIC)]);
    let protocol = JoinGroupRequestProtocol::default()
        .with_name(StrBytes::from_static_str(ASSIGNOR))
        .with_metadata(embedded(&subscription)?);
    let request = JoinGroupRequest::default()
        .with_group_id(group_id(group))
        .with_session_timeout_ms(SESSION_MS)
        .with_rebalance_timeout_ms(REBALANCE_MS)
        .with_protocol_type(StrBytes::from_static_str(PROTOCOL_TYPE))
        .with_protocols(vec![protocol]);
    loop {
        let request = request.clone().with_member_id(member_id.clone());
        let answer = link.call(&request, JOIN_GROUP_VERSION).await?;
        match answer.error_code {
            0 => return Ok(answer),
            MEMBER_ID_REQUIRED => *member_id = answer.member_id,
            code if NOT_YET.contains(&code) => tokio::time::sleep(HEARTBEAT).await,
            code => bail!("join refused with {code}"),
        }
    }
}

/// The member's part, or none if it has to join again.
async fn sync(
    link: &mut Link,
    group: &Group,
    joined: &JoinGroupResponse,
) -> anyhow::Result<Option<BTreeSet<i32>>> {
    let assignments = if joined.leader == joined.member_id {
        assign(group, &joined.members)?
    } else {
        Vec::new()
    };
    let request = SyncGroupRequest::default()
        .with_group_id(group_id(group))
        .with_generation_id(joined.generation_id)
        .with_member_id(joined.member_id.clone())
        .with_protocol_type(joined.protocol_type.clone())
        .with_protocol_name(joined.protocol_name.clone())
        .with_assignments(assignments);
    let answer = link.call(&request, SYNC_GROUP_VERSION).await?;
    if REJOIN.contains(&answer.error_code) {
        return Ok(None);
    }
    ensure!(
        answer.error_code == 0,
        "sync refused with {}",
        answer.error_code
    );
    let mut assignment = answer.assignment;
    ensure!(2 <= assignment.remaining(), "an assignment has a version");
    let version = assignment.get_i16();
    let assignment = ConsumerProtocolAssignment::decode(&mut assignment, version)
        .map_err(|error| anyhow::anyhow!("cannot decode an assignment: {error}"))?;
    let topics = assignment.assigned_partitions.into_iter();
    Ok(Some(topics.flat_map(|topic| topic.partitions).collect()))
}

/// The leader's work. While members are still missing there are more partitions for each.
fn assign(
    group: &Group,
    members: &[JoinGroupResponseMember],
) -> anyhow::Result<Vec<SyncGroupRequestAssignment>> {
    let each = group.partitions.div_ceil(members.len().max(1));
    ensure!(PARTITIONS_PER_MEMBER <= each, "more members than started");
    let partitions: Vec<i32> = (0..i32::try_from(group.partitions)?).collect();
    let mut parts = partitions.chunks(each);
    let assignments = members.iter().map(|member| {
        let part = TopicPartition::default()
            .with_topic(topic_name(TOPIC))
            .with_partitions(parts.next().unwrap_or_default().to_vec());
        let assignment = ConsumerProtocolAssignment::default().with_assigned_partitions(vec![part]);
        Ok(SyncGroupRequestAssignment::default()
            .with_member_id(member.member_id.clone())
            .with_assignment(embedded(&assignment)?))
    });
    assignments.collect()
}

/// A message that only members understand: its version comes first.
fn embedded(message: &impl Encodable) -> anyhow::Result<Bytes> {
    let mut bytes = BytesMut::new();
    bytes.put_i16(EMBEDDED_VERSION);
    let encoded = message.encode(&mut bytes, EMBEDDED_VERSION);
    encoded
        .map_err(|error| anyhow::anyhow!("{error}"))
        .context("cannot encode an embedded message")?;
    Ok(bytes.freeze())
}
