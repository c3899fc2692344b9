//! Whether racks matter for an assignment (KIP-881).

use super::topics::Racks;

/// Racks are looked at only when some consumer has replicas in its rack and not all partitions are
/// in the same racks; otherwise every assignment is as good as any other
/// (`AbstractPartitionAssignor.useRackAwareAssignment`).
pub(super) fn is_rack_aware<'a>(
    consumer_racks: &Racks,
    mut partition_racks: impl Iterator<Item = &'a Racks> + Clone,
) -> bool {
    let all: Racks = partition_racks.clone().flatten().cloned().collect();
    !consumer_racks.is_disjoint(&all) && partition_racks.any(|racks| *racks != all)
}
