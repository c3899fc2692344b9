//! Requests to frames.

use bytes::{BufMut, Bytes, BytesMut};
use ringbrook_protocol::messages::RequestHeader;
use ringbrook_protocol::{Encodable, Request, StrBytes};

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
