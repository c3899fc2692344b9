//! TxnOffsetCommit (28): stores how far a group has come, to hold once a transaction commits.
//!
//! Versions 0-5. Partitions that do not exist are refused one by one before anybody sees the
//! request. Up to version 4 the group has to be part of the transaction (AddOffsetsToTxn); from
//! version 5 on it becomes part of it here (KIP-890). Old producers name no member and generation,
//! and may crash on COORDINATOR_LOAD_IN_PROGRESS (KAFKA-7296). Kafka:
//! `KafkaApis.handleTxnOffsetCommitRequest`, `CoordinatorPartitionWriter`.

use ringbrook_engine::{TransactionStart, VerificationGuard};
use ringbrook_protocol::ResponseError;
use ringbrook_protocol::messages::txn_offset_commit_response::{
    TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};
use ringbrook_protocol::messages::{TxnOffsetCommitRequest, TxnOffsetCommitResponse};

use super::RequestContext;
use super::error::KafkaError;
use super::group_names::{owned, owned_option};
use super::transaction_check::{Claim, Patience, TransactionSupport, check};
use crate::controller::MetadataImage;
use crate::controller::topic_name::CONSUMER_OFFSETS;
use crate::group::{GroupError, OffsetToCommit, TxnOffsetCommit};
use crate::replica::NotServed;
use crate::txn::{ProducerIdAndEpoch, TopicPartition};

/// First version whose clients know COORDINATOR_LOAD_IN_PROGRESS here.
const LOADING_VERSION: i16 = 2;
/// A coordinator's batches have no sequence numbers.
const NO_SEQUENCE: i32 = -1;

/// What became of each offset, or the code for all of them.
type Outcome = Result<Vec<Result<(), GroupError>>, i16>;

/// Commits what belongs to existing partitions.
pub(crate) async fn handle(
    ctx: RequestContext,
    request: TxnOffsetCommitRequest,
) -> TxnOffsetCommitResponse {
    let mut response = unknown_everywhere(&request);
    let commit = domain(&request, &ctx.broker().image(), &mut response);
    if !commit.offsets.is_empty() {
        let outcome = admit_and_commit(&ctx, &request.transactional_id, commit).await;
        fill(&mut response, ctx.api_version, outcome);
    }
    response
}

/// Makes sure of the transaction, then has the group commit.
async fn admit_and_commit(
    ctx: &RequestContext,
    transactional_id: &str,
    mut commit: TxnOffsetCommit,
) -> Outcome {
    if commit.group_id.is_empty() {
        return Err(GroupError::InvalidGroupId.kafka_code());
    }
    commit.guard = admit(ctx, transactional_id, &commit).await?;
    let committed = ctx.broker().groups.txn_offset_commit(commit).await;
    committed.map_err(GroupError::kafka_code)
}

/// Has the transaction coordinator vouch for the producer, unless its transaction is open in the
/// group's partition; gives the guard of that.
async fn admit(
    ctx: &RequestContext,
    transactional_id: &str,
    commit: &TxnOffsetCommit,
) -> Result<Option<VerificationGuard>, i16> {
    let broker = ctx.broker();
    let support = TransactionSupport::of_txn_offset_commit(ctx.api_version);
    let is_off = !broker.config().transactions.partition_verification_enable;
    if is_off && !support.is_v2() {
        return Ok(None);
    }
    let index = broker.groups.partition_for(&commit.group_id);
    let served = broker.replicas.served();
    let partition = served
        .partition(CONSUMER_OFFSETS, index)
        .map_err(|error| not_served(error).kafka_code())?;
    let claim = Claim {
        transactional_id: transactional_id.to_owned(),
        producer: ProducerIdAndEpoch::new(commit.producer_id, commit.producer_epoch),
        support,
    };
    let start = TransactionStart {
        producer_id: commit.producer_id,
        producer_epoch: commit.producer_epoch,
        base_sequence: NO_SEQUENCE,
        is_v2: support.is_v2(),
    };
    let begin = |_| {
        let begun = partition.begin_verification(&start, ctx.now_ms());
        begun.map_err(|error| error.kafka_error())
    };
    let partitions = [TopicPartition::new(CONSUMER_OFFSETS, index)];
    let patience = Patience::of(&broker.config());
    let verdicts = check(&broker.transactions, &claim, &partitions, begin, patience).await;
    let verdict = verdicts.into_iter().next().unwrap_or(Ok(None));
    verdict.map_err(|error| error.code())
}

/// Where the coordinator is not, clients look for it again.
const fn not_served(error: NotServed) -> GroupError {
    match error {
        NotServed::StorageFailed => GroupError::NotCoordinator,
        NotServed::UnknownTopicOrPartition | NotServed::UnknownTopicId => {
            GroupError::CoordinatorNotAvailable
        }
    }
}

/// A response that says of every partition that it does not exist.
fn unknown_everywhere(request: &TxnOffsetCommitRequest) -> TxnOffsetCommitResponse {
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|partition| {
            TxnOffsetCommitResponsePartition::default()
                .with_partition_index(partition.partition_index)
                .with_error_code(ResponseError::UnknownTopicOrPartition.code())
        });
        TxnOffsetCommitResponseTopic::default()
            .with_name(topic.name.clone())
            .with_partitions(partitions.collect())
    });
    TxnOffsetCommitResponse::default().with_topics(topics.collect())
}

/// The commit of the partitions that exist; in `response` they lose their error.
fn domain(
    request: &TxnOffsetCommitRequest,
    image: &MetadataImage,
    response: &mut TxnOffsetCommitResponse,
) -> TxnOffsetCommit {
    let mut offsets = Vec::new();
    for (topic, answer) in request.topics.iter().zip(&mut response.topics) {
        let Some(known) = image.topic(&topic.name) else {
            continue;
        };
        for (partition, answer) in topic.partitions.iter().zip(&mut answer.partitions) {
            if known.partition(partition.partition_index).is_none() {
                continue;
            }
            answer.error_code = 0;
            offsets.push(OffsetToCommit {
                topic: known.name.clone(),
                topic_id: known.id,
                partition: partition.partition_index,
                offset: partition.committed_offset,
                leader_epoch: partition.committed_leader_epoch,
                metadata: owned_option(partition.committed_metadata.as_ref()),
            });
        }
    }
    TxnOffsetCommit {
        group_id: owned(&request.group_id),
        member_id: owned(&request.member_id),
        group_instance_id: owned_option(request.group_instance_id.as_ref()),
        generation: request.generation_id,
        producer_id: request.producer_id.0,
        producer_epoch: request.producer_epoch,
        guard: None,
        offsets,
    }
}

/// Puts the outcomes where the partitions that exist are.
fn fill(response: &mut TxnOffsetCommitResponse, version: i16, outcome: Outcome) {
    let partitions = response
        .topics
        .iter_mut()
        .flat_map(|topic| &mut topic.partitions);
    let committed = partitions.filter(|partition| partition.error_code == 0);
    let known = |code| match code {
        loading
            if loading == GroupError::CoordinatorLoadInProgress.kafka_code()
                && version < LOADING_VERSION =>
        {
            GroupError::CoordinatorNotAvailable.kafka_code()
        }
        other => other,
    };
    match outcome {
        Ok(outcomes) => {
            for (partition, outcome) in committed.zip(outcomes) {
                partition.error_code = outcome.err().map_or(0, GroupError::kafka_code);
            }
        }
        Err(code) => {
            for partition in committed {
                partition.error_code = known(code);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use ringbrook_protocol::messages::TopicName;
    use ringbrook_protocol::messages::txn_offset_commit_request::{
        TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
    };
    use ringbrook_protocol::{Encodable, StrBytes};

    use super::*;

    fn request() -> TxnOffsetCommitRequest {
        let partition = |i| TxnOffsetCommitRequestPartition::default().with_partition_index(i);
        let topic = TxnOffsetCommitRequestTopic::default()
            .with_name(TopicName(StrBytes::from_static_str("a")))
            .with_partitions(vec![partition(0), partition(1), partition(2)]);
        TxnOffsetCommitRequest::default().with_topics(vec![topic])
    }

    fn codes(response: &TxnOffsetCommitResponse) -> Vec<i16> {
        let partitions = response.topics.iter().flat_map(|topic| &topic.partitions);
        partitions.map(|partition| partition.error_code).collect()
    }

    #[test]
    fn outcomes_go_to_the_partitions_that_exist() {
        let mut response = unknown_everywhere(&request());
        response.topics[0].partitions[0].error_code = 0;
        response.topics[0].partitions[2].error_code = 0;
        let mut failed = response.clone();
        let mut loading = response.clone();
        fill(
            &mut response,
            0,
            Ok(vec![Ok(()), Err(GroupError::OffsetMetadataTooLarge)]),
        );
        assert_eq!(codes(&response), [0, 3, 12]);
        fill(
            &mut failed,
            5,
            Err(GroupError::CoordinatorLoadInProgress.kafka_code()),
        );
        assert_eq!(codes(&failed), [14, 3, 14]);
        fill(
            &mut loading,
            1,
            Err(GroupError::CoordinatorLoadInProgress.kafka_code()),
        );
        assert_eq!(codes(&loading), [15, 3, 15]);
    }

    #[test]
    fn answers_can_be_encoded_in_every_version() {
        for version in 0..=5 {
            let response = unknown_everywhere(&request());
            response.encode(&mut BytesMut::new(), version).unwrap();
        }
    }
}
