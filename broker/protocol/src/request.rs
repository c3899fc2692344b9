//! Decoding of a whole request frame: header, limits, body.
//!
//! Called by the broker's connection for the header and by each API for its body. Decoded values
//! are slices of the frame and keep it alive: copy what outlives the request.

#[cfg(test)]
mod tests;

use bytes::Bytes;

use crate::Request;
use crate::error::ProtocolError;
use crate::frame::{HEADER_PREFIX_BYTES, HeaderPrefix};
use crate::messages::ApiKey;
use crate::schema::request_shape;
use crate::versions;
use crate::walk::Walk;

/// A decoded request may take this many times the bytes of its frame, plus [`DECODED_BYTES_FREE`].
///
/// The structures that real clients send in bulk decode to 3 to 6 times their size on the wire.
pub const DECODED_FACTOR: usize = 8;

/// What any request may take in memory however short its frame is: short names and rare tagged
/// fields decode to more than [`DECODED_FACTOR`] times their bytes.
pub const DECODED_BYTES_FREE: usize = 256 * 1024;

/// The most memory that decoding a request body of so many bytes allocates.
#[must_use]
pub const fn decoded_bytes_max(body_bytes: usize) -> usize {
    body_bytes
        .saturating_mul(DECODED_FACTOR)
        .saturating_add(DECODED_BYTES_FREE)
}

/// A request's header. Tagged fields are dropped: Kafka defines none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestHeader<'a> {
    /// The API key as sent.
    pub api_key: i16,
    /// The API version as sent.
    pub api_version: i16,
    /// Returned to the client in the response.
    pub correlation_id: i32,
    /// What the client calls itself, if anything.
    pub client_id: Option<ClientId<'a>>,
    /// Bytes of the header: the body follows them.
    pub size_bytes: usize,
}

/// What a client calls itself, as sent: nearly always what it called itself before, so whether it
/// is text is left to who meets it first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ClientId<'a>(&'a [u8]);

impl<'a> ClientId<'a> {
    /// The bytes of the name.
    #[must_use]
    pub fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// The name.
    ///
    /// # Errors
    /// [`ProtocolError::Malformed`] when it is not UTF-8.
    pub fn text(self) -> Result<&'a str, ProtocolError> {
        std::str::from_utf8(self.0)
            .map_err(|error| ProtocolError::Malformed(format!("client_id: {error}")))
    }
}

/// Reads the header at the front of a frame (the bytes after the length field).
///
/// `header_version` is [`ApiKey::request_header_version`]: 1, or 2 with tagged fields. The client
/// id has an i16 length in both.
///
/// # Errors
/// [`ProtocolError::Truncated`], [`ProtocolError::LengthInvalid`].
pub fn decode_request_header(
    frame: &[u8],
    header_version: i16,
) -> Result<RequestHeader<'_>, ProtocolError> {
    let prefix = HeaderPrefix::parse(frame)?;
    let mut walk = Walk::new(frame, 0, false, decoded_bytes_max(frame.len()));
    walk.skip(HEADER_PREFIX_BYTES, "header")?;
    let client_id = walk.string("client_id")?.map(ClientId);
    if 2 <= header_version {
        walk.skip_tags("header")?;
    }
    Ok(RequestHeader {
        api_key: prefix.api_key,
        api_version: prefix.api_version,
        correlation_id: prefix.correlation_id,
        client_id,
        size_bytes: frame.len().saturating_sub(walk.rest().len()),
    })
}

/// Checks a request body (after the header) before anything is allocated for it: every length lies
/// within the bytes that are there, and the decoded request takes at most [`decoded_bytes_max`].
///
/// Bytes after the last field are ignored, as Kafka does: librdkafka 2.16 appends three to its
/// Metadata requests v13 for all topics.
///
/// One pass over the fields, not over their contents: about 30 ns for a Produce request of one
/// partition.
///
/// # Errors
/// [`ProtocolError::VersionNotServed`], or what is wrong with the bytes.
pub fn check_limits(api_key: ApiKey, version: i16, body: &[u8]) -> Result<(), ProtocolError> {
    let not_served = ProtocolError::VersionNotServed {
        api_key: api_key as i16,
        api_version: version,
    };
    let is_served =
        versions::served_versions(api_key as i16).is_some_and(|range| range.contains(version));
    let shape = request_shape(api_key)
        .filter(|_| is_served)
        .ok_or(not_served)?;
    let is_flexible = shape.flexible_from <= version;
    let mut walk = Walk::new(body, version, is_flexible, decoded_bytes_max(body.len()));
    walk.structure("request", shape.fields)
}

/// Decodes a request body (after the header) of type `T`, limits first. Text, bytes and records of
/// the result are slices of `body`.
///
/// # Errors
/// Those of [`check_limits`], and [`ProtocolError::Malformed`] for what only decoding finds: text
/// that is not UTF-8, null in a field that may not be null.
pub fn decode<T: Request>(mut body: Bytes, version: i16) -> Result<T, ProtocolError> {
    let not_served = ProtocolError::VersionNotServed {
        api_key: T::KEY,
        api_version: version,
    };
    let api_key = ApiKey::try_from(T::KEY).map_err(|()| not_served)?;
    check_limits(api_key, version, &body)?;
    let request = T::decode(&mut body, version);
    request.map_err(|error| ProtocolError::Malformed(error.to_string()))
}
