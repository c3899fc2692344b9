//! The records of `__transaction_state`, as tables of fields.
//!
//! Source: the message definitions of Kafka 4.3's transaction coordinator.

use super::field::Kind::{Array, I8, I16, I32, I64, Str, Struct};
use super::field::{Field, RecordType, Schema, field};

/// The record types, by the first two bytes of a key.
pub(super) const TYPES: &[RecordType] = &[RecordType::new(
    0,
    &TRANSACTION_LOG_KEY,
    &TRANSACTION_LOG_VALUE,
)];

const TRANSACTION_LOG_KEY: Schema = Schema {
    versions: (0, 0),
    flexible_since: i16::MAX,
    fields: &[field("transactionalId", Str)],
};

const TRANSACTION_LOG_VALUE_PARTITIONS_SCHEMA: &[Field] =
    &[field("topic", Str), field("partitionIds", Array(&I32))];

const TRANSACTION_LOG_VALUE: Schema = Schema {
    versions: (0, 1),
    flexible_since: 1,
    fields: &[
        field("producerId", I64),
        field("previousProducerId", I64).tagged(0),
        field("nextProducerId", I64).tagged(1),
        field("producerEpoch", I16),
        field("nextProducerEpoch", I16).tagged(3),
        field("transactionTimeoutMs", I32),
        field("transactionStatus", I8),
        field(
            "transactionPartitions",
            Array(&Struct(TRANSACTION_LOG_VALUE_PARTITIONS_SCHEMA)),
        )
        .nullable(),
        field("transactionLastUpdateTimestampMs", I64),
        field("transactionStartTimestampMs", I64),
        field("clientTransactionVersion", I16).tagged(2),
    ],
};
