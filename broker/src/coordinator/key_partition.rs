//! Which partition of a coordinator's topic holds a key: a group of `__consumer_offsets`, a
//! transactional id of `__transaction_state`. Pure arithmetic, the same in every Kafka broker, so
//! it can never change.

/// Java's `String.hashCode`: over UTF-16 units, wrapping.
pub(crate) fn java_string_hash(text: &str) -> i32 {
    text.encode_utf16().fold(0_i32, |hash, unit| {
        hash.wrapping_mul(31).wrapping_add(i32::from(unit))
    })
}

/// The partition that holds `key` when the topic has `partition_count` partitions (Kafka's
/// `GroupCoordinatorService.partitionFor` and `TransactionStateManager.partitionFor`).
///
/// # Panics
/// When `partition_count` is not positive.
pub fn partition_for_key(key: &str, partition_count: i32) -> i32 {
    assert!(0 < partition_count, "partition count {partition_count}");
    // Kafka's `Utils.abs`: the one value without a positive counterpart becomes 0.
    java_string_hash(key).checked_abs().unwrap_or(0) % partition_count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hash_equals_javas() {
        assert_eq!(java_string_hash(""), 0);
        assert_eq!(java_string_hash("a"), 97);
        assert_eq!(java_string_hash("hello"), 99_162_322);
        // Known to hash to i32::MIN, the value Math.abs cannot invert.
        assert_eq!(java_string_hash("polygenelubricants"), i32::MIN);
        // U+1F600 is two UTF-16 units: 0xD83D * 31 + 0xDE00.
        assert_eq!(java_string_hash("\u{1F600}"), 0xD83D * 31 + 0xDE00);
    }

    #[test]
    fn partition_is_the_absolute_hash_modulo_the_count() {
        assert_eq!(partition_for_key("hello", 50), 22);
        assert_eq!(partition_for_key("polygenelubricants", 50), 0);
        assert_eq!(partition_for_key("", 50), 0);
        // "console-consumer" hashes to a negative number or not; the result is always in range.
        for id in ["console-consumer-1", "group", "g", "zzzzzzzzzzzzzzzzzz"] {
            assert!((0..50).contains(&partition_for_key(id, 50)), "{id}");
        }
    }
}
