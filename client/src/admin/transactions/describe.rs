//! Transactions with their partitions.

use std::collections::BTreeSet;
use std::time::Duration;

use ringbrook_protocol::messages::DescribeTransactionsRequest;
use ringbrook_protocol::messages::describe_transactions_response::TransactionState as Described;

use super::TransactionState;
use crate::TopicPartition;
use crate::admin::driver::{at_coordinator, checked};
use crate::admin::wire::transactional_id;
use crate::admin::{Admin, PerItem};
use crate::cluster::{CoordinatorKind, Target};

/// A transactional id and its transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionDescription {
    /// The id of the broker that coordinates it.
    pub coordinator_id: i32,
    /// Where its transaction stands.
    pub state: TransactionState,
    /// The producer's id.
    pub producer_id: i64,
    /// The producer's epoch.
    pub producer_epoch: i16,
    /// `transaction.timeout.ms`: when the broker aborts it by itself.
    pub transaction_timeout: Duration,
    /// When it began, in milliseconds since the epoch; nothing when none is open.
    pub start_time_ms: Option<i64>,
    /// The partitions in it.
    pub partitions: Vec<TopicPartition>,
}

impl TransactionDescription {
    fn new(it: Described, coordinator_id: i32) -> Self {
        let topics = it.topics.into_iter();
        let partitions = topics.flat_map(|topic| {
            let name: std::sync::Arc<str> = topic.topic.as_str().into();
            let indexes = topic.partitions.into_iter();
            indexes.map(move |index| TopicPartition::new(name.clone(), index))
        });
        let mut partitions: Vec<_> = partitions.collect();
        partitions.sort();
        let timeout_ms = u64::try_from(it.transaction_timeout_ms).unwrap_or_default();
        Self {
            coordinator_id,
            state: TransactionState::of_name(&it.transaction_state),
            producer_id: it.producer_id.0,
            producer_epoch: it.producer_epoch,
            transaction_timeout: Duration::from_millis(timeout_ms),
            start_time_ms: Some(it.transaction_start_time_ms).filter(|time| 0 <= *time),
            partitions,
        }
    }
}

impl Admin {
    /// Describes transactional ids.
    pub async fn describe_transactions(
        &self,
        transactional_ids: impl IntoIterator<Item = impl Into<String>>,
    ) -> PerItem<String, TransactionDescription> {
        let call = self.begin("describing transactions", at_coordinator);
        let ids = transactional_ids.into_iter().map(Into::into);
        let ids: BTreeSet<String> = ids.collect();
        let kind = CoordinatorKind::Transaction;
        self.at_coordinators(call, kind, ids, async |node, ids: Vec<String>| {
            let build = |_| {
                let ids = ids.iter().map(|id| transactional_id(id));
                Ok(DescribeTransactionsRequest::default().with_transactional_ids(ids.collect()))
            };
            self.ask(call, Target::Node(node), &ids, build, |answer| {
                let described = answer.transaction_states.into_iter().map(|it| {
                    let id = it.transactional_id.to_string();
                    let error = checked(it.error_code, None, || format!("transactional id {id}"));
                    (id, error.map(|()| TransactionDescription::new(it, node)))
                });
                Ok(described.collect())
            })
            .await
        })
        .await
    }
}
