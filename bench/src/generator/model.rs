//! What batching should come to, by a simple model: within linger.ms a partition's batch gathers
//! what arrives for it, up to batch.size. Pure.

use super::keys::Keys;
use super::workload::Workload;

/// Bytes of a batch's header.
const BATCH_HEADER_BYTES: f64 = 61.0;
/// Bytes of a record beside key and value, about.
const RECORD_OVERHEAD_BYTES: f64 = 8.0;
/// Bytes of keys made here.
const KEY_BYTES: f64 = 12.0;

/// Bytes that one record takes in a batch, uncompressed.
pub(crate) fn record_bytes(workload: &Workload) -> f64 {
    let key_bytes = if workload.keys == Keys::None {
        0.0
    } else {
        KEY_BYTES
    };
    workload.record_bytes as f64 + key_bytes + RECORD_OVERHEAD_BYTES
}

/// Bytes of a batch on average at `records_per_s` of all producers together. Records without keys
/// stick to a partition until a batch is full; with keys they spread over all partitions.
pub(crate) fn expected_batch_bytes(workload: &Workload, records_per_s: f64) -> f64 {
    let number = |name| {
        workload
            .producer_setting(name)
            .parse::<f64>()
            .unwrap_or_default()
    };
    let partitions = match workload.keys {
        Keys::None => f64::from(workload.topics),
        Keys::Uniform | Keys::Zipf => {
            f64::from(workload.partitions_per_topic) * f64::from(workload.topics)
        }
    };
    let rate = records_per_s / f64::from(workload.producers) / partitions;
    let records = 1.0 + rate * number("linger.ms") / 1000.0;
    let bytes = records * record_bytes(workload) + BATCH_HEADER_BYTES;
    let one_record = record_bytes(workload) + BATCH_HEADER_BYTES;
    bytes.min(number("batch.size")).max(one_record)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workload(keys: Keys, linger_ms: &str) -> Workload {
        let mut workload = Workload {
            keys,
            ..Workload::default()
        };
        workload
            .producer
            .insert("linger.ms".to_owned(), linger_ms.to_owned());
        workload
    }

    #[test]
    fn keys_spread_records_over_partitions() {
        let keyless = expected_batch_bytes(&workload(Keys::None, "5"), 1000.0);
        let keyed = expected_batch_bytes(&workload(Keys::Uniform, "5"), 1000.0);
        assert!((keyless - (6.0 * 1032.0 + 61.0)).abs() < 1.0, "{keyless}");
        assert!((keyed - (1.625 * 1044.0 + 61.0)).abs() < 1.0, "{keyed}");
    }

    #[test]
    fn a_batch_holds_one_record_at_least_and_batch_size_at_most() {
        let least = expected_batch_bytes(&workload(Keys::None, "0"), 1.0);
        assert!((least - 1093.0).abs() < 1.0, "{least}");
        let most = expected_batch_bytes(&workload(Keys::None, "100"), 1e6);
        assert!((most - 16384.0).abs() < 1e-9, "{most}");
    }
}
