//! What brokers have answered and the application has not read yet, in the order it came.

use std::collections::VecDeque;

use hashbrown::HashMap;

use super::completed_fetch::CompletedFetch;
use crate::topic_partition::TopicPartition;

/// Completed fetches in order, those of partitions that are paused aside.
#[derive(Debug, Default)]
pub(super) struct FetchBuffer {
    ready: VecDeque<CompletedFetch>,
    parked: HashMap<TopicPartition, VecDeque<CompletedFetch>>,
    /// Bytes in `ready`, by the broker they came from.
    unread_bytes: HashMap<i32, usize>,
}

impl FetchBuffer {
    /// Adds one behind the others.
    pub(super) fn push(&mut self, fetch: CompletedFetch) {
        *self.unread_bytes.entry(fetch.node).or_default() += fetch.unopened_bytes();
        self.ready.push_back(fetch);
    }

    /// Takes the first one.
    pub(super) fn pop(&mut self) -> Option<CompletedFetch> {
        let fetch = self.ready.pop_front()?;
        if let Some(bytes) = self.unread_bytes.get_mut(&fetch.node) {
            *bytes = bytes.saturating_sub(fetch.unopened_bytes());
        }
        Some(fetch)
    }

    /// Puts one aside, behind those of its partition that are there, until [`Self::unpark`].
    pub(super) fn park(&mut self, fetch: CompletedFetch) {
        let parked = self.parked.entry(fetch.partition.clone()).or_default();
        parked.push_back(fetch);
    }

    /// Brings back what was put aside of a partition, before all others.
    pub(super) fn unpark(&mut self, partition: &TopicPartition) {
        let mut parked = self.parked.remove(partition).unwrap_or_default();
        while let Some(fetch) = parked.pop_back() {
            *self.unread_bytes.entry(fetch.node).or_default() += fetch.unopened_bytes();
            self.ready.push_front(fetch);
        }
    }

    /// Drops what is put aside and no longer wanted.
    pub(super) fn retain_parked(&mut self, mut is_wanted: impl FnMut(&CompletedFetch) -> bool) {
        self.parked.retain(|_, parked| {
            parked.retain(&mut is_wanted);
            !parked.is_empty()
        });
    }

    /// Bytes that came from a broker and are not read yet.
    pub(super) fn unread_bytes(&self, node: i32) -> usize {
        self.unread_bytes.get(&node).copied().unwrap_or_default()
    }
}
