//! Compaction: of each key the last record stays, at its offset, also when the broker is killed
//! while it cleans. What a round keeps in every detail is tested in the engine.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use anyhow::{Context, ensure};
use bytes::Bytes;
use ringbrook_record::{BatchBuilder, Batches, Codec, Header};
use ringbrook_tests::{
    BrokerOptions, Client, TestBroker, TestRecord, error, now_ms, read, wait_until,
};

use crate::crash::set_config;
use crate::group::{Member, commit, fetched_offset, find_coordinator, text};

const DEADLINE: Duration = Duration::from_secs(60);
const NO_HEADERS: [Header<'static>; 0] = [];
const VALUE_BYTES: usize = 60_000;
const COMPACTED: [(&str, &str); 4] = [
    ("cleanup.policy", "compact"),
    ("segment.bytes", "1048576"),
    ("min.cleanable.dirty.ratio", "0.01"),
    ("file.delete.delay.ms", "10"),
];

fn options() -> BrokerOptions {
    BrokerOptions::fast()
        .set("log.cleaner.backoff.ms", "20")
        .set("log.retention.check.interval.ms", "100")
        .set("log.initial.task.delay.ms", "0")
}

/// A batch of one record; the value begins with `number`. Without one it is a tombstone.
fn keyed(key: &str, number: Option<i64>) -> Bytes {
    let value = number.map(|number| {
        let mut value = vec![b'.'; VALUE_BYTES];
        value[..8].copy_from_slice(&number.to_be_bytes());
        value
    });
    let mut builder = BatchBuilder::new();
    builder
        .append(now_ms(), Some(key.as_bytes()), value.as_deref(), NO_HEADERS)
        .expect("it fits");
    builder
        .finish(Codec::None, None)
        .expect("one record")
        .freeze()
}

fn key_of(record: &TestRecord) -> String {
    String::from_utf8_lossy(record.key.as_deref().unwrap_or_default()).into_owned()
}

fn number_of(record: &TestRecord) -> Option<i64> {
    let bytes = record.value.as_deref()?.first_chunk()?;
    Some(i64::from_be_bytes(*bytes))
}

/// Everything in partition 0.
fn read_all(client: &mut Client, topic: &str) -> anyhow::Result<Vec<TestRecord>> {
    let offset = client.list_offset(topic, 0, -2)?.offset;
    read_from(client, topic, offset)
}

/// What partition 0 holds from `offset` on, past batches that were left empty, as consumers read.
fn read_from(client: &mut Client, topic: &str, mut offset: i64) -> anyhow::Result<Vec<TestRecord>> {
    let mut records = Vec::new();
    loop {
        let fetched = client.try_fetch(topic, 0, offset)?;
        ensure!(fetched.error_code == 0, "{:?}", error(fetched.error_code));
        let bytes = fetched.records.context("records are null")?;
        let mut end = offset;
        for batch in Batches::new(&bytes) {
            let Ok(batch) = batch else { break };
            end = batch.header.last_offset() + 1;
        }
        let read = read(&bytes)?;
        records.extend(read.into_iter().filter(|record| offset <= record.offset));
        if end == offset || fetched.high_watermark <= end {
            return Ok(records);
        }
        offset = end;
    }
}

fn latest(records: &[TestRecord]) -> BTreeMap<String, (i64, Option<i64>)> {
    let entries = records
        .iter()
        .map(|record| (key_of(record), (record.offset, number_of(record))));
    entries.collect()
}

/// Bytes of the logs in a partition's directory, without those that wait for removal.
fn log_bytes(dir: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(dir) else {
        return 0;
    };
    let logs = entries.filter_map(Result::ok).filter(|entry| {
        let name = entry.file_name();
        Path::new(&name)
            .extension()
            .is_some_and(|extension| extension == "log")
    });
    // A file may be renamed meanwhile.
    logs.map(|entry| entry.metadata().map_or(0, |metadata| metadata.len()))
        .sum()
}

#[test]
fn superseded_records_vanish_and_the_others_keep_their_offsets() -> anyhow::Result<()> {
    let broker = TestBroker::start_with(options())?;
    let mut client = broker.client()?;
    client.create_topic("t", 1, &COMPACTED)?;
    let mut produced = BTreeMap::new();
    for number in 0..90 {
        let key = format!("k{}", number % 6);
        let offset = client.produce("t", 0, keyed(&key, Some(number)))?;
        assert_eq!(offset, number);
        produced.insert(key, (offset, Some(number)));
    }
    // Segments hold 17 records each; the active one, which begins at 85, is not cleaned. A round
    // that goes on after that would change what is read below.
    let is_cleaned = wait_until(DEADLINE, || {
        let is_old = |record: &&TestRecord| record.offset < 85;
        read_all(&mut client, "t").is_ok_and(|all| all.iter().filter(is_old).count() == 6)
    });
    assert!(is_cleaned, "{} are left", read_all(&mut client, "t")?.len());
    let records = read_all(&mut client, "t")?;
    assert_eq!(latest(&records), produced);
    assert!(
        records
            .iter()
            .all(|record| Some(record.offset) == number_of(record))
    );
    assert_eq!(client.list_offset("t", 0, -2)?.offset, 0);
    assert_eq!(client.list_offset("t", 0, -1)?.offset, 90);
    // A fetch from an offset that is gone begins with the next that is there.
    let first = records[0].offset;
    assert!(0 < first);
    assert_eq!(read_from(&mut client, "t", first - 1)?, records);
    let broker = broker.stop_and_restart()?.kill_and_restart()?;
    let mut client = broker.client()?;
    assert_eq!(latest(&read_all(&mut client, "t")?), produced);
    assert_eq!(client.produce("t", 0, keyed("next", Some(90)))?, 90);
    Ok(())
}

#[test]
fn tombstones_vanish_with_their_keys_after_their_retention() -> anyhow::Result<()> {
    let broker = TestBroker::start_with(options())?;
    let mut client = broker.client()?;
    let mut configs = COMPACTED.to_vec();
    configs.push(("delete.retention.ms", "1"));
    client.create_topic("brief", 1, &configs)?;
    client.create_topic("long", 1, &COMPACTED)?;
    for topic in ["brief", "long"] {
        client.produce(topic, 0, keyed("gone", Some(1)))?;
        client.produce(topic, 0, keyed("gone", None))?;
    }
    let mut number = 0;
    let mut has = |client: &mut Client, topic: &str| -> anyhow::Result<Vec<Option<i64>>> {
        // Something new to clean: a tombstone goes with the second round after it.
        for _ in 0..20 {
            number += 1;
            client.produce(topic, 0, keyed("other", Some(number)))?;
        }
        let records = read_all(client, topic)?;
        let gone = records.iter().filter(|record| key_of(record) == "gone");
        Ok(gone.map(number_of).collect())
    };
    let is_gone = wait_until(DEADLINE, || {
        has(&mut client, "brief").is_ok_and(|left| left.is_empty())
    });
    assert!(is_gone, "the tombstone stays");
    let is_cleaned = wait_until(DEADLINE, || {
        has(&mut client, "long").is_ok_and(|left| left.len() == 1)
    });
    assert!(is_cleaned, "the superseded value stays");
    assert_eq!(
        has(&mut client, "long")?,
        [None],
        "the tombstone is kept a day"
    );
    Ok(())
}

#[test]
fn a_topic_may_become_compacted_and_stop_to_be() -> anyhow::Result<()> {
    let broker = TestBroker::start_with(options())?;
    let mut client = broker.client()?;
    let mut configs = COMPACTED.to_vec();
    configs[0] = ("cleanup.policy", "delete");
    client.create_topic("t", 1, &configs)?;
    let fill = |client: &mut Client| -> anyhow::Result<()> {
        for number in 0..60 {
            client.produce("t", 0, keyed("key", Some(number)))?;
        }
        Ok(())
    };
    fill(&mut client)?;
    assert_eq!(read_all(&mut client, "t")?.len(), 60);
    set_config(&mut client, "t", "cleanup.policy", "compact")?;
    let is_cleaned = wait_until(DEADLINE, || {
        read_all(&mut client, "t").is_ok_and(|records| records.len() < 20)
    });
    assert!(is_cleaned, "it is not compacted");
    set_config(&mut client, "t", "cleanup.policy", "delete")?;
    let before = read_all(&mut client, "t")?.len();
    fill(&mut client)?;
    assert_eq!(read_all(&mut client, "t")?.len(), before + 60);
    Ok(())
}

#[test]
fn compact_and_delete_does_both() -> anyhow::Result<()> {
    let broker = TestBroker::start_with(options())?;
    let mut client = broker.client()?;
    let mut configs = COMPACTED.to_vec();
    configs[0] = ("cleanup.policy", "compact,delete");
    configs.push(("retention.bytes", "3145728"));
    client.create_topic("t", 1, &configs)?;
    // One key for compaction, and one each that only retention removes.
    let mut newest = 0;
    let is_done = wait_until(DEADLINE, || {
        for number in newest..newest + 20 {
            for key in ["same".to_owned(), format!("k{number}")] {
                let batch = keyed(&key, Some(number));
                client.produce("t", 0, batch).expect("it is produced");
            }
        }
        newest += 20;
        let start = client
            .list_offset("t", 0, -2)
            .map_or(0, |found| found.offset);
        let records = read_all(&mut client, "t").unwrap_or_default();
        let same = records.iter().filter(|record| key_of(record) == "same");
        0 < start && same.count() < records.len() / 2
    });
    assert!(is_done, "{newest} numbers were produced");
    let records = read_all(&mut client, "t")?;
    let last = latest(&records);
    assert_eq!(last["same"].1, Some(newest - 1));
    assert_eq!(last[&format!("k{}", newest - 1)].1, Some(newest - 1));
    Ok(())
}

/// Produces to keys in turn until the connection breaks; `acknowledged` holds the newest of each.
fn produce_until_killed(
    client: &mut Client,
    next: &mut i64,
    acknowledged: &mut BTreeMap<String, i64>,
    count: &AtomicI64,
) {
    loop {
        let key = format!("k{}", *next % 5);
        if client.produce("t", 0, keyed(&key, Some(*next))).is_err() {
            return;
        }
        acknowledged.insert(key, *next);
        *next += 1;
        count.store(*next, Ordering::Relaxed);
    }
}

#[test]
fn kills_while_cleaning_lose_nothing_acknowledged() -> anyhow::Result<()> {
    let mut broker = TestBroker::start_with(options().set("log.cleaner.backoff.ms", "1"))?;
    broker.client()?.create_topic("t", 1, &COMPACTED)?;
    let mut acknowledged = BTreeMap::new();
    let (mut next, count) = (0, AtomicI64::new(0));
    for round in 0..6 {
        let mut client = broker.client()?;
        let enough = next + 60 + 7 * round;
        std::thread::scope(|scope| {
            let producing = scope
                .spawn(|| produce_until_killed(&mut client, &mut next, &mut acknowledged, &count));
            let is_reached = wait_until(DEADLINE, || {
                enough <= count.load(Ordering::Relaxed) || producing.is_finished()
            });
            broker.kill()?;
            ensure!(
                producing.join().is_ok() && is_reached,
                "stuck below {enough}"
            );
            anyhow::Ok(())
        })?;
        broker = broker.kill_and_restart()?;
        let records = read_all(&mut broker.client()?, "t")?;
        let found = latest(&records);
        for (key, number) in &acknowledged {
            let newest = found.get(key).and_then(|(_, number)| *number);
            ensure!(
                Some(*number) <= newest,
                "round {round}: {key} is {newest:?}, {number} was acknowledged: {}",
                broker.log()
            );
        }
        next += 1;
    }
    let mut client = broker.client()?;
    let is_cleaned = wait_until(DEADLINE, || {
        read_all(&mut client, "t").is_ok_and(|records| records.len() < 30)
    });
    assert!(is_cleaned, "cleaning goes on after kills: {}", broker.log());
    Ok(())
}

#[test]
fn the_offsets_topic_shrinks_and_keeps_the_last_commits() -> anyhow::Result<()> {
    let options = options()
        .set("offsets.topic.num.partitions", "1")
        .set("offsets.topic.segment.bytes", "1048576")
        .set("log.cleaner.min.cleanable.ratio", "0.01")
        .set("log.segment.delete.delay.ms", "10");
    let mut broker = TestBroker::start_with(options)?;
    broker.client()?.create_topic("consumed", 2, &[])?;
    let dir = broker.data_dir().path().join("__consumer_offsets-0");
    let (once, often) = (Member::simple("once"), Member::simple("often"));
    let mut client = broker.client()?;
    find_coordinator(&mut client, "once")?;
    find_coordinator(&mut client, "often")?;
    assert_eq!(commit(&mut client, &once.commit("consumed", 1, 7))?, None);
    let acknowledged = AtomicI64::new(0);
    // Large commits, to fill segments.
    let request = |offset| {
        let mut request = often.commit("consumed", 0, offset);
        let partition = &mut request.topics[0].partitions[0];
        partition.committed_metadata = Some(text(&"m".repeat(4000)));
        request
    };
    for round in 0..5 {
        let from = acknowledged.load(Ordering::Relaxed) + 1;
        std::thread::scope(|scope| {
            let committing = scope.spawn(|| {
                for offset in from.. {
                    match commit(&mut client, &request(offset)) {
                        Ok(None) => acknowledged.store(offset, Ordering::Relaxed),
                        _ => return,
                    }
                }
            });
            let is_reached = wait_until(DEADLINE, || {
                from + 600 <= acknowledged.load(Ordering::Relaxed) || committing.is_finished()
            });
            broker.kill()?;
            ensure!(
                committing.join().is_ok() && is_reached,
                "stuck in round {round}"
            );
            anyhow::Ok(())
        })?;
        broker = broker.kill_and_restart()?;
        client = broker.client()?;
        find_coordinator(&mut client, "once")?;
        find_coordinator(&mut client, "often")?;
        assert_eq!(fetched_offset(&mut client, "once", "consumed", 1)?.0, 7);
        let found = fetched_offset(&mut client, "often", "consumed", 0)?.0;
        let last = acknowledged.load(Ordering::Relaxed);
        assert!((last..=last + 1).contains(&found), "{found}, not {last}");
        acknowledged.store(found, Ordering::Relaxed);
    }
    // 3,000 commits of 4,000 bytes and more; the active segment is not cleaned.
    let is_small = wait_until(DEADLINE, || log_bytes(&dir) < 1_200_000);
    assert!(is_small, "{} bytes are left", log_bytes(&dir));
    let last = acknowledged.load(Ordering::Relaxed);
    let broker = broker.stop_and_restart()?;
    let mut client = broker.client()?;
    find_coordinator(&mut client, "often")?;
    assert_eq!(fetched_offset(&mut client, "often", "consumed", 0)?.0, last);
    Ok(())
}
