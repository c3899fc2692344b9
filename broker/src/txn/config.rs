//! The settings and limits of the transaction coordinator. Settings are filled from the broker's
//! configuration (`transaction.*`, `transactional.id.*`) by whoever starts the coordinator.

use std::time::Duration;

/// Bytes of records after which a batch is closed: far below the default `max.message.bytes`, far
/// above what one sync to disk costs. A single record may be larger.
pub(crate) const BATCH_BYTES: usize = 256 << 10;

/// How much clients can make the coordinator hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TxnLimits {
    /// Bytes of records that may wait in one partition. Beyond it clients are told to come later;
    /// what is left to do for transactions already decided is not turned away.
    pub(crate) queue_bytes_max: usize,
    /// Bytes of the last records of all transactional ids together; memory is about three times as
    /// much. Beyond it there are no new ids and no more partitions in transactions until ids
    /// expire. Kafka has no limit here.
    pub(crate) state_bytes_max: usize,
    /// Markers of one partition of `__transaction_state` that are being written at once.
    pub(crate) marker_writes_max: usize,
}

impl Default for TxnLimits {
    fn default() -> Self {
        Self {
            queue_bytes_max: 16 << 20,
            state_bytes_max: 256 << 20,
            marker_writes_max: 128,
        }
    }
}

/// How long a request to add partitions waits for the step that is under way. The transaction
/// before is usually complete within a sync or two; a client that is told to come again comes
/// after 20 ms.
pub(crate) const BUSY_WAIT: Duration = Duration::from_millis(20);

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
    /// How much clients can make the coordinator hold.
    pub(crate) limits: TxnLimits,
}

impl Default for TxnConfig {
    fn default() -> Self {
        Self {
            max_timeout: Duration::from_secs(15 * 60),
            abort_timed_out_interval: Duration::from_secs(10),
            id_expiration: Duration::from_secs(7 * 24 * 60 * 60),
            remove_expired_interval: Duration::from_secs(60 * 60),
            limits: TxnLimits::default(),
        }
    }
}
