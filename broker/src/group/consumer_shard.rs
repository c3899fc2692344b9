//! The half of a shard that runs consumer groups (KIP-848): it gives events to the groups and
//! queues the records that come of them.
//!
//! A group's state is what its records make of it as soon as they are queued; the member is
//! answered when they are written. So nobody is ever told what a restart would forget, and the
//! next event need not wait. Should the write fail, the shard's state is ahead of its log: then the
//! shard is given up and the partition read back (`coordinator`). Kafka's `CoordinatorRuntime`
//! reverts to a snapshot instead.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::classic::state::{ClassicGroup, GroupState};
use super::consumer::action::Action;
use super::consumer::group::ConsumerGroup;
use super::consumer::member::JOIN_EPOCH;
use super::consumer::record::ConsumerRecord;
use super::consumer::regexes::ResolvedRegexes;
use super::consumer::request::{ConsumerHeartbeat, ConsumerHeartbeatAnswer, Refused};
use super::consumer::settings::Surroundings;
use super::entry::{Group, GroupEntry};
use super::error::GroupError;
use super::offsets::GroupOffsets;
use super::schema::{SchemaError, encode_group_metadata_key};
use super::shard::{Now, ShardState};
use super::timers::TimerKind;
use super::write::{ConsumerReply, ConsumerWrite, QUEUE_BYTES_MAX, Write};
use crate::coordinator::CoordinatorRecord;
use crate::group::assignor::TopicsImage;

/// The answer to a heartbeat.
pub(crate) type HeartbeatResult = Result<ConsumerHeartbeatAnswer, Refused>;

impl ShardState {
    /// A heartbeat; the receiver gets the answer once what it says is on disk.
    pub(crate) fn consumer_heartbeat(
        &mut self,
        request: &ConsumerHeartbeat,
        now: Now,
    ) -> oneshot::Receiver<HeartbeatResult> {
        let (sender, receiver) = oneshot::channel();
        let (result, records) = self.consumer_event(request, now);
        let reply = ConsumerReply::Heartbeat { sender, result };
        self.answer_consumer(&request.group_id, records, reply);
        receiver
    }

    /// Answers when the records, and those the answer builds on, are on disk.
    pub(crate) fn answer_consumer(
        &mut self,
        group_id: &Arc<str>,
        records: Encoded,
        reply: ConsumerReply,
    ) {
        let unwritten = self.groups.get(group_id).map(|it| it.unwritten);
        let must_wait = reply.is_ok() && 0 < unwritten.unwrap_or(0);
        if is_empty(&records) && !must_wait {
            reply.send(Ok(()));
        } else {
            self.queue_consumer(group_id, records, Some(reply));
        }
    }

    fn consumer_event(
        &mut self,
        request: &ConsumerHeartbeat,
        now: Now,
    ) -> (HeartbeatResult, Encoded) {
        if QUEUE_BYTES_MAX < self.queued_bytes {
            return (Err(GroupError::CoordinatorNotAvailable.into()), NOTHING);
        }
        let group_id = &request.group_id;
        let is_joining = request.member_epoch == JOIN_EPOCH;
        let is_founding = match self.groups.get(group_id).map(|entry| &entry.group) {
            Some(group) if group.is_dead() => {
                return (Err(GroupError::CoordinatorNotAvailable.into()), NOTHING);
            }
            Some(Group::Consumer(_)) => false,
            Some(Group::Classic(group)) if group.state() == GroupState::Empty => is_joining,
            None => is_joining,
            Some(Group::Classic(_)) if is_joining => return self.upgrade_group(request, now),
            Some(Group::Classic(_)) => return (Err(not_a_consumer_group(group_id)), NOTHING),
        };
        if is_founding {
            return self.found_consumer_group(request, now);
        }
        let event =
            |group: &mut ConsumerGroup, surroundings: &Surroundings<'_>, actions: &mut _| {
                if request.member_epoch < JOIN_EPOCH {
                    group.leave(request, surroundings, actions)
                } else {
                    group.heartbeat(request, surroundings, actions)
                }
            };
        match self.with_consumer(group_id, now, event) {
            Some((result, records)) => (result, records),
            None => (Err(not_a_consumer_group(group_id)), NOTHING),
        }
    }

    /// The first member joins: the group comes to be, in the place of a classic group without
    /// members if there is one. Unless the member is refused: then everything stays as it was.
    fn found_consumer_group(
        &mut self,
        request: &ConsumerHeartbeat,
        now: Now,
    ) -> (HeartbeatResult, Encoded) {
        let group_id = &request.group_id;
        let mut group = ConsumerGroup::new(Arc::clone(group_id));
        let mut actions = Vec::new();
        let result = {
            let topics = self.cluster.topics();
            let overrides = self.cluster.group_overrides(group_id);
            let surroundings = Surroundings {
                now_ms: now.ms,
                topics: &*topics,
                settings: &self.config.consumer.with(overrides),
                classic_limits: Self::limits(&self.config),
            };
            group.heartbeat(request, &surroundings, &mut actions)
        };
        if group.members.is_empty() {
            return (result, NOTHING);
        }
        let mut tombstone = None;
        if self.groups.contains_key(group_id) {
            tracing::info!(group = %group_id, "empty classic group becomes a consumer group");
            self.with_classic(group_id, now, |classic, actions| {
                classic.begin_delete(now.ms, actions);
            });
            tombstone = Some(classic_tombstone(group_id));
        }
        let group = Group::Consumer(Box::new(group));
        match self.groups.get_mut(group_id) {
            Some(entry) => entry.group = group,
            None => {
                let entry = GroupEntry::new(group, GroupOffsets::default());
                self.groups.insert(Arc::clone(group_id), entry);
            }
        }
        let records = self.carry_out_consumer(group_id, actions, now);
        let records = match tombstone {
            Some(tombstone) => tombstone.and_then(|first| Ok([vec![first], records?].concat())),
            None => records,
        };
        (result, records)
    }

    /// A consumer group without members becomes a classic group, which is to be written down yet.
    pub(crate) fn replace_consumer_group(&mut self, group_id: &Arc<str>, now_ms: i64) {
        let limits = Self::limits(&self.config);
        let Some(entry) = self.groups.get_mut(group_id) else {
            return;
        };
        let Group::Consumer(former) = &entry.group else {
            return;
        };
        tracing::info!(group = %group_id, "empty consumer group becomes a classic group");
        let tombstones = encode_all(&former.tombstones(), group_id);
        let group = ClassicGroup::new(Arc::clone(group_id), limits, now_ms);
        entry.group = Group::Classic(Box::new(group));
        self.queue_consumer(group_id, tombstones, None);
    }

    /// Gives an event to a consumer group, if it is one and exists, and carries out what it wants
    /// done, except writing: the records are the caller's.
    pub(crate) fn with_consumer<R>(
        &mut self,
        group_id: &str,
        now: Now,
        event: impl FnOnce(&mut ConsumerGroup, &Surroundings<'_>, &mut Vec<Action>) -> R,
    ) -> Option<(R, Encoded)> {
        let topics = self.cluster.topics();
        let overrides = self.cluster.group_overrides(group_id);
        let Group::Consumer(group) = &mut self.groups.get_mut(group_id)?.group else {
            return None;
        };
        let group_id = Arc::clone(&group.group_id);
        let surroundings = Surroundings {
            now_ms: now.ms,
            topics: &*topics,
            settings: &self.config.consumer.with(overrides),
            classic_limits: Self::limits(&self.config),
        };
        let mut actions = Vec::new();
        let result = event(group, &surroundings, &mut actions);
        let records = self.carry_out_consumer(&group_id, actions, now);
        Some((result, records))
    }

    /// The same for events that nobody waits for.
    pub(crate) fn consumer_background(
        &mut self,
        group_id: &Arc<str>,
        now: Now,
        event: impl FnOnce(&mut ConsumerGroup, &Surroundings<'_>, &mut Vec<Action>),
    ) {
        if let Some(((), records)) = self.with_consumer(group_id, now, event)
            && !is_empty(&records)
        {
            self.queue_consumer(group_id, records, None);
        }
    }

    /// A timer of a consumer group has fired.
    pub(crate) fn consumer_timer_fired(&mut self, group_id: &Arc<str>, kind: &TimerKind, now: Now) {
        self.consumer_background(group_id, now, |group, surroundings, actions| {
            group.timer_fired(kind, surroundings, actions);
        });
    }

    /// The topics that match the regular expressions of a group have been found, or not.
    pub(crate) fn regexes_resolved(
        &mut self,
        group_id: &Arc<str>,
        resolved: Option<ResolvedRegexes>,
        topics: &dyn TopicsImage,
        now: Now,
    ) {
        self.consumer_background(group_id, now, |group, surroundings, actions| {
            group.regexes_resolved(resolved, topics, surroundings.now_ms, actions);
        });
    }

    pub(crate) fn carry_out_consumer(
        &mut self,
        group_id: &Arc<str>,
        actions: Vec<Action>,
        now: Now,
    ) -> Encoded {
        let mut records = Vec::new();
        let mut downgrade = None;
        for action in actions {
            match action {
                Action::Append(record) => records.push(record),
                Action::SetTimer(kind, after) => self.set_timer(group_id, kind, after, now),
                Action::SetTimerIfUnset(kind, after) => {
                    if !self.is_timer_set(group_id, &kind) {
                        self.set_timer(group_id, kind, after, now);
                    }
                }
                Action::CancelTimer(kind) => self.cancel_timer(group_id, kind),
                Action::ResolveRegexes(regexes) => {
                    self.resolutions.push((Arc::clone(group_id), regexes));
                }
                Action::BecomeClassic(into) => downgrade = Some(into),
            }
        }
        let encoded = encode_all(&records, group_id);
        let Some(downgrade) = downgrade else {
            return encoded;
        };
        let replaced = self.downgrade_group(group_id, downgrade, now);
        encoded.and_then(|first| Ok([first, replaced?].concat()))
    }

    pub(crate) fn queue_consumer(
        &mut self,
        group_id: &Arc<str>,
        records: Encoded,
        reply: Option<ConsumerReply>,
    ) {
        if let Some(entry) = self.groups.get_mut(group_id) {
            entry.unwritten += 1;
        }
        let size_bytes = records.iter().flatten().map(CoordinatorRecord::size_bytes);
        let size_bytes = size_bytes.sum();
        self.queued_bytes += size_bytes;
        self.writes.push_back(Write::Consumer(ConsumerWrite {
            group_id: Arc::clone(group_id),
            records,
            size_bytes,
            reply,
        }));
    }

    /// Takes over a consumer group's write that is on disk, or has failed. Whether the state is
    /// still what the log says.
    pub(crate) fn apply_consumer(
        &mut self,
        write: ConsumerWrite,
        result: Result<(), GroupError>,
    ) -> bool {
        if let Some(entry) = self.groups.get_mut(&write.group_id) {
            entry.unwritten = entry.unwritten.saturating_sub(1);
        }
        let has_records = !is_empty(&write.records);
        let result = write.records.and(result);
        if let Some(reply) = write.reply {
            reply.send(result.map_err(GroupError::as_coordinator_error));
        }
        result.is_ok() || !has_records
    }
}

/// The records of an event as they are written; the error when one cannot be.
pub(crate) type Encoded = Result<Vec<CoordinatorRecord>, GroupError>;

pub(crate) const NOTHING: Encoded = Ok(Vec::new());

fn is_empty(records: &Encoded) -> bool {
    records.as_ref().is_ok_and(Vec::is_empty)
}

/// What a group says can be encoded: the lengths of strings were checked when they came in. Should
/// one be too long all the same, the write fails, and the group becomes what its log says.
pub(crate) fn encode_all(records: &[ConsumerRecord], group_id: &str) -> Encoded {
    let encoded = records.iter().map(|record| record.encode(group_id));
    encoded
        .collect::<Result<_, _>>()
        .map_err(|error| unencodable(group_id, error))
}

pub(crate) fn classic_tombstone(group_id: &str) -> Result<CoordinatorRecord, GroupError> {
    let key = encode_group_metadata_key(group_id).map_err(|error| unencodable(group_id, error))?;
    Ok(CoordinatorRecord { key, value: None })
}

fn unencodable(group_id: &str, error: SchemaError) -> GroupError {
    tracing::error!(group = %group_id, %error, "cannot encode a record of the group");
    GroupError::UnknownServerError
}

fn not_a_consumer_group(group_id: &str) -> Refused {
    let text = format!("Group {group_id} is not a consumer group.");
    Refused::new(GroupError::GroupIdNotFound, text)
}
