//! The settings of transactions and of their topic, `__transaction_state`. A field is called as its
//! key, short of what the group says. Plain data, like `settings`.

use std::time::Duration;

use super::layers::Layers;

/// Transactions: their coordinator, its topic, and what the leaders of partitions check.
#[derive(Debug, Clone, PartialEq)]
pub struct TransactionsConfig {
    /// Longest timeout a producer may ask for.
    pub max_timeout: Duration,
    /// Time between two searches for transactions past their timeout.
    pub abort_timed_out_interval: Duration,
    /// Time between two searches for expired transactional ids.
    pub remove_expired_interval: Duration,
    /// How long a transactional id outlives its last use.
    pub id_expiration: Duration,
    /// Whether leaders verify the first batch of each transaction with the coordinator (KIP-890).
    pub partition_verification_enable: bool,
    /// Pause before a partition is added to a transaction again, inside the broker.
    pub add_partitions_retry_backoff: Duration,
    /// How long the broker goes on trying to add a partition.
    pub add_partitions_retry_backoff_max: Duration,
    /// The transaction topic.
    pub state_log: TransactionStateLogConfig,
}

/// The topic of the transaction coordinator.
#[derive(Debug, Clone, PartialEq)]
pub struct TransactionStateLogConfig {
    /// Bytes read at a time when transactions are loaded.
    pub load_buffer_bytes: usize,
    /// `min.insync.replicas` asked for; fewer replicas mean less.
    pub min_isr: i32,
    /// Partitions of the topic; at least 1.
    pub partitions: i32,
    /// Replicas of each partition asked for; fewer brokers mean fewer replicas.
    pub replication_factor: i16,
    /// Segment size of the topic.
    pub segment_bytes: usize,
}

impl TransactionsConfig {
    pub(super) fn read(layers: &Layers<'_>) -> Self {
        Self {
            max_timeout: layers.millis("transaction.max.timeout.ms"),
            abort_timed_out_interval: layers
                .millis("transaction.abort.timed.out.transaction.cleanup.interval.ms"),
            remove_expired_interval: layers
                .millis("transaction.remove.expired.transaction.cleanup.interval.ms"),
            id_expiration: layers.millis("transactional.id.expiration.ms"),
            partition_verification_enable: layers
                .boolean("transaction.partition.verification.enable"),
            add_partitions_retry_backoff: layers.millis("add.partitions.to.txn.retry.backoff.ms"),
            add_partitions_retry_backoff_max: layers
                .millis("add.partitions.to.txn.retry.backoff.max.ms"),
            state_log: TransactionStateLogConfig {
                load_buffer_bytes: layers.size("transaction.state.log.load.buffer.size"),
                min_isr: layers.int("transaction.state.log.min.isr"),
                partitions: layers.int("transaction.state.log.num.partitions"),
                replication_factor: layers.short("transaction.state.log.replication.factor"),
                segment_bytes: layers.size("transaction.state.log.segment.bytes"),
            },
        }
    }
}
