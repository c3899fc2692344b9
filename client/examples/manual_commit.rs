//! Commits what is processed, and nothing else: after a crash records may be processed again, but
//! none is left out.
//!
//!     cargo run -p ringbrook-client --example manual_commit -- localhost:9092 my-group my-topic

use std::time::Duration;

use ringbrook_client::config::{AutoOffsetReset, ConsumerConfig};
use ringbrook_client::consumer::Consumer;
use ringbrook_client::serialization::StringSerializer;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [servers, group, topic] = args.as_slice() else {
        anyhow::bail!("usage: manual_commit host:port group topic");
    };
    let servers = vec![servers.parse().map_err(anyhow::Error::msg)?];
    let mut config = ConsumerConfig::new(servers)
        .with_group_id(group)
        .with_auto_offset_reset(AutoOffsetReset::Earliest);
    config.enable_auto_commit = false;
    let consumer = Consumer::<String, String>::new(config, StringSerializer, StringSerializer)?;
    consumer.subscribe([topic.as_str()])?;
    loop {
        let records = consumer.poll(Duration::from_secs(5)).await?;
        if records.is_empty() {
            break;
        }
        for record in &records {
            eprintln!(
                "processed {}-{} @ {}",
                record.topic, record.partition, record.offset
            );
        }
        // One commit for all of them; commit_record does it for one, commit_async without waiting.
        consumer.commit_offsets(records.next_offsets()).await?;
    }
    consumer.close().await?;
    Ok(())
}
