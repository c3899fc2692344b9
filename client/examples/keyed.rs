//! Records with keys, headers and timestamps: what has the same key goes to the same partition and
//! stays in order.
//!
//! `cargo run -p ringbrook-client --example keyed -- localhost:9092 readings`

use ringbrook_client::config::ProducerConfig;
use ringbrook_client::producer::{Producer, ProducerRecord};
use ringbrook_client::serialization::{DoubleSerializer, StringSerializer};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    let server = args.next().unwrap_or_else(|| "localhost:9092".to_owned());
    let topic = args.next().unwrap_or_else(|| "readings".to_owned());

    let config = ProducerConfig::new(vec![server.parse().map_err(anyhow::Error::msg)?]);
    let producer: Producer<String, f64> = Producer::builder(config)
        .key_serializer(StringSerializer)
        .value_serializer(DoubleSerializer)
        .build()?;

    let mut deliveries = Vec::new();
    for hour in 0..24_i64 {
        for room in ["kitchen", "cellar"] {
            let record = ProducerRecord::new(topic.as_str(), 20.0 - hour as f64 / 10.0)
                .with_key(room.to_owned())
                .with_timestamp(1_700_000_000_000 + hour * 3_600_000)
                .with_header("unit", "celsius");
            // Not awaited one by one: the records of a room travel together in few batches.
            deliveries.push((room, producer.send(record).await?));
        }
    }
    for (room, delivery) in deliveries {
        eprintln!("a reading of the {room} is {}", delivery.await?);
    }

    // A record without a value deletes its key from a compacted topic.
    let tombstone = ProducerRecord::tombstone(topic.as_str(), "cellar".to_owned());
    producer.send(tombstone).await?.await?;
    producer.close().await?;
    Ok(())
}
