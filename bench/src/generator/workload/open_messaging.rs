//! Workloads of the OpenMessaging benchmark, in its YAML.

use anyhow::Context;
use serde::Deserialize;

use super::{Load, Workload};

/// The fields that mean something here, by their own names. Others are errors rather than ignored.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct OpenMessagingWorkload {
    name: Option<String>,
    topics: u32,
    partitions_per_topic: i32,
    message_size: usize,
    /// Payloads are made here, so that each can carry a stamp.
    #[serde(rename = "payloadFile")]
    _payload_file: Option<String>,
    use_randomized_payloads: Option<bool>,
    random_bytes_ratio: Option<f64>,
    #[serde(rename = "randomizedPayloadPoolSize")]
    _randomized_payload_pool_size: Option<u32>,
    subscriptions_per_topic: u32,
    producers_per_topic: u32,
    consumer_per_subscription: u32,
    producer_rate: f64,
    #[serde(rename = "consumerBacklogSizeGB")]
    consumer_backlog_size_gb: Option<f64>,
    test_duration_minutes: f64,
    warmup_duration_minutes: Option<f64>,
}

/// Reads a workload.
///
/// # Errors
/// It is none, or wants what this generator does not do.
pub(super) fn read(text: &str) -> anyhow::Result<Workload> {
    let read: OpenMessagingWorkload =
        serde_yaml_ng::from_str(text).context("this is no OpenMessaging workload")?;
    anyhow::ensure!(
        read.consumer_backlog_size_gb.is_none_or(|gb| gb == 0.0),
        "consumerBacklogSizeGB is not done by this generator: leave it at 0"
    );
    let compressible = match (read.use_randomized_payloads, read.random_bytes_ratio) {
        (Some(true), Some(random)) => percent(1.0 - random),
        _ => Workload::default().compressible_percent,
    };
    let load = if read.producer_rate == 0.0 {
        Load::FindMax
    } else {
        Load::Rate(read.producer_rate)
    };
    Ok(Workload {
        name: read.name.unwrap_or_else(|| "open-messaging".to_owned()),
        topics: read.topics,
        partitions_per_topic: read.partitions_per_topic,
        record_bytes: read.message_size,
        compressible_percent: compressible,
        producers: read.producers_per_topic * read.topics,
        consumer_groups: read.subscriptions_per_topic,
        consumers_per_group: read.consumer_per_subscription * read.topics,
        load,
        warm_up_s: read.warmup_duration_minutes.unwrap_or(1.0) * 60.0,
        measured_s: read.test_duration_minutes * 60.0,
        ..Workload::default()
    })
}

/// A share in percent; 0 for what is no share.
fn percent(share: f64) -> u8 {
    (0..=100)
        .rfind(|percent| f64::from(*percent) <= share * 100.0 + 0.5)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "
name: 1 topic
topics: 1
partitionsPerTopic: 16
messageSize: 1024
useRandomizedPayloads: true
randomBytesRatio: 0.5
randomizedPayloadPoolSize: 1000
subscriptionsPerTopic: 1
consumerPerSubscription: 1
producersPerTopic: 2
producerRate: 50000
consumerBacklogSizeGB: 0
testDurationMinutes: 15
";

    #[test]
    fn a_workload_of_the_benchmark_is_understood() {
        let workload = read(TEXT).expect("valid");
        assert_eq!(workload.load, Load::Rate(50_000.0));
        assert_eq!((workload.producers, workload.consumer_groups), (2, 1));
        assert_eq!(workload.compressible_percent, 50);
        assert!((workload.measured_s - 900.0).abs() < 1e-9);
    }

    #[test]
    fn rate_0_looks_for_the_maximum() {
        let text = TEXT.replace("producerRate: 50000", "producerRate: 0");
        assert_eq!(read(&text).expect("valid").load, Load::FindMax);
    }

    #[test]
    fn what_is_not_done_is_refused() {
        let text = TEXT.replace("consumerBacklogSizeGB: 0", "consumerBacklogSizeGB: 5");
        let error = read(&text).expect_err("a backlog").to_string();
        assert!(error.contains("consumerBacklogSizeGB"), "{error}");
        assert!(read("topics: 1").is_err());
    }
}
