//! The batches of one partition that wait for its leader, in their order.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::producer::batch::Batch;

/// The queue of a partition.
pub(super) struct PartitionQueue {
    pub(super) topic: Arc<str>,
    /// The topic's number in the accumulator.
    pub(super) topic_index: usize,
    pub(super) partition: i32,
    /// By key: retries come before what was never sent.
    pub(super) batches: VecDeque<Batch>,
    /// Whether the last batch takes no more records.
    pub(super) is_last_full: bool,
    /// Whether the accumulator lists it among partitions with batches.
    pub(super) is_active: bool,
    /// Whether nothing is to be sent while a batch is with a broker.
    pub(super) is_muted: bool,
}

impl PartitionQueue {
    pub(super) fn new(topic: Arc<str>, topic_index: usize, partition: i32) -> Self {
        Self {
            topic,
            topic_index,
            partition,
            batches: VecDeque::new(),
            is_last_full: false,
            is_active: false,
            is_muted: false,
        }
    }

    /// Puts a batch back to its place. Few batches come before it, if any.
    pub(super) fn put_back(&mut self, batch: Batch) {
        let place = self.batches.partition_point(|it| it.key < batch.key);
        if place == self.batches.len() {
            self.is_last_full = true;
        }
        self.batches.insert(place, batch);
    }
}
