//! What a group's coordinator has to know of a member to take offsets from somebody else.

use std::sync::Arc;

/// A member of a group, for [`send_offsets_to_transaction`]: offsets of a member that has been
/// replaced meanwhile are refused. Kafka's `ConsumerGroupMetadata`.
///
/// [`send_offsets_to_transaction`]: crate::producer::Producer::send_offsets_to_transaction
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerGroupMetadata {
    /// `group.id`.
    pub group_id: Arc<str>,
    /// The generation, or the member's epoch with the consumer protocol; -1 for none.
    pub generation_id: i32,
    /// Empty for none.
    pub member_id: Arc<str>,
    /// `group.instance.id`.
    pub group_instance_id: Option<Arc<str>>,
}

impl ConsumerGroupMetadata {
    /// A group without a member: nobody else is refused. For consumers that assign partitions
    /// themselves.
    #[must_use]
    pub fn new(group_id: impl Into<Arc<str>>) -> Self {
        Self {
            group_id: group_id.into(),
            generation_id: -1,
            member_id: Arc::from(""),
            group_instance_id: None,
        }
    }
}
