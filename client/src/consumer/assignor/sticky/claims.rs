//! Who owned a partition when several members say they did.

use hashbrown::HashMap;

use crate::topic_partition::TopicPartition;

/// What a member says that it owned.
#[derive(Debug, Clone, Default)]
pub(in super::super) struct Claim {
    pub(in super::super) partitions: Vec<TopicPartition>,
    /// In which generation; nothing counts as the oldest.
    pub(in super::super) generation: Option<i32>,
}

impl Claim {
    pub(super) fn generation(&self) -> i32 {
        self.generation.unwrap_or(-1)
    }
}

/// The claims after they were settled.
#[derive(Debug, Default)]
pub(super) struct Settled {
    /// The partitions each member owns, by the members' order.
    pub(super) owned: Vec<Vec<usize>>,
    /// Partitions that members of the same generation claimed: nobody owns them, and each of those
    /// may still read them.
    pub(super) disputed: Vec<usize>,
}

/// The newest generation owns a partition; of two claims in the same generation neither counts
/// (`AbstractStickyAssignor`). `slot_of` knows the partitions that exist.
pub(super) fn settle(
    claims: &[Claim],
    slot_of: impl Fn(&TopicPartition) -> Option<usize>,
) -> Settled {
    let mut owned = vec![Vec::new(); claims.len()];
    let mut owners: HashMap<usize, usize> = HashMap::new();
    let mut disputed = Vec::new();
    for (member, claim) in claims.iter().enumerate() {
        for slot in claim.partitions.iter().filter_map(&slot_of) {
            let Some(other) = owners.get(&slot).copied() else {
                owned[member].push(slot);
                owners.insert(slot, member);
                continue;
            };
            let (mine, theirs) = (claim.generation(), claims[other].generation());
            if mine < theirs || other == member {
                continue;
            }
            owned[other].retain(|it| *it != slot);
            owners.insert(slot, member);
            if mine == theirs {
                disputed.push(slot);
            } else {
                disputed.retain(|it| *it != slot);
                owned[member].push(slot);
            }
        }
    }
    disputed.sort_unstable();
    disputed.dedup();
    Settled { owned, disputed }
}
