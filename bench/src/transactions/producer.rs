//! A lean producer, plain, idempotent or transactional (transactions v2, KIP-890): one connection
//! with some requests in flight, at most one of them per partition.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use bytes::Bytes;
use ringbrook_protocol::StrBytes;
use ringbrook_protocol::messages::{
    EndTxnRequest, EndTxnResponse, ProduceResponse, ProducerId, TransactionalId,
};
use ringbrook_record::BatchHeader;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::stamp::{Stamp, Stampable};
use crate::frames::{PRODUCE_VERSION, encode};
use crate::load::decode;
use crate::process::now;

/// The default of Java producers.
const IN_FLIGHT_MAX: usize = 5;
const END_TXN_VERSION: i16 = 5;
/// CONCURRENT_TRANSACTIONS, and what older brokers make of it in answers to Produce.
const BUSY: [i16; 2] = [51, 19];
/// Before a refused request is sent again.
const PAUSE: Duration = Duration::from_millis(1);

/// What a producer promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing.
    Plain,
    /// Sequence numbers.
    Idempotent,
    /// Transactions of at least so many records.
    Records(u64),
    /// Transactions of that duration.
    Lasting(Duration),
}

impl Kind {
    pub(super) fn is_transactional(self) -> bool {
        matches!(self, Self::Records(_) | Self::Lasting(_))
    }
}

/// What each producer may do; whichever is reached first ends the load.
#[derive(Debug, Clone, Copy)]
pub(super) struct Quota {
    pub(super) duration: Duration,
    pub(super) batches: u64,
}

/// What was done.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Done {
    /// Batches acknowledged.
    pub(super) batches: u64,
    /// Transactions committed.
    pub(super) transactions: u64,
    /// Partitions of each transaction, summed up: each got a marker.
    pub(super) markers: u64,
    /// From the first request to the last answer.
    pub(super) elapsed: Duration,
}

/// A producer between two loads.
pub(super) struct Producer {
    kind: Kind,
    transactional_id: Option<TransactionalId>,
    identity: Option<(i64, i16)>,
    partitions: Vec<Partition>,
    records_per_batch: i32,
    /// Index of the partition whose turn is next.
    next: usize,
}

struct Partition {
    frame: Stampable,
    next_sequence: i32,
    is_in_flight: bool,
    /// Has records of the open transaction.
    is_touched: bool,
}

impl Producer {
    /// `frames` are Produce requests with `batch`, that with index and correlation id i for
    /// partition i.
    ///
    /// # Errors
    /// They are too few for the requests in flight, or something else.
    pub(super) fn new(
        kind: Kind,
        transactional_id: Option<&str>,
        identity: Option<(i64, i16)>,
        frames: &[Bytes],
        batch: &Bytes,
    ) -> anyhow::Result<Self> {
        ensure!(IN_FLIGHT_MAX < frames.len(), "too few partitions");
        let partitions = frames.iter().map(|frame| {
            Ok(Partition {
                frame: Stampable::new(frame, batch)?,
                next_sequence: 0,
                is_in_flight: false,
                is_touched: false,
            })
        });
        let id = transactional_id.map(|id| StrBytes::from_string(id.to_owned()));
        Ok(Self {
            kind,
            transactional_id: id.map(TransactionalId),
            identity,
            partitions: partitions.collect::<anyhow::Result<_>>()?,
            records_per_batch: BatchHeader::parse(batch)?.records_count,
            next: 0,
        })
    }
}

/// Has all producers produce at once.
///
/// # Errors
/// A connection failed or the broker refused.
pub(super) fn run(
    address: SocketAddr,
    producers: Vec<Producer>,
    quota: Quota,
) -> anyhow::Result<(Done, Vec<Producer>)> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        let mut sessions = Vec::new();
        for producer in producers {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            sessions.push(Session::new(stream, producer));
        }
        let begin = now();
        let tasks: Vec<_> = sessions
            .into_iter()
            .map(|session| tokio::task::spawn_local(session.run(begin + quota.duration, quota)))
            .collect();
        let mut done = Done::default();
        let mut producers = Vec::new();
        for task in tasks {
            let (own, producer) = task.await.context("a producer's task failed")??;
            done.batches += own.batches;
            done.transactions += own.transactions;
            done.markers += own.markers;
            producers.push(producer);
        }
        done.elapsed = begin.elapsed();
        Ok((done, producers))
    })
}

/// A producer and its connection.
struct Session {
    stream: TcpStream,
    received: Vec<u8>,
    producer: Producer,
    /// Partitions of the requests in flight, in their order.
    in_flight: VecDeque<usize>,
    done: Done,
}

impl Session {
    fn new(stream: TcpStream, producer: Producer) -> Self {
        Self {
            stream,
            received: Vec::new(),
            producer,
            in_flight: VecDeque::new(),
            done: Done::default(),
        }
    }

    async fn run(mut self, deadline: Instant, quota: Quota) -> anyhow::Result<(Done, Producer)> {
        while now() < deadline && self.done.batches < quota.batches {
            let begin = now();
            let end = match self.producer.kind {
                Kind::Lasting(duration) => deadline.min(begin + duration),
                _ => deadline,
            };
            let left = quota.batches - self.done.batches;
            let batches = match self.producer.kind {
                Kind::Records(count) => {
                    let per_batch = u64::try_from(self.producer.records_per_batch)?;
                    left.min(count.div_ceil(per_batch))
                }
                _ => left,
            };
            self.produce(end, batches).await?;
            if self.producer.kind.is_transactional() {
                self.commit().await?;
            }
        }
        Ok((self.done, self.producer))
    }

    /// Sends batches until `end`, `batches` at most and one at least, and waits for their answers.
    async fn produce(&mut self, end: Instant, batches: u64) -> anyhow::Result<()> {
        let mut sent = 0;
        loop {
            let may_send = |sent| sent < batches && (sent == 0 || now() < end);
            while self.in_flight.len() < IN_FLIGHT_MAX && may_send(sent) {
                let index = self.next_free();
                self.send(index).await?;
                sent += 1;
            }
            if self.in_flight.is_empty() {
                return Ok(());
            }
            self.answer().await?;
        }
    }

    /// The next partition without a request in flight; there is one.
    fn next_free(&mut self) -> usize {
        let count = self.producer.partitions.len();
        loop {
            let index = self.producer.next;
            self.producer.next = (index + 1) % count;
            let partition = self.producer.partitions.get(index);
            if partition.is_some_and(|it| !it.is_in_flight) {
                return index;
            }
        }
    }

    async fn send(&mut self, index: usize) -> anyhow::Result<()> {
        let is_transactional = self.producer.kind.is_transactional();
        let partition = self.producer.partitions.get_mut(index);
        let partition = partition.context("a partition")?;
        if let Some((producer_id, epoch)) = self.producer.identity {
            partition.frame.stamp(Stamp {
                producer_id,
                epoch,
                base_sequence: partition.next_sequence,
                is_transactional,
            });
        }
        partition.is_in_flight = true;
        self.in_flight.push_back(index);
        self.stream.write_all(partition.frame.frame()).await?;
        Ok(())
    }

    /// Takes the next answer.
    async fn answer(&mut self) -> anyhow::Result<()> {
        let index = self.in_flight.pop_front().context("a request")?;
        let answer = self.receive().await?;
        let response: ProduceResponse = decode(answer, i32::try_from(index)?, PRODUCE_VERSION)?;
        let topic = response.responses.first();
        let answer = topic.and_then(|topic| topic.partition_responses.first());
        let code = answer.context("an answer for one partition")?.error_code;
        let partition = self.producer.partitions.get_mut(index);
        let partition = partition.context("a partition")?;
        partition.is_in_flight = false;
        if BUSY.contains(&code) && self.producer.kind.is_transactional() {
            // The markers of the last transaction are still being written.
            tokio::time::sleep(PAUSE).await;
            return self.send(index).await;
        }
        ensure!(code == 0, "produce refused with {code}");
        if self.producer.identity.is_some() {
            let next = partition.next_sequence;
            partition.next_sequence = next.wrapping_add(self.producer.records_per_batch) & i32::MAX;
        }
        partition.is_touched = true;
        self.done.batches += 1;
        Ok(())
    }

    /// Commits the transaction; the next one has another epoch.
    async fn commit(&mut self) -> anyhow::Result<()> {
        const CORRELATION_ID: i32 = i32::MAX;
        let (id, epoch) = self.producer.identity.context("a producer id")?;
        let transactional_id = self.producer.transactional_id.clone();
        let request = EndTxnRequest::default()
            .with_transactional_id(transactional_id.context("a transactional id")?)
            .with_producer_id(ProducerId(id))
            .with_producer_epoch(epoch)
            .with_committed(true);
        let frame = encode(&request, END_TXN_VERSION, CORRELATION_ID)?;
        self.stream.write_all(&frame).await?;
        let answer = self.receive().await?;
        let answer: EndTxnResponse = decode(answer, CORRELATION_ID, END_TXN_VERSION)?;
        let code = answer.error_code;
        ensure!(code == 0, "the end of a transaction refused with {code}");
        self.producer.identity = Some((answer.producer_id.0, answer.producer_epoch));
        for partition in &mut self.producer.partitions {
            self.done.markers += u64::from(std::mem::take(&mut partition.is_touched));
            partition.next_sequence = 0;
        }
        self.done.transactions += 1;
        Ok(())
    }

    /// Receives an answer, without its length field.
    async fn receive(&mut self) -> anyhow::Result<Bytes> {
        self.receive_bytes(4).await?;
        let length = self.received.first_chunk().context("4 bytes")?;
        let length = 4 + usize::try_from(u32::from_be_bytes(*length))?;
        self.receive_bytes(length).await?;
        let answer = self.received.get(4..length).context("an answer")?;
        let answer = Bytes::copy_from_slice(answer);
        self.received.drain(..length);
        Ok(answer)
    }

    async fn receive_bytes(&mut self, wanted: usize) -> anyhow::Result<()> {
        while self.received.len() < wanted {
            let read = self.stream.read_buf(&mut self.received).await?;
            ensure!(read != 0, "the server closed the connection");
        }
        Ok(())
    }
}
