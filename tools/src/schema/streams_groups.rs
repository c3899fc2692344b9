//! The records of streams groups in `__consumer_offsets`, as tables of fields.
//!
//! Source: the message definitions of Kafka 4.3's group coordinator.

use super::field::Kind::{Array, I8, I16, I32, I64, Str, Struct, U16};
use super::field::{Field, RecordType, Schema, field};

/// The record types, by the first two bytes of a key.
pub(super) const TYPES: &[RecordType] = &[
    RecordType::new(
        17,
        &STREAMS_GROUP_METADATA_KEY,
        &STREAMS_GROUP_METADATA_VALUE,
    ),
    RecordType::new(
        19,
        &STREAMS_GROUP_MEMBER_METADATA_KEY,
        &STREAMS_GROUP_MEMBER_METADATA_VALUE,
    ),
    RecordType::new(
        20,
        &STREAMS_GROUP_TARGET_ASSIGNMENT_METADATA_KEY,
        &STREAMS_GROUP_TARGET_ASSIGNMENT_METADATA_VALUE,
    ),
    RecordType::new(
        21,
        &STREAMS_GROUP_TARGET_ASSIGNMENT_MEMBER_KEY,
        &STREAMS_GROUP_TARGET_ASSIGNMENT_MEMBER_VALUE,
    ),
    RecordType::new(
        22,
        &STREAMS_GROUP_CURRENT_MEMBER_ASSIGNMENT_KEY,
        &STREAMS_GROUP_CURRENT_MEMBER_ASSIGNMENT_VALUE,
    ),
    RecordType::new(
        23,
        &STREAMS_GROUP_TOPOLOGY_KEY,
        &STREAMS_GROUP_TOPOLOGY_VALUE,
    ),
];

const STREAMS_GROUP_METADATA_KEY: Schema = Schema {
    versions: (0, 0),
    flexible_since: i16::MAX,
    fields: &[field("groupId", Str)],
};

const STREAMS_GROUP_METADATA_VALUE_LAST_ASSIGNMENT_CONFIG: &[Field] =
    &[field("key", Str), field("value", Str)];

const STREAMS_GROUP_METADATA_VALUE: Schema = Schema {
    versions: (0, 0),
    flexible_since: 0,
    fields: &[
        field("epoch", I32),
        field("metadataHash", I64),
        field("validatedTopologyEpoch", I32).tagged(0),
        field(
            "lastAssignmentConfigs",
            Array(&Struct(STREAMS_GROUP_METADATA_VALUE_LAST_ASSIGNMENT_CONFIG)),
        )
        .nullable()
        .tagged(1),
    ],
};

const STREAMS_GROUP_MEMBER_METADATA_KEY: Schema = Schema {
    versions: (0, 0),
    flexible_since: i16::MAX,
    fields: &[field("groupId", Str), field("memberId", Str)],
};

const STREAMS_GROUP_MEMBER_METADATA_VALUE_KEY_VALUE: &[Field] =
    &[field("key", Str), field("value", Str)];

const STREAMS_GROUP_MEMBER_METADATA_VALUE_ENDPOINT: &[Field] =
    &[field("host", Str), field("port", U16)];

const STREAMS_GROUP_MEMBER_METADATA_VALUE: Schema = Schema {
    versions: (0, 0),
    flexible_since: 0,
    fields: &[
        field("instanceId", Str).nullable(),
        field("rackId", Str).nullable(),
        field("clientId", Str),
        field("clientHost", Str),
        field("rebalanceTimeoutMs", I32),
        field("topologyEpoch", I32),
        field("processId", Str),
        field(
            "userEndpoint",
            Struct(STREAMS_GROUP_MEMBER_METADATA_VALUE_ENDPOINT),
        )
        .nullable(),
        field(
            "clientTags",
            Array(&Struct(STREAMS_GROUP_MEMBER_METADATA_VALUE_KEY_VALUE)),
        ),
    ],
};

const STREAMS_GROUP_TARGET_ASSIGNMENT_METADATA_KEY: Schema = Schema {
    versions: (0, 0),
    flexible_since: i16::MAX,
    fields: &[field("groupId", Str)],
};

const STREAMS_GROUP_TARGET_ASSIGNMENT_METADATA_VALUE: Schema = Schema {
    versions: (0, 0),
    flexible_since: 0,
    fields: &[
        field("assignmentEpoch", I32),
        field("assignmentTimestamp", I64).tagged(0),
    ],
};

const STREAMS_GROUP_TARGET_ASSIGNMENT_MEMBER_KEY: Schema = Schema {
    versions: (0, 0),
    flexible_since: i16::MAX,
    fields: &[field("groupId", Str), field("memberId", Str)],
};

const STREAMS_GROUP_TARGET_ASSIGNMENT_MEMBER_VALUE_TASK_IDS: &[Field] = &[
    field("subtopologyId", Str),
    field("partitions", Array(&I32)),
];

const STREAMS_GROUP_TARGET_ASSIGNMENT_MEMBER_VALUE: Schema = Schema {
    versions: (0, 0),
    flexible_since: 0,
    fields: &[
        field(
            "activeTasks",
            Array(&Struct(
                STREAMS_GROUP_TARGET_ASSIGNMENT_MEMBER_VALUE_TASK_IDS,
            )),
        ),
        field(
            "standbyTasks",
            Array(&Struct(
                STREAMS_GROUP_TARGET_ASSIGNMENT_MEMBER_VALUE_TASK_IDS,
            )),
        ),
        field(
            "warmupTasks",
            Array(&Struct(
                STREAMS_GROUP_TARGET_ASSIGNMENT_MEMBER_VALUE_TASK_IDS,
            )),
        ),
    ],
};

const STREAMS_GROUP_CURRENT_MEMBER_ASSIGNMENT_KEY: Schema = Schema {
    versions: (0, 0),
    flexible_since: i16::MAX,
    fields: &[field("groupId", Str), field("memberId", Str)],
};

const STREAMS_GROUP_CURRENT_MEMBER_ASSIGNMENT_VALUE_TASK_IDS: &[Field] = &[
    field("subtopologyId", Str),
    field("partitions", Array(&I32)),
    field("assignmentEpochs", Array(&I32)).nullable().tagged(0),
];

const STREAMS_GROUP_CURRENT_MEMBER_ASSIGNMENT_VALUE: Schema = Schema {
    versions: (0, 0),
    flexible_since: 0,
    fields: &[
        field("memberEpoch", I32),
        field("previousMemberEpoch", I32),
        field("state", I8),
        field(
            "activeTasks",
            Array(&Struct(
                STREAMS_GROUP_CURRENT_MEMBER_ASSIGNMENT_VALUE_TASK_IDS,
            )),
        ),
        field(
            "standbyTasks",
            Array(&Struct(
                STREAMS_GROUP_CURRENT_MEMBER_ASSIGNMENT_VALUE_TASK_IDS,
            )),
        ),
        field(
            "warmupTasks",
            Array(&Struct(
                STREAMS_GROUP_CURRENT_MEMBER_ASSIGNMENT_VALUE_TASK_IDS,
            )),
        ),
        field(
            "activeTasksPendingRevocation",
            Array(&Struct(
                STREAMS_GROUP_CURRENT_MEMBER_ASSIGNMENT_VALUE_TASK_IDS,
            )),
        ),
        field(
            "standbyTasksPendingRevocation",
            Array(&Struct(
                STREAMS_GROUP_CURRENT_MEMBER_ASSIGNMENT_VALUE_TASK_IDS,
            )),
        ),
        field(
            "warmupTasksPendingRevocation",
            Array(&Struct(
                STREAMS_GROUP_CURRENT_MEMBER_ASSIGNMENT_VALUE_TASK_IDS,
            )),
        ),
    ],
};

const STREAMS_GROUP_TOPOLOGY_KEY: Schema = Schema {
    versions: (0, 0),
    flexible_since: i16::MAX,
    fields: &[field("groupId", Str)],
};

const STREAMS_GROUP_TOPOLOGY_VALUE_TOPIC_INFO: &[Field] = &[
    field("name", Str),
    field("partitions", I32),
    field("replicationFactor", I16),
    field(
        "topicConfigs",
        Array(&Struct(STREAMS_GROUP_TOPOLOGY_VALUE_TOPIC_CONFIG)),
    ),
];

const STREAMS_GROUP_TOPOLOGY_VALUE_TOPIC_CONFIG: &[Field] =
    &[field("key", Str), field("value", Str)];

const STREAMS_GROUP_TOPOLOGY_VALUE_COPARTITION_GROUP: &[Field] = &[
    field("sourceTopics", Array(&I16)),
    field("sourceTopicRegex", Array(&I16)),
    field("repartitionSourceTopics", Array(&I16)),
];

const STREAMS_GROUP_TOPOLOGY_VALUE_SUBTOPOLOGY: &[Field] = &[
    field("subtopologyId", Str),
    field("sourceTopics", Array(&Str)),
    field("sourceTopicRegex", Array(&Str)),
    field(
        "stateChangelogTopics",
        Array(&Struct(STREAMS_GROUP_TOPOLOGY_VALUE_TOPIC_INFO)),
    ),
    field("repartitionSinkTopics", Array(&Str)),
    field(
        "repartitionSourceTopics",
        Array(&Struct(STREAMS_GROUP_TOPOLOGY_VALUE_TOPIC_INFO)),
    ),
    field(
        "copartitionGroups",
        Array(&Struct(STREAMS_GROUP_TOPOLOGY_VALUE_COPARTITION_GROUP)),
    ),
];

const STREAMS_GROUP_TOPOLOGY_VALUE: Schema = Schema {
    versions: (0, 0),
    flexible_since: 0,
    fields: &[
        field("epoch", I32),
        field(
            "subtopologies",
            Array(&Struct(STREAMS_GROUP_TOPOLOGY_VALUE_SUBTOPOLOGY)),
        ),
    ],
};
