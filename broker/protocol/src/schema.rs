//! The shapes of all served requests, and of the responses to them, to know what one will cost
//! before it is decoded.
//!
//! kafka-protocol takes array lengths from the wire straight to `Vec::with_capacity`, so a message
//! of 12 bytes can ask for gigabytes. The walk over these shapes ([`crate::check_limits`],
//! [`crate::check_response_limits`]) runs first. The tables in the submodules follow Kafka's
//! message definitions; tests/fuzz holds them to kafka-protocol in every version: random bytes made
//! from a shape must decode and encode again to the same bytes.
//!
//! This is not a second decoder: it yields no values.

mod admin;
mod data;
mod group;
mod response;
mod txn;

pub use response::response_shape;

use crate::messages::ApiKey;

/// The shape of one API's request or response body in all its versions.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// From this version on lengths are varints and every structure ends in tagged fields.
    pub flexible_from: i16,
    /// The body's fields in wire order, tagged ones anywhere among them.
    pub fields: &'static [Field],
}

/// One field: what it is and in which versions it is sent.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// Kafka's name of the field, in this crate's spelling.
    pub name: &'static str,
    /// What it looks like on the wire.
    pub kind: Kind,
    /// The first version that has it.
    pub from: i16,
    /// The last version that has it.
    pub to: i16,
    /// Its tag, when it is sent as a tagged field.
    pub tag: Option<u32>,
}

/// What a field looks like on the wire. Nullable and plain fields look alike.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// A number, a boolean or a uuid of so many bytes.
    Fixed(usize),
    /// Text: length i16, or varint when flexible.
    String,
    /// Bytes or records: length i32, or varint when flexible.
    Bytes,
    /// A list of numbers, of so many bytes each on the wire and about as many in memory.
    Numbers(usize),
    /// A list of strings.
    Strings {
        /// Bytes that one element takes in the decoded list, its text aside.
        element_bytes: usize,
    },
    /// A list of structures.
    Array {
        /// Bytes that one element takes in the decoded list, what it points to aside.
        element_bytes: usize,
        /// The element's fields.
        fields: &'static [Field],
    },
    /// A structure in place.
    Structure(&'static [Field]),
    /// A structure behind a byte that is 1, or a negative byte for null.
    Option(&'static [Field]),
}

impl Field {
    /// Whether the field is sent in this version.
    #[must_use]
    pub const fn is_present(&self, version: i16) -> bool {
        self.from <= version && version <= self.to
    }

    const fn new(name: &'static str, kind: Kind) -> Self {
        Self {
            name,
            kind,
            from: 0,
            to: i16::MAX,
            tag: None,
        }
    }

    const fn from(mut self, version: i16) -> Self {
        self.from = version;
        self
    }

    const fn to(mut self, version: i16) -> Self {
        self.to = version;
        self
    }

    const fn tag(mut self, tag: u32) -> Self {
        self.tag = Some(tag);
        self
    }
}

const fn flexible(flexible_from: i16, fields: &'static [Field]) -> Shape {
    Shape {
        flexible_from,
        fields,
    }
}

/// A boolean or an i8.
const fn i8(name: &'static str) -> Field {
    Field::new(name, Kind::Fixed(1))
}

const fn i16(name: &'static str) -> Field {
    Field::new(name, Kind::Fixed(2))
}

const fn i32(name: &'static str) -> Field {
    Field::new(name, Kind::Fixed(4))
}

const fn i64(name: &'static str) -> Field {
    Field::new(name, Kind::Fixed(8))
}

const fn uuid(name: &'static str) -> Field {
    Field::new(name, Kind::Fixed(16))
}

const fn string(name: &'static str) -> Field {
    Field::new(name, Kind::String)
}

const fn bytes(name: &'static str) -> Field {
    Field::new(name, Kind::Bytes)
}

const fn i8s(name: &'static str) -> Field {
    Field::new(name, Kind::Numbers(1))
}

const fn i32s(name: &'static str) -> Field {
    Field::new(name, Kind::Numbers(4))
}

const fn i64s(name: &'static str) -> Field {
    Field::new(name, Kind::Numbers(8))
}

/// A list of strings, decoded to a `Vec<T>`.
const fn strings<T>(name: &'static str) -> Field {
    Field::new(
        name,
        Kind::Strings {
            element_bytes: size_of::<T>(),
        },
    )
}

/// A list of structures, decoded to a `Vec<T>`.
const fn array<T>(name: &'static str, fields: &'static [Field]) -> Field {
    Field::new(
        name,
        Kind::Array {
            element_bytes: size_of::<T>(),
            fields,
        },
    )
}

/// A structure in place.
const fn structure(name: &'static str, fields: &'static [Field]) -> Field {
    Field::new(name, Kind::Structure(fields))
}

/// A structure that may be null.
const fn option(name: &'static str, fields: &'static [Field]) -> Field {
    Field::new(name, Kind::Option(fields))
}

/// The shape of an API's requests, or `None` when the API is not served.
#[must_use]
pub const fn request_shape(api_key: ApiKey) -> Option<&'static Shape> {
    Some(match api_key {
        ApiKey::Produce => &data::PRODUCE,
        ApiKey::Fetch => &data::FETCH,
        ApiKey::ListOffsets => &data::LIST_OFFSETS,
        ApiKey::Metadata => &admin::METADATA,
        ApiKey::OffsetCommit => &group::OFFSET_COMMIT,
        ApiKey::OffsetFetch => &group::OFFSET_FETCH,
        ApiKey::FindCoordinator => &group::FIND_COORDINATOR,
        ApiKey::JoinGroup => &group::JOIN_GROUP,
        ApiKey::Heartbeat => &group::HEARTBEAT,
        ApiKey::LeaveGroup => &group::LEAVE_GROUP,
        ApiKey::SyncGroup => &group::SYNC_GROUP,
        ApiKey::DescribeGroups => &group::DESCRIBE_GROUPS,
        ApiKey::ListGroups => &group::LIST_GROUPS,
        ApiKey::ApiVersions => &admin::API_VERSIONS,
        ApiKey::CreateTopics => &admin::CREATE_TOPICS,
        ApiKey::DeleteTopics => &admin::DELETE_TOPICS,
        ApiKey::DeleteRecords => &data::DELETE_RECORDS,
        ApiKey::InitProducerId => &data::INIT_PRODUCER_ID,
        ApiKey::OffsetForLeaderEpoch => &data::OFFSET_FOR_LEADER_EPOCH,
        ApiKey::AddPartitionsToTxn => &txn::ADD_PARTITIONS_TO_TXN,
        ApiKey::AddOffsetsToTxn => &txn::ADD_OFFSETS_TO_TXN,
        ApiKey::EndTxn => &txn::END_TXN,
        ApiKey::WriteTxnMarkers => &txn::WRITE_TXN_MARKERS,
        ApiKey::TxnOffsetCommit => &txn::TXN_OFFSET_COMMIT,
        ApiKey::DescribeConfigs => &admin::DESCRIBE_CONFIGS,
        ApiKey::AlterConfigs => &admin::ALTER_CONFIGS,
        ApiKey::AlterReplicaLogDirs => &admin::ALTER_REPLICA_LOG_DIRS,
        ApiKey::DescribeLogDirs => &admin::DESCRIBE_LOG_DIRS,
        ApiKey::CreatePartitions => &admin::CREATE_PARTITIONS,
        ApiKey::DeleteGroups => &group::DELETE_GROUPS,
        ApiKey::IncrementalAlterConfigs => &admin::INCREMENTAL_ALTER_CONFIGS,
        ApiKey::OffsetDelete => &group::OFFSET_DELETE,
        ApiKey::UpdateFeatures => &admin::UPDATE_FEATURES,
        ApiKey::DescribeCluster => &admin::DESCRIBE_CLUSTER,
        ApiKey::DescribeProducers => &txn::DESCRIBE_PRODUCERS,
        ApiKey::DescribeTransactions => &txn::DESCRIBE_TRANSACTIONS,
        ApiKey::ListTransactions => &txn::LIST_TRANSACTIONS,
        ApiKey::ConsumerGroupHeartbeat => &group::CONSUMER_GROUP_HEARTBEAT,
        ApiKey::ConsumerGroupDescribe => &group::CONSUMER_GROUP_DESCRIBE,
        ApiKey::ListConfigResources => &admin::LIST_CONFIG_RESOURCES,
        ApiKey::DescribeTopicPartitions => &admin::DESCRIBE_TOPIC_PARTITIONS,
        _ => return None,
    })
}
