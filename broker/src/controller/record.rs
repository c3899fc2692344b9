//! The stored form of metadata: protobuf messages and their conversions.
//!
//! Messages are written with prost and tagged fields, so fields can be added without breaking old
//! files. What a reader does not know it must not skip: an entry or record of an unknown kind is an
//! error, because ignoring it would let this node's state differ from the others'. The messages
//! are `EntryRecord` (one Raft log entry, `entry.rs`), `CommandRecord` (`commands.rs`) and
//! `MetadataRecord` (one piece of a snapshot, `metadata.rs`); broker/METADATA-FORMAT.md lists all
//! fields. Called by `storage` and the state machine's snapshots.

pub(super) mod commands;
pub(super) mod entry;
pub(super) mod metadata;
#[cfg(test)]
mod tests;

use uuid::Uuid;

/// Why stored bytes are not metadata this version understands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum RecordError {
    /// Not a protobuf message of the expected type.
    #[error("not decodable: {0}")]
    Protobuf(#[from] prost::DecodeError),
    /// A kind or number this version does not know; perhaps a later version wrote it.
    #[error("unknown {what}; written by a later version?")]
    Unknown {
        /// What is unknown.
        what: &'static str,
    },
    /// A field is absent or out of range.
    #[error("invalid {field}")]
    Invalid {
        /// The field.
        field: &'static str,
    },
}

/// A UUID field: 16 bytes.
fn uuid(bytes: &[u8]) -> Result<Uuid, RecordError> {
    Uuid::from_slice(bytes).map_err(|_| RecordError::Invalid { field: "uuid" })
}
