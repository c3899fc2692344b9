//! Names Kafka takes and refuses, ids it may draw.

use uuid::Uuid;

use super::*;

fn message(name: &str) -> String {
    match validate(name) {
        Err(MetadataError::InvalidTopicName(message)) => message,
        other => panic!("{name:?}: {other:?}"),
    }
}

#[test]
fn takes_every_legal_character_and_length() {
    for name in [
        "a",
        "A-z_0.9",
        "...",
        "-",
        "__consumer_offsets",
        &"x".repeat(249),
    ] {
        validate(name).unwrap();
    }
}

#[test]
fn refuses_with_the_message_of_kafka() {
    assert_eq!(
        message(""),
        "Topic name is invalid: the empty string is not allowed"
    );
    assert_eq!(message("."), "Topic name is invalid: '.' is not allowed");
    assert_eq!(message(".."), "Topic name is invalid: '..' is not allowed");
    let long = "x".repeat(250);
    let expected = format!(
        "Topic name is invalid: the length of '{long}' is longer than the max allowed length 249"
    );
    assert_eq!(message(&long), expected);
    for name in ["a b", "a/b", "\u{e4}", "a\0", "a:b", "a\n"] {
        assert!(
            message(name).contains("other than ASCII alphanumerics"),
            "{name:?}"
        );
    }
}

#[test]
fn dots_and_underscores_unify() {
    assert_eq!(unify("a.b_c"), "a_b_c");
    assert!(has_collision_chars("a.b"));
    assert!(has_collision_chars("a_b"));
    assert!(!has_collision_chars("a-b"));
}

#[test]
fn ids_that_read_as_an_option_or_are_reserved_are_not_allowed() {
    for first in 0..=u8::MAX {
        let mut bytes = [0x5a; 16];
        bytes[0] = first;
        let dash = (0xf8..=0xfb).contains(&first);
        assert_eq!(
            is_allowed_id(Uuid::from_bytes(bytes)),
            !dash,
            "first byte {first:#x}"
        );
    }
    assert!(!is_allowed_id(Uuid::nil()));
    assert!(!is_allowed_id(Uuid::from_u128(1)));
    assert!(is_allowed_id(Uuid::from_u128(2)));
    assert!((0..1000).all(|_| is_allowed_id(new_topic_id())));
}
