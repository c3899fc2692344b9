//! Request frames: the length field, the fixed start of every header, and how long a frame may be.
//!
//! Called by the connection's reader before it buffers a frame. It parses no further than the first
//! 12 bytes.
//!
//! | offset | bytes | type | meaning                                  |
//! |--------|-------|------|------------------------------------------|
//! | 0      | 4     | i32  | length of what follows                   |
//! | 4      | 2     | i16  | API key                                  |
//! | 6      | 2     | i16  | API version                              |
//! | 8      | 4     | i32  | correlation id, returned in the response |
//! | 12     | ..    |      | client id, tagged fields, request body   |

#[cfg(test)]
mod tests;

use crate::error::ProtocolError;
use crate::messages::ApiKey;

/// Bytes of the length field in front of every frame.
pub const LENGTH_BYTES: usize = 4;

/// Bytes of a frame that hold API key, API version and correlation id.
pub const HEADER_PREFIX_BYTES: usize = 8;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// Group, member and instance ids are at most 32 KiB each in the old string encoding, so a request
/// made of a handful of them and a client id stays below this.
const CONTROL_BYTES_MAX: usize = 256 * KIB;

/// Requests that name topics, partitions, groups or configs: about 35 bytes per partition in a
/// Fetch, so 240,000 partitions in one request.
const LIST_BYTES_MAX: usize = 8 * MIB;

/// A group leader sends the assignments of all members at once in SyncGroup, and Kafka Streams
/// packs its task map into JoinGroup metadata.
const GROUP_BYTES_MAX: usize = 16 * MIB;

/// Reads the length field of a frame and checks it against what any API may send.
///
/// # Errors
/// [`ProtocolError::FrameLengthNegative`], [`ProtocolError::FrameTooShort`] when the frame could
/// not hold [`HEADER_PREFIX_BYTES`], [`ProtocolError::FrameTooLarge`].
pub fn parse_length(
    bytes: [u8; LENGTH_BYTES],
    limits: &FrameLimits,
) -> Result<usize, ProtocolError> {
    let length = i32::from_be_bytes(bytes);
    let frame_bytes =
        usize::try_from(length).map_err(|_| ProtocolError::FrameLengthNegative { length })?;
    if frame_bytes < HEADER_PREFIX_BYTES {
        return Err(ProtocolError::FrameTooShort { frame_bytes });
    }
    check_max(frame_bytes, limits.request_bytes_max, None)?;
    Ok(frame_bytes)
}

/// The part of a request header whose place is the same in every version of every API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeaderPrefix {
    /// The API key as sent; it may be unknown.
    pub api_key: i16,
    /// The API version as sent; it may be one that is not served.
    pub api_version: i16,
    /// Returned to the client in the response.
    pub correlation_id: i32,
}

impl HeaderPrefix {
    /// Reads the first [`HEADER_PREFIX_BYTES`] after the length field; more bytes may follow.
    ///
    /// # Errors
    /// [`ProtocolError::Truncated`] when there are fewer. Every value is possible and accepted.
    pub fn parse(frame: &[u8]) -> Result<Self, ProtocolError> {
        let truncated = ProtocolError::Truncated { field: "header" };
        let prefix = frame
            .first_chunk::<HEADER_PREFIX_BYTES>()
            .ok_or(truncated)?;
        let [k0, k1, v0, v1, c0, c1, c2, c3] = *prefix;
        Ok(Self {
            api_key: i16::from_be_bytes([k0, k1]),
            api_version: i16::from_be_bytes([v0, v1]),
            correlation_id: i32::from_be_bytes([c0, c1, c2, c3]),
        })
    }
}

/// How long a frame may be, by API.
///
/// Kafka has the one limit `socket.request.max.bytes`. Only Produce needs it: other requests are
/// small, but a few bytes of theirs decode into a larger structure, so a large one costs memory out
/// of proportion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameLimits {
    request_bytes_max: usize,
}

impl FrameLimits {
    /// `request_bytes_max` is `socket.request.max.bytes`: the limit of Produce, and the ceiling of
    /// all others.
    #[must_use]
    pub const fn new(request_bytes_max: usize) -> Self {
        Self { request_bytes_max }
    }

    /// The longest frame that may carry this API key, without the length field. An unknown key gets
    /// the smallest limit: its connection is about to be closed.
    #[must_use]
    pub fn frame_bytes_max(&self, api_key: i16) -> usize {
        let class_bytes_max = match ApiKey::try_from(api_key) {
            Ok(ApiKey::Produce) => self.request_bytes_max,
            Ok(ApiKey::JoinGroup | ApiKey::SyncGroup) => GROUP_BYTES_MAX,
            Ok(
                ApiKey::Heartbeat
                | ApiKey::ApiVersions
                | ApiKey::InitProducerId
                | ApiKey::AddOffsetsToTxn
                | ApiKey::EndTxn
                | ApiKey::DescribeCluster
                | ApiKey::ListGroups,
            )
            | Err(()) => CONTROL_BYTES_MAX,
            Ok(_) => LIST_BYTES_MAX,
        };
        class_bytes_max.min(self.request_bytes_max)
    }

    /// Checks a frame's length against its API's limit. Call it when [`HEADER_PREFIX_BYTES`] have
    /// arrived and before buffering the rest.
    ///
    /// # Errors
    /// [`ProtocolError::FrameTooLarge`].
    pub fn check(&self, prefix: HeaderPrefix, frame_bytes: usize) -> Result<(), ProtocolError> {
        let api_key = prefix.api_key;
        check_max(frame_bytes, self.frame_bytes_max(api_key), Some(api_key))
    }
}

fn check_max(
    frame_bytes: usize,
    frame_bytes_max: usize,
    api_key: Option<i16>,
) -> Result<(), ProtocolError> {
    if frame_bytes_max < frame_bytes {
        return Err(ProtocolError::FrameTooLarge {
            frame_bytes,
            frame_bytes_max,
            api_key,
        });
    }
    Ok(())
}
