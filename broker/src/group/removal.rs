//! Which offsets and groups a removal removes, decided when its turn in the queue has come and
//! everything before it is applied. Pure: state in, tombstones out. Called by `drain`.

use std::sync::Arc;

use super::classic::action::Action;
use super::consumer::record::ConsumerRecord;
use super::entry::{Group, GroupEntry};
use super::error::GroupError;
use super::schema::{SchemaError, encode_group_metadata_key, encode_offset_commit_key};
use super::shard::{Now, ShardState};
use super::write::{Removal, RemovalPlan, RemovalReply, Removed, TopicResults};
use crate::coordinator::CoordinatorRecord;

impl ShardState {
    /// The tombstones of a removal. Groups that are to be deleted are Dead from here on, until the
    /// tombstones are applied or have failed.
    pub(crate) fn plan_removal(&mut self, removal: Removal, now: Now) -> RemovalPlan {
        let mut removed = Vec::new();
        let reply = match removal {
            Removal::Group { group_id, done } => match self.plan_group(&group_id, &mut removed) {
                Ok(()) => RemovalReply::Unit(done),
                Err(error) => return refused(error, RemovalReply::Unit(done)),
            },
            Removal::Offsets {
                group_id,
                topics,
                done,
            } => match self.plan_offsets(&group_id, &topics, &mut removed) {
                Ok(results) => RemovalReply::Topics(done, results),
                Err(error) => return refused(error, RemovalReply::Topics(done, Vec::new())),
            },
            Removal::Topics { topics, done } => {
                for (group_id, entry) in &self.groups {
                    for topic in &topics {
                        push_offsets(
                            &mut removed,
                            group_id,
                            topic,
                            &entry.offsets.partitions_of(topic),
                        );
                    }
                }
                RemovalReply::Count(done, removed.len())
            }
            Removal::Expired { done } => {
                self.plan_expired(now.ms, &mut removed);
                RemovalReply::Count(done, removed.len())
            }
        };
        let tombstones = match self.tombstones(removed) {
            Ok(tombstones) => tombstones,
            Err(error) => {
                tracing::error!(%error, "cannot encode a tombstone");
                return refused(GroupError::UnknownServerError, reply);
            }
        };
        for (_, gone) in &tombstones {
            if let Removed::Group { group_id } = gone {
                let begun = self.with_classic(group_id, now, |group, actions: &mut Vec<Action>| {
                    group.begin_delete(now.ms, actions);
                });
                if begun.is_none() {
                    self.begin_delete_consumer(group_id);
                }
            }
        }
        RemovalPlan {
            tombstones,
            refusal: None,
            reply,
        }
    }

    fn plan_group(
        &self,
        group_id: &Arc<str>,
        removed: &mut Vec<Removed>,
    ) -> Result<(), GroupError> {
        let entry = self
            .groups
            .get(group_id)
            .ok_or(GroupError::GroupIdNotFound)?;
        entry.group.validate_delete()?;
        push_all_offsets(removed, group_id, entry);
        removed.push(Removed::Group {
            group_id: Arc::clone(group_id),
        });
        Ok(())
    }

    fn plan_offsets(
        &self,
        group_id: &Arc<str>,
        topics: &[(Arc<str>, Vec<i32>)],
        removed: &mut Vec<Removed>,
    ) -> Result<TopicResults, GroupError> {
        let entry = self
            .groups
            .get(group_id)
            .ok_or(GroupError::GroupIdNotFound)?;
        entry.group.validate_offset_delete()?;
        let mut delete_topic = |topic: &Arc<str>, partitions: &[i32]| {
            if entry.group.is_subscribed(topic) {
                return Err(GroupError::GroupSubscribedToTopic);
            }
            let mut committed = entry.offsets.partitions_of(topic);
            committed.retain(|partition| partitions.contains(partition));
            push_offsets(removed, group_id, topic, &committed);
            Ok(())
        };
        Ok(topics
            .iter()
            .map(|(topic, partitions)| delete_topic(topic, partitions))
            .collect())
    }

    fn plan_expired(&self, now_ms: i64, removed: &mut Vec<Removed>) {
        for (group_id, entry) in &self.groups {
            let group = &entry.group;
            let (expired, is_all) = entry.offsets.expired(
                group.retention_start(),
                |topic| group.is_subscribed(topic),
                self.config.offsets_retention,
                now_ms,
            );
            for (topic, partition) in expired {
                let group_id = Arc::clone(group_id);
                removed.push(Removed::Offset {
                    group_id,
                    topic,
                    partition,
                });
            }
            let is_idle = group.is_idle() && entry.unwritten == 0;
            if is_all && group.validate_delete().is_ok() && is_idle {
                removed.push(Removed::Group {
                    group_id: Arc::clone(group_id),
                });
            }
        }
    }

    /// The tombstones of what is to be removed, each with what it removes; of a consumer group all
    /// it has, the group itself last.
    fn tombstones(
        &self,
        removed: Vec<Removed>,
    ) -> Result<Vec<(CoordinatorRecord, Removed)>, SchemaError> {
        let mut tombstones = Vec::with_capacity(removed.len());
        for gone in removed {
            let key = match &gone {
                Removed::GroupPart => continue,
                Removed::Offset {
                    group_id,
                    topic,
                    partition,
                } => encode_offset_commit_key(group_id, topic, *partition)?,
                Removed::Group { group_id } => match self.consumer_tombstones(group_id) {
                    None => encode_group_metadata_key(group_id)?,
                    Some(records) => {
                        for record in &records {
                            tombstones.push((record.encode(group_id)?, Removed::GroupPart));
                        }
                        if let Some((_, last)) = tombstones.last_mut() {
                            *last = gone;
                        }
                        continue;
                    }
                },
            };
            tombstones.push((CoordinatorRecord { key, value: None }, gone));
        }
        Ok(tombstones)
    }

    /// The tombstones of a consumer group, its own the last; `None` for a classic group.
    fn consumer_tombstones(&self, group_id: &str) -> Option<Vec<ConsumerRecord>> {
        match &self.groups.get(group_id)?.group {
            Group::Classic(_) => None,
            Group::Consumer(group) => Some(group.tombstones()),
        }
    }

    fn begin_delete_consumer(&mut self, group_id: &str) {
        if let Some(entry) = self.groups.get_mut(group_id)
            && let Group::Consumer(group) = &mut entry.group
        {
            group.is_deleting = true;
        }
    }

    /// Takes over tombstones that are written.
    pub(crate) fn apply_removed(&mut self, removed: &[Removed]) {
        for gone in removed {
            match gone {
                Removed::Offset {
                    group_id,
                    topic,
                    partition,
                } => {
                    if let Some(entry) = self.groups.get_mut(group_id) {
                        entry.offsets.remove(topic, *partition);
                    }
                }
                Removed::GroupPart => {}
                Removed::Group { group_id } => {
                    tracing::info!(group = %group_id, "group deleted");
                    self.groups.remove(group_id);
                }
            }
        }
    }

    /// Gives up tombstones that could not be written.
    pub(crate) fn abort_removed(&mut self, removed: &[Removed]) {
        for kept in removed {
            if let Removed::Group { group_id } = kept
                && let Some(entry) = self.groups.get_mut(group_id)
            {
                entry.group.abort_delete();
            }
        }
    }
}

fn push_all_offsets(removed: &mut Vec<Removed>, group_id: &Arc<str>, entry: &GroupEntry) {
    for (topic, partitions) in entry.offsets.partitions() {
        let partitions: Vec<i32> = partitions.into_iter().collect();
        push_offsets(removed, group_id, &topic, &partitions);
    }
}

fn push_offsets(
    removed: &mut Vec<Removed>,
    group_id: &Arc<str>,
    topic: &Arc<str>,
    partitions: &[i32],
) {
    removed.extend(partitions.iter().map(|partition| Removed::Offset {
        group_id: Arc::clone(group_id),
        topic: Arc::clone(topic),
        partition: *partition,
    }));
}

/// A removal that failed before anything was written. The error is told when the drain gets to it.
fn refused(error: GroupError, reply: RemovalReply) -> RemovalPlan {
    RemovalPlan {
        tombstones: Vec::new(),
        refusal: Some(error),
        reply,
    }
}
