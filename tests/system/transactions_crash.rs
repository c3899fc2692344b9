//! kill -9 of the broker while transactions end: what was decided comes to pass, in all partitions
//! and groups, and nothing else.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, ensure};
use bytes::Bytes;
use ringbrook_record::Codec;
use ringbrook_tests::{
    BrokerOptions, Client, TestBroker, builder, stored_as, unique, write_behind_batches,
};

use crate::group::{Member, find_coordinator};
use crate::transaction::{
    Producer, Protocol, TIMEOUT_MS, settled_code, stable_offset_at_the_end, visible,
    visible_at_the_end,
};

const BOTH: [Protocol; 2] = [Protocol::V1, Protocol::V2];
const PARTITIONS: i32 = 3;
const GROUP: &str = "workers";
const STATE_TOPIC: &str = "__transaction_state";
/// As `BrokerOptions::fast` has it.
const STATE_PARTITIONS: i32 = 4;
/// Where the state is in a value: behind version, producer id, epoch and timeout.
const STATUS: usize = 2 + 8 + 2 + 4;
const ONGOING: u8 = 1;
const PREPARE_COMMIT: u8 = 2;
const PREPARE_ABORT: u8 = 3;

/// The committed offset, once no transaction is about to change it.
fn committed(client: &mut Client, topic: &str) -> anyhow::Result<i64> {
    find_coordinator(client, GROUP)?;
    stable_offset_at_the_end(client, GROUP, topic)?
        .map_err(|error| anyhow::anyhow!("not fetched: {error:?}"))
}

/// One record to each partition and an offset, in a transaction that stays open.
fn write_everywhere(producer: &mut Producer, topic: &str, value: i64) -> anyhow::Result<()> {
    for partition in 0..PARTITIONS {
        producer.send(topic, partition, &[&value.to_string()])?;
    }
    producer.commit_offset(&Member::simple(GROUP), topic, 0, value)
}

#[test]
fn what_was_answered_before_a_kill_holds_after_it() -> anyhow::Result<()> {
    let mut broker = TestBroker::start()?;
    let topic = "killed";
    broker.client()?.create_topic(topic, PARTITIONS, &[])?;
    find_coordinator(&mut broker.client()?, GROUP)?;
    let mut expected = Vec::new();
    let mut last_committed = -1;
    for round in 0..8 {
        let protocol = BOTH[usize::try_from(round % 2)?];
        let is_commit = round % 4 < 2;
        let id = format!("producer-{}", round % 2);
        let mut producer = Producer::init(broker.client()?, &id, protocol)?;
        write_everywhere(&mut producer, topic, round)?;
        producer.end(is_commit)?;
        // The answer comes when the decision is on disk; the markers may not be.
        broker = broker.kill_and_restart()?;
        if is_commit {
            expected.push(round.to_string());
            last_committed = round;
        }
        let mut client = broker.client()?;
        for partition in 0..PARTITIONS {
            let seen = visible_at_the_end(&mut client, topic, partition)?;
            assert_eq!(seen, expected, "round {round}, partition {partition}");
        }
        assert_eq!(
            committed(&mut client, topic)?,
            last_committed,
            "round {round}"
        );
    }
    Ok(())
}

#[test]
fn an_open_transaction_goes_on_after_a_kill() -> anyhow::Result<()> {
    let mut broker = TestBroker::start()?;
    let topic = "open";
    broker.client()?.create_topic(topic, PARTITIONS, &[])?;
    find_coordinator(&mut broker.client()?, GROUP)?;
    let mut expected = Vec::new();
    for (round, (protocol, is_commit)) in [
        (Protocol::V1, true),
        (Protocol::V2, true),
        (Protocol::V1, false),
        (Protocol::V2, false),
    ]
    .into_iter()
    .enumerate()
    {
        let (before, after) = (format!("before {round}"), format!("after {round}"));
        let mut producer = Producer::init(broker.client()?, &unique("open"), protocol)?;
        write_everywhere(&mut producer, topic, 100)?;
        producer.send(topic, 0, &[&before])?;
        broker = broker.kill_and_restart()?;
        let mut producer = producer.twin(broker.client()?);
        let seen = visible(&mut producer.client, topic, 0)?;
        assert_eq!(seen, expected, "nothing of the open transaction");
        producer.send(topic, 0, &[&after])?;
        producer.end(is_commit)?;
        if is_commit {
            expected.extend(["100".to_owned(), before, after]);
        }
        let seen = visible_at_the_end(&mut producer.client, topic, 0)?;
        assert_eq!(seen, expected, "{protocol:?} {is_commit}");
        assert_eq!(committed(&mut producer.client, topic)?, 100);
    }
    Ok(())
}

/// What a worker knows of its transactions: value and whether it was committed, if it was told.
type Told = BTreeMap<i64, Option<bool>>;

/// Runs transactions until the broker is gone.
fn storm(
    client: Client,
    id: &str,
    protocol: Protocol,
    values: impl Iterator<Item = i64>,
    told: &Mutex<Told>,
    ends: &AtomicUsize,
) -> anyhow::Result<()> {
    let mut producer = Producer::init(client, id, protocol)?;
    for value in values {
        for partition in 0..PARTITIONS {
            producer.send("storm", partition, &[&value.to_string()])?;
        }
        let is_commit = value % 3 != 0;
        let tell = |outcome| told.lock().expect("nobody panics").insert(value, outcome);
        tell(None);
        producer.end(is_commit)?;
        tell(Some(is_commit));
        ends.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

#[test]
fn a_storm_of_transactions_is_whole_after_every_kill() -> anyhow::Result<()> {
    const WORKERS: i64 = 6;
    const ROUNDS: i64 = 3;
    const VALUES: i64 = 10_000;
    let mut broker = TestBroker::start()?;
    broker.client()?.create_topic("storm", PARTITIONS, &[])?;
    let told = Mutex::new(Told::new());
    for round in 0..ROUNDS {
        let ends = AtomicUsize::new(0);
        let clients: Vec<Client> = (0..WORKERS)
            .map(|_| broker.client())
            .collect::<Result<_, _>>()?;
        std::thread::scope(|scope| -> anyhow::Result<()> {
            for (worker, client) in (0..WORKERS).zip(clients) {
                let first = (round * WORKERS + worker) * VALUES;
                let protocol = BOTH[usize::try_from(worker % 2)?];
                let (told, ends) = (&told, &ends);
                scope.spawn(move || {
                    // Ends with the broker.
                    let values = first..first + VALUES;
                    let id = format!("storm-{worker}");
                    drop(storm(client, &id, protocol, values, told, ends));
                });
            }
            let enough = 40 + 7 * usize::try_from(round)?;
            let has_run = ringbrook_tests::wait_until(std::time::Duration::from_secs(60), || {
                enough <= ends.load(Ordering::Relaxed)
            });
            broker.kill()?;
            ensure!(
                has_run,
                "only {} transactions",
                ends.load(Ordering::Relaxed)
            );
            Ok(())
        })?;
        broker = TestBroker::start_in(BrokerOptions::fast(), broker.data_dir())?;
        // What was left open is aborted by the next owner of its id.
        for worker in 0..WORKERS {
            let id = format!("storm-{worker}");
            let mut next = Producer::nameless(broker.client()?, &id, Protocol::V2);
            next.init_again(TIMEOUT_MS)?;
        }
        check_storm(&mut broker.client()?, &told.lock().expect("nobody panics"))?;
    }
    Ok(())
}

fn check_storm(client: &mut Client, told: &Told) -> anyhow::Result<()> {
    let mut seen = Vec::new();
    for partition in 0..PARTITIONS {
        let mut values: Vec<i64> = Vec::new();
        for text in visible_at_the_end(client, "storm", partition)? {
            values.push(text.parse()?);
        }
        values.sort_unstable();
        seen.push(values);
    }
    assert!(
        seen[0].windows(2).all(|pair| pair[0] < pair[1]),
        "a value twice"
    );
    for partition in &seen[1..] {
        assert_eq!(
            *partition, seen[0],
            "a transaction is in some partitions only"
        );
    }
    for (value, outcome) in told {
        let is_visible = seen[0].binary_search(value).is_ok();
        if let Some(is_commit) = outcome {
            assert_eq!(is_visible, *is_commit, "transaction {value}");
        } else {
            assert!(!is_visible || value % 3 != 0, "{value} was to be aborted");
        }
    }
    for value in &seen[0] {
        assert!(told.contains_key(value), "nobody ended {value}");
    }
    Ok(())
}

/// The last record of a transactional id in `__transaction_state`: its partition, key and value.
fn state_of(client: &mut Client, id: &str) -> anyhow::Result<(i32, Bytes, Vec<u8>)> {
    let mut last = None;
    for partition in 0..STATE_PARTITIONS {
        for record in client.read_all(STATE_TOPIC, partition, 0)? {
            let (key, value) = (record.key.unwrap_or_default(), record.value);
            // Behind the version and the length of the id.
            if key.get(4..) == Some(id.as_bytes()) {
                last = Some((partition, key, value.context("a value")?.to_vec()));
            }
        }
    }
    last.context("the id has a state")
}

/// Kills the broker and leaves `value` with `status` as the last state of an id on disk, as a kill
/// right after the decision does.
fn killed_in_state(
    mut broker: TestBroker,
    (partition, key, mut value): (i32, Bytes, Vec<u8>),
    status: u8,
) -> anyhow::Result<TestBroker> {
    let end = broker.client()?.list_offset(STATE_TOPIC, partition, -1)?;
    broker.kill()?;
    value[STATUS] = status;
    let mut batch = builder::<&[u8]>(&[]);
    batch.append(ringbrook_tests::now_ms(), Some(&key), Some(&value), [])?;
    let data_dir = broker.data_dir();
    let dir = data_dir.path().join(format!("{STATE_TOPIC}-{partition}"));
    let log = dir.join(format!("{:020}.log", 0));
    let bytes = std::fs::read(&log)?;
    let epoch = bytes.get(12..16).context("the log has a batch")?;
    let epoch = i32::from_be_bytes(epoch.try_into()?);
    let stored = stored_as(&batch.finish(Codec::None, None)?, end.offset, epoch);
    write_behind_batches(&log, &stored)?;
    TestBroker::start_in(BrokerOptions::fast(), data_dir)
}

#[test]
fn a_decision_found_on_disk_is_carried_out() -> anyhow::Result<()> {
    let mut broker = TestBroker::start()?;
    let topic = "decided";
    broker.client()?.create_topic(topic, PARTITIONS, &[])?;
    find_coordinator(&mut broker.client()?, GROUP)?;
    let mut expected: Vec<String> = Vec::new();
    for (status, offset) in [(PREPARE_COMMIT, 5), (PREPARE_ABORT, 6), (PREPARE_COMMIT, 7)] {
        let id = unique("decided");
        let mut producer = Producer::init(broker.client()?, &id, Protocol::V1)?;
        write_everywhere(&mut producer, topic, offset)?;
        let state = state_of(&mut producer.client, &id)?;
        assert_eq!(state.2[STATUS], ONGOING);
        broker = killed_in_state(broker, state, status)?;
        if status == PREPARE_COMMIT {
            expected.push(offset.to_string());
        }
        let mut client = broker.client()?;
        for partition in 0..PARTITIONS {
            let seen = visible_at_the_end(&mut client, topic, partition)?;
            assert_eq!(seen, expected, "status {status}, partition {partition}");
        }
        let last: i64 = expected.last().context("a commit")?.parse()?;
        assert_eq!(committed(&mut client, topic)?, last);
        // The id is free again, and the retry of the end that got no answer says how it ended.
        let mut producer = producer.twin(broker.client()?);
        let retried = producer.settled_end(status == PREPARE_COMMIT)?;
        assert_eq!(retried, None, "status {status}");
        assert_eq!(settled_code(|| producer.try_add(topic, 0))?, None);
        producer.end(false)?;
    }
    Ok(())
}

#[test]
fn markers_that_are_sent_again_change_nothing() -> anyhow::Result<()> {
    let mut broker = TestBroker::start()?;
    let topic = "again";
    broker.client()?.create_topic(topic, PARTITIONS, &[])?;
    find_coordinator(&mut broker.client()?, GROUP)?;
    let id = unique("again");
    let mut producer = Producer::init(broker.client()?, &id, Protocol::V1)?;
    write_everywhere(&mut producer, topic, 1)?;
    let ongoing = state_of(&mut producer.client, &id)?;
    producer.end(true)?;
    assert_eq!(visible_at_the_end(&mut producer.client, topic, 0)?, ["1"]);
    for _ in 0..2 {
        // The decision without its completion, although all markers are there.
        broker = killed_in_state(broker, ongoing.clone(), PREPARE_COMMIT)?;
        let mut client = broker.client()?;
        for partition in 0..PARTITIONS {
            assert_eq!(visible_at_the_end(&mut client, topic, partition)?, ["1"]);
        }
        assert_eq!(committed(&mut client, topic)?, 1);
    }
    let mut next = Producer::init(broker.client()?, &id, Protocol::V2)?;
    write_everywhere(&mut next, topic, 2)?;
    next.end(true)?;
    for partition in 0..PARTITIONS {
        let seen = visible_at_the_end(&mut next.client, topic, partition)?;
        assert_eq!(seen, ["1", "2"]);
    }
    Ok(())
}
