//! What becomes of a batch, shared between the batch and everybody who waits for one of its
//! records: one allocation per batch, none per record.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use hashbrown::HashMap;

use crate::error::ClientError;

/// Where the records of a batch are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Acknowledged {
    /// The offset of the first record, or -1 when nobody knows it.
    pub(super) base_offset: i64,
    /// The broker's time when the topic has LogAppendTime.
    pub(super) log_append_time: Option<i64>,
}

/// Why the records of a batch were not written.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    /// For all records that have none of their own.
    pub(super) error: ClientError,
    /// By the record's index in the batch (KIP-467).
    pub(super) records: HashMap<u32, ClientError>,
}

impl Failure {
    pub(super) fn of_record(&self, index: u32) -> ClientError {
        let own = self.records.get(&index);
        own.unwrap_or(&self.error).clone()
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let records = HashMap::new();
        Self { error, records }
    }
}

/// What becomes of a batch.
pub(super) struct Outcome {
    pub(super) topic: Arc<str>,
    pub(super) partition: i32,
    state: Mutex<State>,
}

enum State {
    /// With those who wait; a waiter keeps its place.
    Open(Vec<Option<Waker>>),
    Acknowledged(Acknowledged),
    Failed(Failure),
    /// It was too large and went on as several: each with the index of its first record.
    Split(Vec<(u32, Arc<Outcome>)>),
}

/// What is known of one record.
pub(super) enum OfRecord {
    Done(Result<(i64, Option<i64>), ClientError>),
    /// It is in another batch now, at this index.
    Moved(Arc<Outcome>, u32),
}

impl Outcome {
    pub(super) fn new(topic: Arc<str>, partition: i32) -> Arc<Self> {
        Arc::new(Self {
            topic,
            partition,
            state: Mutex::new(State::Open(Vec::new())),
        })
    }

    /// What is known of the record at `index`. `place` is the waiter's, none at first.
    pub(super) fn poll_record(
        &self,
        index: u32,
        place: &mut Option<usize>,
        ctx: &Context<'_>,
    ) -> Poll<OfRecord> {
        let mut state = self.lock();
        Poll::Ready(match &mut *state {
            State::Open(waiting) => {
                wait(waiting, place, ctx);
                return Poll::Pending;
            }
            State::Acknowledged(it) => {
                let offset = match it.base_offset {
                    -1 => -1,
                    base_offset => base_offset + i64::from(index),
                };
                OfRecord::Done(Ok((offset, it.log_append_time)))
            }
            State::Failed(failure) => OfRecord::Done(Err(failure.of_record(index))),
            State::Split(parts) => {
                *place = None;
                // Parts are in the order of their records, and the first begins at 0.
                let after = parts.partition_point(|(first, _)| *first <= index);
                let (first, part) = &parts[after - 1];
                OfRecord::Moved(Arc::clone(part), index - first)
            }
        })
    }

    /// Waits until all records are written or given up, also those that went on elsewhere.
    pub(super) async fn done(self: Arc<Self>) {
        let mut open = vec![self];
        while let Some(outcome) = open.pop() {
            let mut place = None;
            let parts = std::future::poll_fn(|ctx| outcome.poll_done(&mut place, ctx)).await;
            open.extend(parts);
        }
    }

    fn poll_done(&self, place: &mut Option<usize>, ctx: &Context<'_>) -> Poll<Vec<Arc<Self>>> {
        match &mut *self.lock() {
            State::Open(waiting) => {
                wait(waiting, place, ctx);
                Poll::Pending
            }
            State::Split(parts) => {
                let parts = parts.iter().map(|(_, part)| Arc::clone(part));
                Poll::Ready(parts.collect())
            }
            State::Acknowledged(_) | State::Failed(_) => Poll::Ready(Vec::new()),
        }
    }

    pub(super) fn acknowledge(&self, acknowledged: Acknowledged) {
        self.resolve(State::Acknowledged(acknowledged));
    }

    pub(super) fn fail(&self, failure: Failure) {
        self.resolve(State::Failed(failure));
    }

    pub(super) fn split(&self, parts: Vec<(u32, Arc<Outcome>)>) {
        assert!(
            parts.first().is_some_and(|(first, _)| *first == 0),
            "the first part of a split batch begins elsewhere"
        );
        self.resolve(State::Split(parts));
    }

    fn resolve(&self, resolved: State) {
        let before = {
            let mut state = self.lock();
            assert!(
                matches!(*state, State::Open(_)),
                "the outcome of a batch of {}-{} was decided twice",
                self.topic,
                self.partition
            );
            std::mem::replace(&mut *state, resolved)
        };
        if let State::Open(waiting) = before {
            waiting.into_iter().flatten().for_each(Waker::wake);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wait(waiting: &mut Vec<Option<Waker>>, place: &mut Option<usize>, ctx: &Context<'_>) {
    match place.and_then(|place| waiting.get_mut(place)) {
        Some(Some(waker)) if waker.will_wake(ctx.waker()) => {}
        Some(waker) => *waker = Some(ctx.waker().clone()),
        None => {
            *place = Some(waiting.len());
            waiting.push(Some(ctx.waker().clone()));
        }
    }
}
