//! Every call of producer and consumer may be made in a spawned task. That this compiles is the
//! claim: the compiler takes futures of async closures that borrow for `Send` where they stand, and
//! only spawning what holds them shows that it does not elsewhere.

use std::future::Future;
use std::time::Duration;

use ringbrook_client::config::{ConsumerConfig, ProducerConfig};
use ringbrook_client::consumer::Consumer;
use ringbrook_client::producer::{Producer, ProducerRecord};
use ringbrook_client::serialization::StringSerializer;
use ringbrook_client::{ClientError, TopicPartition};

/// Takes what `tokio::spawn` takes.
fn spawned(_: impl Future<Output = Result<(), ClientError>> + Send + 'static) {}

#[tokio::test]
async fn a_producer_works_in_spawned_tasks() -> Result<(), Box<dyn std::error::Error>> {
    let config = ProducerConfig::new(vec!["localhost:9092".parse()?]);
    let producer: Producer<String, String> = Producer::builder(config)
        .key_serializer(StringSerializer)
        .value_serializer(StringSerializer)
        .build()?;
    spawned(async move {
        let record = || ProducerRecord::new("orders", String::new());
        producer.init_transactions().await?;
        producer.begin_transaction()?;
        producer.send(record()).await?.await?;
        producer.send_with(record(), drop).await?;
        producer.commit_transaction().await?;
        producer.abort_transaction().await?;
        producer.flush().await;
        producer.partitions_for("orders").await?;
        producer.close_within(Duration::ZERO).await
    });
    Ok(())
}

#[tokio::test]
async fn a_consumer_works_in_spawned_tasks() -> Result<(), Box<dyn std::error::Error>> {
    let config = ConsumerConfig::new(vec!["localhost:9092".parse()?]).with_group_id("group");
    let consumer = Consumer::<String, String>::new(config, StringSerializer, StringSerializer)?;
    spawned(async move {
        let partition = TopicPartition::new("orders", 0);
        let partitions = [partition.clone()];
        consumer.poll(Duration::ZERO).await?;
        consumer.position(&partition).await?;
        consumer.beginning_offsets(&partitions).await?;
        consumer.end_offsets(&partitions).await?;
        consumer.offsets_for_times(&[(partition, 0)].into()).await?;
        consumer.partitions_for("orders").await?;
        consumer.committed(&partitions).await?;
        consumer.commit_sync().await?;
        consumer.unsubscribe().await?;
        consumer.close().await
    });
    Ok(())
}
