//! From what the member has to what the broker wants it to have.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Assigned, ConsumerMember, State};
use crate::consumer::group::steps::{Partitions, Plan};
use crate::metadata::Metadata;
use crate::topic_partition::TopicPartition;

impl ConsumerMember {
    /// Plans the steps towards the target, or takes note that they are done.
    pub(super) fn reconcile(&mut self, metadata: &Metadata) {
        if self.state != State::Reconciling || !self.steps.is_idle() {
            return;
        }
        if let Some(reached) = self.reconciling.take() {
            self.current = Some(reached);
            self.names.retain(|id, _| {
                let is_in =
                    |it: &Option<Assigned>| it.as_ref().is_some_and(|it| it.contains_key(id));
                is_in(&self.current) || is_in(&self.target)
            });
            return self.go(State::Acknowledging);
        }
        let resolved = self.resolve(metadata);
        if self.current.as_ref() == Some(&resolved) {
            return;
        }
        let assigned = self.named(&resolved);
        let revoked: Partitions = self.steps.owned().difference(&assigned).cloned().collect();
        if !revoked.is_empty() {
            self.steps.plan(Plan::Revoke(revoked));
        }
        self.steps.plan(Plan::Assign(assigned));
        self.reconciling = Some(resolved);
    }

    /// The part of the target whose topics have names. The rest waits for metadata.
    fn resolve(&mut self, metadata: &Metadata) -> Assigned {
        let mut resolved = Assigned::new();
        for (id, partitions) in self.target.iter().flatten() {
            if let Some(name) = metadata.topic_name(*id) {
                self.names.insert(*id, Arc::clone(name));
            }
            if self.names.contains_key(id) {
                resolved.insert(*id, partitions.clone());
            }
        }
        let is_whole = self
            .target
            .as_ref()
            .is_some_and(|it| it.len() == resolved.len());
        self.needs_metadata = !is_whole;
        resolved
    }

    fn named(&self, assigned: &Assigned) -> BTreeSet<TopicPartition> {
        let mut named = BTreeSet::new();
        for (id, partitions) in assigned {
            if let Some(name) = self.names.get(id) {
                let of_topic = |it: &i32| TopicPartition::new(Arc::clone(name), *it);
                named.extend(partitions.iter().map(of_topic));
            }
        }
        named
    }
}
