//! Replica assignment: which brokers hold the partitions of a topic.
//!
//! Pure: the same brokers and seed give the same assignment. Placement is striped as in Kafka's
//! `StripedReplicaPlacer`: leaders go round over the brokers (taken alternately from the racks),
//! and followers are shifted further with every round, so that the partitions of a dead leader
//! spread over the others. Replicas of one partition go to different racks while racks last.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::error::MetadataError;

#[cfg(test)]
mod tests;

/// Kafka's limit of partitions that one request may create.
pub const PARTITIONS_PER_REQUEST_MAX: i64 = 10_000;

/// A broker as placement sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Its node id.
    pub id: i32,
    /// Its rack, if known.
    pub rack: Option<String>,
}

/// Refuses requests for absurd numbers of partitions before anything is allocated for them.
/// Counts below one are left to the check of each topic.
///
/// # Errors
/// [`MetadataError::TooManyPartitions`] above [`PARTITIONS_PER_REQUEST_MAX`] in total.
pub fn check_total_partitions(counts: impl IntoIterator<Item = i32>) -> Result<(), MetadataError> {
    let total: i64 = counts
        .into_iter()
        .map(|count| i64::from(count.max(0)))
        .sum();
    if PARTITIONS_PER_REQUEST_MAX < total {
        return Err(MetadataError::TooManyPartitions);
    }
    Ok(())
}

/// Assigns replicas to the partitions of a topic. `seed` belongs to the topic (its id), so adding
/// partitions later goes on where the first ones ended.
///
/// # Errors
/// [`MetadataError::InvalidReplicationFactor`] when there are fewer brokers than replicas.
pub fn place(
    candidates: &[Candidate],
    seed: u64,
    partitions: Range<usize>,
    replication_factor: usize,
) -> Result<Vec<Vec<i32>>, MetadataError> {
    if candidates.len() < replication_factor || replication_factor == 0 {
        return Err(MetadataError::InvalidReplicationFactor(format!(
            "Unable to replicate the partition {replication_factor} time(s): The target \
             replication factor of {replication_factor} cannot be reached because only {} \
             broker(s) are registered.",
            candidates.len()
        )));
    }
    let ring = interleave_racks(candidates);
    let racks: BTreeSet<_> = ring.iter().map(|candidate| &candidate.rack).collect();
    let start = usize::try_from(seed % ring.len() as u64).unwrap_or(0);
    Ok(partitions
        .map(|p| place_one(&ring, racks.len(), start, p, replication_factor))
        .collect())
}

/// Replicas of partition `p`: the leader at its place of the ring, the others from the places
/// behind it, first those that bring a new rack.
fn place_one(
    ring: &[&Candidate],
    rack_count: usize,
    start: usize,
    p: usize,
    replication_factor: usize,
) -> Vec<i32> {
    let len = ring.len();
    let leader = (start + p) % len;
    let mut chosen = vec![leader];
    let mut racks = BTreeSet::from([&ring[leader].rack]);
    let followers = len - 1;
    let shift = p.checked_div(len).unwrap_or(0);
    let follower = |step: usize| (leader + 1 + (shift + step) % followers.max(1)) % len;
    for step in 0..followers {
        let candidate = follower(step);
        let is_wanted = chosen.len() < replication_factor && racks.len() < rack_count;
        if is_wanted && racks.insert(&ring[candidate].rack) {
            chosen.push(candidate);
        }
    }
    for step in 0..followers {
        let candidate = follower(step);
        if chosen.len() < replication_factor && !chosen.contains(&candidate) {
            chosen.push(candidate);
        }
    }
    chosen.into_iter().map(|index| ring[index].id).collect()
}

/// Brokers ordered by taking one of each rack in turn; in order of ids where racks do not matter.
fn interleave_racks(candidates: &[Candidate]) -> Vec<&Candidate> {
    let mut by_rack: BTreeMap<&Option<String>, Vec<&Candidate>> = BTreeMap::new();
    for candidate in candidates {
        by_rack.entry(&candidate.rack).or_default().push(candidate);
    }
    for brokers in by_rack.values_mut() {
        brokers.sort_by_key(|candidate| candidate.id);
    }
    let longest = by_rack.values().map(Vec::len).max().unwrap_or(0);
    (0..longest)
        .flat_map(|round| {
            by_rack
                .values()
                .filter_map(move |brokers| brokers.get(round).copied())
        })
        .collect()
}

/// Checks the replicas somebody chose for the partitions of one topic.
///
/// `replication_factor` is what earlier partitions of the topic have, if there are any.
///
/// # Errors
/// [`MetadataError::InvalidReplicaAssignment`] with Kafka's message for an empty list, an
/// unregistered broker, a broker named twice, or replica counts that differ.
pub fn validate(
    assignments: &[Vec<i32>],
    is_registered: impl Fn(i32) -> bool,
    mut replication_factor: Option<usize>,
) -> Result<(), MetadataError> {
    let invalid = |reason: String| {
        Err(MetadataError::InvalidReplicaAssignment(format!(
            "The manual partition {reason}"
        )))
    };
    for replicas in assignments {
        if replicas.is_empty() {
            return invalid("assignment includes an empty replica list.".to_owned());
        }
        let mut seen = BTreeSet::new();
        for id in replicas {
            if !is_registered(*id) {
                return invalid(format!(
                    "assignment includes broker {id}, but no such broker is registered."
                ));
            }
            if !seen.insert(*id) {
                return invalid(format!(
                    "assignment includes the broker {id} more than once."
                ));
            }
        }
        match replication_factor {
            Some(expected) if expected != replicas.len() => {
                return invalid(format!(
                    "assignment includes a partition with {} replica(s), but this is not \
                     consistent with previous partitions, which have {expected} replica(s).",
                    replicas.len()
                ));
            }
            _ => replication_factor = Some(replicas.len()),
        }
    }
    Ok(())
}
