//! Members want different topics: partitions move one by one to members with fewer, as long as
//! that makes the distribution more even (`AbstractStickyAssignor.GeneralAssignmentBuilder`).
//!
//! Where Kafka's takes partitions from members that are in other racks than the replicas, in this
//! one they keep them: evenness, which comes last, may bring such a partition back each time, and
//! then every rebalance moves it. New partitions go to near members first.
//!
//! Costs time in the number of partitions and subscriptions for each partition that moves.

use std::collections::BTreeSet;

use hashbrown::HashMap;

use super::movements::Movements;
use super::problem::Problem;

/// The slots of each member.
pub(super) fn distribute(problem: &Problem) -> Vec<Vec<usize>> {
    let mut balance = Balance::new(problem);
    let is_first_time = balance.owner_of.iter().all(Option::is_none);
    let mut unassigned: Vec<_> = balance.order.clone();
    unassigned.retain(|slot| balance.owner_of[*slot].is_none());
    balance.assign(&unassigned);
    let can_move = |slot: &usize| 2 <= balance.subscribers[problem.topic_of(*slot)].len();
    let movable: Vec<_> = balance.order.iter().copied().filter(can_move).collect();
    unassigned.retain(can_move);
    balance.fix_those_who_cannot_change();
    let before = balance.owner_of.clone();
    let score_before = balance.score();
    if !balance.must_revoke {
        balance.reassign(&unassigned);
    }
    // What was just assigned may lie better elsewhere, but what members had moves only for more
    // evenness.
    let has_moved = balance.reassign(&movable);
    let owner_of = if !is_first_time && has_moved && score_before <= balance.score() {
        before
    } else {
        balance.owner_of
    };
    let mut assignment = vec![Vec::new(); problem.members.len()];
    for (slot, owner) in owner_of.into_iter().enumerate() {
        if let Some(owner) = owner {
            assignment[owner].push(slot);
        }
    }
    assignment
}

struct Balance<'a> {
    problem: &'a Problem,
    /// The members subscribed to each topic.
    subscribers: Vec<Vec<usize>>,
    /// All slots; those of topics with few subscribers first.
    order: Vec<usize>,
    owner_of: Vec<Option<usize>>,
    counts: Vec<usize>,
    /// Members whose share may change, those with few first.
    ranking: BTreeSet<(usize, usize)>,
    /// Who had a slot in an older generation.
    owner_before: HashMap<usize, usize>,
    /// Whether a member has to give up what it does not want any more.
    must_revoke: bool,
    movements: Movements,
}

impl<'a> Balance<'a> {
    fn new(problem: &'a Problem) -> Self {
        let mut subscribers = vec![Vec::new(); problem.topics_count()];
        let (mut owner_of, mut counts) = (vec![None; problem.len()], Vec::new());
        let (mut before, mut must_revoke) = (HashMap::<usize, (i32, usize)>::new(), false);
        for (member, it) in problem.members.iter().enumerate() {
            it.topics
                .iter()
                .for_each(|topic| subscribers[*topic].push(member));
            let wants = |slot: &usize| it.topics.contains(&problem.topic_of(*slot));
            let kept: Vec<_> = it.owned.iter().copied().filter(wants).collect();
            must_revoke |= kept.len() < it.owned.len();
            counts.push(kept.len());
            for slot in kept {
                owner_of[slot] = Some(member);
            }
            for (slot, generation) in &it.owned_before {
                let newest = before.entry(*slot).or_insert((*generation, member));
                if newest.0 < *generation {
                    *newest = (*generation, member);
                }
            }
        }
        let mut topics: Vec<_> = (0..problem.topics_count()).collect();
        topics.sort_by_key(|topic| subscribers[*topic].len());
        Self {
            order: topics
                .into_iter()
                .flat_map(|it| problem.slots(it))
                .collect(),
            ranking: counts.iter().copied().zip(0..).collect(),
            owner_before: before.into_iter().map(|(slot, it)| (slot, it.1)).collect(),
            problem,
            subscribers,
            owner_of,
            counts,
            must_revoke,
            movements: Movements::default(),
        }
    }

    fn is_subscribed(&self, member: usize, slot: usize) -> bool {
        let topic = self.problem.topic_of(slot);
        self.problem.members[member].topics.contains(&topic)
    }

    /// Gives each slot to the subscriber with the fewest, within its rack where there is one.
    fn assign(&mut self, unassigned: &[usize]) {
        let mut left = Vec::new();
        for slot in unassigned {
            let is_done = self.problem.is_rack_aware && self.assign_one(*slot, true);
            if !is_done {
                left.push(*slot);
            }
        }
        for slot in left {
            self.assign_one(slot, false);
        }
    }

    fn assign_one(&mut self, slot: usize, is_near_only: bool) -> bool {
        let found = self.ranking.iter().find(|(_, member)| {
            self.is_subscribed(*member, slot)
                && !(is_near_only && self.problem.is_far(*member, slot))
        });
        let Some((_, member)) = found.copied() else {
            return false;
        };
        self.hand_over(slot, member);
        true
    }

    fn hand_over(&mut self, slot: usize, to: usize) {
        if let Some(from) = self.owner_of[slot].replace(to) {
            self.count(from, self.counts[from] - 1);
        }
        self.count(to, self.counts[to] + 1);
    }

    fn count(&mut self, member: usize, count: usize) {
        if self.ranking.remove(&(self.counts[member], member)) {
            self.ranking.insert((count, member));
        }
        self.counts[member] = count;
    }

    /// A member that has all it may have, and nothing that anybody else wants, stays as it is.
    fn fix_those_who_cannot_change(&mut self) {
        for (member, it) in self.problem.members.iter().enumerate() {
            let wanted: usize = it
                .topics
                .iter()
                .map(|it| self.problem.slots(*it).len())
                .sum();
            let shares = it.topics.iter().any(|it| 2 <= self.subscribers[*it].len());
            if wanted <= self.counts[member] && !shares {
                self.ranking.remove(&(self.counts[member], member));
            }
        }
    }

    /// How uneven it is: the differences between all pairs of members.
    fn score(&self) -> usize {
        let counts: Vec<_> = self.ranking.iter().map(|(count, _)| *count).collect();
        // Ascending: each count is above all before it.
        let mut sum = 0;
        let mut score = 0;
        for (index, count) in counts.iter().enumerate() {
            score += count * index - sum;
            sum += count;
        }
        score
    }

    /// Whether no member could take a slot from another that has at least two more.
    fn is_balanced(&self) -> bool {
        let (Some((min, _)), Some((max, _))) = (self.ranking.first(), self.ranking.last()) else {
            return true;
        };
        if *max <= min + 1 {
            return true;
        }
        let mut largest_owner = vec![0; self.problem.topics_count()];
        for (slot, owner) in self.owner_of.iter().enumerate() {
            if let Some(owner) = owner {
                let largest = &mut largest_owner[self.problem.topic_of(slot)];
                *largest = self.counts[*owner].max(*largest);
            }
        }
        self.ranking.iter().all(|(count, member)| {
            let topics = &self.problem.members[*member].topics;
            topics
                .iter()
                .all(|topic| largest_owner[*topic] <= count + 1)
        })
    }

    /// Moves slots until it is balanced or none can move; says whether any did.
    fn reassign(&mut self, slots: &[usize]) -> bool {
        let mut has_moved = false;
        let mut is_balanced = self.is_balanced();
        loop {
            let mut has_moved_now = false;
            for slot in slots {
                if is_balanced {
                    break;
                }
                if let Some(to) = self.better_owner(*slot) {
                    self.move_to(*slot, to);
                    has_moved_now = true;
                    is_balanced = self.is_balanced();
                }
            }
            if !has_moved_now {
                return has_moved;
            }
            has_moved = true;
        }
    }

    /// Who should have a slot in place of a member with at least two more: its owner in an older
    /// generation, or else the subscriber with the fewest.
    fn better_owner(&self, slot: usize) -> Option<usize> {
        let owner = self.owner_of[slot]?;
        let is_better = |other: usize| self.counts[other] + 1 < self.counts[owner];
        if let Some(before) = self.owner_before.get(&slot)
            && self.is_subscribed(*before, slot)
            && is_better(*before)
        {
            return Some(*before);
        }
        let mut ranking = self.ranking.iter().map(|(_, member)| *member);
        ranking
            .find(|other| self.is_subscribed(*other, slot))
            .filter(|it| is_better(*it))
    }

    fn move_to(&mut self, slot: usize, to: usize) {
        let Some(from) = self.owner_of[slot] else {
            return;
        };
        let topic = self.problem.topic_of(slot);
        let slot = self.movements.better(topic, slot, from, to);
        self.movements.note(topic, slot, from, to);
        self.hand_over(slot, to);
    }
}
