//! What groups are like: their type and their state, by Kafka's names.

use std::fmt;

/// A group's type (`GroupType`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum GroupType {
    /// Members agree among themselves (JoinGroup, SyncGroup).
    Classic,
    /// The broker assigns (KIP-848).
    Consumer,
    /// Records are shared out one by one (KIP-932).
    Share,
    /// Of Kafka Streams (KIP-1071).
    Streams,
    /// A type that this client does not know, in the broker's words; empty if it does not say.
    Unknown(String),
}

impl GroupType {
    /// From the broker's or a user's words; upper and lower case are the same.
    #[must_use]
    pub fn of_name(name: &str) -> Self {
        let known = [Self::Classic, Self::Consumer, Self::Share, Self::Streams];
        let found = known
            .into_iter()
            .find(|it| it.name().eq_ignore_ascii_case(name));
        found.unwrap_or_else(|| Self::Unknown(name.to_owned()))
    }

    /// Kafka's name, as its tools print it.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Classic => "Classic",
            Self::Consumer => "Consumer",
            Self::Share => "Share",
            Self::Streams => "Streams",
            Self::Unknown(_) => "Unknown",
        }
    }
}

impl fmt::Display for GroupType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A group's state (`GroupState`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum GroupState {
    /// Members are called to join again (classic).
    PreparingRebalance,
    /// Members have joined and wait for the leader's assignment (classic).
    CompletingRebalance,
    /// Every member has its assignment.
    Stable,
    /// It is gone.
    Dead,
    /// It has no members; it may have committed offsets.
    Empty,
    /// The broker computes an assignment (KIP-848).
    Assigning,
    /// Members move to their new assignments (KIP-848).
    Reconciling,
    /// Its internal topics are not there yet (KIP-1071).
    NotReady,
    /// A state that this client does not know, in the broker's words; empty if it does not say.
    Unknown(String),
}

impl GroupState {
    /// From the broker's or a user's words; upper and lower case are the same.
    #[must_use]
    pub fn of_name(name: &str) -> Self {
        let known = [
            Self::PreparingRebalance,
            Self::CompletingRebalance,
            Self::Stable,
            Self::Dead,
            Self::Empty,
            Self::Assigning,
            Self::Reconciling,
            Self::NotReady,
        ];
        let found = known
            .into_iter()
            .find(|it| it.name().eq_ignore_ascii_case(name));
        found.unwrap_or_else(|| Self::Unknown(name.to_owned()))
    }

    /// Kafka's name, as its tools print it.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::PreparingRebalance => "PreparingRebalance",
            Self::CompletingRebalance => "CompletingRebalance",
            Self::Stable => "Stable",
            Self::Dead => "Dead",
            Self::Empty => "Empty",
            Self::Assigning => "Assigning",
            Self::Reconciling => "Reconciling",
            Self::NotReady => "NotReady",
            Self::Unknown(_) => "Unknown",
        }
    }
}

impl fmt::Display for GroupState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_in_any_case() {
        assert_eq!(GroupType::of_name("consumer"), GroupType::Consumer);
        assert_eq!(GroupType::of_name("Classic"), GroupType::Classic);
        assert_eq!(GroupState::of_name("stable"), GroupState::Stable);
        let state = GroupState::of_name("Preparingrebalance");
        assert_eq!(state, GroupState::PreparingRebalance);
        let unknown = GroupState::of_name("Asleep");
        assert_eq!(unknown, GroupState::Unknown("Asleep".to_owned()));
        assert_eq!(unknown.to_string(), "Unknown");
    }
}
