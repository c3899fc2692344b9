//! The native admin client's calls about offsets and about deleting records.

use std::collections::BTreeMap;
use std::time::Duration;

use ringbrook_client::TopicPartition;
use ringbrook_client::admin::{
    ListOffsetsOptions, ListOffsetsResultInfo, OffsetSpec, RecordsToDelete,
};
use ringbrook_protocol::ResponseError;
use ringbrook_tests::{batch, unique};

use crate::client_admin::{Ground, codes};
use crate::transaction::{Producer, Protocol};

async fn offset(
    ground: &Ground,
    of: &TopicPartition,
    spec: OffsetSpec,
    is_read_committed: bool,
) -> anyhow::Result<ListOffsetsResultInfo> {
    let wanted = BTreeMap::from([(of.clone(), spec)]);
    let options = ListOffsetsOptions { is_read_committed };
    let listed = ground.admin.list_offsets(&wanted, options).await;
    Ok(listed.only(of)?)
}

#[tokio::test]
async fn client_admin_lists_offsets_of_every_kind() -> anyhow::Result<()> {
    let ground = Ground::new()?;
    let topic = ground.topic("admin-offsets", 2).await?;
    let mut client = ground.broker.client()?;
    client.produce(&topic, 0, batch(&["a", "b", "c"]))?;
    let full = TopicPartition::new(topic.as_str(), 0);
    let empty = TopicPartition::new(topic.as_str(), 1);
    let latest = offset(&ground, &full, OffsetSpec::Latest, false).await?;
    assert_eq!((latest.offset, latest.timestamp), (3, -1));
    assert_eq!(latest.leader_epoch, Some(0));
    let newest = offset(&ground, &full, OffsetSpec::MaxTimestamp, false).await?;
    let records = client.read_all(&topic, 0, 0)?;
    let newest_at = records.iter().map(|record| record.timestamp).max();
    assert_eq!(Some(newest.timestamp), newest_at);
    let by_time = OffsetSpec::Timestamp(newest.timestamp);
    assert_eq!(offset(&ground, &full, by_time, false).await?, newest);
    let later = OffsetSpec::Timestamp(newest.timestamp + 1);
    for (it, spec, expected) in [
        (&full, OffsetSpec::Earliest, 0),
        (&full, OffsetSpec::EarliestLocal, 0),
        (&full, OffsetSpec::LatestTiered, -1),
        (&full, later, -1),
        (&empty, OffsetSpec::Latest, 0),
        (&empty, OffsetSpec::Earliest, 0),
        (&empty, OffsetSpec::MaxTimestamp, -1),
    ] {
        let found = offset(&ground, it, spec, false).await?;
        assert_eq!(found.offset, expected, "{spec:?} of {it}");
    }
    Ok(())
}

#[tokio::test]
async fn client_admin_lists_offsets_up_to_the_first_open_transaction() -> anyhow::Result<()> {
    let ground = Ground::new()?;
    let topic = ground.topic("admin-offsets", 1).await?;
    let mut client = ground.broker.client()?;
    client.produce(&topic, 0, batch(&["plain"]))?;
    let id = unique("admin-txn");
    let mut producer = Producer::init(client, &id, Protocol::V2)?.on(&ground.broker);
    producer.send(&topic, 0, &["open"])?;
    let partition = TopicPartition::new(topic.as_str(), 0);
    let latest = async |is_read_committed| {
        offset(&ground, &partition, OffsetSpec::Latest, is_read_committed).await
    };
    assert_eq!(latest(false).await?.offset, 2);
    assert_eq!(latest(true).await?.offset, 1);
    producer.end(true)?;
    while latest(true).await?.offset < 3 {
        tokio::task::yield_now().await;
    }
    Ok(())
}

#[tokio::test]
async fn client_admin_deletes_records_or_says_why_not() -> anyhow::Result<()> {
    let ground = Ground::new()?;
    let topic = ground.topic("admin-delete", 3).await?;
    let mut client = ground.broker.client()?;
    let partitions: Vec<_> = (0..3)
        .map(|index| TopicPartition::new(topic.as_str(), index))
        .collect();
    for index in 0..3 {
        client.produce(&topic, index, batch(&["a", "b", "c"]))?;
    }
    let wanted = BTreeMap::from([
        (partitions[0].clone(), RecordsToDelete::BeforeOffset(2)),
        (partitions[1].clone(), RecordsToDelete::All),
        (partitions[2].clone(), RecordsToDelete::BeforeOffset(99)),
    ]);
    let deleted = ground.admin.delete_records(&wanted).await;
    let out_of_range = Some(ResponseError::OffsetOutOfRange);
    let codes_expected = [None, None, out_of_range];
    let expected = partitions.iter().cloned().zip(codes_expected).collect();
    assert_eq!(codes(&deleted), expected);
    for (index, low_watermark) in [(0, 2), (1, 3)] {
        let partition = &partitions[index];
        let said = deleted[partition].as_ref().unwrap().low_watermark;
        assert_eq!(said, low_watermark);
        let earliest = offset(&ground, partition, OffsetSpec::Earliest, false).await?;
        assert_eq!(earliest.offset, low_watermark);
    }
    Ok(())
}

#[tokio::test]
async fn client_admin_waits_for_partitions_that_are_not_there_yet() -> anyhow::Result<()> {
    let ground = Ground::new()?;
    let topic = ground.topic("admin-offsets", 1).await?;
    let here = TopicPartition::new(topic.as_str(), 0);
    let beyond = TopicPartition::new(topic.as_str(), 1);
    let missing = TopicPartition::new(unique("admin-missing"), 0);
    let specs = [&here, &beyond, &missing].map(|it| (it.clone(), OffsetSpec::Latest));
    let admin = ground.admin.with_timeout(Duration::from_secs(2));
    let listed = admin
        .list_offsets(&BTreeMap::from(specs), ListOffsetsOptions::default())
        .await;
    let unknown = Some(ResponseError::UnknownTopicOrPartition);
    let expected = BTreeMap::from([(here, None), (beyond.clone(), unknown), (missing, unknown)]);
    assert_eq!(codes(&listed), expected);
    let error = listed[&beyond].as_ref().unwrap_err().to_string();
    assert!(error.starts_with("listing offsets took longer"), "{error}");
    Ok(())
}
