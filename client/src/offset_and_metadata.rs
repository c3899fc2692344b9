//! An offset as groups commit it: shared by consumers, transactional producers and the admin
//! client.

/// An offset to continue at, as it is committed: that of the next record to read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OffsetAndMetadata {
    /// The next record's offset.
    pub offset: i64,
    /// The epoch of the leader that appended the record before, if known: it shows whether the log
    /// was truncated meanwhile (KIP-320).
    pub leader_epoch: Option<i32>,
    /// Words of whoever committed.
    pub metadata: String,
}

impl OffsetAndMetadata {
    /// An offset without words.
    #[must_use]
    pub fn new(offset: i64) -> Self {
        Self {
            offset,
            leader_epoch: None,
            metadata: String::new(),
        }
    }

    /// With the epoch of the leader that appended the record before.
    #[must_use]
    pub fn with_leader_epoch(mut self, leader_epoch: Option<i32>) -> Self {
        self.leader_epoch = leader_epoch;
        self
    }

    /// With words.
    #[must_use]
    pub fn with_metadata(mut self, metadata: impl Into<String>) -> Self {
        self.metadata = metadata.into();
        self
    }
}

impl From<i64> for OffsetAndMetadata {
    fn from(offset: i64) -> Self {
        Self::new(offset)
    }
}
