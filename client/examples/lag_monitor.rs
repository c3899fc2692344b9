//! Tells every few seconds how far a group is behind, without being a member of it.
//!
//!     cargo run -p ringbrook-client --example lag_monitor -- localhost:9092 my-group my-topic

use std::time::Duration;

use ringbrook_client::TopicPartition;
use ringbrook_client::config::ConsumerConfig;
use ringbrook_client::consumer::Consumer;
use ringbrook_client::serialization::BytesSerializer;

const EVERY: Duration = Duration::from_secs(2);

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [servers, group, topic] = args.as_slice() else {
        anyhow::bail!("usage: lag_monitor host:port group topic");
    };
    let servers = vec![servers.parse().map_err(anyhow::Error::msg)?];
    // A consumer joins its group when it subscribes, and this one never does.
    let config = ConsumerConfig::new(servers).with_group_id(group);
    let consumer: Consumer = Consumer::new(config, BytesSerializer, BytesSerializer)?;
    let partitions = consumer.partitions_for(topic).await?;
    let partitions = partitions.iter().map(|it| it.partition);
    let partitions = partitions.map(|index| TopicPartition::new(topic.as_str(), index));
    let partitions: Vec<_> = partitions.collect();

    loop {
        let committed = consumer.committed(&partitions).await?;
        let ends = consumer.end_offsets(&partitions).await?;
        let mut total = 0;
        for partition in &partitions {
            let end = ends[partition];
            let Some(committed) = committed.get(partition) else {
                eprintln!("{partition}: nothing is committed, the end is {end}");
                continue;
            };
            let lag = end - committed.offset;
            total += lag;
            eprintln!("{partition}: {lag} behind ({} of {end})", committed.offset);
        }
        eprintln!("{group} is {total} records behind");
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            interrupted = tokio::signal::ctrl_c() => {
                interrupted?;
                break;
            }
        }
    }
    consumer.close().await?;
    Ok(())
}
