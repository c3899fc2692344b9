//! Decoding of a whole response frame, as clients do it: header, limits, body.
//!
//! A client trusts its broker with its records, but not with its memory: what answers at an address
//! may be anything. Decoded values are slices of the frame.

#[cfg(test)]
mod tests;

use bytes::{Buf, Bytes};

use crate::error::ProtocolError;
use crate::messages::ApiKey;
use crate::schema::response_shape;
use crate::walk::Walk;
use crate::{Decodable, HeaderVersion, Request};

/// Bytes of the correlation id, which every response begins with.
pub const CORRELATION_ID_BYTES: usize = 4;

/// A decoded response may take this many times the bytes of its frame, plus
/// [`RESPONSE_BYTES_FREE`]: lists of short names decode to 16 times their bytes.
const RESPONSE_DECODED_FACTOR: usize = 16;

/// What any response may take in memory however short its frame is.
const RESPONSE_BYTES_FREE: usize = 256 * 1024;

/// The most memory that decoding a response body of so many bytes allocates.
#[must_use]
pub const fn response_decoded_bytes_max(body_bytes: usize) -> usize {
    body_bytes
        .saturating_mul(RESPONSE_DECODED_FACTOR)
        .saturating_add(RESPONSE_BYTES_FREE)
}

/// The correlation id of a response frame (the bytes after the length field).
#[must_use]
pub fn correlation_id(frame: &[u8]) -> Option<i32> {
    frame.first_chunk().map(|bytes| i32::from_be_bytes(*bytes))
}

/// Checks a response body (after the header) before anything is allocated for it: every length
/// lies within the bytes that are there, the decoded response takes at most
/// [`response_decoded_bytes_max`], and nothing follows the last field.
///
/// # Errors
/// [`ProtocolError::ResponseUnknown`], or what is wrong with the bytes.
pub fn check_response_limits(
    api_key: ApiKey,
    version: i16,
    body: &[u8],
) -> Result<(), ProtocolError> {
    let api = api_key as i16;
    let unknown = ProtocolError::ResponseUnknown { api_key: api };
    let shape = response_shape(api_key).ok_or(unknown)?;
    let is_flexible = shape.flexible_from <= version;
    let bytes_max = response_decoded_bytes_max(body.len());
    let mut walk = Walk::new(body, version, is_flexible, bytes_max);
    walk.structure("response", shape.fields)?;
    let behind_bytes = walk.rest().len();
    if behind_bytes != 0 {
        let text = format!("{behind_bytes} bytes follow its last field");
        return Err(ProtocolError::Malformed(text));
    }
    Ok(())
}

/// Decodes the response frame (the bytes after the length field) to a request of type `T`, limits
/// first. Text, bytes and records of the result are slices of `frame`.
///
/// # Errors
/// Those of [`check_response_limits`], and [`ProtocolError::Malformed`] for what only decoding
/// finds: text that is not UTF-8, null in a field that may not be null.
pub fn decode_response<T: Request>(
    mut frame: Bytes,
    version: i16,
) -> Result<T::Response, ProtocolError> {
    let unknown = ProtocolError::ResponseUnknown { api_key: T::KEY };
    let api_key = ApiKey::try_from(T::KEY).map_err(|()| unknown)?;
    let mut header = Walk::new(&frame, version, false, 0);
    header.skip(CORRELATION_ID_BYTES, "correlation_id")?;
    if 1 <= T::Response::header_version(version) {
        header.skip_tags("header")?;
    }
    let header_bytes = frame.len().saturating_sub(header.rest().len());
    frame.advance(header_bytes);
    check_response_limits(api_key, version, &frame)?;
    let response = T::Response::decode(&mut frame, version);
    response.map_err(|error| ProtocolError::Malformed(error.to_string()))
}
