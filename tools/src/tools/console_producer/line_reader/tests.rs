//! Tests of [`super`].

use super::*;

fn reader(properties: &[(&str, &str)]) -> Result<LineReader, Failure> {
    let pairs = properties.iter();
    LineReader::new(
        &pairs
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
    )
}

fn line(headers: &[(&str, Option<&str>)], key: Option<&str>, value: Option<&str>) -> Line {
    let bytes = |text: &str| Bytes::copy_from_slice(text.as_bytes());
    Line {
        headers: headers
            .iter()
            .map(|(key, value)| ((*key).to_owned(), value.map(bytes)))
            .collect(),
        key: key.map(bytes),
        value: value.map(bytes),
    }
}

#[test]
fn a_line_is_a_value() {
    let mut reader = reader(&[]).unwrap();
    let korean = "\u{d55c}\u{ad6d}\u{c5b4}\tx";
    assert_eq!(
        reader.read(korean.as_bytes()).unwrap(),
        line(&[], None, Some(korean))
    );
    assert_eq!(reader.read(b"").unwrap(), line(&[], None, Some("")));
    let binary = reader.read(b"\xff\x00").unwrap();
    assert_eq!(binary.value.unwrap(), b"\xff\x00".as_slice());
}

#[test]
fn keys_and_headers_are_split_off() {
    let mut reader = reader(&[
        ("parse.key", "TRUE"),
        ("key.separator", ":"),
        ("parse.headers", "true"),
        ("headers.key.separator", "="),
        ("null.marker", "NULL"),
    ])
    .unwrap();
    assert_eq!(
        reader.read(b"a=1,b=NULL,c=\tk:v:w").unwrap(),
        line(
            &[("a", Some("1")), ("b", None), ("c", Some(""))],
            Some("k"),
            Some("v:w")
        )
    );
    assert_eq!(
        reader.read(b"NULL\tNULL:NULL").unwrap(),
        line(&[], None, None)
    );
    assert_eq!(
        reader.read(b"a=1,,\t:").unwrap(),
        line(&[("a", Some("1"))], Some(""), Some(""))
    );
    let error = reader.read(b"NULL=1\tk:v").unwrap_err().to_string();
    assert!(
        error.ends_with("equal to the null marker 'NULL' as they can't be null"),
        "{error}"
    );
}

#[test]
fn what_is_missing_is_told_with_its_line() {
    let mut strict = reader(&[("parse.key", "true"), ("parse.headers", "true")]).unwrap();
    let error = strict.read(b"abc").unwrap_err().to_string();
    assert_eq!(
        error,
        "org.apache.kafka.common.KafkaException: No headers delimiter found on line number 1: \
         'abc'"
    );
    let error = strict.read(b"a:b\tabc").unwrap_err().to_string();
    assert!(
        error.ends_with("No key separator found on line number 2: 'a:b\tabc'"),
        "{error}"
    );
    let error = strict.read(b"ab\tk\tv").unwrap_err().to_string();
    let expected = "No header key separator found in pair 'ab' on line number 3";
    assert!(error.ends_with(expected), "{error}");
    let lenient = [
        ("parse.key", "true"),
        ("parse.headers", "true"),
        ("ignore.error", "true"),
    ];
    let mut lenient = reader(&lenient).unwrap();
    assert_eq!(lenient.read(b"abc").unwrap(), line(&[], None, Some("abc")));
    assert_eq!(
        lenient.read(b"ab\tk\tv").unwrap(),
        line(&[("ab", None)], Some("k"), Some("v"))
    );
}

#[test]
fn separators_that_cannot_be_told_apart_are_refused() {
    for (name, value, expected) in [
        (
            "headers.delimiter",
            ",",
            "headers.delimiter and headers.separator may not be equal",
        ),
        (
            "headers.delimiter",
            ":",
            "headers.delimiter and headers.key.separator may not be equal",
        ),
        (
            "headers.separator",
            ":",
            "headers.separator and headers.key.separator may not be equal",
        ),
        (
            "null.marker",
            "\t",
            "null.marker and key.separator may not be equal",
        ),
        (
            "null.marker",
            ",",
            "null.marker and headers.separator may not be equal",
        ),
        (
            "null.marker",
            ":",
            "null.marker and headers.key.separator may not be equal",
        ),
    ] {
        let error = reader(&[(name, value)]).unwrap_err().to_string();
        assert_eq!(
            error,
            format!("org.apache.kafka.common.KafkaException: {expected}")
        );
    }
}
