//! Messages inside of records: those of KRaft's control records and of consumers' group protocol.
//!
//! Source: the message definitions of Kafka 4.3's clients.

use super::field::Kind::{Array, Bytes, I16, I32, I64, Str, Struct, U16, Uuid};
use super::field::{Field, Schema, field};

const LEADER_CHANGE_MESSAGE_VOTER: &[Field] = &[
    field("voterId", I32),
    field("voterDirectoryId", Uuid).since(1),
];

pub(super) const LEADER_CHANGE_MESSAGE: Schema = Schema {
    versions: (0, 1),
    flexible_since: 0,
    fields: &[
        field("version", I16),
        field("leaderId", I32),
        field("voters", Array(&Struct(LEADER_CHANGE_MESSAGE_VOTER))),
        field(
            "grantingVoters",
            Array(&Struct(LEADER_CHANGE_MESSAGE_VOTER)),
        ),
    ],
};

pub(super) const SNAPSHOT_HEADER_RECORD: Schema = Schema {
    versions: (0, 0),
    flexible_since: 0,
    fields: &[
        field("version", I16),
        field("lastContainedLogTimestamp", I64),
    ],
};

pub(super) const SNAPSHOT_FOOTER_RECORD: Schema = Schema {
    versions: (0, 0),
    flexible_since: 0,
    fields: &[field("version", I16)],
};

pub(super) const KRAFT_VERSION_RECORD: Schema = Schema {
    versions: (0, 0),
    flexible_since: 0,
    fields: &[field("version", I16), field("kRaftVersion", I16)],
};

const VOTERS_RECORD_ENDPOINT: &[Field] =
    &[field("name", Str), field("host", Str), field("port", U16)];

const VOTERS_RECORD_KRAFT_VERSION_FEATURE: &[Field] = &[
    field("minSupportedVersion", I16),
    field("maxSupportedVersion", I16),
];

const VOTERS_RECORD_VOTER: &[Field] = &[
    field("voterId", I32),
    field("voterDirectoryId", Uuid),
    field("endpoints", Array(&Struct(VOTERS_RECORD_ENDPOINT))),
    field(
        "kRaftVersionFeature",
        Struct(VOTERS_RECORD_KRAFT_VERSION_FEATURE),
    ),
];

pub(super) const VOTERS_RECORD: Schema = Schema {
    versions: (0, 0),
    flexible_since: 0,
    fields: &[
        field("version", I16),
        field("voters", Array(&Struct(VOTERS_RECORD_VOTER))),
    ],
};

const CONSUMER_PROTOCOL_SUBSCRIPTION_TOPIC_PARTITION: &[Field] = &[
    field("topic", Str).since(1),
    field("partitions", Array(&I32)).since(1),
];

pub(super) const CONSUMER_PROTOCOL_SUBSCRIPTION: Schema = Schema {
    versions: (0, 3),
    flexible_since: i16::MAX,
    fields: &[
        field("topics", Array(&Str)),
        field("userData", Bytes).nullable(),
        field(
            "ownedPartitions",
            Array(&Struct(CONSUMER_PROTOCOL_SUBSCRIPTION_TOPIC_PARTITION)),
        )
        .since(1),
        field("generationId", I32).since(2),
        field("rackId", Str).since(3).nullable(),
    ],
};

const CONSUMER_PROTOCOL_ASSIGNMENT_TOPIC_PARTITION: &[Field] =
    &[field("topic", Str), field("partitions", Array(&I32))];

pub(super) const CONSUMER_PROTOCOL_ASSIGNMENT: Schema = Schema {
    versions: (0, 3),
    flexible_since: i16::MAX,
    fields: &[
        field(
            "assignedPartitions",
            Array(&Struct(CONSUMER_PROTOCOL_ASSIGNMENT_TOPIC_PARTITION)),
        ),
        field("userData", Bytes).nullable(),
    ],
};
