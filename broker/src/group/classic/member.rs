//! A member of a classic group (Kafka's `ClassicGroupMember`). Data and questions only; the group
//! keeps the counters that depend on it and so makes every change.

use std::sync::Arc;

use bytes::Bytes;

use super::request::{Protocol, Token};

/// A member of a classic group.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) member_id: Arc<str>,
    pub(crate) group_instance_id: Option<Arc<str>>,
    pub(crate) client_id: Arc<str>,
    pub(crate) client_host: Arc<str>,
    pub(crate) rebalance_timeout_ms: i32,
    pub(crate) session_timeout_ms: i32,
    /// In order of preference, names distinct.
    pub(crate) protocols: Vec<Protocol>,
    /// Empty until the leader assigned something.
    pub(crate) assignment: Bytes,
    /// The parked JoinGroup.
    pub(crate) awaiting_join: Option<Token>,
    /// The parked SyncGroup.
    pub(crate) awaiting_sync: Option<Token>,
    /// Whether the member has not completed a join yet.
    pub(crate) is_new: bool,
    /// Grows with every member added: the order in which members joined.
    pub(crate) join_order: u64,
}

impl Member {
    pub(crate) const fn is_static(&self) -> bool {
        self.group_instance_id.is_some()
    }

    pub(crate) const fn is_awaiting_join(&self) -> bool {
        self.awaiting_join.is_some()
    }

    pub(crate) const fn is_awaiting_sync(&self) -> bool {
        self.awaiting_sync.is_some()
    }

    /// The member's metadata for a protocol; empty when it does not offer it.
    pub(crate) fn metadata(&self, protocol_name: Option<&str>) -> Bytes {
        self.protocols
            .iter()
            .find(|protocol| Some(&*protocol.name) == protocol_name)
            .map(|protocol| protocol.metadata.clone())
            .unwrap_or_default()
    }

    /// Whether a parked request proves that the member lives. Not so in the first join, where a
    /// vanished client cannot be told from a patient one.
    pub(crate) const fn has_satisfied_heartbeat(&self) -> bool {
        !self.is_new && (self.is_awaiting_join() || self.is_awaiting_sync())
    }

    /// The first protocol in the member's order that `is_candidate`.
    pub(crate) fn vote(&self, is_candidate: impl Fn(&str) -> bool) -> Option<&Arc<str>> {
        self.protocols
            .iter()
            .map(|protocol| &protocol.name)
            .find(|name| is_candidate(name))
    }
}

/// Drops protocols whose name came before: each name counts once per member in the vote.
pub(crate) fn distinct_protocols(mut protocols: Vec<Protocol>) -> Vec<Protocol> {
    let mut seen = hashbrown::HashSet::new();
    protocols.retain(|protocol| seen.insert(Arc::clone(&protocol.name)));
    protocols
}
