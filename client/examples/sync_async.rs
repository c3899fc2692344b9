//! Four ways to send: await each record, await them together, be called back, or not care.
//!
//! `cargo run -p ringbrook-client --example sync_async -- localhost:9092 events`

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::try_join_all;
use ringbrook_client::config::{ProducerConfig, Properties};
use ringbrook_client::producer::{Producer, ProducerRecord, SendReason};
use tokio::time::Instant;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    let server = args.next().unwrap_or_else(|| "localhost:9092".to_owned());
    let topic: std::sync::Arc<str> = args.next().as_deref().unwrap_or("events").into();

    // Kafka's property names work too, from a file or as here.
    let properties = Properties::new()
        .with("bootstrap.servers", server)
        .with("linger.ms", "20")
        .with("compression.type", "lz4");
    let producer = Producer::builder(ProducerConfig::from_properties(&properties)?).build()?;
    let record = |number: u32| {
        let value = Bytes::from(format!("event {number}"));
        ProducerRecord::<Bytes, Bytes>::new(topic.clone(), value)
    };

    // 1. One by one: simple, and as slow as a round trip plus linger.ms per record.
    let begin = Instant::now();
    for number in 0..10 {
        producer.send(record(number)).await?.await?;
    }
    eprintln!("10 records one by one: {:?}", begin.elapsed());

    // 2. Together: the records share batches. Any failure is seen here.
    let begin = Instant::now();
    let mut deliveries = Vec::new();
    for number in 0..10_000 {
        deliveries.push(producer.send(record(number)).await?);
    }
    try_join_all(deliveries).await?;
    eprintln!("10,000 records together: {:?}", begin.elapsed());

    // 3. Called back.
    for number in 0..10 {
        let tell = move |outcome| match outcome {
            Ok(metadata) => eprintln!("event {number} is {metadata}"),
            Err(error) => eprintln!("event {number} is lost: {error}"),
        };
        producer.send_with(record(number), tell).await?;
    }
    producer.flush().await;

    // 4. Fire and forget: the delivery is dropped, the record is sent and retried all the same.
    for number in 0..10 {
        drop(producer.send(record(number)).await?);
    }

    // Everything buffered is sent before this returns, unless it takes too long.
    producer.close_within(Duration::from_secs(10)).await?;
    let counters = producer.counters();
    for reason in SendReason::ALL {
        eprintln!(
            "{:>18}: {} batches",
            reason.name(),
            counters.batches_for(reason)
        );
    }
    eprintln!(
        "{:.0} records per batch, compressed to {:.0} %, {:?} in the queue on average",
        counters.records_per_batch(),
        counters.compression_ratio() * 100.0,
        counters.queue_time_average()
    );
    Ok(())
}
