//! Requests of the state machine, sent to the coordinators: one attempt each.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ringbrook_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use ringbrook_protocol::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use ringbrook_protocol::messages::{
    AddOffsetsToTxnRequest, AddPartitionsToTxnRequest, EndTxnRequest, GroupId,
    InitProducerIdRequest, TopicName, TransactionalId, TxnOffsetCommitRequest,
};
use ringbrook_protocol::{Request as Message, StrBytes};

use super::answers::Answer;
use super::fate::Failure;
use super::request::{GroupOffsets, RequestKind};
use super::transactions::Transactions;
use crate::cluster::{Cluster, CoordinatorKind, Target};
use crate::error::{BrokerError, ClientError};
use crate::net::Connection;
use crate::producer::sequences::ProducerId;
use crate::topic_partition::TopicPartition;

/// The newest AddPartitionsToTxn of clients; newer ones are between brokers.
const ADD_PARTITIONS_VERSION_MAX: i16 = 3;
/// The newest EndTxn that leaves the epoch as it is.
const END_TXN_V1_VERSION_MAX: i16 = 4;
/// The newest TxnOffsetCommit that adds nothing to the transaction by itself.
const TXN_OFFSET_COMMIT_V1_VERSION_MAX: i16 = 4;
/// The oldest TxnOffsetCommit that names the member.
const TXN_OFFSET_COMMIT_MEMBER_VERSION: i16 = 3;
/// The oldest InitProducerId that bumps an epoch.
const INIT_PRODUCER_ID_BUMP_VERSION: i16 = 3;

/// What a producer calls itself that was given no id yet.
const NO_PRODUCER: ProducerId = ProducerId { id: -1, epoch: -1 };

/// The way to the coordinators of one producer's transactions and of its groups. Cheap to clone.
#[derive(Clone)]
pub(in crate::producer) struct Coordinator {
    cluster: Cluster,
    transactional_id: Arc<str>,
    transaction_timeout: Duration,
}

/// What a request goes out with.
#[derive(Clone, Copy)]
struct Sent<'a> {
    coordinator: &'a Coordinator,
    transactions: &'a Mutex<Transactions>,
    producer: ProducerId,
}

impl Coordinator {
    pub(in crate::producer) fn new(
        cluster: Cluster,
        transactional_id: Arc<str>,
        transaction_timeout: Duration,
    ) -> Self {
        Self {
            cluster,
            transactional_id,
            transaction_timeout,
        }
    }

    /// Sends a request of `transactions` and awaits the answer. What the broker tells of itself is
    /// noted on the way.
    pub(in crate::producer) async fn send(
        &self,
        kind: &RequestKind,
        transactions: &Mutex<Transactions>,
    ) -> Result<Answer, Failure> {
        let (producer, is_v2) = {
            let transactions = lock(transactions);
            (
                transactions.producer().unwrap_or(NO_PRODUCER),
                transactions.is_v2(),
            )
        };
        let sent = Sent {
            coordinator: self,
            transactions,
            producer,
        };
        match kind {
            RequestKind::InitProducerId => sent.init_producer_id().await,
            RequestKind::AddPartitions(partitions) => sent.add_partitions(partitions).await,
            RequestKind::AddOffsets(offsets) => sent.add_offsets(offsets).await,
            RequestKind::CommitOffsets(offsets) => sent.commit_offsets(offsets, is_v2).await,
            RequestKind::EndTxn { is_commit, is_v2 } => sent.end(*is_commit, *is_v2).await,
        }
    }
}

impl Sent<'_> {
    async fn init_producer_id(self) -> Result<Answer, Failure> {
        let timeout_ms = self.coordinator.transaction_timeout.as_millis();
        let request = InitProducerIdRequest::default()
            .with_transactional_id(Some(self.transactional_id()))
            .with_transaction_timeout_ms(i32::try_from(timeout_ms).unwrap_or(i32::MAX))
            .with_producer_id(self.producer.id.into())
            .with_producer_epoch(self.producer.epoch);
        let answer = self.transaction_call(request, i16::MAX).await?;
        self.check(answer.error_code, "InitProducerId")?;
        Ok(Answer::InitProducerId(ProducerId {
            id: answer.producer_id.0,
            epoch: answer.producer_epoch,
        }))
    }

    async fn add_partitions(self, partitions: &[TopicPartition]) -> Result<Answer, Failure> {
        let topics = by_topic(partitions, Clone::clone).map(|(name, partitions)| {
            AddPartitionsToTxnTopic::default()
                .with_name(name)
                .with_partitions(partitions.into_iter().map(|it| it.partition).collect())
        });
        let request = AddPartitionsToTxnRequest::default()
            .with_v3_and_below_transactional_id(self.transactional_id())
            .with_v3_and_below_producer_id(self.producer.id.into())
            .with_v3_and_below_producer_epoch(self.producer.epoch)
            .with_v3_and_below_topics(topics.collect());
        let answer = self
            .transaction_call(request, ADD_PARTITIONS_VERSION_MAX)
            .await?;
        self.check(answer.error_code, "AddPartitionsToTxn")?;
        let codes = answer
            .results_by_topic_v3_and_below
            .iter()
            .flat_map(|topic| {
                topic.results_by_partition.iter().map(|it| {
                    let partition = TopicPartition::new(topic.name.as_str(), it.partition_index);
                    (partition, it.partition_error_code)
                })
            });
        Ok(Answer::AddPartitions(codes.collect()))
    }

    async fn add_offsets(self, offsets: &GroupOffsets) -> Result<Answer, Failure> {
        let request = AddOffsetsToTxnRequest::default()
            .with_transactional_id(self.transactional_id())
            .with_producer_id(self.producer.id.into())
            .with_producer_epoch(self.producer.epoch)
            .with_group_id(GroupId(text(&offsets.group.group_id)));
        let answer = self.transaction_call(request, i16::MAX).await?;
        self.check(answer.error_code, "AddOffsetsToTxn")?;
        Ok(Answer::AddOffsets)
    }

    async fn commit_offsets(self, offsets: &GroupOffsets, is_v2: bool) -> Result<Answer, Failure> {
        let group = &offsets.group;
        let target = Target::Coordinator(CoordinatorKind::Group, &group.group_id);
        let topics = by_topic(&offsets.offsets, |(partition, _)| partition.clone());
        let topics = topics.map(|(name, offsets)| {
            let partitions = offsets.into_iter().map(|(partition, it)| {
                TxnOffsetCommitRequestPartition::default()
                    .with_partition_index(partition.partition)
                    .with_committed_offset(it.offset)
                    .with_committed_leader_epoch(it.leader_epoch.unwrap_or(-1))
                    .with_committed_metadata(Some(text(&it.metadata)))
            });
            TxnOffsetCommitRequestTopic::default()
                .with_name(name)
                .with_partitions(partitions.collect())
        });
        let mut request = TxnOffsetCommitRequest::default()
            .with_transactional_id(self.transactional_id())
            .with_group_id(GroupId(text(&group.group_id)))
            .with_producer_id(self.producer.id.into())
            .with_producer_epoch(self.producer.epoch)
            .with_topics(topics.collect());
        let version_max = if is_v2 {
            i16::MAX
        } else {
            TXN_OFFSET_COMMIT_V1_VERSION_MAX
        };
        let connection = self.connect(target).await?;
        let version = connection
            .version_up_to::<TxnOffsetCommitRequest>(version_max)
            .map_err(Failure::Answer)?;
        let has_member = !group.member_id.is_empty() || group.group_instance_id.is_some();
        if TXN_OFFSET_COMMIT_MEMBER_VERSION <= version {
            request = request
                .with_generation_id(group.generation_id)
                .with_member_id(text(&group.member_id))
                .with_group_instance_id(group.group_instance_id.as_deref().map(text));
        } else if has_member {
            let error = "the broker is too old to tell members of a group apart when it takes \
                         offsets with a transaction: give it a group without a member";
            let error = ClientError::Unsupported(error.to_owned());
            return Err(Failure::Answer(error));
        }
        let answer = self.call(target, &connection, version, &request).await?;
        let codes = answer.topics.iter().flat_map(|topic| {
            topic.partitions.iter().map(|it| {
                let partition = TopicPartition::new(topic.name.as_str(), it.partition_index);
                (partition, it.error_code)
            })
        });
        let codes: Vec<_> = codes.collect();
        for (partition, code) in &codes {
            let error = BrokerError::new(*code, partition.to_string());
            self.coordinator.cluster.note_error(target, &error.into());
        }
        Ok(Answer::CommitOffsets(codes))
    }

    async fn end(self, is_commit: bool, is_v2: bool) -> Result<Answer, Failure> {
        let request = EndTxnRequest::default()
            .with_transactional_id(self.transactional_id())
            .with_producer_id(self.producer.id.into())
            .with_producer_epoch(self.producer.epoch)
            .with_committed(is_commit);
        let version_max = if is_v2 {
            i16::MAX
        } else {
            END_TXN_V1_VERSION_MAX
        };
        let answer = self.transaction_call(request, version_max).await?;
        self.check(answer.error_code, "EndTxn")?;
        let producer = ProducerId {
            id: answer.producer_id.0,
            epoch: answer.producer_epoch,
        };
        Ok(Answer::EndTxn((0 <= producer.id).then_some(producer)))
    }

    fn transactional_id(&self) -> TransactionalId {
        TransactionalId(text(&self.coordinator.transactional_id))
    }

    fn target(&self) -> Target<'_> {
        let id = &self.coordinator.transactional_id;
        Target::Coordinator(CoordinatorKind::Transaction, id)
    }

    /// An error of the transaction's coordinator.
    fn check(&self, code: i16, what: &str) -> Result<(), Failure> {
        let id = &self.coordinator.transactional_id;
        let checked = BrokerError::check(code, format!("{what} of transactional.id {id}"));
        checked.map_err(|error| {
            let error = ClientError::from(error);
            self.coordinator.cluster.note_error(self.target(), &error);
            Failure::Answer(error)
        })
    }

    async fn transaction_call<R: Message + 'static>(
        &self,
        request: R,
        version_max: i16,
    ) -> Result<R::Response, Failure> {
        let connection = self.connect(self.target()).await?;
        let init = connection.versions().range(InitProducerIdRequest::KEY);
        let is_bump_supported = init.is_some_and(|(_, max)| INIT_PRODUCER_ID_BUMP_VERSION <= max);
        lock(self.transactions).note_bump_support(is_bump_supported);
        let version = connection
            .version_up_to::<R>(version_max)
            .map_err(Failure::Answer)?;
        self.call(self.target(), &connection, version, &request)
            .await
    }

    async fn connect(&self, target: Target<'_>) -> Result<Connection, Failure> {
        let cluster = &self.coordinator.cluster;
        let connected = cluster.connection_to(target).await;
        let connection = connected.map_err(|error| {
            cluster.note_error(target, &error);
            Failure::Lookup(error)
        })?;
        let broker = connection.versions().response();
        let feature = broker.finalized_features.iter();
        let version = feature
            .filter(|feature| feature.name.as_str() == "transaction.version")
            .map(|feature| feature.max_version_level)
            .next();
        let epoch = broker.finalized_features_epoch;
        lock(self.transactions).note_features(epoch, version.unwrap_or_default());
        Ok(connection)
    }

    async fn call<R: Message + 'static>(
        &self,
        target: Target<'_>,
        connection: &Connection,
        version: i16,
        request: &R,
    ) -> Result<R::Response, Failure> {
        connection.call(version, request).await.map_err(|error| {
            self.coordinator.cluster.note_error(target, &error);
            Failure::Answer(error)
        })
    }
}

pub(in crate::producer) fn lock(
    transactions: &Mutex<Transactions>,
) -> MutexGuard<'_, Transactions> {
    transactions.lock().unwrap_or_else(PoisonError::into_inner)
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// Items by the topic of their partition, topics in order.
fn by_topic<T: Clone>(
    items: &[T],
    partition: impl Fn(&T) -> TopicPartition,
) -> impl Iterator<Item = (TopicName, Vec<T>)> {
    let mut topics = std::collections::BTreeMap::<Arc<str>, Vec<T>>::new();
    for item in items {
        let topic = partition(item).topic;
        topics.entry(topic).or_default().push(item.clone());
    }
    let name = |topic: &str| TopicName(text(topic));
    topics
        .into_iter()
        .map(move |(topic, items)| (name(&topic), items))
}
