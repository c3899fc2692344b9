//! What a member of a classic group of consumers is assigned, as its leader wrote it.
//!
//! | field | type |
//! |---|---|
//! | version | i16, 0 or more; all are alike |
//! | topics | array of: topic string, partitions array of i32 |
//! | user data | not read |
//!
//! The bytes come from a member of the group, not from the broker: nothing is set aside on the word
//! of a length. Source: `ConsumerProtocolAssignment.json` of Kafka 4.3.

use std::sync::Arc;

use bytes::{Buf, Bytes};

use crate::TopicPartition;

/// The partitions of an assignment; none without bytes: the leader forgot the member.
///
/// # Errors
/// The bytes end early, or are not what they should be.
pub(super) fn partitions(mut bytes: Bytes) -> Result<Vec<TopicPartition>, String> {
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    let version = bytes.try_get_i16().map_err(|error| error.to_string())?;
    if version < 0 {
        return Err(format!("version {version}"));
    }
    let mut partitions = Vec::new();
    for _ in 0..count(&mut bytes)? {
        let topic = topic(&mut bytes)?;
        for _ in 0..count(&mut bytes)? {
            let index = bytes.try_get_i32().map_err(|error| error.to_string())?;
            partitions.push(TopicPartition::new(Arc::clone(&topic), index));
        }
    }
    partitions.sort();
    Ok(partitions)
}

fn count(bytes: &mut Bytes) -> Result<i32, String> {
    bytes.try_get_i32().map_err(|error| error.to_string())
}

fn topic(bytes: &mut Bytes) -> Result<Arc<str>, String> {
    let length = bytes.try_get_u16().map_err(|error| error.to_string())?;
    let length = usize::from(length);
    if bytes.len() < length {
        return Err(format!(
            "a name of {length} bytes where {} are left",
            bytes.len()
        ));
    }
    let name = bytes.split_to(length);
    let name = std::str::from_utf8(&name).map_err(|error| error.to_string())?;
    Ok(name.into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn partitions_are_read_by_topic() {
        let bytes =
            b"\0\x01\0\0\0\x02\0\x01b\0\0\0\x01\0\0\0\x07\0\x01a\0\0\0\x02\0\0\0\x01\0\0\0\0";
        let read = partitions(Bytes::from_static(bytes)).unwrap();
        let expected = [("a", 0), ("a", 1), ("b", 7)];
        assert_eq!(
            read,
            expected.map(|(topic, index)| TopicPartition::new(topic, index))
        );
        assert!(partitions(Bytes::new()).unwrap().is_empty());
    }

    #[test]
    fn what_ends_early_is_refused() {
        let bytes = Bytes::from_static(b"\0\0\0\0\0\x01\0\x01b\0\0\0\x01\0\0\0\x07");
        partitions(bytes.clone()).unwrap();
        for end in 1..bytes.len() {
            partitions(bytes.slice(..end)).unwrap_err();
        }
        let many = Bytes::from_static(b"\0\0\x7f\xff\xff\xff");
        partitions(many).unwrap_err();
        let negative = Bytes::from_static(b"\xff\xff\0\0\0\0");
        assert_eq!(partitions(negative).unwrap_err(), "version -1");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let len = bytes.len();
            if let Ok(read) = partitions(bytes.into()) {
                prop_assert!(read.len() * 4 <= len);
            }
        }
    }
}
