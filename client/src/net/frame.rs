//! Requests to frames and frames to responses.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use ringbrook_protocol::messages::RequestHeader;
use ringbrook_protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};

/// Bytes of a frame's length.
pub(super) const LENGTH_BYTES: usize = 4;

/// A request with its length and header, ready to be sent.
pub(super) fn encode<R: Request>(
    request: &R,
    version: i16,
    correlation_id: i32,
    client_id: &StrBytes,
) -> Result<Bytes, String> {
    let header = RequestHeader::default()
        .with_request_api_key(R::KEY)
        .with_request_api_version(version)
        .with_correlation_id(correlation_id)
        .with_client_id(Some(client_id.clone()));
    let header_version = R::header_version(version);
    let body = request
        .compute_size(version)
        .map_err(|error| error.to_string())?;
    let head = header
        .compute_size(header_version)
        .map_err(|error| error.to_string())?;
    let mut frame = BytesMut::with_capacity(LENGTH_BYTES + head + body);
    frame.put_i32(i32::try_from(head + body).map_err(|error| error.to_string())?);
    header
        .encode(&mut frame, header_version)
        .map_err(|error| error.to_string())?;
    request
        .encode(&mut frame, version)
        .map_err(|error| error.to_string())?;
    Ok(frame.freeze())
}

/// The correlation id at the head of a response.
pub(super) fn correlation_id(frame: &Bytes) -> Option<i32> {
    frame.first_chunk().map(|bytes| i32::from_be_bytes(*bytes))
}

/// The response in a frame without its length; nothing of it is copied.
pub(super) fn decode<R: Request>(mut frame: Bytes, version: i16) -> Result<R::Response, String> {
    if frame.len() < LENGTH_BYTES {
        return Err("shorter than its header".to_owned());
    }
    frame.advance(LENGTH_BYTES);
    if 1 <= R::Response::header_version(version) {
        skip_tagged_fields(&mut frame)?;
    }
    let response = R::Response::decode(&mut frame, version).map_err(|error| error.to_string())?;
    if frame.has_remaining() {
        return Err(format!("{} bytes behind its end", frame.remaining()));
    }
    Ok(response)
}

fn skip_tagged_fields(frame: &mut Bytes) -> Result<(), String> {
    for _ in 0..unsigned_varint(frame)? {
        unsigned_varint(frame)?;
        let len = unsigned_varint(frame)?;
        let len = usize::try_from(len).map_err(|error| error.to_string())?;
        if frame.remaining() < len {
            return Err("a tagged field longer than the frame".to_owned());
        }
        frame.advance(len);
    }
    Ok(())
}

fn unsigned_varint(frame: &mut Bytes) -> Result<u32, String> {
    let mut value = 0;
    for shift in (0..32).step_by(7) {
        let byte = frame.try_get_u8().map_err(|error| error.to_string())?;
        value |= u32::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err("a varint of more than five bytes".to_owned())
}
