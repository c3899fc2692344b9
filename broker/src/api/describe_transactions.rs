//! DescribeTransactions (65): state, producer and partitions of transactional ids (KIP-664).
//!
//! Version 0. Kafka: `KafkaApis.handleDescribeTransactionsRequest`.

use ringbrook_protocol::StrBytes;
use ringbrook_protocol::messages::describe_transactions_response::{TopicData, TransactionState};
use ringbrook_protocol::messages::{
    DescribeTransactionsRequest, DescribeTransactionsResponse, ProducerId, TopicName,
    TransactionalId,
};

use super::RequestContext;
use super::group_names::wire;
use crate::txn::{TopicPartition, TransactionDescription, TxnError};

/// Describes each id on its own.
pub(crate) async fn handle(
    ctx: RequestContext,
    request: DescribeTransactionsRequest,
) -> DescribeTransactionsResponse {
    let transactions = &ctx.broker().transactions;
    let states = request.transactional_ids.into_iter().map(|id| {
        let described = transactions.describe(&id);
        state(id, described)
    });
    DescribeTransactionsResponse::default().with_transaction_states(states.collect())
}

fn state(
    id: TransactionalId,
    described: Result<TransactionDescription, TxnError>,
) -> TransactionState {
    let state = TransactionState::default().with_transactional_id(id);
    match described {
        Ok(described) => state
            .with_transaction_state(StrBytes::from_static_str(described.state.name()))
            .with_transaction_timeout_ms(described.timeout_ms)
            .with_transaction_start_time_ms(described.start_ms)
            .with_producer_id(ProducerId(described.producer.producer_id))
            .with_producer_epoch(described.producer.producer_epoch)
            .with_topics(topics(&described.partitions)),
        Err(error) => state.with_error_code(error.kafka_code()),
    }
}

/// The partitions by topic; those of a topic follow each other.
fn topics(partitions: &[TopicPartition]) -> Vec<TopicData> {
    let topics = partitions.chunk_by(|left, right| left.topic == right.topic);
    let topics = topics.map(|topic| {
        let name = topic.first().map_or("", |partition| &partition.topic);
        TopicData::default()
            .with_topic(TopicName(wire(name)))
            .with_partitions(topic.iter().map(|it| it.partition).collect())
    });
    topics.collect()
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use ringbrook_protocol::Encodable;

    use super::*;
    use crate::txn::{self, ProducerIdAndEpoch};

    #[test]
    fn partitions_are_grouped_by_topic() {
        let partitions = [("a", 1), ("a", 4), ("b", 0)];
        let described = TransactionDescription {
            producer: ProducerIdAndEpoch::new(7, 2),
            state: txn::TransactionState::Ongoing,
            timeout_ms: 60_000,
            start_ms: 5,
            partitions: partitions
                .map(|(topic, partition)| TopicPartition::new(topic, partition))
                .into(),
        };
        let id = TransactionalId(StrBytes::from_static_str("id"));
        let known = state(id.clone(), Ok(described));
        let topics: Vec<_> = known
            .topics
            .iter()
            .map(|topic| (topic.topic.as_str(), topic.partitions.as_slice()))
            .collect();
        assert_eq!(topics, [("a", &[1, 4][..]), ("b", &[0][..])]);
        assert_eq!(known.transaction_state.as_str(), "Ongoing");
        let unknown = state(id, Err(TxnError::TransactionalIdNotFound));
        assert_eq!(unknown.error_code, 105);
        DescribeTransactionsResponse::default()
            .with_transaction_states(vec![known, unknown])
            .encode(&mut BytesMut::new(), 0)
            .unwrap();
    }
}
