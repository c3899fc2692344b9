//! Tests of [`super`].

use super::*;

fn text(class: &str, bytes: &[u8]) -> Result<String, String> {
    let deserializer = Deserializer::named(class).unwrap();
    let text = deserializer.text(bytes)?;
    Ok(String::from_utf8(text.into_owned()).unwrap())
}

#[test]
fn numbers_are_written_as_java_does() {
    let double = |value: f64| text("DoubleDeserializer", &value.to_be_bytes()).unwrap();
    for (value, expected) in [
        (1.0, "1.0"),
        (-0.0, "-0.0"),
        (0.001, "0.001"),
        (0.000_1, "1.0E-4"),
        (9_999_999.0, "9999999.0"),
        (1e7, "1.0E7"),
        (-1.25e300, "-1.25E300"),
        (f64::INFINITY, "Infinity"),
    ] {
        assert_eq!(double(value), expected);
    }
    assert_eq!(double(f64::NAN), "NaN");
    let class = "org.apache.kafka.common.serialization.FloatDeserializer";
    assert_eq!(text(class, &0.1_f32.to_be_bytes()).unwrap(), "0.1");
    assert_eq!(text("ShortDeserializer", &[0xff, 0xfe]).unwrap(), "-2");
    assert_eq!(
        text("IntegerDeserializer", &7_i32.to_be_bytes()).unwrap(),
        "7"
    );
    assert_eq!(
        text("LongDeserializer", &i64::MIN.to_be_bytes()).unwrap(),
        i64::MIN.to_string()
    );
    assert_eq!(text("BooleanDeserializer", &[1]).unwrap(), "true");
    assert_eq!(
        text("BytesDeserializer", b"a\\\n\xff").unwrap(),
        "a\\x5C\\x0A\\xFF"
    );
}

#[test]
fn bytes_of_another_size_are_refused() {
    assert_eq!(
        text("IntegerDeserializer", b"12345").unwrap_err(),
        "Size of data received by IntegerDeserializer is not 4"
    );
    text("BooleanDeserializer", &[2]).unwrap_err();
    text("UUIDDeserializer", b"x").unwrap_err();
    assert_eq!(Deserializer::named("com.example.Own"), None);
}
