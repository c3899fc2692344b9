//! Where a transactional producer stands.

use std::fmt;

/// Kafka's states of a transactional producer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::producer) enum State {
    /// Before `init_transactions`.
    Uninitialized,
    /// A producer id, or a new epoch, is being asked for.
    Initializing,
    /// A transaction may begin.
    Ready,
    /// Records may be sent.
    InTransaction,
    /// The transaction is being committed.
    Committing,
    /// The transaction is being aborted.
    Aborting,
    /// The transaction can only be aborted; then the producer goes on.
    AbortableError,
    /// The producer can only be closed.
    FatalError,
}

impl State {
    /// Whether `next` may follow. A fatal error may always.
    pub(super) const fn can_become(self, next: Self) -> bool {
        match next {
            Self::Uninitialized => matches!(self, Self::Ready | Self::Initializing),
            Self::Initializing => {
                matches!(
                    self,
                    Self::Uninitialized | Self::Committing | Self::Aborting
                )
            }
            Self::Ready => matches!(self, Self::Initializing | Self::Committing | Self::Aborting),
            Self::InTransaction => matches!(self, Self::Ready),
            Self::Committing => matches!(self, Self::InTransaction),
            Self::Aborting => matches!(self, Self::InTransaction | Self::AbortableError),
            Self::AbortableError => matches!(
                self,
                Self::InTransaction | Self::Committing | Self::AbortableError | Self::Initializing
            ),
            Self::FatalError => true,
        }
    }
}

/// As it reads after "while".
impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Uninitialized => "transactions are not initialized",
            Self::Initializing => "transactions are being initialized",
            Self::Ready => "no transaction is begun",
            Self::InTransaction => "a transaction is begun",
            Self::Committing => "the transaction is being committed",
            Self::Aborting => "the transaction is being aborted",
            Self::AbortableError => "the transaction has to be aborted",
            Self::FatalError => "the producer has failed",
        })
    }
}
