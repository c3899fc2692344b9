//! `poll`: from the buffer to the application.
//!
//! Nothing is awaited between taking records out of the buffer and returning them, so that dropping
//! a poll loses nothing.

use std::sync::PoisonError;
use std::time::Duration;

use ringbrook_record::DecoderContext;
use tokio::time::Instant;

use super::Consumer;
use super::completed_fetch::{CompletedFetch, ReadSettings};
use super::coordinator::Coordinator;
use super::fetch_plan::PREFETCH_BYTES;
use super::offset::OffsetAndMetadata;
use super::partition_state::FetchPosition;
use super::record::{ConsumerRecords, Reached};
use super::shared::{Shared, State};
use super::subscription_state::Subscription;
use crate::clock::deadline_after;
use crate::error::ClientError;

/// A poll that waits does not look after its group more often, however short the intervals are.
const LOOK_AGAIN_MIN: Duration = Duration::from_millis(10);

/// What is read now, and what reading needs. One poll at a time has it.
#[derive(Default)]
pub(super) struct Drain {
    current: Option<CompletedFetch>,
    decoder: DecoderContext,
}

/// What to do with buffered records.
enum Verdict {
    Read,
    /// The partition is paused, or its position is being confirmed.
    Park,
    /// The partition was revoked, or reading goes on elsewhere.
    Drop,
}

impl<K, V> Consumer<K, V> {
    /// Records that have been read meanwhile, up to `max.poll.records`; waits up to `timeout` while
    /// there are none. With a group this is also what keeps the member alive: rebalance listeners
    /// run within it, and what the previous poll returned counts as processed.
    ///
    /// Dropping the future loses nothing: records are taken out of the buffer only when they are
    /// returned, and a listener that runs goes on with the next poll.
    ///
    /// # Errors
    /// [`ClientError::Wakeup`] after [`Consumer::wakeup`]; a position that is gone or cannot be
    /// found, records that cannot be read, an error of the group. After each the consumer may be
    /// used further: the same error comes again until its cause is removed, as by a seek. Only what
    /// puts the member out of a group of the consumer protocol for good comes once, as in Kafka's
    /// own client: nothing is read after it unless the application unsubscribes and subscribes.
    pub async fn poll(&self, timeout: Duration) -> Result<ConsumerRecords<K, V>, ClientError> {
        self.poll_at_most(self.shared.config.max_poll_records, timeout)
            .await
    }

    pub(super) async fn poll_at_most(
        &self,
        count_max: usize,
        timeout: Duration,
    ) -> Result<ConsumerRecords<K, V>, ClientError> {
        let deadline = deadline_after(timeout);
        // Who finds records every time never waits; the tasks that bring them have to run, too.
        tokio::task::consume_budget().await;
        loop {
            self.shared.check_waiting()?;
            self.check_subscribed()?;
            let ready = self.shared.poll_ready();
            if let Some(coordinator) = &self.coordinator {
                coordinator.on_poll(deadline).await?;
            }
            let records = self.collect(count_max)?;
            if !records.is_empty() {
                return Ok(self.interceptors.on_consume(records));
            }
            let until = self.look_again_at().map_or(deadline, |at| at.min(deadline));
            let is_late = tokio::time::timeout_at(until, ready).await.is_err();
            if is_late && deadline <= Instant::now() {
                return Ok(records);
            }
        }
    }

    /// When a poll that waits has to tell its group that it still does, and to commit by time.
    fn look_again_at(&self) -> Option<Instant> {
        self.coordinator.as_ref()?;
        let config = &self.shared.config;
        let alive = config.max_poll_interval / 2;
        let commit = config
            .enable_auto_commit
            .then_some(config.auto_commit_interval);
        let within = commit.map_or(alive, |it| it.min(alive));
        Some(deadline_after(within.max(LOOK_AGAIN_MIN)))
    }

    fn check_subscribed(&self) -> Result<(), ClientError> {
        let state = self.shared.lock();
        if matches!(state.subscriptions.subscription(), Subscription::None) {
            return Err(ClientError::IllegalState(
                "nothing to poll: subscribe to topics or assign partitions first".to_owned(),
            ));
        }
        Ok(())
    }

    /// What is in the buffer now.
    pub(super) fn collect(&self, count_max: usize) -> Result<ConsumerRecords<K, V>, ClientError> {
        let mut drain = self.drain.lock().unwrap_or_else(PoisonError::into_inner);
        let Drain { current, decoder } = &mut *drain;
        let settings = ReadSettings::of(&self.shared.config);
        let mut records = Vec::new();
        let mut reached: Vec<Reached> = Vec::new();
        while records.len() < count_max {
            let Some(mut fetch) = next_readable(&self.shared, current.take()) else {
                break;
            };
            let before = records.len();
            let wanted = count_max - before;
            if records.is_empty() {
                records.reserve(wanted.min(fetch.records_count_hint()));
            }
            let drained = fetch.drain(&mut records, wanted, &self.decode, settings, decoder);
            let Some(now_at) = publish_position(&mut self.shared.lock(), &fetch) else {
                // A seek came between; these are not the records to read any more.
                records.truncate(before);
                continue;
            };
            reached.retain(|it| it.partition != now_at.partition);
            reached.push(now_at);
            if drained.is_err() || !fetch.is_drained() {
                *current = Some(fetch);
            }
            if let Err(error) = drained {
                if records.is_empty() {
                    return Err(error);
                }
                // It comes again with the next poll.
                return Ok(ConsumerRecords::new(records, reached));
            }
        }
        if records.is_empty()
            && let Some(error) = self.shared.lock().take_error()
        {
            return Err(error);
        }
        Ok(ConsumerRecords::new(records, reached))
    }
}

/// The fetch to read from: the one at hand, or the next in the buffer whose partition may be read.
fn next_readable(shared: &Shared, mut current: Option<CompletedFetch>) -> Option<CompletedFetch> {
    let mut state = shared.lock();
    let mut is_room = false;
    let found = loop {
        let fetch = match current.take() {
            Some(fetch) => fetch,
            None => {
                let Some(fetch) = state.buffer.pop() else {
                    break None;
                };
                let unread = state.buffer.unread_bytes(fetch.node);
                let before = unread.saturating_add(fetch.unopened_bytes());
                is_room |= unread < PREFETCH_BYTES && PREFETCH_BYTES <= before;
                fetch
            }
        };
        match verdict_on(&state, &fetch) {
            Verdict::Read => break Some(fetch),
            Verdict::Park => state.buffer.park(fetch),
            Verdict::Drop => {}
        }
    };
    drop(state);
    if is_room {
        shared.plan_anew();
    }
    found
}

fn verdict_on(state: &State, fetch: &CompletedFetch) -> Verdict {
    match state.subscriptions.partition(&fetch.partition) {
        Some(known) if known.generation != fetch.generation => Verdict::Drop,
        Some(known) if known.is_readable() => Verdict::Read,
        Some(_) => Verdict::Park,
        None => Verdict::Drop,
    }
}

/// Moves the position behind what was read; nothing when the partition is read elsewhere by now.
fn publish_position(state: &mut State, fetch: &CompletedFetch) -> Option<Reached> {
    let known = state.subscriptions.partition_mut(&fetch.partition)?;
    let position = known
        .position
        .filter(|_| known.generation == fetch.generation)?;
    let (offset, offset_epoch) = fetch.position();
    known.position = Some(FetchPosition {
        offset,
        offset_epoch,
        ..position
    });
    Some(Reached {
        partition: fetch.partition.clone(),
        next: OffsetAndMetadata::new(offset).with_leader_epoch(offset_epoch),
    })
}
