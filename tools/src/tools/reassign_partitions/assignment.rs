//! Where replicas go: one broker after the other, over all racks (Kafka's `AdminUtils`, KIP-36).

use std::collections::{BTreeMap, BTreeSet};

/// A broker, and the rack it stands in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Broker {
    pub(super) id: i32,
    pub(super) rack: Option<String>,
}

/// The replicas of each partition, the leader first: leaders in turn from `start`, followers
/// further on by a shift that grows each time all brokers had their turn. Racks count when all
/// brokers have one: then no rack has a second replica before each has one.
pub(super) fn assign(
    brokers: &[Broker],
    partitions_count: usize,
    replication_factor: usize,
    (start, shift): (usize, usize),
) -> Vec<Vec<i32>> {
    let brokers = by_turns(brokers);
    let racks: BTreeSet<_> = brokers.iter().filter_map(|it| it.rack.as_ref()).collect();
    let has_racks = brokers.iter().all(|it| it.rack.is_some());
    let step = if has_racks { racks.len() } else { 1 };
    let count = brokers.len();
    let assigned = (0..partitions_count).map(|partition| {
        let first = (partition + start) % count;
        let shift = (shift + partition / count) * step;
        // Every other broker once, in the order of this shift.
        let others = (0..count.saturating_sub(1))
            .map(|index| (first + 1 + (shift + index) % (count - 1)) % count);
        let order = std::iter::once(first).chain(others);
        let order: Vec<_> = order.filter_map(|index| brokers.get(index)).collect();
        pick(&order, replication_factor, has_racks, racks.len())
    });
    assigned.collect()
}

fn pick(order: &[&Broker], count: usize, has_racks: bool, racks_count: usize) -> Vec<i32> {
    let mut racks = BTreeSet::new();
    let mut picked = Vec::new();
    for broker in order.iter().cycle().take(order.len() * 2) {
        if picked.len() == count {
            break;
        }
        let is_new_rack = !has_racks || racks.len() == racks_count || !racks.contains(&broker.rack);
        if is_new_rack && !picked.contains(&broker.id) {
            racks.insert(&broker.rack);
            picked.push(broker.id);
        }
    }
    picked
}

/// One broker of each rack, then the next of each, and so on.
fn by_turns(brokers: &[Broker]) -> Vec<Broker> {
    if brokers.iter().any(|it| it.rack.is_none()) {
        return brokers.to_vec();
    }
    let mut racks = BTreeMap::<_, Vec<_>>::new();
    for broker in brokers {
        racks.entry(&broker.rack).or_default().push(broker);
    }
    for brokers in racks.values_mut() {
        brokers.sort_by_key(|it| it.id);
    }
    let longest = racks.values().map(Vec::len).max().unwrap_or_default();
    let turns = (0..longest).flat_map(|turn| racks.values().filter_map(move |it| it.get(turn)));
    turns.map(|broker| (*broker).clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn brokers(racks: &[Option<&str>]) -> Vec<Broker> {
        let brokers = (0..).zip(racks).map(|(id, rack)| Broker {
            id,
            rack: rack.map(str::to_owned),
        });
        brokers.collect()
    }

    #[test]
    fn leaders_take_turns_and_followers_are_shifted() {
        // The example in the documentation of Kafka's AdminUtils, with ten partitions.
        let assigned = assign(&brokers(&[None; 5]), 10, 3, (0, 0));
        let expected = [
            [0, 1, 2],
            [1, 2, 3],
            [2, 3, 4],
            [3, 4, 0],
            [4, 0, 1],
            [0, 2, 3],
            [1, 3, 4],
            [2, 4, 0],
            [3, 0, 1],
            [4, 1, 2],
        ];
        assert_eq!(assigned, expected);
    }

    #[test]
    fn replicas_are_spread_over_racks() {
        let racks = ["a", "b", "c", "c", "b", "a"].map(Some);
        let brokers = brokers(&racks);
        for start in 0..6 {
            for shift in 0..6 {
                for replicas in assign(&brokers, 12, 3, (start, shift)) {
                    let racks: BTreeSet<_> = replicas
                        .iter()
                        .map(|id| &brokers[usize::try_from(*id).unwrap()].rack)
                        .collect();
                    assert_eq!(racks.len(), 3, "{replicas:?}");
                }
                for replicas in assign(&brokers, 12, 6, (start, shift)) {
                    let all: BTreeSet<_> = replicas.iter().collect();
                    assert_eq!((replicas.len(), all.len()), (6, 6), "{replicas:?}");
                }
            }
        }
    }

    #[test]
    fn one_broker_takes_everything() {
        assert_eq!(assign(&brokers(&[None]), 2, 1, (0, 0)), [[0], [0]]);
    }
}
