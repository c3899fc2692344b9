//! Tests of the accumulator: when batches are ready, what they hold, what they cost.

use std::time::Duration;

use bytes::Bytes;
use ringbrook_record::{Batch as BatchView, RecordBuffer};

use super::*;
use crate::headers::Headers;
use crate::metadata::PartitionMetadata;
use crate::producer::counters::SendReason;
use crate::producer::outcome::Acknowledged;
use crate::producer::sequences::{ProducerId, Sequences};

const SECOND: Duration = Duration::from_secs(1);

fn settings() -> AccumulatorSettings {
    AccumulatorSettings {
        batch_size: 500,
        linger: Duration::from_millis(10),
        buffer_memory: 5000,
        delivery_timeout: 120 * SECOND,
        codec: Codec::None,
        is_adaptive: true,
    }
}

/// Partition n is led by node n / 2.
fn topic(name: &str, partitions: i32) -> TopicMetadata {
    let partition = |partition| PartitionMetadata {
        partition,
        leader: Some(partition / 2),
        leader_epoch: 0,
        replicas: Vec::new(),
        isr: Vec::new(),
        offline_replicas: Vec::new(),
        error_code: 0,
    };
    TopicMetadata {
        name: name.into(),
        id: uuid::Uuid::nil(),
        is_internal: false,
        partitions: (0..partitions).map(partition).collect(),
        error_code: 0,
    }
}

fn leader_of(_: &str, partition: i32) -> Option<(i32, i32)> {
    Some((partition / 2, 0))
}

const LIMITS: DrainLimits = DrainLimits {
    request_bytes_max: 10_000,
    is_muting: false,
};

/// An accumulator with a clock of its own.
struct Rig {
    accumulator: Accumulator,
    topic: TopicMetadata,
    now: Instant,
}

impl Rig {
    fn new(settings: AccumulatorSettings) -> Self {
        Self {
            accumulator: Accumulator::new(settings),
            topic: topic("t", 4),
            now: Instant::now(),
        }
    }

    fn append(&mut self, partition: i32, value: &[u8]) -> Appended {
        let headers = Headers::new();
        let record = RawRecord {
            timestamp: 7,
            key: None,
            value: Some(value),
            headers: &headers,
        };
        let now = self.now;
        let destination = match partition {
            -1 => Destination::Sticky,
            partition => Destination::Partition(partition),
        };
        self.accumulator
            .append(&self.topic, destination, &record, None, false, || now)
    }

    /// Whether the sender is to be woken.
    fn add(&mut self, partition: i32, value: &[u8]) -> bool {
        match self.append(partition, value) {
            Appended::In { wakes, .. } => wakes,
            Appended::Exhausted(_) => panic!("no memory"),
            Appended::Refused(error) => panic!("{error}"),
        }
    }

    fn nodes(&mut self) -> Vec<i32> {
        self.accumulator.ready(self.now, &leader_of).nodes
    }

    fn drain(&mut self, node: i32) -> Vec<Batch> {
        self.accumulator
            .drain(node, self.now, LIMITS, &leader_of, None)
    }

    fn written(&mut self, batch: Batch) {
        let (key, reserved_bytes) = (batch.key, batch.reserved_bytes);
        let buffer = batch.acknowledge(Acknowledged {
            base_offset: 0,
            log_append_time: None,
        });
        self.accumulator.release(key, reserved_bytes);
        self.accumulator.give_back(buffer.unwrap_or_default());
    }
}

fn sealed(mut batch: Batch) -> (Batch, Bytes) {
    batch.seal(Codec::None, None, Vec::new(), false).unwrap();
    let bytes = batch.bytes_as(None).unwrap();
    (batch, bytes)
}

fn values(bytes: &Bytes) -> Vec<Vec<u8>> {
    let view = BatchView::parse(bytes).unwrap();
    view.verify_crc().unwrap();
    let mut buffer = RecordBuffer::new();
    let records = view.records(&mut buffer, 1 << 20).unwrap();
    let values = records.map(|record| record.unwrap().value.unwrap().to_vec());
    values.collect()
}

#[test]
fn a_batch_lingers_unless_it_is_full() {
    let mut rig = Rig::new(settings());
    assert!(
        rig.add(0, &[1; 100]),
        "the sender has to know when linger ends"
    );
    assert!(!rig.add(0, &[2; 100]), "it knows already");
    let ready = rig.accumulator.ready(rig.now, &leader_of);
    assert!(ready.nodes.is_empty());
    assert_eq!(ready.next_check, Some(rig.now + Duration::from_millis(10)));
    rig.add(2, &[3; 400]);
    assert!(
        rig.add(2, &[4; 400]),
        "the first batch of partition 2 is full"
    );
    assert_eq!(rig.nodes(), [1]);
    rig.now += Duration::from_millis(10);
    assert_eq!(rig.nodes(), [0, 1]);
    let mut drained = rig.drain(0);
    let (batch, bytes) = sealed(drained.pop().unwrap());
    assert_eq!(values(&bytes), [vec![1; 100], vec![2; 100]]);
    rig.written(batch);
    assert_eq!(rig.nodes(), [1]);
    let counters = &rig.accumulator.counters;
    assert_eq!(counters.batches_for(SendReason::Linger), 1);
    assert_eq!(counters.queue_time_max, Duration::from_millis(10));
}

#[test]
fn once_a_partition_is_ready_its_brokers_others_go_along() {
    let mut rig = Rig::new(settings());
    rig.add(0, &[0; 400]);
    rig.add(0, &[0; 400]);
    rig.add(1, &[1; 10]);
    rig.add(2, &[2; 10]);
    assert_eq!(rig.nodes(), [0]);
    let drained = rig.drain(0);
    let partitions: Vec<_> = drained.iter().map(|it| it.outcome.partition).collect();
    assert_eq!(partitions, [0, 1]);
    assert_eq!(rig.accumulator.counters.batches_for(SendReason::Full), 1);
    assert_eq!(
        rig.accumulator.counters.batches_for(SendReason::Piggyback),
        1
    );
    assert!(
        rig.nodes().is_empty(),
        "the second batch of partition 0 lingers"
    );
}

#[test]
fn a_request_holds_no_more_than_it_may_but_at_least_one_batch() {
    let mut rig = Rig::new(settings());
    for partition in [0, 1] {
        rig.add(partition, &[0; 400]);
    }
    rig.now += SECOND;
    let limits = DrainLimits {
        request_bytes_max: 600,
        is_muting: false,
    };
    let mut partitions = Vec::new();
    for _ in 0..2 {
        let drained = rig.accumulator.drain(0, rig.now, limits, &leader_of, None);
        assert_eq!(drained.len(), 1);
        partitions.push(drained[0].outcome.partition);
    }
    partitions.sort_unstable();
    assert_eq!(
        partitions,
        [0, 1],
        "the second request begins behind the first"
    );
}

#[test]
fn flush_close_and_exhaustion_do_not_linger() {
    type Set = fn(&mut Accumulator);
    let conditions: [(Set, SendReason); 4] = [
        (|it| it.flush(true), SendReason::Flush),
        (Accumulator::close, SendReason::Close),
        (|it| it.wait_for_memory(true), SendReason::BufferExhausted),
        (|it| it.end_transaction(true), SendReason::Transaction),
    ];
    for (set, reason) in conditions {
        let mut rig = Rig::new(settings());
        rig.add(0, b"x");
        assert!(rig.nodes().is_empty());
        set(&mut rig.accumulator);
        assert_eq!(rig.nodes(), [0]);
        rig.drain(0);
        assert_eq!(rig.accumulator.counters.batches_for(reason), 1);
    }
}

#[test]
fn memory_is_counted_until_batches_are_written() {
    let mut rig = Rig::new(settings());
    let mut added = 0;
    while let Appended::In { .. } = rig.append(0, &[0; 400]) {
        added += 1;
        assert!(added < 20, "more than buffer.memory");
    }
    assert_eq!(added, 10);
    assert!(rig.accumulator.used_bytes() <= 5000);
    let drained = rig.drain(0);
    assert!(matches!(rig.append(1, &[1; 400]), Appended::Exhausted(_)));
    for batch in drained {
        let (batch, _) = sealed(batch);
        rig.written(batch);
    }
    rig.add(1, &[1; 400]);
    // Whoever waits comes first.
    rig.accumulator.wait_for_memory(true);
    assert!(matches!(rig.append(1, b"x"), Appended::Exhausted(_)));
    rig.accumulator.wait_for_memory(false);
    rig.add(1, b"x");
}

#[test]
fn all_memory_is_back_when_everything_is_written() {
    let mut rig = Rig::new(settings());
    for round in 0..5 {
        for partition in 0..4 {
            rig.add(partition, &[round; 300]);
            rig.add(partition, &[round; 300]);
        }
        rig.now += SECOND;
        for node in [0, 1, 0, 1] {
            for batch in rig.drain(node) {
                let (batch, bytes) = sealed(batch);
                drop(bytes);
                rig.written(batch);
            }
        }
        assert_eq!(rig.accumulator.used_bytes(), 0);
        assert!(!rig.accumulator.has_incomplete());
    }
    assert!(rig.accumulator.spare.len() <= SPARE_BUFFERS_MAX);
    assert!(!rig.accumulator.spare.is_empty(), "buffers are used again");
}

#[test]
fn a_retry_waits_for_its_pause_or_a_new_leader_and_keeps_its_place() {
    let mut rig = Rig::new(settings());
    for value in [b"a", b"b", b"c"] {
        rig.add(0, &[&value[..], &[0; 400]].concat());
    }
    rig.now += SECOND;
    let (first, second) = (rig.drain(0).remove(0), rig.drain(0).remove(0));
    let pause = Duration::from_millis(100);
    rig.accumulator.retry(sealed(second).0, rig.now, pause);
    rig.accumulator.retry(sealed(first).0, rig.now, pause);
    let ready = rig.accumulator.ready(rig.now, &leader_of);
    assert_eq!(
        (ready.nodes, ready.next_check),
        (vec![], Some(rig.now + pause))
    );
    let elected = |_: &str, _: i32| Some((5, 1));
    assert_eq!(rig.accumulator.ready(rig.now, &elected).nodes, [5]);
    rig.now += pause;
    let mut order = Vec::new();
    for _ in 0..3 {
        let (_, bytes) = sealed(rig.drain(0).remove(0));
        order.push(values(&bytes)[0][0]);
    }
    assert_eq!(order, *b"abc");
}

#[test]
fn with_one_request_in_flight_a_partition_waits_for_its_answer() {
    let mut rig = Rig::new(settings());
    let limits = DrainLimits {
        is_muting: true,
        ..LIMITS
    };
    rig.add(0, &[0; 400]);
    rig.add(0, &[0; 400]);
    rig.now += SECOND;
    let drained = rig.accumulator.drain(0, rig.now, limits, &leader_of, None);
    assert_eq!(drained.len(), 1);
    assert!(rig.nodes().is_empty());
    rig.accumulator.unmute(drained[0].slot);
    assert_eq!(rig.nodes(), [0]);
}

#[test]
fn what_is_too_old_is_taken_out() {
    let mut rig = Rig::new(settings());
    rig.add(0, b"old");
    rig.now += 60 * SECOND;
    rig.add(1, b"young");
    rig.now += 60 * SECOND;
    let expired = rig.accumulator.take_expired(rig.now);
    assert_eq!(expired.len(), 1);
    assert_eq!(expired[0].outcome.partition, 0);
    let nobody = |_: &str, _: i32| None;
    let ready = rig.accumulator.ready(rig.now, &nobody);
    assert_eq!(ready.unknown_leaders, ["t".into()]);
    assert_eq!(ready.next_check, Some(rig.now + 60 * SECOND));
}

#[test]
fn a_batch_that_is_too_large_goes_on_as_several() {
    for codec in Codec::ALL {
        let mut rig = Rig::new(AccumulatorSettings {
            batch_size: 1000,
            ..settings()
        });
        let mut sequences = Sequences::new(false);
        sequences.set_producer(ProducerId { id: 1, epoch: 0 });
        let mut deliveries = Vec::new();
        for value in 0..5 {
            match rig.append(0, &[value; 100]) {
                Appended::In { delivery, .. } => deliveries.push(delivery),
                _ => panic!("not appended"),
            }
        }
        rig.now += SECOND;
        let drained = |rig: &mut Rig, sequences: &mut Sequences| {
            rig.accumulator
                .drain(0, rig.now, LIMITS, &leader_of, Some(sequences))
        };
        let mut batch = drained(&mut rig, &mut sequences).remove(0);
        batch.seal(codec, None, Vec::new(), false).unwrap();
        let contents = batch.unpack(300).unwrap();
        rig.accumulator.split(batch, contents, Some(&mut sequences));
        let mut seen = Vec::new();
        while rig.nodes() == [0] {
            let mut part = drained(&mut rig, &mut sequences).remove(0);
            let (slot, key) = (part.slot, part.key);
            part.seal(codec, None, Vec::new(), false).unwrap();
            let bytes = part.bytes_as(sequences.assigned(slot, key)).unwrap();
            let header = BatchView::parse(&bytes).unwrap().header;
            let expected = i32::try_from(seen.len()).unwrap();
            assert_eq!(header.base_sequence, expected);
            seen.extend(values(&bytes));
            sequences.acknowledged(slot, key, 0);
            let base_offset = 1000 * i64::from(expected);
            let (key, reserved) = (part.key, part.reserved_bytes);
            part.acknowledge(Acknowledged {
                base_offset,
                log_append_time: None,
            });
            rig.accumulator.release(key, reserved);
        }
        assert_eq!(seen, (0..5).map(|it| vec![it; 100]).collect::<Vec<_>>());
        assert_eq!(rig.accumulator.used_bytes(), 0);
        assert!(!rig.accumulator.has_incomplete());
        let mut offsets = Vec::new();
        for delivery in deliveries {
            let metadata = futures_util::FutureExt::now_or_never(delivery);
            offsets.push(metadata.unwrap().unwrap().offset);
        }
        assert_eq!(offsets, [0, 1, 2000, 2001, 4000]);
    }
}

#[test]
fn keyless_records_stick_to_a_partition_for_about_a_batch() {
    let mut rig = Rig::new(AccumulatorSettings {
        buffer_memory: 100_000,
        ..settings()
    });
    let mut switches = 0;
    let mut last = None;
    for _ in 0..40 {
        let Appended::In { delivery, .. } = rig.append(-1, &[0; 100]) else {
            panic!("not appended");
        };
        let partition = Some(delivery.partition());
        switches += usize::from(last.is_some() && last != partition);
        last = partition;
    }
    assert!((1..=8).contains(&switches), "{switches} switches");
}

#[test]
fn compressed_batches_take_more_records() {
    let mut rig = Rig::new(AccumulatorSettings {
        codec: Codec::Lz4,
        buffer_memory: 100_000,
        ..settings()
    });
    let per_batch = |rig: &mut Rig| {
        let mut count = 0;
        while rig
            .accumulator
            .queues
            .first()
            .is_none_or(|it| it.batches.len() < 2)
        {
            rig.add(0, &[0; 100]);
            count += 1;
        }
        let (first, second) = (rig.drain(0).remove(0), rig.drain(0).remove(0));
        for batch in [first, second] {
            rig.accumulator.compressed(0, 500, 70);
            let (batch, _) = sealed(batch);
            rig.written(batch);
        }
        count - 1
    };
    let first = per_batch(&mut rig);
    for _ in 0..100 {
        per_batch(&mut rig);
    }
    let last = per_batch(&mut rig);
    assert!(first <= 4 && 15 <= last, "{first} records, then {last}");
}

#[test]
fn a_closed_accumulator_takes_nothing() {
    let mut rig = Rig::new(settings());
    rig.accumulator.close();
    assert!(matches!(
        rig.append(0, b"x"),
        Appended::Refused(ClientError::Closed("producer"))
    ));
}
