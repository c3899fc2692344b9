//! What is read, from where, and what stops it.

use futures_util::{FutureExt, StreamExt};
use hashbrown::HashMap;
use ringbrook_protocol::messages::FetchRequest;

use super::*;

#[tokio::test(start_paused = true)]
async fn records_come_in_order_from_all_partitions() {
    let fake = FakeCluster::new(2);
    fake.create_topic("t", 3);
    append(&fake, 0, &["a", "b"]);
    append(&fake, 0, &["c"]);
    append(&fake, 1, &["d"]);
    append(&fake, 2, &["e"]);
    let consumer = consumer(&fake, &[0, 1, 2]);
    let mut all = read(&consumer, 5).await;
    all.sort();
    let expected = [
        (0, 0, "a"),
        (0, 1, "b"),
        (0, 2, "c"),
        (1, 0, "d"),
        (2, 0, "e"),
    ];
    assert_eq!(all, expected.map(|(p, o, v)| (p, o, v.to_owned())));
    // What comes later is read later.
    append(&fake, 1, &["f"]);
    assert_eq!(read(&consumer, 1).await, [(1, 1, "f".to_owned())]);
    assert!(consumer.poll(SHORT).await.unwrap().is_empty());
    assert_eq!(consumer.position(&tp(1)).await.unwrap(), 2);
    consumer.close().await.unwrap();
    assert!(matches!(
        consumer.poll(SHORT).await,
        Err(ClientError::Closed(_))
    ));
}

#[tokio::test(start_paused = true)]
async fn a_poll_returns_at_most_max_poll_records() {
    let fake = FakeCluster::new(1);
    fake.create_topic("t", 2);
    append(&fake, 0, &["a", "b", "c"]);
    append(&fake, 1, &["d", "e"]);
    let config = ConsumerConfig {
        max_poll_records: 2,
        ..config(&fake)
    };
    let consumer = consumer_of(&fake, config);
    consumer.assign([tp(0), tp(1)]).unwrap();
    let mut counts = Vec::new();
    while counts.iter().sum::<usize>() < 5 {
        let records = consumer.poll(LONG).await.unwrap();
        let last = records.iter().last().unwrap();
        let position = consumer.position(&last.topic_partition()).await.unwrap();
        assert_eq!(position, last.offset + 1);
        let next = &records.next_offsets()[&last.topic_partition()];
        assert_eq!((next.offset, next.leader_epoch), (position, Some(0)));
        counts.push(records.count());
    }
    assert_eq!(counts, [2, 2, 1]);
}

#[tokio::test(start_paused = true)]
async fn nothing_to_poll_is_an_error() {
    let fake = FakeCluster::new(1);
    let consumer = consumer_of(&fake, config(&fake));
    let error = consumer.poll(SHORT).await.unwrap_err();
    assert!(error.to_string().starts_with("nothing to poll"), "{error}");
    consumer.assign([tp(0)]).unwrap();
    consumer.assign([]).unwrap();
    consumer.poll(SHORT).await.unwrap_err();
    consumer.assign([TopicPartition::new("", 0)]).unwrap_err();
    consumer.assign([TopicPartition::new("t", -1)]).unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn a_seek_drops_what_is_buffered() {
    let fake = FakeCluster::new(1);
    fake.create_topic("t", 1);
    append(&fake, 0, &["a", "b", "c", "d"]);
    let config = ConsumerConfig {
        max_poll_records: 1,
        ..config(&fake)
    };
    let consumer = consumer_of(&fake, config);
    consumer.assign([tp(0)]).unwrap();
    assert_eq!(values(&consumer, 1).await, ["a"]);
    consumer.seek(&tp(0), 3).unwrap();
    assert_eq!(consumer.position(&tp(0)).await.unwrap(), 3);
    assert_eq!(values(&consumer, 1).await, ["d"]);
    consumer.seek(&tp(0), 1).unwrap();
    assert_eq!(values(&consumer, 2).await, ["b", "c"]);
    consumer.seek_to_beginning(&[]).unwrap();
    assert_eq!(values(&consumer, 1).await, ["a"]);
    consumer.seek_to_end(&[tp(0)]).unwrap();
    assert_eq!(consumer.position(&tp(0)).await.unwrap(), 4);
    consumer.seek(&tp(0), -1).unwrap_err();
    consumer.seek(&tp(1), 0).unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn a_paused_partition_keeps_its_records_and_does_not_stop_others() {
    let fake = FakeCluster::new(1);
    fake.create_topic("t", 2);
    append(&fake, 0, &["a", "b"]);
    append(&fake, 1, &["c", "d"]);
    let config = ConsumerConfig {
        max_poll_records: 1,
        ..config(&fake)
    };
    let consumer = consumer_of(&fake, config);
    consumer.assign([tp(0), tp(1)]).unwrap();
    let (first, _, _) = read(&consumer, 1).await[0];
    let other = 1 - first;
    consumer.pause(&[tp(first)]).unwrap();
    assert_eq!(
        consumer.paused().into_iter().collect::<Vec<_>>(),
        [tp(first)]
    );
    append(&fake, other, &["e"]);
    for (partition, _, _) in read(&consumer, 3).await {
        assert_eq!(partition, other);
    }
    assert!(consumer.poll(SHORT).await.unwrap().is_empty());
    consumer.resume(&[tp(first)]).unwrap();
    let (partition, offset, _) = read(&consumer, 1).await.remove(0);
    assert_eq!((partition, offset), (first, 1));
    consumer.pause(&[tp(7)]).unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn reading_begins_where_auto_offset_reset_says() {
    let fake = FakeCluster::new(1);
    fake.create_topic("t", 1);
    append(&fake, 0, &["a", "b"]);
    let config = |auto_offset_reset| ConsumerConfig {
        auto_offset_reset,
        ..config(&fake)
    };
    let latest = consumer_of(&fake, config(AutoOffsetReset::Latest));
    latest.assign([tp(0)]).unwrap();
    assert_eq!(latest.position(&tp(0)).await.unwrap(), 2);
    append(&fake, 0, &["c"]);
    assert_eq!(values(&latest, 1).await, ["c"]);

    // Records are of the year 1970: none is so young, and reading begins at the end.
    let age = AutoOffsetReset::ByDuration(Duration::from_secs(60));
    let young = consumer_of(&fake, config(age));
    young.assign([tp(0)]).unwrap();
    assert_eq!(young.position(&tp(0)).await.unwrap(), 3);

    let none = consumer_of(&fake, config(AutoOffsetReset::None));
    none.assign([tp(0)]).unwrap();
    let error = none.position(&tp(0)).await.unwrap_err();
    assert!(matches!(error, ClientError::NoOffset { .. }), "{error}");
    let error = none.poll(LONG).await.unwrap_err();
    assert!(matches!(error, ClientError::NoOffset { .. }), "{error}");
    none.seek(&tp(0), 1).unwrap();
    assert_eq!(values(&none, 2).await, ["b", "c"]);
}

#[tokio::test(start_paused = true)]
async fn offsets_are_found_by_end_and_time() {
    let fake = FakeCluster::new(2);
    fake.create_topic("t", 2);
    append(&fake, 0, &["a", "b", "c"]);
    let consumer = consumer_of(&fake, config(&fake));
    let both = [tp(0), tp(1)];
    let ends = consumer.end_offsets(&both).await.unwrap();
    assert_eq!((ends[&tp(0)], ends[&tp(1)]), (3, 0));
    let beginnings = consumer.beginning_offsets(&both).await.unwrap();
    assert_eq!((beginnings[&tp(0)], beginnings[&tp(1)]), (0, 0));
    // The fake cluster's records are of the times 1000, 1001 and so on.
    let times: HashMap<_, _> = both.iter().map(|it| (it.clone(), 1_001)).collect();
    let found = consumer.offsets_for_times(&times).await.unwrap();
    let first = found[&tp(0)].unwrap();
    assert_eq!((first.offset, first.timestamp), (1, 1_001));
    assert_eq!(found[&tp(1)], None);
    let negative: HashMap<_, _> = [(tp(0), -1)].into_iter().collect();
    consumer.offsets_for_times(&negative).await.unwrap_err();
    assert_eq!(consumer.partitions_for("t").await.unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn lag_is_what_is_left_to_read() {
    let fake = FakeCluster::new(1);
    fake.create_topic("t", 1);
    append(&fake, 0, &["a", "b", "c"]);
    let config = ConsumerConfig {
        max_poll_records: 1,
        ..config(&fake)
    };
    let consumer = consumer_of(&fake, config);
    consumer.assign([tp(0)]).unwrap();
    assert_eq!(consumer.current_lag(&tp(0)).unwrap(), None);
    read(&consumer, 1).await;
    assert_eq!(consumer.current_lag(&tp(0)).unwrap(), Some(2));
    read(&consumer, 2).await;
    assert_eq!(consumer.current_lag(&tp(0)).unwrap(), Some(0));
    consumer.current_lag(&tp(1)).unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn wakeup_ends_one_call() {
    let fake = FakeCluster::new(1);
    fake.create_topic("t", 1);
    let consumer = consumer(&fake, &[0]);
    let (polled, ()) = tokio::join!(consumer.poll(LONG), async { consumer.wakeup() });
    assert!(matches!(polled, Err(ClientError::Wakeup)));
    assert!(consumer.poll(SHORT).await.unwrap().is_empty());
    consumer.wakeup();
    assert!(matches!(
        consumer.poll(SHORT).await,
        Err(ClientError::Wakeup)
    ));
    append(&fake, 0, &["a"]);
    assert_eq!(values(&consumer, 1).await, ["a"]);
}

/// A stream that is dropped leaves nothing unread behind; a poll that is dropped neither.
#[tokio::test(start_paused = true)]
async fn dropping_a_stream_or_a_poll_loses_nothing() {
    let fake = FakeCluster::new(1);
    fake.create_topic("t", 1);
    append(&fake, 0, &["a", "b", "c"]);
    let consumer = consumer(&fake, &[0]);
    {
        let mut stream = consumer.stream();
        assert_eq!(stream.next().await.unwrap().unwrap().offset, 0);
        assert_eq!(stream.next().await.unwrap().unwrap().offset, 1);
    }
    assert_eq!(consumer.position(&tp(0)).await.unwrap(), 2);
    assert_eq!(values(&consumer, 1).await, ["c"]);
    {
        let mut stream = consumer.stream();
        append(&fake, 0, &["d", "e"]);
        assert_eq!(stream.next().await.unwrap().unwrap().offset, 3);
        // The application's own seek counts more than what the stream had left.
        consumer.seek(&tp(0), 1).unwrap();
    }
    assert_eq!(values(&consumer, 4).await, ["b", "c", "d", "e"]);
    for _ in 0..100 {
        assert!(
            consumer
                .poll(LONG)
                .now_or_never()
                .is_none_or(|it| !it.unwrap().is_empty())
        );
    }
    consumer.seek(&tp(0), 4).unwrap();
    assert_eq!(values(&consumer, 1).await, ["e"]);
    consumer.close().await.unwrap();
    assert!(consumer.stream().next().await.is_none());
}

/// The next fetch goes out before the records of the one before are read, but not without bound.
#[tokio::test(start_paused = true)]
async fn fetching_goes_ahead_of_reading_up_to_a_bound() {
    let fake = FakeCluster::new(1);
    fake.create_topic("t", 1);
    let value = "x".repeat(100_000);
    for _ in 0..100 {
        append(&fake, 0, &[&value]);
    }
    let consumer = consumer(&fake, &[0]);
    let before = fake.received::<FetchRequest>(2).await.len();
    assert!(2 <= before);
    tokio::time::sleep(Duration::from_secs(10)).await;
    // About 1 MiB each, and nobody reads: 2 MiB are enough.
    assert_eq!(fake.requests::<FetchRequest>().len(), 3);
    assert_eq!(read(&consumer, 100).await.len(), 100);
    let requests = fake.requests::<FetchRequest>();
    let full = requests.iter().filter(|(_, it)| it.session_epoch == 0);
    assert_eq!(
        full.count(),
        requests.len(),
        "the fake cluster opens no sessions"
    );
}
