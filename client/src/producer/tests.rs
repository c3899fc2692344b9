//! Tests of the producer as a whole, without a broker: what needs none. With one: the crate's
//! system tests, and `sender/tests.rs` against a scripted one.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::serialization::StringSerializer;

fn config(pairs: &[(&str, &str)]) -> ProducerConfig {
    let server = [("bootstrap.servers", "127.0.0.1:1")];
    let pairs = server.iter().chain(pairs).copied();
    ProducerConfig::from_properties(&pairs.collect()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn without_a_broker_a_send_waits_for_max_block_and_says_why() {
    let config = config(&[("max.block.ms", "1500")]);
    let producer: Producer<String, String> = Producer::builder(config)
        .key_serializer(StringSerializer)
        .value_serializer(StringSerializer)
        .build()
        .unwrap();
    let begin = Instant::now();
    let record = ProducerRecord::new("t", "x".to_owned());
    let error = producer.send(record).await.map(drop).unwrap_err();
    assert!(begin.elapsed() <= Duration::from_millis(1600));
    let text = error.to_string();
    assert!(
        text.contains("waiting for topic t") && text.contains("127.0.0.1:1"),
        "{text}"
    );
    producer.close().await.unwrap();
    let record = ProducerRecord::new("t", "x".to_owned());
    let closed = producer.clone().send(record).await.map(drop).unwrap_err();
    assert!(matches!(
        closed,
        ClientError::Timeout { .. } | ClientError::Closed(_)
    ));
}

#[tokio::test]
async fn records_that_no_batch_could_take_are_refused() {
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

impl ProducerInterceptor<Bytes, Bytes> for Counting {
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
async fn interceptors_hear_of_records_that_were_never_sent_once() {
    let (count, seen) = (Arc::default(), Arc::default());
    let producer = Producer::builder(config(&[("max.block.ms", "100")]))
        .interceptor(Counting(Arc::clone(&count), Arc::clone(&seen)))
        .build()
        .unwrap();
    let record = ProducerRecord::<Bytes, Bytes>::new("t", Bytes::new()).with_partition(3);
    producer.send(record).await.map(drop).unwrap_err();
    assert_eq!(count.load(Ordering::Relaxed), 1);
    let seen = seen.lock().unwrap().concat();
    assert!(
        seen.starts_with("t-3: waiting for topic t took longer"),
        "{seen}"
    );
}
