//! The consumer's work for the records of one answer, without a network, for benchmarks and the
//! instruction gate. It is done by `CompletedFetch` and `Decode` themselves.
//!
//! Not part of the API: hidden, and it changes as the consumer does.

use bytes::Bytes;
use ringbrook_record::DecoderContext;

use super::aborted_transactions::AbortedTransactions;
use super::completed_fetch::{CompletedFetch, ReadSettings};
use super::decode::Decode;
use super::record::ConsumerRecord;
use crate::config::ConsumerConfig;
use crate::error::ClientError;
use crate::serialization::BytesSerializer;
use crate::topic_partition::TopicPartition;

/// A consumer of one partition, with keys and values as bytes.
pub struct ConsumerProbe {
    decode: Decode<Bytes, Bytes>,
    decoder: DecoderContext,
    settings: ReadSettings,
    partition: TopicPartition,
}

impl ConsumerProbe {
    /// As a consumer with this configuration begins.
    #[must_use]
    pub fn new(config: &ConsumerConfig) -> Self {
        Self {
            decode: Decode {
                key: Box::new(BytesSerializer),
                value: Box::new(BytesSerializer),
            },
            decoder: DecoderContext::new(),
            settings: ReadSettings::of(config),
            partition: TopicPartition::new("orders", 0),
        }
    }

    /// All records of an answer with these batches, the first of which begins at offset 0.
    ///
    /// # Errors
    /// A batch or a record cannot be read.
    pub fn read(&mut self, batches: Bytes) -> Result<Vec<ConsumerRecord>, ClientError> {
        let aborted = AbortedTransactions::default();
        let partition = self.partition.clone();
        let mut fetch = CompletedFetch::new(partition, 0, 0, (0, None), batches, aborted);
        let mut records = Vec::with_capacity(fetch.records_count_hint());
        fetch.drain(
            &mut records,
            usize::MAX,
            &self.decode,
            self.settings,
            &mut self.decoder,
        )?;
        Ok(records)
    }
}

#[cfg(test)]
mod tests;
