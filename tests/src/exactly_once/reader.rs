//! librdkafka as a reader with isolation `read_committed`, which follows the output as it grows.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::ensure;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::exactly_once::{Checker, Violation};
use crate::{Wire, read_committed};

/// Follows the output from its beginning until `is_over`, and has `checker` judge it.
///
/// # Errors
/// The first violation.
pub(super) fn follow(
    bootstrap: SocketAddr,
    topic: &str,
    partitions: i32,
    checker: &Mutex<Checker>,
    is_over: &AtomicBool,
) -> anyhow::Result<()> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap.to_string())
        .set("broker.address.family", "v4")
        .set("group.id", format!("{topic}-reader"))
        .set("enable.auto.commit", "false")
        .set("isolation.level", "read_committed")
        .set("check.crcs", "true")
        .set("fetch.wait.max.ms", "100")
        .set("fetch.error.backoff.ms", "50")
        .set("reconnect.backoff.ms", "50")
        .set("reconnect.backoff.max.ms", "500")
        // What was visible must not go.
        .set("auto.offset.reset", "error")
        .create()?;
    let mut assignment = TopicPartitionList::new();
    for partition in 0..partitions {
        assignment.add_partition_offset(topic, partition, Offset::Beginning)?;
    }
    consumer.assign(&assignment)?;
    while !is_over.load(Ordering::Relaxed) {
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => {
                let mut checker = checker.lock().unwrap_or_else(PoisonError::into_inner);
                let value = message.payload().unwrap_or_default();
                checker.observe(message.partition(), message.offset(), value)?;
            }
            Some(Err(error)) => {
                let is_loss = error.rdkafka_error_code()
                    == Some(rdkafka::error::RDKafkaErrorCode::AutoOffsetReset);
                ensure!(!is_loss, "what was visible is gone: {error}");
            }
            None => {}
        }
    }
    Ok(())
}

/// Reads the output from its beginning to the end over raw frames, and has `checker` judge it.
///
/// # Errors
/// The broker refuses, or the first violation.
pub(super) fn reread(
    wire: &mut Wire,
    topic: &str,
    partitions: i32,
    checker: &mut Checker,
) -> anyhow::Result<()> {
    for partition in 0..partitions {
        let mut offset = 0;
        loop {
            let read = read_committed(wire, topic, partition, offset)?;
            for record in &read.records {
                let observed = checker.observe(partition, record.offset, &record.value);
                observed.map_err(|it: Violation| anyhow::anyhow!("read over raw frames: {it}"))?;
            }
            if read.high_watermark <= read.next_offset {
                break;
            }
            ensure!(
                offset < read.next_offset,
                "stuck at {offset} in partition {partition}: last stable offset {}, high \
                 watermark {}",
                read.last_stable_offset,
                read.high_watermark
            );
            offset = read.next_offset;
        }
    }
    Ok(())
}
