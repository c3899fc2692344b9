//! Transactions from begin to end by either protocol: what consumers see, and every refusal of
//! AddPartitionsToTxn, Produce and EndTxn.

use anyhow::Context;
use ringbrook_protocol::ResponseError;
use ringbrook_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use ringbrook_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use ringbrook_protocol::messages::{
    AddPartitionsToTxnRequest, BrokerId, ListOffsetsRequest, ProducerId,
};
use ringbrook_tests::{
    Client, SharedBroker, batch, by_name, error, produce_request, single_produced, topic_name,
    unique,
};

use crate::transaction::{
    Code, Producer, Protocol, fetched, settled, settled_code, transactional_id, visible,
    visible_at_the_end,
};

const BOTH: [Protocol; 2] = [Protocol::V1, Protocol::V2];
const READ_COMMITTED: i8 = 1;

const FENCED: Code = Some(ResponseError::ProducerFenced);
const INVALID_STATE: Code = Some(ResponseError::InvalidTxnState);
const WRONG_ID: Code = Some(ResponseError::InvalidProducerIdMapping);

fn start(protocol: Protocol, partitions: i32) -> anyhow::Result<(Producer, String)> {
    let broker = SharedBroker::current()?;
    let mut client = broker.client()?;
    let topic = unique("transactions");
    client.create_topic(&topic, partitions, &[])?;
    let producer = Producer::init(client, &unique("producer"), protocol)?.on(&broker);
    Ok((producer, topic))
}

/// ListOffsets of the end with isolation `read_committed`.
fn stable_end(client: &mut Client, topic: &str) -> anyhow::Result<i64> {
    let partition = ListOffsetsPartition::default()
        .with_current_leader_epoch(-1)
        .with_timestamp(-1);
    let topic = ListOffsetsTopic::default()
        .with_name(topic_name(topic))
        .with_partitions(vec![partition]);
    let request = ListOffsetsRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_isolation_level(READ_COMMITTED)
        .with_topics(vec![topic]);
    let response = client.call(&request, 9)?;
    let topic = response.topics.first().context("a topic in the answer")?;
    let partition = topic.partitions.first().context("a partition")?;
    assert_eq!(partition.error_code, 0);
    Ok(partition.offset)
}

#[test]
fn consumers_see_a_transaction_whole_or_not_at_all() -> anyhow::Result<()> {
    for protocol in BOTH {
        let (mut producer, topic) = start(protocol, 2)?;
        let mut reader = SharedBroker::current()?.client()?;
        producer.send(&topic, 0, &["a", "b"])?;
        producer.send(&topic, 1, &["c"])?;
        producer.send(&topic, 0, &["d"])?;
        // Open: the last stable offset holds readers back, also from what others write.
        reader.produce(&topic, 0, batch(&["plain"]))?;
        let open = fetched(&mut reader, &topic, 0)?;
        assert_eq!((open.last_stable_offset, open.high_watermark), (0, 4));
        assert!(open.records.is_empty(), "{open:?}");
        assert_eq!(stable_end(&mut reader, &topic)?, 0);
        producer.end(true)?;
        let seen = visible_at_the_end(&mut reader, &topic, 0)?;
        assert_eq!(seen, ["a", "b", "d", "plain"], "{protocol:?}");
        assert_eq!(visible_at_the_end(&mut reader, &topic, 1)?, ["c"]);

        producer.send(&topic, 0, &["x"])?;
        producer.send(&topic, 1, &["y"])?;
        producer.end(false)?;
        let seen = visible_at_the_end(&mut reader, &topic, 0)?;
        assert_eq!(seen, ["a", "b", "d", "plain"], "{protocol:?}");
        assert_eq!(visible_at_the_end(&mut reader, &topic, 1)?, ["c"]);
        // Four records, a marker, an aborted record and its marker.
        assert_eq!(stable_end(&mut reader, &topic)?, 7);
        // Readers of everything see the aborted record too, and no marker.
        let all = reader.texts(&topic, 0, 0)?;
        assert!(all.contains(&"x".to_owned()), "{all:?}");

        producer.send(&topic, 1, &["z"])?;
        producer.end(true)?;
        assert_eq!(visible_at_the_end(&mut reader, &topic, 1)?, ["c", "z"]);
    }
    Ok(())
}

#[test]
fn transactions_of_several_producers_are_told_apart() -> anyhow::Result<()> {
    for protocol in BOTH {
        let (mut first, topic) = start(protocol, 1)?;
        let broker = SharedBroker::current()?;
        let mut second = Producer::init(broker.client()?, &unique("second"), protocol)?;
        first.send(&topic, 0, &["1a"])?;
        second.send(&topic, 0, &["2a"])?;
        first.send(&topic, 0, &["1b"])?;
        first.end(true)?;
        second.send(&topic, 0, &["2b"])?;
        second.end(false)?;
        assert_eq!(
            visible_at_the_end(&mut first.client, &topic, 0)?,
            ["1a", "1b"]
        );
        second.send(&topic, 0, &["2c"])?;
        first.send(&topic, 0, &["1c"])?;
        second.end(true)?;
        first.end(false)?;
        let seen = visible_at_the_end(&mut first.client, &topic, 0)?;
        assert_eq!(seen, ["1a", "1b", "2c"], "{protocol:?}");
    }
    Ok(())
}

#[test]
fn partitions_are_added_by_their_owner_only() -> anyhow::Result<()> {
    let (mut producer, topic) = start(Protocol::V1, 1)?;
    let (id, epoch) = (producer.id, producer.epoch);
    for (claimed, expected) in [
        ((id + 1, epoch), WRONG_ID),
        ((id, epoch + 1), FENCED),
        ((id, epoch), None),
        ((id, epoch), None),
    ] {
        producer.become_(claimed);
        assert_eq!(
            settled_code(|| producer.try_add(&topic, 0))?,
            expected,
            "{claimed:?}"
        );
        if expected.is_some() {
            let added = settled_code(|| producer.try_add_offsets("group"))?;
            assert_eq!(added, expected, "{claimed:?}");
        }
    }
    let client = SharedBroker::current()?.client()?;
    let mut unknown = Producer::nameless(client, &unique("unknown"), Protocol::V1);
    unknown.become_((id, epoch));
    assert_eq!(settled_code(|| unknown.try_add(&topic, 0))?, WRONG_ID);
    assert_eq!(unknown.settled_end(true)?, WRONG_ID);
    producer.end(false)
}

#[test]
fn unknown_partitions_keep_the_others_from_being_added() -> anyhow::Result<()> {
    let (mut producer, topic) = start(Protocol::V1, 1)?;
    let topics = [(topic.as_str(), vec![0, 7]), ("no-such-topic", vec![0])];
    let topics = topics.map(|(name, partitions)| {
        AddPartitionsToTxnTopic::default()
            .with_name(topic_name(name))
            .with_partitions(partitions)
    });
    let request = AddPartitionsToTxnRequest::default()
        .with_v3_and_below_transactional_id(transactional_id(&producer.transactional_id))
        .with_v3_and_below_producer_id(ProducerId(producer.id))
        .with_v3_and_below_producer_epoch(producer.epoch)
        .with_v3_and_below_topics(topics.to_vec());
    let response = producer.client.call(&request, 3)?;
    let mut codes = Vec::new();
    for result in response.results_by_topic_v3_and_below {
        for partition in result.results_by_partition {
            codes.push((
                result.name.to_string(),
                partition.partition_index,
                error(partition.partition_error_code),
            ));
        }
    }
    codes.sort_by(|one, other| (&one.0, one.1).cmp(&(&other.0, other.1)));
    let expected = [
        (
            "no-such-topic".to_owned(),
            0,
            Some(ResponseError::UnknownTopicOrPartition),
        ),
        (topic.clone(), 0, Some(ResponseError::OperationNotAttempted)),
        (
            topic.clone(),
            7,
            Some(ResponseError::UnknownTopicOrPartition),
        ),
    ];
    assert_eq!(codes, expected);
    assert_eq!(
        producer.settled_end(true)?,
        INVALID_STATE,
        "no transaction has begun"
    );
    Ok(())
}

#[test]
fn records_need_a_transaction_that_knows_their_partition() -> anyhow::Result<()> {
    let (mut producer, topic) = start(Protocol::V1, 2)?;
    // Without a transactional id.
    let records = producer.batch(&topic, 0, &["nameless"]);
    let request = produce_request(by_name(&topic), 0, -1, records);
    let produced = single_produced(producer.client.call(&request, 11)?)?;
    let refused = Some(ResponseError::TransactionalIdAuthorizationFailed);
    assert_eq!(error(produced.error_code), refused);
    // Old producers do not know that they had better abort.
    let refusals = [
        (8, ResponseError::InvalidTxnState),
        (10, ResponseError::InvalidTxnState),
        (11, ResponseError::TransactionAbortable),
    ];
    let refuses = |producer: &mut Producer, partition, why: &str| {
        for (version, expected) in refusals {
            let code = settled(|| producer.try_produce_in(version, &topic, partition, &[why]))?;
            assert_eq!(code, Err(expected), "{why}, version {version}");
        }
        anyhow::Ok(())
    };
    refuses(&mut producer, 0, "no transaction")?;
    producer.send(&topic, 1, &["open"])?;
    refuses(&mut producer, 0, "a transaction of another partition")?;
    producer.end(true)?;
    // Until its marker is written the transaction is open in the partition.
    visible_at_the_end(&mut producer.client, &topic, 1)?;
    refuses(&mut producer, 1, "the transaction has ended")?;
    assert_eq!(
        visible_at_the_end(&mut producer.client, &topic, 0)?,
        [""; 0]
    );
    assert_eq!(
        visible_at_the_end(&mut producer.client, &topic, 1)?,
        ["open"]
    );
    Ok(())
}

#[test]
fn records_of_another_epoch_or_producer_are_refused() -> anyhow::Result<()> {
    for protocol in BOTH {
        let (mut producer, topic) = start(protocol, 1)?;
        producer.send(&topic, 0, &["first"])?;
        producer.end(true)?;
        visible_at_the_end(&mut producer.client, &topic, 0)?;
        let now = (producer.id, producer.epoch);
        if protocol == Protocol::V2 {
            producer.become_((now.0, now.1 - 1));
            let late = settled(|| producer.try_produce(&topic, 0, &["late"]))?;
            assert_eq!(late, Err(ResponseError::InvalidProducerEpoch));
        }
        producer.become_((now.0, now.1 + 1));
        let early = settled(|| producer.try_produce(&topic, 0, &["early"]))?;
        assert_eq!(
            early,
            Err(ResponseError::InvalidProducerEpoch),
            "{protocol:?}"
        );
        producer.become_((now.0 + 1, now.1));
        let other = settled(|| producer.try_produce(&topic, 0, &["other"]))?;
        assert_eq!(
            other,
            Err(ResponseError::InvalidProducerIdMapping),
            "{protocol:?}"
        );
        assert_eq!(
            visible_at_the_end(&mut producer.client, &topic, 0)?,
            ["first"]
        );
    }
    Ok(())
}

#[test]
fn a_producer_without_sequence_breaks_its_own_rules_only() -> anyhow::Result<()> {
    let (mut producer, topic) = start(Protocol::V2, 1)?;
    producer.send(&topic, 0, &["a", "b"])?;
    let mut behind = producer.twin(SharedBroker::current()?.client()?);
    producer.send(&topic, 0, &["c"])?;
    // The same batch again is a duplicate with the same offset.
    assert_eq!(behind.try_produce(&topic, 0, &["c"])?, Ok(2));
    producer.end(true)?;
    assert_eq!(
        visible_at_the_end(&mut producer.client, &topic, 0)?,
        ["a", "b", "c"]
    );
    Ok(())
}

#[test]
fn ends_of_protocol_v1_follow_the_table() -> anyhow::Result<()> {
    let (mut producer, topic) = start(Protocol::V1, 1)?;
    for is_commit in [true, false] {
        assert_eq!(
            producer.settled_end(is_commit)?,
            INVALID_STATE,
            "nothing has begun"
        );
    }
    for is_commit in [true, false] {
        producer.send(&topic, 0, &["value"])?;
        producer.end(is_commit)?;
        assert_eq!(producer.settled_end(is_commit)?, None, "a retry");
        assert_eq!(producer.settled_end(!is_commit)?, INVALID_STATE);
        let (id, epoch) = (producer.id, producer.epoch);
        producer.become_((id, epoch + 1));
        assert_eq!(producer.settled_end(is_commit)?, FENCED);
        producer.become_((id + 1, epoch));
        assert_eq!(producer.settled_end(is_commit)?, WRONG_ID);
        producer.become_((id, epoch));
        // The sequence goes on with the next record, as the epoch has not changed.
        producer.init_again(60_000)?;
    }
    assert_eq!(
        visible_at_the_end(&mut producer.client, &topic, 0)?,
        ["value"]
    );
    Ok(())
}

/// Ends with the given epoch, and goes back to what the producer was when that is refused.
fn end_as(producer: &mut Producer, epoch: i16, is_commit: bool) -> anyhow::Result<Code> {
    let now = (producer.id, producer.epoch);
    producer.become_((now.0, epoch));
    let code = producer.settled_end(is_commit)?;
    if code.is_some() {
        producer.become_(now);
    }
    Ok(code)
}

#[test]
fn ends_of_protocol_v2_follow_the_table() -> anyhow::Result<()> {
    let (mut producer, topic) = start(Protocol::V2, 1)?;
    // Empty.
    producer.init_again(60_000)?;
    let epoch = producer.epoch;
    assert_eq!(end_as(&mut producer, epoch, true)?, INVALID_STATE);
    assert_eq!(end_as(&mut producer, epoch - 1, true)?, FENCED);
    assert_eq!(end_as(&mut producer, epoch - 1, false)?, FENCED);
    assert_eq!(end_as(&mut producer, epoch + 1, true)?, FENCED);
    assert_eq!(end_as(&mut producer, epoch, false)?, None);
    assert_eq!(
        producer.epoch,
        epoch + 1,
        "an abort of nothing bumps the epoch"
    );
    for is_commit in [true, false] {
        // Ongoing.
        producer.send(&topic, 0, &["value"])?;
        let epoch = producer.epoch;
        assert_eq!(end_as(&mut producer, epoch - 1, true)?, FENCED);
        assert_eq!(end_as(&mut producer, epoch - 1, false)?, FENCED);
        assert_eq!(end_as(&mut producer, epoch, is_commit)?, None);
        assert_eq!(producer.epoch, epoch + 1);
        // CompleteCommit, CompleteAbort. A retry is told the epoch to go on with.
        let ended = end_as(&mut producer, epoch, is_commit)?;
        assert_eq!((ended, producer.epoch), (None, epoch + 1), "a retry");
        assert_eq!(end_as(&mut producer, epoch, !is_commit)?, INVALID_STATE);
        assert_eq!(end_as(&mut producer, epoch + 1, true)?, INVALID_STATE);
        assert_eq!(end_as(&mut producer, epoch + 2, true)?, FENCED);
        assert_eq!(end_as(&mut producer, epoch + 1, false)?, None);
        assert_eq!(
            producer.epoch,
            epoch + 2,
            "an abort of nothing bumps the epoch"
        );
        let now = (producer.id, producer.epoch);
        producer.become_((now.0 + 1, now.1));
        assert_eq!(producer.settled_end(is_commit)?, WRONG_ID);
        producer.become_(now);
    }
    assert_eq!(
        visible_at_the_end(&mut producer.client, &topic, 0)?,
        ["value"]
    );
    Ok(())
}

#[test]
fn an_open_transaction_outlives_its_connections() -> anyhow::Result<()> {
    for protocol in BOTH {
        let (mut producer, topic) = start(protocol, 1)?;
        producer.send(&topic, 0, &["before"])?;
        let mut again = producer.twin(SharedBroker::current()?.client()?);
        drop(producer);
        assert_eq!(visible(&mut again.client, &topic, 0)?, [""; 0]);
        again.send(&topic, 0, &["after"])?;
        again.end(true)?;
        assert_eq!(
            visible_at_the_end(&mut again.client, &topic, 0)?,
            ["before", "after"]
        );
    }
    Ok(())
}
