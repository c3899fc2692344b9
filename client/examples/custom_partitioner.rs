//! A partitioner of one's own: urgent records have a partition to themselves.
//!
//! `cargo run -p ringbrook-client --example custom_partitioner -- localhost:9092 tasks`
//! The topic should have several partitions.

use ringbrook_client::ClientError;
use ringbrook_client::config::ProducerConfig;
use ringbrook_client::metadata::TopicMetadata;
use ringbrook_client::producer::partitioner::{Partitioner, partition_for_key};
use ringbrook_client::producer::{Producer, ProducerRecord};
use ringbrook_client::serialization::StringSerializer;

/// Partition 0 for keys that begin with "urgent", the others by hash as ever.
struct UrgentFirst;

impl Partitioner for UrgentFirst {
    fn partition(
        &self,
        topic: &TopicMetadata,
        key: Option<&[u8]>,
        _value: Option<&[u8]>,
    ) -> Result<i32, ClientError> {
        let key = key.unwrap_or_default();
        let others = topic.partitions_count() - 1;
        if key.starts_with(b"urgent") || others < 1 {
            return Ok(0);
        }
        Ok(1 + partition_for_key(key, others))
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    let server = args.next().unwrap_or_else(|| "localhost:9092".to_owned());
    let topic = args.next().unwrap_or_else(|| "tasks".to_owned());

    let config = ProducerConfig::new(vec![server.parse().map_err(anyhow::Error::msg)?]);
    let producer: Producer<String, String> = Producer::builder(config)
        .key_serializer(StringSerializer)
        .value_serializer(StringSerializer)
        .partitioner(UrgentFirst)
        .build()?;

    for key in ["urgent-fire", "laundry", "dishes", "urgent-flood"] {
        let record =
            ProducerRecord::new(topic.as_str(), format!("do it: {key}")).with_key(key.to_owned());
        let metadata = producer.send(record).await?.await?;
        eprintln!("{key} is {metadata}");
    }
    producer.close().await?;
    Ok(())
}
