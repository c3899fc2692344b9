//! Idempotent producers: duplicates, order, epochs, and that the state survives.

use anyhow::Context;
use bytes::Bytes;
use ringbrook_protocol::ResponseError;
use ringbrook_protocol::messages::{InitProducerIdRequest, ProducerId, TransactionalId};
use ringbrook_record::Codec;
use ringbrook_tests::{
    BrokerOptions, Client, SharedBroker, TestBroker, builder, error, idempotent, unique,
};

/// A connection, a topic, and a producer id with its epoch.
struct Producer {
    client: Client,
    topic: String,
    id: (i64, i16),
}

type Produced = (Option<ResponseError>, i64);

const OUT_OF_ORDER: Produced = (Some(ResponseError::OutOfOrderSequenceNumber), -1);
const STALE_EPOCH: Produced = (Some(ResponseError::InvalidProducerEpoch), -1);

impl Producer {
    fn begin(broker: &SharedBroker) -> anyhow::Result<Self> {
        let mut client = broker.client()?;
        let topic = unique("idempotent");
        client.create_topic(&topic, 1, &[])?;
        let id = client.init_producer_id()?;
        Ok(Self { client, topic, id })
    }

    fn send(&mut self, records: Bytes) -> anyhow::Result<Produced> {
        let produced = self.client.try_produce(&self.topic, 0, records)?;
        Ok((error(produced.error_code), produced.base_offset))
    }

    /// Sends a batch with the given sequence number.
    fn sequence(&mut self, sequence: i32, values: &[&str]) -> anyhow::Result<Produced> {
        self.send(idempotent(self.id, sequence, values))
    }
}

#[test]
fn producer_ids_are_distinct_with_epoch_zero() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let mut clients = [broker.client()?, broker.client()?];
    let mut ids = Vec::new();
    for index in 0..2500 {
        let (id, epoch) = clients[index % 2].init_producer_id()?;
        assert_eq!(epoch, 0);
        ids.push(id);
    }
    ids.sort_unstable();
    let count = ids.len();
    ids.dedup();
    assert_eq!(ids.len(), count, "a producer id was given out twice");
    Ok(())
}

/// One client sends 0 and 0 for "none" the first time.
#[test]
fn an_id_in_the_request_is_ignored_without_a_transactional_id() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let mut client = broker.client()?;
    let request = InitProducerIdRequest::default()
        .with_transactional_id(None)
        .with_producer_id(ProducerId(0))
        .with_producer_epoch(0)
        .with_transaction_timeout_ms(60_000);
    let response = client.call(&request, 5)?;
    assert_eq!(error(response.error_code), None);
    assert_eq!(response.producer_epoch, 0);
    let empty = request.with_transactional_id(Some(TransactionalId::default()));
    let refused = client.call(&empty, 5)?;
    assert_eq!(
        error(refused.error_code),
        Some(ResponseError::InvalidRequest)
    );
    Ok(())
}

#[test]
fn a_duplicate_is_acknowledged_with_its_first_offset() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let mut producer = Producer::begin(&broker)?;
    assert_eq!(producer.sequence(0, &["a", "b"])?, (None, 0));
    assert_eq!(producer.sequence(0, &["a", "b"])?, (None, 0));
    assert_eq!(producer.sequence(2, &["c"])?, (None, 2));
    assert_eq!(producer.sequence(2, &["c"])?, (None, 2));
    assert_eq!(producer.sequence(0, &["a", "b"])?, (None, 0));
    let topic = producer.topic.clone();
    assert_eq!(producer.client.texts(&topic, 0, 0)?, ["a", "b", "c"]);
    Ok(())
}

#[test]
fn the_last_five_batches_are_remembered_and_no_more() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let mut producer = Producer::begin(&broker)?;
    for sequence in 0..7 {
        let offset = i64::from(sequence);
        assert_eq!(producer.sequence(sequence, &["v"])?, (None, offset));
    }
    for sequence in 2..7 {
        let offset = i64::from(sequence);
        assert_eq!(
            producer.sequence(sequence, &["v"])?,
            (None, offset),
            "sequence {sequence}"
        );
    }
    for sequence in 0..2 {
        assert_eq!(
            producer.sequence(sequence, &["v"])?,
            OUT_OF_ORDER,
            "sequence {sequence}"
        );
    }
    // Part of a remembered batch is not a duplicate.
    assert_eq!(producer.sequence(6, &["v", "w"])?, OUT_OF_ORDER);
    assert_eq!(producer.sequence(7, &["next"])?, (None, 7));
    Ok(())
}

#[test]
fn a_gap_is_out_of_order_until_it_is_filled() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let mut producer = Producer::begin(&broker)?;
    assert_eq!(producer.sequence(0, &["a"])?, (None, 0));
    assert_eq!(producer.sequence(2, &["c"])?, OUT_OF_ORDER);
    assert_eq!(producer.sequence(1, &["b"])?, (None, 1));
    assert_eq!(producer.sequence(2, &["c"])?, (None, 2));
    let topic = producer.topic.clone();
    assert_eq!(producer.client.texts(&topic, 0, 0)?, ["a", "b", "c"]);
    Ok(())
}

#[test]
fn an_unknown_producer_may_begin_anywhere() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let mut producer = Producer::begin(&broker)?;
    assert_eq!(producer.sequence(48, &["a"])?, (None, 0));
    assert_eq!(producer.sequence(0, &["b"])?, OUT_OF_ORDER);
    assert_eq!(producer.sequence(49, &["c"])?, (None, 1));
    Ok(())
}

#[test]
fn a_new_epoch_begins_at_zero_and_fences_the_old_one() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let mut producer = Producer::begin(&broker)?;
    assert_eq!(producer.sequence(0, &["a"])?, (None, 0));
    let old = producer.id;
    producer.id.1 += 1;
    assert_eq!(producer.sequence(1, &["b"])?, OUT_OF_ORDER);
    assert_eq!(producer.sequence(0, &["b"])?, (None, 1));
    assert_eq!(producer.send(idempotent(old, 1, &["stale"]))?, STALE_EPOCH);
    assert_eq!(producer.send(idempotent(old, 0, &["a"]))?, STALE_EPOCH);
    assert_eq!(producer.sequence(1, &["c"])?, (None, 2));
    Ok(())
}

#[test]
fn sequence_numbers_wrap_to_zero() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let mut producer = Producer::begin(&broker)?;
    assert_eq!(producer.sequence(i32::MAX - 1, &["a", "b"])?, (None, 0));
    assert_eq!(producer.sequence(1, &["x"])?, OUT_OF_ORDER);
    assert_eq!(producer.sequence(0, &["c"])?, (None, 2));
    // In the middle of a batch too.
    let mut producer = Producer::begin(&broker)?;
    assert_eq!(producer.sequence(i32::MAX, &["a", "b", "c"])?, (None, 0));
    assert_eq!(producer.sequence(i32::MAX, &["a", "b", "c"])?, (None, 0));
    assert_eq!(producer.sequence(2, &["d"])?, (None, 3));
    Ok(())
}

#[test]
fn producers_and_partitions_have_sequences_of_their_own() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let mut client = broker.client()?;
    let topic = unique("idempotent-many");
    client.create_topic(&topic, 2, &[])?;
    let ids = [client.init_producer_id()?, client.init_producer_id()?];
    for sequence in 0..3 {
        for partition in 0..2 {
            for id in ids {
                client.produce(&topic, partition, idempotent(id, sequence, &["v"]))?;
            }
        }
    }
    assert_eq!(client.list_offset(&topic, 0, -1)?.offset, 6);
    assert_eq!(client.list_offset(&topic, 1, -1)?.offset, 6);
    Ok(())
}

#[test]
fn a_producer_id_without_a_sequence_is_refused() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let mut producer = Producer::begin(&broker)?;
    let id = producer.id;
    let without = builder(&["v"])
        .producer(id.0, id.1, -1)
        .finish(Codec::None, None)?
        .freeze();
    assert_eq!(
        producer.send(without)?,
        (Some(ResponseError::InvalidRecord), -1)
    );
    Ok(())
}

#[test]
fn refused_batches_do_not_move_the_sequence() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let mut producer = Producer::begin(&broker)?;
    let mut damaged = idempotent(producer.id, 0, &["a"]).to_vec();
    *damaged.last_mut().context("bytes")? ^= 1;
    let corrupt = (Some(ResponseError::CorruptMessage), -1);
    assert_eq!(producer.send(damaged.into())?, corrupt);
    assert_eq!(producer.sequence(0, &["a"])?, (None, 0));
    assert_eq!(producer.sequence(1, &["b"])?, (None, 1));
    Ok(())
}

/// Five batches, and after each kind of restart all of them again, whose answers a client with five
/// requests in flight may not have had; then the next.
#[test]
fn producer_state_survives_clean_restart_and_kill() -> anyhow::Result<()> {
    let mut broker = TestBroker::start_with(BrokerOptions::fast())?;
    let mut client = broker.client()?;
    client.create_topic("durable", 1, &[])?;
    let id = client.init_producer_id()?;
    let mut next = 0;
    for is_clean in [true, false, true, false, false] {
        for _ in 0..5 {
            let offset = client.produce("durable", 0, idempotent(id, next, &["v"]))?;
            assert_eq!(offset, i64::from(next));
            next += 1;
        }
        broker = if is_clean {
            broker.stop_and_restart()?
        } else {
            broker.kill_and_restart()?
        };
        client = broker.client()?;
        for sequence in next - 5..next {
            let again = client.produce("durable", 0, idempotent(id, sequence, &["v"]))?;
            assert_eq!(again, i64::from(sequence), "the duplicate was stored again");
        }
        let gap = client.try_produce("durable", 0, idempotent(id, next + 1, &["v"]))?;
        assert_eq!(error(gap.error_code), OUT_OF_ORDER.0);
        let stale = client.try_produce("durable", 0, idempotent((id.0, -1), next, &["v"]))?;
        assert_ne!(error(stale.error_code), None);
    }
    assert_eq!(
        client.list_offset("durable", 0, -1)?.offset,
        i64::from(next)
    );
    Ok(())
}

#[test]
fn producer_ids_are_not_given_out_again_after_a_kill() -> anyhow::Result<()> {
    let mut broker = TestBroker::start_with(BrokerOptions::fast())?;
    let mut ids = Vec::new();
    for _ in 0..3 {
        let mut client = broker.client()?;
        for _ in 0..10 {
            ids.push(client.init_producer_id()?.0);
        }
        broker = broker.kill_and_restart()?;
    }
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count);
    Ok(())
}
