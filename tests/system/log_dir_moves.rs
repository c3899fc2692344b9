//! AlterReplicaLogDirs: partitions move between log dirs while they are produced to and fetched.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, ensure};
use ringbrook_protocol::messages::alter_replica_log_dirs_request::{
    AlterReplicaLogDir, AlterReplicaLogDirTopic,
};
use ringbrook_protocol::messages::{AlterReplicaLogDirsRequest, DescribeLogDirsRequest};
use ringbrook_protocol::{ResponseError, StrBytes};
use ringbrook_tests::{
    BrokerOptions, Client, TestBroker, batch, error, idempotent, topic_name, wait_until,
};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(30);

/// A log dir as DescribeLogDirs shows it: its path, its error, and of each partition topic, number,
/// size, lag and whether it is a copy under way.
pub(crate) struct Described {
    pub(crate) path: String,
    pub(crate) error: Option<ResponseError>,
    pub(crate) partitions: Vec<(String, i32, i64, i64, bool)>,
}

pub(crate) fn describe(client: &mut Client) -> anyhow::Result<Vec<Described>> {
    let request = DescribeLogDirsRequest::default().with_topics(None);
    let response = client.call(&request, 4)?;
    let dirs = response.results.into_iter().map(|dir| {
        let topics = dir.topics.iter().flat_map(|topic| {
            topic.partitions.iter().map(|it| {
                (
                    topic.name.to_string(),
                    it.partition_index,
                    it.partition_size,
                    it.offset_lag,
                    it.is_future_key,
                )
            })
        });
        Described {
            path: dir.log_dir.to_string(),
            error: error(dir.error_code),
            partitions: topics.collect(),
        }
    });
    Ok(dirs.collect())
}

/// The log dir that a partition is served from.
pub(crate) fn dir_of(client: &mut Client, topic: &str, index: i32) -> anyhow::Result<String> {
    let dirs = describe(client)?.into_iter();
    let found = dirs.filter(|dir| {
        let mut partitions = dir.partitions.iter();
        partitions.any(|it| it.0 == topic && it.1 == index && !it.4)
    });
    let found: Vec<_> = found.map(|dir| dir.path).collect();
    ensure!(found.len() == 1, "{topic}-{index} is served from {found:?}");
    found.into_iter().next().context("one dir")
}

fn alter(
    client: &mut Client,
    topic: &str,
    index: i32,
    dir: &str,
) -> anyhow::Result<Option<ResponseError>> {
    let topic = AlterReplicaLogDirTopic::default()
        .with_name(topic_name(topic))
        .with_partitions(vec![index]);
    let dir = AlterReplicaLogDir::default()
        .with_path(StrBytes::from_string(dir.to_owned()))
        .with_topics(vec![topic]);
    let request = AlterReplicaLogDirsRequest::default().with_dirs(vec![dir]);
    let response = client.call(&request, 2)?;
    let result = response.results.first().context("a topic in the answer")?;
    let partition = result.partitions.first().context("a partition")?;
    Ok(error(partition.error_code))
}

/// A broker with two log dirs, and their paths.
fn two_dirs(temp: &TempDir) -> anyhow::Result<(TestBroker, [String; 2])> {
    let dirs = ["a", "b"].map(|name| temp.path().join(name).display().to_string());
    let options = BrokerOptions::fast().set("log.dirs", &dirs.join(","));
    Ok((TestBroker::start_with(options)?, dirs))
}

#[test]
fn a_partition_moves_while_it_is_produced_to_and_fetched() -> anyhow::Result<()> {
    let temp = TempDir::new()?;
    let (broker, dirs) = two_dirs(&temp)?;
    let mut client = broker.client()?;
    client.create_topic("moving", 1, &[("segment.bytes", "1048576")])?;
    let producer_id = client.init_producer_id()?;
    let is_done = AtomicBool::new(false);
    let sent = std::thread::scope(|scope| -> anyhow::Result<i32> {
        let mut producer = broker.client()?;
        let done = &is_done;
        let producing = scope.spawn(move || -> anyhow::Result<i32> {
            let mut sequence = 0;
            while !done.load(Ordering::Acquire) {
                let records = idempotent(producer_id, sequence, &[sequence.to_string()]);
                let offset = producer.produce("moving", 0, records)?;
                ensure!(
                    offset == i64::from(sequence),
                    "record {sequence} is at {offset}"
                );
                sequence += 1;
            }
            Ok(sequence)
        });
        let moved = move_about(&mut client, &dirs);
        is_done.store(true, Ordering::Release);
        let sent = producing.join().map_err(|_| anyhow::anyhow!("panicked"))?;
        moved?;
        sent
    })?;
    let expected: Vec<_> = (0..sent).map(|number| number.to_string()).collect();
    assert_eq!(client.texts("moving", 0, 0)?, expected);
    let place = dir_of(&mut client, "moving", 0)?;
    let broker = broker.kill_and_restart()?;
    let mut client = broker.client()?;
    assert_eq!(dir_of(&mut client, "moving", 0)?, place);
    assert_eq!(client.texts("moving", 0, 0)?, expected);
    Ok(())
}

/// Moves the partition to the other dir four times, and waits each time.
fn move_about(client: &mut Client, dirs: &[String; 2]) -> anyhow::Result<()> {
    for _ in 0..4 {
        let from = dir_of(client, "moving", 0)?;
        let to = dirs.iter().find(|dir| **dir != from).context("two dirs")?;
        ensure!(alter(client, "moving", 0, to)?.is_none(), "not altered");
        let has_moved = wait_until(PATIENCE, || {
            dir_of(client, "moving", 0).is_ok_and(|dir| dir == *to)
        });
        ensure!(has_moved, "the partition does not move");
        client.try_fetch("moving", 0, 0)?;
    }
    Ok(())
}

#[test]
fn altering_log_dirs_refuses_what_kafka_refuses() -> anyhow::Result<()> {
    let temp = TempDir::new()?;
    let (broker, dirs) = two_dirs(&temp)?;
    let mut client = broker.client()?;
    client.create_topic("t", 1, &[])?;
    let nowhere = Some(ResponseError::LogDirNotFound);
    assert_eq!(alter(&mut client, "t", 0, "/no/such/dir")?, nowhere);
    let unknown = Some(ResponseError::UnknownTopicOrPartition);
    assert_eq!(alter(&mut client, "t", 1, &dirs[0])?, unknown);
    let long = "x".repeat(240);
    let invalid = Some(ResponseError::InvalidTopicException);
    assert_eq!(alter(&mut client, &long, 0, &dirs[0])?, invalid);
    // The dir is remembered for a topic that does not exist yet.
    for dir in [&dirs[1], &dirs[0], &dirs[1]] {
        let topic = ringbrook_tests::unique("later");
        assert_eq!(alter(&mut client, &topic, 0, dir)?, unknown);
        client.create_topic(&topic, 1, &[])?;
        assert_eq!(dir_of(&mut client, &topic, 0)?, **dir);
    }
    Ok(())
}

/// A crash in the middle of a copy: the move is begun again and comes to its end.
#[test]
fn a_move_goes_on_after_a_crash() -> anyhow::Result<()> {
    let temp = TempDir::new()?;
    let dirs = ["a", "b"].map(|name| temp.path().join(name).display().to_string());
    let slow = BrokerOptions::fast()
        .set("log.dirs", &dirs.join(","))
        .set("replica.alter.log.dirs.io.max.bytes.per.second", "1");
    let mut broker = TestBroker::start_with(slow)?;
    let mut client = broker.client()?;
    client.create_topic("t", 1, &[])?;
    for _ in 0..3 {
        client.produce("t", 0, batch(&["x".repeat(20_000)]))?;
    }
    let from = dir_of(&mut client, "t", 0)?;
    let to = dirs.iter().find(|dir| **dir != from).context("two dirs")?;
    assert_eq!(alter(&mut client, "t", 0, to)?, None);
    let futures = |client: &mut Client| -> anyhow::Result<Vec<_>> {
        let dirs = describe(client)?.into_iter();
        let partitions = dirs.flat_map(|dir| dir.partitions);
        Ok(partitions.filter(|it| it.4).collect())
    };
    let copies = futures(&mut client)?;
    assert_eq!(copies.len(), 1, "{copies:?}");
    assert!(0 < copies[0].3, "the copy lags: {copies:?}");
    broker.kill()?;
    let fast = BrokerOptions::fast().set("log.dirs", &dirs.join(","));
    let broker = TestBroker::start_with(fast)?;
    let mut client = broker.client()?;
    let has_moved = wait_until(PATIENCE, || {
        dir_of(&mut client, "t", 0).is_ok_and(|dir| dir == *to)
    });
    assert!(has_moved, "{}", broker.log());
    assert!(futures(&mut client)?.is_empty());
    assert_eq!(client.texts("t", 0, 0)?.len(), 3);
    // Clients see the new place a moment before the old directory gets the name of a removed one.
    let old = Path::new(&from).join("t-0");
    assert!(wait_until(PATIENCE, || !old.exists()), "{}", broker.log());
    Ok(())
}
