//! Is told which partitions come and go, and commits before they are given up.
//!
//!     cargo run -p ringbrook-client --example rebalance_listener -- localhost:9092 group topic

use std::time::Duration;

use futures_util::future::BoxFuture;
use ringbrook_client::TopicPartition;
use ringbrook_client::config::{AutoOffsetReset, ConsumerConfig};
use ringbrook_client::consumer::{Consumer, RebalanceContext, RebalanceListener};
use ringbrook_client::serialization::StringSerializer;

struct Narrator;

impl RebalanceListener for Narrator {
    fn on_partitions_assigned<'a>(
        &'a self,
        _consumer: &'a RebalanceContext,
        partitions: &'a [TopicPartition],
    ) -> BoxFuture<'a, ()> {
        eprintln!("new: {partitions:?}");
        Box::pin(std::future::ready(()))
    }

    fn on_partitions_revoked<'a>(
        &'a self,
        consumer: &'a RebalanceContext,
        partitions: &'a [TopicPartition],
    ) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            // The last moment at which the group takes commits for these.
            if let Err(error) = consumer.commit_sync().await {
                eprintln!("{partitions:?} will be read again: {error}");
            }
        })
    }

    fn on_partitions_lost<'a>(
        &'a self,
        _consumer: &'a RebalanceContext,
        partitions: &'a [TopicPartition],
    ) -> BoxFuture<'a, ()> {
        // Others read them already.
        eprintln!("lost: {partitions:?}");
        Box::pin(std::future::ready(()))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [servers, group, topic] = args.as_slice() else {
        anyhow::bail!("usage: rebalance_listener host:port group topic");
    };
    let servers = vec![servers.parse().map_err(anyhow::Error::msg)?];
    let mut config = ConsumerConfig::new(servers)
        .with_group_id(group)
        .with_auto_offset_reset(AutoOffsetReset::Earliest);
    config.enable_auto_commit = false;
    let consumer = Consumer::<String, String>::new(config, StringSerializer, StringSerializer)?;
    consumer.subscribe_with([topic.as_str()], Narrator)?;
    while !consumer.poll(Duration::from_secs(5)).await?.is_empty() {}
    consumer.close().await?;
    Ok(())
}
