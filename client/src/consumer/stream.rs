//! Records one by one, as a stream.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::Stream;

use super::Consumer;
use super::record::{ConsumerRecord, ConsumerRecords};
use crate::error::ClientError;

/// How long one poll within a stream waits; then the next one follows.
const POLL_TIMEOUT: Duration = Duration::from_secs(5);

type Polling<'a, K, V> = BoxFuture<'a, Result<ConsumerRecords<K, V>, ClientError>>;

/// Records one by one: see [`Consumer::stream`].
#[must_use = "a stream does nothing unless it is polled"]
pub struct RecordStream<'a, K, V> {
    consumer: &'a Consumer<K, V>,
    /// How many records may be handed out before the next poll, which looks after the group.
    left_count: usize,
    polling: Option<Polling<'a, K, V>>,
}

impl<K: Send, V: Send> Consumer<K, V> {
    /// The records one by one. It ends when the consumer is closed. After an error it goes on, as
    /// `poll` would.
    ///
    /// A record counts as processed when the next one is asked for: the position is behind the last
    /// record that was handed out, and no further, for commits of all kinds. Dropping the stream,
    /// or a future that waits for its next record, loses nothing.
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
            left_count: 0,
            polling: None,
        }
    }
}

impl<'a, K: Send, V: Send> RecordStream<'a, K, V> {
    /// A record that is at hand, without a poll.
    fn at_hand(&mut self) -> Result<Option<ConsumerRecord<K, V>>, ClientError> {
        if self.left_count == 0 || self.polling.is_some() {
            return Ok(None);
        }
        self.consumer.shared.check_waiting()?;
        let records = self.consumer.collect(1)?;
        if records.is_empty() {
            self.left_count = 0;
            return Ok(None);
        }
        self.left_count = self.left_count.saturating_sub(1);
        let records = self.consumer.interceptors.on_consume(records);
        Ok(records.into_iter().next())
    }

    fn polled(
        &mut self,
        polled: Result<ConsumerRecords<K, V>, ClientError>,
    ) -> Result<Option<ConsumerRecord<K, V>>, ClientError> {
        self.polling = None;
        let record = polled?.into_iter().next();
        if record.is_some() {
            self.left_count = self.consumer.config().max_poll_records.saturating_sub(1);
        }
        Ok(record)
    }
}

impl<K: Send, V: Send> Stream for RecordStream<'_, K, V> {
    type Item = Result<ConsumerRecord<K, V>, ClientError>;

    fn poll_next(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let found = match self.at_hand() {
                Ok(None) => {
                    let consumer = self.consumer;
                    let polling = self
                        .polling
                        .get_or_insert_with(|| Box::pin(consumer.poll_at_most(1, POLL_TIMEOUT)));
                    let polled = ready!(polling.as_mut().poll(ctx));
                    self.polled(polled)
                }
                found => found,
            };
            match found {
                Ok(Some(record)) => return Poll::Ready(Some(Ok(record))),
                Ok(None) => {}
                Err(ClientError::Closed(_)) => return Poll::Ready(None),
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        }
    }
}

impl<K, V> Unpin for RecordStream<'_, K, V> {}
