//! Reads topics as a member of a group: start it twice, and each reads half of the partitions.
//!
//!     cargo run -p ringbrook-client --example consumer_group -- localhost:9092 my-group my-topic

use std::time::Duration;

use ringbrook_client::config::{AutoOffsetReset, ConsumerConfig};
use ringbrook_client::consumer::Consumer;
use ringbrook_client::serialization::StringSerializer;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [servers, group, topic] = args.as_slice() else {
        anyhow::bail!("usage: consumer_group host:port group topic");
    };
    let servers = vec![servers.parse().map_err(anyhow::Error::msg)?];
    let config = ConsumerConfig::new(servers)
        .with_group_id(group)
        .with_auto_offset_reset(AutoOffsetReset::Earliest);
    let consumer = Consumer::<String, String>::new(config, StringSerializer, StringSerializer)?;
    consumer.subscribe([topic.as_str()])?;
    // Positions are committed in the background (enable.auto.commit), and once more by close.
    loop {
        let records = tokio::select! {
            records = consumer.poll(Duration::from_secs(1)) => records?,
            interrupted = tokio::signal::ctrl_c() => {
                interrupted?;
                break;
            }
        };
        for record in records {
            let value = record.value.unwrap_or_default();
            eprintln!(
                "{}-{} @ {}: {value}",
                record.topic, record.partition, record.offset
            );
        }
    }
    // Leaves the group, so that the others take over at once.
    consumer.close().await?;
    Ok(())
}
