//! The requests of one connection that wait for answers, and what time does to them.
//!
//! Pure: answers and time come in, what to do comes out. Answers come in the order of requests;
//! correlation ids only prove it.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use ringbrook_protocol::messages::ApiKey;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::error::ClientError;

/// What a request is answered with: a frame without its length.
pub(super) type Answer = oneshot::Sender<Result<Bytes, ClientError>>;

/// A request that waits for its answer.
#[derive(Debug)]
pub(super) struct Awaited {
    pub(super) correlation_id: i32,
    pub(super) api: ApiKey,
    /// When it has taken too long.
    pub(super) deadline: Instant,
    pub(super) timeout: Duration,
    pub(super) answer: Answer,
}

/// The requests that wait, oldest first.
#[derive(Debug)]
pub(super) struct InFlight {
    queue: VecDeque<Awaited>,
    /// How long the connection may be of no use.
    max_idle: Option<Duration>,
    used_at: Instant,
    /// When [`InFlight::expired`] is going to be asked next.
    wakes_at: Instant,
    /// Why nothing is sent any more.
    ended: Option<String>,
}

/// Why time ends a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expired {
    /// An answer did not come.
    Unanswered { api: ApiKey, timeout: Duration },
    /// Nothing was sent or answered for `connections.max.idle.ms`.
    Idle,
}

impl InFlight {
    pub(super) fn new(max_idle: Option<Duration>, now: Instant) -> Self {
        Self {
            queue: VecDeque::new(),
            max_idle,
            used_at: now,
            wakes_at: now,
            ended: None,
        }
    }

    /// Why the connection has ended, if it has.
    pub(super) fn ended(&self) -> Option<&str> {
        self.ended.as_deref()
    }

    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    /// Something is sent now.
    pub(super) fn touch(&mut self, now: Instant) {
        self.used_at = now;
    }

    /// Something is sent now that is answered. Says whether [`InFlight::next_wake`] has come
    /// nearer.
    pub(super) fn push(&mut self, awaited: Awaited) -> bool {
        let is_nearer = awaited.deadline < self.wakes_at;
        self.queue.push_back(awaited);
        is_nearer
    }

    /// Takes the request that was sent last back: it never left.
    pub(super) fn take_back(&mut self) {
        self.queue.pop_back();
    }

    /// The oldest request, which an answer that comes now belongs to.
    pub(super) fn pop(&mut self, now: Instant) -> Option<Awaited> {
        self.used_at = now;
        self.queue.pop_front()
    }

    /// Whether somebody still wants an answer.
    pub(super) fn is_awaited(&self) -> bool {
        self.queue.iter().any(|it| !it.answer.is_closed())
    }

    /// When to ask [`InFlight::expired`] next: never, when nothing waits and idleness is no reason.
    pub(super) fn next_wake(&mut self) -> Option<Instant> {
        let deadline = self.queue.iter().map(|it| it.deadline).min();
        let idle_at = || self.used_at.checked_add(self.max_idle?);
        let wakes_at = deadline.or_else(idle_at);
        // Whatever is sent next comes nearer than never.
        let far = self.used_at + Duration::from_hours(24 * 365);
        self.wakes_at = wakes_at.unwrap_or(far);
        wakes_at
    }

    /// What time has ended by now.
    pub(super) fn expired(&self, now: Instant) -> Option<Expired> {
        if let Some(late) = self.queue.iter().find(|it| it.deadline <= now) {
            return Some(Expired::Unanswered {
                api: late.api,
                timeout: late.timeout,
            });
        }
        let idle_at = self.used_at.checked_add(self.max_idle?)?;
        (self.queue.is_empty() && idle_at <= now).then_some(Expired::Idle)
    }

    /// Nothing is sent any more. Returns what waits, once.
    pub(super) fn end(&mut self, reason: &str) -> Option<VecDeque<Awaited>> {
        if self.ended.is_some() {
            return None;
        }
        self.ended = Some(reason.to_owned());
        Some(std::mem::take(&mut self.queue))
    }
}
