//! kill -9 under load: idempotent producers go on over crashes, nothing is lost or doubled.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use ringbrook_protocol::messages::ProduceRequest;
use ringbrook_tests::{
    BrokerOptions, TestBroker, Wire, by_name, error, idempotent, produce_request, single_produced,
    wait_until,
};

const TOPIC: &str = "load";
const PARTITIONS: i32 = 2;
const PRODUCERS: i32 = 4;
const IN_FLIGHT_MAX: usize = 5;
const KILLS: usize = 8;
/// Acknowledgements between two kills.
const ACKNOWLEDGED_PER_ROUND: i64 = 1000;
const VERSION: i16 = 9;

/// Where the broker is at the moment; each start has another port.
#[derive(Default)]
struct Broker {
    /// The address of the n-th start, counted from 1.
    address: Mutex<(usize, Option<SocketAddr>)>,
    changed: Condvar,
    acknowledged: AtomicI64,
    is_over: AtomicBool,
}

impl Broker {
    fn moved_to(&self, address: SocketAddr) {
        let mut current = self.address.lock().unwrap_or_else(PoisonError::into_inner);
        *current = (current.0 + 1, Some(address));
        self.changed.notify_all();
    }

    /// The address of a start later than the `seen`-th.
    fn after(&self, seen: usize) -> anyhow::Result<(usize, SocketAddr)> {
        let current = self.address.lock().unwrap_or_else(PoisonError::into_inner);
        let deadline = Duration::from_secs(120);
        let waited = self
            .changed
            .wait_timeout_while(current, deadline, |it| it.0 <= seen);
        let (current, _) = waited.unwrap_or_else(PoisonError::into_inner);
        ensure!(seen < current.0, "the broker did not come back");
        Ok((current.0, current.1.context("an address")?))
    }
}

/// Records `first..first + count` of a producer, numbered as their sequence numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Batch {
    first: i32,
    count: i32,
}

struct Producer<'a> {
    broker: &'a Broker,
    index: i32,
    id: (i64, i16),
    next: i32,
    in_flight: VecDeque<(Batch, i32)>,
    /// Acknowledged batches with their base offsets.
    acknowledged: Vec<(Batch, i64)>,
}

fn value(producer: i32, index: i32) -> String {
    // Some records are large, so that kills come in the middle of writes.
    let padding = if index % 13 == 0 {
        20_000
    } else {
        index.unsigned_abs() as usize % 50
    };
    format!("{producer}/{index}/{}", "x".repeat(padding))
}

impl Producer<'_> {
    fn partition(&self) -> i32 {
        self.index % PARTITIONS
    }

    fn send(&self, wire: &mut Wire, batch: Batch) -> anyhow::Result<i32> {
        let values: Vec<_> = (0..batch.count)
            .map(|index| value(self.index, batch.first + index))
            .collect();
        let records = idempotent(self.id, batch.first, &values);
        let acks = if self.index < 2 { -1 } else { 1 };
        let request = produce_request(by_name(TOPIC), self.partition(), acks, records);
        Ok(wire.send(&request, VERSION)?)
    }

    /// Sends and receives on one connection until it breaks or everything is acknowledged.
    fn use_connection(&mut self, wire: &mut Wire) -> anyhow::Result<()> {
        // Again what the last connection left unanswered, in order: the broker knows duplicates.
        let again = std::mem::take(&mut self.in_flight);
        for (batch, _) in again {
            // Kept even if this connection breaks as well.
            self.in_flight.push_back((batch, -1));
        }
        for index in 0..self.in_flight.len() {
            self.in_flight[index].1 = self.send(wire, self.in_flight[index].0)?;
        }
        loop {
            let is_over = self.broker.is_over.load(Ordering::Relaxed);
            while !is_over && self.in_flight.len() < IN_FLIGHT_MAX {
                let batch = Batch {
                    first: self.next,
                    count: 1 + self.next % 7,
                };
                self.next += batch.count;
                self.in_flight.push_back((batch, -1));
                let sent = self.send(wire, batch)?;
                self.in_flight.back_mut().context("just pushed")?.1 = sent;
            }
            let Some((batch, sent)) = self.in_flight.front().copied() else {
                return Ok(());
            };
            let produced = single_produced(wire.receive::<ProduceRequest>(sent, VERSION)?)?;
            if produced.error_code != 0 {
                let error = error(produced.error_code);
                panic!("producer {} got {error:?} for {batch:?}", self.index);
            }
            self.in_flight.pop_front();
            self.acknowledged.push((batch, produced.base_offset));
            self.broker.acknowledged.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn run(mut self) -> anyhow::Result<Self> {
        let mut start = 0;
        loop {
            let address;
            (start, address) = self.broker.after(start)?;
            // Refused when the broker is killed again at once.
            let Ok(mut wire) = Wire::connect(address) else {
                continue;
            };
            match self.use_connection(&mut wire) {
                Ok(()) => return Ok(self),
                Err(error) if self.broker.is_over.load(Ordering::Relaxed) => {
                    bail!("broken after the last kill: {error}");
                }
                // Killed: the next start is waited for.
                Err(_) => {}
            }
        }
    }
}

/// Kills and restarts under load; returns the broker that is left.
fn kill_repeatedly(mut process: TestBroker, broker: &Broker) -> anyhow::Result<TestBroker> {
    for _ in 0..KILLS {
        broker.moved_to(process.address());
        let enough = broker.acknowledged.load(Ordering::Relaxed) + ACKNOWLEDGED_PER_ROUND;
        let is_reached = wait_until(Duration::from_secs(60), || {
            enough <= broker.acknowledged.load(Ordering::Relaxed)
        });
        ensure!(is_reached, "producers are stuck: {}", process.log());
        process = process.kill_and_restart()?;
    }
    Ok(process)
}

#[test]
fn acknowledged_records_are_there_exactly_once_after_kills() -> anyhow::Result<()> {
    // Small segments, so that kills meet rolls as well.
    let options = BrokerOptions::fast().set("log.segment.bytes", "1048576");
    let process = TestBroker::start_with(options)?;
    let mut client = process.client()?;
    client.create_topic(TOPIC, PARTITIONS, &[])?;
    let ids = (0..PRODUCERS).map(|_| client.init_producer_id());
    let ids = ids.collect::<anyhow::Result<Vec<_>>>()?;
    let broker = Broker::default();
    let (process, producers) = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..)
            .zip(ids)
            .map(|(index, id)| {
                let (in_flight, acknowledged) = (VecDeque::new(), Vec::new());
                let broker = &broker;
                let producer = Producer {
                    broker,
                    index,
                    id,
                    next: 0,
                    in_flight,
                    acknowledged,
                };
                scope.spawn(move || producer.run())
            })
            .collect();
        let process = kill_repeatedly(process, &broker);
        broker.is_over.store(true, Ordering::Relaxed);
        if let Ok(process) = &process {
            broker.moved_to(process.address());
        }
        let producers = threads
            .into_iter()
            .map(|thread| thread.join().expect("no panic"));
        anyhow::Ok((process?, producers.collect::<anyhow::Result<Vec<_>>>()?))
    })?;
    for partition in 0..PARTITIONS {
        verify(&process, partition, &producers)?;
    }
    process.stop()
}

fn verify(process: &TestBroker, partition: i32, producers: &[Producer<'_>]) -> anyhow::Result<()> {
    let mut client = process.client()?;
    let records = client.read_all(TOPIC, partition, 0)?;
    for (offset, record) in (0..).zip(&records) {
        assert_eq!(
            record.offset, offset,
            "offsets are not dense in partition {partition}"
        );
    }
    let end = client.list_offset(TOPIC, partition, -1)?.offset;
    assert_eq!(i64::try_from(records.len())?, end);
    let texts: Vec<_> = records
        .iter()
        .map(ringbrook_tests::TestRecord::text)
        .collect();
    for producer in producers
        .iter()
        .filter(|producer| producer.partition() == partition)
    {
        // Everything was acknowledged in the end, so everything is there, once and in order.
        let prefix = format!("{}/", producer.index);
        let own: Vec<_> = texts
            .iter()
            .filter(|text| text.starts_with(&prefix))
            .collect();
        let expected: Vec<_> = (0..producer.next)
            .map(|index| value(producer.index, index))
            .collect();
        assert!(
            own.iter().copied().eq(&expected),
            "producer {} differs",
            producer.index
        );
        for (batch, base_offset) in &producer.acknowledged {
            let first = &texts[usize::try_from(*base_offset)?];
            assert_eq!(
                *first,
                value(producer.index, batch.first),
                "acknowledged elsewhere"
            );
        }
    }
    Ok(())
}
