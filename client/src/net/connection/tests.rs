//! Connections against brokers that are slow, silent, gone or out of their minds.

use std::pin::Pin;

use futures_util::future::BoxFuture;
use ringbrook_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use ringbrook_protocol::messages::{
    DescribeClusterRequest, MetadataRequest, ProduceRequest, ProduceResponse,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::*;
use crate::net::IoStream;
use crate::testing::{FakeCluster, Gate, Reply};

const SECOND: Duration = Duration::from_secs(1);

fn settings() -> ConnectionSettings {
    ConnectionSettings {
        client_id: "test".to_owned(),
        request_timeout: 30 * SECOND,
        setup_timeout: 10 * SECOND,
        max_idle: Some(540 * SECOND),
    }
}

async fn connect(fake: &FakeCluster) -> Result<Connection, ClientError> {
    let address = fake.addresses().remove(0);
    Connection::open(&*fake.connector(), address, &settings()).await
}

fn request() -> DescribeClusterRequest {
    DescribeClusterRequest::default()
}

#[tokio::test(start_paused = true)]
async fn requests_are_answered_in_order_however_many_are_in_flight() {
    let fake = FakeCluster::new(1);
    fake.create_topic("t", 1);
    let connection = connect(&fake).await.unwrap();
    let pending: Vec<_> = (0..500)
        .map(|_| connection.send(1, &request()).unwrap())
        .collect();
    assert_eq!(connection.in_flight_count(), 500);
    let metadata = connection
        .call(12, &MetadataRequest::default())
        .await
        .unwrap();
    assert_eq!(metadata.brokers.len(), 1);
    for pending in pending {
        assert_eq!(pending.await.unwrap().brokers.len(), 1);
    }
    assert_eq!(connection.in_flight_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_answer_nobody_waits_for_does_no_harm_to_the_next() {
    let fake = FakeCluster::new(1);
    let connection = connect(&fake).await.unwrap();
    drop(connection.send(1, &request()).unwrap());
    connection.call(1, &request()).await.unwrap();
}

/// Found by review: only whoever awaited an answer watched its time limit, so a connection to a
/// silent broker stayed when its requests were given up.
#[tokio::test(start_paused = true)]
async fn a_broker_that_does_not_answer_is_left_even_if_nobody_waits() {
    let fake = FakeCluster::new(1);
    let connection = connect(&fake).await.unwrap();
    fake.next::<DescribeClusterRequest>(|_, _| Reply::ignored());
    drop(connection.send(1, &request()).unwrap());
    let after = connection.send_within(1, &request(), 40 * SECOND).unwrap();
    let started = Instant::now();
    let error = after.await.unwrap_err();
    assert_eq!(started.elapsed(), 30 * SECOND);
    assert!(matches!(error, ClientError::Disconnected { .. }), "{error}");
    assert!(connection.is_closed());
    let error = connection.call(1, &request()).await.unwrap_err();
    assert!(
        error.to_string().contains("no answer to DescribeCluster"),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn each_request_has_its_own_time_limit() {
    let fake = FakeCluster::new(1);
    let connection = connect(&fake).await.unwrap();
    fake.next::<DescribeClusterRequest>(|_, _| Reply::ignored());
    let patient = connection.send_within(1, &request(), 300 * SECOND).unwrap();
    let hasty = connection.send_within(1, &request(), SECOND).unwrap();
    let started = Instant::now();
    let error = hasty.await.unwrap_err();
    assert_eq!(started.elapsed(), SECOND);
    let ClientError::Timeout { after, .. } = error else {
        panic!("{error}");
    };
    assert_eq!(after, SECOND);
    let error = patient.await.unwrap_err();
    assert!(matches!(error, ClientError::Disconnected { .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn idle_connections_end_and_used_ones_do_not() {
    let fake = FakeCluster::new(1);
    let connection = connect(&fake).await.unwrap();
    for _ in 0..3 {
        tokio::time::sleep(500 * SECOND).await;
        connection.call(1, &request()).await.unwrap();
    }
    // An answer that takes longer than that is waited for.
    let late = Reply::builtin().delayed(600 * SECOND);
    fake.next::<DescribeClusterRequest>(|_, _| late);
    let pending = connection.send_within(1, &request(), 700 * SECOND).unwrap();
    pending.await.unwrap();
    tokio::time::sleep(539 * SECOND).await;
    assert!(!connection.is_closed());
    tokio::time::sleep(2 * SECOND).await;
    assert!(connection.is_closed());
}

#[tokio::test(start_paused = true)]
async fn what_is_awaited_is_still_answered_after_the_last_handle() {
    let fake = FakeCluster::new(1);
    let connection = connect(&fake).await.unwrap();
    let gate = Gate::closed();
    let held = gate.clone();
    fake.next::<DescribeClusterRequest>(move |_, _| Reply::builtin().when(&held));
    let pending = connection.send(1, &request()).unwrap();
    drop(connection);
    fake.received::<DescribeClusterRequest>(1).await;
    assert_eq!(fake.connections_count(0), 1);
    gate.open();
    pending.await.unwrap();
    let gone = || (fake.connections_count(0) == 0).then_some(());
    fake.until("the end of the connection", gone).await;
}

fn produce(records: Bytes) -> ProduceRequest {
    let data = PartitionProduceData::default().with_records(Some(records));
    let topic = TopicProduceData::default().with_partition_data(vec![data; 50]);
    ProduceRequest::default().with_topic_data(vec![topic])
}

#[tokio::test(start_paused = true)]
async fn long_requests_arrive_whole_whatever_the_socket_takes_at_once() {
    let fake = FakeCluster::new(1);
    fake.on::<ProduceRequest>(|_, _| Reply::answer(ProduceResponse::default()));
    let connection = connect(&fake).await.unwrap();
    let sent: Vec<_> = (0..20_u8)
        .map(|index| produce(Bytes::from(vec![index; 5_000 + usize::from(index)])))
        .collect();
    let pending: Vec<_> = sent
        .iter()
        .map(|request| connection.send(13, request).unwrap())
        .collect();
    for pending in pending {
        pending.await.unwrap();
    }
    let received = fake.requests::<ProduceRequest>().into_iter();
    let received: Vec<_> = received.map(|(_, request)| request).collect();
    assert_eq!(received, sent);
}

#[tokio::test(start_paused = true)]
async fn one_way_requests_are_sent_before_the_end() {
    let fake = FakeCluster::new(1);
    fake.on::<ProduceRequest>(|_, _| Reply::ignored());
    let connection = connect(&fake).await.unwrap();
    for _ in 0..100 {
        connection
            .send_one_way(13, &produce(Bytes::from(vec![7; 5_000])))
            .unwrap();
    }
    assert_eq!(connection.in_flight_count(), 0);
    drop(connection);
    fake.received::<ProduceRequest>(100).await;
}

#[tokio::test(start_paused = true)]
async fn whoever_hangs_up_fails_what_is_in_flight() {
    let fake = FakeCluster::new(1);
    let connection = connect(&fake).await.unwrap();
    fake.next::<DescribeClusterRequest>(|_, _| Reply::ignored());
    let pending = connection.send(1, &request()).unwrap();
    fake.received::<DescribeClusterRequest>(1).await;
    connection.close("enough");
    let error = pending.await.unwrap_err();
    assert!(error.to_string().ends_with("enough"), "{error}");
    assert!(error.is_retriable());

    let connection = connect(&fake).await.unwrap();
    fake.next::<DescribeClusterRequest>(|_, _| Reply::builtin().cut_after(20));
    let pending = connection.send(1, &request()).unwrap();
    let behind = connection.send(1, &request()).unwrap();
    for pending in [pending, behind] {
        let error = pending.await.unwrap_err();
        assert!(
            error.to_string().ends_with("closed by the broker"),
            "{error}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn versions_are_negotiated_with_older_brokers() {
    let fake = FakeCluster::new(1);
    for max in [0, 2, 3, 4] {
        fake.serve(ApiKey::ApiVersions, 0, max);
        let connection = connect(&fake).await.unwrap();
        assert!(connection.version_of::<MetadataRequest>().is_ok());
        let (asked, _) = fake.requests::<ApiVersionsRequest>().pop().unwrap();
        assert_eq!(asked.version, max);
    }
}

/// One end of a stream whose other end the test plays.
struct Played(Mutex<Option<DuplexStream>>);

impl Connector for Played {
    fn connect<'a>(&'a self, _: &'a HostPort) -> BoxFuture<'a, io::Result<Pin<Box<dyn IoStream>>>> {
        let stream = self.0.lock().unwrap().take().unwrap();
        Box::pin(async { Ok(Box::pin(stream) as Pin<Box<dyn IoStream>>) })
    }
}

/// What opening says when the broker answers ApiVersions with these bytes and stays.
async fn answered_with(bytes: &[u8]) -> String {
    let (near, mut far) = tokio::io::duplex(100);
    let connector = Played(Mutex::new(Some(near)));
    let address = "played:1".parse().unwrap();
    let settings = settings();
    let opening = Connection::open(&connector, address, &settings);
    let playing = async {
        let mut request = [0; 100];
        let request_bytes = far.read(&mut request).await.unwrap();
        assert_ne!(request_bytes, 0);
        far.write_all(bytes).await.ok();
        std::future::pending::<()>().await;
    };
    tokio::select! {
        opened = opening => opened.err().unwrap().to_string(),
        () = playing => unreachable!("it plays for ever"),
    }
}

#[tokio::test(start_paused = true)]
async fn garbage_is_not_believed() {
    let http = answered_with(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    assert!(http.contains("this is not Kafka's protocol"), "{http}");
    let negative = answered_with(&[0xff; 8]).await;
    assert!(negative.contains("-1 bytes"), "{negative}");
    let short = answered_with(&[0, 0, 0, 2, 0, 0]).await;
    assert!(short.contains("without a header"), "{short}");
    let unasked = answered_with(&[0, 0, 0, 4, 0, 0, 0, 9]).await;
    assert!(unasked.contains("out of order"), "{unasked}");
    let empty = answered_with(&[0, 0, 0, 4, 0, 0, 0, 0]).await;
    assert!(empty.contains("cannot be read"), "{empty}");
    // An array of 2^31 versions in a body of nothing.
    let huge = [0, 0, 0, 11, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x07];
    let huge = answered_with(&huge).await;
    assert!(huge.contains("cannot be read"), "{huge}");
    // A frame of 512 MiB that never comes.
    let long = answered_with(&[0x20, 0, 0, 0, 0]).await;
    assert!(long.contains("30s"), "{long}");
}
