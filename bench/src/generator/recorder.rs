//! What the clients of one thread have done, gathered for whoever reports it. The thread's clients
//! take turns, so that the lock is never waited for but by the report, once a second.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use ringbrook_client::ClientError;

use super::latency::{Latencies, as_ns};
use super::ledger::{Acknowledged, ReadRecords};
use crate::process::now;

/// Counts and latencies of an interval.
#[derive(Debug, Clone, Default)]
pub(crate) struct Interval {
    pub(crate) latencies: Latencies,
    /// Records handed to producers.
    pub(crate) sent: u64,
    pub(crate) acknowledged: u64,
    /// Bytes of the values acknowledged.
    pub(crate) acknowledged_bytes: u64,
    /// Records that could not be sent.
    pub(crate) failed: u64,
    pub(crate) read: u64,
    pub(crate) read_bytes: u64,
    /// Transactions.
    pub(crate) committed: u64,
    pub(crate) aborted: u64,
}

impl Interval {
    pub(crate) fn merge(&mut self, other: &Self) {
        self.latencies.merge(&other.latencies);
        self.sent += other.sent;
        self.acknowledged += other.acknowledged;
        self.acknowledged_bytes += other.acknowledged_bytes;
        self.failed += other.failed;
        self.read += other.read;
        self.read_bytes += other.read_bytes;
        self.committed += other.committed;
        self.aborted += other.aborted;
    }
}

#[derive(Debug, Default)]
struct Inner {
    interval: Interval,
    acknowledged: Acknowledged,
    /// Sequence numbers of records that were acknowledged within an open transaction, by producer.
    uncommitted: HashMap<u32, Vec<u64>>,
    /// The first failure, for the report.
    failure: Option<String>,
}

/// One for the clients of each thread. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Recorder {
    inner: Arc<Mutex<Inner>>,
    /// When the load began: what intended times count from. Set once all clients are ready.
    epoch: Arc<OnceLock<Instant>>,
}

impl Recorder {
    pub(crate) fn new(epoch: Arc<OnceLock<Instant>>) -> Self {
        Self {
            inner: Arc::default(),
            epoch,
        }
    }

    /// Since the beginning of the load; 0 before it.
    pub(crate) fn elapsed_ns(&self) -> u64 {
        let epoch = self.epoch.get();
        epoch.map_or(0, |epoch| as_ns(now().saturating_duration_since(*epoch)))
    }

    pub(crate) fn note_sent(&self) {
        self.lock().interval.sent += 1;
    }

    /// A record was acknowledged just now.
    pub(crate) fn note_acknowledged(&self, record: &SentRecord) {
        let now_ns = self.elapsed_ns();
        let mut inner = self.lock();
        if record.is_transactional {
            let uncommitted = inner.uncommitted.entry(record.producer).or_default();
            uncommitted.push(record.sequence);
        } else {
            inner.acknowledged.note(record.producer, record.sequence);
        }
        let interval = &mut inner.interval;
        interval.acknowledged += 1;
        interval.acknowledged_bytes += u64::from(record.value_bytes);
        let latencies = &mut interval.latencies;
        latencies
            .service
            .record_ns(now_ns.saturating_sub(record.sent_ns));
        latencies
            .response
            .record_ns(now_ns.saturating_sub(record.intended_ns));
    }

    /// The open transaction of a producer was committed, which took so long: its records count.
    pub(crate) fn note_committed(&self, producer: u32, took_ns: u64) {
        let mut inner = self.lock();
        let sequences = inner.uncommitted.remove(&producer).unwrap_or_default();
        for sequence in sequences {
            inner.acknowledged.note(producer, sequence);
        }
        inner.interval.committed += 1;
        inner.interval.latencies.commit.record_ns(took_ns);
    }

    /// The open transaction of a producer could not be committed: nobody will read its records.
    pub(crate) fn note_aborted(&self, producer: u32, error: &ClientError) {
        let mut inner = self.lock();
        inner.uncommitted.remove(&producer);
        inner.interval.aborted += 1;
        inner.failure.get_or_insert_with(|| error.to_string());
    }

    /// A record was given up.
    pub(crate) fn note_failed(&self, error: impl FnOnce() -> String) {
        let mut inner = self.lock();
        inner.interval.failed += 1;
        inner.failure.get_or_insert_with(error);
    }

    /// A record was read at `now_ns`.
    pub(crate) fn note_read(&self, now_ns: u64, intended_ns: u64, value_bytes: u64) {
        let interval = &mut self.lock().interval;
        interval.read += 1;
        interval.read_bytes += value_bytes;
        interval
            .latencies
            .end_to_end
            .record_ns(now_ns.saturating_sub(intended_ns));
    }

    /// What happened since the last call.
    pub(crate) fn take_interval(&self) -> Interval {
        std::mem::take(&mut self.lock().interval)
    }

    /// What was acknowledged in all, and committed where there are transactions. To be called
    /// once, at the end.
    pub(crate) fn take_acknowledged(&self) -> Acknowledged {
        std::mem::take(&mut self.lock().acknowledged)
    }

    pub(crate) fn failure(&self) -> Option<String> {
        self.lock().failure.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What has to be known of a record when its acknowledgement comes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SentRecord {
    pub(crate) producer: u32,
    pub(crate) sequence: u64,
    pub(crate) intended_ns: u64,
    pub(crate) sent_ns: u64,
    pub(crate) value_bytes: u32,
    /// It counts when its transaction is committed.
    pub(crate) is_transactional: bool,
}

/// What a group of consumers has read; shared by all of its consumers.
#[derive(Debug, Clone, Default)]
pub(crate) struct GroupRecords(Arc<Mutex<ReadRecords>>);

impl GroupRecords {
    pub(crate) fn lock(&self) -> MutexGuard<'_, ReadRecords> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(producer: u32, sequence: u64) -> SentRecord {
        SentRecord {
            producer,
            sequence,
            intended_ns: 0,
            sent_ns: 0,
            value_bytes: 100,
            is_transactional: true,
        }
    }

    #[test]
    fn records_of_a_transaction_count_when_it_is_committed() {
        let recorder = Recorder::new(Arc::default());
        recorder.note_acknowledged(&sent(0, 0));
        recorder.note_acknowledged(&sent(0, 1));
        recorder.note_acknowledged(&sent(1, 0));
        recorder.note_committed(0, 2_000_000);
        recorder.note_aborted(1, &ClientError::TransactionAborted);
        let interval = recorder.take_interval();
        assert_eq!((interval.committed, interval.aborted), (1, 1));
        assert_eq!(interval.acknowledged, 3);
        assert!((interval.latencies.commit.ms(50.0) - 2.0).abs() < 0.01);
        assert_eq!(recorder.take_acknowledged().count(), 2);
        assert!(recorder.failure().is_some(), "an abort is a failure");
    }
}
