//! The records of `__share_group_state`, as tables of fields.
//!
//! Source: the message definitions of Kafka 4.3's share coordinator.

use super::field::Kind::{Array, I8, I16, I32, I64, Str, Struct, Uuid};
use super::field::{Field, RecordType, Schema, field};

/// The record types, by the first two bytes of a key.
pub(super) const TYPES: &[RecordType] = &[
    RecordType::new(0, &SHARE_SNAPSHOT_KEY, &SHARE_SNAPSHOT_VALUE),
    RecordType::new(1, &SHARE_UPDATE_KEY, &SHARE_UPDATE_VALUE),
];

const SHARE_SNAPSHOT_KEY: Schema = Schema {
    versions: (0, 0),
    flexible_since: i16::MAX,
    fields: &[
        field("groupId", Str),
        field("topicId", Uuid),
        field("partition", I32),
    ],
};

const SHARE_SNAPSHOT_VALUE_STATE_BATCH: &[Field] = &[
    field("firstOffset", I64),
    field("lastOffset", I64),
    field("deliveryState", I8),
    field("deliveryCount", I16),
];

const SHARE_SNAPSHOT_VALUE: Schema = Schema {
    versions: (0, 0),
    flexible_since: 0,
    fields: &[
        field("snapshotEpoch", I32),
        field("stateEpoch", I32),
        field("leaderEpoch", I32),
        field("startOffset", I64),
        field("deliveryCompleteCount", I32).tagged(0),
        field("createTimestamp", I64),
        field("writeTimestamp", I64),
        field(
            "stateBatches",
            Array(&Struct(SHARE_SNAPSHOT_VALUE_STATE_BATCH)),
        ),
    ],
};

const SHARE_UPDATE_KEY: Schema = Schema {
    versions: (0, 0),
    flexible_since: i16::MAX,
    fields: &[
        field("groupId", Str),
        field("topicId", Uuid),
        field("partition", I32),
    ],
};

const SHARE_UPDATE_VALUE_STATE_BATCH: &[Field] = &[
    field("firstOffset", I64),
    field("lastOffset", I64),
    field("deliveryState", I8),
    field("deliveryCount", I16),
];

const SHARE_UPDATE_VALUE: Schema = Schema {
    versions: (0, 0),
    flexible_since: 0,
    fields: &[
        field("snapshotEpoch", I32),
        field("leaderEpoch", I32),
        field("startOffset", I64),
        field("deliveryCompleteCount", I32).tagged(0),
        field(
            "stateBatches",
            Array(&Struct(SHARE_UPDATE_VALUE_STATE_BATCH)),
        ),
    ],
};
