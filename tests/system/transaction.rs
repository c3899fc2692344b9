//! What tests need of transactions: one producer's requests, by either protocol.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use ringbrook_protocol::ResponseError;
use ringbrook_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use ringbrook_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopics,
};
use ringbrook_protocol::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use ringbrook_protocol::messages::{
    AddOffsetsToTxnRequest, AddPartitionsToTxnRequest, EndTxnRequest, FindCoordinatorRequest,
    InitProducerIdRequest, OffsetFetchRequest, ProducerId, TransactionalId, TxnOffsetCommitRequest,
};
use ringbrook_record::Codec;
use ringbrook_tests::{
    Client, ReadCommitted, SharedBroker, builder, by_name, error, produce_request, read_committed,
    single_produced, topic_name, wait_until,
};

use crate::group::{Member, group_id, text};

/// What a request was answered with; none is success.
pub(crate) type Code = Option<ResponseError>;

/// FindCoordinator: a transactional id.
const TRANSACTION: i8 = 1;
/// How long a broker may take to load, to complete a transaction, to abort one that timed out.
const PATIENCE: Duration = Duration::from_secs(60);
/// The timeout of producers that do not care.
pub(crate) const TIMEOUT_MS: i32 = 60_000;

pub(crate) fn transactional_id(id: &str) -> TransactionalId {
    TransactionalId(text(id))
}

/// Which requests a producer makes (KIP-890).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// Partitions are added by requests of their own; the epoch changes with InitProducerId only.
    V1,
    /// Partitions are added as they are written to; every end has a new epoch.
    V2,
}

impl Protocol {
    const fn produce_version(self) -> i16 {
        match self {
            Self::V1 => 11,
            Self::V2 => 12,
        }
    }

    const fn txn_offset_commit_version(self) -> i16 {
        match self {
            Self::V1 => 4,
            Self::V2 => 5,
        }
    }

    const fn end_txn_version(self) -> i16 {
        match self {
            Self::V1 => 4,
            Self::V2 => 5,
        }
    }
}

/// An InitProducerId request; `expected` is the producer as the client knows it.
pub(crate) fn init_request(
    id: &str,
    timeout_ms: i32,
    expected: Option<(i64, i16)>,
) -> InitProducerIdRequest {
    let (producer_id, epoch) = expected.unwrap_or((-1, -1));
    InitProducerIdRequest::default()
        .with_transactional_id(Some(transactional_id(id)))
        .with_transaction_timeout_ms(timeout_ms)
        .with_producer_id(ProducerId(producer_id))
        .with_producer_epoch(epoch)
}

/// Sends InitProducerId once.
pub(crate) fn try_init(
    client: &mut Client,
    request: &InitProducerIdRequest,
    version: i16,
) -> anyhow::Result<Result<(i64, i16), ResponseError>> {
    let response = client.call(request, version)?;
    Ok(match error(response.error_code) {
        None => Ok((response.producer_id.0, response.producer_epoch)),
        Some(error) => {
            ensure!(response.producer_id.0 == -1 && response.producer_epoch == -1);
            Err(error)
        }
    })
}

/// Whether a client asks again after this error.
fn is_passing(error: ResponseError) -> bool {
    matches!(
        error,
        ResponseError::ConcurrentTransactions
            | ResponseError::CoordinatorLoadInProgress
            | ResponseError::CoordinatorNotAvailable
            | ResponseError::NotCoordinator
            | ResponseError::NotEnoughReplicas
    )
}

/// Asks until the answer is not one that passes.
pub(crate) fn settled<T>(
    mut ask: impl FnMut() -> anyhow::Result<Result<T, ResponseError>>,
) -> anyhow::Result<Result<T, ResponseError>> {
    let mut answer = ask();
    wait_until(PATIENCE, || {
        if matches!(&answer, Ok(Err(error)) if is_passing(*error)) {
            answer = ask();
        }
        !matches!(&answer, Ok(Err(error)) if is_passing(*error))
    });
    answer
}

/// [`settled`] for requests that have nothing to tell.
pub(crate) fn settled_code(mut ask: impl FnMut() -> anyhow::Result<Code>) -> anyhow::Result<Code> {
    Ok(settled(|| Ok(ask()?.map_or(Ok(()), Err)))?.err())
}

/// A transactional producer with a connection of its own.
#[derive(Debug)]
pub(crate) struct Producer {
    pub(crate) client: Client,
    pub(crate) transactional_id: String,
    pub(crate) protocol: Protocol,
    pub(crate) id: i64,
    pub(crate) epoch: i16,
    /// Lives as long as somebody holds it.
    shared: Option<Arc<SharedBroker>>,
    /// The next sequence number in each partition.
    sequences: HashMap<(String, i32), i32>,
}

impl Producer {
    /// A producer that has its id.
    pub(crate) fn init(
        client: Client,
        transactional_id: &str,
        protocol: Protocol,
    ) -> anyhow::Result<Self> {
        let mut producer = Self::nameless(client, transactional_id, protocol);
        producer.find_coordinator()?;
        producer.init_again(TIMEOUT_MS)?;
        Ok(producer)
    }

    /// A producer that knows neither id nor epoch.
    pub(crate) fn nameless(client: Client, transactional_id: &str, protocol: Protocol) -> Self {
        Self {
            client,
            transactional_id: transactional_id.to_owned(),
            protocol,
            id: -1,
            epoch: -1,
            shared: None,
            sequences: HashMap::new(),
        }
    }

    /// Keeps the shared broker running.
    pub(crate) fn on(self, broker: &Arc<SharedBroker>) -> Self {
        let shared = Some(Arc::clone(broker));
        Self { shared, ..self }
    }

    fn find_coordinator(&mut self) -> anyhow::Result<()> {
        let request = FindCoordinatorRequest::default()
            .with_key_type(TRANSACTION)
            .with_coordinator_keys(vec![text(&self.transactional_id)]);
        let found = settled_code(|| {
            let response = self.client.call(&request, 4)?;
            let found = response.coordinators.first().context("a coordinator")?;
            Ok(error(found.error_code))
        })?;
        ensure!(found.is_none(), "no coordinator: {found:?}");
        Ok(())
    }

    /// Asks for an id anew, as a restarted client does.
    pub(crate) fn init_again(&mut self, timeout_ms: i32) -> anyhow::Result<()> {
        let request = init_request(&self.transactional_id, timeout_ms, None);
        match settled(|| try_init(&mut self.client, &request, 5))? {
            Ok(producer) => self.become_(producer),
            Err(error) => bail!("no producer id: {error:?}"),
        }
        Ok(())
    }

    /// Goes on under another id or epoch.
    pub(crate) fn become_(&mut self, (id, epoch): (i64, i16)) {
        if (id, epoch) != (self.id, self.epoch) {
            self.sequences.clear();
        }
        (self.id, self.epoch) = (id, epoch);
    }

    /// The same producer on another connection, as it is now.
    pub(crate) fn twin(&self, client: Client) -> Self {
        Self {
            client,
            transactional_id: self.transactional_id.clone(),
            shared: self.shared.clone(),
            sequences: self.sequences.clone(),
            ..*self
        }
    }

    /// AddPartitionsToTxn as clients send it, for one partition, once.
    pub(crate) fn try_add(&mut self, topic: &str, partition: i32) -> anyhow::Result<Code> {
        let topic = AddPartitionsToTxnTopic::default()
            .with_name(topic_name(topic))
            .with_partitions(vec![partition]);
        let request = AddPartitionsToTxnRequest::default()
            .with_v3_and_below_transactional_id(transactional_id(&self.transactional_id))
            .with_v3_and_below_producer_id(ProducerId(self.id))
            .with_v3_and_below_producer_epoch(self.epoch)
            .with_v3_and_below_topics(vec![topic]);
        let response = self.client.call(&request, 3)?;
        let topic = response.results_by_topic_v3_and_below.first();
        let partition = topic.and_then(|topic| topic.results_by_partition.first());
        let partition = partition.context("a partition in the answer")?;
        Ok(error(partition.partition_error_code))
    }

    /// AddOffsetsToTxn, once.
    pub(crate) fn try_add_offsets(&mut self, group: &str) -> anyhow::Result<Code> {
        let request = AddOffsetsToTxnRequest::default()
            .with_transactional_id(transactional_id(&self.transactional_id))
            .with_producer_id(ProducerId(self.id))
            .with_producer_epoch(self.epoch)
            .with_group_id(group_id(group));
        Ok(error(self.client.call(&request, 4)?.error_code))
    }

    /// A batch of the transaction, to be sent as it is.
    pub(crate) fn batch(&self, topic: &str, partition: i32, values: &[&str]) -> Bytes {
        let sequence = self.sequences.get(&(topic.to_owned(), partition));
        builder(values)
            .producer(self.id, self.epoch, sequence.copied().unwrap_or(0))
            .transactional()
            .finish(Codec::None, None)
            .expect("a test's batch has records")
            .freeze()
    }

    /// Produces, once, without adding the partition before.
    pub(crate) fn try_produce(
        &mut self,
        topic: &str,
        partition: i32,
        values: &[&str],
    ) -> anyhow::Result<Result<i64, ResponseError>> {
        self.try_produce_in(self.protocol.produce_version(), topic, partition, values)
    }

    /// [`Self::try_produce`] in a version of the test's choice.
    pub(crate) fn try_produce_in(
        &mut self,
        version: i16,
        topic: &str,
        partition: i32,
        values: &[&str],
    ) -> anyhow::Result<Result<i64, ResponseError>> {
        let records = self.batch(topic, partition, values);
        let request = produce_request(by_name(topic), partition, -1, records)
            .with_transactional_id(Some(transactional_id(&self.transactional_id)));
        let produced = single_produced(self.client.call(&request, version)?)?;
        if let Some(error) = error(produced.error_code) {
            return Ok(Err(error));
        }
        let sequence = self
            .sequences
            .entry((topic.to_owned(), partition))
            .or_default();
        *sequence += i32::try_from(values.len())?;
        Ok(Ok(produced.base_offset))
    }

    /// Produces in the transaction, which begins with it; returns the base offset.
    pub(crate) fn send(
        &mut self,
        topic: &str,
        partition: i32,
        values: &[&str],
    ) -> anyhow::Result<i64> {
        if self.protocol == Protocol::V1 {
            let added = settled_code(|| self.try_add(topic, partition))?;
            ensure!(added.is_none(), "{topic}-{partition} not added: {added:?}");
        }
        match settled(|| self.try_produce(topic, partition, values))? {
            Ok(base_offset) => Ok(base_offset),
            Err(error) => bail!("not produced: {error:?}"),
        }
    }

    /// TxnOffsetCommit of one partition, once, without adding the group before.
    pub(crate) fn try_commit_offset(
        &mut self,
        member: &Member,
        topic: &str,
        partition: i32,
        offset: i64,
    ) -> anyhow::Result<Code> {
        let version = self.protocol.txn_offset_commit_version();
        self.try_commit_offset_in(version, member, topic, partition, offset)
    }

    /// [`Self::try_commit_offset`] in a version of the test's choice.
    pub(crate) fn try_commit_offset_in(
        &mut self,
        version: i16,
        member: &Member,
        topic: &str,
        partition: i32,
        offset: i64,
    ) -> anyhow::Result<Code> {
        let partition = TxnOffsetCommitRequestPartition::default()
            .with_partition_index(partition)
            .with_committed_offset(offset)
            .with_committed_leader_epoch(-1)
            .with_committed_metadata(Some(text("in a transaction")));
        let topic = TxnOffsetCommitRequestTopic::default()
            .with_name(topic_name(topic))
            .with_partitions(vec![partition]);
        let mut request = TxnOffsetCommitRequest::default()
            .with_transactional_id(transactional_id(&self.transactional_id))
            .with_group_id(group_id(&member.group))
            .with_producer_id(ProducerId(self.id))
            .with_producer_epoch(self.epoch)
            .with_topics(vec![topic]);
        // Old producers know nothing of the group.
        if 3 <= version {
            request = request
                .with_generation_id(member.generation)
                .with_member_id(text(&member.id));
        }
        let response = self.client.call(&request, version)?;
        let topic = response.topics.first().context("a topic in the answer")?;
        let partition = topic.partitions.first();
        Ok(error(
            partition.context("a partition in the answer")?.error_code,
        ))
    }

    /// Commits an offset in the transaction, which begins with it.
    pub(crate) fn commit_offset(
        &mut self,
        member: &Member,
        topic: &str,
        partition: i32,
        offset: i64,
    ) -> anyhow::Result<()> {
        if self.protocol == Protocol::V1 {
            let added = settled_code(|| self.try_add_offsets(&member.group))?;
            ensure!(added.is_none(), "{} not added: {added:?}", member.group);
        }
        let committed = settled_code(|| self.try_commit_offset(member, topic, partition, offset))?;
        ensure!(committed.is_none(), "offset not committed: {committed:?}");
        Ok(())
    }

    /// EndTxn, once. With protocol v2 the producer goes on as the answer says.
    pub(crate) fn try_end(&mut self, is_commit: bool) -> anyhow::Result<Code> {
        let request = EndTxnRequest::default()
            .with_transactional_id(transactional_id(&self.transactional_id))
            .with_producer_id(ProducerId(self.id))
            .with_producer_epoch(self.epoch)
            .with_committed(is_commit);
        let response = self
            .client
            .call(&request, self.protocol.end_txn_version())?;
        let code = error(response.error_code);
        if code.is_none() && self.protocol == Protocol::V2 {
            self.become_((response.producer_id.0, response.producer_epoch));
        }
        Ok(code)
    }

    /// [`Self::try_end`] until nothing else is under way.
    pub(crate) fn settled_end(&mut self, is_commit: bool) -> anyhow::Result<Code> {
        settled_code(|| self.try_end(is_commit))
    }

    /// Ends the transaction.
    pub(crate) fn end(&mut self, is_commit: bool) -> anyhow::Result<()> {
        let ended = self.settled_end(is_commit)?;
        ensure!(ended.is_none(), "not ended ({is_commit}): {ended:?}");
        Ok(())
    }
}

/// What a `read_committed` consumer gets from the beginning.
pub(crate) fn fetched(
    client: &mut Client,
    topic: &str,
    partition: i32,
) -> anyhow::Result<ReadCommitted> {
    read_committed(client.wire(), topic, partition, 0)
}

/// The values that a `read_committed` consumer shows.
pub(crate) fn visible(
    client: &mut Client,
    topic: &str,
    partition: i32,
) -> anyhow::Result<Vec<String>> {
    let records = fetched(client, topic, partition)?.records;
    let texts = records.iter().map(|it| String::from_utf8_lossy(&it.value));
    Ok(texts.map(std::borrow::Cow::into_owned).collect())
}

/// Waits until no transaction is open in the partition, and returns what is visible then.
pub(crate) fn visible_at_the_end(
    client: &mut Client,
    topic: &str,
    partition: i32,
) -> anyhow::Result<Vec<String>> {
    let mut last = fetched(client, topic, partition);
    wait_until(PATIENCE, || {
        last = fetched(client, topic, partition);
        last.as_ref()
            .is_ok_and(|read| read.last_stable_offset == read.high_watermark)
    });
    let last = last?;
    ensure!(
        last.last_stable_offset == last.high_watermark,
        "a transaction stays open at {} of {}",
        last.last_stable_offset,
        last.high_watermark
    );
    visible(client, topic, partition)
}

/// What a consumer finds that insists on stable offsets, in partition 0.
pub(crate) fn stable_offset(
    client: &mut Client,
    group: &str,
    topic: &str,
) -> anyhow::Result<Result<i64, ResponseError>> {
    let topic = OffsetFetchRequestTopics::default()
        .with_name(topic_name(topic))
        .with_partition_indexes(vec![0]);
    let group = OffsetFetchRequestGroup::default()
        .with_group_id(group_id(group))
        .with_member_id(None)
        .with_member_epoch(-1)
        .with_topics(Some(vec![topic]));
    let request = OffsetFetchRequest::default()
        .with_groups(vec![group])
        .with_require_stable(true);
    let response = client.call(&request, 9)?;
    let group = response.groups.first().context("a group in the answer")?;
    assert_eq!(group.error_code, 0);
    let topic = group.topics.first().context("a topic in the answer")?;
    let partition = topic.partitions.first().context("a partition")?;
    Ok(error(partition.error_code).map_or(Ok(partition.committed_offset), Err))
}

/// The same, once the markers of transactions that have ended are there.
pub(crate) fn stable_offset_at_the_end(
    client: &mut Client,
    group: &str,
    topic: &str,
) -> anyhow::Result<Result<i64, ResponseError>> {
    let mut last = stable_offset(client, group, topic);
    wait_until(PATIENCE, || {
        last = stable_offset(client, group, topic);
        !matches!(last, Ok(Err(ResponseError::UnstableOffsetCommit)))
    });
    last
}
