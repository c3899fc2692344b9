//! Tests of the probe: what benchmarks measure is the whole road of a record.

use std::time::Duration;

use ringbrook_record::Batch;

use super::*;
use crate::metadata::PartitionMetadata;

fn topic(partitions: i32) -> TopicMetadata {
    let partition = |partition| PartitionMetadata {
        partition,
        leader: Some(0),
        leader_epoch: 0,
        replicas: Vec::new(),
        isr: Vec::new(),
        offline_replicas: Vec::new(),
        error_code: 0,
    };
    TopicMetadata {
        name: "orders".into(),
        id: uuid::Uuid::nil(),
        is_internal: false,
        partitions: (0..partitions).map(partition).collect(),
        error_code: 0,
    }
}

#[test]
fn all_records_are_sent_and_their_memory_is_given_back() {
    let config = ProducerConfig {
        linger: Duration::ZERO,
        ..ProducerConfig::default()
    };
    let mut probe = ProducerProbe::new(&config, topic(4), Instant::now());
    for number in 0..100_u32 {
        assert!(probe.append(Some(&number.to_be_bytes()), &[7; 1000]));
    }
    let sent_bytes = probe.send_ready().unwrap() + probe.send_ready().unwrap();
    assert!(100 * 1000 < sent_bytes, "{sent_bytes} bytes");
    assert!(!probe.accumulator.has_incomplete());
    assert_eq!(probe.accumulator.used_bytes(), 0);
    assert_eq!(probe.accumulator.counters.records_sent, 100);
}

#[test]
fn records_that_do_not_fit_into_the_memory_are_refused() {
    let config = ProducerConfig {
        buffer_memory: 20_000,
        ..ProducerConfig::default()
    };
    let mut probe = ProducerProbe::new(&config, topic(1), Instant::now());
    let taken = (0..100).filter(|_| probe.append(None, &[7; 1000])).count();
    assert!((10..20).contains(&taken), "{taken} records of 1000 bytes");
}

#[test]
fn batches_are_numbered() {
    let config = ProducerConfig {
        linger: Duration::ZERO,
        ..ProducerConfig::default()
    };
    let mut probe = ProducerProbe::new(&config, topic(1), Instant::now());
    assert!(probe.append(None, b"first"));
    let leader_of = |_: &str, _: i32| Some((0, 0));
    let mut batches = probe.accumulator.drain(
        0,
        probe.now,
        probe.limits,
        &leader_of,
        Some(&mut probe.sequences),
    );
    let mut batch = batches.pop().unwrap();
    batch.seal(Codec::None, None, Vec::new(), false).unwrap();
    let assigned = probe.sequences.assigned(batch.slot, batch.key);
    let bytes = batch.bytes_as(assigned).unwrap();
    assert_eq!(Batch::parse(&bytes).unwrap().header.producer_id, 1);
}
