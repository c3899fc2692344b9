//! One assigned partition: where it is read, and whether it may be.
//!
//! Two offsets move through a partition: the *position*, of the next record to hand out, and the
//! *next fetch*, of the next record to ask the broker for, which is ahead of it by what is
//! buffered. The *generation* changes whenever the two have to meet again (a seek, a reset, another
//! leader): what was asked for or buffered under an older generation is dropped.

use tokio::time::Instant;

use crate::config::AutoOffsetReset;

/// A partition's leader, as the metadata told it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LeaderAndEpoch {
    /// The leader's id, if there is one.
    pub leader: Option<i32>,
    /// Its epoch, if known.
    pub epoch: Option<i32>,
}

/// An offset to read at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FetchPosition {
    /// The next record's offset.
    pub offset: i64,
    /// The leader epoch of the record before it, if known.
    pub offset_epoch: Option<i32>,
    /// The leader that is asked.
    pub current_leader: LeaderAndEpoch,
}

/// Where an assigned partition stands on its way to being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FetchState {
    /// Assigned, without a position: the committed one is looked up.
    Initializing,
    /// Read.
    Fetching,
    /// The position has to be found by the time or end that this says.
    AwaitReset(AutoOffsetReset),
    /// There is another leader; whether its log has the position is asked (KIP-320).
    AwaitValidation,
}

/// An assigned partition.
#[derive(Debug, Clone)]
pub(crate) struct PartitionState {
    pub(crate) fetch_state: FetchState,
    /// Of the next record to hand out; nothing before one is found.
    pub(crate) position: Option<FetchPosition>,
    /// Offset and epoch of the next record to ask for.
    pub(crate) next_fetch: (i64, Option<i32>),
    pub(crate) generation: u64,
    pub(crate) high_watermark: Option<i64>,
    pub(crate) log_start_offset: Option<i64>,
    pub(crate) last_stable_offset: Option<i64>,
    pub(crate) is_paused: bool,
    /// It will be revoked as soon as the listener has been told: nothing more of it is read.
    pub(crate) is_pending_revocation: bool,
    /// The listener has not been told yet that it is assigned: nothing of it is read.
    pub(crate) is_pending_assigned_callback: bool,
    /// After an error nothing is asked for before this.
    pub(crate) retry_at: Option<Instant>,
    /// A follower near by, and until when it is preferred (KIP-392).
    pub(crate) preferred_read_replica: Option<(i32, Instant)>,
    /// Rises when data come: who has had none for longest is asked for first.
    pub(crate) turn: u64,
}

impl PartitionState {
    pub(crate) fn new(generation: u64) -> Self {
        Self {
            fetch_state: FetchState::Initializing,
            position: None,
            next_fetch: (-1, None),
            generation,
            high_watermark: None,
            log_start_offset: None,
            last_stable_offset: None,
            is_paused: false,
            is_pending_revocation: false,
            is_pending_assigned_callback: false,
            retry_at: None,
            preferred_read_replica: None,
            turn: 0,
        }
    }

    /// Whether buffered records may be handed out.
    pub(crate) fn is_readable(&self) -> bool {
        self.fetch_state == FetchState::Fetching
            && !self.is_paused
            && !self.is_pending_revocation
            && !self.is_pending_assigned_callback
    }

    /// Whether the pause after an error is over.
    pub(crate) fn may_try(&self, now: Instant) -> bool {
        self.retry_at.is_none_or(|retry_at| retry_at <= now)
    }

    /// A new position under a new generation, to be read from now on.
    pub(crate) fn start_at(&mut self, position: FetchPosition, generation: u64) {
        self.fetch_state = FetchState::Fetching;
        self.position = Some(position);
        self.next_fetch = (position.offset, position.offset_epoch);
        self.generation = generation;
        self.retry_at = None;
    }

    /// Drops what is buffered or under way: the next fetch is at the position again.
    pub(crate) fn restart(&mut self, generation: u64) {
        if let Some(position) = self.position {
            self.next_fetch = (position.offset, position.offset_epoch);
        }
        self.generation = generation;
    }

    /// Who is asked: the follower near by, or the leader.
    pub(crate) fn node(&self, now: Instant) -> Option<i32> {
        let preferred = self.preferred_read_replica;
        let preferred = preferred.filter(|(_, until)| now < *until);
        let leader = || self.position?.current_leader.leader;
        preferred.map(|(id, _)| id).or_else(leader)
    }
}
