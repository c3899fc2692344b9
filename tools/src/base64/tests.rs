//! Tests of [`super`].

use super::*;

/// The examples of RFC 4648, section 10.
#[test]
fn bytes_encode_as_in_the_standard() {
    for (plain, encoded) in [
        ("", ""),
        ("f", "Zg=="),
        ("fo", "Zm8="),
        ("foo", "Zm9v"),
        ("foob", "Zm9vYg=="),
        ("fooba", "Zm9vYmE="),
        ("foobar", "Zm9vYmFy"),
    ] {
        assert_eq!(standard(plain.as_bytes()), encoded);
    }
    assert_eq!(standard(&[0xfb, 0xff]), "+/8=");
}
