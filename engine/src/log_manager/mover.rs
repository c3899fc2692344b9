//! Copies partitions into other log dirs and puts the copies in their places. One thread while
//! something moves, none else; it copies one partition after the other, at the pace of
//! `replica.alter.log.dirs.io.max.bytes.per.second`.
//!
//! The switch is crash-safe without a marker: writes pause; the copy is made complete and durable;
//! its directory gets its final name, durably; only then appends go there, and after that the old
//! directory is renamed for removal. Power lost in between leaves two directories of one partition
//! of which one holds everything: `duplicates` finds it.

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::moves::Move;
use super::throttle::Throttle;
use super::{LogManager, PendingRemoval, lock};
use crate::checkpoint::OffsetCheckpoint;
use crate::error::EngineError;
use crate::io::Disk;
use crate::segment::{deleted_dir_name, partition_dir_name};
use crate::units::usize_from;

/// How long the switch waits for a write in flight before it tries again.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);
/// Times a copy is brought up to date before writes are paused: what comes while one round is
/// synced is the next one's work, and each is shorter.
const ROUNDS: usize = 3;

/// Pieces after which the files of segments that are done are closed.
const PIECES_PER_CLOSE: usize = 64;

/// How work on a move ended.
enum Outcome {
    /// The copy is in place.
    Moved,
    /// It was cancelled, replaced or deleted, or the broker stops.
    Ended,
}

/// Says that no thread works on the moves any more, also after a panic.
struct Running<'a, D: Disk>(&'a LogManager<D>);

impl<D: Disk> Drop for Running<'_, D> {
    fn drop(&mut self) {
        lock(&self.0.moves).is_running = false;
        self.0.moves_changed.notify_all();
    }
}

impl<D: Disk> LogManager<D> {
    /// Starts the thread that moves partitions, when something is to be moved and it does not run.
    pub fn start_moves(self: &Arc<Self>) {
        {
            let mut moves = lock(&self.moves);
            if moves.is_running || moves.is_stopped || moves.queue.is_empty() {
                return;
            }
            moves.is_running = true;
        }
        let manager = Arc::clone(self);
        let thread = std::thread::Builder::new().name("log-dir-mover".to_owned());
        let spawned = thread.spawn(move || {
            let _running = Running(&*manager);
            manager.run_moves();
        });
        if let Err(error) = spawned {
            lock(&self.moves).is_running = false;
            tracing::error!(%error, "no thread to move partitions; the next request tries again");
        }
    }

    /// Works on the moves until none is left. Blocks for as long as that takes.
    pub fn run_moves(&self) {
        let mut throttle = Throttle::default();
        loop {
            let next = {
                let mut moves = lock(&self.moves);
                let next = moves.queue.first().cloned();
                if moves.is_stopped || next.is_none() {
                    // Under the lock in which a new move would find the thread running.
                    moves.is_running = false;
                    return;
                }
                next
            };
            let Some(next) = next else { return };
            let (topic, partition) = (next.future.topic(), next.future.partition());
            match self.move_one(&next, &mut throttle) {
                Ok(Outcome::Moved) => tracing::info!(
                    topic, partition, dir = %next.future.log_dir().display(),
                    "the partition has moved"
                ),
                Ok(Outcome::Ended) => {}
                Err(error) => {
                    tracing::error!(topic, partition, %error, "the partition is not moved");
                    let _membership = lock(&self.membership);
                    if lock(&self.moves).contains(&next) {
                        self.cancel_move(&next);
                    }
                }
            }
        }
    }

    /// Ends the mover's thread and waits for it. Copies under way are begun again at the next
    /// start.
    pub(super) fn stop_moves(&self) {
        let mut moves = lock(&self.moves);
        moves.is_stopped = true;
        self.moves_changed.notify_all();
        while moves.is_running {
            moves = self
                .moves_changed
                .wait(moves)
                .unwrap_or_else(std::sync::PoisonError::into_inner);
        }
    }

    fn move_one(&self, it: &Arc<Move<D>>, throttle: &mut Throttle) -> Result<Outcome, EngineError> {
        let mut pieces = 0usize;
        for _ in 0..ROUNDS {
            while let Some(piece_bytes) = self.wait_for_turn(it, throttle) {
                let now_ms = self.clock.now_ms();
                let bytes = it.future.copy_from(&it.current, piece_bytes, now_ms)?;
                if bytes == 0 {
                    break;
                }
                let bytes_per_s = lock(&self.moves).bytes_per_s;
                throttle.spend(bytes as u64, bytes_per_s, self.clock.monotonic());
                pieces += 1;
                if pieces.is_multiple_of(PIECES_PER_CLOSE) {
                    self.check_room_for(it)?;
                    it.current.close_idle_files();
                    it.future.close_idle_files();
                }
            }
            if !self.is_moving(it) {
                return Ok(Outcome::Ended);
            }
            it.future.flush(self.clock.now_ms())?;
            self.check_room_for(it)?;
        }
        self.switch(it)
    }

    fn is_moving(&self, it: &Arc<Move<D>>) -> bool {
        let moves = lock(&self.moves);
        !moves.is_stopped && moves.contains(it)
    }

    /// Waits until more may be copied; returns how many bytes, or `None` when the move has ended.
    fn wait_for_turn(&self, it: &Arc<Move<D>>, throttle: &Throttle) -> Option<usize> {
        let mut moves = lock(&self.moves);
        loop {
            if moves.is_stopped || !moves.contains(it) {
                return None;
            }
            let wait = throttle.wait(self.clock.monotonic());
            let wait = match (moves.bytes_per_s, wait) {
                (0, _) => Duration::MAX,
                (bytes_per_s, None) => {
                    return Some(usize_from(Throttle::piece_bytes(bytes_per_s)));
                }
                (_, Some(wait)) => wait,
            };
            let (guard, _) = self
                .moves_changed
                .wait_timeout(moves, wait)
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            moves = guard;
        }
    }

    /// Puts the copy in the place of the current log.
    fn switch(&self, it: &Arc<Move<D>>) -> Result<Outcome, EngineError> {
        let Move { current, future } = &**it;
        let (topic, partition) = (current.topic(), current.partition());
        let name =
            partition_dir_name(topic, partition).ok_or_else(|| EngineError::InvalidTopicName {
                topic: topic.to_owned(),
            })?;
        let to = self
            .dirs
            .dirs
            .iter()
            .find(|dir| dir.path() == future.log_dir());
        let to = to.ok_or_else(|| EngineError::UnknownLogDir {
            path: future.log_dir().to_owned(),
        })?;
        // All other locks before the pause, so that it is as short as the disk allows.
        let _membership = lock(&self.membership);
        let background = lock(&self.background);
        if !self.is_moving(it) {
            return Ok(Outcome::Ended);
        }
        let Some(pause) = current.pause(WRITE_TIMEOUT) else {
            return Err(EngineError::WriteInFlight {
                path: current.log_dir().to_owned(),
            });
        };
        let now_ms = self.clock.now_ms();
        let piece_bytes = usize_from(Throttle::piece_bytes(u64::MAX));
        while 0 < future.copy_from(current, piece_bytes, now_ms)? {}
        if current.is_offline() {
            return Err(current.offline_error());
        }
        future.seal_as(current.knowledge(), now_ms)?;
        // The copy must not start lower after a crash than the log that it replaces.
        self.write_checkpoint(to, OffsetCheckpoint::LogStart)?;
        future.rename_dir(&name)?;
        let drain = current.hand_over(future, now_ms)?;
        self.add(future);
        lock(&self.moves).remove(it);
        self.moves_changed.notify_all();
        drain.run_blocking();
        drop(pause);
        // So that an unclean restart need not look at the whole log. A failure took the dir
        // offline.
        let checkpointed = self
            .write_checkpoint(to, OffsetCheckpoint::LogStart)
            .and_then(|()| self.write_checkpoint(to, OffsetCheckpoint::RecoveryPoint));
        drop(background);
        self.retire(it)?;
        checkpointed.map(|()| Outcome::Moved)
    }

    /// Has the old log's directory removed after `file.delete.delay.ms`.
    fn retire(&self, it: &Move<D>) -> Result<(), EngineError> {
        let (topic, partition) = (it.current.topic(), it.current.partition());
        let name = deleted_dir_name(topic, partition, Uuid::new_v4());
        let path = it.current.retire(&name)?;
        let delay_ms = it.future.config().file_delete_delay_ms;
        lock(&self.removals).push(PendingRemoval {
            due_ms: self.clock.now_ms().saturating_add(delay_ms),
            path,
            is_dir: true,
        });
        Ok(())
    }
}
