//! Reading and writing of the fields that the consumer embedded protocol is made of: Kafka's
//! non-flexible integers, strings and arrays. Bytes come from other members of the group, so every
//! length is checked against what is left before anything is set aside.

use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::topic_partition::TopicPartition;

/// Bytes that are not what they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WireError {
    #[error("the bytes end early")]
    Short,
    #[error("a length of {0}")]
    Length(i32),
    #[error("a string that is not UTF-8")]
    Utf8,
    #[error("version {0}")]
    Version(i16),
    #[error("{0} elements are more than a length field holds")]
    TooLong(usize),
}

pub(crate) fn take_i16(bytes: &mut Bytes) -> Result<i16, WireError> {
    bytes.try_get_i16().map_err(|_| WireError::Short)
}

pub(crate) fn take_i32(bytes: &mut Bytes) -> Result<i32, WireError> {
    bytes.try_get_i32().map_err(|_| WireError::Short)
}

/// A count of elements that take at least `element_bytes` each.
pub(crate) fn take_count(bytes: &mut Bytes, element_bytes: usize) -> Result<usize, WireError> {
    let length = take_i32(bytes)?;
    let count = usize::try_from(length).map_err(|_| WireError::Length(length))?;
    if bytes.len() / element_bytes < count {
        return Err(WireError::Short);
    }
    Ok(count)
}

pub(crate) fn take_nullable_string(bytes: &mut Bytes) -> Result<Option<Arc<str>>, WireError> {
    let length = take_i16(bytes)?;
    if length == -1 {
        return Ok(None);
    }
    let length = usize::try_from(length).map_err(|_| WireError::Length(length.into()))?;
    if bytes.len() < length {
        return Err(WireError::Short);
    }
    let text = bytes.split_to(length);
    let text = std::str::from_utf8(&text).map_err(|_| WireError::Utf8)?;
    Ok(Some(text.into()))
}

pub(crate) fn take_string(bytes: &mut Bytes) -> Result<Arc<str>, WireError> {
    take_nullable_string(bytes)?.ok_or(WireError::Length(-1))
}

pub(crate) fn take_nullable_bytes(bytes: &mut Bytes) -> Result<Option<Bytes>, WireError> {
    let length = take_i32(bytes)?;
    if length == -1 {
        return Ok(None);
    }
    let length = usize::try_from(length).map_err(|_| WireError::Length(length))?;
    if bytes.len() < length {
        return Err(WireError::Short);
    }
    Ok(Some(bytes.split_to(length)))
}

/// An array of: topic string, partitions array of i32.
pub(crate) fn take_partitions(bytes: &mut Bytes) -> Result<Vec<TopicPartition>, WireError> {
    let mut partitions = Vec::new();
    for _ in 0..take_count(bytes, 6)? {
        let topic = take_string(bytes)?;
        for _ in 0..take_count(bytes, 4)? {
            let partition = take_i32(bytes)?;
            partitions.push(TopicPartition::new(Arc::clone(&topic), partition));
        }
    }
    Ok(partitions)
}

pub(crate) fn put_count(buffer: &mut BytesMut, count: usize) -> Result<(), WireError> {
    buffer.put_i32(i32::try_from(count).map_err(|_| WireError::TooLong(count))?);
    Ok(())
}

pub(crate) fn put_string(buffer: &mut BytesMut, text: &str) -> Result<(), WireError> {
    let length = i16::try_from(text.len()).map_err(|_| WireError::TooLong(text.len()))?;
    buffer.put_i16(length);
    buffer.put_slice(text.as_bytes());
    Ok(())
}

pub(crate) fn put_nullable_bytes(
    buffer: &mut BytesMut,
    bytes: Option<&Bytes>,
) -> Result<(), WireError> {
    match bytes {
        None => buffer.put_i32(-1),
        Some(bytes) => {
            put_count(buffer, bytes.len())?;
            buffer.put_slice(bytes);
        }
    }
    Ok(())
}

/// The counterpart of [`take_partitions`]; topics in the order of their first partitions.
pub(crate) fn put_partitions(
    buffer: &mut BytesMut,
    partitions: &[TopicPartition],
) -> Result<(), WireError> {
    let topics = by_topic(partitions);
    put_count(buffer, topics.len())?;
    for (topic, indexes) in topics {
        put_string(buffer, topic)?;
        put_count(buffer, indexes.len())?;
        indexes.iter().for_each(|index| buffer.put_i32(*index));
    }
    Ok(())
}

fn by_topic(partitions: &[TopicPartition]) -> Vec<(&Arc<str>, Vec<i32>)> {
    let mut topics: Vec<(&Arc<str>, Vec<i32>)> = Vec::new();
    let mut places = hashbrown::HashMap::new();
    for it in partitions {
        let place = *places.entry(&it.topic).or_insert_with(|| {
            topics.push((&it.topic, Vec::new()));
            topics.len() - 1
        });
        topics[place].1.push(it.partition);
    }
    topics
}
