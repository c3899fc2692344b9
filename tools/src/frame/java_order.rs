//! The order in which Java's `HashMap` gives out its keys. Kafka's tools print maps in that order,
//! and it is the same every time, so scripts may have come to rely on it.

/// Sorts as a `HashMap` made with `capacity` (16 by default) would give the items out, when they
/// are put into it one by one.
#[must_use]
pub fn in_java_order<T>(items: Vec<T>, capacity: usize, key: impl Fn(&T) -> &str) -> Vec<T> {
    let mut buckets = capacity.max(1).next_power_of_two();
    while buckets - buckets / 4 < items.len() {
        buckets *= 2;
    }
    let mut items = items;
    // Stable: within a bucket, the order is that of insertion.
    items.sort_by_cached_key(|item| bucket(key(item), buckets));
    items
}

fn bucket(key: &str, buckets: usize) -> usize {
    let hash = key.encode_utf16().fold(0_u32, |hash, unit| {
        hash.wrapping_mul(31).wrapping_add(u32::from(unit))
    });
    let spread = hash ^ hash >> 16;
    usize::try_from(spread).unwrap_or_default() & (buckets - 1)
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
