//! Removing members from groups of the classic protocol.

use std::collections::BTreeSet;

use ringbrook_protocol::messages::LeaveGroupRequest;
use ringbrook_protocol::messages::leave_group_request::MemberIdentity;

use crate::admin::driver::{at_coordinator, checked};
use crate::admin::wire::{group_id, text};
use crate::admin::{Admin, PerItem};
use crate::cluster::{CoordinatorKind, Target};
use crate::error::ClientError;

/// A member to remove.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MemberToRemove {
    /// A static member, by `group.instance.id`.
    Instance(String),
    /// Any member, by its id in the group.
    Member(String),
}

impl MemberToRemove {
    fn to_wire(&self, version: i16, reason: &str) -> MemberIdentity {
        let identity = match self {
            Self::Instance(id) => MemberIdentity::default().with_group_instance_id(Some(text(id))),
            Self::Member(id) => MemberIdentity::default().with_member_id(text(id)),
        };
        // Since version 5 (KIP-800).
        if version < 5 {
            return identity;
        }
        identity.with_reason(Some(text(reason)))
    }
}

impl Admin {
    /// Removes members from a group. `reason` is for the broker's log. Needs a broker of Kafka 2.4
    /// or later.
    pub async fn remove_members_from_consumer_group(
        &self,
        group: &str,
        members: impl IntoIterator<Item = MemberToRemove>,
        reason: &str,
    ) -> PerItem<MemberToRemove, ()> {
        let call = self.begin("removing members from a group", at_coordinator);
        let target = Target::Coordinator(CoordinatorKind::Group, group);
        let members: BTreeSet<MemberToRemove> = members.into_iter().collect();
        self.drive(call, members, async |open: Vec<MemberToRemove>| {
            let build = |version| {
                if version < 3 {
                    return Err(ClientError::Unsupported(
                        "this broker is too old to remove members from a group".to_owned(),
                    ));
                }
                let members = open.iter().map(|member| member.to_wire(version, reason));
                Ok(LeaveGroupRequest::default()
                    .with_group_id(group_id(group))
                    .with_members(members.collect()))
            };
            self.ask(call, target, &open, build, |answer| {
                checked(answer.error_code, None, || format!("group {group}"))?;
                let members = answer.members.into_iter().map(|member| {
                    let (it, subject) = match member.group_instance_id {
                        Some(id) => {
                            let subject = format!("instance {id} of group {group}");
                            (MemberToRemove::Instance(id.to_string()), subject)
                        }
                        None => {
                            let id = member.member_id;
                            let subject = format!("member {id} of group {group}");
                            (MemberToRemove::Member(id.to_string()), subject)
                        }
                    };
                    (it, checked(member.error_code, None, || subject))
                });
                Ok(members.collect())
            })
            .await
        })
        .await
    }

    /// Removes all members that a group has now.
    ///
    /// # Errors
    /// The group cannot be described.
    pub async fn remove_all_members_from_consumer_group(
        &self,
        group: &str,
        reason: &str,
    ) -> Result<PerItem<MemberToRemove, ()>, ClientError> {
        let described = self.describe_consumer_groups([group]).await;
        let members = described.only(&group.to_owned())?.members;
        let members = members
            .into_iter()
            .map(|member| match member.group_instance_id {
                Some(id) => MemberToRemove::Instance(id),
                None => MemberToRemove::Member(member.member_id),
            });
        let removing = self.remove_members_from_consumer_group(group, members, reason);
        Ok(removing.await)
    }
}
