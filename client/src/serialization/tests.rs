//! Bytes as Kafka's serializers write them.

use bytes::Bytes;
use uuid::Uuid;

use super::*;
use crate::headers::Headers;

/// Serializes, compares, and deserializes again.
fn check<T, S>(serializer: &S, data: T, expected: &[u8])
where
    T: Clone + PartialEq + std::fmt::Debug,
    S: Serializer<T> + Deserializer<T>,
{
    let bytes = serializer
        .serialize("topic", &mut Headers::new(), data.clone())
        .unwrap();
    assert_eq!(bytes, expected);
    let again = serializer.deserialize("topic", &Headers::new(), bytes);
    assert_eq!(again.unwrap(), data);
}

fn refused<T: std::fmt::Debug>(deserializer: &impl Deserializer<T>, data: &'static [u8]) -> String {
    let data = Bytes::from_static(data);
    let read = deserializer.deserialize("topic", &Headers::new(), data);
    read.unwrap_err().to_string()
}

#[test]
fn numbers_are_big_endian() {
    check(&ShortSerializer, -2_i16, &[0xff, 0xfe]);
    check(&IntegerSerializer, 0x0102_0304, &[1, 2, 3, 4]);
    check(&LongSerializer, i64::MIN, &[0x80, 0, 0, 0, 0, 0, 0, 0]);
    check(&FloatSerializer, 1.5_f32, &[0x3f, 0xc0, 0, 0]);
    check(&DoubleSerializer, -1.5_f64, &[0xbf, 0xf8, 0, 0, 0, 0, 0, 0]);
    check(&BooleanSerializer, true, &[1]);
    check(&BooleanSerializer, false, &[0]);
}

#[test]
fn texts_are_utf_8_and_uuids_are_text() {
    check(
        &StringSerializer,
        "gr\u{fc}\u{df}".to_owned(),
        b"gr\xc3\xbc\xc3\x9f",
    );
    check(&BytesSerializer, Bytes::from_static(&[0, 0xff]), &[0, 0xff]);
    check(&BytesSerializer, vec![7_u8], &[7]);
    let uuid = Uuid::from_u128(0x0011_2233_4455_6677_8899_aabb_ccdd_eeff);
    check(
        &UuidSerializer,
        uuid,
        b"00112233-4455-6677-8899-aabbccddeeff",
    );
}

#[test]
fn what_is_no_such_value_is_refused() {
    assert_eq!(
        refused(&LongSerializer, &[1, 2]),
        "2 bytes, where 8 are expected"
    );
    assert_eq!(
        refused(&BooleanSerializer, &[2]),
        "2 is neither 0 (false) nor 1 (true)"
    );
    assert!(refused::<String>(&StringSerializer, &[b'a', 0xff]).starts_with("not UTF-8: "));
    assert!(refused(&UuidSerializer, b"0011").starts_with("not a UUID: "));
}

#[test]
fn bytes_are_not_copied() {
    let data = Bytes::from(vec![1_u8; 100]);
    let begin = data.as_ptr();
    let bytes = BytesSerializer.serialize("topic", &mut Headers::new(), data);
    assert_eq!(bytes.unwrap().as_ptr(), begin);
}
