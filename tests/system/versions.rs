//! Every version of every API that is advertised is answered with a body of that version.

use std::collections::BTreeMap;

use ringbrook_protocol::messages::{
    AddOffsetsToTxnRequest, AddPartitionsToTxnRequest, AlterConfigsRequest,
    AlterReplicaLogDirsRequest, ApiVersionsRequest, ConsumerGroupDescribeRequest,
    ConsumerGroupHeartbeatRequest, CreatePartitionsRequest, CreateTopicsRequest,
    DeleteGroupsRequest, DeleteRecordsRequest, DeleteTopicsRequest, DescribeClusterRequest,
    DescribeConfigsRequest, DescribeGroupsRequest, DescribeLogDirsRequest,
    DescribeProducersRequest, DescribeTopicPartitionsRequest, DescribeTransactionsRequest,
    EndTxnRequest, FetchRequest, FindCoordinatorRequest, HeartbeatRequest,
    IncrementalAlterConfigsRequest, InitProducerIdRequest, JoinGroupRequest, LeaveGroupRequest,
    ListConfigResourcesRequest, ListGroupsRequest, ListOffsetsRequest, ListTransactionsRequest,
    MetadataRequest, OffsetCommitRequest, OffsetDeleteRequest, OffsetFetchRequest,
    OffsetForLeaderEpochRequest, ProduceRequest, SyncGroupRequest, TxnOffsetCommitRequest,
    UpdateFeaturesRequest, WriteTxnMarkersRequest,
};
use ringbrook_protocol::{API_VERSIONS, ApiVersionRange, Request};
use ringbrook_tests::{Client, SharedBroker};

use crate::group::{find_coordinator, text};

/// Sends `request` in every served version; each answer must decode to its last byte. Returns how
/// many versions those are.
fn every_version<R: Request>(client: &mut Client, request: &R) -> anyhow::Result<(i16, usize)> {
    let served = API_VERSIONS.iter().find(|range| range.key as i16 == R::KEY);
    let served = served.ok_or_else(|| anyhow::anyhow!("API {} is not served", R::KEY))?;
    for version in served.min..=served.max {
        let answer = client.call(request, version);
        answer.map_err(|error| anyhow::anyhow!("{} version {version}: {error}", served.name))?;
    }
    Ok((R::KEY, usize::try_from(served.max - served.min)? + 1))
}

/// How many versions of each API are served.
fn versions_served() -> BTreeMap<i16, usize> {
    let count = |range: &ApiVersionRange| {
        let versions = usize::from((range.max - range.min).unsigned_abs()) + 1;
        (range.key as i16, versions)
    };
    API_VERSIONS.iter().map(count).collect()
}

#[test]
fn every_advertised_version_is_answered_in_that_version() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let mut client = broker.client()?;
    let client = &mut client;
    find_coordinator(client, "")?;
    // What is sent is mostly empty, so mostly refused; what counts is the form of the answer. Kafka
    // closes the connection of a Fetch without a session's epoch and of acks=0 gets no answer.
    let answered = [
        every_version(client, &ProduceRequest::default().with_acks(1))?,
        every_version(client, &FetchRequest::default().with_session_epoch(-1))?,
        every_version(client, &ListOffsetsRequest::default())?,
        every_version(
            client,
            &MetadataRequest::default().with_topics(Some(Vec::new())),
        )?,
        every_version(client, &OffsetCommitRequest::default())?,
        every_version(client, &OffsetFetchRequest::default())?,
        every_version(client, &FindCoordinatorRequest::default())?,
        every_version(client, &JoinGroupRequest::default())?,
        every_version(client, &HeartbeatRequest::default())?,
        every_version(client, &LeaveGroupRequest::default())?,
        every_version(client, &SyncGroupRequest::default())?,
        every_version(client, &DescribeGroupsRequest::default())?,
        every_version(client, &ListGroupsRequest::default())?,
        every_version(
            client,
            &ApiVersionsRequest::default()
                .with_client_software_name(text("test"))
                .with_client_software_version(text("1.0")),
        )?,
        every_version(client, &CreateTopicsRequest::default())?,
        every_version(client, &DeleteTopicsRequest::default())?,
        every_version(client, &DeleteRecordsRequest::default())?,
        every_version(
            client,
            &InitProducerIdRequest::default().with_transactional_id(None),
        )?,
        every_version(client, &OffsetForLeaderEpochRequest::default())?,
        every_version(client, &DescribeConfigsRequest::default())?,
        every_version(client, &AlterConfigsRequest::default())?,
        every_version(client, &AlterReplicaLogDirsRequest::default())?,
        every_version(client, &DescribeLogDirsRequest::default())?,
        every_version(client, &CreatePartitionsRequest::default())?,
        every_version(client, &DeleteGroupsRequest::default())?,
        every_version(client, &IncrementalAlterConfigsRequest::default())?,
        every_version(client, &OffsetDeleteRequest::default())?,
        every_version(client, &UpdateFeaturesRequest::default())?,
        every_version(client, &AddPartitionsToTxnRequest::default())?,
        every_version(client, &AddOffsetsToTxnRequest::default())?,
        every_version(client, &EndTxnRequest::default())?,
        every_version(client, &TxnOffsetCommitRequest::default())?,
        every_version(client, &WriteTxnMarkersRequest::default())?,
        every_version(client, &DescribeTransactionsRequest::default())?,
        every_version(client, &ListTransactionsRequest::default())?,
        every_version(client, &DescribeProducersRequest::default())?,
        every_version(
            client,
            &DescribeClusterRequest::default().with_endpoint_type(1),
        )?,
        every_version(client, &DescribeTopicPartitionsRequest::default())?,
        every_version(client, &ConsumerGroupHeartbeatRequest::default())?,
        every_version(client, &ConsumerGroupDescribeRequest::default())?,
        every_version(client, &ListConfigResourcesRequest::default())?,
    ];
    let answered: BTreeMap<_, _> = answered.into_iter().collect();
    assert_eq!(answered, versions_served(), "an API is not tried here");
    Ok(())
}

#[test]
fn what_is_advertised_is_what_is_served() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let mut client = broker.client()?;
    let request = ApiVersionsRequest::default()
        .with_client_software_name(text("test"))
        .with_client_software_version(text("1.0"));
    for version in 0..=4 {
        let response = client.call(&request, version)?;
        let advertised: BTreeMap<_, _> = response
            .api_keys
            .iter()
            .map(|range| (range.api_key, (range.min_version, range.max_version)))
            .collect();
        for range in API_VERSIONS {
            let (min, max) = advertised[&(range.key as i16)];
            assert_eq!(min, range.advertised_min(), "{}", range.name);
            // Apache Kafka serves versions that cannot be expressed here.
            assert!(range.max <= max, "{}", range.name);
            assert!(
                broker.process().is_none() || range.max == max,
                "{}",
                range.name
            );
        }
        let is_ours = broker.process().is_some();
        assert!(
            !is_ours || advertised.len() == API_VERSIONS.len(),
            "{advertised:?}"
        );
    }
    // No name of the software: Kafka refuses such a request from version 3 on.
    let nameless = client.call(&ApiVersionsRequest::default(), 3)?;
    assert_eq!(nameless.error_code, 42);
    Ok(())
}
