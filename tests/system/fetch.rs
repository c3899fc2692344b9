//! Fetch: what is returned, how much of it, and when.

use std::time::Duration;

use anyhow::Context;
use ringbrook_protocol::ResponseError;
use ringbrook_protocol::messages::FetchRequest;
use ringbrook_protocol::messages::fetch_request::FetchTopic;
use ringbrook_protocol::messages::fetch_response::PartitionData;
use ringbrook_record::{Batch, Codec};
use ringbrook_tests::{
    BrokerOptions, Client, SharedBroker, TestBroker, batch, batch_of_bytes, compressed, cpu_time,
    error, fetch_request, now, read, single_fetched, stored_as, topic_name, unique,
};

use crate::deletion::delete_records;

const VERSION: i16 = 12;

fn named(topic: &str) -> FetchTopic {
    FetchTopic::default().with_topic(topic_name(topic))
}

/// A fetch of partition 0 from `offset` that waits up to `max_wait_ms` for `min_bytes`.
fn waiting_fetch(topic: &str, offset: i64, max_wait_ms: i32, min_bytes: i32) -> FetchRequest {
    fetch_request(named(topic), &[(0, offset)])
        .with_max_wait_ms(max_wait_ms)
        .with_min_bytes(min_bytes)
}

fn record_bytes(partition: &PartitionData) -> anyhow::Result<usize> {
    Ok(partition
        .records
        .as_ref()
        .context("records are null")?
        .len())
}

#[test]
fn every_version_returns_the_produced_bytes() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let mut client = broker.client()?;
    let topic = unique("fetch-versions");
    let id = client.create_topic(&topic, 1, &[])?;
    let batches = [
        batch(&["one", "two"]),
        compressed(Codec::Lz4, &["three"]),
        batch(&["four"]),
    ];
    for batch in &batches {
        client.produce(&topic, 0, batch.clone())?;
    }
    for version in 4..=18 {
        let topic = if version < 13 {
            named(&topic)
        } else {
            FetchTopic::default().with_topic_id(id)
        };
        let response = client.call(&fetch_request(topic, &[(0, 0)]), version)?;
        let expected_id = if version < 13 { uuid::Uuid::nil() } else { id };
        assert_eq!(
            response.responses[0].topic_id, expected_id,
            "version {version}"
        );
        let fetched = single_fetched(response)?;
        assert_eq!(error(fetched.error_code), None, "version {version}");
        assert_eq!((fetched.high_watermark, fetched.last_stable_offset), (4, 4));
        let bytes = fetched.records.context("records are null")?;
        let epoch = Batch::parse(&bytes)?.header.partition_leader_epoch;
        let expected: Vec<_> = batches
            .iter()
            .zip([0, 2, 3])
            .flat_map(|(batch, offset)| stored_as(batch, offset, epoch))
            .collect();
        assert_eq!(bytes, expected, "version {version}");
    }
    Ok(())
}

#[test]
fn records_of_an_empty_partition_are_empty_and_not_null() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let mut client = broker.client()?;
    let topic = unique("fetch-empty");
    let id = client.create_topic(&topic, 1, &[])?;
    for version in 4..=18 {
        let topic = if version < 13 {
            named(&topic)
        } else {
            FetchTopic::default().with_topic_id(id)
        };
        let response = client.call(&fetch_request(topic, &[(0, 0)]), version)?;
        let fetched = single_fetched(response)?;
        assert_eq!(
            fetched.records.as_deref(),
            Some(&[][..]),
            "version {version}"
        );
        assert_eq!((fetched.high_watermark, fetched.last_stable_offset), (0, 0));
        if 5 <= version {
            assert_eq!(fetched.log_start_offset, 0);
        }
    }
    Ok(())
}

#[test]
fn an_offset_inside_a_batch_returns_the_whole_batch() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let mut client = broker.client()?;
    let topic = unique("fetch-middle");
    client.create_topic(&topic, 1, &[])?;
    client.produce(&topic, 0, batch(&["0", "1", "2"]))?;
    client.produce(&topic, 0, compressed(Codec::Gzip, &["3", "4", "5"]))?;
    for (offset, first) in [(0, 0), (2, 0), (3, 3), (4, 3), (5, 3)] {
        let fetched = client.try_fetch(&topic, 0, offset)?;
        let records = read(fetched.records.as_deref().context("null")?)?;
        assert_eq!(records[0].offset, first, "from {offset}");
        assert_eq!(records.last().map(|record| record.offset), Some(5));
    }
    Ok(())
}

#[test]
fn offsets_outside_the_log_are_out_of_range() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let mut client = broker.client()?;
    let topic = unique("fetch-range");
    client.create_topic(&topic, 1, &[])?;
    client.produce(&topic, 0, batch(&["0", "1", "2", "3"]))?;
    let deleted = delete_records(&mut client, &topic, 0, 2)?;
    assert_eq!(
        (error(deleted.error_code), deleted.low_watermark),
        (None, 2)
    );
    for offset in [-1, 0, 1, 5, i64::MAX] {
        let fetched = client.try_fetch(&topic, 0, offset)?;
        let expected = Some(ResponseError::OffsetOutOfRange);
        assert_eq!(error(fetched.error_code), expected, "from {offset}");
        assert_eq!(record_bytes(&fetched)?, 0);
    }
    for offset in [2, 3, 4] {
        let fetched = client.try_fetch(&topic, 0, offset)?;
        assert_eq!(error(fetched.error_code), None, "from {offset}");
        assert_eq!((fetched.log_start_offset, fetched.high_watermark), (2, 4));
        assert_eq!(record_bytes(&fetched)? == 0, offset == 4, "from {offset}");
    }
    Ok(())
}

#[test]
fn leader_epochs_other_than_the_current_one_are_refused() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let mut client = broker.client()?;
    let topic = unique("fetch-epoch");
    client.create_topic(&topic, 1, &[])?;
    client.produce(&topic, 0, batch(&["value"]))?;
    let current = client.list_offset(&topic, 0, -1)?.leader_epoch;
    let unknown = Some(ResponseError::UnknownLeaderEpoch);
    for (epoch, expected) in [(-1, None), (current, None), (current + 1, unknown)] {
        let mut request = fetch_request(named(&topic), &[(0, 0)]);
        request.topics[0].partitions[0].current_leader_epoch = epoch;
        let fetched = single_fetched(client.call(&request, VERSION)?)?;
        assert_eq!(
            error(fetched.error_code),
            expected,
            "epoch {epoch}, current {current}"
        );
    }
    Ok(())
}

#[test]
fn read_committed_without_transactions_reads_everything() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let mut client = broker.client()?;
    let topic = unique("fetch-committed");
    client.create_topic(&topic, 1, &[])?;
    client.produce(&topic, 0, batch(&["a", "b"]))?;
    let request = fetch_request(named(&topic), &[(0, 0)]).with_isolation_level(1);
    let fetched = single_fetched(client.call(&request, VERSION)?)?;
    assert_eq!((fetched.high_watermark, fetched.last_stable_offset), (2, 2));
    assert_eq!(fetched.aborted_transactions.as_ref().map(Vec::len), Some(0));
    assert_eq!(read(fetched.records.as_deref().context("null")?)?.len(), 2);
    Ok(())
}

#[test]
fn a_first_batch_above_every_limit_is_returned_whole_and_alone() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let mut client = broker.client()?;
    let topic = unique("fetch-first");
    client.create_topic(&topic, 2, &[])?;
    for partition in 0..2 {
        client.produce(&topic, partition, batch_of_bytes(10_000))?;
        client.produce(&topic, partition, batch_of_bytes(10_000))?;
    }
    let mut request = fetch_request(named(&topic), &[(0, 0), (1, 0)]).with_max_bytes(100);
    for partition in &mut request.topics[0].partitions {
        partition.partition_max_bytes = 50;
    }
    let response = client.call(&request, VERSION)?;
    let sizes = response.responses[0].partitions.iter().map(record_bytes);
    assert_eq!(sizes.collect::<anyhow::Result<Vec<_>>>()?, [10_000, 0]);
    // The order is the request's.
    request.topics[0].partitions.reverse();
    let response = client.call(&request, VERSION)?;
    let sizes = response.responses[0]
        .partitions
        .iter()
        .map(|partition| Ok((partition.partition_index, record_bytes(partition)?)));
    assert_eq!(
        sizes.collect::<anyhow::Result<Vec<_>>>()?,
        [(1, 10_000), (0, 0)]
    );
    Ok(())
}

#[test]
fn limits_hold_for_partitions_and_the_response() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let mut client = broker.client()?;
    let topic = unique("fetch-limits");
    client.create_topic(&topic, 3, &[])?;
    for partition in 0..3 {
        for _ in 0..10 {
            client.produce(&topic, partition, batch_of_bytes(1000))?;
        }
    }
    let mut request = fetch_request(named(&topic), &[(0, 0), (1, 0), (2, 0)]).with_max_bytes(6500);
    for partition in &mut request.topics[0].partitions {
        partition.partition_max_bytes = 4000;
    }
    let response = client.call(&request, VERSION)?;
    let sizes = response.responses[0].partitions.iter().map(record_bytes);
    let sizes = sizes.collect::<anyhow::Result<Vec<_>>>()?;
    assert_eq!(sizes[0], 4000);
    // What is cut in the middle of a batch may be left out.
    assert!((2000..=2500).contains(&sizes[1]), "{sizes:?}");
    assert!(sizes[2] <= 2500 - sizes[1], "{sizes:?}");
    Ok(())
}

#[test]
fn an_append_wakes_a_waiting_fetch() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let (mut producer, mut consumer) = (broker.client()?, broker.client()?);
    let topic = unique("fetch-wake");
    producer.create_topic(&topic, 1, &[])?;
    for offset in 0..10 {
        let sent = consumer
            .wire()
            .send(&waiting_fetch(&topic, offset, 30_000, 1), VERSION)?;
        // Parked: nothing may come before there is something.
        assert!(consumer.wire().is_silent_for(Duration::from_millis(20))?);
        producer.produce(&topic, 0, batch(&[offset.to_string()]))?;
        let begin = now();
        let response = consumer.wire().receive::<FetchRequest>(sent, VERSION)?;
        let latency = now() - begin;
        let records = read(
            single_fetched(response)?
                .records
                .as_deref()
                .context("null")?,
        )?;
        assert_eq!(records[0].text(), offset.to_string());
        // Far below the 30 s it would wait, and generous for a loaded machine.
        assert!(latency < Duration::from_secs(2), "woken after {latency:?}");
    }
    Ok(())
}

#[test]
fn a_fetch_waits_until_min_bytes_are_there() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let (mut producer, mut consumer) = (broker.client()?, broker.client()?);
    let topic = unique("fetch-min-bytes");
    producer.create_topic(&topic, 1, &[])?;
    let sent = consumer
        .wire()
        .send(&waiting_fetch(&topic, 0, 30_000, 2500), VERSION)?;
    for _ in 0..2 {
        producer.produce(&topic, 0, batch_of_bytes(1000))?;
        assert!(consumer.wire().is_silent_for(Duration::from_millis(100))?);
    }
    producer.produce(&topic, 0, batch_of_bytes(1000))?;
    let response = consumer.wire().receive::<FetchRequest>(sent, VERSION)?;
    assert_eq!(record_bytes(&single_fetched(response)?)?, 3000);
    Ok(())
}

#[test]
fn a_fetch_is_answered_empty_when_its_time_is_over() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let mut client = broker.client()?;
    let topic = unique("fetch-timeout");
    client.create_topic(&topic, 1, &[])?;
    let begin = now();
    let response = client.call(&waiting_fetch(&topic, 0, 300, 1), VERSION)?;
    let waited = now() - begin;
    assert_eq!(record_bytes(&single_fetched(response)?)?, 0);
    assert!(
        Duration::from_millis(295) <= waited,
        "answered after {waited:?}"
    );
    assert!(
        waited < Duration::from_secs(10),
        "answered after {waited:?}"
    );
    // Too few bytes are returned all the same.
    client.produce(&topic, 0, batch_of_bytes(500))?;
    let response = client.call(&waiting_fetch(&topic, 0, 100, 10_000), VERSION)?;
    assert_eq!(record_bytes(&single_fetched(response)?)?, 500);
    Ok(())
}

#[test]
fn a_failing_partition_answers_a_waiting_fetch_at_once() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let mut client = broker.client()?;
    let topic = unique("fetch-error");
    client.create_topic(&topic, 2, &[])?;
    let request = fetch_request(named(&topic), &[(0, 0), (1, 9)])
        .with_max_wait_ms(60_000)
        .with_min_bytes(1);
    let begin = now();
    let response = client.call(&request, VERSION)?;
    assert!(now() - begin < Duration::from_secs(20));
    let codes = response.responses[0]
        .partitions
        .iter()
        .map(|it| error(it.error_code));
    let out_of_range = Some(ResponseError::OffsetOutOfRange);
    assert_eq!(codes.collect::<Vec<_>>(), [None, out_of_range]);
    Ok(())
}

#[test]
fn many_waiting_fetches_are_all_woken_by_one_append() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let mut producer = broker.client()?;
    let topic = unique("fetch-crowd");
    producer.create_topic(&topic, 1, &[])?;
    let request = waiting_fetch(&topic, 0, 30_000, 1);
    let waiting = (0..200).map(|_| {
        let mut client = broker.client()?;
        let sent = client.wire().send(&request, VERSION)?;
        Ok((client, sent))
    });
    let waiting = waiting.collect::<anyhow::Result<Vec<(Client, i32)>>>()?;
    producer.produce(&topic, 0, batch(&["wake up"]))?;
    let begin = now();
    for (mut client, sent) in waiting {
        let response = client.wire().receive::<FetchRequest>(sent, VERSION)?;
        assert_eq!(
            read(
                single_fetched(response)?
                    .records
                    .as_deref()
                    .context("null")?
            )?
            .len(),
            1
        );
    }
    assert!(now() - begin < Duration::from_secs(10));
    Ok(())
}

/// A broker that polls would use CPU time for each of them all the while.
#[test]
fn waiting_fetches_cost_no_cpu_time() -> anyhow::Result<()> {
    let broker = TestBroker::start_with(BrokerOptions::fast())?;
    let mut producer = broker.client()?;
    producer.create_topic("waiting", 1, &[])?;
    let request = waiting_fetch("waiting", 0, 1500, 1);
    let waiting = (0..300).map(|_| {
        let mut client = broker.client()?;
        let sent = client.wire().send(&request, VERSION)?;
        Ok((client, sent))
    });
    let mut waiting = waiting.collect::<anyhow::Result<Vec<(Client, i32)>>>()?;
    let (client, _) = waiting.last_mut().context("a client")?;
    assert!(client.wire().is_silent_for(Duration::from_millis(100))?);
    let before = cpu_time(broker.pid())?;
    assert!(client.wire().is_silent_for(Duration::from_millis(1000))?);
    let used = cpu_time(broker.pid())? - before;
    assert!(
        used < Duration::from_millis(150),
        "300 waiting fetches used {used:?} in a second"
    );
    Ok(())
}

#[test]
fn pipelined_fetches_are_answered_in_order() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let mut client = broker.client()?;
    let topic = unique("fetch-pipelined");
    client.create_topic(&topic, 1, &[])?;
    let batches: Vec<_> = (0..20)
        .map(|index| batch_of_bytes(100 + index * 7000))
        .collect();
    for batch in &batches {
        client.produce(&topic, 0, batch.clone())?;
    }
    let mut sent = Vec::new();
    for offset in (0..20).rev() {
        let mut request = fetch_request(named(&topic), &[(0, offset)]);
        request.topics[0].partitions[0].partition_max_bytes = 1;
        sent.push((offset, client.wire().send(&request, VERSION)?));
    }
    for (offset, sent) in sent {
        let response = client.wire().receive::<FetchRequest>(sent, VERSION)?;
        let bytes = single_fetched(response)?.records.context("null")?;
        assert_eq!(Batch::parse(&bytes)?.header.base_offset, offset);
        assert_eq!(bytes.len(), batches[usize::try_from(offset)?].len());
    }
    Ok(())
}

/// Reads partition 0 from its beginning until `count` records have come, waiting for appends.
fn tail(client: &mut Client, topic: &str, count: usize) -> anyhow::Result<Vec<String>> {
    let mut texts = Vec::new();
    while texts.len() < count {
        let offset = i64::try_from(texts.len())?;
        let response = client.call(&waiting_fetch(topic, offset, 10_000, 1), VERSION)?;
        let fetched = single_fetched(response)?;
        anyhow::ensure!(fetched.error_code == 0, "{:?}", error(fetched.error_code));
        for record in read(fetched.records.as_deref().context("null")?)? {
            // The batch may begin before the offset; a gap would show in the order of the texts.
            if record.offset == i64::try_from(texts.len())? {
                texts.push(record.text());
            }
        }
        anyhow::ensure!(offset < i64::try_from(texts.len())?, "nothing came in 10 s");
    }
    Ok(texts)
}

#[test]
fn tailing_consumers_see_every_record_once_and_in_order() -> anyhow::Result<()> {
    const BATCHES: usize = 150;
    let broker = SharedBroker::current()?;
    let topic = unique("fetch-tail");
    broker
        .client()?
        .create_topic(&topic, 1, &[("segment.bytes", "1048576")])?;
    let values = |producer: usize, index: usize| {
        // Some are long, so that segments roll meanwhile.
        let padding = if index.is_multiple_of(5) { 30_000 } else { 10 };
        [format!("{producer}/{index}"), "x".repeat(padding)]
    };
    let (produced, tailed) = std::thread::scope(|scope| {
        let produce = |producer: usize| {
            let mut client = broker.client()?;
            for index in 0..BATCHES {
                client.produce(&topic, 0, batch(&values(producer, index)))?;
            }
            anyhow::Ok(())
        };
        let tail = || tail(&mut broker.client()?, &topic, 3 * 2 * BATCHES);
        let consumers: Vec<_> = (0..3).map(|_| scope.spawn(tail)).collect();
        let producers: Vec<_> = (0..3).map(|it| scope.spawn(move || produce(it))).collect();
        let produced: Vec<_> = producers
            .into_iter()
            .map(|thread| thread.join().expect("no panic"))
            .collect();
        let tailed: Vec<_> = consumers
            .into_iter()
            .map(|thread| thread.join().expect("no panic"))
            .collect();
        (produced, tailed)
    });
    produced.into_iter().collect::<anyhow::Result<()>>()?;
    let expected = broker.client()?.texts(&topic, 0, 0)?;
    assert_eq!(expected.len(), 3 * 2 * BATCHES);
    for tailed in tailed {
        assert!(
            tailed? == expected,
            "a tailing consumer read something else"
        );
    }
    for producer in 0..3 {
        let prefix = format!("{producer}/");
        let own: Vec<_> = expected
            .iter()
            .filter(|text| text.starts_with(&prefix))
            .collect();
        let sent: Vec<_> = (0..BATCHES)
            .map(|index| format!("{producer}/{index}"))
            .collect();
        assert!(
            own.iter().copied().eq(&sent),
            "producer {producer} is out of order"
        );
    }
    Ok(())
}
