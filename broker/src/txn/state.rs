//! The states of a transactional id and which may follow which. Names and numbers are Kafka's
//! (`TransactionState`); the numbers are stored in `__transaction_state`.

/// State of a transactional id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TransactionState {
    /// Initialized; no transaction so far.
    Empty,
    /// A transaction is open.
    Ongoing,
    /// Decided: commit. The markers are being written.
    PrepareCommit,
    /// Decided: abort. The markers are being written.
    PrepareAbort,
    /// The last transaction is committed everywhere.
    CompleteCommit,
    /// The last transaction is aborted everywhere.
    CompleteAbort,
    /// About to be forgotten. Never stored.
    Dead,
    /// About to be aborted under a new epoch. Kafka's in-between state; here as there never stored.
    PrepareEpochFence,
}

impl TransactionState {
    /// Every state, by its number.
    pub const ALL: [Self; 8] = [
        Self::Empty,
        Self::Ongoing,
        Self::PrepareCommit,
        Self::PrepareAbort,
        Self::CompleteCommit,
        Self::CompleteAbort,
        Self::Dead,
        Self::PrepareEpochFence,
    ];

    /// The number under which the state is stored.
    pub const fn id(self) -> i8 {
        match self {
            Self::Empty => 0,
            Self::Ongoing => 1,
            Self::PrepareCommit => 2,
            Self::PrepareAbort => 3,
            Self::CompleteCommit => 4,
            Self::CompleteAbort => 5,
            Self::Dead => 6,
            Self::PrepareEpochFence => 7,
        }
    }

    /// The state with this number.
    pub fn from_id(id: i8) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.id() == id)
    }

    /// The name clients see and filter by.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::Ongoing => "Ongoing",
            Self::PrepareCommit => "PrepareCommit",
            Self::PrepareAbort => "PrepareAbort",
            Self::CompleteCommit => "CompleteCommit",
            Self::CompleteAbort => "CompleteAbort",
            Self::Dead => "Dead",
            Self::PrepareEpochFence => "PrepareEpochFence",
        }
    }

    /// The state with this name; upper and lower case differ, as in Kafka.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// Whether the id may go from `from` to this state. `is_v2` says whether the transition is one
    /// of transactions v2 (KIP-890), which may abort a transaction that has not begun.
    pub const fn may_follow(self, from: Self, is_v2: bool) -> bool {
        match self {
            Self::Empty => from.is_settled(),
            Self::Ongoing => from.is_settled() || matches!(from, Self::Ongoing),
            Self::PrepareCommit | Self::PrepareEpochFence => matches!(from, Self::Ongoing),
            Self::PrepareAbort => {
                matches!(from, Self::Ongoing | Self::PrepareEpochFence)
                    || (is_v2 && from.is_settled())
            }
            Self::CompleteCommit => matches!(from, Self::PrepareCommit),
            Self::CompleteAbort => matches!(from, Self::PrepareAbort),
            Self::Dead => from.is_settled(),
        }
    }

    /// Whether no transaction is open or being ended: the id may begin one, or expire.
    pub const fn is_settled(self) -> bool {
        matches!(
            self,
            Self::Empty | Self::CompleteCommit | Self::CompleteAbort
        )
    }

    /// Whether the transaction is, or was, committed.
    pub const fn is_commit(self) -> bool {
        matches!(self, Self::PrepareCommit | Self::CompleteCommit)
    }

    /// Whether a transaction is decided and its markers are due.
    pub const fn is_prepared(self) -> bool {
        matches!(self, Self::PrepareCommit | Self::PrepareAbort)
    }
}

impl std::fmt::Display for TransactionState {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::TransactionState::{self, *};

    #[test]
    fn numbers_and_names_lead_back_to_their_state() {
        for state in TransactionState::ALL {
            assert_eq!(TransactionState::from_id(state.id()), Some(state));
            assert_eq!(TransactionState::from_name(state.name()), Some(state));
        }
        assert_eq!(TransactionState::from_id(8), None);
        assert_eq!(TransactionState::from_id(-1), None);
        assert_eq!(TransactionState::from_name("ongoing"), None);
    }

    /// The table of transitions, written down once more: target, allowed sources, those of v2.
    #[test]
    fn every_pair_of_states_is_as_in_the_table() {
        let settled = [Empty, CompleteCommit, CompleteAbort];
        let table: [(TransactionState, &[TransactionState], &[TransactionState]); 8] = [
            (Empty, &settled, &[]),
            (
                Ongoing,
                &[Ongoing, Empty, CompleteCommit, CompleteAbort],
                &[],
            ),
            (PrepareCommit, &[Ongoing], &[]),
            (PrepareAbort, &[Ongoing, PrepareEpochFence], &settled),
            (CompleteCommit, &[PrepareCommit], &[]),
            (CompleteAbort, &[PrepareAbort], &[]),
            (Dead, &settled, &[]),
            (PrepareEpochFence, &[Ongoing], &[]),
        ];
        for (to, sources, v2_sources) in table {
            for from in TransactionState::ALL {
                let v1 = sources.contains(&from);
                let v2 = v1 || v2_sources.contains(&from);
                assert_eq!(to.may_follow(from, false), v1, "v1: {from} to {to}");
                assert_eq!(to.may_follow(from, true), v2, "v2: {from} to {to}");
            }
        }
    }
}
