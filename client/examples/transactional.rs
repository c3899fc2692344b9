//! Moves money: a debit and a credit, both or neither.
//!
//!     cargo run -p ringbrook-client --example transactional -- localhost:9092

use ringbrook_client::ClientError;
use ringbrook_client::config::ProducerConfig;
use ringbrook_client::producer::{Producer, ProducerRecord};
use ringbrook_client::serialization::StringSerializer;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let broker = std::env::args().nth(1);
    let broker = broker.as_deref().unwrap_or("localhost:9092");
    let mut config = ProducerConfig::new(vec![broker.parse()?]);
    // One id per running instance: a second producer with the same id fences the first.
    config.transactional_id = Some("payments-1".to_owned());
    let producer: Producer<String, String> = Producer::builder(config)
        .key_serializer(StringSerializer)
        .value_serializer(StringSerializer)
        .build()?;

    producer.init_transactions().await?;
    for (from, to, amount) in [("alice", "bob", 7), ("bob", "carol", 3)] {
        match transfer(&producer, from, to, amount).await {
            Ok(()) => eprintln!("{from} has paid {to} {amount}"),
            // Nothing of this transfer will be seen; the next one may succeed.
            Err(error) if !error.is_fatal() => {
                eprintln!("{from} cannot pay {to}: {error}");
                producer.abort_transaction().await?;
            }
            // Such as being fenced: only another producer can go on.
            Err(error) => return Err(error.into()),
        }
    }
    producer.close().await?;
    Ok(())
}

/// Consumers with isolation.level=read_committed see both records or none.
async fn transfer(
    producer: &Producer<String, String>,
    from: &str,
    to: &str,
    amount: i32,
) -> Result<(), ClientError> {
    producer.begin_transaction()?;
    for (account, change) in [(from, -amount), (to, amount)] {
        let record = ProducerRecord::new("payments", change.to_string());
        drop(producer.send(record.with_key(account.to_owned())).await?);
    }
    // Waits for both records; if one could not be written, the commit fails.
    producer.commit_transaction().await
}
