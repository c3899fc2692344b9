//! The records of classic and consumer groups in `__consumer_offsets`, as tables of fields.
//!
//! Source: the message definitions of Kafka 4.3's group coordinator.

use super::field::Kind::{Array, Bytes, Embedded, I8, I32, I64, Str, Struct, Uuid};
use super::field::{Field, RecordType, Schema, field};
use super::messages::{CONSUMER_PROTOCOL_ASSIGNMENT, CONSUMER_PROTOCOL_SUBSCRIPTION};

/// The record types, by the first two bytes of a key.
pub(super) const TYPES: &[RecordType] = &[
    RecordType::new(0, &LEGACY_OFFSET_COMMIT_KEY, &LEGACY_OFFSET_COMMIT_VALUE),
    RecordType::new(1, &OFFSET_COMMIT_KEY, &OFFSET_COMMIT_VALUE),
    RecordType::new(2, &GROUP_METADATA_KEY, &GROUP_METADATA_VALUE),
    RecordType::new(
        3,
        &CONSUMER_GROUP_METADATA_KEY,
        &CONSUMER_GROUP_METADATA_VALUE,
    ),
    RecordType::new(
        4,
        &CONSUMER_GROUP_PARTITION_METADATA_KEY,
        &CONSUMER_GROUP_PARTITION_METADATA_VALUE,
    ),
    RecordType::new(
        5,
        &CONSUMER_GROUP_MEMBER_METADATA_KEY,
        &CONSUMER_GROUP_MEMBER_METADATA_VALUE,
    ),
    RecordType::new(
        6,
        &CONSUMER_GROUP_TARGET_ASSIGNMENT_METADATA_KEY,
        &CONSUMER_GROUP_TARGET_ASSIGNMENT_METADATA_VALUE,
    ),
    RecordType::new(
        7,
        &CONSUMER_GROUP_TARGET_ASSIGNMENT_MEMBER_KEY,
        &CONSUMER_GROUP_TARGET_ASSIGNMENT_MEMBER_VALUE,
    ),
    RecordType::new(
        8,
        &CONSUMER_GROUP_CURRENT_MEMBER_ASSIGNMENT_KEY,
        &CONSUMER_GROUP_CURRENT_MEMBER_ASSIGNMENT_VALUE,
    ),
    RecordType::new(
        16,
        &CONSUMER_GROUP_REGULAR_EXPRESSION_KEY,
        &CONSUMER_GROUP_REGULAR_EXPRESSION_VALUE,
    ),
];

const LEGACY_OFFSET_COMMIT_KEY: Schema = Schema {
    versions: (0, 0),
    flexible_since: i16::MAX,
    fields: &[
        field("group", Str),
        field("topic", Str),
        field("partition", I32),
    ],
};

const LEGACY_OFFSET_COMMIT_VALUE: Schema = Schema {
    versions: (0, 0),
    flexible_since: i16::MAX,
    fields: &[
        field("offset", I64),
        field("metadata", Str),
        field("commitTimestamp", I64),
    ],
};

const OFFSET_COMMIT_KEY: Schema = Schema {
    versions: (0, 0),
    flexible_since: i16::MAX,
    fields: &[
        field("group", Str),
        field("topic", Str),
        field("partition", I32),
    ],
};

const OFFSET_COMMIT_VALUE: Schema = Schema {
    versions: (0, 4),
    flexible_since: 4,
    fields: &[
        field("offset", I64),
        field("leaderEpoch", I32).since(3),
        field("metadata", Str),
        field("commitTimestamp", I64),
        field("expireTimestamp", I64).since(1).until(1),
        field("topicId", Uuid).tagged(0),
    ],
};

const GROUP_METADATA_KEY: Schema = Schema {
    versions: (0, 0),
    flexible_since: i16::MAX,
    fields: &[field("group", Str)],
};

const GROUP_METADATA_VALUE_MEMBER_METADATA: &[Field] = &[
    field("memberId", Str),
    field("groupInstanceId", Str).since(3).nullable(),
    field("clientId", Str),
    field("clientHost", Str),
    field("rebalanceTimeout", I32).since(1),
    field("sessionTimeout", I32),
    field("subscription", Embedded(&CONSUMER_PROTOCOL_SUBSCRIPTION)),
    field("assignment", Embedded(&CONSUMER_PROTOCOL_ASSIGNMENT)),
];

const GROUP_METADATA_VALUE: Schema = Schema {
    versions: (0, 4),
    flexible_since: 4,
    fields: &[
        field("protocolType", Str),
        field("generation", I32),
        field("protocol", Str).nullable(),
        field("leader", Str).nullable(),
        field("currentStateTimestamp", I64).since(2),
        field(
            "members",
            Array(&Struct(GROUP_METADATA_VALUE_MEMBER_METADATA)),
        ),
    ],
};

const CONSUMER_GROUP_METADATA_KEY: Schema = Schema {
    versions: (0, 0),
    flexible_since: i16::MAX,
    fields: &[field("groupId", Str)],
};

const CONSUMER_GROUP_METADATA_VALUE: Schema = Schema {
    versions: (0, 0),
    flexible_since: 0,
    fields: &[field("epoch", I32), field("metadataHash", I64).tagged(0)],
};

const CONSUMER_GROUP_PARTITION_METADATA_KEY: Schema = Schema {
    versions: (0, 0),
    flexible_since: i16::MAX,
    fields: &[field("groupId", Str)],
};

const CONSUMER_GROUP_PARTITION_METADATA_VALUE_PARTITION_METADATA: &[Field] =
    &[field("partition", I32), field("racks", Array(&Str))];

const CONSUMER_GROUP_PARTITION_METADATA_VALUE_TOPIC_METADATA: &[Field] = &[
    field("topicId", Uuid),
    field("topicName", Str),
    field("numPartitions", I32),
    field(
        "partitionMetadata",
        Array(&Struct(
            CONSUMER_GROUP_PARTITION_METADATA_VALUE_PARTITION_METADATA,
        )),
    ),
];

const CONSUMER_GROUP_PARTITION_METADATA_VALUE: Schema = Schema {
    versions: (0, 0),
    flexible_since: 0,
    fields: &[field(
        "topics",
        Array(&Struct(
            CONSUMER_GROUP_PARTITION_METADATA_VALUE_TOPIC_METADATA,
        )),
    )],
};

const CONSUMER_GROUP_MEMBER_METADATA_KEY: Schema = Schema {
    versions: (0, 0),
    flexible_since: i16::MAX,
    fields: &[field("groupId", Str), field("memberId", Str)],
};

const CONSUMER_GROUP_MEMBER_METADATA_VALUE_CLASSIC_PROTOCOL: &[Field] =
    &[field("name", Str), field("metadata", Bytes)];

const CONSUMER_GROUP_MEMBER_METADATA_VALUE_CLASSIC_MEMBER_METADATA: &[Field] = &[
    field("sessionTimeoutMs", I32),
    field(
        "supportedProtocols",
        Array(&Struct(
            CONSUMER_GROUP_MEMBER_METADATA_VALUE_CLASSIC_PROTOCOL,
        )),
    ),
];

const CONSUMER_GROUP_MEMBER_METADATA_VALUE: Schema = Schema {
    versions: (0, 0),
    flexible_since: 0,
    fields: &[
        field("instanceId", Str).nullable(),
        field("rackId", Str).nullable(),
        field("clientId", Str),
        field("clientHost", Str),
        field("subscribedTopicNames", Array(&Str)),
        field("subscribedTopicRegex", Str).nullable(),
        field("rebalanceTimeoutMs", I32),
        field("serverAssignor", Str).nullable(),
        field(
            "classicMemberMetadata",
            Struct(CONSUMER_GROUP_MEMBER_METADATA_VALUE_CLASSIC_MEMBER_METADATA),
        )
        .nullable()
        .tagged(0),
    ],
};

const CONSUMER_GROUP_TARGET_ASSIGNMENT_METADATA_KEY: Schema = Schema {
    versions: (0, 0),
    flexible_since: i16::MAX,
    fields: &[field("groupId", Str)],
};

const CONSUMER_GROUP_TARGET_ASSIGNMENT_METADATA_VALUE: Schema = Schema {
    versions: (0, 0),
    flexible_since: 0,
    fields: &[
        field("assignmentEpoch", I32),
        field("assignmentTimestamp", I64).tagged(0),
    ],
};

const CONSUMER_GROUP_TARGET_ASSIGNMENT_MEMBER_KEY: Schema = Schema {
    versions: (0, 0),
    flexible_since: i16::MAX,
    fields: &[field("groupId", Str), field("memberId", Str)],
};

const CONSUMER_GROUP_TARGET_ASSIGNMENT_MEMBER_VALUE_TOPIC_PARTITION: &[Field] =
    &[field("topicId", Uuid), field("partitions", Array(&I32))];

const CONSUMER_GROUP_TARGET_ASSIGNMENT_MEMBER_VALUE: Schema = Schema {
    versions: (0, 0),
    flexible_since: 0,
    fields: &[field(
        "topicPartitions",
        Array(&Struct(
            CONSUMER_GROUP_TARGET_ASSIGNMENT_MEMBER_VALUE_TOPIC_PARTITION,
        )),
    )],
};

const CONSUMER_GROUP_CURRENT_MEMBER_ASSIGNMENT_KEY: Schema = Schema {
    versions: (0, 0),
    flexible_since: i16::MAX,
    fields: &[field("groupId", Str), field("memberId", Str)],
};

const CONSUMER_GROUP_CURRENT_MEMBER_ASSIGNMENT_VALUE_TOPIC_PARTITIONS: &[Field] = &[
    field("topicId", Uuid),
    field("partitions", Array(&I32)),
    field("assignmentEpochs", Array(&I32)).nullable().tagged(0),
];

const CONSUMER_GROUP_CURRENT_MEMBER_ASSIGNMENT_VALUE: Schema = Schema {
    versions: (0, 0),
    flexible_since: 0,
    fields: &[
        field("memberEpoch", I32),
        field("previousMemberEpoch", I32),
        field("state", I8),
        field(
            "assignedPartitions",
            Array(&Struct(
                CONSUMER_GROUP_CURRENT_MEMBER_ASSIGNMENT_VALUE_TOPIC_PARTITIONS,
            )),
        ),
        field(
            "partitionsPendingRevocation",
            Array(&Struct(
                CONSUMER_GROUP_CURRENT_MEMBER_ASSIGNMENT_VALUE_TOPIC_PARTITIONS,
            )),
        ),
    ],
};

const CONSUMER_GROUP_REGULAR_EXPRESSION_KEY: Schema = Schema {
    versions: (0, 0),
    flexible_since: i16::MAX,
    fields: &[field("groupId", Str), field("regularExpression", Str)],
};

const CONSUMER_GROUP_REGULAR_EXPRESSION_VALUE: Schema = Schema {
    versions: (0, 0),
    flexible_since: 0,
    fields: &[
        field("topics", Array(&Str)),
        field("version", I64),
        field("timestamp", I64),
    ],
};
