//! What the sender knows of each broker: how many requests are with it, and since when it takes
//! none.

use std::time::Duration;

use hashbrown::HashMap;
use tokio::time::Instant;

use crate::config::ProducerConfig;

/// All brokers that batches were meant for.
pub(super) struct Nodes {
    in_flight_max: usize,
    availability_timeout: Option<Duration>,
    nodes: HashMap<i32, Node>,
}

#[derive(Default)]
struct Node {
    is_connecting: bool,
    in_flight: usize,
    throttled_until: Option<Instant>,
    /// Since when batches are ready for it and it takes none.
    unavailable_since: Option<Instant>,
}

impl Nodes {
    pub(super) fn new(config: &ProducerConfig) -> Self {
        let timeout = config.partitioner_availability_timeout;
        Self {
            in_flight_max: config.max_in_flight_requests_per_connection,
            availability_timeout: (!timeout.is_zero()).then_some(timeout),
            nodes: HashMap::new(),
        }
    }

    fn node(&mut self, id: i32) -> &mut Node {
        self.nodes.entry(id).or_default()
    }

    /// Whether a broker takes one more request, for all that is known here.
    pub(super) fn has_room(&mut self, id: i32, now: Instant) -> bool {
        let in_flight_max = self.in_flight_max;
        let node = self.node(id);
        node.throttled_until = node.throttled_until.filter(|until| now < *until);
        node.in_flight < in_flight_max && node.throttled_until.is_none()
    }

    /// A request goes to it.
    pub(super) fn sent(&mut self, id: i32) {
        let node = self.node(id);
        node.in_flight += 1;
        node.unavailable_since = None;
    }

    /// A request was answered, or its connection ended.
    pub(super) fn answered(&mut self, id: i32) {
        let node = self.node(id);
        node.in_flight = node.in_flight.saturating_sub(1);
    }

    /// Batches are ready for it but it takes none now.
    pub(super) fn passed_over(&mut self, id: i32, now: Instant) {
        self.node(id).unavailable_since.get_or_insert(now);
    }

    /// It asked for a pause.
    pub(super) fn throttle(&mut self, id: i32, until: Instant) {
        self.node(id).throttled_until = Some(until);
    }

    /// Says whether nobody connects to it yet; then the caller does.
    pub(super) fn begin_connecting(&mut self, id: i32) -> bool {
        !std::mem::replace(&mut self.node(id).is_connecting, true)
    }

    /// An attempt to connect has ended, either way.
    pub(super) fn connected(&mut self, id: i32) {
        self.node(id).is_connecting = false;
    }

    /// Brokers that have taken nothing for `partitioner.availability.timeout.ms`. None when that
    /// does not matter.
    pub(super) fn unavailable(&self, now: Instant) -> Option<Vec<i32>> {
        let timeout = self.availability_timeout?;
        let is_away = |since: Instant| since + timeout <= now;
        let away = self
            .nodes
            .iter()
            .filter(|(_, node)| node.unavailable_since.is_some_and(is_away));
        Some(away.map(|(id, _)| *id).collect())
    }

    /// When the first pause ends.
    pub(super) fn next_check(&self) -> Option<Instant> {
        let pauses = self.nodes.values().filter_map(|node| node.throttled_until);
        pauses.min()
    }
}
