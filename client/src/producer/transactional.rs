//! Transactions as the application sees them: the methods of a producer with `transactional.id`.

use std::sync::Arc;

use super::Producer;
use super::transaction::{Outcome, Transactions};
use crate::error::ClientError;
use crate::group_metadata::ConsumerGroupMetadata;
use crate::offset_and_metadata::OffsetAndMetadata;
use crate::topic_partition::TopicPartition;

/// Transactions: the records sent, and the offsets given, between [`begin_transaction`] and
/// [`commit_transaction`] are seen by consumers with `isolation.level=read_committed` all or not at
/// all. They need `transactional.id` in the configuration.
///
/// An error that [`is_abortable`] (KIP-1050) asks for [`abort_transaction`]; then another
/// transaction may begin. One that [`is_fatal`] asks for the end: close this producer, and make
/// another. Whoever stops waiting for one of these methods, or gets a timeout, has to call it again
/// to its end; nothing is done twice.
///
/// ```no_run
/// use ringbrook_client::config::ProducerConfig;
/// use ringbrook_client::producer::{Producer, ProducerRecord};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let mut config = ProducerConfig::new(vec!["localhost:9092".parse()?]);
/// config.transactional_id = Some("payments-1".to_owned());
/// let producer = Producer::builder(config).build()?;
/// producer.init_transactions().await?;
/// producer.begin_transaction()?;
/// drop(producer.send(ProducerRecord::new("debits", "7 from A".into())).await?);
/// drop(producer.send(ProducerRecord::new("credits", "7 to B".into())).await?);
/// if let Err(error) = producer.commit_transaction().await {
///     if !error.is_abortable() {
///         return Err(error.into());
///     }
///     producer.abort_transaction().await?;
/// }
/// # Ok(())
/// # }
/// ```
///
/// [`begin_transaction`]: Producer::begin_transaction
/// [`commit_transaction`]: Producer::commit_transaction
/// [`abort_transaction`]: Producer::abort_transaction
/// [`is_abortable`]: ClientError::is_abortable
/// [`is_fatal`]: ClientError::is_fatal
impl<K: 'static, V: 'static> Producer<K, V> {
    /// Gets the producer its id and epoch. Any other producer with the same `transactional.id` is
    /// fenced from now on, and what it has begun is aborted. To be called once, before everything
    /// else.
    ///
    /// # Errors
    /// There is no `transactional.id`, it has been called before, it is not allowed, or the
    /// coordinator does not answer within `max.block.ms`.
    pub async fn init_transactions(&self) -> Result<(), ClientError> {
        self.run("init_transactions", Transactions::init_transactions)
            .await
    }

    /// Begins a transaction. No request is sent.
    ///
    /// # Errors
    /// Transactions are not initialized, one is begun already, the last one was not waited for to
    /// its end, or the producer has failed.
    pub fn begin_transaction(&self) -> Result<(), ClientError> {
        let transactions = self.handle.shared.transactions();
        transactions.ok_or_else(without_id)?.begin_transaction()
    }

    /// Commits offsets of a consumer's group with the transaction: those of the next records to be
    /// read. The consumer itself must not commit them. They count when the transaction is
    /// committed.
    ///
    /// # Errors
    /// No transaction is begun; the group's member was replaced, which has the transaction aborted;
    /// or the coordinators do not answer within `max.block.ms`.
    pub async fn send_offsets_to_transaction(
        &self,
        offsets: impl IntoIterator<Item = (TopicPartition, OffsetAndMetadata)>,
        group: &ConsumerGroupMetadata,
    ) -> Result<(), ClientError> {
        let offsets: Vec<_> = offsets.into_iter().collect();
        if group.group_id.is_empty() {
            let error = "offsets of a transaction belong to a group: group.id is empty";
            return Err(ClientError::InvalidArgument(error.to_owned()));
        }
        if 0 < group.generation_id && group.member_id.is_empty() {
            let error = "the metadata of a group names a generation but no member";
            return Err(ClientError::InvalidArgument(error.to_owned()));
        }
        if offsets.is_empty() {
            return Ok(());
        }
        let group = Arc::new(group.clone());
        self.run("send_offsets_to_transaction", |transactions| {
            transactions.send_offsets(offsets, group)
        })
        .await
    }

    /// Sends what is buffered, waits until all of it is acknowledged, and commits. After success
    /// all of it will be seen, though perhaps a moment later.
    ///
    /// # Errors
    /// Some record of the transaction was not written, or the coordinator refuses: abort it, unless
    /// the error is fatal. Or there is no answer within `max.block.ms`: nobody knows yet whether it
    /// is committed, and this has to be called again.
    pub async fn commit_transaction(&self) -> Result<(), ClientError> {
        self.run("commit_transaction", Transactions::commit_transaction)
            .await
    }

    /// Aborts: what is not sent yet is given up with [`ClientError::TransactionAborted`], and what
    /// was sent will not be seen.
    ///
    /// # Errors
    /// No transaction is begun, the producer has failed, or there is no answer within
    /// `max.block.ms`; then it has to be called again.
    pub async fn abort_transaction(&self) -> Result<(), ClientError> {
        self.run("abort_transaction", Transactions::abort_transaction)
            .await
    }

    async fn run(
        &self,
        what: &str,
        begin: impl FnOnce(&mut Transactions) -> Result<Outcome, ClientError>,
    ) -> Result<(), ClientError> {
        let shared = &self.handle.shared;
        if *shared.ended.borrow() {
            return Err(ClientError::Closed("producer"));
        }
        let outcome = begin(&mut *shared.transactions().ok_or_else(without_id)?)?;
        shared.wake.notify_one();
        let max_block = shared.config.max_block;
        let waited = tokio::time::timeout(max_block, outcome.wait()).await;
        let mut transactions = shared.transactions().ok_or_else(without_id)?;
        match waited {
            Ok(result) => {
                transactions.acknowledge(&outcome);
                result
            }
            Err(_) => Err(ClientError::Timeout {
                what: what.to_owned(),
                after: max_block,
                last: transactions.passing_error().cloned().map(Box::new),
            }),
        }
    }
}

fn without_id() -> ClientError {
    let error = "the producer is not transactional: transactional.id is not set";
    ClientError::IllegalState(error.to_owned())
}
