//! Producer, consumer and admin client at once, while requests and answers are lost, connections
//! end, brokers stop and freeze, and leaders move: nothing is lost, nothing comes twice, every
//! partition keeps its order, and nothing is left running at the end.
//!
//! `RINGBROOK_TEST_SEED` repeats a run. The clock is paused: what happens when depends on the seed
//! alone, but for what the clients' own pauses add.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fastrand::Rng;
use ringbrook_protocol::messages::offset_for_leader_epoch_response::{
    EpochEndOffset, OffsetForLeaderTopicResult,
};
use ringbrook_protocol::messages::{
    ApiVersionsRequest, DescribeClusterRequest, FetchRequest, InitProducerIdRequest,
    ListOffsetsRequest, MetadataRequest, MetadataResponse, OffsetForLeaderEpochRequest,
    OffsetForLeaderEpochResponse, ProduceRequest, ProduceResponse,
};
use ringbrook_protocol::{Request, ResponseError};
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep};

use crate::admin::{ListOffsetsOptions, OffsetSpec};
use crate::config::{AdminConfig, AutoOffsetReset, ConsumerConfig, ProducerConfig};
use crate::consumer::Consumer;
use crate::producer::{Producer, ProducerRecord};
use crate::serialization::StringSerializer;
use crate::testing::{Asked, ErrorAnswer, FakeCluster, Reply};
use crate::{Admin, ClientError, TopicPartition};

const NODES: i32 = 3;
const PARTITIONS: i32 = 4;
const RECORDS: usize = 400;
const SECOND: Duration = Duration::from_secs(1);

/// What befalls requests while it is bad.
#[derive(Clone)]
struct Weather {
    fake: FakeCluster,
    random: Arc<Mutex<Rng>>,
    is_bad: Arc<AtomicBool>,
}

impl Weather {
    fn up_to(&self, limit: u64) -> u64 {
        self.random.lock().unwrap().u64(..limit)
    }

    fn below(&self, limit: i32) -> i32 {
        self.random.lock().unwrap().i32(0..limit)
    }

    fn is_bad(&self) -> bool {
        self.is_bad.load(Ordering::Relaxed)
    }

    /// A reply to one request: `done` when the broker does its work, `refused` when it does not.
    fn befall<R: Request>(
        &self,
        done: Reply<R>,
        refused: impl FnOnce(u64) -> Option<Reply<R>>,
    ) -> Reply<R> {
        if !self.is_bad() {
            return done;
        }
        let pause = Duration::from_millis(self.up_to(400));
        match self.up_to(40) {
            0 => done.hang_up(),
            1 => {
                let bytes = usize::try_from(self.up_to(40)).unwrap();
                done.cut_after(bytes)
            }
            2 => done.lost(),
            3 => Reply::ignored(),
            4 => done.misnumbered(1),
            5..=12 => done.delayed(pause),
            13..=16 => refused(self.up_to(1_000)).unwrap_or(done),
            _ => done,
        }
    }

    fn over<R: ErrorAnswer>(&self, errors: &'static [ResponseError])
    where
        R::Response: Send + 'static,
    {
        let weather = self.clone();
        self.fake.on::<R>(move |asked, request| {
            let refused = |number: u64| {
                let index = usize::try_from(number).unwrap() % errors.len();
                let answer = request.error_answer(asked.version, errors[index].code());
                Some(Reply::answer(answer))
            };
            weather.befall(Reply::builtin(), refused)
        });
    }

    /// Over what has no errors of its own.
    fn over_whole<R: Request>(&self) {
        let weather = self.clone();
        self.fake
            .on::<R>(move |_, _| weather.befall(Reply::builtin(), |_| None));
    }

    fn over_all(&self) {
        self.over::<FetchRequest>(&[
            ResponseError::NotLeaderOrFollower,
            ResponseError::UnknownTopicOrPartition,
            ResponseError::UnknownLeaderEpoch,
            ResponseError::KafkaStorageError,
            ResponseError::OffsetNotAvailable,
            ResponseError::ReplicaNotAvailable,
        ]);
        self.over::<ListOffsetsRequest>(&[
            ResponseError::NotLeaderOrFollower,
            ResponseError::LeaderNotAvailable,
            ResponseError::OffsetNotAvailable,
        ]);
        self.over::<InitProducerIdRequest>(&[
            ResponseError::CoordinatorLoadInProgress,
            ResponseError::CoordinatorNotAvailable,
        ]);
        self.over::<DescribeClusterRequest>(&[ResponseError::RequestTimedOut]);
        self.over_whole::<ApiVersionsRequest>();
        let weather = self.clone();
        self.fake.on::<MetadataRequest>(move |_, _| {
            weather.befall(Reply::builtin(), |number| {
                Some(Reply::changed(move |it: &mut MetadataResponse| {
                    without_leaders(it, number);
                }))
            })
        });
        let weather = self.clone();
        self.fake.on::<ProduceRequest>(move |asked, request| {
            let refuse = |number| refused_produce(asked, &request, number);
            weather.befall(Reply::builtin(), |number| Some(refuse(number)))
        });
        let weather = self.clone();
        self.fake
            .on::<OffsetForLeaderEpochRequest>(move |_, request| {
                let answer = Reply::answer(end_offsets(&weather.fake, &request));
                weather.befall(answer, |_| None)
            });
    }

    /// Brokers and leaders come and go until it is fine; then all are there.
    async fn rage(&self) {
        while self.is_bad() {
            sleep(Duration::from_millis(self.up_to(1_500))).await;
            let node = self.below(NODES);
            match self.up_to(8) {
                0 => self.fake.stop_node(node),
                1 => self.fake.freeze_node(node),
                2..=3 => self.fake.drop_connections(node),
                4..=5 => self.fake.start_node(node),
                _ => {
                    let partition = self.below(PARTITIONS);
                    self.fake.topics(|it| it.move_leader("t", partition, node));
                }
            }
        }
        for node in 0..NODES {
            self.fake.start_node(node);
        }
    }
}

/// An election is under way, or the topic is not yet known.
fn without_leaders(answer: &mut MetadataResponse, number: u64) {
    for topic in &mut answer.topics {
        if number.is_multiple_of(2) {
            topic.error_code = ResponseError::UnknownTopicOrPartition.code();
            topic.partitions.clear();
        }
        for partition in &mut topic.partitions {
            partition.error_code = ResponseError::LeaderNotAvailable.code();
            partition.leader_id = (-1).into();
        }
    }
}

/// Refused, or written although the answer is an error.
fn refused_produce(asked: &Asked, request: &ProduceRequest, number: u64) -> Reply<ProduceRequest> {
    let error = match number % 5 {
        0 => ResponseError::NotLeaderOrFollower,
        1 => ResponseError::NotEnoughReplicas,
        2 => ResponseError::KafkaStorageError,
        number => {
            let after = ResponseError::NotEnoughReplicasAfterAppend;
            let timed_out = ResponseError::RequestTimedOut;
            let code = if number == 3 { after } else { timed_out }.code();
            return Reply::changed(move |answer: &mut ProduceResponse| {
                for topic in &mut answer.responses {
                    for partition in &mut topic.partition_responses {
                        partition.error_code = code;
                    }
                }
            });
        }
    };
    Reply::answer(request.error_answer(asked.version, error.code()))
}

/// Nothing is ever truncated: every epoch reaches to the end of the log.
fn end_offsets(
    fake: &FakeCluster,
    request: &OffsetForLeaderEpochRequest,
) -> OffsetForLeaderEpochResponse {
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|asked| {
            let partition = asked.partition;
            let end = fake.topics(|it| it.partition(&topic.topic, partition).log.end_offset);
            EpochEndOffset::default()
                .with_partition(partition)
                .with_leader_epoch(asked.leader_epoch)
                .with_end_offset(end)
        });
        OffsetForLeaderTopicResult::default()
            .with_topic(topic.topic.clone())
            .with_partitions(partitions.collect())
    });
    OffsetForLeaderEpochResponse::default().with_topics(topics.collect())
}

/// What each partition holds, in order.
type Contents = BTreeMap<i32, Vec<String>>;

async fn write(fake: FakeCluster, weather: Weather) -> Contents {
    let mut config = ProducerConfig::new(fake.addresses());
    config.client.request_timeout = 3 * SECOND;
    config.delivery_timeout = Some(100_000 * SECOND);
    config.max_block = 100_000 * SECOND;
    config.batch_size = 300;
    let producer = Producer::builder(config)
        .connector(fake.connector())
        .key_serializer(StringSerializer)
        .value_serializer(StringSerializer)
        .build()
        .unwrap();
    let mut deliveries = Vec::new();
    let mut contents = Contents::new();
    for number in 0..RECORDS {
        let partition = weather.below(PARTITIONS);
        let value = number.to_string();
        contents.entry(partition).or_default().push(value.clone());
        let record = ProducerRecord::<String, String>::new("t", value).with_partition(partition);
        deliveries.push((partition, producer.send(record).await.unwrap()));
        if weather.up_to(10) == 0 {
            sleep(Duration::from_millis(weather.up_to(3_000))).await;
        }
    }
    let mut next_offsets = BTreeMap::<i32, i64>::new();
    for (partition, delivery) in deliveries {
        let next = next_offsets.entry(partition).or_default();
        assert_eq!(delivery.await.unwrap().offset, *next);
        *next += 1;
    }
    producer.close().await.unwrap();
    contents
}

async fn read(fake: FakeCluster) -> Contents {
    let mut config = ConsumerConfig::new(fake.addresses());
    config.client.request_timeout = 3 * SECOND;
    config.auto_offset_reset = AutoOffsetReset::Earliest;
    config.max_poll_records = 17;
    let consumer = Consumer::builder(config)
        .connector(fake.connector())
        .value_deserializer(StringSerializer)
        .build()
        .unwrap();
    let partitions = (0..PARTITIONS).map(|it| TopicPartition::new("t", it));
    consumer.assign(partitions).unwrap();
    let mut contents = Contents::new();
    let mut count = 0;
    let patience = Instant::now() + 20_000 * SECOND;
    while count < RECORDS {
        assert!(Instant::now() < patience, "{count} of {RECORDS} were read");
        for record in consumer.poll(60 * SECOND).await.unwrap() {
            let values = contents.entry(record.partition).or_default();
            assert_eq!(record.offset, i64::try_from(values.len()).unwrap());
            values.push(record.value.unwrap());
            count += 1;
        }
    }
    consumer.close().await.unwrap();
    contents
}

/// Asks until it is fine; says how often it got an answer.
async fn administrate(fake: FakeCluster, weather: Weather) -> usize {
    let mut config = AdminConfig::new(fake.addresses());
    config.client.request_timeout = 3 * SECOND;
    config.default_api_timeout = 60 * SECOND;
    let admin = Admin::with_connector(config, fake.connector()).unwrap();
    let wanted: BTreeMap<_, _> = (0..PARTITIONS)
        .map(|it| (TopicPartition::new("t", it), OffsetSpec::Latest))
        .collect();
    let is_expected = |error: &ClientError| matches!(error, ClientError::Timeout { .. });
    let mut answered_count = 0;
    while weather.is_bad() {
        match admin.describe_cluster().await {
            Ok(_) => answered_count += 1,
            Err(error) => assert!(is_expected(&error), "{error}"),
        }
        let offsets = admin.list_offsets(&wanted, ListOffsetsOptions::default());
        for (partition, offset) in offsets.await {
            match offset {
                Ok(_) => answered_count += 1,
                Err(error) => assert!(is_expected(&error), "{partition}: {error}"),
            }
        }
        sleep(Duration::from_millis(weather.up_to(2_000))).await;
    }
    answered_count
}

async fn survive(seed: u64) {
    let tasks_count = || Handle::current().metrics().num_alive_tasks();
    let before = tasks_count();
    let fake = FakeCluster::new(NODES);
    fake.create_topic("t", PARTITIONS);
    let weather = Weather {
        fake: fake.clone(),
        random: Arc::new(Mutex::new(Rng::with_seed(seed))),
        is_bad: Arc::new(AtomicBool::new(true)),
    };
    weather.over_all();
    let raging = weather.clone();
    let raging = tokio::spawn(async move { raging.rage().await });
    let reading = tokio::spawn(read(fake.clone()));
    let administrating = tokio::spawn(administrate(fake.clone(), weather.clone()));
    let writing = tokio::spawn(write(fake.clone(), weather.clone()));
    sleep(300 * SECOND).await;
    weather.is_bad.store(false, Ordering::Relaxed);
    raging.await.unwrap();
    let written = writing.await.unwrap();
    assert_eq!(reading.await.unwrap(), written);
    assert!(0 < administrating.await.unwrap());
    for (partition, values) in &written {
        assert_eq!(fake.topics(|it| it.values("t", *partition)), *values);
    }
    fake.until_for(60 * SECOND, "the end of all tasks", || {
        let connections_count: usize = (0..NODES).map(|it| fake.connections_count(it)).sum();
        (connections_count == 0 && tasks_count() == before).then_some(())
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_lost_in_bad_weather() {
    let seed = std::env::var("RINGBROOK_TEST_SEED").ok();
    let first = seed.as_ref().map_or_else(
        || fastrand::u64(..1 << 60),
        |seed| seed.parse().expect("a number"),
    );
    let runs = if seed.is_some() { 1 } else { 4 };
    for seed in first..first + runs {
        eprintln!("RINGBROOK_TEST_SEED={seed}");
        survive(seed).await;
    }
}
