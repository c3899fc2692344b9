//! The records of Kafka's `__cluster_metadata`, as tables of fields.
//!
//! Source: the message definitions of Kafka 4.3's metadata records.

use super::field::Kind::{Array, Bool, Bytes, F64, I8, I16, I32, I64, Str, Struct, U16, Uuid};
use super::field::{Field, Schema, field};

/// The record types: number, name in upper case, fields.
pub(super) const TYPES: &[(u32, &str, &Schema)] = &[
    (0, "REGISTER_BROKER_RECORD", &REGISTER_BROKER_RECORD),
    (1, "UNREGISTER_BROKER_RECORD", &UNREGISTER_BROKER_RECORD),
    (2, "TOPIC_RECORD", &TOPIC_RECORD),
    (3, "PARTITION_RECORD", &PARTITION_RECORD),
    (4, "CONFIG_RECORD", &CONFIG_RECORD),
    (5, "PARTITION_CHANGE_RECORD", &PARTITION_CHANGE_RECORD),
    (7, "FENCE_BROKER_RECORD", &FENCE_BROKER_RECORD),
    (8, "UNFENCE_BROKER_RECORD", &UNFENCE_BROKER_RECORD),
    (9, "REMOVE_TOPIC_RECORD", &REMOVE_TOPIC_RECORD),
    (10, "DELEGATION_TOKEN_RECORD", &DELEGATION_TOKEN_RECORD),
    (
        11,
        "USER_SCRAM_CREDENTIAL_RECORD",
        &USER_SCRAM_CREDENTIAL_RECORD,
    ),
    (12, "FEATURE_LEVEL_RECORD", &FEATURE_LEVEL_RECORD),
    (14, "CLIENT_QUOTA_RECORD", &CLIENT_QUOTA_RECORD),
    (15, "PRODUCER_IDS_RECORD", &PRODUCER_IDS_RECORD),
    (
        17,
        "BROKER_REGISTRATION_CHANGE_RECORD",
        &BROKER_REGISTRATION_CHANGE_RECORD,
    ),
    (
        18,
        "ACCESS_CONTROL_ENTRY_RECORD",
        &ACCESS_CONTROL_ENTRY_RECORD,
    ),
    (
        19,
        "REMOVE_ACCESS_CONTROL_ENTRY_RECORD",
        &REMOVE_ACCESS_CONTROL_ENTRY_RECORD,
    ),
    (20, "NO_OP_RECORD", &NO_OP_RECORD),
    (21, "ZK_MIGRATION_STATE_RECORD", &ZK_MIGRATION_STATE_RECORD),
    (
        22,
        "REMOVE_USER_SCRAM_CREDENTIAL_RECORD",
        &REMOVE_USER_SCRAM_CREDENTIAL_RECORD,
    ),
    (23, "BEGIN_TRANSACTION_RECORD", &BEGIN_TRANSACTION_RECORD),
    (24, "END_TRANSACTION_RECORD", &END_TRANSACTION_RECORD),
    (25, "ABORT_TRANSACTION_RECORD", &ABORT_TRANSACTION_RECORD),
    (
        26,
        "REMOVE_DELEGATION_TOKEN_RECORD",
        &REMOVE_DELEGATION_TOKEN_RECORD,
    ),
    (
        27,
        "REGISTER_CONTROLLER_RECORD",
        &REGISTER_CONTROLLER_RECORD,
    ),
    (28, "CLEAR_ELR_RECORD", &CLEAR_ELR_RECORD),
];

const ABORT_TRANSACTION_RECORD: Schema = Schema {
    versions: (0, 0),
    flexible_since: 0,
    fields: &[field("reason", Str).nullable().tagged(0)],
};

const ACCESS_CONTROL_ENTRY_RECORD: Schema = Schema {
    versions: (0, 0),
    flexible_since: 0,
    fields: &[
        field("id", Uuid),
        field("resourceType", I8),
        field("resourceName", Str),
        field("patternType", I8),
        field("principal", Str),
        field("host", Str),
        field("operation", I8),
        field("permissionType", I8),
    ],
};

const BEGIN_TRANSACTION_RECORD: Schema = Schema {
    versions: (0, 0),
    flexible_since: 0,
    fields: &[field("name", Str).nullable().tagged(0)],
};

const BROKER_REGISTRATION_CHANGE_RECORD: Schema = Schema {
    versions: (0, 3),
    flexible_since: 0,
    fields: &[
        field("brokerId", I32),
        field("brokerEpoch", I64),
        field("fenced", I8).tagged(0),
        field("inControlledShutdown", I8).tagged(1),
        field("logDirs", Array(&Uuid)).tagged(2),
        field("cordonedLogDirs", Array(&Uuid)).nullable().tagged(3),
    ],
};

const CLEAR_ELR_RECORD: Schema = Schema {
    versions: (0, 0),
    flexible_since: 0,
    fields: &[field("topicName", Str)],
};

const CLIENT_QUOTA_RECORD_ENTITY_DATA: &[Field] = &[
    field("entityType", Str),
    field("entityName", Str).nullable(),
];

const CLIENT_QUOTA_RECORD: Schema = Schema {
    versions: (0, 0),
    flexible_since: 0,
    fields: &[
        field("entity", Array(&Struct(CLIENT_QUOTA_RECORD_ENTITY_DATA))),
        field("key", Str),
        field("value", F64),
        field("remove", Bool),
    ],
};

const CONFIG_RECORD: Schema = Schema {
    versions: (0, 0),
    flexible_since: 0,
    fields: &[
        field("resourceType", I8),
        field("resourceName", Str),
        field("name", Str),
        field("value", Str).nullable(),
    ],
};

const DELEGATION_TOKEN_RECORD: Schema = Schema {
    versions: (0, 0),
    flexible_since: 0,
    fields: &[
        field("owner", Str),
        field("requester", Str),
        field("renewers", Array(&Str)),
        field("issueTimestamp", I64),
        field("maxTimestamp", I64),
        field("expirationTimestamp", I64),
        field("tokenId", Str),
    ],
};

const END_TRANSACTION_RECORD: Schema = Schema {
    versions: (0, 0),
    flexible_since: 0,
    fields: &[],
};

const FEATURE_LEVEL_RECORD: Schema = Schema {
    versions: (0, 0),
    flexible_since: 0,
    fields: &[field("name", Str), field("featureLevel", I16)],
};

const FENCE_BROKER_RECORD: Schema = Schema {
    versions: (0, 0),
    flexible_since: 0,
    fields: &[field("id", I32), field("epoch", I64)],
};

const NO_OP_RECORD: Schema = Schema {
    versions: (0, 0),
    flexible_since: 0,
    fields: &[],
};

const PARTITION_CHANGE_RECORD: Schema = Schema {
    versions: (0, 2),
    flexible_since: 0,
    fields: &[
        field("partitionId", I32),
        field("topicId", Uuid),
        field("isr", Array(&I32)).nullable().tagged(0),
        field("leader", I32).tagged(1),
        field("replicas", Array(&I32)).nullable().tagged(2),
        field("removingReplicas", Array(&I32)).nullable().tagged(3),
        field("addingReplicas", Array(&I32)).nullable().tagged(4),
        field("leaderRecoveryState", I8).tagged(5),
        field("directories", Array(&Uuid)).nullable().tagged(8),
        field("eligibleLeaderReplicas", Array(&I32))
            .nullable()
            .tagged(6),
        field("lastKnownElr", Array(&I32)).nullable().tagged(7),
    ],
};

const PARTITION_RECORD: Schema = Schema {
    versions: (0, 2),
    flexible_since: 0,
    fields: &[
        field("partitionId", I32),
        field("topicId", Uuid),
        field("replicas", Array(&I32)),
        field("isr", Array(&I32)),
        field("removingReplicas", Array(&I32)),
        field("addingReplicas", Array(&I32)),
        field("leader", I32),
        field("leaderRecoveryState", I8).tagged(0),
        field("leaderEpoch", I32),
        field("partitionEpoch", I32),
        field("directories", Array(&Uuid)).since(1),
        field("eligibleLeaderReplicas", Array(&I32))
            .nullable()
            .tagged(1),
        field("lastKnownElr", Array(&I32)).nullable().tagged(2),
    ],
};

const PRODUCER_IDS_RECORD: Schema = Schema {
    versions: (0, 0),
    flexible_since: 0,
    fields: &[
        field("brokerId", I32),
        field("brokerEpoch", I64),
        field("nextProducerId", I64),
    ],
};

const REGISTER_BROKER_RECORD_BROKER_ENDPOINT: &[Field] = &[
    field("name", Str),
    field("host", Str),
    field("port", U16),
    field("securityProtocol", I16),
];

const REGISTER_BROKER_RECORD_BROKER_FEATURE: &[Field] = &[
    field("name", Str),
    field("minSupportedVersion", I16),
    field("maxSupportedVersion", I16),
];

const REGISTER_BROKER_RECORD: Schema = Schema {
    versions: (0, 4),
    flexible_since: 0,
    fields: &[
        field("brokerId", I32),
        field("isMigratingZkBroker", Bool).since(2),
        field("incarnationId", Uuid),
        field("brokerEpoch", I64),
        field(
            "endPoints",
            Array(&Struct(REGISTER_BROKER_RECORD_BROKER_ENDPOINT)),
        ),
        field(
            "features",
            Array(&Struct(REGISTER_BROKER_RECORD_BROKER_FEATURE)),
        ),
        field("rack", Str).nullable(),
        field("fenced", Bool),
        field("inControlledShutdown", Bool).since(1),
        field("logDirs", Array(&Uuid)).tagged(0),
        field("cordonedLogDirs", Array(&Uuid)).nullable().tagged(1),
    ],
};

const REGISTER_CONTROLLER_RECORD_CONTROLLER_ENDPOINT: &[Field] = &[
    field("name", Str),
    field("host", Str),
    field("port", U16),
    field("securityProtocol", I16),
];

const REGISTER_CONTROLLER_RECORD_CONTROLLER_FEATURE: &[Field] = &[
    field("name", Str),
    field("minSupportedVersion", I16),
    field("maxSupportedVersion", I16),
];

const REGISTER_CONTROLLER_RECORD: Schema = Schema {
    versions: (0, 0),
    flexible_since: 0,
    fields: &[
        field("controllerId", I32),
        field("incarnationId", Uuid),
        field("zkMigrationReady", Bool),
        field(
            "endPoints",
            Array(&Struct(REGISTER_CONTROLLER_RECORD_CONTROLLER_ENDPOINT)),
        ),
        field(
            "features",
            Array(&Struct(REGISTER_CONTROLLER_RECORD_CONTROLLER_FEATURE)),
        ),
    ],
};

const REMOVE_ACCESS_CONTROL_ENTRY_RECORD: Schema = Schema {
    versions: (0, 0),
    flexible_since: 0,
    fields: &[field("id", Uuid)],
};

const REMOVE_DELEGATION_TOKEN_RECORD: Schema = Schema {
    versions: (0, 0),
    flexible_since: 0,
    fields: &[field("tokenId", Str)],
};

const REMOVE_TOPIC_RECORD: Schema = Schema {
    versions: (0, 0),
    flexible_since: 0,
    fields: &[field("topicId", Uuid)],
};

const REMOVE_USER_SCRAM_CREDENTIAL_RECORD: Schema = Schema {
    versions: (0, 0),
    flexible_since: 0,
    fields: &[field("name", Str), field("mechanism", I8)],
};

const TOPIC_RECORD: Schema = Schema {
    versions: (0, 0),
    flexible_since: 0,
    fields: &[field("name", Str), field("topicId", Uuid)],
};

const UNFENCE_BROKER_RECORD: Schema = Schema {
    versions: (0, 0),
    flexible_since: 0,
    fields: &[field("id", I32), field("epoch", I64)],
};

const UNREGISTER_BROKER_RECORD: Schema = Schema {
    versions: (0, 0),
    flexible_since: 0,
    fields: &[field("brokerId", I32), field("brokerEpoch", I64)],
};

const USER_SCRAM_CREDENTIAL_RECORD: Schema = Schema {
    versions: (0, 0),
    flexible_since: 0,
    fields: &[
        field("name", Str),
        field("mechanism", I8),
        field("salt", Bytes),
        field("storedKey", Bytes),
        field("serverKey", Bytes),
        field("iterations", I32),
    ],
};

const ZK_MIGRATION_STATE_RECORD: Schema = Schema {
    versions: (0, 0),
    flexible_since: 0,
    fields: &[field("zkMigrationState", I8)],
};
