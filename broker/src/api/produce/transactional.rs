//! Produce of transactional batches: which of them may be appended, found out before any is.
//!
//! A request whose transactions are open in all its partitions is handled at once, like any other.
//! Else the coordinator is asked, and the requests behind on the connection wait until this one
//! has its place in the logs. Kafka: `ReplicaManager.handleProduceAppend`.

use std::sync::Arc;

use futures_util::FutureExt;
use ringbrook_engine::TransactionStart;
use ringbrook_protocol::ResponseError;
use ringbrook_protocol::produce::{PartitionData, Request};
use ringbrook_record::{Attributes, BatchHeader};

use super::{Acks, append_all, fail_all, find, is_refused};
use crate::api::error::KafkaError;
use crate::api::transaction_check::{Claim, Patience, TransactionSupport, Verdict, check};
use crate::api::{Answer, RequestContext};
use crate::replica::Partition;
use crate::txn::{ProducerIdAndEpoch, TopicPartition};

/// Where the attributes of a batch are.
const ATTRIBUTES: std::ops::Range<usize> = 21..23;

/// Whether the batch claims to be part of a transaction. What is no batch is not; the log says so.
fn is_transactional(data: &PartitionData) -> bool {
    let attributes = data.records.as_ref().and_then(|it| it.get(ATTRIBUTES));
    attributes
        .and_then(|bytes| <[u8; 2]>::try_from(bytes).ok())
        .is_some_and(|bytes| Attributes(i16::from_be_bytes(bytes)).is_transactional())
}

/// Whether any batch of the request claims to be part of a transaction.
pub(super) fn has_transactional(request: &Request) -> bool {
    let mut topics = request.topics.iter();
    topics.any(|topic| topic.partitions.iter().any(is_transactional))
}

/// The verdicts on a request's transactional batches, in the order of the request.
#[derive(Debug, Default)]
pub(super) struct Verdicts {
    verdicts: std::vec::IntoIter<((usize, usize), Verdict)>,
}

impl Verdicts {
    /// The verdict on the batch at this place; `Ok(None)` for one that is part of no transaction.
    pub(super) fn take(&mut self, topic_index: usize, partition_index: usize) -> Verdict {
        match self.verdicts.as_slice().first() {
            Some((place, _)) if *place == (topic_index, partition_index) => self
                .verdicts
                .next()
                .map_or(Ok(None), |(_, verdict)| verdict),
            _ => Ok(None),
        }
    }
}

/// A batch that needs a verdict.
struct Batch {
    /// Indexes of topic and partition in the request.
    place: (usize, usize),
    partition: Arc<Partition>,
    base_sequence: i32,
}

/// Handles a request with transactional batches.
pub(super) fn handle(ctx: RequestContext, mut request: Request, acks: Acks) -> Answer {
    let Some(transactional_id) = request.transactional_id.as_ref().map(|id| id.to_string()) else {
        let error = ResponseError::TransactionalIdAuthorizationFailed;
        return fail_all(&ctx, &request, acks, error);
    };
    let support = TransactionSupport::of_produce(ctx.api_version);
    let (batches, producers) = batches(&ctx, &request);
    let producer = match producers[..] {
        // Batches without a producer id, or to partitions that are not here: the log says so.
        [] => return append_all(&ctx, &mut request, acks, Verdicts::default()),
        [producer] => producer,
        _ => {
            let error = ResponseError::InvalidProducerIdMapping;
            return fail_all(&ctx, &request, acks, error);
        }
    };
    let is_off = !ctx
        .broker()
        .config()
        .transactions
        .partition_verification_enable;
    if is_off && !support.is_v2() {
        return append_all(&ctx, &mut request, acks, Verdicts::default());
    }
    let claim = Claim {
        transactional_id,
        producer,
        support,
    };
    let mut answer = async move {
        let verdicts = verdicts(&ctx, &claim, &batches).await;
        append_all(&ctx, &mut request, acks, verdicts)
    }
    .boxed_local();
    match answer.as_mut().now_or_never() {
        Some(answer) => answer,
        None => Answer::InTurn(answer),
    }
}

/// The batches that need a verdict, and the producers they name.
fn batches(ctx: &RequestContext, request: &Request) -> (Vec<Batch>, Vec<ProducerIdAndEpoch>) {
    let served = ctx.broker().replicas.served();
    let (mut batches, mut producers) = (Vec::new(), Vec::new());
    for (topic_index, topic) in request.topics.iter().enumerate() {
        for (partition_index, data) in topic.partitions.iter().enumerate() {
            let records = data.records.as_deref().unwrap_or_default();
            let header = BatchHeader::parse(records).ok();
            let header = header.filter(|it| it.attributes.is_transactional());
            let Some(header) = header.filter(BatchHeader::has_producer_id) else {
                continue;
            };
            let found = find(ctx, &served, &topic.name, topic.topic_id, data.index);
            let Ok(partition) = found else { continue };
            let producer = ProducerIdAndEpoch::new(header.producer_id, header.producer_epoch);
            if !producers.contains(&producer) {
                producers.push(producer);
            }
            batches.push(Batch {
                place: (topic_index, partition_index),
                partition: Arc::clone(partition),
                base_sequence: header.base_sequence,
            });
        }
    }
    (batches, producers)
}

/// Asks the coordinator about the batches whose transaction is not open in their partition.
async fn verdicts(ctx: &RequestContext, claim: &Claim, batches: &[Batch]) -> Verdicts {
    let partitions: Vec<TopicPartition> = batches
        .iter()
        .map(|batch| {
            TopicPartition::new(Arc::clone(batch.partition.topic()), batch.partition.index())
        })
        .collect();
    let begin = |index: usize| {
        let batch: &Batch = &batches[index];
        if is_refused(ctx, &batch.partition) {
            return Ok(None);
        }
        let start = TransactionStart {
            producer_id: claim.producer.producer_id,
            producer_epoch: claim.producer.producer_epoch,
            base_sequence: batch.base_sequence,
            is_v2: claim.support.is_v2(),
        };
        let begun = batch.partition.begin_verification(&start, ctx.now_ms());
        begun.map_err(|error| error.kafka_error())
    };
    let broker = ctx.broker();
    let patience = Patience::of(&broker.config());
    let verdicts = check(&broker.transactions, claim, &partitions, begin, patience).await;
    let places = batches.iter().map(|batch| batch.place);
    let verdicts: Vec<_> = places.zip(verdicts).collect();
    Verdicts {
        verdicts: verdicts.into_iter(),
    }
}

/// What the producer is told when the coordinator did not vouch for its batch. Older clients do not
/// try again after a coordinator's error, so they are told one after which they do.
pub(super) fn refusal(
    error: ResponseError,
    support: TransactionSupport,
) -> (ResponseError, Option<String>) {
    match error {
        ResponseError::InvalidTxnState => {
            let text = "Partition was not added to the transaction";
            (error, Some(text.to_owned()))
        }
        ResponseError::CoordinatorLoadInProgress
        | ResponseError::CoordinatorNotAvailable
        | ResponseError::NotCoordinator => later(error),
        ResponseError::ConcurrentTransactions if !support.is_v2() => later(error),
        error => (error, None),
    }
}

fn later(error: ResponseError) -> (ResponseError, Option<String>) {
    let name = match error {
        ResponseError::CoordinatorLoadInProgress => "COORDINATOR_LOAD_IN_PROGRESS",
        ResponseError::CoordinatorNotAvailable => "COORDINATOR_NOT_AVAILABLE",
        ResponseError::NotCoordinator => "NOT_COORDINATOR",
        _ => "CONCURRENT_TRANSACTIONS",
    };
    let text = format!(
        "Unable to verify the partition has been added to the transaction. Underlying error: {name}"
    );
    (ResponseError::NotEnoughReplicas, Some(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coordinators_away_are_a_reason_to_try_again() {
        use TransactionSupport::{Add, OldErrors, Verify};
        for support in [Add, Verify, OldErrors] {
            for away in [
                ResponseError::CoordinatorLoadInProgress,
                ResponseError::CoordinatorNotAvailable,
                ResponseError::NotCoordinator,
            ] {
                let (told, text) = refusal(away, support);
                assert_eq!(told, ResponseError::NotEnoughReplicas);
                assert!(
                    text.is_some_and(|text| text.contains("COORDINATOR")),
                    "{away:?}"
                );
            }
        }
        let busy = ResponseError::ConcurrentTransactions;
        assert_eq!(refusal(busy, Add), (busy, None));
        assert_eq!(refusal(busy, Verify).0, ResponseError::NotEnoughReplicas);
        let (told, text) = refusal(ResponseError::InvalidTxnState, OldErrors);
        assert_eq!(told, ResponseError::InvalidTxnState);
        assert_eq!(
            text.as_deref(),
            Some("Partition was not added to the transaction")
        );
        let fenced = ResponseError::InvalidProducerEpoch;
        assert_eq!(refusal(fenced, Add), (fenced, None));
    }

    #[test]
    fn verdicts_are_taken_by_their_place() {
        let error = ResponseError::InvalidProducerEpoch;
        let verdicts = vec![((0, 1), Err(error)), ((2, 0), Ok(None))];
        let mut verdicts = Verdicts {
            verdicts: verdicts.into_iter(),
        };
        assert_eq!(verdicts.take(0, 0), Ok(None));
        assert_eq!(verdicts.take(0, 1), Err(error));
        assert_eq!(verdicts.take(1, 0), Ok(None));
        assert_eq!(verdicts.take(2, 0), Ok(None));
        assert_eq!(verdicts.take(2, 1), Ok(None));
    }

    #[test]
    fn attributes_of_short_records_say_nothing() {
        let is_transactional = |records: Option<Vec<u8>>| {
            let records = records.map(Into::into);
            is_transactional(&PartitionData { index: 0, records })
        };
        assert!(!is_transactional(None));
        assert!(!is_transactional(Some(vec![0xff; 22])));
        assert!(is_transactional(Some(vec![0xff; 23])));
        assert!(!is_transactional(Some(vec![0; 61])));
    }
}
