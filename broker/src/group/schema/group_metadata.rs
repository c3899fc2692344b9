//! The value of a classic group's metadata in `__consumer_offsets`.
//!
//! | field | type | versions |
//! |---|---|---|
//! | version | i16 | all |
//! | protocol type | string | all |
//! | generation | i32 | all |
//! | protocol | nullable string | all |
//! | leader | nullable string | all |
//! | current state timestamp | i64, ms | 2+ |
//! | members | array | all |
//! | - member id | string | all |
//! | - group instance id | nullable string | 3+ |
//! | - client id, client host | string each | all |
//! | - rebalance timeout | i32, ms | 1+ |
//! | - session timeout | i32, ms | all |
//! | - subscription, assignment | bytes each | all |
//!
//! Version 4 is the same in compact form, each struct followed by tagged fields. Version 3 is
//! written. Source: `GroupMetadataValue.json` of Kafka 4.3.

use std::sync::Arc;

use bytes::Bytes;

use crate::coordinator::wire::{Reader, SchemaError, Writer};

const NAME: &str = "GroupMetadataValue";
const VERSION: i16 = 3;
const VERSION_FLEXIBLE: i16 = 4;

/// Fewest bytes a member takes in any version: three empty strings, a session timeout and two
/// empty byte arrays. Bounds what a bad array length can reserve.
const MEMBER_BYTES_MIN: usize = 3 + 4 + 2;

/// A classic group as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupMetadataValue {
    /// "consumer" for consumer groups; empty for simple groups.
    pub protocol_type: Arc<str>,
    /// The generation.
    pub generation: i32,
    /// The chosen protocol; null when the group has no members.
    pub protocol: Option<Arc<str>>,
    /// Member id of the leader; null when the group has no members.
    pub leader: Option<Arc<str>>,
    /// When the group entered its state, ms since the epoch; -1 when unknown.
    pub current_state_timestamp_ms: i64,
    /// The members.
    pub members: Vec<MemberMetadata>,
}

/// A member of a classic group as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberMetadata {
    /// The member id.
    pub member_id: Arc<str>,
    /// The group instance id of a static member.
    pub group_instance_id: Option<Arc<str>>,
    /// The client id.
    pub client_id: Arc<str>,
    /// The client's address, as Java prints it ("/127.0.0.1").
    pub client_host: Arc<str>,
    /// The rebalance timeout in ms; -1 when the record is too old to have one.
    pub rebalance_timeout_ms: i32,
    /// The session timeout in ms.
    pub session_timeout_ms: i32,
    /// The member's metadata for the chosen protocol.
    pub subscription: Bytes,
    /// The member's assignment.
    pub assignment: Bytes,
}

impl GroupMetadataValue {
    /// Encodes the value in version 3.
    ///
    /// # Errors
    /// When a string is longer than 32767 bytes or an array longer than its length field holds.
    pub fn encode(&self) -> Result<Bytes, SchemaError> {
        let mut writer = Writer::with_capacity(64 + 256 * self.members.len());
        writer.i16(VERSION);
        writer.string(&self.protocol_type)?;
        writer.i32(self.generation);
        writer.nullable_string(self.protocol.as_deref())?;
        writer.nullable_string(self.leader.as_deref())?;
        writer.i64(self.current_state_timestamp_ms);
        writer.array_length(self.members.len())?;
        for member in &self.members {
            writer.string(&member.member_id)?;
            writer.nullable_string(member.group_instance_id.as_deref())?;
            writer.string(&member.client_id)?;
            writer.string(&member.client_host)?;
            writer.i32(member.rebalance_timeout_ms);
            writer.i32(member.session_timeout_ms);
            writer.bytes(&member.subscription)?;
            writer.bytes(&member.assignment)?;
        }
        Ok(writer.finish())
    }

    /// Decodes any version Kafka has written.
    ///
    /// # Errors
    /// When the bytes end early, hold an impossible length, or the version is unknown.
    pub fn decode(bytes: &[u8]) -> Result<Self, SchemaError> {
        let mut reader = Reader::new(bytes);
        let version = reader.i16()?;
        if !(0..=VERSION_FLEXIBLE).contains(&version) {
            return Err(SchemaError::UnsupportedVersion {
                record: NAME,
                version,
            });
        }
        let flexible = version == VERSION_FLEXIBLE;
        let protocol_type = reader.string(flexible)?;
        let generation = reader.i32()?;
        let protocol = reader.nullable_string(flexible)?;
        let leader = reader.nullable_string(flexible)?;
        let current_state_timestamp_ms = if 2 <= version { reader.i64()? } else { -1 };
        let count = reader.array_length(flexible)?;
        let mut members = Vec::with_capacity(count.min(reader.remaining() / MEMBER_BYTES_MIN));
        for _ in 0..count {
            members.push(MemberMetadata::decode(&mut reader, version)?);
        }
        if flexible {
            reader.tagged_fields(|_, _| Ok(()))?;
        }
        Ok(Self {
            protocol_type,
            generation,
            protocol,
            leader,
            current_state_timestamp_ms,
            members,
        })
    }
}

impl MemberMetadata {
    fn decode(reader: &mut Reader<'_>, version: i16) -> Result<Self, SchemaError> {
        let flexible = version == VERSION_FLEXIBLE;
        let member = Self {
            member_id: reader.string(flexible)?,
            group_instance_id: if 3 <= version {
                reader.nullable_string(flexible)?
            } else {
                None
            },
            client_id: reader.string(flexible)?,
            client_host: reader.string(flexible)?,
            rebalance_timeout_ms: if 1 <= version { reader.i32()? } else { -1 },
            session_timeout_ms: reader.i32()?,
            subscription: reader.bytes(flexible)?,
            assignment: reader.bytes(flexible)?,
        };
        if flexible {
            reader.tagged_fields(|_, _| Ok(()))?;
        }
        Ok(member)
    }
}
