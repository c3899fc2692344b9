//! A coordinator over a log in memory.

use std::cell::Cell;
use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ringbrook_engine::{Clock, ManualClock};
use uuid::Uuid;

use crate::coordinator::testing::{MemoryLog, PARTITIONS, shared};
use crate::coordinator::{TransactionMarker, partition_for_key};
use crate::group::testing::TestCluster;
use crate::group::{
    FetchingMember, GroupConfig, GroupCoordinator, GroupError, JoinRequest, JoinResult, Joined,
    OffsetCommit, OffsetSelection, OffsetToCommit, Protocol, SyncRequest, TopicToFetch,
    TxnOffsetCommit,
};

/// A coordinator with its log and clock.
pub(super) struct Harness {
    pub(super) log: Arc<MemoryLog>,
    pub(super) clock: Arc<ManualClock>,
    pub(super) cluster: Arc<TestCluster>,
    pub(super) groups: GroupCoordinator,
}

pub(super) fn config() -> GroupConfig {
    GroupConfig {
        offsets_commit_timeout: Duration::from_secs(60),
        ..GroupConfig::default()
    }
}

impl Harness {
    pub(super) fn unloaded(config: GroupConfig, log: Arc<MemoryLog>) -> Self {
        let clock = Arc::new(ManualClock::new(1_700_000_000_000));
        let cluster: Arc<TestCluster> = Arc::default();
        let groups = GroupCoordinator::new(
            config,
            shared(&log),
            Arc::clone(&cluster) as _,
            Arc::clone(&clock) as _,
        );
        Self {
            log,
            clock,
            cluster,
            groups,
        }
    }

    pub(super) async fn with_config(config: GroupConfig) -> Self {
        let harness = Self::unloaded(config, Arc::default());
        harness.load_all().await;
        harness
    }

    pub(super) async fn new() -> Self {
        Self::with_config(config()).await
    }

    pub(super) async fn load_all(&self) {
        for partition in 0..PARTITIONS {
            self.groups
                .load(partition)
                .await
                .expect("the log can be read");
        }
    }

    /// Another coordinator that reads what this one wrote.
    pub(super) async fn restarted(&self) -> Self {
        let harness = Self::unloaded(config(), Arc::clone(&self.log));
        let ahead_ms = self.clock.now_ms() - harness.clock.now_ms();
        harness
            .clock
            .advance(Duration::from_millis(u64::try_from(ahead_ms).unwrap()));
        harness.load_all().await;
        harness
    }

    /// Moves the clock in steps and lets timers fire.
    pub(super) async fn advance(&self, by: Duration) {
        let step = Duration::from_millis(500);
        let mut left = by;
        while !left.is_zero() {
            self.clock.advance(left.min(step));
            left = left.saturating_sub(step);
            self.groups.fire_due_timers();
            settle().await;
        }
    }

    /// Joins a group and syncs, as its only member; returns what the join said.
    pub(super) async fn lone_member(&self, group_id: &str) -> Joined {
        let join = self.groups.join_group(join_request(group_id, ""));
        let (joined, ()) = tokio::join!(join, self.advance(Duration::from_secs(6)));
        let joined = joined.expect("the join succeeds");
        self.groups
            .sync_group(sync_request(group_id, &joined))
            .await
            .expect("the sync succeeds");
        joined
    }

    pub(super) async fn commit(
        &self,
        group_id: &str,
        offsets: &[(&str, i32, i64)],
    ) -> Result<(), GroupError> {
        let outcomes = self
            .groups
            .offset_commit(commit_request(group_id, offsets))
            .await?;
        outcomes.into_iter().collect()
    }

    /// Commits in a producer's transaction.
    pub(super) async fn txn_commit(
        &self,
        group_id: &str,
        producer_id: i64,
        offsets: &[(&str, i32, i64)],
    ) -> Result<(), GroupError> {
        let request = txn_commit_request(group_id, producer_id, offsets);
        let outcomes = self.groups.txn_offset_commit(request).await?;
        outcomes.into_iter().collect()
    }

    /// Ends a producer's transaction in the partition of a group.
    pub(super) async fn end(
        &self,
        group_id: &str,
        producer_id: i64,
        is_commit: bool,
    ) -> Result<(), GroupError> {
        let marker = marker(producer_id, is_commit);
        let partition = Self::partition(group_id);
        self.groups.complete_transaction(partition, marker).await
    }

    /// What a consumer that reads committed data finds.
    pub(super) async fn fetch_stable(
        &self,
        group_id: &str,
        topic: &str,
        partition: i32,
    ) -> Result<Option<i64>, GroupError> {
        let topics = vec![TopicToFetch {
            topic: Arc::from(topic),
            topic_id: Uuid::nil(),
            partitions: vec![partition],
        }];
        let selection = OffsetSelection::Topics(topics);
        let mut fetched = self
            .groups
            .offset_fetch(group_id, FetchingMember::ANYBODY, &selection, true)
            .await?;
        let (_, found) = fetched.remove(0).partitions.remove(0);
        found.map(|committed| committed.map(|committed| committed.offset))
    }

    pub(super) async fn fetch(&self, group_id: &str, topic: &str, partition: i32) -> Option<i64> {
        let topics = vec![TopicToFetch {
            topic: Arc::from(topic),
            topic_id: Uuid::nil(),
            partitions: vec![partition],
        }];
        let selection = OffsetSelection::Topics(topics);
        let fetched = self
            .groups
            .offset_fetch(group_id, FetchingMember::ANYBODY, &selection, false)
            .await;
        let fetched = fetched.expect("the fetch succeeds");
        let committed = fetched[0].partitions[0].1.as_ref();
        let committed = committed.expect("only a stable fetch can fail");
        committed.as_ref().map(|committed| committed.offset)
    }

    pub(super) fn partition(group_id: &str) -> i32 {
        partition_for_key(group_id, PARTITIONS)
    }

    pub(super) fn start_join(&self, request: JoinRequest) -> Pending<JoinResult> {
        let groups = self.groups.clone();
        start(async move { groups.join_group(request).await })
    }

    pub(super) fn start_commit(
        &self,
        request: OffsetCommit,
    ) -> Pending<Result<Vec<Result<(), GroupError>>, GroupError>> {
        let groups = self.groups.clone();
        start(async move { groups.offset_commit(request).await })
    }
}

pub(super) fn join_request(group_id: &str, member_id: &str) -> JoinRequest {
    let metadata = Bytes::from_static(b"\0\0\0\0\0\x01\0\x05topic\xff\xff\xff\xff");
    JoinRequest {
        group_id: Arc::from(group_id),
        member_id: Arc::from(member_id),
        group_instance_id: None,
        client_id: Arc::from("client"),
        client_host: Arc::from("/127.0.0.1"),
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 60_000,
        protocol_type: Arc::from("consumer"),
        protocols: vec![Protocol {
            name: Arc::from("range"),
            metadata,
        }],
        requires_known_member_id: false,
        supports_skipping_assignment: true,
        reason: None,
    }
}

/// The sync of a member; the leader assigns everybody its own id.
pub(super) fn sync_request(group_id: &str, joined: &Joined) -> SyncRequest {
    let assignments = joined.members.iter().map(|member| {
        let id = &member.member_id;
        (Arc::clone(id), Bytes::copy_from_slice(id.as_bytes()))
    });
    SyncRequest {
        group_id: Arc::from(group_id),
        member_id: Arc::clone(&joined.member_id),
        group_instance_id: None,
        generation: joined.generation,
        protocol_type: joined.protocol_type.clone(),
        protocol_name: joined.protocol_name.clone(),
        assignments: assignments.collect(),
    }
}

pub(super) fn commit_request(group_id: &str, offsets: &[(&str, i32, i64)]) -> OffsetCommit {
    OffsetCommit {
        group_id: Arc::from(group_id),
        member_id: Arc::from(""),
        group_instance_id: None,
        generation: -1,
        retention_time_ms: None,
        reports_unknown_group: true,
        offsets: offsets
            .iter()
            .map(|(topic, partition, offset)| OffsetToCommit {
                topic: Arc::from(*topic),
                topic_id: Uuid::nil(),
                partition: *partition,
                offset: *offset,
                leader_epoch: 3,
                metadata: Some(Arc::from("note")),
            })
            .collect(),
    }
}

/// A commit in the transaction of a producer that knows nothing of the group.
pub(super) fn txn_commit_request(
    group_id: &str,
    producer_id: i64,
    offsets: &[(&str, i32, i64)],
) -> TxnOffsetCommit {
    let OffsetCommit {
        group_id,
        member_id,
        group_instance_id,
        generation,
        offsets,
        ..
    } = commit_request(group_id, offsets);
    TxnOffsetCommit {
        group_id,
        member_id,
        group_instance_id,
        generation,
        producer_id,
        producer_epoch: 0,
        guard: None,
        offsets,
    }
}

/// The end of a producer's transaction.
pub(super) fn marker(producer_id: i64, is_commit: bool) -> TransactionMarker {
    TransactionMarker {
        producer_id,
        producer_epoch: 0,
        coordinator_epoch: 0,
        is_commit,
        transaction_version: 1,
    }
}

/// Runs a test the way a core runs: one thread, with a `LocalSet`.
pub(super) fn on_a_core<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, test)
}

/// Lets every task that can run do so.
pub(super) async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

/// Waits, in real time, for what a task of the coordinator's own brings about.
pub(super) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let polling = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), polling)
        .await
        .unwrap_or_else(|_| panic!("not within a minute: {what}"));
}

/// Starts a request and leaves it running.
pub(super) fn start<T: 'static>(future: impl Future<Output = T> + 'static) -> Pending<T> {
    let answer = Rc::new(Cell::new(None));
    let slot = Rc::clone(&answer);
    let task = tokio::task::spawn_local(async move { slot.set(Some(future.await)) });
    Pending { answer, task }
}

/// A request under way.
pub(super) struct Pending<T> {
    answer: Rc<Cell<Option<T>>>,
    task: tokio::task::JoinHandle<()>,
}

impl<T> Pending<T> {
    /// The answer, if there is one by now.
    pub(super) async fn answer(&self) -> Option<T> {
        settle().await;
        self.answer.take()
    }

    /// The answer, if it has come.
    pub(super) fn take(&self) -> Option<T> {
        self.answer.take()
    }

    /// The client goes away.
    pub(super) fn abandon(self) {
        self.task.abort();
    }
}
