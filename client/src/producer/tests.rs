//! Tests of the producer as a whole, against a scripted cluster or none. Against real brokers it
//! is tested by the system tests.

mod errors;
mod faults;
mod leaders;
mod order;
mod transactions;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use ringbrook_protocol::messages::{InitProducerIdRequest, ProduceRequest, ProduceResponse};
use ringbrook_record::BatchHeader;

use super::*;
use crate::serialization::StringSerializer;
use crate::testing::{FakeCluster, Reply};

fn config(pairs: &[(&str, &str)]) -> ProducerConfig {
    let server = [("bootstrap.servers", "127.0.0.1:1")];
    let pairs = server.iter().chain(pairs).copied();
    ProducerConfig::from_properties(&pairs.collect()).unwrap()
}

/// A producer of texts, and a cluster with the topic `t` of four partitions.
struct Rig {
    fake: FakeCluster,
    producer: Producer<String, String>,
}

impl Rig {
    fn new(nodes: i32, pairs: &[(&str, &str)]) -> Self {
        let fake = FakeCluster::new(nodes);
        fake.create_topic("t", 4);
        let mut config = config(pairs);
        config.client.bootstrap_servers = fake.addresses();
        let producer = Producer::builder(config)
            .key_serializer(StringSerializer)
            .value_serializer(StringSerializer)
            .connector(fake.connector())
            .build()
            .unwrap();
        Self { fake, producer }
    }

    /// Sends to partition 0.
    async fn send(&self, value: &str) -> Delivery {
        let record = ProducerRecord::new("t", value.to_owned()).with_partition(0);
        self.producer.send(record).await.unwrap()
    }

    fn values(&self, partition: i32) -> Vec<String> {
        self.fake.topics(|topics| topics.values("t", partition))
    }

    fn headers(&self, partition: i32) -> Vec<BatchHeader> {
        self.fake.topics(|topics| {
            let batches = topics.partition("t", partition).log.batches();
            batches
                .iter()
                .map(|it| BatchHeader::parse(it).unwrap())
                .collect()
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_record_is_where_its_metadata_says() {
    let rig = Rig::new(2, &[]);
    let record = ProducerRecord::new("t", "value".to_owned())
        .with_key("key".to_owned())
        .with_timestamp(1234)
        .with_header("h", "1");
    let metadata = rig.producer.send(record).await.unwrap().await.unwrap();
    let partition = partition_for_key(b"key", 4);
    assert_eq!(metadata.to_string(), format!("t-{partition}@0"));
    assert_eq!(metadata.timestamp, 1234);
    assert_eq!(metadata.serialized_key_size, Some(3));
    assert_eq!(metadata.serialized_value_size, Some(5));
    assert_eq!(rig.values(partition), ["value"]);
    let tombstone = ProducerRecord::tombstone("t", "key".to_owned());
    let metadata = rig.producer.send(tombstone).await.unwrap().await.unwrap();
    assert_eq!((metadata.offset, metadata.serialized_value_size), (1, None));
}

#[tokio::test(start_paused = true)]
async fn log_append_time_is_the_records_timestamp() {
    let rig = Rig::new(1, &[]);
    rig.fake.next::<ProduceRequest>(|_, _| {
        Reply::changed(|answer: &mut ProduceResponse| {
            answer.responses[0].partition_responses[0].log_append_time_ms = 777;
        })
    });
    assert_eq!(rig.send("x").await.await.unwrap().timestamp, 777);
}

#[tokio::test(start_paused = true)]
async fn linger_gathers_and_flush_does_not_wait_for_it() {
    let rig = Rig::new(1, &[("linger.ms", "1000")]);
    let begin = Instant::now();
    let (a, b) = (rig.send("a").await, rig.send("b").await);
    a.await.unwrap();
    assert_eq!(begin.elapsed().as_secs(), 1);
    b.await.unwrap();
    assert_eq!(rig.fake.requests::<ProduceRequest>().len(), 1);
    let begin = Instant::now();
    let delivery = rig.send("c").await;
    rig.producer.flush().await;
    assert!(begin.elapsed() < Duration::from_millis(100));
    let now = futures_util::FutureExt::now_or_never(delivery);
    assert_eq!(now.unwrap().unwrap().offset, 2);
    assert_eq!(rig.producer.counters().batches_for(SendReason::Flush), 1);
}

#[tokio::test(start_paused = true)]
async fn close_sends_what_is_buffered_and_takes_no_more() {
    let rig = Rig::new(1, &[("linger.ms", "60000")]);
    for value in ["a", "b", "c"] {
        drop(rig.send(value).await);
    }
    rig.producer.close().await.unwrap();
    assert_eq!(rig.values(0), ["a", "b", "c"]);
    let record = ProducerRecord::new("t", "d".to_owned());
    let closed = rig.producer.send(record).await.map(drop).unwrap_err();
    assert!(
        matches!(closed, ClientError::Closed("producer")),
        "{closed}"
    );
    rig.producer.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_producer_that_is_dropped_sends_what_is_buffered() {
    let rig = Rig::new(1, &[("linger.ms", "60000")]);
    let delivery = rig.send("a").await;
    let fake = rig.fake.clone();
    drop(rig);
    delivery.await.unwrap();
    assert_eq!(fake.topics(|topics| topics.values("t", 0)), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn a_close_that_takes_too_long_gives_up() {
    let rig = Rig::new(1, &[]);
    rig.fake.on::<ProduceRequest>(|_, _| Reply::ignored());
    let delivery = rig.send("a").await;
    let waiting = ProducerRecord::new("t", "b".to_owned()).with_partition(1);
    let waiting = rig.producer.send(waiting).await.unwrap();
    let begin = Instant::now();
    let error = rig.producer.close_within(Duration::from_secs(2)).await;
    assert!(matches!(error, Err(ClientError::Timeout { .. })));
    assert_eq!(begin.elapsed().as_secs(), 2);
    for delivery in [delivery, waiting] {
        let error = delivery.await.unwrap_err();
        assert!(matches!(error, ClientError::Closed("producer")), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn callbacks_come_in_order_and_their_panics_do_no_harm() {
    let rig = Rig::new(1, &[]);
    let told = Arc::<Mutex<Vec<i64>>>::default();
    for number in 0..5 {
        let told = Arc::clone(&told);
        let record = ProducerRecord::new("t", number.to_string()).with_partition(0);
        let tell = move |outcome: Result<RecordMetadata, ClientError>| {
            told.lock().unwrap().push(outcome.unwrap().offset);
            assert!(number != 2, "a callback of the test panics");
        };
        rig.producer.send_with(record, tell).await.unwrap();
    }
    rig.producer.flush().await;
    rig.send("x").await.await.unwrap();
    let told = told
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    assert_eq!(*told, [0, 1, 2, 3, 4]);
}

/// A flush came back while callbacks still ran on another thread, because deliveries were told
/// first: who flushed and then counted what callbacks had seen counted too few.
#[tokio::test(start_paused = true)]
async fn callbacks_run_before_deliveries_and_flushes_are_told() {
    let rig = Rig::new(1, &[]);
    rig.send("warm up").await.await.unwrap();
    for is_answered in [true, false] {
        if !is_answered {
            let refused = ringbrook_protocol::ResponseError::InvalidTopicException;
            rig.fake.next_error::<ProduceRequest>(refused);
        }
        let delivery = rig.send("first").await;
        let (tell, told) = tokio::sync::oneshot::channel();
        let callback = move |outcome: Result<RecordMetadata, ClientError>| {
            let is_told = futures_util::FutureExt::now_or_never(delivery).is_some();
            tell.send((outcome.is_ok(), is_told)).unwrap();
        };
        let record = ProducerRecord::new("t", "second".to_owned()).with_partition(0);
        rig.producer.send_with(record, callback).await.unwrap();
        rig.producer.flush().await;
        assert_eq!(told.await.unwrap(), (is_answered, false));
    }
}

/// A callback may do what a user does: ask the producer something.
#[tokio::test(start_paused = true)]
async fn callbacks_run_without_any_lock() {
    let rig = Rig::new(1, &[]);
    let producer = rig.producer.clone();
    let (tell, told) = tokio::sync::oneshot::channel();
    let callback = move |_: Result<RecordMetadata, ClientError>| {
        let counters = producer.counters();
        let record = ProducerRecord::new("t", "y".to_owned()).with_partition(1);
        let sent = futures_util::FutureExt::now_or_never(producer.send(record));
        tell.send((counters, sent.is_some())).unwrap();
    };
    let record = ProducerRecord::new("t", "x".to_owned()).with_partition(0);
    rig.producer.send_with(record, callback).await.unwrap();
    let (counters, has_sent) = told.await.unwrap();
    assert_eq!(counters.records_sent, 1);
    assert!(has_sent);
    rig.producer.flush().await;
    assert_eq!(rig.values(1), ["y"]);
}

#[tokio::test(start_paused = true)]
async fn a_partition_that_does_not_exist_is_an_error_unless_it_comes() {
    let rig = Rig::new(1, &[("max.block.ms", "2000")]);
    let record = |partition| ProducerRecord::new("t", "x".to_owned()).with_partition(partition);
    let error = rig.producer.send(record(4)).await.map(drop).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("a partition that t does not have"),
        "{error}"
    );
    rig.producer.send(record(-1)).await.map(drop).unwrap_err();
    let (sent, ()) = tokio::join!(rig.producer.send(record(5)), async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        rig.fake.create_topic("t", 6);
    });
    sent.unwrap().await.unwrap();
    assert_eq!(rig.values(5), ["x"]);
}

#[tokio::test(start_paused = true)]
async fn one_producer_id_is_asked_for_and_none_without_idempotence() {
    let rig = Rig::new(2, &[]);
    for partition in 0..4 {
        let record = ProducerRecord::new("t", "x".to_owned()).with_partition(partition);
        drop(rig.producer.send(record).await.unwrap());
    }
    rig.producer.flush().await;
    assert_eq!(rig.fake.requests::<InitProducerIdRequest>().len(), 1);
    let rig = Rig::new(2, &[("enable.idempotence", "false")]);
    rig.send("x").await.await.unwrap();
    assert!(rig.fake.requests::<InitProducerIdRequest>().is_empty());
    assert_eq!(rig.headers(0)[0].producer_id, -1);
}

#[tokio::test(start_paused = true)]
async fn requests_are_no_larger_than_they_may_be() {
    let rig = Rig::new(1, &[("max.request.size", "2000"), ("batch.size", "900")]);
    for number in 0..40 {
        let value = format!("{number:0>200}");
        let record = ProducerRecord::new("t", value).with_partition(number % 4);
        drop(rig.producer.send(record).await.unwrap());
    }
    rig.producer.flush().await;
    for (_, request) in rig.fake.requests::<ProduceRequest>() {
        let partitions = request.topic_data.iter().flat_map(|it| &it.partition_data);
        let bytes = partitions.map(|it| it.records.as_ref().map_or(0, Bytes::len));
        assert!(bytes.sum::<usize>() <= 2000);
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_broker_a_send_waits_for_max_block_and_says_why() {
    let producer = Producer::builder(config(&[("max.block.ms", "1500")]));
    let producer = producer.build().unwrap();
    let begin = Instant::now();
    let record = ProducerRecord::<Bytes, Bytes>::new("t", Bytes::new());
    let error = producer.send(record).await.map(drop).unwrap_err();
    assert!(begin.elapsed() <= Duration::from_millis(1600));
    let text = error.to_string();
    assert!(
        text.contains("waiting for topic t") && text.contains("127.0.0.1:1"),
        "{text}"
    );
    producer.close().await.unwrap();
}

#[test]
fn records_that_no_batch_could_take_are_refused() {
    let config = config(&[("max.request.size", "1000"), ("buffer.memory", "2000")]);
    let headers = crate::Headers::new();
    let record = |len: usize| RawRecord {
        timestamp: 0,
        key: None,
        value: Some(&[0; 5000][..len]),
        headers: &headers,
    };
    check_record(&record(800), &config).unwrap();
    let error = check_record(&record(1000), &config).unwrap_err();
    assert!(
        error.to_string().contains("max.request.size (1000)"),
        "{error}"
    );
    let mut old = record(1);
    old.timestamp = -1;
    check_record(&old, &config).unwrap_err();
}

struct Counting(Arc<AtomicU32>, Arc<Mutex<Vec<String>>>);

impl ProducerInterceptor<String, String> for Counting {
    fn on_send(&self, record: ProducerRecord<String, String>) -> ProducerRecord<String, String> {
        record.with_header("seen", "1")
    }

    fn on_acknowledgement(
        &self,
        topic_partition: &TopicPartition,
        outcome: Result<&RecordMetadata, &ClientError>,
    ) {
        self.0.fetch_add(1, Ordering::Relaxed);
        let outcome = outcome.map_or_else(ToString::to_string, ToString::to_string);
        let seen = format!("{topic_partition}: {outcome}");
        self.1.lock().unwrap().push(seen);
    }
}

#[tokio::test(start_paused = true)]
async fn interceptors_hear_of_every_record_once() {
    let fake = FakeCluster::new(1);
    fake.create_topic("t", 4);
    let mut config = config(&[("max.block.ms", "100")]);
    config.client.bootstrap_servers = fake.addresses();
    let (count, seen) = (Arc::default(), Arc::<Mutex<Vec<String>>>::default());
    let producer = Producer::builder(config)
        .key_serializer(StringSerializer)
        .value_serializer(StringSerializer)
        .interceptor(Counting(Arc::clone(&count), Arc::clone(&seen)))
        .connector(fake.connector())
        .build()
        .unwrap();
    let record = |partition| ProducerRecord::new("t", "x".to_owned()).with_partition(partition);
    producer.send(record(3)).await.unwrap().await.unwrap();
    producer.send(record(9)).await.map(drop).unwrap_err();
    assert_eq!(count.load(Ordering::Relaxed), 2);
    let seen = seen.lock().unwrap();
    assert_eq!(seen[0], "t-3: t-3@0");
    assert!(
        seen[1].starts_with("t-9: waiting for a partition"),
        "{seen:?}"
    );
}
