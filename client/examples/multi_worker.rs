//! Several workers in one process, each a member of the group with a consumer of its own.
//!
//!     cargo run -p ringbrook-client --example multi_worker -- localhost:9092 my-group my-topic 3

use std::time::Duration;

use ringbrook_client::config::{AutoOffsetReset, ConsumerConfig};
use ringbrook_client::consumer::Consumer;
use ringbrook_client::serialization::StringSerializer;
use tokio::task::JoinSet;

async fn work(worker: usize, config: ConsumerConfig, topic: String) -> anyhow::Result<usize> {
    let consumer = Consumer::<String, String>::new(config, StringSerializer, StringSerializer)?;
    consumer.subscribe([topic.as_str()])?;
    let mut count = 0;
    loop {
        let records = consumer.poll(Duration::from_secs(5)).await?;
        if records.is_empty() {
            break;
        }
        count += records.count();
        eprintln!(
            "worker {worker} has read {count} records of {:?}",
            consumer.assignment()
        );
    }
    consumer.close().await?;
    Ok(count)
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [servers, group, topic, workers] = args.as_slice() else {
        anyhow::bail!("usage: multi_worker host:port group topic workers");
    };
    let servers = vec![servers.parse().map_err(anyhow::Error::msg)?];
    let config = ConsumerConfig::new(servers)
        .with_group_id(group)
        .with_auto_offset_reset(AutoOffsetReset::Earliest);
    let mut workers_running = JoinSet::new();
    for worker in 0..workers.parse()? {
        workers_running.spawn(work(worker, config.clone(), topic.clone()));
    }
    while let Some(ended) = workers_running.join_next().await {
        eprintln!("a worker has read {} records", ended??);
    }
    Ok(())
}
