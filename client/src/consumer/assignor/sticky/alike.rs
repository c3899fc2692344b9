//! All members want the same topics: each gets the lower or the upper quota of partitions, and
//! keeps as many of its own as fit (`AbstractStickyAssignor.ConstrainedAssignmentBuilder`).

use std::collections::{BTreeMap, VecDeque};

use super::problem::Problem;
use crate::consumer::assignor::AssignorError;

/// The slots of each member, and those of them that another member may still own.
///
/// # Errors
/// Never, unless the quotas were computed wrongly.
pub(super) fn distribute(
    problem: &Problem,
) -> Result<(Vec<Vec<usize>>, Vec<usize>), AssignorError> {
    let members_count = problem.members.len();
    let mut round = Round {
        problem,
        min_quota: problem.len() / members_count,
        max_quota: problem.len().div_ceil(members_count),
        over_min_expected: problem.len() % members_count,
        over_min: 0,
        under_min: Vec::new(),
        at_min: VecDeque::new(),
        given_up: BTreeMap::new(),
        assignment: vec![Vec::new(); members_count],
        transferred: Vec::new(),
    };
    round.keep_owned();
    let mut is_assigned = vec![false; problem.len()];
    for slot in round.assignment.iter().flatten() {
        is_assigned[*slot] = true;
    }
    let mut unassigned: Vec<_> = (0..problem.len()).filter(|it| !is_assigned[*it]).collect();
    round.under_min.sort_unstable();
    round.at_min.make_contiguous().sort_unstable();
    problem.sort_by_near_members(&mut unassigned);
    if problem.is_rack_aware {
        unassigned.retain(|slot| !round.assign_near(*slot));
        // Kafka deals these out to anybody, and may so move them again in every rebalance.
        unassigned.retain(|slot| !round.give_back(*slot));
    }
    round.fill(&unassigned)?;
    Ok((round.assignment, round.transferred))
}

struct Round<'a> {
    problem: &'a Problem,
    min_quota: usize,
    max_quota: usize,
    /// How many members are to have more than the lower quota, and how many have.
    over_min_expected: usize,
    over_min: usize,
    /// Members that need more.
    under_min: Vec<usize>,
    /// Members that may get one more.
    at_min: VecDeque<usize>,
    /// Who loses a slot.
    given_up: BTreeMap<usize, usize>,
    assignment: Vec<Vec<usize>>,
    transferred: Vec<usize>,
}

impl Round<'_> {
    /// Each member keeps as many of its own slots as its quota allows.
    fn keep_owned(&mut self) {
        for (member, it) in self.problem.members.iter().enumerate() {
            let (far, mut owned): (Vec<_>, Vec<_>) = it
                .owned
                .iter()
                .copied()
                .partition(|slot| self.problem.is_far(member, *slot));
            self.given_up
                .extend(far.into_iter().map(|slot| (slot, member)));
            // The same indexes of all topics stay together.
            owned.sort_unstable_by_key(|slot| (self.problem.index_of(*slot), *slot));
            owned.retain(|slot| self.problem.disputed.binary_search(slot).is_err());
            if owned.len() < self.min_quota {
                self.under_min.push(member);
            } else if self.max_quota <= owned.len() && self.over_min < self.over_min_expected {
                self.count_over_min();
                self.give_up_from(self.max_quota, member, &mut owned);
            } else {
                self.give_up_from(self.min_quota, member, &mut owned);
                if self.over_min < self.over_min_expected {
                    self.at_min.push_back(member);
                }
            }
            self.assignment[member] = owned;
        }
    }

    fn give_up_from(&mut self, quota: usize, member: usize, owned: &mut Vec<usize>) {
        let given_up = owned.drain(quota..).map(|slot| (slot, member));
        self.given_up.extend(given_up);
    }

    /// One more member has the upper quota. Once enough have, those at the lower one are full.
    fn count_over_min(&mut self) {
        self.over_min += 1;
        if self.over_min == self.over_min_expected {
            self.at_min.clear();
        }
    }

    /// Gives the slot to a member with a replica in its rack, if one has room.
    fn assign_near(&mut self, slot: usize) -> bool {
        let is_near = |member: &usize| self.problem.is_near(*member, slot);
        if let Some(turn) = self.under_min.iter().position(is_near) {
            // Served members move to the end, which makes it a round-robin.
            let member = self.under_min.remove(turn);
            self.under_min.rotate_left(turn);
            let count = self.give(slot, member);
            if count < self.min_quota {
                self.under_min.push(member);
            } else if count < self.max_quota && self.over_min < self.over_min_expected {
                self.at_min.push_back(member);
            }
            return true;
        }
        let Some(turn) = self.at_min.iter().position(is_near) else {
            return false;
        };
        if let Some(member) = self.at_min.remove(turn) {
            self.give(slot, member);
            self.count_over_min();
        }
        true
    }

    /// Nobody near takes the slot: its owner may keep it, if it has room.
    fn give_back(&mut self, slot: usize) -> bool {
        let Some(owner) = self.given_up.get(&slot).copied() else {
            return false;
        };
        if let Some(place) = self.under_min.iter().position(|it| *it == owner) {
            if self.min_quota <= self.give(slot, owner) {
                self.under_min.remove(place);
                self.at_min.push_back(owner);
            }
            return true;
        }
        let place = self.at_min.iter().position(|it| *it == owner);
        let has_room = place.is_some() && self.over_min < self.over_min_expected;
        if let Some(place) = place.filter(|_| has_room) {
            self.at_min.remove(place);
            self.give(slot, owner);
            self.count_over_min();
        }
        has_room
    }

    /// Deals out what is left: one to each member under its quota, round after round, then one to
    /// each of those that may have one more.
    fn fill(&mut self, unassigned: &[usize]) -> Result<(), AssignorError> {
        self.under_min.sort_unstable();
        let mut turn = 0;
        for slot in unassigned {
            if self.under_min.is_empty() {
                let member = self.at_min.pop_front().ok_or_else(|| {
                    AssignorError("no member is left for a partition: the quotas are wrong".into())
                })?;
                self.give(*slot, member);
                continue;
            }
            turn %= self.under_min.len();
            let member = self.under_min[turn];
            if self.give(*slot, member) < self.min_quota {
                turn += 1;
            } else {
                self.under_min.remove(turn);
                self.at_min.push_back(member);
            }
        }
        Ok(())
    }

    /// How many the member then has.
    fn give(&mut self, slot: usize, member: usize) -> usize {
        let is_taken = self.given_up.get(&slot).is_some_and(|from| *from != member);
        if is_taken || self.problem.disputed.binary_search(&slot).is_ok() {
            self.transferred.push(slot);
        }
        self.assignment[member].push(slot);
        self.assignment[member].len()
    }
}
