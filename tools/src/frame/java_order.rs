//! The order in which Java's `HashMap` gives out its keys. Kafka's tools print maps in that order,
//! and it is the same every time, so scripts may have come to rely on it.

use ringbrook_client::TopicPartition;

/// Sorts as a `HashMap` made with `capacity` (16 by default) would give the items out, when they
/// are put into it one by one.
#[must_use]
pub fn in_java_order<T>(items: Vec<T>, capacity: usize, key: impl Fn(&T) -> &str) -> Vec<T> {
    sorted(items, capacity, |item| text_hash(key(item)))
}

/// As [`in_java_order`], for maps by partition.
#[must_use]
pub fn partitions_in_java_order<T>(items: Vec<T>, key: impl Fn(&T) -> &TopicPartition) -> Vec<T> {
    sorted(items, 16, |item| {
        let key = key(item);
        let partition = u32::from_ne_bytes(key.partition.to_ne_bytes());
        let hash = partition.wrapping_add(31);
        hash.wrapping_mul(31).wrapping_add(text_hash(&key.topic))
    })
}

fn sorted<T>(mut items: Vec<T>, capacity: usize, hash: impl Fn(&T) -> u32) -> Vec<T> {
    let mut buckets = capacity.max(1).next_power_of_two();
    while buckets - buckets / 4 < items.len() {
        buckets *= 2;
    }
    // Stable: within a bucket, the order is that of insertion.
    items.sort_by_cached_key(|item| {
        let hash = hash(item);
        let spread = hash ^ hash >> 16;
        usize::try_from(spread).unwrap_or_default() & (buckets - 1)
    });
    items
}

/// `String.hashCode`.
fn text_hash(text: &str) -> u32 {
    text.encode_utf16().fold(0_u32, |hash, unit| {
        hash.wrapping_mul(31).wrapping_add(u32::from(unit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_that_of_java() {
        // As `new HashMap<>()` of Java 17 gives them out.
        let keys = vec![
            "cleanup.policy",
            "retention.ms",
            "segment.bytes",
            "min.insync.replicas",
            "max.message.bytes",
            "flush.ms",
        ];
        let expected = [
            "cleanup.policy",
            "flush.ms",
            "max.message.bytes",
            "min.insync.replicas",
            "retention.ms",
            "segment.bytes",
        ];
        assert_eq!(in_java_order(keys, 16, |key| key), expected);
        assert_eq!(
            in_java_order(vec!["a", "b", "q"], 3, |key| key),
            ["a", "q", "b"]
        );
    }

    #[test]
    fn a_table_that_is_three_quarters_full_is_doubled() {
        let keys: Vec<String> = (0..13).map(|number| format!("t-{number}")).collect();
        let ordered = in_java_order(keys, 16, String::as_str);
        let expected = "t-9 t-11 t-10 t-12 t-0 t-2 t-1 t-4 t-3 t-6 t-5 t-8 t-7";
        assert_eq!(ordered.join(" "), expected);
    }
}
