//! What a rebalance asks of the application, one step at a time: give partitions up, take note that
//! they are lost, begin with new ones. Membership plans steps; `poll` carries them out, because
//! listeners run in there and nowhere else.
//!
//! **Invariant:** `owned` is what the application was told that it has; it changes only when a step
//! is done.

use std::collections::{BTreeSet, VecDeque};

use crate::topic_partition::TopicPartition;

/// Partitions in the order of their names.
pub(crate) type Partitions = BTreeSet<TopicPartition>;

/// A step for the application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Commit, tell the listener that `revoked` are to be given up if `is_told`, and keep only
    /// `remaining`.
    Revoke {
        revoked: Partitions,
        remaining: Partitions,
        is_told: bool,
    },
    /// Tell the listener that these belong to others now; keep nothing.
    Lose { lost: Partitions },
    /// Take over `assigned`, and tell the listener of those that are new.
    Assign {
        assigned: Partitions,
        added: Partitions,
    },
}

/// A step before it is known what is owned when its turn comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Plan {
    /// Give these up; none of them means: commit.
    Revoke(Partitions),
    /// Give up all.
    RevokeAll,
    /// Give up all, because an eager group rebalances. The listener is told so even when there is
    /// nothing to give up, as Kafka's is.
    RevokeAllEagerly,
    /// All are lost.
    Lose,
    /// From now on it is these.
    Assign(Partitions),
}

/// Planned steps, the one under way, and what came of those before.
#[derive(Debug, Default)]
pub(super) struct Steps {
    owned: Partitions,
    planned: VecDeque<Plan>,
    running: Option<Step>,
}

impl Steps {
    /// What the application has.
    pub(super) fn owned(&self) -> &Partitions {
        &self.owned
    }

    /// Plans a step behind those that are planned already.
    pub(super) fn plan(&mut self, plan: Plan) {
        self.planned.push_back(plan);
    }

    /// Drops steps that have not begun.
    pub(super) fn cancel_planned(&mut self) {
        self.planned.clear();
    }

    /// Whether nothing is planned or under way.
    pub(super) fn is_idle(&mut self) -> bool {
        while let Some(plan) = self.planned.front() {
            let is_always_told = matches!(plan, Plan::Assign(_) | Plan::RevokeAllEagerly);
            let is_void = !is_always_told && self.owned.is_empty();
            if !is_void || self.running.is_some() {
                break;
            }
            self.planned.pop_front();
        }
        self.running.is_none() && self.planned.is_empty()
    }

    /// Whether a step can begin.
    pub(super) fn is_due(&mut self) -> bool {
        self.running.is_none() && !self.is_idle()
    }

    /// The next step, which is under way from now on; nothing while one is.
    pub(super) fn begin(&mut self) -> Option<Step> {
        if !self.is_due() {
            return None;
        }
        let owned = &self.owned;
        let step = match self.planned.pop_front()? {
            Plan::Revoke(partitions) => {
                let revoked: Partitions = owned.intersection(&partitions).cloned().collect();
                let remaining = owned.difference(&partitions).cloned().collect();
                Step::Revoke {
                    is_told: !revoked.is_empty(),
                    revoked,
                    remaining,
                }
            }
            Plan::RevokeAll | Plan::RevokeAllEagerly => Step::Revoke {
                revoked: owned.clone(),
                remaining: Partitions::new(),
                is_told: true,
            },
            Plan::Lose => Step::Lose {
                lost: owned.clone(),
            },
            Plan::Assign(assigned) => Step::Assign {
                added: assigned.difference(owned).cloned().collect(),
                assigned,
            },
        };
        self.running = Some(step.clone());
        Some(step)
    }

    /// The step under way is done.
    pub(super) fn finish(&mut self) {
        match self.running.take() {
            Some(Step::Revoke { remaining, .. }) => self.owned = remaining,
            Some(Step::Lose { .. }) => self.owned.clear(),
            Some(Step::Assign { assigned, .. }) => self.owned = assigned,
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partitions(indexes: &[i32]) -> Partitions {
        indexes
            .iter()
            .map(|it| TopicPartition::new("t", *it))
            .collect()
    }

    #[test]
    fn steps_come_one_at_a_time_and_change_what_is_owned() {
        let mut steps = Steps::default();
        steps.plan(Plan::Assign(partitions(&[0, 1])));
        assert!(!steps.is_idle());
        let assign = steps.begin();
        let added = partitions(&[0, 1]);
        let assigned = added.clone();
        assert_eq!(assign, Some(Step::Assign { assigned, added }));
        steps.plan(Plan::Revoke(partitions(&[1, 7])));
        steps.plan(Plan::Assign(partitions(&[0, 2])));
        assert_eq!(steps.begin(), None, "one is under way");
        assert_eq!(steps.owned(), &Partitions::new());
        steps.finish();
        assert_eq!(steps.owned(), &partitions(&[0, 1]));
        let (revoked, remaining) = (partitions(&[1]), partitions(&[0]));
        let revoke = Step::Revoke {
            revoked,
            remaining,
            is_told: true,
        };
        assert_eq!(steps.begin(), Some(revoke));
        steps.finish();
        let (assigned, added) = (partitions(&[0, 2]), partitions(&[2]));
        assert_eq!(steps.begin(), Some(Step::Assign { assigned, added }));
        steps.finish();
        assert!(steps.is_idle());
    }

    #[test]
    fn nothing_owned_is_nothing_to_give_up() {
        let mut steps = Steps::default();
        for plan in [Plan::RevokeAll, Plan::Lose, Plan::Revoke(partitions(&[1]))] {
            steps.plan(plan);
            assert!(steps.is_idle());
            assert_eq!(steps.begin(), None);
        }
    }

    #[test]
    fn an_eager_rebalance_is_told_also_to_who_has_nothing() {
        let mut steps = Steps::default();
        steps.plan(Plan::RevokeAllEagerly);
        assert!(!steps.is_idle());
        let nothing = Step::Revoke {
            revoked: Partitions::new(),
            remaining: Partitions::new(),
            is_told: true,
        };
        assert_eq!(steps.begin(), Some(nothing));
        steps.finish();
        assert!(steps.is_idle());
    }

    #[test]
    fn what_has_begun_cannot_be_cancelled() {
        let mut steps = Steps::default();
        steps.plan(Plan::Assign(partitions(&[0])));
        assert!(steps.begin().is_some());
        steps.plan(Plan::Assign(partitions(&[1])));
        steps.cancel_planned();
        steps.plan(Plan::Lose);
        assert!(!steps.is_idle());
        steps.finish();
        let lost = partitions(&[0]);
        assert_eq!(steps.begin(), Some(Step::Lose { lost }));
    }
}
