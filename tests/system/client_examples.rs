//! Every example of the client, run against the broker: they are documentation, and what they
//! print is checked so that they stay true.

use std::collections::BTreeSet;

use anyhow::ensure;
use ringbrook_client::TopicPartition;
use ringbrook_tests::{Example, now_ms, unique};

use crate::client_admin::Ground;
use crate::client_consumer::Text;

/// The examples that tests here run.
const TRIED: [&str; 12] = [
    "admin",
    "consumer_group",
    "custom_partitioner",
    "keyed",
    "lag_monitor",
    "manual_commit",
    "multi_worker",
    "rebalance_listener",
    "seek_by_time",
    "simple_producer",
    "sync_async",
    "transactional",
];

/// A broker to show, with a topic of numbers.
struct Show {
    ground: Ground,
    address: String,
    topic: String,
}

impl Show {
    async fn new(partitions: i32) -> anyhow::Result<Self> {
        let ground = Ground::new()?;
        Ok(Self {
            address: ground.broker.address().to_string(),
            topic: ground.topic("examples", partitions).await?,
            ground,
        })
    }

    /// With the numbers from 0 to 9 in each of two partitions.
    async fn with_numbers() -> anyhow::Result<Self> {
        let show = Self::new(2).await?;
        for partition in [0, 1] {
            let sent = show.ground.send_numbers(&show.topic, partition, 0..10);
            sent.await?;
        }
        Ok(show)
    }
}

fn count(lines: &[String], text: &str) -> usize {
    lines.iter().filter(|line| line.contains(text)).count()
}

fn expect(lines: &[String], text: &str) -> anyhow::Result<()> {
    ensure!(count(lines, text) == 1, "not one \"{text}\": {lines:#?}");
    Ok(())
}

#[test]
fn client_examples_are_all_tried() -> anyhow::Result<()> {
    assert_eq!(Example::names()?, TRIED);
    Ok(())
}

#[tokio::test]
async fn client_examples_produce() -> anyhow::Result<()> {
    let show = Show::new(3).await?;
    let (address, topic) = (show.address.as_str(), show.topic.as_str());
    let lines = Example::run("simple_producer", &[address, topic])?;
    for number in 1..=10 {
        expect(&lines, &format!("greeting {number} is {topic}-"))?;
    }

    let other = show.ground.topic("examples", 3).await?;
    let lines = Example::run("custom_partitioner", &[address, &other])?;
    expect(&lines, &format!("urgent-fire is {other}-0@0"))?;
    expect(&lines, &format!("urgent-flood is {other}-0@1"))?;
    assert_eq!(count(&lines, &format!("{other}-0@")), 2);

    let other = show.ground.topic("examples", 3).await?;
    let lines = Example::run("keyed", &[address, &other])?;
    assert_eq!(lines.len(), 48);
    for room in ["kitchen", "cellar"] {
        // All of a room are in one partition, one behind the other.
        let of_room: Vec<_> = lines.iter().filter(|it| it.contains(room)).collect();
        let places = of_room.iter().filter_map(|it| it.split_once(" is "));
        let partitions: BTreeSet<_> = places.filter_map(|(_, it)| it.split('@').next()).collect();
        assert_eq!((of_room.len(), partitions.len()), (24, 1), "{lines:#?}");
    }

    let lines = Example::run("sync_async", &[address, topic])?;
    for number in 0..10 {
        expect(&lines, &format!("event {number} is {topic}-"))?;
    }
    assert_eq!(count(&lines, " is lost"), 0);
    expect(&lines, "10,000 records together")?;
    expect(&lines, "records per batch, compressed to ")?;
    let sent = show.ground.end(topic, 3).await?;
    assert_eq!(sent, 10 + 10 + 10_000 + 10 + 10);
    Ok(())
}

impl Ground {
    /// How many offsets a topic has in all partitions together.
    async fn end(&self, topic: &str, partitions: i32) -> anyhow::Result<i64> {
        let reader = self.consumer(&[])?;
        let all = (0..partitions).map(|it| TopicPartition::new(topic, it));
        let ends = reader.end_offsets(&all.collect::<Vec<_>>()).await?;
        Ok(ends.values().sum())
    }
}

#[tokio::test]
async fn client_examples_use_transactions_and_administer() -> anyhow::Result<()> {
    let show = Show::new(1).await?;
    let lines = Example::run("transactional", &[&show.address])?;
    expect(&lines, "alice has paid bob 7")?;
    expect(&lines, "bob has paid carol 3")?;
    let lines = Example::run("admin", &[&show.address])?;
    for partition in 0..3 {
        expect(&lines, &format!("admin-example-{partition} ends at 0"))?;
        expect(&lines, &format!("admin-example-{partition} is led by "))?;
    }
    Ok(())
}

#[tokio::test]
async fn client_examples_read_in_groups() -> anyhow::Result<()> {
    let show = Show::with_numbers().await?;
    let (address, topic) = (show.address.as_str(), show.topic.as_str());
    let group = unique("examples");
    let member = Example::start("consumer_group", &[address, &group, topic])?;
    member.wait_for(20, " @ ")?;
    member.interrupt()?;
    let lines = member.finish()?;
    for number in 0..10 {
        for partition in [0, 1] {
            expect(&lines, &format!("{topic}-{partition} @ {number}: {number}"))?;
        }
    }

    // What the group has read it has committed; others begin anew.
    let lag = Example::start("lag_monitor", &[address, &group, topic])?;
    lag.wait_for(1, &format!("{group} is 0 records behind"))?;
    show.ground.send_numbers(topic, 0, 10..13).await?;
    lag.wait_for(1, &format!("{topic}-0: 3 behind (10 of 13)"))?;
    lag.wait_for(1, &format!("{group} is 3 records behind"))?;
    lag.interrupt()?;
    lag.finish()?;

    let nobody = unique("examples");
    let lag = Example::start("lag_monitor", &[address, &nobody, topic])?;
    lag.wait_for(
        1,
        &format!("{topic}-1: nothing is committed, the end is 10"),
    )?;
    lag.interrupt()?;
    lag.finish()?;
    Ok(())
}

#[tokio::test]
async fn client_examples_commit_listen_and_share_work() -> anyhow::Result<()> {
    let show = Show::with_numbers().await?;
    let (address, topic) = (show.address.as_str(), show.topic.as_str());
    let groups = [(); 3].map(|()| unique("examples"));
    let commit = Example::start("manual_commit", &[address, &groups[0], topic])?;
    let listener = Example::start("rebalance_listener", &[address, &groups[1], topic])?;
    let workers = Example::start("multi_worker", &[address, &groups[2], topic, "2"])?;
    let lines = commit.finish()?;
    for partition in [0, 1] {
        let processed = format!("processed {topic}-{partition} @ ");
        assert_eq!(count(&lines, &processed), 10, "{lines:#?}");
    }
    // It commits what it has processed: the next run finds nothing.
    let again = Example::run("manual_commit", &[address, &groups[0], topic])?;
    assert!(again.is_empty(), "{again:#?}");
    let lines = listener.finish()?;
    expect(&lines, "new: [")?;
    assert_eq!(count(&lines, "will be read again"), 0);
    let lines = workers.finish()?;
    let ended = lines
        .iter()
        .filter_map(|it| it.strip_prefix("a worker has read "));
    let counts = ended.filter_map(|it| it.split(' ').next()?.parse::<usize>().ok());
    let counts: Vec<_> = counts.collect();
    assert_eq!(
        (counts.len(), counts.iter().sum::<usize>()),
        (2, 20),
        "{lines:#?}"
    );
    Ok(())
}

#[tokio::test]
async fn client_examples_seek_by_time() -> anyhow::Result<()> {
    let show = Show::with_numbers().await?;
    let (address, topic) = (show.address.as_str(), show.topic.as_str());
    let other = show.ground.topic("examples", 1).await?;
    let record = |value: &str, age_ms| {
        let record = Text::new(other.as_str(), value.to_owned());
        record.with_timestamp(now_ms() - age_ms)
    };
    let records = vec![record("old", 3_600_000), record("new", 0)];
    show.ground.send(&[], records).await?;
    let lines = Example::run("seek_by_time", &[address, &other, "10"])?;
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert!(lines[0].starts_with(&format!("{other}-0 @ 1 of ")) && lines[0].ends_with(": new"));
    let lines = Example::run("seek_by_time", &[address, topic, "10"])?;
    assert_eq!(lines.len(), 20, "{lines:#?}");
    let lines = Example::run("seek_by_time", &[address, topic, "0"])?;
    assert!(lines.is_empty(), "{lines:#?}");
    Ok(())
}
