//! Topic names and topic ids: what is valid, what collides (Kafka's `Topic` and `Uuid` classes).
//!
//! Pure; used by the API handlers before they submit and by the state machine when it decides.

use uuid::Uuid;

use super::error::MetadataError;

#[cfg(test)]
mod tests;

/// The longest topic name in bytes: Kafka's limit, which leaves room for `-` and a partition
/// number in a file name of 255 bytes.
pub const NAME_BYTES_MAX: usize = 249;

/// The topic of the group coordinator.
pub const CONSUMER_OFFSETS: &str = "__consumer_offsets";

/// The topic of the transaction coordinator.
pub const TRANSACTION_STATE: &str = "__transaction_state";

/// Topics the broker itself writes; clients may read but not freely create them.
const INTERNAL: [&str; 3] = [CONSUMER_OFFSETS, TRANSACTION_STATE, "__share_group_state"];

/// Checks a topic name: 1 to 249 of `a-z A-Z 0-9 . _ -`, and neither `.` nor `..`.
///
/// # Errors
/// [`MetadataError::InvalidTopicName`] with Kafka's message.
pub fn validate(name: &str) -> Result<(), MetadataError> {
    let invalid = |reason: String| {
        Err(MetadataError::InvalidTopicName(format!(
            "Topic name is invalid: {reason}"
        )))
    };
    if name.is_empty() {
        return invalid("the empty string is not allowed".to_owned());
    }
    if name == "." || name == ".." {
        return invalid(format!("'{name}' is not allowed"));
    }
    if NAME_BYTES_MAX < name.len() {
        return invalid(format!(
            "the length of '{name}' is longer than the max allowed length {NAME_BYTES_MAX}"
        ));
    }
    let legal =
        |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'_' || byte == b'-';
    if !name.bytes().all(legal) {
        return invalid(format!(
            "'{name}' contains one or more characters other than ASCII alphanumerics, '.', '_' \
             and '-'"
        ));
    }
    Ok(())
}

/// Whether the topic is one of Kafka's internal ones.
#[must_use]
pub fn is_internal(name: &str) -> bool {
    INTERNAL.contains(&name)
}

/// Whether the name has a character that metric names do not tell apart.
#[must_use]
pub fn has_collision_chars(name: &str) -> bool {
    name.contains(['.', '_'])
}

/// The name with every `.` made `_`: two topics with the same result collide.
#[must_use]
pub fn unify(name: &str) -> String {
    name.replace('.', "_")
}

/// A fresh random topic id: never reserved, and its text form does not begin with `-`, which
/// command-line tools would take for an option.
#[must_use]
pub fn new_topic_id() -> Uuid {
    loop {
        let id = Uuid::new_v4();
        if is_allowed_id(id) {
            return id;
        }
    }
}

/// Whether a topic may have this id. Kafka reserves nil and 1 (the metadata topic); in base64url a
/// first byte of 0xF8 to 0xFB reads `-`.
#[must_use]
pub fn is_allowed_id(id: Uuid) -> bool {
    const BASE64URL_DASH: u8 = 62;
    const LAST_RESERVED: u128 = 1;
    LAST_RESERVED < id.as_u128() && id.as_bytes()[0] >> 2 != BASE64URL_DASH
}
