//! DeleteRecords: moves the log start offset, and what it refuses.

use anyhow::Context;
use ringbrook_protocol::ResponseError;
use ringbrook_protocol::messages::DeleteRecordsRequest;
use ringbrook_protocol::messages::delete_records_request::{
    DeleteRecordsPartition, DeleteRecordsTopic,
};
use ringbrook_protocol::messages::delete_records_response::DeleteRecordsPartitionResult;
use ringbrook_tests::{Client, SharedBroker, TestBroker, batch, error, topic_name, unique};

/// Deletes the records of one partition below `offset`.
pub(crate) fn delete_records(
    client: &mut Client,
    topic: &str,
    partition: i32,
    offset: i64,
) -> anyhow::Result<DeleteRecordsPartitionResult> {
    let partition = DeleteRecordsPartition::default()
        .with_partition_index(partition)
        .with_offset(offset);
    let topic = DeleteRecordsTopic::default()
        .with_name(topic_name(topic))
        .with_partitions(vec![partition]);
    let request = DeleteRecordsRequest::default()
        .with_topics(vec![topic])
        .with_timeout_ms(30_000);
    let response = client.call(&request, 2)?;
    let topic = response
        .topics
        .into_iter()
        .next()
        .context("a topic in the answer")?;
    topic
        .partitions
        .into_iter()
        .next()
        .context("a partition in the answer")
}

#[test]
fn delete_records_moves_the_log_start_and_nothing_else() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let mut client = broker.client()?;
    let topic = unique("delete-records");
    client.create_topic(&topic, 1, &[])?;
    client.produce(&topic, 0, batch(&["0", "1", "2"]))?;
    client.produce(&topic, 0, batch(&["3"]))?;
    for (offset, low_watermark) in [(1, 1), (0, 1), (1, 1), (3, 3)] {
        let deleted = delete_records(&mut client, &topic, 0, offset)?;
        assert_eq!(
            (error(deleted.error_code), deleted.low_watermark),
            (None, low_watermark)
        );
        assert_eq!(client.list_offset(&topic, 0, -2)?.offset, low_watermark);
        assert_eq!(client.list_offset(&topic, 0, -1)?.offset, 4);
    }
    assert_eq!(client.texts(&topic, 0, 3)?, ["3"]);
    // -1 means the high watermark.
    let deleted = delete_records(&mut client, &topic, 0, -1)?;
    assert_eq!(
        (error(deleted.error_code), deleted.low_watermark),
        (None, 4)
    );
    assert_eq!(client.produce(&topic, 0, batch(&["4"]))?, 4);
    Ok(())
}

#[test]
fn delete_records_refuses_what_kafka_refuses() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let mut client = broker.client()?;
    let topic = unique("delete-records-refused");
    let compacted = unique("delete-records-compacted");
    client.create_topic(&topic, 1, &[])?;
    client.create_topic(&compacted, 1, &[("cleanup.policy", "compact")])?;
    client.produce(&topic, 0, batch(&["0"]))?;
    let out_of_range = Some(ResponseError::OffsetOutOfRange);
    let cases = [
        (topic.as_str(), 0, 2, out_of_range),
        (&topic, 0, -2, out_of_range),
        (&topic, 1, 0, Some(ResponseError::UnknownTopicOrPartition)),
        (
            "absent-topic",
            0,
            0,
            Some(ResponseError::UnknownTopicOrPartition),
        ),
        (&compacted, 0, 0, Some(ResponseError::PolicyViolation)),
    ];
    for (topic, partition, offset, expected) in cases {
        let deleted = delete_records(&mut client, topic, partition, offset)?;
        assert_eq!(
            error(deleted.error_code),
            expected,
            "{topic}-{partition} to {offset}"
        );
        assert_eq!(deleted.low_watermark, -1);
    }
    assert_eq!(client.texts(&topic, 0, 0)?, ["0"]);
    Ok(())
}

/// After a crash Kafka may forget the last minute of it; a clean stop keeps it.
#[test]
fn deleted_records_stay_deleted_over_a_clean_restart() -> anyhow::Result<()> {
    let broker = TestBroker::start()?;
    let mut client = broker.client()?;
    client.create_topic("deleted", 1, &[])?;
    client.produce("deleted", 0, batch(&["0", "1", "2", "3"]))?;
    delete_records(&mut client, "deleted", 0, 2)?;
    let broker = broker.stop_and_restart()?;
    let mut client = broker.client()?;
    assert_eq!(client.list_offset("deleted", 0, -2)?.offset, 2);
    assert_eq!(client.texts("deleted", 0, 2)?, ["2", "3"]);
    Ok(())
}
