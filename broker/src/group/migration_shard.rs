//! The half of a shard that serves members of the classic protocol in consumer groups, and puts a
//! group of one protocol in the place of one of the other. The rules are in `migration` and
//! `consumer`; what holds for the writes of consumer groups (`consumer_shard`) holds here too.

use std::sync::Arc;

use tokio::sync::oneshot;
use uuid::Uuid;

use super::classic::request::{
    JoinRefused, JoinRequest, JoinResult, LeavingMember, MemberIdentity, SyncRequest, SyncResult,
};
use super::classic::state::ClassicGroup;
use super::consumer::request::ConsumerHeartbeat;
use super::consumer::settings::Surroundings;
use super::consumer_shard::{Encoded, HeartbeatResult, NOTHING, classic_tombstone, encode_all};
use super::entry::Group;
use super::error::GroupError;
use super::migration::{Downgrade, upgrade};
use super::shard::{Now, ShardState};
use super::write::{ConsumerReply, QUEUE_BYTES_MAX};

/// The answers to a LeaveGroup, one per member.
pub(crate) type LeaveResults = Vec<Result<(), GroupError>>;

impl ShardState {
    /// A member of the consumer protocol joins a classic group with members: that becomes a
    /// consumer group. Unless the member is refused: then everything stays as it was.
    pub(crate) fn upgrade_group(
        &mut self,
        request: &ConsumerHeartbeat,
        now: Now,
    ) -> (HeartbeatResult, Encoded) {
        let group_id = &request.group_id;
        let mut actions = Vec::new();
        let joined = self.look(group_id, now, |classic, surroundings| {
            let (mut group, records) = upgrade(classic, surroundings)?;
            for member_id in group.members.keys() {
                group.start_session(member_id, surroundings, &mut actions);
            }
            let result = group.heartbeat(request, surroundings, &mut actions);
            Ok((group, records, result))
        });
        let (group, records, result) = match joined {
            Some(Ok(joined)) => joined,
            Some(Err(refused)) => return (Err(refused), NOTHING),
            None => return (Err(GroupError::CoordinatorNotAvailable.into()), NOTHING),
        };
        if !group.members.contains_key(&request.member_id) {
            return (result, NOTHING);
        }
        self.with_classic(group_id, now, |classic, actions| {
            classic.hand_over(now.ms, actions);
        });
        if let Some(entry) = self.groups.get_mut(group_id) {
            entry.group = Group::Consumer(Box::new(group));
        }
        let tombstone = classic_tombstone(group_id);
        let upgraded = encode_all(&records, group_id);
        let event = self.carry_out_consumer(group_id, actions, now);
        let encoded = tombstone.and_then(|first| Ok([vec![first], upgraded?, event?].concat()));
        (result, encoded)
    }

    /// Shows a classic group to an event that may want another in its place.
    fn look<R>(
        &self,
        group_id: &str,
        now: Now,
        event: impl FnOnce(&ClassicGroup, &Surroundings<'_>) -> R,
    ) -> Option<R> {
        let Group::Classic(classic) = &self.groups.get(group_id)?.group else {
            return None;
        };
        let topics = self.cluster.topics();
        let overrides = self.cluster.group_overrides(group_id);
        let surroundings = Surroundings {
            now_ms: now.ms,
            topics: &*topics,
            settings: &self.config.consumer.with(overrides),
            classic_limits: Self::limits(&self.config),
        };
        Some(event(classic, &surroundings))
    }

    /// Puts a classic group in the place of a consumer group; the records that say so.
    pub(crate) fn downgrade_group(
        &mut self,
        group_id: &Arc<str>,
        downgrade: Downgrade,
        now: Now,
    ) -> Encoded {
        let record = Self::encode_group(group_id, &downgrade.group.to_record());
        let Some(entry) = self.groups.get_mut(group_id) else {
            return NOTHING;
        };
        let Group::Consumer(former) = &entry.group else {
            return NOTHING;
        };
        tracing::info!(group = %group_id, "consumer group becomes a classic group");
        let tombstones = encode_all(&former.tombstones(), group_id);
        entry.group = Group::Classic(downgrade.group);
        self.with_classic(group_id, now, |group, actions| {
            group.take_over(downgrade.rebalance, now.ms, actions);
        });
        Ok([tombstones?, vec![record?]].concat())
    }

    /// A member of the classic protocol joins a consumer group; the receiver gets the answer once
    /// what it says is on disk.
    pub(crate) fn join_consumer_group(
        &mut self,
        request: &JoinRequest,
        fresh_id: Uuid,
        now: Now,
    ) -> oneshot::Receiver<JoinResult> {
        let (sender, receiver) = oneshot::channel();
        let refused = |error| {
            let member_id = Arc::clone(&request.member_id);
            (Err(JoinRefused { error, member_id }), NOTHING)
        };
        let joined = if QUEUE_BYTES_MAX < self.queued_bytes {
            None
        } else {
            self.with_consumer(&request.group_id, now, |group, surroundings, actions| {
                group.classic_join(request, fresh_id, surroundings, actions)
            })
        };
        let (result, records) =
            joined.unwrap_or_else(|| refused(GroupError::CoordinatorNotAvailable));
        let reply = ConsumerReply::Join { sender, result };
        self.answer_consumer(&request.group_id, records, reply);
        receiver
    }

    /// A member of the classic protocol fetches its assignment from a consumer group; the receiver
    /// gets the answer once what it says is on disk.
    pub(crate) fn sync_consumer_group(
        &mut self,
        request: &SyncRequest,
        now: Now,
    ) -> oneshot::Receiver<SyncResult> {
        let (sender, receiver) = oneshot::channel();
        let synced = self.with_consumer(&request.group_id, now, |group, surroundings, actions| {
            group.classic_sync(request, surroundings, actions)
        });
        let (result, records) = synced.unwrap_or((Err(GroupError::UnknownMemberId), NOTHING));
        let reply = ConsumerReply::Sync { sender, result };
        self.answer_consumer(&request.group_id, records, reply);
        receiver
    }

    /// A member of the classic protocol says that it lives. The answer says nothing a restart could
    /// forget, so it waits for nothing.
    pub(crate) fn member_heartbeat(
        &mut self,
        group_id: &str,
        identity: MemberIdentity<'_>,
        generation: i32,
        now: Now,
    ) -> Result<(), GroupError> {
        let classic = self.with_classic(group_id, now, |group, actions| {
            group.heartbeat(identity, generation, actions)
        });
        if let Some(result) = classic {
            return result;
        }
        let consumer = self.with_consumer(group_id, now, |group, _, actions| {
            if group.is_dead() {
                return Err(GroupError::CoordinatorNotAvailable);
            }
            group.classic_heartbeat(identity, generation, actions)
        });
        consumer.map_or(Err(GroupError::UnknownMemberId), |(result, _)| result)
    }

    /// Members leave a group. The receiver, if any, gets the answers once the leave is on disk;
    /// a classic group answers at once.
    pub(crate) fn members_leave(
        &mut self,
        group_id: &str,
        leaving: &[LeavingMember],
        now: Now,
    ) -> oneshot::Receiver<Result<LeaveResults, GroupError>> {
        let (sender, receiver) = oneshot::channel();
        let unknown = || leaving.iter().map(|_| Err(GroupError::UnknownMemberId));
        let classic = self.with_classic(group_id, now, |group, actions| {
            group.leave(leaving, now.ms, actions)
        });
        let (result, records) = match classic {
            Some(result) => (result, NOTHING),
            None => self
                .with_consumer(group_id, now, |group, surroundings, actions| {
                    if group.is_dead() {
                        return Err(GroupError::CoordinatorNotAvailable);
                    }
                    Ok(group.classic_leave(leaving, surroundings, actions))
                })
                .unwrap_or_else(|| (Ok(unknown().collect()), NOTHING)),
        };
        let reply = ConsumerReply::Leave { sender, result };
        self.answer_consumer(&Arc::from(group_id), records, reply);
        receiver
    }
}
