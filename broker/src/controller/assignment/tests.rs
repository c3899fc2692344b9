//! Placement is balanced, spreads over racks and refuses what cannot be.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn brokers(count: i32, racks: i32) -> Vec<Candidate> {
    (0..count)
        .map(|id| Candidate {
            id,
            rack: (0 < racks).then(|| format!("rack-{}", id % racks.max(1))),
        })
        .collect()
}

fn spread(ids: impl Iterator<Item = i32>) -> (usize, usize) {
    let mut counts: BTreeMap<i32, usize> = BTreeMap::new();
    for id in ids {
        *counts.entry(id).or_default() += 1;
    }
    (
        counts.values().min().copied().unwrap_or(0),
        counts.values().max().copied().unwrap_or(0),
    )
}

proptest! {
    #[test]
    fn leaders_are_balanced_and_replicas_distinct(
        count in 1i32..12, partitions in 0usize..200, factor in 1usize..5, seed in any::<u64>()
    ) {
        let factor = factor.min(usize::try_from(count).unwrap());
        let placed = place(&brokers(count, 0), seed, 0..partitions, factor).unwrap();
        prop_assert_eq!(placed.len(), partitions);
        for replicas in &placed {
            let distinct: BTreeSet<_> = replicas.iter().collect();
            prop_assert_eq!(distinct.len(), factor);
        }
        if usize::try_from(count).unwrap() <= partitions {
            let (min, max) = spread(placed.iter().map(|replicas| replicas[0]));
            prop_assert!(max - min <= 1, "leaders per broker from {} to {}", min, max);
        }
        prop_assert!(validate(&placed, |id| (0..count).contains(&id), None).is_ok());
    }

    #[test]
    fn replicas_use_as_many_racks_as_there_are(
        per_rack in 1i32..4, racks in 1i32..5, factor in 1usize..6, seed in any::<u64>()
    ) {
        let count = per_rack * racks;
        let factor = factor.min(usize::try_from(count).unwrap());
        let placed = place(&brokers(count, racks), seed, 0..60, factor).unwrap();
        for replicas in &placed {
            let used: BTreeSet<_> = replicas.iter().map(|id| id % racks).collect();
            prop_assert_eq!(used.len(), factor.min(usize::try_from(racks).unwrap()));
        }
    }

    #[test]
    fn adding_partitions_goes_on_where_the_first_ended(
        first in 0usize..40, more in 0usize..40, seed in any::<u64>()
    ) {
        let all = place(&brokers(5, 2), seed, 0..first + more, 3).unwrap();
        let later = place(&brokers(5, 2), seed, first..first + more, 3).unwrap();
        prop_assert_eq!(&all[first..], &later[..]);
    }
}

/// All replicas, not only leaders, are spread: over 120 partitions with three replicas on six
/// brokers each holds exactly a sixth, and the followers of one leader are not always the same.
#[test]
fn followers_are_spread() {
    let placed = place(&brokers(6, 0), 0, 0..120, 3).unwrap();
    assert_eq!(spread(placed.iter().flatten().copied()), (60, 60));
    let followers_of_0: BTreeSet<_> = placed
        .iter()
        .filter(|replicas| replicas[0] == 0)
        .map(|replicas| replicas[1])
        .collect();
    assert_eq!(followers_of_0, BTreeSet::from([1, 2, 3, 4, 5]));
}

#[test]
fn too_few_brokers_are_refused() {
    let error = place(&brokers(1, 0), 0, 0..1, 3).unwrap_err();
    assert_eq!(
        error.to_string(),
        "Unable to replicate the partition 3 time(s): The target replication factor of 3 cannot \
         be reached because only 1 broker(s) are registered."
    );
    assert!(place(&[], 0, 0..1, 1).is_err());
}

#[test]
fn absurd_totals_are_refused() {
    check_total_partitions([10_000]).unwrap();
    check_total_partitions([-1, 9_999, 1, -5]).unwrap();
    assert_eq!(
        check_total_partitions([9_999, 2]),
        Err(MetadataError::TooManyPartitions)
    );
    assert_eq!(
        check_total_partitions(vec![i32::MAX; 1000]),
        Err(MetadataError::TooManyPartitions)
    );
}

#[test]
fn manual_assignments_are_checked() {
    let check = |assignments: &[Vec<i32>], factor| {
        validate(assignments, |id| id < 3, factor).map_err(|error| error.to_string())
    };
    assert_eq!(check(&[vec![0, 1], vec![2, 0]], None), Ok(()));
    let text = |assignments: &[Vec<i32>], factor| check(assignments, factor).unwrap_err();
    assert!(text(&[vec![]], None).contains("empty replica list"));
    assert!(text(&[vec![3]], None).contains("includes broker 3, but no such broker"));
    assert!(text(&[vec![1, 1]], None).contains("includes the broker 1 more than once"));
    assert!(text(&[vec![1, 2], vec![1]], None).contains("previous partitions, which have 2"));
    assert!(text(&[vec![1, 2]], Some(1)).contains("previous partitions, which have 1"));
}
