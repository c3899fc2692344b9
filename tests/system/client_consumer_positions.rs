//! The native consumer's positions: where it begins, where it is sent, what it knows of ends and
//! times, and what it sees of transactions.

use std::time::Duration;

use anyhow::Context;
use rdkafka::ClientConfig;
use rdkafka::producer::{FutureProducer, FutureRecord, Producer as _};
use ringbrook_client::admin::RecordsToDelete;
use ringbrook_client::{ClientError, TopicPartition};
use ringbrook_tests::{now_ms, unique};

use crate::client_admin::Ground;
use crate::client_consumer::{A_MOMENT, DEADLINE, Reader, Text, expect_numbers, read};

async fn end_of(reader: &Reader, partition: &TopicPartition) -> anyhow::Result<i64> {
    let ends = reader.end_offsets(std::slice::from_ref(partition)).await?;
    Ok(ends[partition])
}

#[tokio::test]
async fn client_consumer_seeks_to_any_offset() -> anyhow::Result<()> {
    let ground = Ground::new()?;
    let topic = ground.topic("consumer-seek", 1).await?;
    let partition = TopicPartition::new(topic.as_str(), 0);
    ground.send_numbers(&topic, 0, 0..100).await?;
    let reader = ground.reader(&[("max.poll.records", "1")], &topic, [0])?;
    expect_numbers(&reader, 0..5).await?;
    for offset in [90, 0, 42, 99, 1] {
        reader.seek(&partition, offset)?;
        assert_eq!(reader.position(&partition).await?, offset);
        expect_numbers(&reader, offset..offset + 1).await?;
        reader.seek(&partition, offset)?;
        expect_numbers(&reader, offset..100.min(offset + 20)).await?;
    }
    reader.seek_to_beginning(std::slice::from_ref(&partition))?;
    expect_numbers(&reader, 0..5).await?;
    reader.seek_to_end(&[])?;
    assert_eq!(reader.position(&partition).await?, 100);
    ground.send_numbers(&topic, 0, 100..103).await?;
    expect_numbers(&reader, 100..103).await?;
    // Behind the end: auto.offset.reset says where to go on.
    reader.seek(&partition, 1_000)?;
    expect_numbers(&reader, 0..5).await?;
    let unknown = reader.seek(&TopicPartition::new(topic.as_str(), 1), 0);
    assert!(unknown.is_err());
    Ok(())
}

#[tokio::test]
async fn client_consumer_begins_where_auto_offset_reset_says() -> anyhow::Result<()> {
    let ground = Ground::new()?;
    let topic = ground.topic("consumer-reset", 1).await?;
    let partition = TopicPartition::new(topic.as_str(), 0);
    let now = now_ms();
    // From two hours ago to now.
    let record = |number: i64| {
        let age_ms = (4 - number) * 1_800_000;
        let record = Text::new(topic.as_str(), number.to_string());
        record.with_partition(0).with_timestamp(now - age_ms)
    };
    ground.send(&[], (0..5).map(record).collect()).await?;
    for (reset, begin) in [
        ("earliest", 0),
        ("latest", 5),
        ("by_duration:PT1H15M", 2),
        ("by_duration:P1D", 0),
    ] {
        let reader = ground.reader(&[("auto.offset.reset", reset)], &topic, [0])?;
        assert_eq!(reader.position(&partition).await?, begin, "{reset}");
        expect_numbers(&reader, begin..5).await?;
        // The same again for an offset that is not there.
        reader.seek(&partition, 77)?;
        expect_numbers(&reader, begin..5).await?;
    }
    let none = ground.reader(&[("auto.offset.reset", "none")], &topic, [0])?;
    for _ in 0..2 {
        let error = none.poll(DEADLINE).await.unwrap_err();
        assert!(matches!(error, ClientError::NoOffset { .. }), "{error}");
    }
    none.seek(&partition, 77)?;
    let error = none.poll(DEADLINE).await.unwrap_err();
    let ClientError::OffsetOutOfRange { offset: 77, .. } = error else {
        panic!("{error}");
    };
    none.seek(&partition, 3)?;
    expect_numbers(&none, 3..5).await?;
    Ok(())
}

#[tokio::test]
async fn client_consumer_finds_beginnings_ends_and_times() -> anyhow::Result<()> {
    let ground = Ground::new()?;
    let topic = ground.topic("consumer-times", 2).await?;
    let both = [0, 1].map(|it| TopicPartition::new(topic.as_str(), it));
    let base = now_ms() - 100_000;
    // Times go up and down within one batch: the first that is late enough counts.
    let times = [0, 5, 3, 9, 7, 20];
    let record = |time: &i64| {
        let record = Text::new(topic.as_str(), time.to_string());
        record.with_partition(0).with_timestamp(base + time)
    };
    let records = times.iter().map(record).collect();
    ground.send(&[("linger.ms", "50")], records).await?;
    let reader = ground.consumer(&[])?;
    for (after, expected) in [(0, 0), (1, 1), (4, 1), (6, 3), (10, 5), (20, 5)] {
        let wanted = both.iter().map(|it| (it.clone(), base + after)).collect();
        let found = reader.offsets_for_times(&wanted).await?;
        let first = found[&both[0]].context("a record is that young")?;
        let time = times[usize::try_from(expected)?];
        assert_eq!((first.offset, first.timestamp), (expected, base + time));
        assert_eq!(first.leader_epoch, Some(0));
        assert_eq!(found[&both[1]], None);
    }
    let late = both.iter().map(|it| (it.clone(), base + 21)).collect();
    let found = reader.offsets_for_times(&late).await?;
    assert!(found.values().all(Option::is_none));

    let ends = reader.end_offsets(&both).await?;
    assert_eq!((ends[&both[0]], ends[&both[1]]), (6, 0));
    let delete = [(both[0].clone(), RecordsToDelete::BeforeOffset(2))].into();
    ground.admin.delete_records(&delete).await.all()?;
    let beginnings = reader.beginning_offsets(&both).await?;
    assert_eq!((beginnings[&both[0]], beginnings[&both[1]]), (2, 0));
    assert_eq!(reader.partitions_for(&topic).await?.len(), 2);
    // Reading begins behind what was deleted.
    reader.assign([both[0].clone()])?;
    let first = &read(&reader, 4).await?[0];
    assert_eq!(first.offset, 2);
    Ok(())
}

#[tokio::test]
async fn client_consumer_tells_the_lag_of_each_partition() -> anyhow::Result<()> {
    let ground = Ground::new()?;
    let topic = ground.topic("consumer-lag", 2).await?;
    let both = [0, 1].map(|it| TopicPartition::new(topic.as_str(), it));
    ground.send_numbers(&topic, 0, 0..10).await?;
    ground.send_numbers(&topic, 1, 0..4).await?;
    let reader = ground.reader(&[("max.poll.records", "3")], &topic, [0])?;
    assert_eq!(reader.current_lag(&both[0])?, None);
    read(&reader, 3).await?;
    assert_eq!(reader.current_lag(&both[0])?, Some(7));
    reader.assign(both.clone())?;
    reader.seek(&both[0], 9)?;
    let lags = async || {
        let lag = |it| reader.current_lag(it).map(Option::unwrap_or_default);
        anyhow::Ok((lag(&both[0])?, lag(&both[1])?))
    };
    while lags().await? != (0, 0) || reader.current_lag(&both[1])?.is_none() {
        assert!(!reader.poll(DEADLINE).await?.is_empty());
    }
    // New records are seen with the next answer, read or not.
    reader.pause(&both[..1])?;
    ground.send_numbers(&topic, 1, 4..5).await?;
    assert_eq!(read(&reader, 1).await?[0].offset, 4);
    assert_eq!(lags().await?, (0, 0));
    assert!(reader.current_lag(&TopicPartition::new(topic, 2)).is_err());
    Ok(())
}

/// A transaction of librdkafka's producer; `None` leaves it open.
async fn transact(
    producer: &FutureProducer,
    topic: &str,
    numbers: std::ops::Range<i64>,
    is_commit: Option<bool>,
) -> anyhow::Result<()> {
    producer.begin_transaction()?;
    for number in numbers {
        let value = number.to_string();
        let record = FutureRecord::<(), _>::to(topic)
            .partition(0)
            .payload(&value);
        let sent = producer.send(record, DEADLINE).await;
        sent.map_err(|(error, _)| error)?;
    }
    match is_commit {
        Some(true) => producer.commit_transaction(DEADLINE)?,
        Some(false) => producer.abort_transaction(DEADLINE)?,
        None => {}
    }
    Ok(())
}

#[tokio::test]
async fn client_consumer_reads_transactions_by_isolation_level() -> anyhow::Result<()> {
    let ground = Ground::new()?;
    let topic = ground.topic("consumer-isolation", 1).await?;
    let partition = TopicPartition::new(topic.as_str(), 0);
    let producer = |id: String| -> anyhow::Result<FutureProducer> {
        let producer: FutureProducer = ClientConfig::new()
            .set("bootstrap.servers", ground.broker.address().to_string())
            .set("transactional.id", id)
            .create()?;
        producer.init_transactions(DEADLINE)?;
        Ok(producer)
    };
    let first = producer(unique("consumer-isolation"))?;
    let second = producer(unique("consumer-isolation"))?;
    transact(&first, &topic, 0..10, Some(true)).await?;
    transact(&first, &topic, 10..20, Some(false)).await?;
    // Two transactions at once: one is aborted, the other is not.
    transact(&first, &topic, 20..25, None).await?;
    transact(&second, &topic, 25..30, Some(false)).await?;
    first.commit_transaction(DEADLINE)?;
    transact(&first, &topic, 30..35, None).await?;
    ground.send_numbers(&topic, 0, 35..40).await?;

    let values = async |reader: &Reader, count| {
        let records = read(reader, count).await?;
        let values = records
            .iter()
            .map(|it| it.value.as_deref().unwrap_or_default().parse());
        anyhow::Ok(values.collect::<Result<Vec<i64>, _>>()?)
    };
    let uncommitted = ground.reader(&[], &topic, [0])?;
    assert_eq!(values(&uncommitted, 40).await?, (0..40).collect::<Vec<_>>());
    let settings = [
        ("isolation.level", "read_committed"),
        ("max.poll.records", "4"),
    ];
    let committed = ground.reader(&settings, &topic, [0])?;
    let expected: Vec<_> = (0..10).chain(20..25).collect();
    assert_eq!(values(&committed, 15).await?, expected);
    assert!(committed.poll(A_MOMENT).await?.is_empty());
    // Four markers, and thirty records before the open transaction.
    let stable = end_of(&committed, &partition).await?;
    assert_eq!(stable, 34);
    assert_eq!(committed.position(&partition).await?, stable);
    assert_eq!(committed.current_lag(&partition)?, Some(0));
    assert_eq!(end_of(&uncommitted, &partition).await?, 44);
    // Into the middle of what was aborted.
    committed.seek(&partition, 15)?;
    assert_eq!(values(&committed, 5).await?, [20, 21, 22, 23, 24]);
    first.abort_transaction(DEADLINE)?;
    assert_eq!(values(&committed, 5).await?, [35, 36, 37, 38, 39]);
    // Behind the marker.
    assert!(committed.poll(A_MOMENT).await?.is_empty());
    assert_eq!(end_of(&committed, &partition).await?, 45);
    assert_eq!(committed.position(&partition).await?, 45);
    Ok(())
}

/// A lookup does not outlive its time when there is nothing to find.
#[tokio::test]
async fn client_consumer_asks_for_unknown_topics_in_vain() -> anyhow::Result<()> {
    let ground = Ground::new()?;
    let settings = [
        ("default.api.timeout.ms", "600"),
        ("allow.auto.create.topics", "false"),
    ];
    let reader = ground.consumer(&settings)?;
    let topic = unique("consumer-unknown");
    let partition = TopicPartition::new(topic.as_str(), 0);
    let missing = reader.partitions_for(&topic).await.unwrap_err();
    assert!(matches!(missing, ClientError::Timeout { .. }), "{missing}");
    let missing = reader.end_offsets(std::slice::from_ref(&partition)).await;
    assert!(missing.is_err());
    reader.assign([partition])?;
    assert!(reader.poll(Duration::from_secs(1)).await?.is_empty());
    let topics = ground.admin.list_topics(false).await?;
    assert!(
        topics.iter().all(|it| it.name != topic),
        "nobody created it"
    );
    Ok(())
}
