//! What an assignor is given and what it returns. Plain data; built by `target`, read by the
//! assignors, kept by `group::consumer`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use uuid::Uuid;

/// A member's id.
pub type MemberId = Arc<str>;
/// A topic's id.
pub type TopicId = Uuid;
/// Partitions by topic. A topic without partitions is not in it, so that equal means equal.
pub type Assignment = BTreeMap<TopicId, BTreeSet<i32>>;
/// The assignments of all members of a group.
pub type GroupAssignment = BTreeMap<MemberId, Assignment>;

/// One member, as an assignor sees it. Kafka's `MemberSubscriptionAndAssignmentImpl`.
#[derive(Clone, Debug)]
pub struct MemberSpec<'a> {
    /// The member.
    pub member_id: MemberId,
    /// `group.instance.id` of a static member.
    pub instance_id: Option<Arc<str>>,
    /// The topics it is subscribed to; they all exist. Shared between members when equal.
    pub subscribed_topics: Arc<BTreeSet<TopicId>>,
    /// Its target assignment until now, or that of the static member it replaces. May name topics
    /// it is no longer subscribed to and partitions that never existed.
    pub assignment: &'a Assignment,
}

/// Whether all members want the same topics. Kafka's enum of this name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubscriptionType {
    /// All members are subscribed to the same topics.
    Homogeneous,
    /// They are not.
    Heterogeneous,
}

/// The members of a group. Kafka's `GroupSpec`.
#[derive(Clone, Debug)]
pub struct GroupSpec<'a> {
    members: Vec<MemberSpec<'a>>,
    subscription_type: SubscriptionType,
}

impl<'a> GroupSpec<'a> {
    /// A group of these members. The subscription type follows from the topics themselves, where
    /// Kafka compares names and patterns: two patterns for the same topics are homogeneous here.
    ///
    /// # Panics
    /// If a member is given twice.
    #[must_use]
    pub fn new(mut members: Vec<MemberSpec<'a>>) -> Self {
        members.sort_by(|a, b| a.member_id.cmp(&b.member_id));
        let subscription_type = subscription_type(&members);
        for pair in members.windows(2) {
            assert!(
                pair[0].member_id != pair[1].member_id,
                "member {} is given twice",
                pair[0].member_id
            );
        }
        Self {
            members,
            subscription_type,
        }
    }

    /// The members in the order of their ids.
    #[must_use]
    pub fn members(&self) -> &[MemberSpec<'a>] {
        &self.members
    }

    /// Whether all members want the same topics.
    #[must_use]
    pub fn subscription_type(&self) -> SubscriptionType {
        self.subscription_type
    }
}

fn subscription_type(members: &[MemberSpec<'_>]) -> SubscriptionType {
    let same = members.windows(2).all(|pair| {
        let (one, other) = (&pair[0].subscribed_topics, &pair[1].subscribed_topics);
        Arc::ptr_eq(one, other) || one == other
    });
    if same {
        SubscriptionType::Homogeneous
    } else {
        SubscriptionType::Heterogeneous
    }
}

/// Partition counts of the subscribed topics. Kafka's `SubscribedTopicDescriber`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicsDescription {
    partition_counts: BTreeMap<TopicId, i32>,
}

impl TopicsDescription {
    /// Adds a topic, or changes its partition count.
    ///
    /// # Panics
    /// If the count is negative.
    pub fn insert(&mut self, topic_id: TopicId, partition_count: i32) {
        assert!(
            0 <= partition_count,
            "{topic_id} has {partition_count} partitions"
        );
        self.partition_counts.insert(topic_id, partition_count);
    }

    /// How many partitions the topic has; `None` if the topic is not described.
    #[must_use]
    pub fn partition_count(&self, topic_id: TopicId) -> Option<i32> {
        self.partition_counts.get(&topic_id).copied()
    }
}

impl FromIterator<(TopicId, i32)> for TopicsDescription {
    fn from_iter<I: IntoIterator<Item = (TopicId, i32)>>(topics: I) -> Self {
        let mut description = Self::default();
        for (topic_id, partition_count) in topics {
            description.insert(topic_id, partition_count);
        }
        description
    }
}
