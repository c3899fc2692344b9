//! Runs an assignor over a group: subscriptions by name and pattern become topic ids, and the new
//! target is compared with the old one. Kafka's `TargetAssignmentBuilder`.
//!
//! Not here: the records; `group::consumer` writes one per changed member and one with the epoch.
//! A member that left simply is not given; its tombstones belong to its removal.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{
    Assignment, AssignorError, GroupAssignment, GroupAssignor, GroupSpec, MemberId, MemberSpec,
    TopicId, TopicsDescription, TopicsImage,
};

/// One member of the group a target is computed for.
#[derive(Clone, Debug)]
pub struct TargetMember<'a> {
    /// The member.
    pub member_id: MemberId,
    /// `group.instance.id` of a static member.
    pub instance_id: Option<Arc<str>>,
    /// The topics it names. Names of topics that do not exist are passed over.
    pub topic_names: &'a BTreeSet<Arc<str>>,
    /// The topics its pattern matches, if it has one and that is resolved.
    pub regex_topics: Option<&'a BTreeSet<Arc<str>>>,
    /// Its target until now; `None` if it has none yet, so that its first one counts as a change
    /// even if it is empty.
    pub target: Option<&'a Assignment>,
    /// The target of the static member it replaces, which it starts from instead of its own.
    pub predecessor_target: Option<&'a Assignment>,
}

/// A new target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TargetAssignment {
    /// The target of every member.
    pub members: GroupAssignment,
    /// The members whose target is new or differs from the one they had, in the order of their ids.
    pub changed: Vec<MemberId>,
}

/// Computes the target of the group of these members.
///
/// # Errors
/// What the assignor cannot do; see [`AssignorError`].
///
/// # Panics
/// If a member is given twice.
pub fn build_target_assignment(
    assignor: &dyn GroupAssignor,
    members: &[TargetMember<'_>],
    topics: &dyn TopicsImage,
) -> Result<TargetAssignment, AssignorError> {
    let nothing = Assignment::new();
    let mut resolver = TopicResolver::new(topics);
    let specs = members
        .iter()
        .map(|member| MemberSpec {
            member_id: Arc::clone(&member.member_id),
            instance_id: member.instance_id.clone(),
            subscribed_topics: resolver.subscribed_topics(member),
            assignment: member
                .predecessor_target
                .or(member.target)
                .unwrap_or(&nothing),
        })
        .collect();
    let assigned = assignor.assign(&GroupSpec::new(specs), &resolver.description)?;
    let mut changed: Vec<MemberId> = members
        .iter()
        .filter(|member| member.target != Some(assigned.get(&member.member_id).unwrap_or(&nothing)))
        .map(|member| Arc::clone(&member.member_id))
        .collect();
    changed.sort();
    Ok(TargetAssignment {
        members: assigned,
        changed,
    })
}

/// Turns names into ids, each name once, and describes the topics it met.
struct TopicResolver<'a> {
    topics: &'a dyn TopicsImage,
    ids_by_name: BTreeMap<Arc<str>, Option<TopicId>>,
    description: TopicsDescription,
    /// The last member's subscription: most members of a group have the same, and then share it.
    last: Option<LastSubscription<'a>>,
}

struct LastSubscription<'a> {
    topic_names: &'a BTreeSet<Arc<str>>,
    regex_topics: Option<&'a BTreeSet<Arc<str>>>,
    topic_ids: Arc<BTreeSet<TopicId>>,
}

impl<'a> TopicResolver<'a> {
    fn new(topics: &'a dyn TopicsImage) -> Self {
        Self {
            topics,
            ids_by_name: BTreeMap::new(),
            description: TopicsDescription::default(),
            last: None,
        }
    }

    fn subscribed_topics(&mut self, member: &TargetMember<'a>) -> Arc<BTreeSet<TopicId>> {
        if let Some(last) = &self.last
            && last.topic_names == member.topic_names
            && last.regex_topics == member.regex_topics
        {
            return Arc::clone(&last.topic_ids);
        }
        let names = member.topic_names.iter();
        let names = names.chain(member.regex_topics.into_iter().flatten());
        let topic_ids: Arc<BTreeSet<TopicId>> =
            Arc::new(names.filter_map(|name| self.topic_id(name)).collect());
        self.last = Some(LastSubscription {
            topic_names: member.topic_names,
            regex_topics: member.regex_topics,
            topic_ids: Arc::clone(&topic_ids),
        });
        topic_ids
    }

    fn topic_id(&mut self, name: &Arc<str>) -> Option<TopicId> {
        if let Some(&known) = self.ids_by_name.get(name) {
            return known;
        }
        let topic = self.topics.topic(name);
        let id = topic.as_ref().map(|topic| topic.id);
        if let Some(topic) = topic {
            self.description.insert(topic.id, topic.partition_count);
        }
        self.ids_by_name.insert(Arc::clone(name), id);
        id
    }
}
