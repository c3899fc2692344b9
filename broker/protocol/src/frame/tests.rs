//! Tests of frame lengths, the header prefix and the limits per API.

use super::*;

const LIMITS: FrameLimits = FrameLimits::new(100 * MIB);

#[test]
fn lengths_that_cannot_hold_a_header_are_refused() {
    for length in [-1, i32::MIN] {
        let parsed = parse_length(length.to_be_bytes(), &LIMITS);
        assert_eq!(parsed, Err(ProtocolError::FrameLengthNegative { length }));
    }
    for frame_bytes in 0..HEADER_PREFIX_BYTES {
        let length = i32::try_from(frame_bytes).unwrap();
        let parsed = parse_length(length.to_be_bytes(), &LIMITS);
        assert_eq!(parsed, Err(ProtocolError::FrameTooShort { frame_bytes }));
    }
    assert_eq!(parse_length(8i32.to_be_bytes(), &LIMITS), Ok(8));
    let unlimited = FrameLimits::new(usize::MAX);
    assert_eq!(
        parse_length(i32::MAX.to_be_bytes(), &unlimited),
        Ok(0x7fff_ffff)
    );
}

#[test]
fn prefix_reads_key_version_and_correlation_id() {
    let prefix = HeaderPrefix::parse(&[0, 18, 0xff, 0xff, 1, 2, 3, 4, 5]);
    let expected = HeaderPrefix {
        api_key: 18,
        api_version: -1,
        correlation_id: 0x0102_0304,
    };
    assert_eq!(prefix, Ok(expected));
    let truncated = ProtocolError::Truncated { field: "header" };
    assert_eq!(HeaderPrefix::parse(&[0; 7]), Err(truncated));
}

#[test]
fn a_frame_may_be_as_long_as_its_limit_and_not_one_byte_longer() {
    for api_key in i16::MIN..=i16::MAX {
        let prefix = HeaderPrefix {
            api_key,
            api_version: 0,
            correlation_id: 0,
        };
        let frame_bytes_max = LIMITS.frame_bytes_max(api_key);
        assert_eq!(LIMITS.check(prefix, frame_bytes_max), Ok(()));
        let frame_bytes = frame_bytes_max + 1;
        let too_large = ProtocolError::FrameTooLarge {
            frame_bytes,
            frame_bytes_max,
            api_key: Some(api_key),
        };
        assert_eq!(LIMITS.check(prefix, frame_bytes), Err(too_large));
    }
}

#[test]
fn only_produce_may_fill_socket_request_max_bytes() {
    let at_maximum: Vec<i16> = (i16::MIN..=i16::MAX)
        .filter(|key| LIMITS.frame_bytes_max(*key) == 100 * MIB)
        .collect();
    assert_eq!(at_maximum, [0]);
    let length_max = 100 * 1024 * 1024;
    assert_eq!(
        parse_length(i32::to_be_bytes(length_max), &LIMITS),
        Ok(100 * MIB)
    );
    assert!(parse_length(i32::to_be_bytes(length_max + 1), &LIMITS).is_err());
}

#[test]
fn a_small_socket_request_max_bytes_caps_every_api() {
    let limits = FrameLimits::new(1000);
    assert!((0..100).all(|key| limits.frame_bytes_max(key) == 1000));
}
