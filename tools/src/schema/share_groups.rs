//! The records of share groups in `__consumer_offsets`, as tables of fields.
//!
//! Source: the message definitions of Kafka 4.3's group coordinator.

use super::field::Kind::{Array, I8, I32, I64, Str, Struct, Uuid};
use super::field::{Field, RecordType, Schema, field};

/// The record types, by the first two bytes of a key.
pub(super) const TYPES: &[RecordType] = &[
    RecordType::new(
        10,
        &SHARE_GROUP_MEMBER_METADATA_KEY,
        &SHARE_GROUP_MEMBER_METADATA_VALUE,
    ),
    RecordType::new(11, &SHARE_GROUP_METADATA_KEY, &SHARE_GROUP_METADATA_VALUE),
    RecordType::new(
        12,
        &SHARE_GROUP_TARGET_ASSIGNMENT_METADATA_KEY,
        &SHARE_GROUP_TARGET_ASSIGNMENT_METADATA_VALUE,
    ),
    RecordType::new(
        13,
        &SHARE_GROUP_TARGET_ASSIGNMENT_MEMBER_KEY,
        &SHARE_GROUP_TARGET_ASSIGNMENT_MEMBER_VALUE,
    ),
    RecordType::new(
        14,
        &SHARE_GROUP_CURRENT_MEMBER_ASSIGNMENT_KEY,
        &SHARE_GROUP_CURRENT_MEMBER_ASSIGNMENT_VALUE,
    ),
    RecordType::new(
        15,
        &SHARE_GROUP_STATE_PARTITION_METADATA_KEY,
        &SHARE_GROUP_STATE_PARTITION_METADATA_VALUE,
    ),
];

const SHARE_GROUP_METADATA_KEY: Schema = Schema {
    versions: (0, 0),
    flexible_since: i16::MAX,
    fields: &[field("groupId", Str)],
};

const SHARE_GROUP_METADATA_VALUE: Schema = Schema {
    versions: (0, 0),
    flexible_since: 0,
    fields: &[field("epoch", I32), field("metadataHash", I64)],
};

const SHARE_GROUP_MEMBER_METADATA_KEY: Schema = Schema {
    versions: (0, 0),
    flexible_since: i16::MAX,
    fields: &[field("groupId", Str), field("memberId", Str)],
};

const SHARE_GROUP_MEMBER_METADATA_VALUE: Schema = Schema {
    versions: (0, 0),
    flexible_since: 0,
    fields: &[
        field("rackId", Str).nullable(),
        field("clientId", Str),
        field("clientHost", Str),
        field("subscribedTopicNames", Array(&Str)),
    ],
};

const SHARE_GROUP_TARGET_ASSIGNMENT_METADATA_KEY: Schema = Schema {
    versions: (0, 0),
    flexible_since: i16::MAX,
    fields: &[field("groupId", Str)],
};

const SHARE_GROUP_TARGET_ASSIGNMENT_METADATA_VALUE: Schema = Schema {
    versions: (0, 0),
    flexible_since: 0,
    fields: &[
        field("assignmentEpoch", I32),
        field("assignmentTimestamp", I64).tagged(0),
    ],
};

const SHARE_GROUP_TARGET_ASSIGNMENT_MEMBER_KEY: Schema = Schema {
    versions: (0, 0),
    flexible_since: i16::MAX,
    fields: &[field("groupId", Str), field("memberId", Str)],
};

const SHARE_GROUP_TARGET_ASSIGNMENT_MEMBER_VALUE_TOPIC_PARTITION: &[Field] =
    &[field("topicId", Uuid), field("partitions", Array(&I32))];

const SHARE_GROUP_TARGET_ASSIGNMENT_MEMBER_VALUE: Schema = Schema {
    versions: (0, 0),
    flexible_since: 0,
    fields: &[field(
        "topicPartitions",
        Array(&Struct(
            SHARE_GROUP_TARGET_ASSIGNMENT_MEMBER_VALUE_TOPIC_PARTITION,
        )),
    )],
};

const SHARE_GROUP_CURRENT_MEMBER_ASSIGNMENT_KEY: Schema = Schema {
    versions: (0, 0),
    flexible_since: i16::MAX,
    fields: &[field("groupId", Str), field("memberId", Str)],
};

const SHARE_GROUP_CURRENT_MEMBER_ASSIGNMENT_VALUE_TOPIC_PARTITIONS: &[Field] =
    &[field("topicId", Uuid), field("partitions", Array(&I32))];

const SHARE_GROUP_CURRENT_MEMBER_ASSIGNMENT_VALUE: Schema = Schema {
    versions: (0, 0),
    flexible_since: 0,
    fields: &[
        field("memberEpoch", I32),
        field("previousMemberEpoch", I32),
        field("state", I8),
        field(
            "assignedPartitions",
            Array(&Struct(
                SHARE_GROUP_CURRENT_MEMBER_ASSIGNMENT_VALUE_TOPIC_PARTITIONS,
            )),
        ),
    ],
};

const SHARE_GROUP_STATE_PARTITION_METADATA_KEY: Schema = Schema {
    versions: (0, 0),
    flexible_since: i16::MAX,
    fields: &[field("groupId", Str)],
};

const SHARE_GROUP_STATE_PARTITION_METADATA_VALUE_TOPIC_INFO: &[Field] =
    &[field("topicId", Uuid), field("topicName", Str)];

const SHARE_GROUP_STATE_PARTITION_METADATA_VALUE_TOPIC_PARTITIONS_INFO: &[Field] = &[
    field("topicId", Uuid),
    field("topicName", Str),
    field("partitions", Array(&I32)),
];

const SHARE_GROUP_STATE_PARTITION_METADATA_VALUE: Schema = Schema {
    versions: (0, 0),
    flexible_since: 0,
    fields: &[
        field(
            "initializingTopics",
            Array(&Struct(
                SHARE_GROUP_STATE_PARTITION_METADATA_VALUE_TOPIC_PARTITIONS_INFO,
            )),
        ),
        field(
            "initializedTopics",
            Array(&Struct(
                SHARE_GROUP_STATE_PARTITION_METADATA_VALUE_TOPIC_PARTITIONS_INFO,
            )),
        ),
        field(
            "deletingTopics",
            Array(&Struct(
                SHARE_GROUP_STATE_PARTITION_METADATA_VALUE_TOPIC_INFO,
            )),
        ),
    ],
};
