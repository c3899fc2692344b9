//! The producer against brokers that refuse, lose, hang and move: what is acknowledged is written
//! once and in order, what is not says why.

use std::sync::Mutex;

use ringbrook_protocol::ResponseError;
use ringbrook_protocol::StrBytes;
use ringbrook_protocol::messages::produce_response::BatchIndexAndErrorMessage;
use ringbrook_protocol::messages::{ApiKey, ProduceRequest, ProduceResponse};
use ringbrook_record::{Batch as BatchView, BatchHeader};

use super::*;
use crate::testing::{Gate, Reply};

#[tokio::test(start_paused = true)]
async fn a_lost_answer_makes_no_duplicate_with_idempotence() {
    for (idempotence, expected) in [("true", vec!["x", "y"]), ("false", vec!["x", "x", "y"])] {
        let rig = Rig::new(1, &[("enable.idempotence", idempotence)]);
        let hang_up = |_: &_, _| Reply::builtin().hang_up();
        rig.fake.next::<ProduceRequest>(hang_up);
        let first = rig.send("x").await.await.unwrap();
        let second = rig.send("y").await.await.unwrap();
        assert!(first.offset < second.offset);
        assert_eq!(rig.values(0), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn batches_behind_a_refused_one_wait_for_their_turn() {
    let rig = Rig::new(1, &[("batch.size", "0"), ("linger.ms", "0")]);
    rig.send("0").await.await.unwrap();
    rig.fake
        .next_error::<ProduceRequest>(ResponseError::NotLeaderOrFollower);
    let mut deliveries = Vec::new();
    for value in 1..50 {
        deliveries.push(rig.send(&value.to_string()).await);
    }
    for (offset, delivery) in (1..).zip(deliveries) {
        assert_eq!(delivery.await.unwrap().offset, offset);
    }
    let expected: Vec<_> = (0..50).map(|value| value.to_string()).collect();
    assert_eq!(rig.values(0), expected);
    let epochs = rig.headers(0);
    assert!(epochs.iter().all(|header| header.producer_epoch == 0));
}

#[tokio::test(start_paused = true)]
async fn with_one_request_in_flight_order_holds_without_idempotence() {
    let rig = Rig::new(
        1,
        &[
            ("batch.size", "0"),
            ("enable.idempotence", "false"),
            ("max.in.flight.requests.per.connection", "1"),
        ],
    );
    for number in 0..20 {
        if number % 3 == 0 {
            rig.fake
                .next_error::<ProduceRequest>(ResponseError::NotLeaderOrFollower);
        }
        drop(rig.send(&number.to_string()).await);
    }
    rig.producer.flush().await;
    let expected: Vec<_> = (0..20).map(|value| value.to_string()).collect();
    assert_eq!(rig.values(0), expected);
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_is_too_large_is_split() {
    let rig = Rig::new(1, &[("compression.type", "gzip"), ("linger.ms", "50")]);
    rig.fake.on::<ProduceRequest>(|asked, request| {
        let data = &request.topic_data[0].partition_data[0];
        let header = BatchHeader::parse(data.records.as_ref().unwrap()).unwrap();
        if header.records_count <= 3 {
            return Reply::builtin();
        }
        use crate::testing::ErrorAnswer;
        let error = ResponseError::MessageTooLarge.code();
        Reply::answer(request.error_answer(asked.version, error))
    });
    let told = Arc::<Mutex<Vec<i64>>>::default();
    let mut deliveries = Vec::new();
    for number in 0..10 {
        let record = ProducerRecord::new("t", number.to_string()).with_partition(0);
        if number % 2 == 0 {
            deliveries.push((number, rig.producer.send(record).await.unwrap()));
            continue;
        }
        let told = Arc::clone(&told);
        let tell = move |outcome: Result<RecordMetadata, ClientError>| {
            told.lock().unwrap().push(outcome.unwrap().offset);
        };
        rig.producer.send_with(record, tell).await.unwrap();
    }
    for (number, delivery) in deliveries {
        assert_eq!(delivery.await.unwrap().offset, number);
    }
    rig.producer.flush().await;
    assert_eq!(*told.lock().unwrap(), [1, 3, 5, 7, 9]);
    let expected: Vec<_> = (0..10).map(|value| value.to_string()).collect();
    assert_eq!(rig.values(0), expected);
    assert_eq!(rig.producer.counters().batches_split, 1);
    assert_eq!(rig.producer.counters().buffered_bytes, 0);
}

#[tokio::test(start_paused = true)]
async fn records_expire_and_later_ones_get_through() {
    let rig = Rig::new(1, &[("delivery.timeout.ms", "40000")]);
    rig.send("before").await.await.unwrap();
    rig.fake.freeze_node(0);
    let begin = Instant::now();
    let lost = rig.send("lost").await.await.unwrap_err();
    assert!(matches!(lost, ClientError::Timeout { .. }), "{lost}");
    assert!(
        lost.to_string().contains("sending 1 records to t-0"),
        "{lost}"
    );
    let took = begin.elapsed().as_secs();
    assert!((39..=41).contains(&took), "{took} s");
    rig.fake.start_node(0);
    rig.send("after").await.await.unwrap();
    assert_eq!(rig.values(0), ["before", "after"]);
    assert_eq!(rig.producer.counters().batches_expired, 1);
}

/// A batch whose answer never comes expires while it is with the broker; nobody knows whether it
/// was written, so numbers begin anew.
#[tokio::test(start_paused = true)]
async fn a_batch_of_unknown_fate_bumps_the_epoch() {
    let settings = [
        ("delivery.timeout.ms", "3000"),
        ("request.timeout.ms", "2000"),
    ];
    let rig = Rig::new(1, &settings);
    rig.send("before").await.await.unwrap();
    rig.fake
        .on::<ProduceRequest>(|_, _| Reply::builtin().lost());
    rig.send("unknown").await.await.unwrap_err();
    rig.fake.on::<ProduceRequest>(|_, _| Reply::builtin());
    rig.send("after").await.await.unwrap();
    assert_eq!(rig.values(0), ["before", "unknown", "after"]);
    let last = rig.headers(0)[2];
    assert_eq!((last.producer_epoch, last.base_sequence), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn records_follow_their_leader() {
    let rig = Rig::new(3, &[]);
    rig.send("a").await.await.unwrap();
    rig.fake.topics(|topics| topics.move_leader("t", 0, 2));
    rig.send("b").await.await.unwrap();
    rig.fake.topics(|topics| topics.move_leader("t", 0, -1));
    let delivery = rig.send("c").await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    rig.fake.topics(|topics| topics.move_leader("t", 0, 1));
    delivery.await.unwrap();
    assert_eq!(rig.values(0), ["a", "b", "c"]);
    let asked = rig.fake.requests::<ProduceRequest>();
    let nodes: Vec<_> = asked.iter().map(|(asked, _)| asked.node).collect();
    assert_eq!(nodes.first(), Some(&0));
    assert_eq!(nodes.last(), Some(&1));
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_is_made_anew_gets_the_record() {
    let rig = Rig::new(1, &[]);
    rig.send("old").await.await.unwrap();
    rig.fake.topics(|topics| topics.delete("t"));
    rig.fake.create_topic("t", 4);
    rig.send("new").await.await.unwrap();
    assert_eq!(rig.values(0), ["new"]);
}

#[tokio::test(start_paused = true)]
async fn errors_of_single_records_are_theirs() {
    let rig = Rig::new(1, &[]);
    rig.fake.next::<ProduceRequest>(|asked, request| {
        use crate::testing::ErrorAnswer;
        let error = ResponseError::InvalidRecord.code();
        let mut answer = request.error_answer(asked.version, error);
        let wrong = BatchIndexAndErrorMessage::default()
            .with_batch_index(1)
            .with_batch_index_error_message(Some(StrBytes::from_static_str("no key")));
        answer.responses[0].partition_responses[0].record_errors = vec![wrong];
        Reply::answer(answer)
    });
    let (good, bad) = (rig.send("good").await, rig.send("bad").await);
    let good = good.await.unwrap_err().to_string();
    assert_eq!(
        good,
        "t-0: InvalidRecord (87): another record of its batch is invalid"
    );
    let bad = bad.await.unwrap_err().to_string();
    assert_eq!(bad, "t-0 record 1: InvalidRecord (87): no key");
}

#[tokio::test(start_paused = true)]
async fn memory_that_is_full_makes_senders_wait_and_then_say_so() {
    let settings = [("buffer.memory", "2000"), ("max.block.ms", "1000")];
    let rig = Rig::new(1, &settings);
    let gate = Gate::closed();
    let held = gate.clone();
    rig.fake
        .on::<ProduceRequest>(move |_, _| Reply::builtin().when(&held));
    let value = "v".repeat(700);
    let first = [rig.send(&value).await, rig.send(&value).await];
    let begin = Instant::now();
    let record = ProducerRecord::new("t", value.clone()).with_partition(0);
    let full = rig
        .producer
        .send(record.clone())
        .await
        .map(drop)
        .unwrap_err();
    assert!(full.to_string().contains("buffer.memory"), "{full}");
    assert_eq!(begin.elapsed().as_secs(), 1);
    // Those who wait are served in their order.
    let (a, b, ()) = tokio::join!(
        rig.producer.send(record.clone()),
        rig.producer.send(record),
        async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            gate.open();
        }
    );
    let mut offsets = Vec::new();
    for delivery in first.into_iter().chain([a.unwrap(), b.unwrap()]) {
        offsets.push(delivery.await.unwrap().offset);
    }
    assert_eq!(offsets, [0, 1, 2, 3]);
    let counters = rig.producer.counters();
    assert_eq!(counters.buffer_waits, 3);
    assert!(1 <= counters.batches_for(SendReason::BufferExhausted));
}

#[tokio::test(start_paused = true)]
async fn without_acknowledgements_offsets_are_unknown() {
    let rig = Rig::new(1, &[("acks", "0")]);
    let metadata = rig.send("x").await.await.unwrap();
    assert_eq!((metadata.offset, metadata.has_offset()), (-1, false));
    let look = || (rig.values(0) == ["x"]).then_some(());
    rig.fake.until("the record", look).await;
}

/// The last batch was over when it was sent, and nothing woke the sender to see that all was done:
/// closing took until metadata was asked for again.
#[tokio::test(start_paused = true)]
async fn without_acknowledgements_a_producer_closes_when_all_is_sent() {
    let rig = Rig::new(1, &[("acks", "0"), ("linger.ms", "60000")]);
    let connecting = rig.send("connects").await;
    rig.producer.flush().await;
    connecting.await.unwrap();
    let delivery = rig.send("x").await;
    // The sender takes note of the record before it hears of the close.
    tokio::time::advance(Duration::from_millis(1)).await;
    let closed = rig.producer.close_within(Duration::from_secs(1)).await;
    closed.unwrap();
    delivery.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn every_version_of_produce_is_spoken() {
    for version in 3..=13 {
        let rig = Rig::new(1, &[("compression.type", "lz4")]);
        rig.fake.serve(ApiKey::Produce, 3, version);
        let metadata = rig.send("x").await.await.unwrap();
        assert_eq!(metadata.offset, 0);
        let asked = rig.fake.requests::<ProduceRequest>();
        assert_eq!(asked[0].0.version, version);
    }
    let rig = Rig::new(1, &[("delivery.timeout.ms", "40000")]);
    rig.fake.serve(ApiKey::Produce, 0, 2);
    let error = rig.send("x").await.await.unwrap_err();
    assert!(
        matches!(error, ClientError::UnsupportedVersion { .. }),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_the_partition_is_an_error() {
    let rig = Rig::new(1, &[]);
    rig.fake.next::<ProduceRequest>(|_, _| {
        Reply::changed(|answer: &mut ProduceResponse| answer.responses.clear())
    });
    let error = rig.send("x").await.await.unwrap_err();
    assert!(
        error.to_string().contains("has said nothing about t-0"),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_asks_for_a_pause_gets_it() {
    let rig = Rig::new(1, &[]);
    rig.fake.next::<ProduceRequest>(|_, _| {
        Reply::changed(|answer: &mut ProduceResponse| answer.throttle_time_ms = 3000)
    });
    rig.send("x").await.await.unwrap();
    let begin = Instant::now();
    rig.send("y").await.await.unwrap();
    let took = begin.elapsed().as_millis();
    assert!((2900..3200).contains(&took), "{took} ms");
}

/// Whatever happens to requests and answers: what is acknowledged is written exactly once, and
/// every partition holds its records in the order of sending.
#[tokio::test(start_paused = true)]
async fn chaos_loses_nothing_and_doubles_nothing() {
    let seed = std::env::var("RINGBROOK_TEST_SEED").ok();
    let seed = seed.map_or_else(|| fastrand::u64(..), |seed| seed.parse().unwrap());
    eprintln!("RINGBROOK_TEST_SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    for compression in ["none", "zstd"] {
        let rig = Rig::new(
            3,
            &[
                ("batch.size", "200"),
                ("linger.ms", "1"),
                ("compression.type", compression),
                ("request.timeout.ms", "1000"),
                ("delivery.timeout.ms", "100000000"),
            ],
        );
        let mut fate = random.fork();
        rig.fake.on::<ProduceRequest>(move |asked, request| {
            use crate::testing::ErrorAnswer;
            let refuse = |error: ResponseError| {
                Reply::answer(request.error_answer(asked.version, error.code()))
            };
            let pause = Duration::from_millis(fate.u64(..300));
            match fate.u8(..20) {
                0 => Reply::builtin().hang_up(),
                1 => Reply::builtin().lost(),
                2 => Reply::ignored(),
                3 => refuse(ResponseError::NotLeaderOrFollower),
                4 => refuse(ResponseError::NotEnoughReplicas),
                5..=9 => Reply::builtin().delayed(pause),
                _ => Reply::builtin(),
            }
        });
        let mut deliveries = Vec::new();
        for number in 0..1000_usize {
            let partition = random.i32(0..4);
            let record = ProducerRecord::new("t", number.to_string()).with_partition(partition);
            deliveries.push((number, rig.producer.send(record).await.unwrap()));
            if random.u8(..20) == 0 {
                tokio::time::sleep(Duration::from_millis(random.u64(..100))).await;
            }
            if random.u8(..100) == 0 {
                let leader = random.i32(0..3);
                rig.fake
                    .topics(|topics| topics.move_leader("t", partition, leader));
            }
        }
        let mut acknowledged = Vec::new();
        for (number, delivery) in deliveries {
            let metadata = delivery.await.unwrap();
            acknowledged.push((metadata.partition, metadata.offset, number));
        }
        let mut written = 0;
        for partition in 0..4 {
            let values = rig.values(partition);
            written += values.len();
            let numbers: Vec<usize> = values.iter().map(|it| it.parse().unwrap()).collect();
            assert!(numbers.is_sorted(), "partition {partition}: {numbers:?}");
            for (_, offset, number) in acknowledged.iter().filter(|it| it.0 == partition) {
                let at = usize::try_from(*offset).unwrap();
                assert_eq!(numbers.get(at), Some(number));
            }
        }
        assert_eq!(written, 1000);
        rig.producer.close().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn batches_are_readable_in_every_codec() {
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let rig = Rig::new(1, &[("compression.type", codec)]);
        let deliveries = [rig.send("a").await, rig.send("b").await];
        for delivery in deliveries {
            delivery.await.unwrap();
        }
        assert_eq!(rig.values(0), ["a", "b"]);
        let batches = rig
            .fake
            .topics(|topics| topics.partition("t", 0).log.batches().to_vec());
        let view = BatchView::parse(&batches[0]).unwrap();
        view.verify_crc().unwrap();
        assert_eq!(view.header.attributes.codec().unwrap().name(), codec);
    }
}
