//! Errors of brokers and connections, and what follows from them.

use ringbrook_protocol::ResponseError as E;
use ringbrook_protocol::messages::{FetchRequest, ListOffsetsRequest, MetadataRequest};

use super::*;
use crate::testing::Reply;

/// Everything that passes by itself: the records come all the same, once and in order.
#[tokio::test(start_paused = true)]
async fn retriable_errors_of_fetches_and_offsets_are_waited_out() {
    for error in PASSING
        .into_iter()
        .chain([E::UnknownTopicId, E::InconsistentTopicId])
    {
        let fake = FakeCluster::new(1);
        fake.create_topic("t", 1);
        append(&fake, 0, &["a", "b"]);
        fake.next_error::<ListOffsetsRequest>(error);
        fake.next_error::<FetchRequest>(error);
        let consumer = consumer(&fake, &[0]);
        assert_eq!(values(&consumer, 2).await, ["a", "b"], "{error:?}");
        assert_eq!(fake.steps_left_count(), 0);
        fake.next_error::<FetchRequest>(error);
        append(&fake, 0, &["c"]);
        assert_eq!(values(&consumer, 1).await, ["c"], "{error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn lost_connections_and_answers_are_made_up_for() {
    let fake = FakeCluster::new(2);
    fake.create_topic("t", 2);
    append(&fake, 0, &["a"]);
    append(&fake, 1, &["b"]);
    fake.next::<MetadataRequest>(|_, _| Reply::builtin().hang_up());
    fake.next::<ListOffsetsRequest>(|_, _| Reply::builtin().hang_up());
    fake.next_at::<FetchRequest>(0, |_, _| Reply::builtin().hang_up());
    fake.next_at::<FetchRequest>(1, |_, _| Reply::builtin().cut_after(20));
    fake.next_at::<FetchRequest>(1, |_, _| Reply::raw(&b"HTTP/1.1 400 Bad Request\r\n"[..]));
    fake.next_at::<FetchRequest>(0, |_, _| Reply::builtin().delayed(Duration::from_secs(9)));
    let consumer = consumer(&fake, &[0, 1]);
    let mut read = values(&consumer, 2).await;
    read.sort();
    assert_eq!(read, ["a", "b"]);
    // An answer that never comes costs request.timeout.ms.
    fake.next_at::<FetchRequest>(0, |_, _| Reply::ignored());
    fake.drop_connections(0);
    append(&fake, 0, &["c"]);
    assert_eq!(values(&consumer, 1).await, ["c"]);
    assert_eq!(fake.steps_left_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_new_leader_is_found_and_asked() {
    let fake = FakeCluster::new(3);
    fake.serve(
        ringbrook_protocol::messages::ApiKey::OffsetForLeaderEpoch,
        1,
        0,
    );
    fake.create_topic("t", 1);
    append(&fake, 0, &["a"]);
    let consumer = consumer(&fake, &[0]);
    assert_eq!(values(&consumer, 1).await, ["a"]);
    for leader in [1, 2, 0] {
        fake.topics(|topics| topics.move_leader("t", 0, -1));
        assert!(consumer.poll(SHORT).await.unwrap().is_empty());
        fake.topics(|topics| topics.move_leader("t", 0, leader));
        append(&fake, 0, &["b"]);
        assert_eq!(values(&consumer, 1).await, ["b"]);
    }
    fake.stop_node(0);
    fake.topics(|topics| topics.move_leader("t", 0, 2));
    append(&fake, 0, &["c"]);
    assert_eq!(values(&consumer, 1).await, ["c"]);
}

#[tokio::test(start_paused = true)]
async fn a_topic_may_come_later_or_anew() {
    let fake = FakeCluster::new(1);
    let consumer = consumer(&fake, &[0]);
    assert!(consumer.poll(SHORT).await.unwrap().is_empty());
    fake.create_topic("t", 1);
    append(&fake, 0, &["a", "b"]);
    assert_eq!(values(&consumer, 2).await, ["a", "b"]);
    // Metadata of a topic that is not there is asked for again, but with pauses.
    let asked = fake.requests::<MetadataRequest>().len();
    assert!(asked <= 60, "{asked} requests for metadata");
    // Deleted and created again: another topic of the same name, which is read from its beginning.
    fake.topics(|topics| topics.delete("t"));
    assert!(consumer.poll(SHORT).await.unwrap().is_empty());
    fake.create_topic("t", 1);
    append(&fake, 0, &["c"]);
    fake.next_error::<FetchRequest>(E::OffsetOutOfRange);
    assert_eq!(values(&consumer, 1).await, ["c"]);
}

#[tokio::test(start_paused = true)]
async fn an_offset_out_of_range_is_reset_or_told() {
    let fake = FakeCluster::new(1);
    fake.create_topic("t", 1);
    append(&fake, 0, &["a", "b"]);
    let earliest = consumer(&fake, &[0]);
    fake.next_error::<FetchRequest>(E::OffsetOutOfRange);
    earliest.seek(&tp(0), 100).unwrap();
    assert_eq!(values(&earliest, 2).await, ["a", "b"]);

    let none = consumer_of(
        &fake,
        ConsumerConfig {
            auto_offset_reset: AutoOffsetReset::None,
            ..config(&fake)
        },
    );
    none.assign([tp(0)]).unwrap();
    none.seek(&tp(0), 100).unwrap();
    fake.next_error::<FetchRequest>(E::OffsetOutOfRange);
    fake.next_error::<FetchRequest>(E::OffsetOutOfRange);
    for _ in 0..2 {
        let error = none.poll(LONG).await.unwrap_err();
        let ClientError::OffsetOutOfRange { offset, .. } = error else {
            panic!("{error}");
        };
        assert_eq!(offset, 100);
    }
    none.seek(&tp(0), 1).unwrap();
    assert_eq!(values(&none, 1).await, ["b"]);
}

/// An error ahead of what is buffered does not touch what is buffered.
#[tokio::test(start_paused = true)]
async fn an_error_behind_buffered_records_waits_for_them() {
    let fake = FakeCluster::new(1);
    fake.create_topic("t", 1);
    append(&fake, 0, &["a", "b"]);
    let consumer = consumer(&fake, &[0]);
    fake.next::<FetchRequest>(|_, _| Reply::builtin());
    fake.next_error::<FetchRequest>(E::OffsetOutOfRange);
    fake.received::<FetchRequest>(2).await;
    assert_eq!(values(&consumer, 2).await, ["a", "b"]);
    assert!(consumer.poll(SHORT).await.unwrap().is_empty());
    assert_eq!(consumer.position(&tp(0)).await.unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_does_not_pass_is_told_until_it_is_gone() {
    let fake = FakeCluster::new(1);
    fake.create_topic("t", 2);
    append(&fake, 0, &["a"]);
    append(&fake, 1, &["b"]);
    let consumer = consumer(&fake, &[0]);
    fake.next_error::<FetchRequest>(E::TopicAuthorizationFailed);
    fake.next_error::<FetchRequest>(E::TopicAuthorizationFailed);
    for _ in 0..2 {
        let error = consumer.poll(LONG).await.unwrap_err();
        assert_eq!(error.response_error(), Some(E::TopicAuthorizationFailed));
    }
    assert_eq!(values(&consumer, 1).await, ["a"]);
    fake.on::<ListOffsetsRequest>(|asked, request| {
        use crate::testing::ErrorAnswer;
        let code = E::TopicAuthorizationFailed.code();
        Reply::answer(request.error_answer(asked.version, code))
    });
    consumer.seek_to_beginning(&[]).unwrap();
    let error = consumer.position(&tp(0)).await.unwrap_err();
    assert_eq!(error.response_error(), Some(E::TopicAuthorizationFailed));
}

#[tokio::test(start_paused = true)]
async fn broken_batches_are_told_and_can_be_passed_over() {
    let fake = FakeCluster::new(1);
    fake.create_topic("t", 1);
    append(&fake, 0, &["a"]);
    append(&fake, 0, &["b"]);
    append(&fake, 0, &["c"]);
    fake.on::<FetchRequest>(|_, request| {
        let from = request
            .topics
            .first()
            .map(|it| it.partitions[0].fetch_offset);
        Reply::changed(
            move |answer: &mut ringbrook_protocol::messages::FetchResponse| {
                for data in answer
                    .responses
                    .iter_mut()
                    .flat_map(|it| &mut it.partitions)
                {
                    let Some(records) = data.records.take().filter(|it| !it.is_empty()) else {
                        continue;
                    };
                    let mut bytes = records.to_vec();
                    let batch_bytes = bytes.len() / 3;
                    if from == Some(0) {
                        bytes[2 * batch_bytes - 2] ^= 1;
                    }
                    data.records = Some(bytes.into());
                }
            },
        )
    });
    let consumer = consumer(&fake, &[0]);
    assert_eq!(values(&consumer, 1).await, ["a"]);
    for _ in 0..2 {
        let error = consumer.poll(LONG).await.unwrap_err();
        let ClientError::CorruptRecord { offset, .. } = error else {
            panic!("{error}");
        };
        assert_eq!(offset, 1);
    }
    consumer.seek(&tp(0), 2).unwrap();
    assert_eq!(values(&consumer, 1).await, ["c"]);
}

/// Bytes that hold no batch at all.
#[tokio::test(start_paused = true)]
async fn an_answer_that_is_no_batches_is_told() {
    for (bytes, text) in [
        (vec![0; 100], "batch length 0 is below the minimum"),
        (
            vec![2; 30],
            "its batch is longer than the 30 bytes that came",
        ),
    ] {
        let fake = FakeCluster::new(1);
        fake.create_topic("t", 1);
        append(&fake, 0, &["a"]);
        fake.next::<FetchRequest>(move |_, _| {
            Reply::changed(
                move |answer: &mut ringbrook_protocol::messages::FetchResponse| {
                    answer.responses[0].partitions[0].records = Some(bytes.into());
                },
            )
        });
        let consumer = consumer(&fake, &[0]);
        let error = consumer.poll(LONG).await.unwrap_err();
        assert!(error.to_string().contains(text), "{error}");
        assert_eq!(values(&consumer, 1).await, ["a"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_broker_without_sessions_or_ids_is_read_as_well() {
    for version in [7, 9, 11, 12, 13, 16] {
        let fake = FakeCluster::new(1);
        fake.serve(ringbrook_protocol::messages::ApiKey::Fetch, 4, version);
        fake.create_topic("t", 1);
        append(&fake, 0, &["a"]);
        let consumer = consumer(&fake, &[0]);
        assert_eq!(values(&consumer, 1).await, ["a"], "Fetch v{version}");
        let (asked, _) = fake.requests::<FetchRequest>().remove(0);
        assert_eq!(asked.version, version);
    }
    let fake = FakeCluster::new(1);
    fake.serve(ringbrook_protocol::messages::ApiKey::Fetch, 0, 6);
    fake.create_topic("t", 1);
    let consumer = consumer(&fake, &[0]);
    let error = consumer.poll(LONG).await.unwrap_err();
    assert!(
        matches!(error, ClientError::UnsupportedVersion { .. }),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn sessions_are_kept_renewed_and_ended() {
    let fake = FakeCluster::new(1);
    fake.create_topic("t", 2);
    let session = |id: i32| {
        move |_: &crate::testing::Asked, _| {
            Reply::<FetchRequest>::changed(move |answer| answer.session_id = id)
        }
    };
    fake.next(session(5));
    fake.next(session(5));
    fake.next::<FetchRequest>(|_, _| {
        Reply::changed(|answer: &mut ringbrook_protocol::messages::FetchResponse| {
            answer.error_code = E::FetchSessionIdNotFound.code();
            answer.responses.clear();
        })
    });
    fake.next(session(6));
    append(&fake, 0, &["a"]);
    let consumer = consumer(&fake, &[0]);
    assert_eq!(values(&consumer, 1).await, ["a"]);
    fake.received::<FetchRequest>(5).await;
    let requests = fake.requests::<FetchRequest>();
    let sessions = requests.iter().take(4);
    let sessions: Vec<_> = sessions
        .map(|(_, it)| (it.session_id, it.session_epoch))
        .collect();
    assert_eq!(sessions, [(0, 0), (5, 1), (5, 2), (0, 0)]);
    consumer.close().await.unwrap();
    let is_last = |it: &FetchRequest| (it.session_id, it.session_epoch) == (6, -1);
    fake.until("the end of the session", || {
        let requests = fake.requests::<FetchRequest>();
        requests.iter().any(|(_, it)| is_last(it)).then_some(())
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_throttled_consumer_waits() {
    let fake = FakeCluster::new(1);
    fake.create_topic("t", 1);
    append(&fake, 0, &["a"]);
    fake.next::<FetchRequest>(|_, _| {
        Reply::changed(|answer: &mut ringbrook_protocol::messages::FetchResponse| {
            answer.throttle_time_ms = 20_000;
        })
    });
    let consumer = consumer(&fake, &[0]);
    assert_eq!(values(&consumer, 1).await, ["a"]);
    let requests = fake.received::<FetchRequest>(2).await;
    let pause = requests[1].0.at - requests[0].0.at;
    assert!(Duration::from_secs(20) <= pause, "{pause:?}");
}

/// A follower near by is asked until it fails.
#[tokio::test(start_paused = true)]
async fn a_preferred_replica_is_asked() {
    let fake = FakeCluster::new(2);
    fake.create_topic("t", 1);
    append(&fake, 0, &["a"]);
    fake.next_at::<FetchRequest>(0, |_, _| {
        Reply::changed(|answer: &mut ringbrook_protocol::messages::FetchResponse| {
            let data = &mut answer.responses[0].partitions[0];
            data.preferred_read_replica = 1.into();
            data.records = None;
        })
    });
    fake.next_at::<FetchRequest>(1, |_, _| Reply::builtin());
    let consumer = consumer_of(
        &fake,
        ConsumerConfig {
            client: crate::config::ClientConfig {
                client_rack: "here".to_owned(),
                ..fake.client_config()
            },
            ..config(&fake)
        },
    );
    consumer.assign([tp(0)]).unwrap();
    assert_eq!(values(&consumer, 1).await, ["a"]);
    let requests = fake.requests::<FetchRequest>();
    let nodes: Vec<_> = requests
        .iter()
        .take(3)
        .map(|(asked, _)| asked.node)
        .collect();
    assert_eq!(nodes, [0, 1, 0]);
    assert_eq!(requests[0].1.rack_id.as_str(), "here");
}
