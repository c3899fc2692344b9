//! Which partitions belong to the transaction.

use hashbrown::HashSet;

use crate::topic_partition::TopicPartition;

/// The partitions of the current transaction. One is in at most one of the sets.
#[derive(Debug, Default)]
pub(super) struct Partitions {
    /// Sent to, not yet in a request (version 1).
    new: HashSet<TopicPartition>,
    /// In a request to the coordinator (version 1).
    pending: HashSet<TopicPartition>,
    /// Known to the coordinator, or (version 2) about to be through its leader.
    added: HashSet<TopicPartition>,
}

impl Partitions {
    /// Takes a partition in by itself (version 2).
    pub(super) fn add(&mut self, partition: &TopicPartition) {
        if !self.added.contains(partition) {
            self.added.insert(partition.clone());
        }
    }

    /// Takes a partition in that the coordinator has to be told of (version 1).
    pub(super) fn announce(&mut self, partition: &TopicPartition) {
        let is_known = self.added.contains(partition)
            || self.pending.contains(partition)
            || self.new.contains(partition);
        if !is_known {
            self.new.insert(partition.clone());
        }
    }

    pub(super) fn has_new(&self) -> bool {
        !self.new.is_empty()
    }

    /// The coordinator need not hear of new ones any more.
    pub(super) fn forget_new(&mut self) {
        self.new.clear();
    }

    /// Those for the next request to the coordinator, in order.
    pub(super) fn take_new(&mut self) -> Vec<TopicPartition> {
        let mut partitions: Vec<_> = self.new.drain().collect();
        partitions.sort();
        self.pending.extend(partitions.iter().cloned());
        partitions
    }

    /// The coordinator has answered for these. Even if it refused: batches that are tried again,
    /// for partitions that were added before, go on.
    pub(super) fn answered(&mut self, partitions: &[TopicPartition], is_added: bool) {
        for partition in partitions {
            self.pending.remove(partition);
            if is_added {
                self.added.insert(partition.clone());
            }
        }
    }

    /// Whether batches may go there.
    pub(super) fn is_added(&self, partition: &TopicPartition) -> bool {
        self.added.contains(partition)
    }

    pub(super) fn is_any_added(&self) -> bool {
        !self.added.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.new.clear();
        self.pending.clear();
        self.added.clear();
    }
}
