//! Records in turn over all partitions, whatever their keys: Kafka's `RoundRobinPartitioner`.

use std::sync::{Arc, Mutex, PoisonError};

use hashbrown::HashMap;

use super::Partitioner;
use crate::error::ClientError;
use crate::metadata::TopicMetadata;

/// Spreads each topic's records evenly over its partitions that have a leader, in turn.
#[derive(Debug, Default)]
pub struct RoundRobinPartitioner {
    /// How many records each topic had, wrapping. As many entries as topics are written to.
    turns: Mutex<HashMap<Arc<str>, usize>>,
}

impl RoundRobinPartitioner {
    /// Begins with the first partition of every topic.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn next_turn(&self, topic: &Arc<str>) -> usize {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = match turns.get_mut(topic) {
            Some(turn) => turn,
            None => turns.entry(Arc::clone(topic)).or_default(),
        };
        let this = *turn;
        *turn = this.wrapping_add(1);
        this
    }
}

impl Partitioner for RoundRobinPartitioner {
    fn partition(
        &self,
        topic: &TopicMetadata,
        _key: Option<&[u8]>,
        _value: Option<&[u8]>,
    ) -> Result<i32, ClientError> {
        let turn = self.next_turn(&topic.name);
        let available = || topic.partitions.iter().filter(|it| it.leader.is_some());
        let chosen = match available().count() {
            0 => turn
                .checked_rem(topic.partitions.len())
                .and_then(|index| topic.partitions.get(index)),
            count => available().nth(turn % count),
        };
        chosen.map(|it| it.partition).ok_or_else(|| {
            ClientError::InvalidArgument(format!("topic {} has no partitions", topic.name))
        })
    }
}
