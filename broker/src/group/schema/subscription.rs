//! The one thing the broker reads from the consumer embedded protocol: the subscribed topics.
//!
//! `ConsumerProtocolSubscription` starts in every version with an i16 version and an array of topic
//! names, so what follows is left unread: newer versions work, and trailing bytes do no harm.

use std::sync::Arc;

use crate::coordinator::wire::{Reader, SchemaError};

/// The topics a consumer subscribes to, from the metadata it sends when it joins.
///
/// # Errors
/// When the bytes end early or hold an impossible length.
pub(crate) fn subscribed_topics(metadata: &[u8]) -> Result<Vec<Arc<str>>, SchemaError> {
    let mut reader = Reader::new(metadata);
    let version = reader.i16()?;
    if version < 0 {
        return Err(SchemaError::UnsupportedVersion {
            record: "ConsumerProtocolSubscription",
            version,
        });
    }
    let count = reader.array_length(false)?;
    // A topic name takes its length field at least.
    let mut topics = Vec::with_capacity(count.min(reader.remaining() / 2));
    for _ in 0..count {
        topics.push(reader.string(false)?);
    }
    Ok(topics)
}
