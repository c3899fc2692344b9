//! Calls about several items: rounds of requests until every item has succeeded, has failed for
//! good, or time is up. Kafka's `AdminApiDriver` and the retries of `KafkaAdminClient`.
//!
//! A round asks about the items that are still open; which brokers that takes is the caller's
//! matter, with [`Admin::ask`] for one broker and the leaders and coordinators of `targets.rs`.

use std::collections::BTreeMap;

use ringbrook_protocol::{Request, ResponseError};
use tokio::time::Instant;

use super::{Admin, PerItem};
use crate::cluster::{Backoff, Target};
use crate::error::{BrokerError, ClientError};

/// Results of some items of a round.
pub(super) type Answers<K, V> = Vec<(K, Result<V, ClientError>)>;

/// Which error codes of an item are worth another round. Connections that fail always are.
pub(super) type IsRetried = fn(ResponseError) -> bool;

/// What the controller does by itself: only its own moves and quotas are retried.
pub(super) fn at_controller(error: ResponseError) -> bool {
    matches!(
        error,
        ResponseError::NotController | ResponseError::ThrottlingQuotaExceeded
    )
}

/// What any replica or any node answers from what it knows.
pub(super) fn never(_: ResponseError) -> bool {
    false
}

/// What the coordinators of groups and transactions answer: only their own comings and goings are
/// retried.
pub(super) fn at_coordinator(error: ResponseError) -> bool {
    matches!(
        error,
        ResponseError::CoordinatorLoadInProgress
            | ResponseError::CoordinatorNotAvailable
            | ResponseError::NotCoordinator
    )
}

/// What leaders answer: all that Kafka calls retriable.
pub(super) fn retriable(error: ResponseError) -> bool {
    crate::error::is_retriable(error)
}

/// A call under way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call {
    pub(super) what: &'static str,
    pub(super) deadline: Instant,
    pub(super) is_retried: IsRetried,
}

impl Call {
    fn is_open(self, error: &ClientError) -> bool {
        match error {
            ClientError::Broker(error) => error.error().is_some_and(self.is_retried),
            error => error.is_retriable(),
        }
    }

    /// What is left of the time, as the wire has it, up to `request.timeout.ms`.
    pub(super) fn timeout_ms(self, admin: &Admin) -> i32 {
        let left = self.deadline.saturating_duration_since(Instant::now());
        let left = left.min(admin.cluster.config().request_timeout);
        i32::try_from(left.as_millis()).unwrap_or(i32::MAX)
    }
}

impl Admin {
    /// A call that begins now.
    pub(super) fn begin(&self, what: &'static str, is_retried: IsRetried) -> Call {
        Call {
            what,
            deadline: self.deadline(),
            is_retried,
        }
    }

    /// Rounds of `round` over `items` until all are settled or time is up.
    pub(super) async fn drive<K: Ord + Clone, V, F: Future<Output = Answers<K, V>>>(
        &self,
        call: Call,
        items: impl IntoIterator<Item = K>,
        mut round: impl FnMut(Vec<K>) -> F,
    ) -> PerItem<K, V> {
        let started = Instant::now();
        let mut backoff = Backoff::of_retries(self.cluster.config());
        let mut open: BTreeMap<K, Option<ClientError>> =
            items.into_iter().map(|item| (item, None)).collect();
        let mut settled = BTreeMap::new();
        while !open.is_empty() {
            let asked: Vec<K> = open.keys().cloned().collect();
            for (item, result) in round(asked).await {
                // An answer about something that was not asked for, or twice, changes nothing.
                let Some(last) = open.get_mut(&item) else {
                    continue;
                };
                match result {
                    Err(error) if call.is_open(&error) => *last = Some(error),
                    result => {
                        open.remove(&item);
                        settled.insert(item, result);
                    }
                }
            }
            let pause = backoff.next_pause();
            if call.deadline <= Instant::now() + pause {
                break;
            }
            if !open.is_empty() {
                tokio::time::sleep(pause).await;
            }
        }
        let timed_out = open.into_iter().map(|(item, last)| {
            let error = ClientError::Timeout {
                what: call.what.to_owned(),
                after: call.deadline.saturating_duration_since(started),
                last: last.map(Box::new),
            };
            (item, Err(error))
        });
        settled.into_iter().chain(timed_out).collect()
    }

    /// Rounds of one request about one thing, until it has succeeded or failed for good.
    pub(super) async fn drive_one<R: Request + 'static, V>(
        &self,
        call: Call,
        target: Target<'_>,
        build: impl Fn(i16) -> Result<R, ClientError>,
        read: impl Fn(R::Response) -> Result<V, ClientError>,
    ) -> Result<V, ClientError> {
        let (build, read) = (&build, &read);
        let driven = self.drive(call, [()], async |open: Vec<()>| {
            let read = |answer| Ok(vec![((), read(answer))]);
            self.ask(call, target, &open, build, read).await
        });
        driven.await.only(&())
    }

    /// One request about several items to one broker. What fails it as a whole fails each item;
    /// an item that the answer leaves out has failed too.
    pub(super) async fn ask<R: Request + 'static, K: Ord + Clone, V>(
        &self,
        call: Call,
        target: Target<'_>,
        items: &[K],
        build: impl FnOnce(i16) -> Result<R, ClientError>,
        read: impl FnOnce(R::Response) -> Result<Answers<K, V>, ClientError>,
    ) -> Answers<K, V> {
        let answered = self.ask_one(call, target, build).await.and_then(read);
        if let Err(error) = &answered {
            self.cluster.note_error(target, error);
        }
        let answers = match answered {
            Ok(answers) => answers,
            Err(error) => return to_each(items, &error),
        };
        for (_, result) in &answers {
            if let Err(error) = result {
                self.cluster.note_error(target, error);
            }
        }
        with_left_out(call, items, answers)
    }

    /// One request to one broker, not beyond the call's deadline.
    pub(super) async fn ask_one<R: Request + 'static>(
        &self,
        call: Call,
        target: Target<'_>,
        build: impl FnOnce(i16) -> Result<R, ClientError>,
    ) -> Result<R::Response, ClientError> {
        let asking = self.cluster.call(target, i16::MAX, build);
        tokio::time::timeout_at(call.deadline, asking)
            .await
            .unwrap_or_else(|_| Err(self.timed_out(call)))
    }

    pub(super) fn timed_out(&self, call: Call) -> ClientError {
        ClientError::Timeout {
            what: call.what.to_owned(),
            after: self.config.default_api_timeout,
            last: None,
        }
    }
}

/// The same error for each item.
pub(super) fn to_each<K: Clone, V>(items: &[K], error: &ClientError) -> Answers<K, V> {
    let items = items.iter();
    items
        .map(|item| (item.clone(), Err(error.clone())))
        .collect()
}

fn with_left_out<K: Ord + Clone, V>(
    call: Call,
    items: &[K],
    mut answers: Answers<K, V>,
) -> Answers<K, V> {
    let left_out: Vec<K> = {
        let answered: std::collections::BTreeSet<&K> =
            answers.iter().map(|(item, _)| item).collect();
        let items = items.iter().filter(|item| !answered.contains(item));
        items.cloned().collect()
    };
    let error = BrokerError::new(ResponseError::UnknownServerError.code(), call.what)
        .with_message(Some("the answer leaves out what was asked for"));
    answers.extend(to_each(&left_out, &error.into()));
    answers
}

/// The error of an answer's code, unless it is 0.
pub(super) fn checked(
    code: i16,
    message: Option<&str>,
    subject: impl FnOnce() -> String,
) -> Result<(), ClientError> {
    if code == 0 {
        return Ok(());
    }
    Err(BrokerError::new(code, subject())
        .with_message(message)
        .into())
}
