//! What one producer did in one partition: its epoch, its last five batches, its open transaction.
//! Pure. (Kafka `ProducerStateEntry`, `BatchMetadata`.)

use ringbrook_record::{BatchHeader, NO_PRODUCER_EPOCH, NO_SEQUENCE};

/// Batches remembered per producer; clients keep at most as many requests in flight.
const BATCHES_MAX: usize = 5;

/// A batch that was appended, as far as duplicates need it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct BatchMetadata {
    pub(crate) last_sequence: i32,
    pub(crate) last_offset: i64,
    pub(crate) offset_delta: i32,
    pub(crate) timestamp: i64,
}

impl BatchMetadata {
    pub(crate) fn of(header: &BatchHeader) -> Self {
        Self {
            last_sequence: header.last_sequence(),
            last_offset: header.last_offset(),
            offset_delta: header.last_offset_delta,
            timestamp: header.max_timestamp,
        }
    }

    pub(crate) fn base_offset(&self) -> i64 {
        self.last_offset - i64::from(self.offset_delta)
    }

    /// Sequence numbers wrap from `i32::MAX` to 0.
    fn first_sequence(&self) -> i32 {
        self.last_sequence.wrapping_sub(self.offset_delta) & i32::MAX
    }
}

/// The state of one producer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProducerEntry {
    pub(crate) epoch: i16,
    pub(crate) coordinator_epoch: i32,
    pub(crate) last_timestamp: i64,
    pub(crate) txn_first_offset: Option<i64>,
    batches: [BatchMetadata; BATCHES_MAX],
    batches_count: u8,
}

impl Default for ProducerEntry {
    fn default() -> Self {
        Self {
            epoch: NO_PRODUCER_EPOCH,
            coordinator_epoch: -1,
            last_timestamp: -1,
            txn_first_offset: None,
            batches: [BatchMetadata::default(); BATCHES_MAX],
            batches_count: 0,
        }
    }
}

impl ProducerEntry {
    /// The remembered batches, oldest first.
    pub(crate) fn batches(&self) -> &[BatchMetadata] {
        &self.batches[..usize::from(self.batches_count)]
    }

    /// The newest batch.
    pub(crate) fn last_batch(&self) -> Option<&BatchMetadata> {
        self.batches().last()
    }

    /// The newest sequence number, -1 for none.
    pub(crate) fn last_sequence(&self) -> i32 {
        self.last_batch()
            .map_or(NO_SEQUENCE, |batch| batch.last_sequence)
    }

    /// Whether a transaction of this epoch is open.
    pub(crate) fn has_open(&self, epoch: i16) -> bool {
        self.txn_first_offset.is_some() && self.epoch == epoch
    }

    /// The remembered batch with exactly the same sequence numbers.
    pub(crate) fn find_duplicate(&self, header: &BatchHeader) -> Option<BatchMetadata> {
        if header.producer_epoch != self.epoch {
            return None;
        }
        let (first, last) = (header.base_sequence, header.last_sequence());
        self.batches()
            .iter()
            .find(|batch| batch.first_sequence() == first && batch.last_sequence == last)
            .copied()
    }

    /// Takes over the epoch; another one makes the remembered batches meaningless.
    pub(crate) fn set_epoch(&mut self, epoch: i16) {
        if self.epoch != epoch {
            self.epoch = epoch;
            self.batches_count = 0;
        }
    }

    /// Puts the batches of an earlier state of this producer before those of this one.
    pub(crate) fn add_older(&mut self, older: &Self) {
        if older.epoch != self.epoch {
            return;
        }
        let newer = self.clone();
        (self.batches, self.batches_count) = (older.batches, older.batches_count);
        for batch in newer.batches() {
            self.add_batch(*batch);
        }
        self.last_timestamp = newer.last_timestamp;
    }

    /// Remembers a batch, forgetting the oldest when there are too many.
    pub(crate) fn add_batch(&mut self, batch: BatchMetadata) {
        if usize::from(self.batches_count) == BATCHES_MAX {
            self.batches.rotate_left(1);
            self.batches_count -= 1;
        }
        self.batches[usize::from(self.batches_count)] = batch;
        self.batches_count += 1;
        self.last_timestamp = batch.timestamp;
    }
}
