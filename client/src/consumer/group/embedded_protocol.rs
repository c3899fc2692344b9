//! The consumer embedded protocol: what consumers of the classic protocol tell each other through
//! the broker, in JoinGroup and SyncGroup.
//!
//! | subscription | type |
//! |---|---|
//! | version | i16, 0 to 3; a newer one is read as 3 |
//! | topics | array of string |
//! | user data | nullable bytes |
//! | owned partitions (1 and newer) | array of: topic string, partitions array of i32 |
//! | generation (2 and newer) | i32; -1 for none |
//! | rack id (3 and newer) | nullable string |
//!
//! | assignment | type |
//! |---|---|
//! | version | i16, 0 to 3, all alike |
//! | assigned partitions | array of: topic string, partitions array of i32 |
//! | user data | nullable bytes |
//!
//! Nothing is flexible; bytes that follow are passed over. Sources:
//! `ConsumerProtocolSubscription.json`, `ConsumerProtocolAssignment.json` of Kafka 4.3.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};

use super::wire::{self, WireError};
use crate::consumer::assignor::{Assignment, MemberSubscription};

/// The version that is written.
const VERSION: i16 = 3;

/// Encodes what a member says when it joins.
///
/// # Errors
/// Something is too long for its length field.
pub(crate) fn encode_subscription(member: &MemberSubscription) -> Result<Bytes, WireError> {
    let mut buffer = BytesMut::with_capacity(256);
    buffer.put_i16(VERSION);
    wire::put_count(&mut buffer, member.topics.len())?;
    for topic in &member.topics {
        wire::put_string(&mut buffer, topic)?;
    }
    wire::put_nullable_bytes(&mut buffer, member.user_data.as_ref())?;
    wire::put_partitions(&mut buffer, &member.owned_partitions)?;
    buffer.put_i32(member.generation_id.unwrap_or(-1));
    match &member.rack_id {
        None => buffer.put_i16(-1),
        Some(rack) => wire::put_string(&mut buffer, rack)?,
    }
    Ok(buffer.freeze())
}

/// Decodes what a member said when it joined. Whether it is static is said elsewhere.
///
/// # Errors
/// The bytes end early, hold an impossible length, or the version is negative.
pub(crate) fn decode_subscription(mut bytes: Bytes) -> Result<MemberSubscription, WireError> {
    let version = take_version(&mut bytes)?;
    let mut member = MemberSubscription::default();
    for _ in 0..wire::take_count(&mut bytes, 2)? {
        member.topics.push(wire::take_string(&mut bytes)?);
    }
    member.user_data = wire::take_nullable_bytes(&mut bytes)?;
    if 1 <= version {
        member.owned_partitions = wire::take_partitions(&mut bytes)?;
    }
    if 2 <= version {
        member.generation_id = Some(wire::take_i32(&mut bytes)?).filter(|it| 0 <= *it);
    }
    if 3 <= version {
        let rack: Option<Arc<str>> = wire::take_nullable_string(&mut bytes)?;
        member.rack_id = rack.filter(|rack| !rack.is_empty());
    }
    Ok(member)
}

/// Encodes what the leader gives a member.
///
/// # Errors
/// Something is too long for its length field.
pub(crate) fn encode_assignment(assignment: &Assignment) -> Result<Bytes, WireError> {
    let mut buffer = BytesMut::with_capacity(256);
    buffer.put_i16(VERSION);
    wire::put_partitions(&mut buffer, &assignment.partitions)?;
    wire::put_nullable_bytes(&mut buffer, assignment.user_data.as_ref())?;
    Ok(buffer.freeze())
}

/// Decodes what the leader gave this member. No bytes at all mean nothing: the broker's answer for
/// a member that the leader forgot.
///
/// # Errors
/// The bytes end early, hold an impossible length, or the version is negative.
pub(crate) fn decode_assignment(mut bytes: Bytes) -> Result<Assignment, WireError> {
    if bytes.is_empty() {
        return Ok(Assignment::default());
    }
    take_version(&mut bytes)?;
    Ok(Assignment {
        partitions: wire::take_partitions(&mut bytes)?,
        user_data: wire::take_nullable_bytes(&mut bytes)?,
    })
}

fn take_version(bytes: &mut Bytes) -> Result<i16, WireError> {
    let version = wire::take_i16(bytes)?;
    if version < 0 {
        return Err(WireError::Version(version));
    }
    Ok(version)
}

#[cfg(test)]
mod tests;
