//! The producer's work for one request, without a network and without time passing, for benchmarks
//! and the instruction gate: records into batches, batches into the bytes of requests, answers.
//! Everything is done by the accumulator, the batches and the sequence numbers themselves.
//!
//! Not part of the API: hidden, and it changes as the producer does.

use ringbrook_record::{Codec, RecordError};
use tokio::time::Instant;

use super::accumulator::{Accumulator, AccumulatorSettings, Appended, DrainLimits};
use super::batch::RawRecord;
use super::default_destination;
use super::outcome::Acknowledged;
use super::sequences::{ProducerId, Sequences};
use crate::config::ProducerConfig;
use crate::headers::Headers;
use crate::metadata::TopicMetadata;

/// An idempotent producer of one topic.
pub struct ProducerProbe {
    accumulator: Accumulator,
    sequences: Sequences,
    topic: TopicMetadata,
    codec: Codec,
    level: Option<i32>,
    limits: DrainLimits,
    now: Instant,
    headers: Headers,
}

impl ProducerProbe {
    /// As a producer with this configuration begins that knows the topic; `now` is the time of
    /// everything that is appended.
    #[must_use]
    pub fn new(config: &ProducerConfig, topic: TopicMetadata, now: Instant) -> Self {
        let mut sequences = Sequences::new(false);
        sequences.set_producer(ProducerId { id: 1, epoch: 0 });
        Self {
            accumulator: Accumulator::new(AccumulatorSettings::of(config)),
            sequences,
            topic,
            codec: config.compression_type,
            level: config.compression_level(),
            limits: DrainLimits {
                request_bytes_max: config.max_request_size,
                is_muting: false,
            },
            now,
            headers: Headers::new(),
        }
    }

    /// Puts a record into the batch of its partition, as `send` does once the metadata is there.
    /// Returns whether there was room for it.
    pub fn append(&mut self, key: Option<&[u8]>, value: &[u8]) -> bool {
        let record = RawRecord {
            timestamp: 1_700_000_000_000,
            key,
            value: Some(value),
            headers: &self.headers,
        };
        let destination = default_destination(&self.topic, key);
        let (accumulator, now) = (&mut self.accumulator, self.now);
        let appended = accumulator.append(&self.topic, destination, &record, None, false, || now);
        matches!(appended, Appended::In { .. })
    }

    /// Takes what is ready, seals and numbers it as the sender does, and takes every batch for
    /// written. Returns the bytes of the batches.
    ///
    /// # Errors
    /// A batch cannot be sealed.
    pub fn send_ready(&mut self) -> Result<usize, RecordError> {
        let (topic, now) = (&self.topic, self.now);
        let leader_of = |_: &str, partition: i32| {
            let partition = topic.partition(partition)?;
            Some((partition.leader?, partition.leader_epoch))
        };
        let mut sent_bytes = 0;
        for node in self.accumulator.ready(now, &leader_of).nodes {
            let sequences = Some(&mut self.sequences);
            let limits = self.limits;
            let batches = self
                .accumulator
                .drain(node, now, limits, &leader_of, sequences);
            for mut batch in batches {
                let buffer = match self.codec {
                    Codec::None => Vec::new(),
                    _ => self.accumulator.spare_buffer(),
                };
                let before = batch.size_bytes();
                let spare = batch.seal(self.codec, self.level, buffer, false)?;
                let (key, slot) = (batch.key, batch.slot);
                self.accumulator
                    .compressed(slot, before, batch.size_bytes());
                self.accumulator.give_back(spare);
                let assigned = self.sequences.assigned(slot, key);
                sent_bytes += batch.bytes_as(assigned)?.len();
                self.sequences.acknowledged(slot, key, 0);
                let reserved_bytes = batch.reserved_bytes;
                let buffer = batch.acknowledge(Acknowledged {
                    base_offset: 0,
                    log_append_time: None,
                });
                self.accumulator.release(key, reserved_bytes);
                self.accumulator.give_back(buffer.unwrap_or_default());
            }
        }
        Ok(sent_bytes)
    }
}

#[cfg(test)]
mod tests;
