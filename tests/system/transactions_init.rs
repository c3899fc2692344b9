//! InitProducerId with transactional ids: who gets which epoch, who is fenced, what timeouts do.

use ringbrook_protocol::ResponseError;
use ringbrook_tests::{SharedBroker, unique};

use crate::transaction::{
    Producer, Protocol, TIMEOUT_MS, init_request, settled, settled_code, try_init, visible,
    visible_at_the_end,
};

const BOTH: [Protocol; 2] = [Protocol::V1, Protocol::V2];

/// A producer whose first transaction has been committed.
fn used(
    broker: &SharedBroker,
    protocol: Protocol,
    partitions: i32,
) -> anyhow::Result<(Producer, String)> {
    let mut client = broker.client()?;
    let topic = unique("transactions");
    client.create_topic(&topic, partitions, &[])?;
    let mut producer = Producer::init(client, &unique("init"), protocol)?;
    producer.send(&topic, 0, &["first"])?;
    producer.end(true)?;
    Ok((producer, topic))
}

#[test]
fn nonsense_is_refused() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let id = unique("nonsense");
    // Waits for the coordinator.
    let mut producer = Producer::init(broker.client()?, &id, Protocol::V2)?;
    let client = &mut producer.client;
    let empty = try_init(client, &init_request("", TIMEOUT_MS, None), 5)?;
    assert_eq!(empty, Err(ResponseError::InvalidRequest));
    for timeout_ms in [0, -1, 900_001] {
        let answer = try_init(client, &init_request(&id, timeout_ms, None), 5)?;
        assert_eq!(
            answer,
            Err(ResponseError::InvalidTransactionTimeout),
            "{timeout_ms}"
        );
    }
    // An id without an epoch and the other way round.
    for expected in [(producer.id, -1), (-1, 3)] {
        let request = init_request(&id, TIMEOUT_MS, Some(expected));
        let answer = try_init(&mut producer.client, &request, 5)?;
        assert_eq!(answer, Err(ResponseError::InvalidRequest), "{expected:?}");
    }
    Ok(())
}

#[test]
fn every_new_instance_gets_the_next_epoch_of_the_same_producer_id() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let id = unique("epochs");
    let mut producer = Producer::init(broker.client()?, &id, Protocol::V1)?;
    let producer_id = producer.id;
    assert_eq!(producer.epoch, 0);
    for epoch in 1..5 {
        producer.init_again(TIMEOUT_MS)?;
        assert_eq!((producer.id, producer.epoch), (producer_id, epoch));
    }
    let other = Producer::init(broker.client()?, &unique("epochs"), Protocol::V1)?;
    assert_ne!(other.id, producer_id);
    assert_eq!(other.epoch, 0);
    Ok(())
}

#[test]
fn a_producer_that_names_its_epoch_gets_the_next_one_and_a_retry_the_same() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let id = unique("bumps");
    let mut producer = Producer::init(broker.client()?, &id, Protocol::V1)?;
    let (producer_id, epoch) = (producer.id, producer.epoch);
    let mut init = |expected, version| {
        let request = init_request(&id, TIMEOUT_MS, Some(expected));
        settled(|| try_init(&mut producer.client, &request, version))
    };
    let next = (producer_id, epoch + 1);
    assert_eq!(init((producer_id, epoch), 5)?, Ok(next));
    assert_eq!(init((producer_id, epoch), 5)?, Ok(next), "a retry");
    assert_eq!(
        init((producer_id, epoch), 3)?,
        Ok(next),
        "a retry of an old client"
    );
    let after = (producer_id, epoch + 2);
    assert_eq!(init(next, 4)?, Ok(after));
    // Only the last epoch is a retry.
    assert_eq!(
        init((producer_id, epoch), 4)?,
        Err(ResponseError::ProducerFenced)
    );
    assert_eq!(
        init((producer_id, epoch), 3)?,
        Err(ResponseError::InvalidProducerEpoch)
    );
    assert_eq!(
        init((producer_id, epoch + 9), 5)?,
        Err(ResponseError::ProducerFenced)
    );
    assert_eq!(
        init((producer_id + 1, epoch), 5)?,
        Err(ResponseError::ProducerFenced)
    );
    assert_eq!(init(after, 5)?, Ok((producer_id, epoch + 3)));
    Ok(())
}

#[test]
fn a_new_instance_aborts_the_transaction_of_the_old_one_and_fences_it() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    for protocol in BOTH {
        let (mut old, topic) = used(&broker, protocol, 2)?;
        old.send(&topic, 1, &["lost"])?;
        let mut new = Producer::nameless(broker.client()?, &old.transactional_id, protocol);
        new.init_again(TIMEOUT_MS)?;
        assert_eq!(new.id, old.id);
        assert!(old.epoch < new.epoch, "{} {}", old.epoch, new.epoch);

        let ended = old.settled_end(true)?;
        assert_eq!(ended, Some(ResponseError::ProducerFenced), "{protocol:?}");
        let added = settled_code(|| old.try_add(&topic, 0))?;
        assert_eq!(added, Some(ResponseError::ProducerFenced), "{protocol:?}");
        for partition in [0, 1] {
            let sent = settled(|| old.try_produce(&topic, partition, &["late"]))?;
            let fenced = Err(ResponseError::InvalidProducerEpoch);
            assert_eq!(sent, fenced, "{protocol:?} {partition}");
        }
        assert_eq!(visible_at_the_end(&mut new.client, &topic, 1)?, [""; 0]);
        new.send(&topic, 1, &["kept"])?;
        new.end(true)?;
        assert_eq!(visible_at_the_end(&mut new.client, &topic, 1)?, ["kept"]);
        assert_eq!(visible(&mut new.client, &topic, 0)?, ["first"]);
    }
    Ok(())
}

#[test]
fn transactions_past_their_timeout_are_aborted() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    for protocol in BOTH {
        let (mut producer, topic) = used(&broker, protocol, 1)?;
        producer.init_again(1000)?;
        producer.send(&topic, 0, &["too slow"])?;
        let seen = visible_at_the_end(&mut producer.client, &topic, 0)?;
        assert_eq!(seen, ["first"], "{protocol:?}");
        let ended = producer.settled_end(true)?;
        // The abort has bumped the epoch, which looks to v2 as if this were a retry.
        let expected = match protocol {
            Protocol::V1 => ResponseError::ProducerFenced,
            Protocol::V2 => ResponseError::InvalidTxnState,
        };
        assert_eq!(ended, Some(expected), "{protocol:?}");
        producer.init_again(TIMEOUT_MS)?;
        producer.send(&topic, 0, &["in time"])?;
        producer.end(true)?;
        let seen = visible_at_the_end(&mut producer.client, &topic, 0)?;
        assert_eq!(seen, ["first", "in time"], "{protocol:?}");
    }
    Ok(())
}
