//! Which partitions moved between which members, so that two members do not exchange partitions of
//! the same topic when one move would do.

use std::collections::BTreeSet;

use hashbrown::HashMap;

/// Moves so far: from its first owner to its present one, per partition.
#[derive(Debug, Default)]
pub(super) struct Movements {
    moved: HashMap<usize, (usize, usize)>,
    by_topic: HashMap<(usize, usize, usize), BTreeSet<usize>>,
}

impl Movements {
    /// Notes that a slot of a topic moved.
    pub(super) fn note(&mut self, topic: usize, slot: usize, from: usize, to: usize) {
        let first_owner = match self.moved.remove(&slot) {
            None => from,
            Some((first, last)) => {
                if let Some(slots) = self.by_topic.get_mut(&(topic, first, last)) {
                    slots.remove(&slot);
                }
                first
            }
        };
        // Back where it was: as if it had never moved.
        if first_owner != to {
            self.moved.insert(slot, (first_owner, to));
            let pair = (topic, first_owner, to);
            self.by_topic.entry(pair).or_default().insert(slot);
        }
    }

    /// The slot that should move from `from` to `to` in place of `slot`: one of the same topic that
    /// came the other way, whose return undoes a move instead of adding one.
    pub(super) fn better(&self, topic: usize, slot: usize, from: usize, to: usize) -> usize {
        let first_owner = self.moved.get(&slot).map_or(from, |(first, _)| *first);
        let returning = self.by_topic.get(&(topic, to, first_owner));
        let returning = returning.and_then(|slots| slots.first().copied());
        // Only one that `from` has: the move is made because `from` has too many.
        returning.filter(|_| first_owner == from).unwrap_or(slot)
    }
}
