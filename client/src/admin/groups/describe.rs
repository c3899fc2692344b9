//! Groups with their members and what each is assigned.

use std::collections::BTreeSet;

use ringbrook_protocol::ResponseError;
use ringbrook_protocol::messages::consumer_group_describe_response::{
    Assignment, DescribedGroup as DescribedConsumerGroup, Member,
};
use ringbrook_protocol::messages::describe_groups_response::{
    DescribedGroup as DescribedClassicGroup, DescribedGroupMember,
};
use ringbrook_protocol::messages::{ApiKey, ConsumerGroupDescribeRequest, DescribeGroupsRequest};

use super::{GroupState, GroupType, assignment};
use crate::TopicPartition;
use crate::admin::driver::{Answers, Call, at_coordinator, checked};
use crate::admin::wire::group_id;
use crate::admin::{Admin, PerItem};
use crate::cluster::{CoordinatorKind, Target};
use crate::error::ClientError;
use crate::metadata::Node;

/// What members of consumer groups speak.
const CONSUMER_PROTOCOL: &str = "consumer";

/// A group of consumers, of the classic or the new protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerGroupDescription {
    /// Its id.
    pub group_id: String,
    /// Whether it only commits offsets, without members.
    pub is_simple_consumer_group: bool,
    /// Its members.
    pub members: Vec<MemberDescription>,
    /// Who decides what each member is assigned: `range`, `uniform` and so on.
    pub partition_assignor: String,
    /// Its type.
    pub group_type: GroupType,
    /// Its state.
    pub state: GroupState,
    /// The broker that coordinates it.
    pub coordinator: Node,
    /// The epoch of its members and what they subscribe to (KIP-848).
    pub group_epoch: Option<i32>,
    /// The epoch of the assignment that members move to (KIP-848).
    pub target_assignment_epoch: Option<i32>,
}

/// A group of the classic protocol, whatever its members speak.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassicGroupDescription {
    /// Its id.
    pub group_id: String,
    /// What its members speak: `consumer`, `connect`; empty when they only commit offsets.
    pub protocol: String,
    /// What they have agreed on: an assignor's name for consumers.
    pub protocol_data: String,
    /// Its members; assignments are those of consumers.
    pub members: Vec<MemberDescription>,
    /// Its state.
    pub state: GroupState,
    /// The broker that coordinates it.
    pub coordinator: Node,
}

/// A member of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberDescription {
    /// Its id in the group.
    pub member_id: String,
    /// `group.instance.id`, if it is a static member.
    pub group_instance_id: Option<String>,
    /// `client.rack`, if known.
    pub rack_id: Option<String>,
    /// `client.id`.
    pub client_id: String,
    /// The address that it speaks from.
    pub host: String,
    /// What it is assigned now.
    pub assignment: Vec<TopicPartition>,
    /// What it will be assigned when everybody has moved (KIP-848).
    pub target_assignment: Option<Vec<TopicPartition>>,
    /// Its epoch (KIP-848).
    pub member_epoch: Option<i32>,
    /// In a group of the new protocol, whether the member speaks it too; nothing if unknown.
    pub is_upgraded: Option<bool>,
    /// The topics that it subscribes to by name (KIP-848).
    pub subscribed_topic_names: Vec<String>,
    /// The pattern that it subscribes to (KIP-848).
    pub subscribed_topic_regex: Option<String>,
}

impl Admin {
    /// Describes consumer groups of both protocols.
    pub async fn describe_consumer_groups(
        &self,
        groups: impl IntoIterator<Item = impl Into<String>>,
    ) -> PerItem<String, ConsumerGroupDescription> {
        let call = self.begin("describing consumer groups", at_coordinator);
        let groups = groups.into_iter().map(Into::into);
        let groups: BTreeSet<String> = groups.collect();
        let kind = CoordinatorKind::Group;
        self.at_coordinators(call, kind, groups, async |node, groups: Vec<String>| {
            let described = self.describe_new(call, node, &groups).await;
            let (classic, mut described): (Vec<_>, Vec<_>) = described
                .into_iter()
                .partition(|(_, it)| is_perhaps_classic(it));
            let classic: Vec<String> = classic.into_iter().map(|(group, _)| group).collect();
            if !classic.is_empty() {
                let classic = self
                    .describe_classic(call, node, &classic)
                    .await
                    .into_iter();
                described.extend(classic.map(|(group, it)| (group, it.and_then(of_consumers))));
            }
            described
        })
        .await
    }

    /// Describes groups of the classic protocol, of consumers or of others.
    pub async fn describe_classic_groups(
        &self,
        groups: impl IntoIterator<Item = impl Into<String>>,
    ) -> PerItem<String, ClassicGroupDescription> {
        let call = self.begin("describing groups", at_coordinator);
        let groups = groups.into_iter().map(Into::into);
        let groups: BTreeSet<String> = groups.collect();
        let kind = CoordinatorKind::Group;
        self.at_coordinators(call, kind, groups, async |node, groups: Vec<String>| {
            self.describe_classic(call, node, &groups).await
        })
        .await
    }

    async fn describe_new(
        &self,
        call: Call,
        node: i32,
        groups: &[String],
    ) -> Answers<String, ConsumerGroupDescription> {
        let build = |_| {
            let ids = groups.iter().map(|group| group_id(group));
            Ok(ConsumerGroupDescribeRequest::default().with_group_ids(ids.collect()))
        };
        self.ask(call, Target::Node(node), groups, build, |answer| {
            let coordinator = self.node(node)?;
            let groups = answer.groups.into_iter().map(|group| {
                let id = group.group_id.to_string();
                let message = group.error_message.as_deref();
                let error = checked(group.error_code, message, || format!("group {id}"));
                let described = error.map(|()| of_new(group, coordinator.clone()));
                (id, described)
            });
            Ok(groups.collect())
        })
        .await
    }

    async fn describe_classic(
        &self,
        call: Call,
        node: i32,
        groups: &[String],
    ) -> Answers<String, ClassicGroupDescription> {
        let build = |_| {
            let ids = groups.iter().map(|group| group_id(group));
            Ok(DescribeGroupsRequest::default().with_groups(ids.collect()))
        };
        self.ask(call, Target::Node(node), groups, build, |answer| {
            let coordinator = self.node(node)?;
            let groups = answer.groups.into_iter().map(|group| {
                let id = group.group_id.to_string();
                let message = group.error_message.as_deref();
                let error = checked(group.error_code, message, || format!("group {id}"));
                let described = error.and_then(|()| of_classic(group, coordinator.clone()));
                (id, described)
            });
            Ok(groups.collect())
        })
        .await
    }
}

/// Whether the answer about a consumer group means that it may be one of the classic protocol.
fn is_perhaps_classic(described: &Result<ConsumerGroupDescription, ClientError>) -> bool {
    match described {
        Err(ClientError::UnsupportedVersion {
            api: ApiKey::ConsumerGroupDescribe,
            ..
        }) => true,
        Err(ClientError::Broker(error)) => {
            error.is(ResponseError::GroupIdNotFound) || error.is(ResponseError::UnsupportedVersion)
        }
        _ => false,
    }
}

fn of_new(group: DescribedConsumerGroup, coordinator: Node) -> ConsumerGroupDescription {
    ConsumerGroupDescription {
        group_id: group.group_id.to_string(),
        is_simple_consumer_group: false,
        members: group.members.into_iter().map(Into::into).collect(),
        partition_assignor: group.assignor_name.to_string(),
        group_type: GroupType::Consumer,
        state: GroupState::of_name(&group.group_state),
        coordinator,
        group_epoch: Some(group.group_epoch),
        target_assignment_epoch: Some(group.assignment_epoch),
    }
}

fn of_classic(
    group: DescribedClassicGroup,
    coordinator: Node,
) -> Result<ClassicGroupDescription, ClientError> {
    let protocol = group.protocol_type.to_string();
    let members = group.members.into_iter();
    let members = members.map(|member| member_of_classic(member, &protocol, &coordinator));
    let members = members.collect::<Result<_, _>>()?;
    Ok(ClassicGroupDescription {
        group_id: group.group_id.to_string(),
        protocol,
        protocol_data: group.protocol_data.to_string(),
        members,
        state: GroupState::of_name(&group.group_state),
        coordinator,
    })
}

fn of_consumers(group: ClassicGroupDescription) -> Result<ConsumerGroupDescription, ClientError> {
    if !group.protocol.is_empty() && group.protocol != CONSUMER_PROTOCOL {
        return Err(ClientError::InvalidArgument(format!(
            "group {} is not one of consumers: its members speak {}",
            group.group_id, group.protocol
        )));
    }
    Ok(ConsumerGroupDescription {
        group_id: group.group_id,
        is_simple_consumer_group: group.protocol.is_empty(),
        members: group.members,
        partition_assignor: group.protocol_data,
        group_type: GroupType::Classic,
        state: group.state,
        coordinator: group.coordinator,
        group_epoch: None,
        target_assignment_epoch: None,
    })
}

fn member_of_classic(
    member: DescribedGroupMember,
    protocol: &str,
    coordinator: &Node,
) -> Result<MemberDescription, ClientError> {
    let assignment = if protocol == CONSUMER_PROTOCOL {
        assignment::partitions(member.member_assignment).map_err(|error| ClientError::Protocol {
            address: coordinator.address.to_string(),
            api: ApiKey::DescribeGroups,
            reason: format!("the assignment of member {}: {error}", member.member_id),
        })?
    } else {
        Vec::new()
    };
    Ok(MemberDescription {
        member_id: member.member_id.to_string(),
        group_instance_id: member.group_instance_id.map(|id| id.to_string()),
        rack_id: None,
        client_id: member.client_id.to_string(),
        host: member.client_host.to_string(),
        assignment,
        target_assignment: None,
        member_epoch: None,
        is_upgraded: None,
        subscribed_topic_names: Vec::new(),
        subscribed_topic_regex: None,
    })
}

impl From<Member> for MemberDescription {
    fn from(member: Member) -> Self {
        let names = member.subscribed_topic_names.into_iter();
        Self {
            member_id: member.member_id.to_string(),
            group_instance_id: member.instance_id.map(|id| id.to_string()),
            rack_id: member.rack_id.map(|id| id.to_string()),
            client_id: member.client_id.to_string(),
            host: member.client_host.to_string(),
            assignment: partitions(member.assignment),
            target_assignment: Some(partitions(member.target_assignment)),
            member_epoch: Some(member.member_epoch),
            // -1 from brokers that do not say.
            is_upgraded: (0 <= member.member_type).then_some(member.member_type == 1),
            subscribed_topic_names: names.map(|name| name.to_string()).collect(),
            subscribed_topic_regex: member
                .subscribed_topic_regex
                .filter(|regex| !regex.is_empty())
                .map(|regex| regex.to_string()),
        }
    }
}

fn partitions(assignment: Assignment) -> Vec<TopicPartition> {
    let topics = assignment.topic_partitions.into_iter();
    let partitions = topics.flat_map(|topic| {
        let name: std::sync::Arc<str> = topic.topic_name.as_str().into();
        let partitions = topic.partitions.into_iter();
        partitions.map(move |index| TopicPartition::new(name.clone(), index))
    });
    let mut partitions: Vec<_> = partitions.collect();
    partitions.sort();
    partitions
}
