//! The group coordinator: what the handlers of the group APIs call. Finds the shard of a group,
//! gives it the request, and waits for the answer without holding anything. The rules are in
//! `classic`, the storage behind `CoordinatorLog`. Offsets are in `commit`, administration in
//! `admin`.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use hashbrown::HashMap;
use ringbrook_engine::Clock;
use tokio::sync::Notify;
use uuid::Uuid;

use super::classic::request::{
    JoinRefused, JoinRequest, JoinResult, LeavingMember, MemberIdentity, SyncRequest, SyncResult,
};
use super::cluster_view::ClusterView;
use super::config::GroupConfig;
use super::drain::{Environment, drain};
use super::error::GroupError;
use super::loading::{LoadSummary, Loader};
use super::shard::{Shard, ShardState};
use crate::coordinator::{CoordinatorLog, LoadedEntry, partition_for_key};

/// Bytes of the longest group id that its records can hold.
const GROUP_ID_BYTES_MAX: usize = 32_767;

/// Coordinates the groups of the `__consumer_offsets` partitions that are loaded here.
///
/// Cheap to clone; every method may be called from any thread. Methods that may write start a task
/// with `tokio::task::spawn_local`, so they must be called on a runtime that may append to the
/// log: a core's runtime, inside its `LocalSet`.
#[derive(Clone)]
pub struct GroupCoordinator {
    inner: Arc<Inner>,
}

struct Inner {
    config: Arc<GroupConfig>,
    environment: Arc<Environment>,
    cluster: Arc<dyn ClusterView>,
    shards: RwLock<HashMap<i32, Slot>>,
    timer_task: Arc<Notify>,
}

/// A partition this broker coordinates.
#[derive(Clone)]
enum Slot {
    /// Being read back; the id tells one load from the next.
    Loading(Uuid),
    Active(Arc<Shard>),
}

impl std::fmt::Debug for GroupCoordinator {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("GroupCoordinator")
            .finish_non_exhaustive()
    }
}

impl GroupCoordinator {
    /// A coordinator that coordinates nothing until partitions are loaded.
    pub fn new(
        config: GroupConfig,
        log: Arc<dyn CoordinatorLog>,
        cluster: Arc<dyn ClusterView>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let inner = Inner {
            config: Arc::new(config),
            environment: Arc::new(Environment { log, clock }),
            cluster,
            shards: RwLock::new(HashMap::new()),
            timer_task: Arc::new(Notify::new()),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// The partition of `__consumer_offsets` whose leader coordinates the group.
    pub fn partition_for(&self, group_id: &str) -> i32 {
        partition_for_key(group_id, self.inner.environment.log.partition_count())
    }

    /// Reads a partition back and coordinates its groups from then on. Until it returns, requests
    /// for these groups get `CoordinatorLoadInProgress`. Loading a loaded partition changes
    /// nothing; an unload meanwhile wins.
    ///
    /// # Errors
    /// What the log ran into, or `NotCoordinator` when the partition was unloaded meanwhile; the
    /// partition is then not coordinated.
    pub async fn load(&self, partition: i32) -> Result<LoadSummary, GroupError> {
        let load_id = Uuid::new_v4();
        {
            let mut shards = self
                .inner
                .shards
                .write()
                .unwrap_or_else(PoisonError::into_inner);
            if let Some(Slot::Active(_)) = shards.get(&partition) {
                return Ok(LoadSummary::default());
            }
            shards.insert(partition, Slot::Loading(load_id));
        }
        let mut loader = Loader::default();
        let mut visit = |entry: LoadedEntry<'_>| loader.visit(entry);
        let read = self
            .inner
            .environment
            .log
            .read_all(partition, &mut visit)
            .await;
        let now = self.inner.environment.now();
        let mut shards = self
            .inner
            .shards
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if !matches!(shards.get(&partition), Some(Slot::Loading(id)) if *id == load_id) {
            return Err(GroupError::NotCoordinator);
        }
        if let Err(error) = read {
            shards.remove(&partition);
            return Err(error.into());
        }
        let (groups, summary) = loader.finish(&self.inner.config, now.ms);
        let config = Arc::clone(&self.inner.config);
        let cluster = Arc::clone(&self.inner.cluster);
        let mut state = ShardState::new(config, cluster, Arc::clone(&self.inner.timer_task));
        state.groups = groups;
        state.loaded(now);
        let shard = Arc::new(Shard::new(partition, state));
        shards.insert(partition, Slot::Active(Arc::clone(&shard)));
        drop(shards);
        // Groups over their maximum size are rebalancing already.
        self.drain_if_needed(&shard);
        self.inner.timer_task.notify_one();
        Ok(summary)
    }

    /// Coordinates the groups of the partition no longer; what is under way is answered with
    /// `NotCoordinator`.
    pub fn unload(&self, partition: i32) {
        let slot = {
            let mut shards = self
                .inner
                .shards
                .write()
                .unwrap_or_else(PoisonError::into_inner);
            shards.remove(&partition)
        };
        if let Some(Slot::Active(shard)) = slot {
            shard.lock().unload(self.inner.environment.now());
        }
    }

    /// JoinGroup. Resolves when the join phase ends, which may take minutes.
    ///
    /// # Errors
    /// `InvalidGroupId`, `InvalidSessionTimeout`, and what `ClassicGroup::join` refuses.
    pub async fn join_group(&self, request: JoinRequest) -> JoinResult {
        let member_id = Arc::clone(&request.member_id);
        let refused = |error| JoinRefused {
            error,
            member_id: Arc::clone(&member_id),
        };
        let shard = self.member_shard(&request.group_id).map_err(refused)?;
        let session = Duration::from_millis(
            u64::try_from(request.session_timeout_ms)
                .map_err(|_| refused(GroupError::InvalidSessionTimeout))?,
        );
        let config = &self.inner.config;
        if session < config.min_session_timeout || config.max_session_timeout < session {
            return Err(refused(GroupError::InvalidSessionTimeout));
        }
        let fresh_id = if member_id.is_empty() {
            Uuid::new_v4()
        } else {
            Uuid::nil()
        };
        let now = self.inner.environment.now();
        let receiver = {
            let mut state = shard.lock_active().map_err(refused)?;
            state.join(request, fresh_id, now)
        };
        self.drain_if_needed(&shard);
        // A dropped sender means that the shard is gone.
        receiver
            .await
            .unwrap_or_else(|_| Err(refused(GroupError::NotCoordinator)))
    }

    /// SyncGroup. Resolves when the leader's assignment is on disk.
    ///
    /// # Errors
    /// `InvalidGroupId`, and what `ClassicGroup::sync` refuses.
    pub async fn sync_group(&self, request: SyncRequest) -> SyncResult {
        let shard = self.member_shard(&request.group_id)?;
        let now = self.inner.environment.now();
        let receiver = {
            let mut state = shard.lock_active()?;
            state.sync(request, now)
        };
        self.drain_if_needed(&shard);
        receiver.await.unwrap_or(Err(GroupError::NotCoordinator))
    }

    /// Heartbeat.
    ///
    /// # Errors
    /// `InvalidGroupId`, `UnknownMemberId` when there is no such group or member, and what
    /// `ClassicGroup::heartbeat` or `ConsumerGroup::classic_heartbeat` refuses. A group that is
    /// still being loaded is no error: its members' sessions have not begun.
    pub fn heartbeat(
        &self,
        group_id: &str,
        identity: MemberIdentity<'_>,
        generation: i32,
    ) -> Result<(), GroupError> {
        let shard = match self.member_shard(group_id) {
            Err(GroupError::CoordinatorLoadInProgress) => return Ok(()),
            other => other?,
        };
        let now = self.inner.environment.now();
        let mut state = shard.lock_active()?;
        state.member_heartbeat(group_id, identity, generation, now)
    }

    /// LeaveGroup: one answer per member, in their order. Resolves when a consumer group has
    /// written down that they left.
    ///
    /// # Errors
    /// `InvalidGroupId` and what concerns the whole group. An unknown group is no error of the
    /// whole: none of the members is known.
    pub async fn leave_group(
        &self,
        group_id: &str,
        leaving: &[LeavingMember],
    ) -> Result<Vec<Result<(), GroupError>>, GroupError> {
        let shard = self.member_shard(group_id)?;
        let now = self.inner.environment.now();
        let receiver = shard.lock_active()?.members_leave(group_id, leaving, now);
        self.drain_if_needed(&shard);
        receiver.await.unwrap_or(Err(GroupError::NotCoordinator))
    }

    /// Lets all timers that are due do their work; returns when the next one is, as a reading of
    /// the monotonic clock.
    pub fn fire_due_timers(&self) -> Option<Duration> {
        let now = self.inner.environment.now();
        let mut next: Option<Duration> = None;
        for shard in self.active_shards() {
            let deadline = shard.fire_due_timers(now);
            self.drain_if_needed(&shard);
            next = next.into_iter().chain(deadline).min();
        }
        next
    }

    /// Drives the timers of all groups and the expiry of offsets. Runs until it is dropped; spawned
    /// once, on a core's runtime.
    pub async fn run_timers(&self) {
        let interval = self.inner.config.offsets_retention_check_interval;
        let mut next_expiry = self
            .inner
            .environment
            .now()
            .monotonic
            .saturating_add(interval);
        loop {
            let next = self
                .fire_due_timers()
                .map_or(next_expiry, |next| next.min(next_expiry));
            let now = self.inner.environment.now().monotonic;
            if next_expiry <= now {
                next_expiry = now.saturating_add(interval);
                let removed = self.expire_offsets().await;
                tracing::info!(removed, "removed expired offsets and groups");
                continue;
            }
            tokio::select! {
                () = self.inner.timer_task.notified() => {}
                () = tokio::time::sleep(next.saturating_sub(now)) => {}
            }
        }
    }

    pub(crate) fn cluster(&self) -> &dyn ClusterView {
        &*self.inner.cluster
    }

    pub(crate) fn config(&self) -> &GroupConfig {
        &self.inner.config
    }

    pub(crate) fn environment(&self) -> &Environment {
        &self.inner.environment
    }

    /// The shard of a group for requests of members, which need a group id.
    pub(crate) fn member_shard(&self, group_id: &str) -> Result<Arc<Shard>, GroupError> {
        if group_id.is_empty() {
            return Err(GroupError::InvalidGroupId);
        }
        self.shard_of(group_id)
    }

    /// The shard of a group. The empty group id is allowed: old consumers commit under it.
    pub(crate) fn shard_of(&self, group_id: &str) -> Result<Arc<Shard>, GroupError> {
        if GROUP_ID_BYTES_MAX < group_id.len() {
            return Err(GroupError::InvalidGroupId);
        }
        self.shard_at(self.partition_for(group_id))
    }

    /// The shard of a partition of `__consumer_offsets`.
    pub(crate) fn shard_at(&self, partition: i32) -> Result<Arc<Shard>, GroupError> {
        let shards = self
            .inner
            .shards
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        match shards.get(&partition) {
            Some(Slot::Active(shard)) => Ok(Arc::clone(shard)),
            Some(Slot::Loading(_)) => Err(GroupError::CoordinatorLoadInProgress),
            None => Err(GroupError::NotCoordinator),
        }
    }

    pub(crate) fn active_shards(&self) -> Vec<Arc<Shard>> {
        let shards = self
            .inner
            .shards
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let active = shards.values().filter_map(|slot| match slot {
            Slot::Active(shard) => Some(Arc::clone(shard)),
            Slot::Loading(_) => None,
        });
        active.collect()
    }

    /// Checks that no request is parked and no write queued in the partition.
    #[cfg(test)]
    pub(crate) fn assert_quiet(&self, partition: i32) {
        for shard in self.active_shards() {
            if shard.partition == partition {
                shard.lock().assert_nothing_parked();
            }
        }
    }

    pub(crate) fn is_loading(&self) -> bool {
        let shards = self
            .inner
            .shards
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        shards.values().any(|slot| matches!(slot, Slot::Loading(_)))
    }

    /// Starts the drain of a shard that has something to write, unless one runs.
    pub(crate) fn drain_if_needed(&self, shard: &Arc<Shard>) {
        let (must_drain, resolutions) = {
            let mut state = shard.lock();
            (state.begin_drain(), std::mem::take(&mut state.resolutions))
        };
        for (group_id, regexes) in resolutions {
            let resolve = self
                .clone()
                .resolve_regexes(Arc::clone(shard), group_id, regexes);
            drop(tokio::task::spawn_local(resolve));
        }
        if must_drain {
            let (coordinator, shard) = (self.clone(), Arc::clone(shard));
            drop(tokio::task::spawn_local(async move {
                let environment = Arc::clone(&coordinator.inner.environment);
                drain(Arc::clone(&shard), environment).await;
                coordinator.reload_if_lost(&shard).await;
            }));
        }
    }

    /// Coordinates the shard's groups no longer, if it still does; whether it did.
    pub(crate) fn give_up(&self, shard: &Arc<Shard>) -> bool {
        let mut shards = self
            .inner
            .shards
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let is_current = matches!(
            shards.get(&shard.partition),
            Some(Slot::Active(current)) if Arc::ptr_eq(current, shard)
        );
        if is_current {
            shards.remove(&shard.partition);
        }
        is_current
    }
}

#[cfg(test)]
mod tests;
