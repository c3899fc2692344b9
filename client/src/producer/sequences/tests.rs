//! Tests of the sequence rules, against a broker's own rules at the end.

use proptest::prelude::*;

use super::*;

const ID: ProducerId = ProducerId { id: 9, epoch: 0 };

fn key(serial: u64) -> BatchKey {
    BatchKey {
        serial,
        first_record: 0,
    }
}

fn idempotent() -> Sequences {
    let mut sequences = Sequences::new(false);
    sequences.set_producer(ID);
    sequences
}

fn transactional() -> Sequences {
    let mut sequences = Sequences::new(true);
    sequences.set_producer(ID);
    sequences
}

fn refusal(error: ResponseError) -> Refusal {
    Refusal {
        error: Some(error),
        is_retriable: error.is_retriable(),
        log_start_offset: 0,
    }
}

fn number(sequences: &Sequences, serial: u64) -> (i16, i32) {
    let assigned = sequences.assigned(0, key(serial)).unwrap();
    (assigned.producer.epoch, assigned.base_sequence)
}

#[test]
fn nothing_is_sent_before_there_is_a_producer_id() {
    let mut sequences = Sequences::new(false);
    assert!(!sequences.may_send(0, key(1)));
    assert_eq!(sequences.assign(0, key(1), 1), None);
    sequences.set_producer(ID);
    assert!(sequences.may_send(0, key(1)));
}

#[test]
fn batches_of_a_partition_follow_each_other_without_gaps() {
    let mut sequences = idempotent();
    for (serial, records, expected) in [(1, 3, 0), (2, 1, 3), (3, 7, 4)] {
        assert!(sequences.may_send(0, key(serial)));
        let assigned = sequences.assign(0, key(serial), records).unwrap();
        assert_eq!(assigned.base_sequence, expected);
        if serial == 1 {
            sequences.acknowledged(0, key(serial), 0);
        }
    }
    let other = sequences.assign(1, key(4), 1).unwrap();
    assert_eq!(other.base_sequence, 0, "each partition counts for itself");
}

#[test]
fn numbers_wrap_to_zero() {
    let mut sequences = idempotent();
    sequences
        .assign(0, key(1), i32::MAX.unsigned_abs())
        .unwrap();
    sequences.acknowledged(0, key(1), 0);
    sequences.assign(0, key(2), 3).unwrap();
    assert_eq!(number(&sequences, 2).1, i32::MAX);
    sequences.acknowledged(0, key(2), 5);
    sequences.assign(0, key(3), 1).unwrap();
    assert_eq!(number(&sequences, 3).1, 2);
    // What follows the last acknowledged number is next also behind the wrap.
    let refused = refusal(ResponseError::OutOfOrderSequenceNumber);
    assert!(sequences.can_retry(0, key(3), refused));
    sequences.settle();
    assert_eq!(
        number(&sequences, 3),
        (1, 0),
        "a gap at the next number bumps the epoch"
    );
}

#[test]
fn a_retry_keeps_its_number_and_goes_before_later_ones() {
    let mut sequences = idempotent();
    sequences.assign(0, key(0), 2).unwrap();
    sequences.acknowledged(0, key(0), 0);
    for serial in 1..=3 {
        sequences.assign(0, key(serial), 2).unwrap();
    }
    assert!(sequences.can_retry(0, key(1), refusal(ResponseError::NotLeaderOrFollower)));
    assert!(sequences.can_retry(0, key(2), refusal(ResponseError::OutOfOrderSequenceNumber)));
    assert!(sequences.may_send(0, key(1)));
    assert!(!sequences.may_send(0, key(2)), "one retry at a time");
    assert!(
        sequences.may_send(0, key(4)),
        "what is new may go behind them"
    );
    assert_eq!(sequences.assign(0, key(1), 2).unwrap().base_sequence, 2);
    sequences.acknowledged(0, key(1), 100);
    assert!(sequences.may_send(0, key(2)));
    sequences.settle();
    assert_eq!(number(&sequences, 2), (0, 4), "nothing bumped the epoch");
}

/// A broker that knows nothing of the producer takes any number: the second batch must not get
/// there before the first is written.
#[test]
fn the_first_batch_of_an_epoch_is_alone_until_it_is_acknowledged() {
    let mut sequences = idempotent();
    sequences.assign(0, key(1), 2).unwrap();
    assert!(!sequences.may_send(0, key(2)));
    assert!(sequences.may_send(1, key(3)), "another partition");
    sequences.acknowledged(0, key(1), 0);
    for serial in [2, 4, 5] {
        assert!(sequences.may_send(0, key(serial)));
        sequences.assign(0, key(serial), 2).unwrap();
    }
    // The next epoch begins the same way.
    sequences.failed(0, key(2), true);
    sequences.settle();
    assert_eq!(number(&sequences, 4), (1, 0));
    assert!(sequences.may_send(0, key(4)) && !sequences.may_send(0, key(6)));
}

/// A broker that has forgotten the producer refuses one batch and takes those behind it. The
/// number of the first is never taken again: retrying under it would go on for ever.
#[test]
fn a_batch_that_later_ones_have_passed_begins_a_new_epoch() {
    let refused = refusal(ResponseError::OutOfOrderSequenceNumber);
    for is_transactional in [false, true] {
        let mut sequences = Sequences::new(is_transactional);
        sequences.set_producer(ID);
        for serial in 0..4 {
            sequences.assign(0, key(serial), 2).unwrap();
        }
        sequences.acknowledged(0, key(0), 0);
        sequences.acknowledged(0, key(3), 2);
        assert!(sequences.can_retry(0, key(2), refused), "not the first");
        assert_eq!(sequences.can_retry(0, key(1), refused), !is_transactional);
        if !is_transactional {
            sequences.settle();
            assert_eq!(number(&sequences, 1), (1, 0));
            assert_eq!(number(&sequences, 2), (1, 2));
        }
    }
}

#[test]
fn a_refused_batch_bumps_the_epoch_and_numbers_begin_anew() {
    let mut sequences = idempotent();
    for serial in 1..=3 {
        sequences.assign(0, key(serial), 2).unwrap();
    }
    sequences.assign(1, key(9), 5).unwrap();
    sequences.failed(0, key(1), true);
    sequences.settle();
    assert_eq!(number(&sequences, 2), (1, 0));
    assert_eq!(number(&sequences, 3), (1, 2));
    let other = sequences.assigned(1, key(9)).unwrap();
    assert_eq!(other.producer.epoch, 0, "other partitions keep theirs");
    assert!(
        !sequences.may_send(1, key(10)),
        "two epochs of a partition do not mix"
    );
    sequences.acknowledged(1, key(9), 0);
    assert!(sequences.may_send(1, key(10)));
    let assigned = sequences.assign(1, key(10), 1).unwrap();
    assert_eq!((assigned.producer.epoch, assigned.base_sequence), (1, 0));
}

#[test]
fn after_the_last_epoch_a_new_producer_id_is_needed() {
    let mut sequences = Sequences::new(false);
    sequences.set_producer(ProducerId {
        id: 9,
        epoch: i16::MAX,
    });
    sequences.assign(0, key(1), 1).unwrap();
    sequences.assign(0, key(2), 1).unwrap();
    sequences.failed(0, key(1), true);
    sequences.settle();
    assert_eq!(sequences.producer(), None);
    assert!(!sequences.may_send(0, key(2)));
    sequences.set_producer(ProducerId { id: 10, epoch: 0 });
    let assigned = sequences.assigned(0, key(2)).unwrap();
    assert_eq!((assigned.producer.id, assigned.base_sequence), (10, 0));
}

#[test]
fn a_batch_of_unknown_fate_holds_new_ones_up_until_those_behind_it_are_answered() {
    let mut sequences = idempotent();
    for serial in 1..=2 {
        sequences.assign(0, key(serial), 2).unwrap();
    }
    sequences.gave_up(0, key(1));
    sequences.settle();
    assert!(!sequences.may_send(0, key(3)));
    // The one behind was written, so the lost one was too.
    sequences.acknowledged(0, key(2), 7);
    sequences.settle();
    assert!(sequences.may_send(0, key(3)));
    assert_eq!(sequences.assign(0, key(3), 1).unwrap().base_sequence, 4);
    // With nothing behind it nobody will ever know.
    sequences.gave_up(0, key(3));
    sequences.settle();
    assert!(sequences.may_send(0, key(4)));
    sequences.assign(0, key(4), 1).unwrap();
    assert_eq!(number(&sequences, 4), (1, 0));
}

#[test]
fn out_of_order_behind_an_unknown_batch_bumps_only_next_to_it() {
    let mut sequences = idempotent();
    for serial in 1..=3 {
        sequences.assign(0, key(serial), 2).unwrap();
    }
    sequences.gave_up(0, key(1));
    let refused = refusal(ResponseError::OutOfOrderSequenceNumber);
    assert!(sequences.can_retry(0, key(3), refused));
    sequences.settle();
    assert_eq!(number(&sequences, 3), (0, 4));
    assert!(sequences.can_retry(0, key(2), refused));
    sequences.settle();
    assert_eq!(number(&sequences, 2), (1, 0));
    assert_eq!(number(&sequences, 3), (1, 2));
    assert!(sequences.may_send(0, key(2)));
}

#[test]
fn parts_of_a_batch_share_its_numbers() {
    let mut sequences = idempotent();
    sequences.assign(0, key(1), 10).unwrap();
    sequences.assign(0, key(2), 1).unwrap();
    let part = |first_record| BatchKey {
        serial: 1,
        first_record,
    };
    sequences.split(0, key(1), &[(part(0), 4), (part(4), 6)]);
    let base = |key| sequences.assigned(0, key).unwrap().base_sequence;
    assert_eq!((base(part(0)), base(part(4)), base(key(2))), (0, 4, 10));
    assert!(sequences.may_send(0, part(0)) && !sequences.may_send(0, part(4)));
}

#[test]
fn a_transactional_producer_closes_the_gap_of_a_refused_batch_instead() {
    let mut sequences = transactional();
    for serial in 1..=3 {
        sequences.assign(0, key(serial), 2).unwrap();
    }
    sequences.failed(0, key(2), true);
    assert!(sequences.settle());
    assert_eq!(number(&sequences, 1), (0, 0));
    assert_eq!(number(&sequences, 3), (0, 2));
    assert_eq!(sequences.assign(0, key(4), 1).unwrap().base_sequence, 4);
    let refused = refusal(ResponseError::OutOfOrderSequenceNumber);
    sequences.acknowledged(0, key(1), 0);
    assert!(
        sequences.can_retry(0, key(3), refused),
        "its number has changed meanwhile"
    );
    sequences.acknowledged(0, key(3), 2);
    assert!(
        !sequences.can_retry(0, key(4), refused),
        "a gap is the transaction's end"
    );
    sequences.gave_up(0, key(4));
    assert!(!sequences.settle(), "nobody knows whether it was written");
}

#[test]
fn an_unknown_producer_id_is_retried() {
    let mut sequences = idempotent();
    sequences.assign(0, key(1), 2).unwrap();
    let mut refused = refusal(ResponseError::UnknownProducerId);
    refused.log_start_offset = -1;
    assert!(sequences.can_retry(0, key(1), refused));
    sequences.settle();
    assert_eq!(
        number(&sequences, 1),
        (0, 0),
        "the broker may know better next time"
    );
    refused.log_start_offset = 10;
    assert!(sequences.can_retry(0, key(1), refused));
    sequences.settle();
    assert_eq!(number(&sequences, 1), (1, 0));

    let mut sequences = transactional();
    sequences.assign(0, key(1), 2).unwrap();
    sequences.acknowledged(0, key(1), 5);
    sequences.assign(0, key(2), 2).unwrap();
    assert!(
        sequences.can_retry(0, key(2), refused),
        "retention has forgotten the producer"
    );
    assert_eq!(number(&sequences, 2), (0, 0));
}

/// A broker's rules for one partition (Kafka `ProducerAppendInfo`), with all it has written.
#[derive(Default)]
struct Broker {
    epoch: i16,
    next: i32,
    written: Vec<(u64, i16, i32)>,
}

impl Broker {
    fn has(&self, serial: u64) -> bool {
        self.written.iter().any(|it| it.0 == serial)
    }

    fn append(&mut self, serial: u64, assigned: Assigned) -> Result<(), ResponseError> {
        let numbered = (serial, assigned.producer.epoch, assigned.base_sequence);
        if self
            .written
            .iter()
            .any(|it| (it.1, it.2) == (numbered.1, numbered.2))
        {
            return Ok(());
        }
        if assigned.producer.epoch < self.epoch {
            return Err(ResponseError::InvalidProducerEpoch);
        }
        let is_new = self.epoch < assigned.producer.epoch;
        let expected = if is_new { 0 } else { self.next };
        // Of a producer that it does not know it takes any number.
        if !self.written.is_empty() && assigned.base_sequence != expected {
            return Err(ResponseError::OutOfOrderSequenceNumber);
        }
        self.epoch = assigned.producer.epoch;
        self.next = assigned.next();
        self.written.push(numbered);
        Ok(())
    }
}

proptest! {
    /// Whatever answers are lost and whatever is refused: a batch that is acknowledged was written
    /// exactly once, and batches are written in their order.
    #[test]
    fn acknowledged_batches_are_written_once_and_in_order(
        fates in proptest::collection::vec((0_u8..10, 1_u32..5), 1..60),
    ) {
        let mut sequences = idempotent();
        let mut broker = Broker::default();
        let mut acknowledged = Vec::new();
        let mut queue: std::collections::VecDeque<(u64, u32)> =
            (0..).zip(fates.iter().map(|fate| fate.1)).collect();
        let mut fates = fates.iter().map(|fate| fate.0);
        for round in 0.. {
            prop_assert!(round < 1000, "it does not end");
            sequences.settle();
            // Up to three are with the broker at once; it takes them in the order sent.
            let mut sent = Vec::new();
            while let Some((serial, records)) = queue.front().copied()
                && sent.len() < 3
                && sequences.may_send(0, key(serial))
            {
                let assigned = sequences.assign(0, key(serial), records).unwrap();
                queue.pop_front();
                sent.push((serial, records, assigned));
            }
            if sent.is_empty() && queue.is_empty() {
                break;
            }
            for (serial, records, assigned) in sent {
                let fate = fates.next().unwrap_or(9);
                // 0: never arrived; 1: written, answer lost; 2: refused for good.
                let answer = match fate {
                    0 => Err(ResponseError::NetworkException),
                    1 => broker
                        .append(serial, assigned)
                        .and(Err(ResponseError::NetworkException)),
                    2 if !broker.has(serial) => Err(ResponseError::InvalidRecord),
                    _ => broker.append(serial, assigned),
                };
                match answer {
                    Ok(()) => {
                        sequences.acknowledged(0, key(serial), 0);
                        acknowledged.push(serial);
                    }
                    Err(error) if sequences.can_retry(0, key(serial), refusal(error)) => {
                        let place = queue.partition_point(|it| it.0 < serial);
                        queue.insert(place, (serial, records));
                    }
                    Err(_) => sequences.failed(0, key(serial), true),
                }
            }
        }
        for serial in &acknowledged {
            let times = broker.written.iter().filter(|it| it.0 == *serial).count();
            prop_assert_eq!(times, 1, "batch {} of {:?}", serial, broker.written);
        }
        let order: Vec<_> = broker.written.iter().map(|it| it.0).collect();
        prop_assert!(order.is_sorted(), "{:?}", broker.written);
    }
}
