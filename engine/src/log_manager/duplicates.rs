//! Two directories of one partition, found at the start. One comes from a switch between log dirs
//! that a crash, or a failing log dir, left half done: then one of them holds every acknowledged
//! record, and it is the one with the later leader epoch or, in the same epoch, the higher log end.
//! The other one is set aside as a stray, never deleted. Kafka refuses to start then.
//!
//! Directories with different topic ids are of different topics of one name, and only the metadata
//! knows which exists now: the other is kept at hand until the broker asks for it.

use std::sync::Arc;

use uuid::Uuid;

use super::{LogManager, Logs, lock};
use crate::io::Disk;
use crate::log::PartitionLog;
use crate::segment::stray_dir_name;

/// Puts a log that was opened in its place; returns the one that has to make room, if there is one.
pub(super) fn place<D: Disk>(
    logs: &mut Logs<D>,
    log: Arc<PartitionLog<D>>,
) -> Option<Arc<PartitionLog<D>>> {
    let partitions = logs.entry(log.topic().to_owned()).or_default();
    let Some(known) = partitions.get(&log.partition()) else {
        partitions.insert(log.partition(), log);
        return None;
    };
    let reach = |log: &PartitionLog<D>| (log.latest_epoch(), log.offsets().log_end);
    let (winner, loser) = if reach(known) < reach(&log) {
        (log, Arc::clone(known))
    } else {
        (Arc::clone(known), log)
    };
    if winner.topic_id() == loser.topic_id() {
        // Records may have been deleted from either since its log start was last written down.
        let log_start = loser.offsets().log_start.min(winner.offsets().log_end);
        winner.advance_high_watermark(log_start);
        if let Err(error) = winner.advance_log_start_offset(log_start) {
            tracing::error!(
                topic = winner.topic(), partition = winner.partition(), %error,
                "the log start of a duplicate is not taken over"
            );
        }
    }
    partitions.insert(winner.partition(), winner);
    Some(loser)
}

impl<D: Disk> LogManager<D> {
    /// Sets aside the duplicates that hold nothing more than their partition's log; keeps those of
    /// other topics of the same name at hand.
    pub(super) fn settle_duplicates(&self, found: Vec<Arc<PartitionLog<D>>>) {
        for log in found {
            let kept = self.log(log.topic(), log.partition());
            if kept.is_some_and(|kept| kept.topic_id() != log.topic_id()) {
                lock(&self.namesakes).push(log);
            } else {
                self.set_duplicate_aside(&log);
            }
        }
    }

    fn set_duplicate_aside(&self, log: &PartitionLog<D>) {
        let (topic, partition) = (log.topic(), log.partition());
        let name = stray_dir_name(topic, partition, Uuid::new_v4());
        match log.retire(&name) {
            Ok(path) => tracing::warn!(
                topic, partition, dir = %path.display(),
                "another log directory holds this partition too; this copy is set aside"
            ),
            Err(error) => tracing::error!(topic, partition, %error, "a duplicate stays"),
        }
    }

    /// The log of another topic of that name takes the place that has become free. The caller holds
    /// the membership lock.
    pub(super) fn promote_namesake(&self, topic: &str, partition: i32) {
        let mut namesakes = lock(&self.namesakes);
        let found = namesakes
            .iter()
            .position(|log| log.topic() == topic && log.partition() == partition);
        if let Some(index) = found {
            let log = namesakes.swap_remove(index);
            drop(namesakes);
            self.add(&log);
        }
    }

    /// Sets aside the logs of topics that do not exist while another one has their name. Call it
    /// once, when the partitions of all topics have their logs.
    pub fn set_namesakes_aside(&self) {
        let _membership = lock(&self.membership);
        let left = std::mem::take(&mut *lock(&self.namesakes));
        for log in left {
            self.set_duplicate_aside(&log);
        }
    }
}
