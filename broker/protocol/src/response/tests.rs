//! Frames as brokers send them, whole and broken.

use bytes::{BufMut, Bytes, BytesMut};

use super::*;
use crate::Encodable;
use crate::messages::{
    ApiVersionsRequest, ApiVersionsResponse, HeartbeatRequest, HeartbeatResponse, MetadataRequest,
};

fn frame<T: Encodable + HeaderVersion>(response: &T, version: i16, tags: &[u8]) -> Bytes {
    let mut frame = BytesMut::new();
    frame.put_i32(7);
    frame.put_slice(tags);
    response.encode(&mut frame, version).unwrap();
    frame.freeze()
}

#[test]
fn headers_with_and_without_tagged_fields_are_passed_over() {
    let response = HeartbeatResponse::default().with_error_code(27);
    for (version, tags) in [(3, &[][..]), (4, &[0]), (4, &[1, 5, 2, 9, 9])] {
        let frame = frame(&response, version, tags);
        assert_eq!(correlation_id(&frame), Some(7));
        let decoded = decode_response::<HeartbeatRequest>(frame, version);
        assert_eq!(decoded.as_ref(), Ok(&response), "version {version}");
    }
}

/// Its response has the oldest header in every version, so that any client can read it.
#[test]
fn the_answer_to_api_versions_never_has_tagged_fields_in_its_header() {
    let response = ApiVersionsResponse::default();
    let frame = frame(&response, 4, &[]);
    assert_eq!(
        decode_response::<ApiVersionsRequest>(frame, 4),
        Ok(response)
    );
}

#[test]
fn bytes_behind_the_end_and_missing_bytes_are_refused() {
    let whole = frame(&HeartbeatResponse::default(), 3, &[]);
    for len in 0..whole.len() {
        decode_response::<HeartbeatRequest>(whole.slice(..len), 3).unwrap_err();
    }
    let mut longer = BytesMut::from(whole.as_ref());
    longer.put_u8(0);
    let error = decode_response::<HeartbeatRequest>(longer.freeze(), 3).unwrap_err();
    assert!(matches!(error, ProtocolError::Malformed(_)), "{error}");
}

/// Twelve bytes that announce a list of two billion brokers.
#[test]
fn an_announced_list_is_not_believed() {
    let mut bytes = BytesMut::new();
    bytes.put_i32(7);
    bytes.put_i32(0);
    bytes.put_i32(i32::MAX);
    let error = decode_response::<MetadataRequest>(bytes.freeze(), 8).unwrap_err();
    assert!(
        matches!(
            error,
            ProtocolError::DecodedTooLarge {
                field: "brokers",
                ..
            }
        ),
        "{error}"
    );
}
