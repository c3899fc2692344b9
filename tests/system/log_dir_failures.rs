//! Log dirs that fail: a disk that runs full under a write, a dir that cannot be used at the start.
//! What lies elsewhere is served on, and nothing acknowledged is lost.

use std::time::Duration;

use anyhow::{Context, ensure};
use bytes::Bytes;
use ringbrook_protocol::ResponseError;
use ringbrook_protocol::messages::fetch_request::FetchTopic;
use ringbrook_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use ringbrook_protocol::messages::metadata_request::MetadataRequestTopic;
use ringbrook_protocol::messages::metadata_response::MetadataResponsePartition;
use ringbrook_protocol::messages::offset_for_leader_epoch_request::{
    OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use ringbrook_protocol::messages::{
    BrokerId, FindCoordinatorRequest, ListOffsetsRequest, MetadataRequest,
    OffsetForLeaderEpochRequest,
};
use ringbrook_tests::{
    BrokerOptions, Client, SmallDisk, TestBroker, batch, error, fetch_request, single_fetched,
    topic_name, wait_until,
};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::deletion::delete_records;
use crate::log_dir_moves::{describe, dir_of};

const STORAGE: Option<ResponseError> = Some(ResponseError::KafkaStorageError);
const PATIENCE: Duration = Duration::from_secs(20);

/// A batch of one record that names its number and has some size.
fn numbered(number: usize) -> Bytes {
    batch(&[format!("{number:08}{}", "x".repeat(50_000))])
}

/// Produces until the broker refuses; returns how many were acknowledged and the refusal.
fn fill(client: &mut Client, topic: &str) -> anyhow::Result<(usize, Option<ResponseError>)> {
    for number in 0..2000 {
        let produced = client.try_produce(topic, 0, numbered(number))?;
        if produced.error_code != 0 {
            return Ok((number, error(produced.error_code)));
        }
    }
    anyhow::bail!("the disk does not run full")
}

fn assert_has(client: &mut Client, topic: &str, count: usize) -> anyhow::Result<()> {
    let texts = client.texts(topic, 0, 0)?;
    ensure!(count <= texts.len(), "{} of {count} are left", texts.len());
    for (number, text) in texts.iter().enumerate() {
        ensure!(text.starts_with(&format!("{number:08}")), "not {number}");
    }
    Ok(())
}

fn metadata(client: &mut Client, topic: &str) -> anyhow::Result<MetadataResponsePartition> {
    let wanted = MetadataRequestTopic::default().with_name(Some(topic_name(topic)));
    let request = MetadataRequest::default().with_topics(Some(vec![wanted]));
    let response = client.call(&request, 12)?;
    let topic = response.topics.into_iter().next().context("a topic")?;
    topic.partitions.into_iter().next().context("a partition")
}

/// Every API that touches the log of the partition answers KAFKA_STORAGE_ERROR, and Metadata shows
/// no leader.
fn assert_offline(client: &mut Client, topic: &str) -> anyhow::Result<()> {
    let produced = client.try_produce(topic, 0, batch(&["no"]))?;
    assert_eq!(error(produced.error_code), STORAGE, "Produce");
    let fetch = FetchTopic::default().with_topic(topic_name(topic));
    let fetched = single_fetched(client.call(&fetch_request(fetch, &[(0, 0)]), 12)?)?;
    assert_eq!(error(fetched.error_code), STORAGE, "Fetch");
    for timestamp in [-1, -2, 0] {
        let partition = ListOffsetsPartition::default()
            .with_current_leader_epoch(-1)
            .with_timestamp(timestamp);
        let wanted = ListOffsetsTopic::default()
            .with_name(topic_name(topic))
            .with_partitions(vec![partition]);
        let request = ListOffsetsRequest::default()
            .with_replica_id(BrokerId(-1))
            .with_topics(vec![wanted]);
        let listed = client.call(&request, 9)?;
        let code = listed.topics[0].partitions[0].error_code;
        assert_eq!(error(code), STORAGE, "ListOffsets {timestamp}");
    }
    let partition = OffsetForLeaderPartition::default().with_current_leader_epoch(-1);
    let wanted = OffsetForLeaderTopic::default()
        .with_topic(topic_name(topic))
        .with_partitions(vec![partition]);
    let request = OffsetForLeaderEpochRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_topics(vec![wanted]);
    let answer = client.call(&request, 4)?;
    let code = answer.topics[0].partitions[0].error_code;
    assert_eq!(error(code), STORAGE, "OffsetForLeaderEpoch");
    let deleted = delete_records(client, topic, 0, 0)?;
    assert_eq!(error(deleted.error_code), STORAGE, "DeleteRecords");
    let shown = metadata(client, topic)?;
    assert_eq!(
        error(shown.error_code),
        Some(ResponseError::LeaderNotAvailable)
    );
    assert_eq!(shown.leader_id, BrokerId(-1));
    assert_eq!(shown.offline_replicas, shown.replica_nodes);
    Ok(())
}

/// A topic whose partition lies in the dir, and one whose does not.
fn two_topics(client: &mut Client, dir: &str) -> anyhow::Result<[String; 2]> {
    let topics = ["one", "two"].map(str::to_owned);
    for topic in &topics {
        client.create_topic(topic, 1, &[("segment.bytes", "1048576")])?;
    }
    let [one, two] = topics;
    if dir_of(client, &one, 0)? == dir {
        Ok([one, two])
    } else {
        Ok([two, one])
    }
}

#[test]
fn a_full_disk_takes_its_dir_offline_and_the_rest_serves_on() -> anyhow::Result<()> {
    let Some(disk) = SmallDisk::mount(12 << 20)? else {
        return Ok(());
    };
    disk.occupy(6 << 20)?;
    let temp = TempDir::new()?;
    let dirs = [
        temp.path().join("a").display().to_string(),
        disk.path().join("b").display().to_string(),
    ];
    let options = BrokerOptions::fast()
        .set("log.dirs", &dirs.join(","))
        .set("log.dir.min.free.bytes", "0")
        .with_disk(&disk);
    let mut broker = TestBroker::start_with(options.clone())?;
    let mut client = broker.client()?;
    let [small, large] = two_topics(&mut client, &dirs[1])?;
    client.produce(&large, 0, numbered(0))?;
    let (acknowledged, refusal) = fill(&mut client, &small)?;
    assert_eq!(refusal, STORAGE);
    assert!(20 < acknowledged, "only {acknowledged} fitted");
    assert_offline(&mut client, &small)?;
    client.produce(&large, 0, numbered(1))?;
    assert_has(&mut client, &large, 2)?;
    let described = describe(&mut client)?;
    assert_eq!(described[1].error, STORAGE);
    assert!(described[1].partitions.is_empty());
    assert_eq!(described[0].error, None);
    for topic in ["three", "four"] {
        client.create_topic(topic, 1, &[])?;
        assert_eq!(dir_of(&mut client, topic, 0)?, dirs[0]);
    }
    // The documented action: make room, restart.
    disk.free()?;
    broker.terminate(Signal::TERM)?;
    let broker = TestBroker::start_with(options)?;
    let mut client = broker.client()?;
    assert_has(&mut client, &small, acknowledged)?;
    assert_has(&mut client, &large, 2)?;
    let end = client.list_offset(&small, 0, -1)?.offset;
    assert_eq!(client.produce(&small, 0, batch(&["again"]))?, end);
    Ok(())
}

/// Before a write fails, produce is refused; making room is enough then.
#[test]
fn a_nearly_full_disk_refuses_produce_until_there_is_room() -> anyhow::Result<()> {
    let Some(disk) = SmallDisk::mount(40 << 20)? else {
        return Ok(());
    };
    let options = BrokerOptions::fast()
        .set("log.dirs", &disk.path().join("data").display().to_string())
        .with_disk(&disk);
    let broker = TestBroker::start_with(options)?;
    let mut client = broker.client()?;
    client.create_topic("t", 1, &[])?;
    client.produce("t", 0, numbered(0))?;
    disk.occupy(38 << 20)?;
    let mut refusal = None;
    wait_until(PATIENCE, || {
        let produced = client.try_produce("t", 0, batch(&["no"]));
        refusal = produced.ok().and_then(|it| error(it.error_code));
        refusal.is_some()
    });
    assert_eq!(refusal, STORAGE);
    let end = client.list_offset("t", 0, -1)?.offset;
    assert_eq!(client.try_fetch("t", 0, 0)?.error_code, 0);
    disk.free()?;
    let mut offset = None;
    wait_until(PATIENCE, || {
        offset = client.produce("t", 0, batch(&["again"])).ok();
        offset.is_some()
    });
    assert_eq!(offset, Some(end), "{}", broker.log());
    broker.stop()
}

#[test]
fn without_a_log_dir_left_the_broker_stops_and_says_why() -> anyhow::Result<()> {
    let Some(disk) = SmallDisk::mount(12 << 20)? else {
        return Ok(());
    };
    disk.occupy(6 << 20)?;
    let options = BrokerOptions::fast()
        .set("log.dirs", &disk.path().join("data").display().to_string())
        .set("log.dir.min.free.bytes", "0")
        .with_disk(&disk);
    let mut broker = TestBroker::start_with(options.clone())?;
    let mut client = broker.client()?;
    client.create_topic("t", 1, &[])?;
    let mut acknowledged = 0;
    while let Ok(produced) = client.try_produce("t", 0, numbered(acknowledged)) {
        if produced.error_code != 0 {
            break;
        }
        acknowledged += 1;
    }
    let status = broker.ended()?;
    assert_eq!(status.code(), Some(1), "{}", broker.log());
    let said = broker.log();
    assert!(said.contains("every log directory is offline"), "{said}");
    assert!(said.contains("No space left on device"), "{said}");
    disk.free()?;
    let broker = TestBroker::start_with(options)?;
    let mut client = broker.client()?;
    assert_has(&mut client, "t", acknowledged)?;
    client.produce("t", 0, batch(&["again"]))?;
    Ok(())
}

/// A dir that is not there at the start, as when its disk is not mounted: its partitions are not
/// created anew elsewhere, and come back with it.
#[test]
fn a_dir_that_is_missing_at_the_start_keeps_its_partitions() -> anyhow::Result<()> {
    let temp = TempDir::new()?;
    let dirs = ["a", "b"].map(|name| temp.path().join(name).display().to_string());
    let options = BrokerOptions::fast().set("log.dirs", &dirs.join(","));
    let broker = TestBroker::start_with(options.clone())?;
    let mut client = broker.client()?;
    let [lost, kept] = two_topics(&mut client, &dirs[1])?;
    client.produce(&lost, 0, numbered(0))?;
    client.produce(&kept, 0, numbered(0))?;
    broker.stop()?;
    let aside = temp.path().join("aside");
    std::fs::rename(&dirs[1], &aside)?;
    // Nothing can be created where a file is, not even by root.
    std::fs::write(&dirs[1], "")?;
    let broker = TestBroker::start_with(options.clone())?;
    let mut client = broker.client()?;
    assert_offline(&mut client, &lost)?;
    assert_has(&mut client, &kept, 1)?;
    assert_eq!(describe(&mut client)?[1].error, STORAGE);
    client.create_topic("new", 1, &[])?;
    assert_eq!(dir_of(&mut client, "new", 0)?, dirs[0]);
    drop(broker);
    std::fs::remove_file(&dirs[1])?;
    std::fs::rename(&aside, &dirs[1])?;
    let broker = TestBroker::start_with(options)?;
    let mut client = broker.client()?;
    assert_has(&mut client, &lost, 1)?;
    assert_eq!(dir_of(&mut client, &lost, 0)?, dirs[1]);
    client.produce(&lost, 0, numbered(1))?;
    Ok(())
}

/// Groups whose partition of `__consumer_offsets` is offline have no coordinator.
#[test]
fn groups_of_an_offline_dir_have_no_coordinator() -> anyhow::Result<()> {
    let Some(disk) = SmallDisk::mount(12 << 20)? else {
        return Ok(());
    };
    let temp = TempDir::new()?;
    let dirs = [
        temp.path().join("a").display().to_string(),
        disk.path().join("b").display().to_string(),
    ];
    let options = BrokerOptions::fast()
        .set("log.dirs", &dirs.join(","))
        .set("log.dir.min.free.bytes", "0")
        .with_disk(&disk);
    let broker = TestBroker::start_with(options)?;
    let mut client = broker.client()?;
    let find = |client: &mut Client, group: String| -> anyhow::Result<Option<ResponseError>> {
        let key = ringbrook_protocol::StrBytes::from_string(group);
        let request = FindCoordinatorRequest::default().with_coordinator_keys(vec![key]);
        let answer = client.call(&request, 4)?;
        Ok(error(answer.coordinators[0].error_code))
    };
    assert_eq!(find(&mut client, "g".to_owned())?, None);
    let [small, _] = two_topics(&mut client, &dirs[1])?;
    fill(&mut client, &small)?;
    let mut found = [0, 0];
    for number in 0..40 {
        match find(&mut client, format!("group-{number}"))? {
            None => found[0] += 1,
            Some(ResponseError::CoordinatorNotAvailable) => found[1] += 1,
            other => anyhow::bail!("{other:?}"),
        }
    }
    assert!(0 < found[0] && 0 < found[1], "{found:?}");
    Ok(())
}
