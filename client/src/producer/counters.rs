//! Counters of a producer: why batches were sent, how full they were, how long they waited.

use std::time::Duration;

/// Why a batch was sent for the first time, as Kafka's `RecordAccumulator` decides it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendReason {
    /// It was full.
    Full,
    /// `linger.ms` was over.
    Linger,
    /// Somebody waited for memory.
    BufferExhausted,
    /// The producer is being closed.
    Close,
    /// Somebody flushed.
    Flush,
    /// A transaction is being ended.
    Transaction,
    /// Its broker got a batch of another partition anyway.
    Piggyback,
}

impl SendReason {
    /// All, in the order of [`ProducerCounters::batches_by_reason`].
    pub const ALL: [Self; 7] = [
        Self::Full,
        Self::Linger,
        Self::BufferExhausted,
        Self::Close,
        Self::Flush,
        Self::Transaction,
        Self::Piggyback,
    ];

    /// A word for tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Linger => "linger",
            Self::BufferExhausted => "buffer-exhausted",
            Self::Close => "close",
            Self::Flush => "flush",
            Self::Transaction => "transaction",
            Self::Piggyback => "piggyback",
        }
    }
}

/// What a producer has done since it was made. A snapshot.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ProducerCounters {
    /// Batches sent for the first time, by reason in the order of [`SendReason::ALL`].
    pub batches_by_reason: [u64; SendReason::ALL.len()],
    /// Requests with records.
    pub requests: u64,
    /// Records in batches that were sent for the first time.
    pub records_sent: u64,
    /// Bytes of these batches before compression, headers included.
    pub bytes_uncompressed: u64,
    /// Bytes of these batches as sent.
    pub bytes_sent: u64,
    /// Records acknowledged.
    pub records_acknowledged: u64,
    /// Records given up.
    pub records_failed: u64,
    /// Batches sent again.
    pub batches_retried: u64,
    /// Batches that went on as several because the broker found them too large.
    pub batches_split: u64,
    /// Batches given up because `delivery.timeout.ms` was over.
    pub batches_expired: u64,
    /// Times of all batches between their first record and their first sending, in sum.
    pub queue_time_sum: Duration,
    /// The longest such time.
    pub queue_time_max: Duration,
    /// Times that sends have waited for memory, in number.
    pub buffer_waits: u64,
    /// Bytes of records that are not yet acknowledged.
    pub buffered_bytes: usize,
    /// `batch.size`, to measure fill by.
    pub batch_size: usize,
}

impl ProducerCounters {
    /// Batches sent for the first time.
    #[must_use]
    pub fn batches(&self) -> u64 {
        self.batches_by_reason.iter().sum()
    }

    /// Batches sent for one reason.
    #[must_use]
    pub fn batches_for(&self, reason: SendReason) -> u64 {
        let mut pairs = SendReason::ALL.into_iter().zip(self.batches_by_reason);
        pairs
            .find_map(|(it, count)| (it == reason).then_some(count))
            .unwrap_or_default()
    }

    /// How full batches were on average, as a share of `batch.size`.
    #[must_use]
    pub fn fill(&self) -> f64 {
        ratio(self.bytes_uncompressed, self.batches()) / (self.batch_size.max(1) as f64)
    }

    /// Records per batch on average.
    #[must_use]
    pub fn records_per_batch(&self) -> f64 {
        ratio(self.records_sent, self.batches())
    }

    /// Bytes sent per byte before compression.
    #[must_use]
    pub fn compression_ratio(&self) -> f64 {
        ratio(self.bytes_sent, self.bytes_uncompressed)
    }

    /// How long batches waited on average.
    #[must_use]
    pub fn queue_time_average(&self) -> Duration {
        let batches = u32::try_from(self.batches().max(1)).unwrap_or(u32::MAX);
        self.queue_time_sum / batches
    }

    pub(super) fn count_reason(&mut self, reason: SendReason) {
        let pairs = SendReason::ALL.iter().zip(&mut self.batches_by_reason);
        for (_, count) in pairs.filter(|(it, _)| **it == reason) {
            *count += 1;
        }
    }
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        return 0.0;
    }
    part as f64 / whole as f64
}
