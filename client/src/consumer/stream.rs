//! Records one by one, as a stream.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::Stream;

use super::Consumer;
use super::record::{ConsumerRecord, ConsumerRecords, Reached};
use crate::error::ClientError;

/// How long one poll within a stream waits; then the next one follows.
const POLL_TIMEOUT: Duration = Duration::from_secs(5);

type Polling<'a, K, V> = BoxFuture<'a, Result<ConsumerRecords<K, V>, ClientError>>;

/// Records one by one: see [`Consumer::stream`].
#[must_use = "a stream does nothing unless it is polled"]
pub struct RecordStream<'a, K, V> {
    consumer: &'a Consumer<K, V>,
    records: VecDeque<ConsumerRecord<K, V>>,
    reached: Vec<Reached>,
    polling: Option<Polling<'a, K, V>>,
}

impl<K: Send, V: Send> Consumer<K, V> {
    /// The records one by one, polling whenever those of the last poll are read. It ends when the
    /// consumer is closed. After an error it goes on, as `poll` would.
    ///
    /// A record counts as processed (for commits by time, too) when the next one is asked for after
    /// the last of its poll. When the stream is dropped, records that it has not handed out yet are
    /// read again.
    ///
    /// ```no_run
    /// # use futures_util::TryStreamExt;
    /// # use ringbrook_client::{ClientError, consumer::Consumer};
    /// # async fn example(consumer: &Consumer) -> Result<(), ClientError> {
    /// let mut records = consumer.stream();
    /// while let Some(record) = records.try_next().await? {
    ///     println!("{} at {}", record.topic_partition(), record.offset);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn stream(&self) -> RecordStream<'_, K, V> {
        RecordStream {
            consumer: self,
            records: VecDeque::new(),
            reached: Vec::new(),
            polling: None,
        }
    }
}

impl<K: Send, V: Send> Stream for RecordStream<'_, K, V> {
    type Item = Result<ConsumerRecord<K, V>, ClientError>;

    fn poll_next(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(record) = self.records.pop_front() {
                return Poll::Ready(Some(Ok(record)));
            }
            let consumer = self.consumer;
            let polling = self
                .polling
                .get_or_insert_with(|| Box::pin(consumer.poll(POLL_TIMEOUT)));
            let polled = ready!(polling.as_mut().poll(ctx));
            self.polling = None;
            match polled {
                Ok(mut records) => {
                    self.reached = std::mem::take(&mut records.reached);
                    self.records = records.into_iter().collect();
                }
                Err(ClientError::Closed(_)) => return Poll::Ready(None),
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        }
    }
}

impl<K, V> Unpin for RecordStream<'_, K, V> {}

impl<K, V> Drop for RecordStream<'_, K, V> {
    fn drop(&mut self) {
        let records = std::mem::take(&mut self.records);
        self.consumer.put_back(records, &self.reached);
    }
}
