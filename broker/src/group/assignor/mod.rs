//! Server-side partition assignors of consumer groups (KIP-848), pure and deterministic.
//!
//! Reading order: `spec` are the words all share; `topics` is what a group sees of the cluster's
//! topics; `uniform` and `range` are the assignors; `target` runs one of them over a group and
//! tells which members' targets changed; `topic_regex` resolves subscriptions by pattern;
//! `metadata_hash` tells whether the topics of a group changed. Not here: when a new target is
//! computed, how members reach it, and its records (`group::consumer`).
//!
//! **Invariant:** of the partitions of every topic somebody is subscribed to, each is given to
//! exactly one member, which is subscribed to the topic; nothing else is given to anybody.
//! **Invariant:** the same input gives the same output; nothing depends on the order of a hash map.

#[cfg(test)]
pub(crate) mod fake_topics;
mod metadata_hash;
mod partitions;
mod range;
mod re2;
mod spec;
mod target;
mod topic_regex;
mod topics;
mod uniform;

use thiserror::Error;

pub use metadata_hash::group_metadata_hash;
pub use range::RangeAssignor;
pub use spec::{
    Assignment, GroupAssignment, GroupSpec, MemberId, MemberSpec, SubscriptionType, TopicId,
    TopicsDescription,
};
pub use target::{TargetAssignment, TargetMember, build_target_assignment};
pub use topic_regex::{InvalidTopicRegex, TopicRegex, resolve_topic_regexes};
pub use topics::{DescribedTopic, TopicsImage};
pub use uniform::UniformAssignor;

/// Why no assignment can be computed.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum AssignorError {
    /// A member is subscribed to a topic that is not among the described ones.
    #[error("members are subscribed to topic {0}, which is not in the topic metadata")]
    UnknownTopic(TopicId),
}

/// Computes the target assignment of a whole group. Kafka's `ConsumerGroupPartitionAssignor`.
pub trait GroupAssignor: Send + Sync {
    /// The name members ask for, such as `uniform`.
    fn name(&self) -> &'static str;

    /// Gives each partition of the subscribed topics to one subscribed member. Every member of the
    /// specification has an entry in the result, empty if it gets nothing.
    ///
    /// # Errors
    /// [`AssignorError::UnknownTopic`] if a subscribed topic is missing in `topics`.
    fn assign(
        &self,
        group: &GroupSpec<'_>,
        topics: &TopicsDescription,
    ) -> Result<GroupAssignment, AssignorError>;
}

/// The assignor with this name, if there is one.
#[must_use]
pub fn assignor_by_name(name: &str) -> Option<&'static dyn GroupAssignor> {
    const ASSIGNORS: [&dyn GroupAssignor; 2] = [&UniformAssignor, &RangeAssignor];
    ASSIGNORS
        .into_iter()
        .find(|assignor| assignor.name() == name)
}

#[cfg(test)]
mod tests;
