//! The settings and limits of the transaction coordinator. Settings are filled from the broker's
//! configuration (`transaction.*`, `transactional.id.*`) by whoever starts the coordinator.

use std::time::Duration;

/// Bytes of records after which a batch is closed: far below the default `max.message.bytes`, far
/// above what one sync to disk costs. A single record may be larger.
pub(crate) const BATCH_BYTES: usize = 256 << 10;

/// Bytes of records that may wait in one partition. Beyond it clients are told to come later; the
/// ends of transactions, which clients cannot multiply, are not.
pub(crate) const QUEUE_BYTES_MAX: usize = 16 << 20;

/// Bytes of the last records of all transactional ids together. Beyond it there are no new ids and
/// no more partitions in transactions until ids expire; Kafka has no limit here. Memory is about
/// three times as much.
pub(crate) const STATE_BYTES_MAX: usize = 256 << 20;

/// Markers of one partition of `__transaction_state` that are being written at once.
pub(crate) const MARKER_WRITES_MAX: usize = 128;

/// First and longest wait before a marker is written again.
pub(crate) const MARKER_RETRY_BACKOFF: Duration = Duration::from_millis(10);
pub(crate) const MARKER_RETRY_BACKOFF_MAX: Duration = Duration::from_secs(1);

/// Settings of the transaction coordinator; the default is Kafka's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TxnConfig {
    /// `transaction.max.timeout.ms`.
    pub max_timeout: Duration,
    /// `transaction.abort.timed.out.transaction.cleanup.interval.ms`.
    pub abort_timed_out_interval: Duration,
    /// `transactional.id.expiration.ms`.
    pub id_expiration: Duration,
    /// `transaction.remove.expired.transaction.cleanup.interval.ms`.
    pub remove_expired_interval: Duration,
}

impl Default for TxnConfig {
    fn default() -> Self {
        Self {
            max_timeout: Duration::from_secs(15 * 60),
            abort_timed_out_interval: Duration::from_secs(10),
            id_expiration: Duration::from_secs(7 * 24 * 60 * 60),
            remove_expired_interval: Duration::from_secs(60 * 60),
        }
    }
}
