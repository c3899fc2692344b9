//! Kafka's own records as JSON: what coordinators keep in `__consumer_offsets`,
//! `__transaction_state` and `__share_group_state`, what KRaft writes, and what clients put into
//! group protocols. Tables of fields and one walk over them; no I/O.
//!
//! `rbk dump-log` and the formatters of `rbk console-consumer` use it.

mod cluster_metadata;
mod decode;
mod field;
mod messages;
mod offsets;
mod share_groups;
mod share_state;
mod streams_groups;
mod transaction_log;

pub(crate) use self::decode::DecodeError;
use self::decode::{Decoder, quoted};
use self::field::{RecordType, Schema};

/// The topics of coordinators, each with record types of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CoordinatorTopic {
    /// `__consumer_offsets`.
    Offsets,
    /// `__transaction_state`.
    TransactionLog,
    /// `__share_group_state`.
    ShareState,
}

/// A record of a coordinator, in JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CoordinatorRecord {
    /// The number of its type, which its key begins with.
    pub(crate) id: i16,
    /// The fields of its key.
    pub(crate) key: String,
    /// Version and fields of its value; `None` for a tombstone.
    pub(crate) value: Option<(i16, String)>,
}

/// Why a record of a coordinator cannot be shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CoordinatorRecordError {
    /// The number of its type is none that is known.
    #[error("record type {0} is unknown")]
    UnknownType(i16),
    /// The version is missing.
    #[error("Could not read version from {0}'s buffer.")]
    NoVersion(&'static str),
    /// The bytes are not what the version says.
    #[error("Could not read record with version {version} from {what}'s buffer due to: {source}.")]
    Unreadable {
        /// `key` or `value`.
        what: &'static str,
        /// The version.
        version: i16,
        /// What is wrong.
        source: DecodeError,
    },
}

impl CoordinatorTopic {
    fn types(self) -> &'static [&'static [RecordType]] {
        match self {
            Self::Offsets => &[offsets::TYPES, share_groups::TYPES, streams_groups::TYPES],
            Self::TransactionLog => &[transaction_log::TYPES],
            Self::ShareState => &[share_state::TYPES],
        }
    }

    /// Reads a record of this topic; what consumers put into their groups is shown, too.
    pub(crate) fn read(
        self,
        key: &[u8],
        value: Option<&[u8]>,
    ) -> Result<CoordinatorRecord, CoordinatorRecordError> {
        self.read_with(key, value, true)
    }

    /// Reads a record of this topic; bytes within it stay bytes.
    pub(crate) fn read_plain(
        self,
        key: &[u8],
        value: Option<&[u8]>,
    ) -> Result<CoordinatorRecord, CoordinatorRecordError> {
        self.read_with(key, value, false)
    }

    fn read_with(
        self,
        key: &[u8],
        value: Option<&[u8]>,
        shows_embedded: bool,
    ) -> Result<CoordinatorRecord, CoordinatorRecordError> {
        let (id, key) = number(key).ok_or(CoordinatorRecordError::NoVersion("key"))?;
        let record_type = self
            .types()
            .iter()
            .copied()
            .flatten()
            .find(|it| it.id == id);
        let record_type = record_type.ok_or(CoordinatorRecordError::UnknownType(id))?;
        // The number of the type stands where a version would: keys have one version each.
        let key = object("key", key, record_type.key, 0, false)?;
        let value = match value {
            None => None,
            Some(value) => {
                let (version, value) =
                    number(value).ok_or(CoordinatorRecordError::NoVersion("value"))?;
                let data = object("value", value, record_type.value, version, shows_embedded)?;
                Some((version, data))
            }
        };
        Ok(CoordinatorRecord { id, key, value })
    }
}

fn number(bytes: &[u8]) -> Option<(i16, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((i16::from_be_bytes(*number), rest))
}

fn object(
    what: &'static str,
    bytes: &[u8],
    schema: &Schema,
    version: i16,
    shows_embedded: bool,
) -> Result<String, CoordinatorRecordError> {
    Decoder::new(bytes, schema, version)
        .map(|decoder| decoder.shows_embedded(shows_embedded))
        .and_then(|mut decoder| decoder.object(schema.fields))
        .map_err(|source| CoordinatorRecordError::Unreadable {
            what,
            version,
            source,
        })
}

impl CoordinatorRecord {
    /// Key and value as Kafka's dump of a log shows them; `<DELETE>` for a tombstone.
    pub(crate) fn dumped(&self) -> (String, String) {
        let key = format!("{{\"type\":\"{}\",\"data\":{}}}", self.id, self.key);
        let value = self.value.as_ref().map_or_else(
            || "<DELETE>".to_owned(),
            |(version, data)| format!("{{\"version\":\"{version}\",\"data\":{data}}}"),
        );
        (key, value)
    }
}

impl CoordinatorRecord {
    /// Key and value as one JSON object, as Kafka's message formatters write them.
    pub(crate) fn formatted(&self) -> String {
        let (id, key) = (self.id, &self.key);
        let value = self.value.as_ref().map_or_else(
            || "null".to_owned(),
            |(version, data)| format!("{{\"version\":{version},\"data\":{data}}}"),
        );
        format!("{{\"key\":{{\"type\":{id},\"data\":{key}}},\"value\":{value}}}")
    }
}

/// A record of Kafka's `__cluster_metadata` as JSON.
///
/// | bytes | meaning |
/// |---|---|
/// | varint | version of this frame: 1 |
/// | varint | number of the type |
/// | varint | version of the record |
/// | rest | the record |
pub(crate) fn cluster_metadata_record(value: &[u8]) -> Result<String, String> {
    let mut rest = value;
    let mut next = || frame_varint(&mut rest).ok_or_else(|| "the frame is cut short".to_owned());
    let (frame, id, version) = (next()?, next()?, next()?);
    if frame != 1 {
        return Err(format!(
            "Could not deserialize metadata record with frame version {frame}."
        ));
    }
    let Some((_, name, schema)) = cluster_metadata::TYPES.iter().find(|(it, ..)| *it == id) else {
        return Err(format!("Unknown metadata id {id}"));
    };
    let data = i16::try_from(version)
        .map_err(|_| format!("version {version} is unknown"))
        .and_then(|version| {
            Decoder::new(rest, schema, version)
                .and_then(|mut decoder| decoder.object(schema.fields))
                .map_err(|error| error.to_string())
        })?;
    Ok(format!(
        "{{\"type\":{},\"version\":{version},\"data\":{data}}}",
        quoted(name)
    ))
}

fn frame_varint(bytes: &mut &[u8]) -> Option<u32> {
    let mut value = 0;
    for shift in (0..32).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u32::from(byte & 0x7f) << shift;
        if *byte < 0x80 {
            return Some(value);
        }
    }
    None
}

/// The value of a control record of KRaft, with the words Kafka's dump puts before it; `None` for
/// a type that is not one of KRaft's.
pub(crate) fn kraft_control_record(id: i16, value: &[u8]) -> Option<Result<String, DecodeError>> {
    let (name, schema) = match id {
        2 => ("LeaderChange:", &messages::LEADER_CHANGE_MESSAGE),
        3 => ("SnapshotHeader", &messages::SNAPSHOT_HEADER_RECORD),
        4 => ("SnapshotFooter", &messages::SNAPSHOT_FOOTER_RECORD),
        5 => ("KRaftVersion", &messages::KRAFT_VERSION_RECORD),
        6 => ("KRaftVoters", &messages::VOTERS_RECORD),
        _ => return None,
    };
    // The version is the first field of each and says how to read the rest.
    let version = number(value).ok_or(DecodeError::Truncated { field: "version" });
    Some(version.and_then(|(version, _)| {
        let data = Decoder::new(value, schema, version)?.object(schema.fields)?;
        Ok(format!("{name} {data}"))
    }))
}

#[cfg(test)]
mod tests;
