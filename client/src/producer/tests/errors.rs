//! Every error code that a broker can answer a producer with: what is tried again, and what the
//! application is told.

use ringbrook_protocol::ResponseError as E;
use ringbrook_protocol::messages::{MetadataRequest, MetadataResponse};

use super::*;
use crate::error::is_retriable;

/// Those after which a producer with numbers can write nothing any more.
const FATAL: [E; 4] = [
    E::ClusterAuthorizationFailed,
    E::TransactionalIdAuthorizationFailed,
    E::ProducerFenced,
    E::UnsupportedVersion,
];

/// Those that are about sequence numbers.
const ABOUT_NUMBERS: [E; 3] = [
    E::DuplicateSequenceNumber,
    E::OutOfOrderSequenceNumber,
    E::UnknownProducerId,
];

fn all() -> impl Iterator<Item = E> {
    let known = (-1..140).filter_map(E::try_from_code);
    known.filter(|error| !matches!(error, E::Unknown(_)))
}

async fn try_send(rig: &Rig, value: &str) -> Result<RecordMetadata, ClientError> {
    let record = ProducerRecord::new("t", value.to_owned()).with_partition(0);
    rig.producer.send(record).await?.await
}

#[tokio::test(start_paused = true)]
async fn every_retriable_error_is_retried() {
    let retriable: Vec<_> = all().filter(|error| is_retriable(*error)).collect();
    assert!(15 < retriable.len());
    for error in retriable {
        for idempotence in ["true", "false"] {
            let rig = Rig::new(1, &[("enable.idempotence", idempotence)]);
            rig.fake.next_error::<ProduceRequest>(error);
            let metadata = rig.send("x").await.await.unwrap();
            assert_eq!(metadata.offset, 0, "{error:?}");
            assert_eq!(rig.values(0), ["x"], "{error:?}");
            assert_eq!(rig.producer.counters().batches_retried, 1, "{error:?}");
            assert_eq!(rig.fake.steps_left_count(), 0);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn other_errors_are_the_records_and_the_next_record_goes_on() {
    let others: Vec<_> = all()
        .filter(|error| !is_retriable(*error) && !ABOUT_NUMBERS.contains(error))
        .collect();
    assert!(50 < others.len());
    for error in others {
        for idempotence in ["true", "false"] {
            let rig = Rig::new(1, &[("enable.idempotence", idempotence)]);
            rig.fake.next_error::<ProduceRequest>(error);
            let refused = rig.send("x").await.await.unwrap_err();
            assert_eq!(refused.response_error(), Some(error));
            assert!(refused.to_string().starts_with("t-0: "), "{refused}");
            assert_eq!(rig.producer.counters().batches_retried, 0, "{error:?}");
            let is_idempotent = idempotence == "true";
            if is_idempotent && FATAL.contains(&error) {
                for _ in 0..2 {
                    let refused = try_send(&rig, "y").await.unwrap_err();
                    assert_eq!(refused.response_error(), Some(error));
                }
                rig.producer.close().await.unwrap();
                assert_eq!(rig.fake.requests::<ProduceRequest>().len(), 1, "{error:?}");
                continue;
            }
            rig.send("y").await.await.unwrap();
            assert_eq!(rig.values(0), ["y"]);
            if is_idempotent {
                let header = rig.headers(0)[0];
                let numbers = (header.producer_epoch, header.base_sequence);
                assert_eq!(numbers, (1, 0), "numbers begin anew: {error:?}");
            }
        }
    }
}

/// A broker that knows the numbers already has the batch; one that does not is told them anew.
#[tokio::test(start_paused = true)]
async fn errors_about_numbers_are_no_error_of_the_record() {
    for error in ABOUT_NUMBERS {
        let rig = Rig::new(1, &[]);
        rig.fake.next_error::<ProduceRequest>(error);
        let metadata = rig.send("x").await.await.unwrap();
        let is_duplicate = error == E::DuplicateSequenceNumber;
        assert_eq!(metadata.has_offset(), !is_duplicate, "{error:?}");
        let epochs: Vec<_> = rig.headers(0).iter().map(|it| it.producer_epoch).collect();
        let expected: &[i16] = match error {
            E::DuplicateSequenceNumber => &[],
            E::OutOfOrderSequenceNumber => &[1],
            _ => &[0],
        };
        assert_eq!(epochs, expected, "{error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_that_lasts_is_told_when_time_is_up() {
    let settings = [
        ("delivery.timeout.ms", "5000"),
        ("request.timeout.ms", "2000"),
    ];
    let rig = Rig::new(1, &settings);
    rig.fake.on::<ProduceRequest>(|asked, request| {
        use crate::testing::ErrorAnswer;
        let error = E::NotEnoughReplicas.code();
        Reply::answer(request.error_answer(asked.version, error))
    });
    let begin = Instant::now();
    let error = rig.send("x").await.await.unwrap_err();
    assert!(begin.elapsed() <= Duration::from_secs(6));
    let is_told = matches!(error, ClientError::Timeout { .. })
        || error.response_error() == Some(E::NotEnoughReplicas);
    assert!(is_told, "{error}");
    let retries = rig.fake.requests::<ProduceRequest>().len();
    assert!((4..60).contains(&retries), "{retries} attempts in 5 s");
}

#[tokio::test(start_paused = true)]
async fn retries_end_when_they_are_used_up() {
    let settings = [("retries", "3"), ("enable.idempotence", "false")];
    let rig = Rig::new(1, &settings);
    for _ in 0..4 {
        rig.fake.next_error::<ProduceRequest>(E::NotEnoughReplicas);
    }
    let error = rig.send("x").await.await.unwrap_err();
    assert_eq!(error.response_error(), Some(E::NotEnoughReplicas));
    assert_eq!(rig.fake.requests::<ProduceRequest>().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_producer_id_is_asked_for_again_after_every_retriable_error() {
    for error in all().filter(|error| is_retriable(*error)) {
        let rig = Rig::new(1, &[]);
        rig.fake.next_error::<InitProducerIdRequest>(error);
        rig.send("x").await.await.unwrap();
        let asked = rig.fake.requests::<InitProducerIdRequest>().len();
        assert_eq!(asked, 2, "{error:?}");
    }
}

/// Refuses every producer id for this reason.
fn refuse_ids(rig: &Rig, error: E) {
    rig.fake.on::<InitProducerIdRequest>(move |asked, request| {
        use crate::testing::ErrorAnswer;
        Reply::answer(request.error_answer(asked.version, error.code()))
    });
}

#[tokio::test(start_paused = true)]
async fn a_refused_producer_id_fails_all_sends() {
    for error in all().filter(|error| !is_retriable(*error)) {
        let rig = Rig::new(1, &[]);
        refuse_ids(&rig, error);
        for _ in 0..2 {
            let refused = try_send(&rig, "x").await.unwrap_err();
            assert_eq!(refused.response_error(), Some(error));
        }
        rig.fake
            .on::<InitProducerIdRequest>(|_, _| Reply::builtin());
        let next = try_send(&rig, "y").await;
        let is_authorization = matches!(
            error,
            E::ClusterAuthorizationFailed | E::TransactionalIdAuthorizationFailed
        );
        if is_authorization {
            assert_eq!(next.unwrap().offset, 0, "the right may be given later");
            assert_eq!(rig.values(0), ["y"]);
        } else {
            assert_eq!(next.unwrap_err().response_error(), Some(error));
            let asked = rig.fake.requests::<InitProducerIdRequest>().len();
            assert_eq!(asked, 1, "{error:?}");
        }
        rig.producer.close().await.unwrap();
    }
}

/// Nobody asks over and over while nothing waits to be sent. Once one did without any pause.
#[tokio::test(start_paused = true)]
async fn a_refused_producer_is_quiet_without_records() {
    for error in [E::ClusterAuthorizationFailed, E::InvalidRequest] {
        let rig = Rig::new(1, &[]);
        refuse_ids(&rig, error);
        try_send(&rig, "x").await.unwrap_err();
        let asked = || rig.fake.requests::<InitProducerIdRequest>().len();
        let before = asked();
        tokio::time::sleep(Duration::from_mins(10)).await;
        assert_eq!(asked(), before, "{error:?}");
    }
}

/// Sets a topic's error in the answers about it that come next.
fn topic_error(rig: &Rig, error: E, times: usize) {
    for _ in 0..times {
        rig.fake.next::<MetadataRequest>(move |_, _| {
            Reply::changed(move |answer: &mut MetadataResponse| {
                for topic in &mut answer.topics {
                    topic.error_code = error.code();
                    topic.partitions.clear();
                }
            })
        });
    }
}

#[tokio::test(start_paused = true)]
async fn a_topic_is_waited_for_through_every_retriable_error() {
    for error in all().filter(|error| is_retriable(*error)) {
        let rig = Rig::new(1, &[]);
        topic_error(&rig, error, 2);
        let metadata = rig.send("x").await.await.unwrap();
        assert_eq!(metadata.offset, 0, "{error:?}");
        assert_eq!(rig.fake.steps_left_count(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_cannot_be_had_is_told_at_once() {
    for error in all().filter(|error| !is_retriable(*error)) {
        let rig = Rig::new(1, &[]);
        topic_error(&rig, error, 1);
        let begin = Instant::now();
        let refused = try_send(&rig, "x").await.unwrap_err();
        assert_eq!(refused.response_error(), Some(error), "{refused}");
        assert!(begin.elapsed() < Duration::from_secs(1), "{error:?}");
        // It is not remembered: the next record asks again.
        try_send(&rig, "y").await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_never_comes_takes_max_block_ms() {
    let rig = Rig::new(1, &[("max.block.ms", "3000")]);
    let record = ProducerRecord::new("absent", "x".to_owned());
    let begin = Instant::now();
    let error = rig.producer.send(record).await.map(drop).unwrap_err();
    // It does not begin a pause that would end too late.
    assert!((2..=3).contains(&begin.elapsed().as_secs()));
    assert!(matches!(error, ClientError::Timeout { .. }), "{error}");
    assert_eq!(error.response_error(), Some(E::UnknownTopicOrPartition));
}
