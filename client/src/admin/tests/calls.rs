//! Every error, call by call. What is retried is what Kafka's `KafkaAdminClient` (4.x) retries.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use ringbrook_protocol::messages::{
    AddRaftVoterRequest, AddRaftVoterResponse, AlterClientQuotasRequest, AlterClientQuotasResponse,
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse,
    AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse, CreateAclsRequest,
    CreateAclsResponse, CreateDelegationTokenRequest, CreateDelegationTokenResponse,
    DeleteAclsRequest, DeleteAclsResponse, DescribeAclsRequest, DescribeAclsResponse,
    DescribeClientQuotasRequest, DescribeClientQuotasResponse, DescribeClusterRequest,
    DescribeClusterResponse, DescribeDelegationTokenRequest, DescribeDelegationTokenResponse,
    DescribeQuorumRequest, DescribeQuorumResponse, DescribeUserScramCredentialsRequest,
    DescribeUserScramCredentialsResponse, ElectLeadersRequest, ElectLeadersResponse,
    ExpireDelegationTokenRequest, ExpireDelegationTokenResponse, ListPartitionReassignmentsRequest,
    ListPartitionReassignmentsResponse, RemoveRaftVoterRequest, RemoveRaftVoterResponse,
    RenewDelegationTokenRequest, RenewDelegationTokenResponse, UnregisterBrokerRequest,
    UnregisterBrokerResponse, alter_client_quotas_response,
    alter_partition_reassignments_response as reassignments_response,
    alter_user_scram_credentials_response as scram_response, create_acls_response,
    delete_acls_response, describe_quorum_response, elect_leaders_response,
};
use ringbrook_protocol::{ResponseError, StrBytes};
use uuid::Uuid;

use super::{check, never, of_controller};
use crate::TopicPartition;
use crate::admin::{
    AccessControlEntry, AclBinding, AclBindingFilter, AclOperation, Admin, ClientQuotaEntity,
    ClientQuotaFilter, ClientQuotaOps, CreateDelegationTokenOptions, ElectionType, ResourcePattern,
    ScramMechanism, UserScramCredentialAlteration,
};
use crate::error::is_retriable;

fn acl() -> AclBinding {
    let entry = AccessControlEntry::allow("User:a", AclOperation::Alter);
    AclBinding::new(ResourcePattern::cluster(), entry)
}

#[tokio::test(start_paused = true)]
async fn acls_are_never_tried_again() {
    let filter = AclBindingFilter::default();
    check::<DescribeAclsRequest, _>(
        never,
        |_, code| DescribeAclsResponse::default().with_error_code(code),
        async |admin| admin.describe_acls(&filter).await,
    )
    .await;
    check::<CreateAclsRequest, _>(
        never,
        |_, code| {
            let result = create_acls_response::AclCreationResult::default();
            CreateAclsResponse::default().with_results(vec![result.with_error_code(code)])
        },
        async |admin| admin.create_acls([acl()]).await.only(&acl()),
    )
    .await;
    check::<DeleteAclsRequest, _>(
        never,
        |_, code| {
            let result = delete_acls_response::DeleteAclsFilterResult::default();
            DeleteAclsResponse::default().with_filter_results(vec![result.with_error_code(code)])
        },
        async |admin| admin.delete_acls([filter.clone()]).await.only(&filter),
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn quotas_are_tried_again_at_another_controller() {
    check::<DescribeClientQuotasRequest, _>(
        never,
        |_, code| DescribeClientQuotasResponse::default().with_error_code(code),
        async |admin| {
            let filter = ClientQuotaFilter::default();
            admin.describe_client_quotas(&filter).await
        },
    )
    .await;
    let entity = ClientQuotaEntity::new(ClientQuotaEntity::USER, Some("a"));
    let changes = BTreeMap::from([(entity.clone(), ClientQuotaOps::new())]);
    check::<AlterClientQuotasRequest, _>(
        of_controller,
        |_, code| {
            let entity = alter_client_quotas_response::EntityData::default()
                .with_entity_type(StrBytes::from_static_str("user"))
                .with_entity_name(Some(StrBytes::from_static_str("a")));
            let entry = alter_client_quotas_response::EntryData::default()
                .with_entity(vec![entity])
                .with_error_code(code);
            AlterClientQuotasResponse::default().with_entries(vec![entry])
        },
        async |admin| {
            let altered = admin.alter_client_quotas(&changes, false).await;
            altered.only(&entity)
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn credentials_are_tried_again_at_another_controller() {
    check::<DescribeUserScramCredentialsRequest, _>(
        never,
        |_, code| DescribeUserScramCredentialsResponse::default().with_error_code(code),
        async |admin| admin.describe_user_scram_credentials(&[]).await,
    )
    .await;
    let user = "a".to_owned();
    let removal = UserScramCredentialAlteration::Deletion(ScramMechanism::Sha256);
    let changes = BTreeMap::from([(user.clone(), vec![removal])]);
    check::<AlterUserScramCredentialsRequest, _>(
        of_controller,
        |_, code| {
            let result = scram_response::AlterUserScramCredentialsResult::default()
                .with_user(StrBytes::from_static_str("a"))
                .with_error_code(code);
            AlterUserScramCredentialsResponse::default().with_results(vec![result])
        },
        async |admin| {
            let altered = admin.alter_user_scram_credentials(&changes).await;
            altered.only(&user)
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_quorum_is_asked_again_after_all_that_is_retriable() {
    check::<DescribeQuorumRequest, _>(
        is_retriable,
        |_, code| {
            let partition = describe_quorum_response::PartitionData::default();
            let topic = describe_quorum_response::TopicData::default()
                .with_partitions(vec![partition.with_error_code(code)]);
            DescribeQuorumResponse::default().with_topics(vec![topic])
        },
        async |admin| admin.describe_metadata_quorum().await,
    )
    .await;
    check::<AddRaftVoterRequest, _>(
        never,
        |_, code| AddRaftVoterResponse::default().with_error_code(code),
        async |admin| admin.add_raft_voter(3, Uuid::nil(), &[], None).await,
    )
    .await;
    check::<RemoveRaftVoterRequest, _>(
        never,
        |_, code| RemoveRaftVoterResponse::default().with_error_code(code),
        async |admin| admin.remove_raft_voter(3, Uuid::nil(), None).await,
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn brokers_are_described_and_unregistered() {
    check::<DescribeClusterRequest, _>(
        is_retriable,
        |_, code| DescribeClusterResponse::default().with_error_code(code),
        async |admin| admin.describe_cluster().await,
    )
    .await;
    check::<UnregisterBrokerRequest, _>(
        |error| error == ResponseError::RequestTimedOut,
        |_, code| UnregisterBrokerResponse::default().with_error_code(code),
        async |admin| admin.unregister_broker(7).await,
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn delegation_tokens_are_never_tried_again() {
    let hmac = Bytes::from_static(b"secret");
    check::<CreateDelegationTokenRequest, _>(
        never,
        |_, code| CreateDelegationTokenResponse::default().with_error_code(code),
        async |admin| {
            let options = CreateDelegationTokenOptions::default();
            admin.create_delegation_token(&options).await
        },
    )
    .await;
    check::<RenewDelegationTokenRequest, _>(
        never,
        |_, code| RenewDelegationTokenResponse::default().with_error_code(code),
        async |admin| admin.renew_delegation_token(&hmac, None).await,
    )
    .await;
    check::<ExpireDelegationTokenRequest, _>(
        never,
        |_, code| ExpireDelegationTokenResponse::default().with_error_code(code),
        async |admin| admin.expire_delegation_token(&hmac, None).await,
    )
    .await;
    check::<DescribeDelegationTokenRequest, _>(
        never,
        |_, code| DescribeDelegationTokenResponse::default().with_error_code(code),
        async |admin| admin.describe_delegation_token(None).await,
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn elections_are_tried_again_at_another_controller() {
    let partition = TopicPartition::new("t", 0);
    let partitions = BTreeSet::from([partition.clone()]);
    check::<ElectLeadersRequest, _>(
        of_controller,
        |_, code| ElectLeadersResponse::default().with_error_code(code),
        async |admin| {
            let election = ElectionType::Preferred;
            admin.elect_leaders(election, Some(&partitions)).await
        },
    )
    .await;
    // What partitions say is what came of it.
    check::<ElectLeadersRequest, _>(
        never,
        |_, code| {
            let result = elect_leaders_response::PartitionResult::default().with_error_code(code);
            let topic = elect_leaders_response::ReplicaElectionResult::default()
                .with_topic(StrBytes::from_static_str("t").into())
                .with_partition_result(vec![result]);
            ElectLeadersResponse::default().with_replica_election_results(vec![topic])
        },
        async |admin| {
            let elected = admin.elect_leaders(ElectionType::Unclean, Some(&partitions));
            elected.await?.only(&partition)
        },
    )
    .await;
}

fn reassigned(code: i16) -> AlterPartitionReassignmentsResponse {
    let partition = reassignments_response::ReassignablePartitionResponse::default();
    let topic = reassignments_response::ReassignableTopicResponse::default()
        .with_name(StrBytes::from_static_str("t").into())
        .with_partitions(vec![partition.with_error_code(code)]);
    AlterPartitionReassignmentsResponse::default().with_responses(vec![topic])
}

#[tokio::test(start_paused = true)]
async fn reassignments_are_tried_again_at_another_controller() {
    let partition = TopicPartition::new("t", 0);
    let moves = BTreeMap::from([(partition.clone(), Some(vec![1]))]);
    let moved = async |admin: &Admin| {
        let moved = admin.alter_partition_reassignments(&moves).await;
        moved.only(&partition)
    };
    check::<AlterPartitionReassignmentsRequest, _>(
        of_controller,
        |_, code| reassigned(0).with_error_code(code),
        moved,
    )
    .await;
    check::<AlterPartitionReassignmentsRequest, _>(
        of_controller,
        |_, code| reassigned(code),
        moved,
    )
    .await;
    check::<ListPartitionReassignmentsRequest, _>(
        of_controller,
        |_, code| ListPartitionReassignmentsResponse::default().with_error_code(code),
        async |admin| admin.list_partition_reassignments(None).await,
    )
    .await;
}
