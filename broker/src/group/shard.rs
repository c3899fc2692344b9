//! The groups of one partition of `__consumer_offsets`: their state, timers, parked requests and
//! the queue of writes, all under one short lock that is never held across an await.
//!
//! Events of the groups come in here, actions are carried out here; appending is left to `drain`.
//! A shard lives from a load to the unload. Unloaded, it answers what is still under way with
//! `NotCoordinator` and changes no more.

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hashbrown::{HashMap, HashSet};
use tokio::sync::{Notify, oneshot};
use uuid::Uuid;

use super::classic::action::{Action, Persisted};
use super::classic::request::{
    JoinRefused, JoinRequest, JoinResult, SyncRequest, SyncResult, Token,
};
use super::classic::state::{ClassicGroup, GroupLimits, GroupState};
use super::cluster_view::ClusterView;
use super::config::{GroupConfig, NEW_MEMBER_JOIN_TIMEOUT, PENDING_MEMBERS_MAX};
use super::entry::{Group, GroupEntry};
use super::error::GroupError;
use super::offsets::GroupOffsets;
use super::schema::{GroupMetadataValue, encode_group_metadata_key};
use super::timers::{TimerKind, Timers};
use super::write::{GroupWrite, Removal, Write, tell};
use crate::coordinator::CoordinatorRecord;

/// Timers handled before the lock is given up for a moment.
const TIMERS_PER_LOCK: usize = 64;

/// The time of an event, on both clocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Now {
    /// Milliseconds since the epoch.
    pub(crate) ms: i64,
    /// The monotonic clock.
    pub(crate) monotonic: Duration,
}

/// The groups of one partition of `__consumer_offsets`.
#[derive(Debug)]
pub(crate) struct Shard {
    pub(crate) partition: i32,
    state: Mutex<ShardState>,
}

impl Shard {
    pub(crate) const fn new(partition: i32, state: ShardState) -> Self {
        Self {
            partition,
            state: Mutex::new(state),
        }
    }

    /// The state. A panic under the lock left at worst one group in a wrong state, which its next
    /// rebalance puts right; the others go on.
    pub(crate) fn lock(&self) -> MutexGuard<'_, ShardState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state, for a request.
    ///
    /// # Errors
    /// `NotCoordinator` when the partition was unloaded since the request found the shard: its
    /// groups are gone from here, which must not look as if they had no offsets or members.
    pub(crate) fn lock_active(&self) -> Result<MutexGuard<'_, ShardState>, GroupError> {
        let state = self.lock();
        if state.is_unloaded {
            Err(GroupError::NotCoordinator)
        } else {
            Ok(state)
        }
    }

    /// Lets the timers that are due do their work; returns when the next one is.
    pub(crate) fn fire_due_timers(&self, now: Now) -> Option<Duration> {
        loop {
            let mut state = self.lock();
            for _ in 0..TIMERS_PER_LOCK {
                let Some((group_id, kind)) = state.timers.pop_due(now.monotonic) else {
                    return state.timers.next_deadline();
                };
                let fired = state.with_classic(&group_id, now, |group, actions| {
                    group.timer_fired(&kind, now.ms, actions);
                });
                if fired.is_none() {
                    state.consumer_timer_fired(&group_id, &kind, now);
                }
            }
        }
    }
}

impl fmt::Debug for ShardState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ShardState")
            .field("groups", &self.groups.len())
            .field("writes", &self.writes.len())
            .field("is_unloaded", &self.is_unloaded)
            .finish_non_exhaustive()
    }
}

/// What a shard's lock guards.
pub(crate) struct ShardState {
    pub(crate) config: Arc<GroupConfig>,
    pub(crate) cluster: Arc<dyn ClusterView>,
    pub(crate) groups: HashMap<Arc<str>, GroupEntry>,
    /// The groups in which a producer's open transaction has written offsets. May name groups that
    /// have lost these offsets or are gone.
    pub(crate) open_transactions: HashMap<i64, HashSet<Arc<str>>>,
    pub(crate) writes: VecDeque<Write>,
    /// Regular expressions of consumer groups that wait to be resolved, by group.
    pub(crate) resolutions: Vec<(Arc<str>, BTreeSet<Arc<str>>)>,
    /// Bytes of the commits and of the consumer groups' records in `writes`.
    pub(crate) queued_bytes: usize,
    /// Whether a drain runs, which will see whatever is queued.
    pub(crate) is_draining: bool,
    pub(crate) is_unloaded: bool,
    /// Whether the state is ahead of the log, which therefore has to be read back.
    pub(crate) must_reload: bool,
    timers: Timers,
    /// Told when a timer is due earlier than any before.
    timer_task: Arc<Notify>,
    parked_joins: HashMap<Token, oneshot::Sender<JoinResult>>,
    parked_syncs: HashMap<Token, oneshot::Sender<SyncResult>>,
    next_token: u64,
}

impl ShardState {
    pub(crate) fn new(
        config: Arc<GroupConfig>,
        cluster: Arc<dyn ClusterView>,
        timer_task: Arc<Notify>,
    ) -> Self {
        Self {
            config,
            cluster,
            groups: HashMap::new(),
            open_transactions: HashMap::new(),
            writes: VecDeque::new(),
            resolutions: Vec::new(),
            queued_bytes: 0,
            is_draining: false,
            is_unloaded: false,
            must_reload: false,
            timers: Timers::default(),
            timer_task,
            parked_joins: HashMap::new(),
            parked_syncs: HashMap::new(),
            next_token: 0,
        }
    }

    pub(crate) fn limits(config: &GroupConfig) -> GroupLimits {
        GroupLimits {
            group_max_size: config.group_max_size,
            pending_members_max: PENDING_MEMBERS_MAX,
            initial_rebalance_delay: config.initial_rebalance_delay,
            new_member_join_timeout: NEW_MEMBER_JOIN_TIMEOUT,
        }
    }

    /// Gives an event to a group of the classic protocol, if it is one and exists, and carries out
    /// what it wants done.
    pub(crate) fn with_classic<R>(
        &mut self,
        group_id: &str,
        now: Now,
        event: impl FnOnce(&mut ClassicGroup, &mut Vec<Action>) -> R,
    ) -> Option<R> {
        let Group::Classic(group) = &mut self.groups.get_mut(group_id)?.group else {
            return None;
        };
        let group_id = Arc::clone(&group.group_id);
        let mut actions = Vec::new();
        let result = event(group, &mut actions);
        self.carry_out(&group_id, actions, now);
        Some(result)
    }

    fn carry_out(&mut self, group_id: &Arc<str>, actions: Vec<Action>, now: Now) {
        for action in actions {
            match action {
                Action::SetTimer(kind, after) => self.set_timer(group_id, kind, after, now),
                Action::CancelTimer(kind) => self.cancel_timer(group_id, kind),
                Action::ReplyJoin(token, result) => {
                    let parked = self.parked_joins.remove(&token);
                    // The connection may be gone by now, which changes nothing.
                    drop(parked.map(|sender| sender.send(result)));
                }
                Action::ReplySync(token, result) => {
                    let parked = self.parked_syncs.remove(&token);
                    drop(parked.map(|sender| sender.send(result)));
                }
                Action::Persist(value, then) => self.queue_group(group_id, &value, then),
            }
        }
    }

    pub(crate) fn set_timer(
        &mut self,
        group_id: &Arc<str>,
        kind: TimerKind,
        after: Duration,
        now: Now,
    ) {
        let deadline = now.monotonic.saturating_add(after);
        if self
            .timers
            .next_deadline()
            .is_none_or(|next| deadline < next)
        {
            self.timer_task.notify_one();
        }
        self.timers.set(group_id, kind, deadline);
    }

    pub(crate) fn cancel_timer(&mut self, group_id: &Arc<str>, kind: TimerKind) {
        self.timers.cancel(group_id, kind);
    }

    pub(crate) fn is_timer_set(&self, group_id: &Arc<str>, kind: &TimerKind) -> bool {
        self.timers.is_set(group_id, kind)
    }

    /// The record of a classic group.
    pub(crate) fn encode_group(
        group_id: &str,
        value: &GroupMetadataValue,
    ) -> Result<CoordinatorRecord, GroupError> {
        encode_group_metadata_key(group_id)
            .and_then(|key| {
                Ok(CoordinatorRecord {
                    key,
                    value: Some(value.encode()?),
                })
            })
            .map_err(|error| {
                tracing::warn!(group = %group_id, %error, "cannot encode the group's metadata");
                GroupError::UnknownServerError
            })
    }

    fn queue_group(&mut self, group_id: &Arc<str>, value: &GroupMetadataValue, then: Persisted) {
        let record = Self::encode_group(group_id, value);
        let write = GroupWrite {
            group_id: Arc::clone(group_id),
            record,
            then,
        };
        self.writes.push_back(Write::Group(write));
    }

    /// A member joins; the receiver gets the answer, sooner or later.
    pub(crate) fn join(
        &mut self,
        request: JoinRequest,
        fresh_id: Uuid,
        now: Now,
    ) -> oneshot::Receiver<JoinResult> {
        if self.is_consumer_group_in_use(&request.group_id) {
            return self.join_consumer_group(&request, fresh_id, now);
        }
        let (sender, receiver) = oneshot::channel();
        let group_id = Arc::clone(&request.group_id);
        let is_new_group = !self.groups.contains_key(&group_id);
        if let Err(error) = self.prepare_join(&request, now.ms) {
            let refused = JoinRefused {
                error,
                member_id: request.member_id,
            };
            drop(sender.send(Err(refused)));
            return receiver;
        }
        if is_new_group {
            self.create_group(&group_id, now.ms);
            // As Kafka does, the group is written down before anything happens to it.
            self.with_classic(&group_id, now, |group, actions| {
                actions.push(Action::Persist(group.to_record(), Persisted::Empty));
            });
        }
        let token = self.next_token();
        self.parked_joins.insert(token, sender);
        let is_in_use = self.with_classic(&group_id, now, |group, actions| {
            group.join(request, token, fresh_id, now.ms, actions);
            group.state() != GroupState::Empty || !group.pending_joins.is_empty()
        });
        if is_new_group && is_in_use == Some(false) {
            // The join was refused: no trace of the group remains.
            self.groups.remove(&group_id);
            self.writes.pop_back();
        }
        receiver
    }

    /// Checks that a member may join a group that does not exist, or has no members and was one of
    /// the consumer protocol: that becomes a classic group.
    fn prepare_join(&mut self, request: &JoinRequest, now_ms: i64) -> Result<(), GroupError> {
        match self.groups.get(&request.group_id).map(|it| &it.group) {
            Some(Group::Classic(_)) => Ok(()),
            Some(Group::Consumer(group)) if group.is_dead() => {
                Err(GroupError::CoordinatorNotAvailable)
            }
            _ if !request.member_id.is_empty() => Err(GroupError::UnknownMemberId),
            Some(Group::Consumer(_)) => {
                self.replace_consumer_group(&request.group_id, now_ms);
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn is_consumer_group_in_use(&self, group_id: &str) -> bool {
        match self.groups.get(group_id).map(|entry| &entry.group) {
            Some(Group::Consumer(group)) => !group.is_dead() && !group.members.is_empty(),
            Some(Group::Classic(_)) | None => false,
        }
    }

    /// A member asks for its assignment; the receiver gets the answer, sooner or later.
    pub(crate) fn sync(&mut self, request: SyncRequest, now: Now) -> oneshot::Receiver<SyncResult> {
        if self.is_consumer_group_in_use(&request.group_id) {
            return self.sync_consumer_group(&request, now);
        }
        let (sender, receiver) = oneshot::channel();
        let group_id = Arc::clone(&request.group_id);
        let group = self.groups.get(&group_id).map(|entry| &entry.group);
        if !matches!(group, Some(Group::Classic(_))) {
            tell(sender, Err(GroupError::UnknownMemberId));
            return receiver;
        }
        let token = self.next_token();
        self.parked_syncs.insert(token, sender);
        self.with_classic(&group_id, now, |group, actions| {
            group.sync(request, token, actions)
        });
        receiver
    }

    /// Makes sure that the group exists; a new one is Empty and not yet written down.
    pub(crate) fn create_group(&mut self, group_id: &Arc<str>, now_ms: i64) -> &mut GroupEntry {
        let limits = Self::limits(&self.config);
        self.groups.entry(Arc::clone(group_id)).or_insert_with(|| {
            let group = ClassicGroup::new(Arc::clone(group_id), limits, now_ms);
            GroupEntry::new(Group::Classic(Box::new(group)), GroupOffsets::default())
        })
    }

    const fn next_token(&mut self) -> Token {
        self.next_token += 1;
        Token(self.next_token)
    }

    pub(crate) fn queue_removal(&mut self, removal: Removal) {
        self.writes.push_back(Write::Removal(removal));
    }

    /// Starts a drain if there is something to write and none runs. The caller then spawns it.
    pub(crate) fn begin_drain(&mut self) -> bool {
        let begins = !self.is_draining && !self.writes.is_empty();
        self.is_draining |= begins;
        begins
    }

    /// Starts the sessions of the members of loaded groups, and files their open transactions.
    pub(crate) fn loaded(&mut self, now: Now) {
        for (group_id, entry) in &self.groups {
            for producer_id in entry.offsets.open_transactions() {
                let groups = self.open_transactions.entry(producer_id).or_default();
                groups.insert(Arc::clone(group_id));
            }
        }
        let group_ids: Vec<Arc<str>> = self.groups.keys().map(Arc::clone).collect();
        for group_id in group_ids {
            let loaded = self.with_classic(&group_id, now, |group, actions| {
                group.loaded(now.ms, actions);
            });
            if loaded.is_none() {
                self.consumer_background(&group_id, now, |group, surroundings, actions| {
                    group.loaded(surroundings, actions);
                });
            }
        }
    }

    /// The partition moved away: answers everything parked or queued and stops.
    pub(crate) fn unload(&mut self, now: Now) {
        self.is_unloaded = true;
        let group_ids: Vec<Arc<str>> = self.groups.keys().map(Arc::clone).collect();
        for group_id in group_ids {
            self.with_classic(&group_id, now, |group, actions| {
                group.unload(now.ms, actions)
            });
        }
        self.groups.clear();
        self.open_transactions.clear();
        self.timers = Timers::default();
        self.resolutions.clear();
        self.fail_queued(GroupError::NotCoordinator);
        assert!(
            self.parked_joins.is_empty(),
            "{} joins left",
            self.parked_joins.len()
        );
        assert!(
            self.parked_syncs.is_empty(),
            "{} syncs left",
            self.parked_syncs.len()
        );
    }

    /// Answers every queued write with `error`.
    fn fail_queued(&mut self, error: GroupError) {
        self.queued_bytes = 0;
        for write in std::mem::take(&mut self.writes) {
            match write {
                Write::Commit(commit) => tell(commit.done, Err(error)),
                Write::Marker(marker) => tell(marker.done, Err(error)),
                Write::Barrier(done) => tell(done, Err(error)),
                Write::Removal(Removal::Group { done, .. }) => tell(done, Err(error)),
                Write::Removal(Removal::Offsets { done, .. }) => tell(done, Err(error)),
                Write::Removal(Removal::Topics { done, .. } | Removal::Expired { done }) => {
                    tell(done, Err(error));
                }
                Write::Consumer(write) => {
                    if let Some(reply) = write.reply {
                        reply.send(Err(error));
                    }
                }
                // Its group is dead and has answered everybody.
                Write::Group(_) => {}
            }
        }
    }

    #[cfg(test)]
    pub(crate) fn assert_nothing_parked(&self) {
        assert!(self.parked_joins.is_empty() && self.parked_syncs.is_empty());
        assert!(self.writes.is_empty() && !self.is_draining && self.queued_bytes == 0);
    }
}
