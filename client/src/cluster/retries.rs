//! Attempts until one succeeds: what is tried again, when, and until when.

use std::time::Duration;

use tokio::time::Instant;
use tokio::time::error::Elapsed;

use super::{Backoff, Cluster};
use crate::error::ClientError;

/// Attempts at one thing. A loop around it, not a function that takes a closure: futures of async
/// closures that borrow cannot be spawned.
pub(crate) struct Retries {
    started: Instant,
    deadline: Instant,
    backoff: Backoff,
    last: Option<Box<ClientError>>,
}

impl Retries {
    pub(crate) fn new(cluster: &Cluster, deadline: Instant) -> Self {
        Self {
            started: Instant::now(),
            deadline,
            backoff: Backoff::of_retries(cluster.config()),
            last: None,
        }
    }

    /// Takes what an attempt came to; returns it when there is to be no other.
    pub(crate) fn settle<T>(
        &mut self,
        outcome: Result<Result<T, ClientError>, Elapsed>,
    ) -> Option<Result<T, ClientError>> {
        match outcome {
            Ok(Err(error)) if error.is_retriable() => {
                self.last = Some(Box::new(error));
                None
            }
            Ok(settled) => Some(settled),
            Err(_) => None,
        }
    }

    /// Waits for the next attempt.
    ///
    /// # Errors
    /// Time would be up by then; carries the last error.
    pub(crate) async fn pause(&mut self, what: &str) -> Result<(), ClientError> {
        let pause: Duration = self.backoff.next_pause();
        if self.deadline <= Instant::now() + pause {
            return Err(ClientError::Timeout {
                what: what.to_owned(),
                after: self.deadline.saturating_duration_since(self.started),
                last: self.last.take(),
            });
        }
        tokio::time::sleep(pause).await;
        Ok(())
    }
}
