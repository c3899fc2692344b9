//! Who of a group's members reads which partitions, when the members decide it themselves: the
//! assignors of the classic protocol. With the consumer protocol (KIP-848) the broker decides.
//!
//! The member that leads the group runs one of them over what all members said when they joined
//! (`group::classic`). They are pure: the same input gives the same output, in any process, and
//! nothing depends on the order of a hash map. Where Kafka's assignors are as strict, these give
//! the same answers; where those depend on Java's hash order, these take the order of names.

mod cooperative_sticky;
mod racks;
mod range;
mod round_robin;
mod sticky;
mod topics;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

pub use cooperative_sticky::CooperativeStickyAssignor;
pub use range::RangeAssignor;
pub use round_robin::RoundRobinAssignor;
pub use sticky::StickyAssignor;
pub use topics::AssignableTopics;

use crate::topic_partition::TopicPartition;

/// What one member said when it joined.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemberSubscription {
    /// The topics it wants, existing or not.
    pub topics: Vec<Arc<str>>,
    /// What its assignor left for the leader's.
    pub user_data: Option<Bytes>,
    /// What it still owns; nothing with the eager rebalance protocol.
    pub owned_partitions: Vec<TopicPartition>,
    /// The generation in which it owned that; nothing from clients that do not say.
    pub generation_id: Option<i32>,
    /// `client.rack`; nothing when it is empty.
    pub rack_id: Option<Arc<str>>,
    /// `group.instance.id` of a static member.
    pub group_instance_id: Option<Arc<str>>,
}

impl MemberSubscription {
    /// A member that wants these topics and owns nothing.
    #[must_use]
    pub fn to_topics(topics: &[&str]) -> Self {
        Self {
            topics: topics.iter().map(|topic| Arc::from(*topic)).collect(),
            ..Self::default()
        }
    }
}

/// All members of a group, by member id.
pub type GroupSubscription = BTreeMap<Arc<str>, MemberSubscription>;

/// What one member is given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Assignment {
    /// Its partitions.
    pub partitions: Vec<TopicPartition>,
    /// What the leader's assignor leaves for the member's.
    pub user_data: Option<Bytes>,
}

/// What all members are given, by member id.
pub type GroupAssignment = BTreeMap<Arc<str>, Assignment>;

/// What a member remembers of its last assignment, for [`Assignor::user_data`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LastAssignment {
    /// The assignment; nothing before the first one.
    pub assignment: Option<Assignment>,
    /// The generation it belonged to; -1 before the first one.
    pub generation_id: i32,
}

/// An assignor cannot do its work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct AssignorError(pub String);

/// Kafka's `ConsumerPartitionAssignor`. Implementations keep no state: what one has to remember is
/// handed to it.
pub trait Assignor: Send + Sync {
    /// The name by which members agree on an assignor.
    fn name(&self) -> &str;

    /// Whether members may keep their partitions while they rebalance (KIP-429). Such an assignor
    /// never gives a partition to a member while another one still owns it: that takes a second
    /// rebalance.
    fn is_cooperative(&self) -> bool {
        false
    }

    /// What this member sends to the leader's assignor when it joins.
    fn user_data(&self, _last: &LastAssignment) -> Option<Bytes> {
        None
    }

    /// Distributes the partitions of `topics` over the members. Every member has an entry in the
    /// result. Topics that do not exist are not in `topics` and are passed over.
    ///
    /// # Errors
    /// It cannot; the rebalance fails and the leader's `poll` says so.
    fn assign(
        &self,
        topics: &AssignableTopics,
        group: &GroupSubscription,
    ) -> Result<GroupAssignment, AssignorError>;
}

impl fmt::Debug for dyn Assignor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The names of Kafka's assignors, as `partition.assignment.strategy` and as members spell them.
pub const ASSIGNOR_NAMES: [(&str, &str); 4] = [
    ("org.apache.kafka.clients.consumer.RangeAssignor", "range"),
    (
        "org.apache.kafka.clients.consumer.RoundRobinAssignor",
        "roundrobin",
    ),
    ("org.apache.kafka.clients.consumer.StickyAssignor", "sticky"),
    (
        "org.apache.kafka.clients.consumer.CooperativeStickyAssignor",
        "cooperative-sticky",
    ),
];

/// One of Kafka's assignors, by its name or by the name of its Java class.
#[must_use]
pub fn assignor_by_name(name: &str) -> Option<Arc<dyn Assignor>> {
    let known = ASSIGNOR_NAMES
        .iter()
        .find(|(class, short)| name == *class || name == *short)?;
    Some(match known.1 {
        "range" => Arc::new(RangeAssignor),
        "roundrobin" => Arc::new(RoundRobinAssignor),
        "sticky" => Arc::new(StickyAssignor),
        _ => Arc::new(CooperativeStickyAssignor),
    })
}

/// Kafka's default `partition.assignment.strategy`: range, with cooperative-sticky to move to by
/// one rolling restart.
#[must_use]
pub fn default_assignors() -> Vec<Arc<dyn Assignor>> {
    vec![Arc::new(RangeAssignor), Arc::new(CooperativeStickyAssignor)]
}

/// Members in the order in which range and round-robin serve them: static ones by instance id,
/// then dynamic ones by member id (`AbstractPartitionAssignor.MemberInfo`).
fn in_order(group: &GroupSubscription) -> Vec<(&Arc<str>, &MemberSubscription)> {
    let mut members: Vec<_> = group.iter().collect();
    members.sort_by_key(|(id, member)| {
        let instance = member.group_instance_id.as_ref();
        (instance.is_none(), instance.map(Arc::clone), Arc::clone(id))
    });
    members
}

/// Every member, with nothing yet.
fn nothing_assigned(group: &GroupSubscription) -> GroupAssignment {
    group
        .keys()
        .map(|id| (Arc::clone(id), Assignment::default()))
        .collect()
}

#[cfg(test)]
mod tests;
