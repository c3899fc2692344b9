//! Produce in transactions, as partitions see it: order, `acks`, what is refused, transactions that
//! hang. What the coordinator decides is tested in `transactions`.

use std::sync::Arc;

use anyhow::Context;
use bytes::Bytes;
use ringbrook_protocol::ResponseError;
use ringbrook_protocol::messages::describe_producers_request::TopicRequest;
use ringbrook_protocol::messages::describe_producers_response::ProducerState;
use ringbrook_protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use ringbrook_protocol::messages::produce_request::PartitionProduceData;
use ringbrook_protocol::messages::write_txn_markers_request::{
    WritableTxnMarker, WritableTxnMarkerTopic,
};
use ringbrook_protocol::messages::{
    DescribeProducersRequest, IncrementalAlterConfigsRequest, ProduceRequest, ProducerId,
    TransactionalId, WriteTxnMarkersRequest,
};
use ringbrook_record::Codec;
use ringbrook_tests::{
    BrokerOptions, Client, SharedBroker, TestBroker, batch, builder, by_name, error,
    produce_request, single_produced, topic_name, unique,
};

use crate::group::text;
use crate::transaction::{Producer, Protocol, visible, visible_at_the_end};

fn producer(broker: &Arc<SharedBroker>, protocol: Protocol) -> anyhow::Result<Producer> {
    let id = unique("transactional");
    Ok(Producer::init(broker.client()?, &id, protocol)?.on(broker))
}

/// A batch of the producer with this sequence number.
fn record(producer: &Producer, sequence: i32, value: &str) -> anyhow::Result<Bytes> {
    let batch = builder(&[value])
        .producer(producer.id, producer.epoch, sequence)
        .transactional();
    Ok(batch.finish(Codec::None, None)?.freeze())
}

fn produce_as(producer: &Producer, topic: &str, acks: i16, records: Bytes) -> ProduceRequest {
    let id = producer.transactional_id.clone();
    produce_request(by_name(topic), 0, acks, records)
        .with_transactional_id(Some(TransactionalId(id.into())))
}

/// The first batch of a transaction waits for the coordinator, and whatever the connection sends
/// behind it waits with it: sequence numbers and offsets are in order.
#[test]
fn requests_behind_the_first_batch_keep_their_order() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let mut client = broker.client()?;
    let topic = unique("transactional");
    client.create_topic(&topic, 1, &[])?;
    for round in 0..5 {
        let mut producer = producer(&broker, Protocol::V2)?;
        // The coordinator is found and ready.
        producer.send(&topic, 0, &["first"])?;
        producer.end(true)?;
        let requests = [
            produce_as(&producer, &topic, -1, record(&producer, 0, "a")?),
            produce_as(&producer, &topic, -1, record(&producer, 1, "b")?),
            produce_request(by_name(&topic), 0, -1, batch(&["plain"])),
            produce_as(&producer, &topic, -1, record(&producer, 2, "c")?),
        ];
        let wire = producer.client.wire();
        let mut ids = Vec::new();
        for request in &requests {
            ids.push(wire.send(request, 12)?);
        }
        let mut offsets = Vec::new();
        let mut codes = Vec::new();
        for id in ids {
            let produced = single_produced(wire.receive::<ProduceRequest>(id, 12)?)?;
            codes.push(error(produced.error_code));
            offsets.push(produced.base_offset);
        }
        // The transaction before may still be in the way of this one, for all of it or nothing.
        let is_busy = codes[0] == Some(ResponseError::ConcurrentTransactions);
        if is_busy {
            assert_eq!(codes[2], None, "a plain batch is in nobody's way");
            continue;
        }
        assert_eq!(codes, [None; 4], "round {round}");
        assert!(offsets.is_sorted(), "{offsets:?}");
        producer.end(true)?;
    }
    Ok(())
}

/// Kafka asks for no particular `acks` of transactions.
#[test]
fn transactions_may_use_any_acks() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let mut client = broker.client()?;
    let topic = unique("transactional");
    client.create_topic(&topic, 1, &[])?;
    let mut producer = producer(&broker, Protocol::V2)?;
    let leader = produce_as(&producer, &topic, 1, record(&producer, 0, "one")?);
    let produced = single_produced(producer.client.call(&leader, 12)?)?;
    assert_eq!(produced.error_code, 0);
    let silent = produce_as(&producer, &topic, 0, record(&producer, 1, "none")?);
    producer.client.wire().send(&silent, 12)?;
    let all = produce_as(&producer, &topic, -1, record(&producer, 2, "all")?);
    let produced = single_produced(producer.client.call(&all, 12)?)?;
    assert_eq!((produced.error_code, produced.base_offset), (0, 2));
    producer.end(true)?;
    assert_eq!(
        visible_at_the_end(&mut client, &topic, 0)?,
        ["one", "none", "all"]
    );

    // Without an answer, an error can only be told by hanging up.
    let fenced = record(&producer, 0, "old epoch")?;
    producer.init_again(60_000)?;
    let silent = produce_as(&producer, &topic, 0, fenced);
    let mut other = broker.client()?;
    other.wire().send(&silent, 12)?;
    assert!(other.wire().is_closed_by_broker());
    Ok(())
}

#[test]
fn one_request_has_one_producer() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let mut client = broker.client()?;
    let topic = unique("transactional");
    client.create_topic(&topic, 2, &[])?;
    let (one, other) = (
        producer(&broker, Protocol::V2)?,
        producer(&broker, Protocol::V2)?,
    );
    let mut request = produce_as(&one, &topic, -1, record(&one, 0, "one")?);
    let foreign = record(&other, 0, "other")?;
    let partition = PartitionProduceData::default()
        .with_index(1)
        .with_records(Some(foreign));
    request.topic_data[0].partition_data.push(partition);
    let response = client.call(&request, 12)?;
    let codes: Vec<_> = response.responses[0]
        .partition_responses
        .iter()
        .map(|partition| error(partition.error_code))
        .collect();
    assert_eq!(codes, [Some(ResponseError::InvalidProducerIdMapping); 2]);
    assert!(client.texts(&topic, 0, 0)?.is_empty());
    Ok(())
}

#[test]
fn topics_of_the_broker_take_no_transactions() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let mut producer = producer(&broker, Protocol::V2)?;
    // Finding the coordinator has created it.
    let records = record(&producer, 0, "intruder")?;
    let request = produce_as(&producer, "__transaction_state", -1, records);
    let produced = single_produced(producer.client.call(&request, 12)?)?;
    let found = error(produced.error_code);
    assert_eq!(found, Some(ResponseError::InvalidTopicException));
    Ok(())
}

/// What partition 0 says of its producers.
fn described(client: &mut Client, topic: &str) -> anyhow::Result<Vec<ProducerState>> {
    let topic = TopicRequest::default()
        .with_name(topic_name(topic))
        .with_partition_indexes(vec![0, 7]);
    let request = DescribeProducersRequest::default().with_topics(vec![topic]);
    let mut response = client.call(&request, 0)?;
    let partitions = &mut response.topics[0].partitions;
    assert_eq!(partitions[0].error_code, 0);
    assert_eq!(
        error(partitions[1].error_code),
        Some(ResponseError::UnknownTopicOrPartition)
    );
    Ok(std::mem::take(&mut partitions[0].active_producers))
}

/// Sends a marker for partition 0 and one that does not exist; returns the error of the first.
fn mark(
    client: &mut Client,
    topic: &str,
    (producer_id, epoch): (i64, i16),
    coordinator_epoch: i32,
    is_commit: bool,
) -> anyhow::Result<Option<ResponseError>> {
    let topic = WritableTxnMarkerTopic::default()
        .with_name(topic_name(topic))
        .with_partition_indexes(vec![0, 7]);
    let marker = WritableTxnMarker::default()
        .with_producer_id(ProducerId(producer_id))
        .with_producer_epoch(epoch)
        .with_transaction_result(is_commit)
        .with_coordinator_epoch(coordinator_epoch)
        .with_topics(vec![topic]);
    let request = WriteTxnMarkersRequest::default().with_markers(vec![marker]);
    let response = client.call(&request, 1)?;
    let topics = &response.markers[0].topics;
    let code = |index: i32| {
        let mut partitions = topics.iter().flat_map(|topic| &topic.partitions);
        let found = partitions.find(|partition| partition.partition_index == index);
        found.map(|partition| error(partition.error_code))
    };
    assert_eq!(code(7), Some(Some(ResponseError::UnknownTopicOrPartition)));
    code(0).context("partition 0 in the answer")
}

/// A transaction that hangs: nobody verified it and its coordinator knows nothing of it. It is
/// found by DescribeProducers and ended by a marker of the administrator's (KIP-664).
#[test]
fn a_hanging_transaction_is_found_and_ended() -> anyhow::Result<()> {
    let options = BrokerOptions::fast().set("transaction.partition.verification.enable", "false");
    let broker = TestBroker::start_with(options)?;
    let mut client = broker.client()?;
    client.create_topic("t", 1, &[])?;
    let mut hanging = Producer::init(broker.client()?, "hanging", Protocol::V1)?;
    let offset = hanging.try_produce("t", 0, &["hangs"])?;
    assert_eq!(
        offset,
        Ok(0),
        "nobody asked whether the partition was added"
    );
    client.produce("t", 0, batch(&["behind"]))?;

    let producers = described(&mut client, "t")?;
    let found: Vec<_> = producers
        .iter()
        .map(|it| {
            (
                it.producer_id.0,
                it.producer_epoch,
                it.last_sequence,
                it.current_txn_start_offset,
            )
        })
        .collect();
    assert_eq!(found, [(hanging.id, i32::from(hanging.epoch), 0, 0)]);
    assert_eq!(visible(&mut client, "t", 0)?, Vec::<String>::new());

    let known = (hanging.id, hanging.epoch);
    assert_eq!(mark(&mut client, "t", known, 5, false)?, None);
    assert_eq!(visible(&mut client, "t", 0)?, ["behind"]);
    let producers = described(&mut client, "t")?;
    assert_eq!(producers[0].coordinator_epoch, 5);
    assert_eq!(producers[0].current_txn_start_offset, -1);

    let older = mark(&mut client, "t", known, 4, false)?;
    assert_eq!(older, Some(ResponseError::TransactionCoordinatorFenced));
    assert_eq!(
        mark(&mut client, "t", (hanging.id, hanging.epoch + 1), 5, true)?,
        None
    );
    let fenced = mark(&mut client, "t", known, 5, true)?;
    assert_eq!(fenced, Some(ResponseError::InvalidProducerEpoch));
    broker.stop()
}

/// Sets a configuration of all brokers.
fn set_for_all(client: &mut Client, name: &str, value: &str) -> anyhow::Result<()> {
    const BROKER: i8 = 4;
    const SET: i8 = 0;
    let config = AlterableConfig::default()
        .with_name(text(name))
        .with_config_operation(SET)
        .with_value(Some(text(value)));
    let resource = AlterConfigsResource::default()
        .with_resource_type(BROKER)
        .with_configs(vec![config]);
    let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
    assert_eq!(client.call(&request, 1)?.responses[0].error_code, 0);
    Ok(())
}

#[test]
fn verification_is_switched_at_run_time() -> anyhow::Result<()> {
    let broker = TestBroker::start_with(BrokerOptions::fast())?;
    let mut client = broker.client()?;
    client.create_topic("t", 1, &[])?;
    for (index, value) in ["true", "false", "true"].into_iter().enumerate() {
        set_for_all(
            &mut client,
            "transaction.partition.verification.enable",
            value,
        )?;
        let id = format!("switched-{index}");
        let mut producer = Producer::init(broker.client()?, &id, Protocol::V1)?;
        let produced = producer.try_produce("t", 0, &["not added"])?;
        assert_eq!(
            produced.is_ok(),
            value == "false",
            "{produced:?} with {value}"
        );
        if let Err(error) = produced {
            assert_eq!(error, ResponseError::TransactionAbortable);
        }
    }
    broker.stop()
}
