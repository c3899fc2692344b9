//! ConsumerGroupDescribe (69): epochs, members and assignments of consumer groups (KIP-848).
//!
//! Versions 0-1; from version 1 on it tells which members use the classic protocol. Topics that are
//! gone are left out. Kafka: `KafkaApis.handleConsumerGroupDescribe`.

use ringbrook_protocol::StrBytes;
use ringbrook_protocol::messages::consumer_group_describe_response::{
    Assignment as WireAssignment, DescribedGroup, Member, TopicPartitions,
};
use ringbrook_protocol::messages::{
    ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse, GroupId, TopicName,
};

use super::RequestContext;
use super::describe_groups::ALL_GROUP_OPERATIONS;
use super::group_names::{wire, wire_option};
use crate::controller::MetadataImage;
use crate::group::assignor::Assignment;
use crate::group::{DescribedConsumerGroup, DescribedConsumerMember, GroupError, Refused};

/// First version that tells how a member takes part.
const MEMBER_TYPE_VERSION: i16 = 1;
const MEMBER_TYPE_UNKNOWN: i8 = -1;
const MEMBER_TYPE_CLASSIC: i8 = 0;
const MEMBER_TYPE_CONSUMER: i8 = 1;

/// Describes each group on its own.
pub(crate) async fn handle(
    ctx: RequestContext,
    request: ConsumerGroupDescribeRequest,
) -> ConsumerGroupDescribeResponse {
    let groups = &ctx.broker().groups;
    let image = ctx.broker().image();
    let described = request.group_ids.into_iter().map(|group_id| {
        let described = if !groups.allows_consumer_protocol() {
            Err(GroupError::UnsupportedVersion.into())
        } else if group_id.is_empty() {
            Err(GroupError::InvalidGroupId.into())
        } else {
            groups.describe_consumer_group(&group_id)
        };
        let mut answer = answer(ctx.api_version, &image, group_id, described);
        if request.include_authorized_operations && answer.error_code == 0 {
            answer.authorized_operations = ALL_GROUP_OPERATIONS;
        }
        answer
    });
    ConsumerGroupDescribeResponse::default().with_groups(described.collect())
}

fn answer(
    version: i16,
    image: &MetadataImage,
    group_id: GroupId,
    described: Result<DescribedConsumerGroup, Refused>,
) -> DescribedGroup {
    let answer = DescribedGroup::default().with_group_id(group_id);
    match described {
        Ok(group) => answer
            .with_group_state(StrBytes::from_static_str(group.state))
            .with_group_epoch(group.epoch)
            .with_assignment_epoch(group.assignment_epoch)
            .with_assignor_name(wire(&group.assignor))
            .with_members(
                group
                    .members
                    .iter()
                    .map(|it| member(version, image, it))
                    .collect(),
            ),
        Err(refused) => answer
            .with_error_code(refused.error.kafka_code())
            .with_error_message(Some(StrBytes::from_string(refused.message))),
    }
}

fn member(version: i16, image: &MetadataImage, member: &DescribedConsumerMember) -> Member {
    let names = member.subscribed_topic_names.iter();
    let member_type = match member.is_classic {
        _ if version < MEMBER_TYPE_VERSION => MEMBER_TYPE_UNKNOWN,
        true => MEMBER_TYPE_CLASSIC,
        false => MEMBER_TYPE_CONSUMER,
    };
    Member::default()
        .with_member_id(wire(&member.member_id))
        .with_instance_id(wire_option(member.instance_id.as_ref()))
        .with_rack_id(wire_option(member.rack_id.as_ref()))
        .with_member_epoch(member.epoch)
        .with_client_id(wire(&member.client_id))
        .with_client_host(wire(&member.client_host))
        .with_subscribed_topic_names(names.map(|name| TopicName(wire(name))).collect())
        .with_subscribed_topic_regex(wire_option(member.subscribed_topic_regex.as_ref()))
        .with_assignment(assignment(image, &member.assignment))
        .with_target_assignment(assignment(image, &member.target))
        .with_member_type(member_type)
}

fn assignment(image: &MetadataImage, assignment: &Assignment) -> WireAssignment {
    let topics = assignment.iter().filter_map(|(topic_id, partitions)| {
        let topic = image.topic_by_id(*topic_id)?;
        let described = TopicPartitions::default()
            .with_topic_id(*topic_id)
            .with_topic_name(TopicName(wire(&topic.name)))
            .with_partitions(partitions.iter().copied().collect());
        Some(described)
    });
    WireAssignment::default().with_topic_partitions(topics.collect())
}
