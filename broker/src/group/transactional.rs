//! Offsets that are committed by transactions: TxnOffsetCommit, and the markers that decide about
//! them. Called by the handler of TxnOffsetCommit and by whoever writes markers; mirrors the
//! transactional half of Kafka's `OffsetMetadataManager`.
//!
//! Whether the producer has a transaction at all is not asked here: the handler has asked the
//! transaction coordinator, and the log refuses a batch that nobody asked for.

use std::sync::Arc;

use ringbrook_engine::VerificationGuard;
use tokio::sync::oneshot;

use super::classic::request::MemberIdentity;
use super::commit::OffsetToCommit;
use super::consumer::offsets::Committer;
use super::coordinator::GroupCoordinator;
use super::error::GroupError;
use super::shard::{Now, ShardState};
use super::write::{Marker, TransactionProducer, Write};
use crate::coordinator::TransactionMarker;

/// TxnOffsetCommit.
#[derive(Clone, Debug)]
pub struct TxnOffsetCommit {
    /// The group; not empty.
    pub group_id: Arc<str>,
    /// The member id; empty when the producer does not know it.
    pub member_id: Arc<str>,
    /// The group instance id of a static member.
    pub group_instance_id: Option<Arc<str>>,
    /// The generation, or the member's epoch; negative when the producer does not know it.
    pub generation: i32,
    /// The producer whose transaction it is.
    pub producer_id: i64,
    /// Its epoch.
    pub producer_epoch: i16,
    /// What the group's partition of `__consumer_offsets` gave before the transaction coordinator
    /// was asked, if its transaction was not open there: `Partition::begin_verification`.
    pub guard: Option<VerificationGuard>,
    /// The offsets.
    pub offsets: Vec<OffsetToCommit>,
}

impl GroupCoordinator {
    /// TxnOffsetCommit. Resolves when the offsets are on disk: one outcome per offset, in their
    /// order. They count once [`GroupCoordinator::complete_transaction`] commits them.
    ///
    /// # Errors
    /// What concerns the whole request: `InvalidGroupId`, `IllegalGeneration` for an unknown group
    /// with a generation, what `ClassicGroup::validate_offset_commit` refuses,
    /// `InvalidProducerEpoch` and `InvalidTxnState` of the log, a failed write, or
    /// `CoordinatorNotAvailable` when it is not committed within `offsets.commit.timeout.ms`.
    pub async fn txn_offset_commit(
        &self,
        request: TxnOffsetCommit,
    ) -> Result<Vec<Result<(), GroupError>>, GroupError> {
        let shard = self.member_shard(&request.group_id)?;
        let now = self.environment().now();
        let (outcomes, receiver) = {
            let mut state = shard.lock_active()?;
            state.validate_txn_commit(&request, now)?;
            let producer = TransactionProducer {
                producer_id: request.producer_id,
                producer_epoch: request.producer_epoch,
                guard: request.guard,
            };
            state.queue_commit(
                &request.group_id,
                &request.offsets,
                None,
                Some(producer),
                now,
            )?
        };
        self.await_commit(&shard, receiver).await?;
        Ok(outcomes)
    }

    /// Ends a producer's transaction in a partition of `__consumer_offsets`: writes the marker, and
    /// then commits or forgets the offsets of all groups there. Resolves when that has happened.
    ///
    /// # Errors
    /// `NotCoordinator` and `CoordinatorLoadInProgress` when the partition is not (yet)
    /// coordinated here; what the log ran into, among it `InvalidProducerEpoch` and
    /// `TransactionCoordinatorFenced`. Nothing has changed then, and the marker may be sent again.
    pub async fn complete_transaction(
        &self,
        partition: i32,
        marker: TransactionMarker,
    ) -> Result<(), GroupError> {
        let shard = self.shard_at(partition)?;
        let (done, receiver) = oneshot::channel();
        {
            let mut state = shard.lock_active()?;
            let write = Write::Marker(Marker { marker, done });
            state.writes.push_back(write);
        }
        self.drain_if_needed(&shard);
        receiver.await.map_err(|_| GroupError::NotCoordinator)?
    }
}

impl ShardState {
    fn validate_txn_commit(
        &mut self,
        request: &TxnOffsetCommit,
        now: Now,
    ) -> Result<(), GroupError> {
        let identity = MemberIdentity {
            member_id: &request.member_id,
            group_instance_id: request.group_instance_id.as_deref(),
        };
        let validated = self.with_classic(&request.group_id, now, |group, _| {
            group.validate_offset_commit(identity, request.generation, true)
        });
        let committer = Committer {
            member_id: &request.member_id,
            has_instance_id: request.group_instance_id.is_some(),
            member_epoch: request.generation,
            is_transactional: true,
            knows_member_epochs: true,
        };
        let of_consumer_group =
            || self.validate_consumer(&request.group_id, committer, &request.offsets);
        match validated.or_else(of_consumer_group) {
            // Members know their epochs as generations here.
            Some(Err(GroupError::StaleMemberEpoch)) => Err(GroupError::IllegalGeneration),
            Some(result) => result,
            // The commit will make a simple group.
            None if request.generation < 0 => Ok(()),
            None => Err(GroupError::IllegalGeneration),
        }
    }
}
