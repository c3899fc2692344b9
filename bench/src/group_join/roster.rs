//! Who has which partitions, as the members themselves say, and whether that is all of them.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::time::Instant;

use crate::process::now;

/// A member's part, as of a generation or member epoch.
#[derive(Debug, Clone, Default)]
struct Part {
    generation: i32,
    partitions: BTreeSet<i32>,
}

/// The parts of all members.
pub(super) struct Roster {
    parts: RefCell<Vec<Option<Part>>>,
    partitions: usize,
    completed_at: Cell<Option<Instant>>,
}

impl Roster {
    pub(super) fn new(members: usize, partitions: usize) -> Self {
        Self {
            parts: RefCell::new(vec![None; members]),
            partitions,
            completed_at: Cell::new(None),
        }
    }

    /// A member has been given its part.
    pub(super) fn assigned(&self, member: usize, generation: i32, partitions: BTreeSet<i32>) {
        let mut parts = self.parts.borrow_mut();
        if let Some(part) = parts.get_mut(member) {
            *part = Some(Part {
                generation,
                partitions,
            });
        }
        if self.completed_at.get().is_none() && is_complete(&parts, self.partitions) {
            self.completed_at.set(Some(now()));
        }
    }

    /// When all members had their parts.
    pub(super) fn completed_at(&self) -> Option<Instant> {
        self.completed_at.get()
    }

    /// How far the members have come.
    pub(super) fn text(&self) -> String {
        let parts = self.parts.borrow();
        let assigned = parts.iter().flatten();
        let partitions: usize = assigned.clone().map(|part| part.partitions.len()).sum();
        format!(
            "{} of {} members have {partitions} of {} partitions",
            assigned.count(),
            parts.len(),
            self.partitions
        )
    }
}

/// All members are in the same generation, and each partition is owned by exactly one.
fn is_complete(parts: &[Option<Part>], partitions: usize) -> bool {
    let generation = parts.first().and_then(Option::as_ref);
    let Some(generation) = generation.map(|part| part.generation) else {
        return false;
    };
    let mut owned = BTreeSet::new();
    for part in parts {
        let Some(part) = part else { return false };
        if part.generation != generation || part.partitions.is_empty() {
            return false;
        }
        if !part.partitions.iter().all(|it| owned.insert(*it)) {
            return false;
        }
    }
    owned.len() == partitions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complete_is_when_all_partitions_are_owned_once_in_one_generation() {
        let roster = Roster::new(2, 3);
        roster.assigned(0, 5, BTreeSet::from([0, 1]));
        roster.assigned(1, 4, BTreeSet::from([2]));
        assert!(roster.completed_at().is_none(), "generations differ");
        roster.assigned(1, 5, BTreeSet::from([1]));
        assert!(
            roster.completed_at().is_none(),
            "partition 1 is owned twice"
        );
        roster.assigned(1, 5, BTreeSet::new());
        assert!(roster.completed_at().is_none(), "partition 2 is nobody's");
        roster.assigned(1, 5, BTreeSet::from([2]));
        assert!(roster.completed_at().is_some());
    }
}
