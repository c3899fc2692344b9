//! Where a transaction stands, by Kafka's names.

use std::fmt;

/// Where a transaction stands (`TransactionState`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum TransactionState {
    /// It is open.
    Ongoing,
    /// It is being aborted.
    PrepareAbort,
    /// It is being committed.
    PrepareCommit,
    /// It is aborted.
    CompleteAbort,
    /// It is committed.
    CompleteCommit,
    /// The producer has not begun one.
    Empty,
    /// Its producer is being fenced.
    PrepareEpochFence,
    /// A state that this client does not know, in the broker's words.
    Unknown(String),
}

impl TransactionState {
    /// From the broker's or a user's words; upper and lower case are the same.
    #[must_use]
    pub fn of_name(name: &str) -> Self {
        let known = [
            Self::Ongoing,
            Self::PrepareAbort,
            Self::PrepareCommit,
            Self::CompleteAbort,
            Self::CompleteCommit,
            Self::Empty,
            Self::PrepareEpochFence,
        ];
        let found = known
            .into_iter()
            .find(|it| it.name().eq_ignore_ascii_case(name));
        found.unwrap_or_else(|| Self::Unknown(name.to_owned()))
    }

    /// Kafka's name, as its tools print it; of an unknown state, what the broker calls it.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Ongoing => "Ongoing",
            Self::PrepareAbort => "PrepareAbort",
            Self::PrepareCommit => "PrepareCommit",
            Self::CompleteAbort => "CompleteAbort",
            Self::CompleteCommit => "CompleteCommit",
            Self::Empty => "Empty",
            Self::PrepareEpochFence => "PrepareEpochFence",
            Self::Unknown(name) => name,
        }
    }
}

impl fmt::Display for TransactionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
