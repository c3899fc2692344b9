//! A member of a group in a process of its own, for tests that kill and stop it. It reads a topic,
//! commits after every poll, and says on standard output what it gets, loses and reads.
//!
//! `group-member HOST:PORT GROUP TOPIC [property=value]...`

use std::io::Write;
use std::time::Duration;

use anyhow::Context;
use futures_util::future::BoxFuture;
use ringbrook_client::TopicPartition;
use ringbrook_client::config::{ConsumerConfig, Properties};
use ringbrook_client::consumer::{Consumer, RebalanceContext, RebalanceListener};
use ringbrook_client::serialization::StringSerializer;

/// Says what comes and goes, as `assigned 0 2`.
struct Talker;

impl Talker {
    fn tell<'a>(what: &str, partitions: &[TopicPartition]) -> BoxFuture<'a, ()> {
        let mut line = what.to_owned();
        for it in partitions {
            line.push_str(&format!(" {}", it.partition));
        }
        say(&line);
        Box::pin(std::future::ready(()))
    }
}

impl RebalanceListener for Talker {
    fn on_partitions_assigned<'a>(
        &'a self,
        _consumer: &'a RebalanceContext,
        partitions: &'a [TopicPartition],
    ) -> BoxFuture<'a, ()> {
        Self::tell("assigned", partitions)
    }

    fn on_partitions_revoked<'a>(
        &'a self,
        _consumer: &'a RebalanceContext,
        partitions: &'a [TopicPartition],
    ) -> BoxFuture<'a, ()> {
        Self::tell("revoked", partitions)
    }

    fn on_partitions_lost<'a>(
        &'a self,
        _consumer: &'a RebalanceContext,
        partitions: &'a [TopicPartition],
    ) -> BoxFuture<'a, ()> {
        Self::tell("lost", partitions)
    }
}

/// One line for the test. It has gone when nobody takes it; then this process is to end, too.
fn say(line: &str) {
    if writeln!(std::io::stdout(), "{line}").is_err() {
        std::process::exit(1);
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [servers, group, topic, settings @ ..] = args.as_slice() else {
        anyhow::bail!("usage: group-member HOST:PORT GROUP TOPIC [property=value]...");
    };
    let mut properties = Properties::default();
    properties.set("bootstrap.servers", servers);
    properties.set("group.id", group);
    properties.set("enable.auto.commit", "false");
    properties.set("auto.offset.reset", "earliest");
    for setting in settings {
        let (name, value) = setting.split_once('=').context("property=value")?;
        properties.set(name, value);
    }
    let config = ConsumerConfig::from_properties(&properties)?;
    let consumer = Consumer::<String, String>::new(config, StringSerializer, StringSerializer)?;
    consumer.subscribe_with([topic.as_str()], Talker)?;
    loop {
        let records = consumer.poll(Duration::from_millis(100)).await?;
        if records.is_empty() {
            continue;
        }
        for record in records {
            say(&format!("read {}", record.value.unwrap_or_default()));
        }
        match consumer.commit_sync().await {
            Ok(()) => say("committed"),
            Err(error) => say(&format!("refused {error}")),
        }
    }
}
