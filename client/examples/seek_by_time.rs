//! Reads what was written in the last minutes, in all partitions of a topic.
//!
//!     cargo run -p ringbrook-client --example seek_by_time -- localhost:9092 my-topic 10

use std::time::Duration;

use ringbrook_client::TopicPartition;
use ringbrook_client::clock;
use ringbrook_client::config::ConsumerConfig;
use ringbrook_client::consumer::Consumer;
use ringbrook_client::serialization::StringSerializer;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [servers, topic, minutes] = args.as_slice() else {
        anyhow::bail!("usage: seek_by_time host:port topic minutes");
    };
    let since = clock::now_ms() - minutes.parse::<i64>()? * 60_000;
    let servers = vec![servers.parse().map_err(anyhow::Error::msg)?];
    let config = ConsumerConfig::new(servers);
    let consumer = Consumer::<String, String>::new(config, StringSerializer, StringSerializer)?;

    // No group is needed: all partitions are assigned by hand.
    let partitions = consumer.partitions_for(topic).await?;
    let partitions = partitions.iter().map(|it| it.partition);
    let partitions = partitions.map(|index| TopicPartition::new(topic.as_str(), index));
    let partitions: Vec<_> = partitions.collect();
    consumer.assign(partitions.clone())?;

    let times = partitions.iter().map(|it| (it.clone(), since)).collect();
    for (partition, found) in consumer.offsets_for_times(&times).await? {
        match found {
            Some(first) => consumer.seek(&partition, first.offset)?,
            // Nothing is that young.
            None => consumer.seek_to_end(&[partition])?,
        }
    }

    // What is there now; records that come while it is read are left alone.
    for (partition, end) in consumer.end_offsets(&partitions).await? {
        while consumer.position(&partition).await? < end {
            for record in consumer.poll(Duration::from_secs(1)).await? {
                let value = record.value.unwrap_or_default();
                eprintln!(
                    "{}-{} @ {} of {}: {value}",
                    record.topic, record.partition, record.offset, record.timestamp
                );
            }
        }
    }
    consumer.close().await?;
    Ok(())
}
