//! Tests of [`super`]: what Kafka's console consumer prints for the same records.

use super::*;

fn formatted(class: &str, properties: &[(&str, &str)], record: &Shown<'_>) -> String {
    format_for(class, properties, record, false)
}

fn format_for(
    class: &str,
    properties: &[(&str, &str)],
    record: &Shown<'_>,
    for_terminal: bool,
) -> String {
    let properties = properties
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let mut warnings = Vec::new();
    let mut warn = |text| warnings.push(text);
    let formatter = Formatter::named(class, &properties, for_terminal, &mut warn).unwrap();
    assert_eq!(warnings, Vec::<String>::new());
    let mut out = Vec::new();
    formatter.write(record, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

const RECORD: Shown<'_> = Shown {
    timestamp: Some(("CreateTime", 17)),
    partition: 2,
    offset: 40,
    headers: &[("a", Some(b"1")), ("b", None)],
    key: Some(b"k"),
    value: Some(b"v"),
};

const DEFAULT: &str = "org.apache.kafka.tools.consumer.DefaultMessageFormatter";

#[test]
fn columns_come_in_kafkas_order() {
    let all = [
        ("print.value", "true"),
        ("print.key", "true"),
        ("print.headers", "true"),
        ("print.epoch", "true"),
        ("print.delivery", "true"),
        ("print.offset", "true"),
        ("print.partition", "true"),
        ("print.timestamp", "true"),
    ];
    assert_eq!(
        formatted(DEFAULT, &all, &RECORD),
        "CreateTime:17\tPartition:2\tOffset:40\tDelivery:NOT_PRESENT\tEpoch:NOT_PRESENT\
         \ta:1,b:null\tk\tv\n"
    );
    assert_eq!(formatted(DEFAULT, &[], &RECORD), "v\n");
    let only_key = [("print.key", "true"), ("print.value", "false")];
    assert_eq!(formatted(DEFAULT, &only_key, &RECORD), "k\n");
    assert_eq!(formatted(DEFAULT, &[("print.value", "no")], &RECORD), "");
}

#[test]
fn separators_and_missing_parts_can_be_chosen() {
    let bare = Shown {
        timestamp: None,
        headers: &[],
        key: None,
        value: None,
        ..RECORD
    };
    let properties = [
        ("print.key", "true"),
        ("print.headers", "true"),
        ("print.timestamp", "true"),
        ("key.separator", " | "),
        ("line.separator", ";"),
        ("null.literal", "-"),
    ];
    assert_eq!(
        formatted(DEFAULT, &properties, &bare),
        "NO_TIMESTAMP | NO_HEADERS | - | -;"
    );
}

#[test]
fn binary_passes_to_programs_and_is_written_out_on_a_terminal() {
    let record = Shown {
        value: Some(b"\xed\x95\x9c\x1b[2J"),
        ..RECORD
    };
    assert_eq!(formatted(DEFAULT, &[], &record), "\u{d55c}\u{1b}[2J\n");
    assert_eq!(
        format_for(DEFAULT, &[], &record, true),
        "\u{d55c}\\x1b[2J\n"
    );
}

#[test]
fn values_that_are_not_of_their_type_are_errors() {
    let properties = BTreeMap::from([(
        "value.deserializer".to_owned(),
        "org.apache.kafka.common.serialization.LongDeserializer".to_owned(),
    )]);
    let formatter = Formatter::named(DEFAULT, &properties, false, &mut |_| ()).unwrap();
    let mut out = b"before".to_vec();
    let error = formatter.write(&RECORD, &mut out).unwrap_err();
    assert_eq!(error, "Size of data received by LongDeserializer is not 8");
    assert_eq!(out, b"before");
    assert!(Formatter::named("com.example.Own", &properties, false, &mut |_| ()).is_none());
    let mut warnings = Vec::new();
    let unknown = BTreeMap::from([("key.deserializer".to_owned(), "com.example.Own".to_owned())]);
    Formatter::named(DEFAULT, &unknown, false, &mut |text| warnings.push(text)).unwrap();
    assert!(warnings[0].starts_with("rbk has no deserializer com.example.Own"));
}

#[test]
fn committed_offsets_are_json_without_line_ends() {
    let mut value = vec![0, 1];
    value.extend_from_slice(&5_i64.to_be_bytes());
    value.extend_from_slice(&[0, 0]);
    value.extend_from_slice(&7_i64.to_be_bytes());
    value.extend_from_slice(&(-1_i64).to_be_bytes());
    let record = Shown {
        key: Some(b"\0\x01\0\x01g\0\x01t\0\0\0\x03"),
        value: Some(&value),
        ..RECORD
    };
    assert_eq!(
        formatted("OffsetsMessageFormatter", &[], &record),
        concat!(
            r#"{"key":{"type":1,"data":{"group":"g","topic":"t","partition":3}},"#,
            r#""value":{"version":1,"data":{"offset":5,"metadata":"","commitTimestamp":7,"#,
            r#""expireTimestamp":-1}}}"#
        )
    );
    let gone = Shown {
        value: None,
        ..record
    };
    assert!(formatted("OffsetsMessageFormatter", &[], &gone).ends_with(r#""value":null}"#));
    assert_eq!(formatted("GroupMetadataMessageFormatter", &[], &record), "");
    assert_eq!(formatted("NoOpMessageFormatter", &[], &record), "");
}
