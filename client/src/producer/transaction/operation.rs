//! What the application asked for, and how it ended.

use std::fmt;
use std::sync::Arc;

use tokio::sync::watch;

use crate::error::ClientError;

/// What takes requests to coordinators and is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::producer) enum Operation {
    InitTransactions,
    SendOffsetsToTransaction,
    CommitTransaction,
    AbortTransaction,
}

/// By the name of the method.
impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InitTransactions => "init_transactions",
            Self::SendOffsetsToTransaction => "send_offsets_to_transaction",
            Self::CommitTransaction => "commit_transaction",
            Self::AbortTransaction => "abort_transaction",
        })
    }
}

/// How an operation ended, once it has. Clones are the same outcome: whoever stopped waiting may
/// wait again.
#[derive(Debug, Clone)]
pub(in crate::producer) struct Outcome(Arc<watch::Sender<Option<Result<(), ClientError>>>>);

impl Outcome {
    pub(super) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(None)))
    }

    /// Ends it well, unless it has ended.
    pub(super) fn done(&self) {
        self.end(Ok(()));
    }

    /// Ends it with an error, unless it has ended.
    pub(super) fn fail(&self, error: ClientError) {
        self.end(Err(error));
    }

    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    fn end(&self, result: Result<(), ClientError>) {
        self.0.send_if_modified(|outcome| {
            let is_first = outcome.is_none();
            if is_first {
                *outcome = Some(result);
            }
            is_first
        });
    }

    /// How it ended, if it has.
    pub(in crate::producer) fn result(&self) -> Option<Result<(), ClientError>> {
        self.0.borrow().clone()
    }

    /// Waits for the end.
    pub(in crate::producer) async fn wait(&self) -> Result<(), ClientError> {
        let mut changes = self.0.subscribe();
        loop {
            if let Some(result) = changes.borrow_and_update().clone() {
                return result;
            }
            // The sender lives in `self`, so this waits for its next value and nothing else.
            if changes.changed().await.is_err() {
                return Err(ClientError::Closed("producer"));
            }
        }
    }
}
