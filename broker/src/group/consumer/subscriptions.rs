//! What the members of a consumer group are subscribed to, counted, so that the group knows its
//! topics without looking at every member. Kept by `group`; the counts follow from the members and
//! the resolved regular expressions and are never stored.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::member::regex_of;
use crate::group::schema::ConsumerMemberMetadataValue;

/// The subscriptions of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Subscriptions {
    /// How many members name the topic, plus how many regular expressions match it.
    topics: BTreeMap<Arc<str>, usize>,
    /// How many members subscribe to the regular expression.
    regexes: BTreeMap<Arc<str>, usize>,
    /// How many members prefer the server-side assignor.
    assignors: BTreeMap<Arc<str>, usize>,
}

impl Subscriptions {
    pub(crate) fn add_member(&mut self, metadata: &ConsumerMemberMetadataValue) {
        self.add_topics(&metadata.subscribed_topic_names);
        if let Some(regex) = regex_of(metadata) {
            add(&mut self.regexes, regex);
        }
        if let Some(assignor) = &metadata.server_assignor {
            add(&mut self.assignors, assignor);
        }
    }

    pub(crate) fn remove_member(&mut self, metadata: &ConsumerMemberMetadataValue) {
        self.remove_topics(&metadata.subscribed_topic_names);
        if let Some(regex) = regex_of(metadata) {
            remove(&mut self.regexes, regex);
        }
        if let Some(assignor) = &metadata.server_assignor {
            remove(&mut self.assignors, assignor);
        }
    }

    /// Counts the topics that a regular expression matches, or that a member names.
    pub(crate) fn add_topics(&mut self, topics: &BTreeSet<Arc<str>>) {
        for topic in topics {
            add(&mut self.topics, topic);
        }
    }

    pub(crate) fn remove_topics(&mut self, topics: &BTreeSet<Arc<str>>) {
        for topic in topics {
            remove(&mut self.topics, topic);
        }
    }

    /// The topics anybody is subscribed to, in the order of their names.
    pub(crate) fn topics(&self) -> impl Iterator<Item = &Arc<str>> {
        self.topics.keys()
    }

    pub(crate) fn has_topic(&self, topic: &str) -> bool {
        self.topics.contains_key(topic)
    }

    /// The regular expressions anybody is subscribed to.
    pub(crate) fn regexes(&self) -> impl ExactSizeIterator<Item = &Arc<str>> {
        self.regexes.keys()
    }

    /// How many members subscribe to the regular expression.
    pub(crate) fn regex_count(&self, regex: &str) -> usize {
        self.regexes.get(regex).copied().unwrap_or(0)
    }

    /// The server-side assignor most members prefer; of equal ones the alphabetically first, where
    /// Kafka leaves the choice to the order of a hash map.
    pub(crate) fn preferred_assignor(&self) -> Option<&Arc<str>> {
        let most = self.assignors.values().copied().max()?;
        let mut assignors = self.assignors.iter();
        let (name, _) = assignors.find(|(_, count)| **count == most)?;
        Some(name)
    }
}

fn add(counts: &mut BTreeMap<Arc<str>, usize>, name: &Arc<str>) {
    *counts.entry(Arc::clone(name)).or_default() += 1;
}

fn remove(counts: &mut BTreeMap<Arc<str>, usize>, name: &Arc<str>) {
    if let Some(count) = counts.get_mut(name) {
        *count -= 1;
        if *count == 0 {
            counts.remove(name);
        }
    }
}
