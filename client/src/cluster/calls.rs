//! Requests to the right broker, and attempts until one succeeds.

use std::time::Duration;

use ringbrook_protocol::{Request, ResponseError};
use tokio::time::{Instant, timeout_at};

use super::retries::Retries;
use super::{Cluster, CoordinatorKind};
use crate::error::ClientError;
use crate::net::Connection;

/// Whom a request is for.
#[derive(Debug, Clone, Copy)]
pub enum Target<'a> {
    /// Any broker.
    Any,
    /// The controller, or the broker that forwards to it.
    Controller,
    /// A broker by id.
    Node(i32),
    /// The coordinator of a key.
    Coordinator(CoordinatorKind, &'a str),
}

impl Cluster {
    /// The connection to `target`. One attempt.
    ///
    /// # Errors
    /// It cannot be reached or is not known now: retriable.
    pub async fn connection_to(&self, target: Target<'_>) -> Result<Connection, ClientError> {
        match target {
            Target::Any => self.any_connection().await,
            Target::Node(id) => {
                self.ensure_metadata().await?;
                self.connection(id).await
            }
            Target::Coordinator(kind, key) => self.coordinator_connection(kind, key).await,
            Target::Controller => {
                self.ensure_metadata().await?;
                match self.metadata().controller_id {
                    Some(id) => self.connection(id).await,
                    None => self.any_connection().await,
                }
            }
        }
    }

    /// Sends a request to `target` in the newest version that both sides know and that is not above
    /// `version_max`. One attempt; `build` is told the version.
    ///
    /// # Errors
    /// The broker cannot be reached or does not answer. Error codes inside the answer are the
    /// caller's matter; see [`Cluster::note_error`].
    pub async fn call<R: Request + 'static>(
        &self,
        target: Target<'_>,
        version_max: i16,
        build: impl FnOnce(i16) -> Result<R, ClientError>,
    ) -> Result<R::Response, ClientError> {
        let connection = self.connection_to(target).await?;
        let version = connection.version_up_to::<R>(version_max)?;
        connection.call(version, &build(version)?).await
    }

    /// Draws the conclusion from an error of a request to `target`: what is stale is asked for
    /// again before the next attempt.
    pub fn note_error(&self, target: Target<'_>, error: &ClientError) {
        let stale = match error {
            ClientError::Broker(error) => error.error().is_some_and(is_about_leadership),
            _ => error.is_retriable(),
        };
        if let Target::Coordinator(kind, key) = target
            && (stale || is_about_coordinator(error))
        {
            self.forget_coordinator(kind, key);
        }
        if stale {
            self.request_refresh();
        }
    }

    /// Tries until `deadline`, with growing pauses, as long as errors are retriable.
    ///
    /// # Errors
    /// The first error that is not retriable, or that time is up, with the last error.
    pub async fn retry<T, F>(
        &self,
        what: &str,
        deadline: Instant,
        mut attempt: impl FnMut() -> F,
    ) -> Result<T, ClientError>
    where
        // Not an AsyncFnMut: the compiler could not tell that the caller's future is Send.
        F: Future<Output = Result<T, ClientError>>,
    {
        let mut retries = Retries::new(self, deadline);
        loop {
            let outcome = timeout_at(deadline, attempt()).await;
            if let Some(settled) = retries.settle(outcome) {
                return settled;
            }
            retries.pause(what).await?;
        }
    }

    /// [`Cluster::call`] with retries until `deadline`; `check` finds the error inside an answer.
    ///
    /// # Errors
    /// See [`Cluster::retry`].
    pub async fn call_until<R: Request + 'static, T>(
        &self,
        target: Target<'_>,
        version_max: i16,
        deadline: Instant,
        build: impl Fn(i16) -> Result<R, ClientError>,
        check: impl Fn(R::Response) -> Result<T, ClientError>,
    ) -> Result<T, ClientError> {
        let mut retries = Retries::new(self, deadline);
        loop {
            let asking = self.call(target, version_max, &build);
            let outcome = timeout_at(deadline, asking).await;
            let outcome = outcome.map(|answered| answered.and_then(&check));
            if let Ok(Err(error)) = &outcome {
                self.note_error(target, error);
            }
            if let Some(settled) = retries.settle(outcome) {
                return settled;
            }
            retries
                .pause(&format!("{:?}", crate::net::api_of::<R>()))
                .await?;
        }
    }

    /// `default.api.timeout.ms` and the like, from now.
    #[must_use]
    pub fn deadline(&self, timeout: Duration) -> Instant {
        crate::clock::deadline_after(timeout)
    }
}

/// The node asked may not be the one to ask: Kafka's `InvalidMetadataException`, and what says the
/// same of controllers and epochs.
fn is_about_leadership(error: ResponseError) -> bool {
    matches!(
        error,
        ResponseError::NotLeaderOrFollower
            | ResponseError::LeaderNotAvailable
            | ResponseError::NotController
            | ResponseError::FencedLeaderEpoch
            | ResponseError::UnknownLeaderEpoch
            | ResponseError::UnknownTopicOrPartition
            | ResponseError::UnknownTopicId
            | ResponseError::InconsistentTopicId
            | ResponseError::KafkaStorageError
            | ResponseError::ListenerNotFound
            | ResponseError::ReplicaNotAvailable
            | ResponseError::NetworkException
            | ResponseError::PreferredLeaderNotAvailable
            | ResponseError::EligibleLeadersNotAvailable
            | ResponseError::ElectionNotNeeded
    )
}

fn is_about_coordinator(error: &ClientError) -> bool {
    matches!(
        error.response_error(),
        Some(ResponseError::NotCoordinator | ResponseError::CoordinatorNotAvailable)
    )
}

#[cfg(test)]
mod tests;
