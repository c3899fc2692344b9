//! The least a producer needs: records of text, sent and awaited.
//!
//! `cargo run -p ringbrook-client --example simple_producer -- localhost:9092 greetings`

use ringbrook_client::config::ProducerConfig;
use ringbrook_client::producer::{Producer, ProducerRecord};
use ringbrook_client::serialization::StringSerializer;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    let server = args.next().unwrap_or_else(|| "localhost:9092".to_owned());
    let topic = args.next().unwrap_or_else(|| "greetings".to_owned());

    let config = ProducerConfig::new(vec![server.parse().map_err(anyhow::Error::msg)?]);
    let producer: Producer<String, String> = Producer::builder(config)
        .key_serializer(StringSerializer)
        .value_serializer(StringSerializer)
        .build()?;

    for number in 1..=10 {
        let record = ProducerRecord::new(topic.as_str(), format!("greeting {number}"));
        // `send` is over as soon as the record is in a batch; its delivery when a broker has it.
        let delivery = producer.send(record).await?;
        eprintln!("greeting {number} is {}", delivery.await?);
    }

    // Sends what is still buffered: nothing here, since every record was awaited.
    producer.close().await?;
    Ok(())
}
