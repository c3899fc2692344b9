//! A connector of the application's own, as one for TLS and SASL would be: it shakes hands, refuses
//! strangers, and changes all bytes on their way.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, duplex, split};
use tokio::time::Instant;

use crate::config::{AdminConfig, AutoOffsetReset, ConsumerConfig, ProducerConfig};
use crate::consumer::Consumer;
use crate::net::{Connector, HostPort, IoStream};
use crate::producer::{Producer, ProducerRecord};
use crate::serialization::StringSerializer;
use crate::testing::FakeCluster;
use crate::{Admin, ClientError, TopicPartition};

const MASK: u8 = 0b0101_1010;
const PIPE_BYTES: usize = 64 * 1024;
const PASSWORD: &[u8; 6] = b"sesame";

/// Masks all bytes, after a password.
struct Masked {
    plain: Arc<dyn Connector>,
    password: [u8; 6],
    /// What has been on the wire.
    overheard: Arc<Mutex<Vec<u8>>>,
}

impl Masked {
    fn new(fake: &FakeCluster, password: [u8; 6]) -> Self {
        Self {
            plain: fake.connector(),
            password,
            overheard: Arc::default(),
        }
    }
}

impl Connector for Masked {
    fn connect<'a>(
        &'a self,
        address: &'a HostPort,
    ) -> BoxFuture<'a, io::Result<Pin<Box<dyn IoStream>>>> {
        Box::pin(async move {
            let broker = self.plain.connect(address).await?;
            let (mut wire, far) = duplex(PIPE_BYTES);
            tokio::spawn(gate(far, broker));
            wire.write_all(&self.password).await?;
            if wire.read_u8().await? == 0 {
                return Err(io::ErrorKind::PermissionDenied.into());
            }
            let (near, inside) = duplex(PIPE_BYTES);
            tokio::spawn(join(inside, wire, Some(Arc::clone(&self.overheard))));
            Ok(Box::pin(near) as Pin<Box<dyn IoStream>>)
        })
    }
}

/// The broker's end.
async fn gate(mut wire: DuplexStream, broker: Pin<Box<dyn IoStream>>) {
    let mut password = [0; PASSWORD.len()];
    wire.read_exact(&mut password).await.unwrap();
    let is_right = password == *PASSWORD;
    wire.write_u8(u8::from(is_right)).await.unwrap();
    if is_right {
        join(wire, broker, None).await;
    }
}

/// Passes masked bytes on, both ways, until one side ends.
async fn join(
    one: impl AsyncRead + AsyncWrite,
    other: impl AsyncRead + AsyncWrite,
    overheard: Option<Arc<Mutex<Vec<u8>>>>,
) {
    let ((from_one, to_one), (from_other, to_other)) = (split(one), split(other));
    tokio::select! {
        _ = pass_on(from_one, to_other, overheard) => {}
        _ = pass_on(from_other, to_one, None) => {}
    }
}

async fn pass_on(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    overheard: Option<Arc<Mutex<Vec<u8>>>>,
) -> io::Result<()> {
    let mut buffer = [0; 1000];
    loop {
        let bytes = match from.read(&mut buffer).await? {
            0 => return Ok(()),
            count => &mut buffer[..count],
        };
        bytes.iter_mut().for_each(|byte| *byte ^= MASK);
        if let Some(overheard) = &overheard {
            overheard.lock().unwrap().extend_from_slice(bytes);
        }
        to.write_all(bytes).await?;
    }
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|it| it == text.as_bytes())
}

#[tokio::test(start_paused = true)]
async fn all_clients_work_over_a_connector_of_ones_own() {
    const VALUE: &str = "nobody else shall know";
    let fake = FakeCluster::new(2);
    fake.create_topic("t", 1);
    let masked = Masked::new(&fake, *PASSWORD);
    let overheard = Arc::clone(&masked.overheard);
    let connector: Arc<dyn Connector> = Arc::new(masked);

    let producer: Producer<String, String> =
        Producer::builder(ProducerConfig::new(fake.addresses()))
            .connector(Arc::clone(&connector))
            .key_serializer(StringSerializer)
            .value_serializer(StringSerializer)
            .build()
            .unwrap();
    let record = ProducerRecord::new("t", VALUE.to_owned());
    producer.send(record).await.unwrap().await.unwrap();
    producer.close().await.unwrap();

    let mut config = ConsumerConfig::new(fake.addresses());
    config.auto_offset_reset = AutoOffsetReset::Earliest;
    let consumer = Consumer::builder(config)
        .connector(Arc::clone(&connector))
        .value_deserializer(StringSerializer)
        .build()
        .unwrap();
    consumer.assign([TopicPartition::new("t", 0)]).unwrap();
    let records = consumer.poll(Duration::from_secs(60)).await.unwrap();
    let values: Vec<String> = records.into_iter().filter_map(|it| it.value).collect();
    assert_eq!(values, [VALUE]);
    consumer.close().await.unwrap();

    let config = AdminConfig::new(fake.addresses());
    let admin = Admin::with_connector(config, connector).unwrap();
    assert_eq!(admin.describe_cluster().await.unwrap().nodes.len(), 2);

    let overheard = overheard.lock().unwrap();
    assert!(!holds(&overheard, VALUE));
    let unmasked: Vec<u8> = overheard.iter().map(|byte| byte ^ MASK).collect();
    assert!(holds(&unmasked, VALUE));
}

#[tokio::test(start_paused = true)]
async fn who_has_the_wrong_password_learns_it_at_once() {
    let fake = FakeCluster::new(2);
    let config = AdminConfig::new(fake.addresses());
    let masked = Masked::new(&fake, *b"please");
    let admin = Admin::with_connector(config, Arc::new(masked)).unwrap();
    let started = Instant::now();
    let error = admin.describe_cluster().await.unwrap_err();
    assert!(matches!(error, ClientError::Connect { .. }), "{error}");
    assert!(started.elapsed() < Duration::from_secs(1));
}
