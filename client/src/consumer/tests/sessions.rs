//! Fetch sessions that brokers end or do not know, answers that are late or say nonsense, and
//! errors of whole fetches.

use ringbrook_protocol::ResponseError as E;
use ringbrook_protocol::messages::{FetchRequest, FetchResponse};

use super::*;
use crate::testing::Reply;

fn refuse(fake: &FakeCluster, error: E) {
    fake.next::<FetchRequest>(move |_, _| {
        Reply::answer(FetchResponse::default().with_error_code(error.code()))
    });
}

fn open(fake: &FakeCluster, id: i32) {
    fake.next::<FetchRequest>(move |_, _| {
        Reply::changed(move |answer: &mut FetchResponse| answer.session_id = id)
    });
}

/// Session id and epoch of the requests so far.
fn sessions(fake: &FakeCluster) -> Vec<(i32, i32)> {
    let requests = fake.requests::<FetchRequest>();
    let sessions = requests.iter();
    sessions
        .map(|(_, it)| (it.session_id, it.session_epoch))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_refused_is_opened_anew() {
    for (error, next) in [
        (E::FetchSessionIdNotFound, (0, 0)),
        (E::InvalidFetchSessionEpoch, (5, 0)),
        (E::FetchSessionTopicIdError, (5, 0)),
        (E::UnknownTopicId, (5, 0)),
        (E::InconsistentTopicId, (5, 0)),
        (E::RequestTimedOut, (5, 0)),
    ] {
        let fake = FakeCluster::new(1);
        fake.create_topic("t", 2);
        append(&fake, 0, &["a"]);
        open(&fake, 5);
        refuse(&fake, error);
        open(&fake, 6);
        let consumer = consumer(&fake, &[0, 1]);
        assert_eq!(values(&consumer, 1).await, ["a"]);
        append(&fake, 1, &["b"]);
        assert_eq!(values(&consumer, 1).await, ["b"], "{error:?}");
        fake.received::<FetchRequest>(3).await;
        assert_eq!(sessions(&fake)[..3], [(0, 0), (5, 1), next], "{error:?}");
        // All that is wanted is asked for again.
        let (_, third) = fake.requests::<FetchRequest>().remove(2);
        assert_eq!(third.topics[0].partitions.len(), 2);
    }
}

/// A broker that refuses every session is not asked without pause.
#[tokio::test(start_paused = true)]
async fn sessions_that_cannot_be_opened_are_tried_with_pauses() {
    for error in [E::FetchSessionIdNotFound, E::InvalidFetchSessionEpoch] {
        let fake = FakeCluster::new(1);
        fake.create_topic("t", 1);
        fake.on::<FetchRequest>(move |_, _| {
            Reply::answer(FetchResponse::default().with_error_code(error.code()))
        });
        let consumer = consumer(&fake, &[0]);
        assert!(
            consumer
                .poll(Duration::from_secs(20))
                .await
                .unwrap()
                .is_empty()
        );
        let asked = sessions(&fake).len();
        assert!((10..100).contains(&asked), "{asked} fetches");
    }
}

/// Answers to other questions than were asked: partitions of nobody, or not all of them.
#[tokio::test(start_paused = true)]
async fn answers_to_something_else_are_dropped() {
    for is_less in [true, false] {
        let fake = FakeCluster::new(1);
        fake.create_topic("t", 2);
        append(&fake, 0, &["a"]);
        append(&fake, 1, &["b"]);
        fake.next::<FetchRequest>(move |_, _| {
            Reply::changed(move |answer: &mut FetchResponse| {
                let partitions = &mut answer.responses[0].partitions;
                if is_less {
                    partitions.truncate(1);
                } else {
                    partitions[0].partition_index = 7;
                }
            })
        });
        let consumer = consumer(&fake, &[0, 1]);
        let mut read = values(&consumer, 2).await;
        read.sort();
        assert_eq!(read, ["a", "b"]);
        assert!(consumer.poll(SHORT).await.unwrap().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn slow_answers_are_awaited_and_too_slow_ones_asked_for_again() {
    let fake = FakeCluster::new(1);
    fake.create_topic("t", 1);
    append(&fake, 0, &["a"]);
    fake.next::<FetchRequest>(|_, _| Reply::builtin().delayed(Duration::from_secs(25)));
    fake.next::<FetchRequest>(|_, _| Reply::builtin().delayed(Duration::from_secs(90)));
    let consumer = consumer(&fake, &[0]);
    assert_eq!(values(&consumer, 1).await, ["a"]);
    append(&fake, 0, &["b"]);
    assert_eq!(values(&consumer, 1).await, ["b"]);
    assert!(consumer.poll(LONG).await.unwrap().is_empty());
    assert_eq!(fake.steps_left_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn errors_of_fetches_that_do_not_pass_are_told_and_survived() {
    for error in [
        E::TopicAuthorizationFailed,
        E::UnsupportedCompressionType,
        E::InvalidRequest,
        E::InvalidTopicException,
    ] {
        for is_whole in [true, false] {
            let fake = FakeCluster::new(1);
            fake.create_topic("t", 1);
            append(&fake, 0, &["a"]);
            if is_whole {
                refuse(&fake, error);
            } else {
                fake.next_error::<FetchRequest>(error);
            }
            let consumer = consumer(&fake, &[0]);
            let told = consumer.poll(LONG).await.unwrap_err();
            assert_eq!(told.response_error(), Some(error));
            assert_eq!(values(&consumer, 1).await, ["a"], "{error:?}");
        }
    }
}

/// As Kafka's consumer: an error without a name is the broker's matter and passes.
#[tokio::test(start_paused = true)]
async fn unknown_errors_of_brokers_are_waited_out() {
    let fake = FakeCluster::new(1);
    fake.create_topic("t", 1);
    append(&fake, 0, &["a"]);
    fake.next_error::<FetchRequest>(E::UnknownServerError);
    fake.next_error::<FetchRequest>(E::UnknownServerError);
    let consumer = consumer(&fake, &[0]);
    assert_eq!(values(&consumer, 1).await, ["a"]);
    assert_eq!(fake.steps_left_count(), 0);
}

/// Kafka calls it retriable, but a log that is damaged at the broker does not mend.
#[tokio::test(start_paused = true)]
async fn a_batch_that_is_damaged_at_the_broker_is_told() {
    let fake = FakeCluster::new(1);
    fake.create_topic("t", 1);
    append(&fake, 0, &["a", "b"]);
    append(&fake, 0, &["c"]);
    fake.next::<FetchRequest>(|_, _| Reply::builtin());
    fake.next_error::<FetchRequest>(E::CorruptMessage);
    let consumer = consumer(&fake, &[0]);
    consumer.seek(&tp(0), 1).unwrap();
    assert_eq!(values(&consumer, 2).await, ["b", "c"]);
    fake.next_error::<FetchRequest>(E::CorruptMessage);
    append(&fake, 0, &["d"]);
    let told = consumer.poll(LONG).await.unwrap_err();
    let ClientError::CorruptRecord { offset: 3, .. } = told else {
        panic!("{told}");
    };
    assert_eq!(values(&consumer, 1).await, ["d"]);
}

/// `check.crcs`: a checksum that does not match stops the reading, or is not looked at.
#[tokio::test(start_paused = true)]
async fn checksums_are_compared_if_that_is_wanted() {
    for is_checked in [true, false] {
        let fake = FakeCluster::new(1);
        fake.create_topic("t", 1);
        append(&fake, 0, &["a"]);
        fake.on::<FetchRequest>(|_, _| {
            Reply::changed(|answer: &mut FetchResponse| {
                for data in answer
                    .responses
                    .iter_mut()
                    .flat_map(|it| &mut it.partitions)
                {
                    let mut bytes = data.records.take().unwrap_or_default().to_vec();
                    // The checksum of a batch is in its bytes 17 to 20.
                    if let Some(crc) = bytes.get_mut(17) {
                        *crc ^= 1;
                    }
                    data.records = Some(bytes.into());
                }
            })
        });
        let config = ConsumerConfig {
            check_crcs: is_checked,
            ..config(&fake)
        };
        let consumer = consumer_of(&fake, config);
        consumer.assign([tp(0)]).unwrap();
        if is_checked {
            let told = consumer.poll(LONG).await.unwrap_err();
            assert!(
                matches!(told, ClientError::CorruptRecord { offset: 0, .. }),
                "{told}"
            );
        } else {
            assert_eq!(values(&consumer, 1).await, ["a"]);
        }
    }
}

/// Commits by hand between the records of a stream commit what was handed out, and no more.
#[tokio::test(start_paused = true)]
async fn positions_follow_a_stream_record_by_record() {
    use futures_util::StreamExt;
    let fake = FakeCluster::new(1);
    fake.create_topic("t", 1);
    append(&fake, 0, &["a", "b", "c"]);
    append(&fake, 0, &["d"]);
    let consumer = consumer(&fake, &[0]);
    let mut stream = consumer.stream();
    for offset in 0..4 {
        let record = stream.next().await.unwrap().unwrap();
        assert_eq!(record.offset, offset);
        let consumed = consumer.shared.lock().subscriptions.all_consumed();
        assert_eq!(consumed[&tp(0)].offset, offset + 1);
    }
}
