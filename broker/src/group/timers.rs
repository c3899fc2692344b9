//! The timers of one shard: which group wants to hear of which moment. A plain priority map under
//! the shard's lock, so that setting and cancelling are exact and a timer never fires late against
//! a state that has moved on. Nothing here waits; the coordinator's timer task does.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hashbrown::HashMap;

/// A timer of a group. Each exists at most once; setting it again replaces it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum TimerKind {
    /// Classic: end of the join phase (initial rebalance delay or rebalance timeout).
    Join,
    /// Classic: end of the time members have to send their SyncGroup.
    Sync,
    /// End of the session of a member, or of a member id nobody has used yet.
    Session(Arc<str>),
    /// Consumer: end of the time a member has to give up partitions.
    Rebalance(Arc<str>),
    /// Consumer: end of the time a member of the classic protocol has to join again.
    ClassicRejoin(Arc<str>),
    /// Consumer: end of the time a member of the classic protocol has to sync after its join.
    ClassicSync(Arc<str>),
}

type TimerKey = (Arc<str>, TimerKind);

/// Timers by deadline. Deadlines are readings of the monotonic clock.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    /// The number makes equal deadlines distinct and fire in the order they were set.
    by_deadline: BTreeMap<(Duration, u64), TimerKey>,
    deadlines: HashMap<TimerKey, (Duration, u64)>,
    next_number: u64,
}

impl Timers {
    /// Sets the timer, replacing its former deadline. O(log n).
    pub(crate) fn set(&mut self, group_id: &Arc<str>, kind: TimerKind, deadline: Duration) {
        let key = (Arc::clone(group_id), kind);
        let place = (deadline, self.next_number);
        self.next_number += 1;
        if let Some(former) = self.deadlines.insert(key.clone(), place) {
            self.by_deadline.remove(&former);
        }
        self.by_deadline.insert(place, key);
    }

    /// Forgets the timer, if it is set. O(log n).
    pub(crate) fn cancel(&mut self, group_id: &Arc<str>, kind: TimerKind) {
        if let Some(place) = self.deadlines.remove(&(Arc::clone(group_id), kind)) {
            self.by_deadline.remove(&place);
        }
    }

    /// Whether the timer is set.
    pub(crate) fn is_set(&self, group_id: &Arc<str>, kind: &TimerKind) -> bool {
        self.deadlines
            .contains_key(&(Arc::clone(group_id), kind.clone()))
    }

    /// The earliest deadline.
    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        self.by_deadline
            .keys()
            .next()
            .map(|(deadline, _)| *deadline)
    }

    /// Takes the earliest timer if its deadline has come.
    pub(crate) fn pop_due(&mut self, now: Duration) -> Option<TimerKey> {
        let due = self
            .by_deadline
            .first_entry()
            .filter(|entry| entry.key().0 <= now)?;
        let key = due.remove();
        self.deadlines.remove(&key);
        Some(key)
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        assert_eq!(self.by_deadline.len(), self.deadlines.len());
        self.by_deadline.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn timers_fire_in_order_and_once() {
        let mut timers = Timers::default();
        let (a, b): (Arc<str>, Arc<str>) = (Arc::from("a"), Arc::from("b"));
        timers.set(&a, TimerKind::Join, at(5));
        timers.set(&b, TimerKind::Sync, at(3));
        timers.set(&a, TimerKind::Session(Arc::from("m")), at(3));
        assert_eq!(timers.next_deadline(), Some(at(3)));
        assert_eq!(timers.pop_due(at(2)), None);
        assert_eq!(
            timers.pop_due(at(9)),
            Some((Arc::clone(&b), TimerKind::Sync))
        );
        let session = TimerKind::Session(Arc::from("m"));
        assert_eq!(timers.pop_due(at(9)), Some((Arc::clone(&a), session)));
        assert_eq!(timers.pop_due(at(9)), Some((a, TimerKind::Join)));
        assert_eq!(timers.pop_due(at(9)), None);
        assert_eq!(timers.len(), 0);
    }

    #[test]
    fn setting_again_replaces_and_cancelling_forgets() {
        let mut timers = Timers::default();
        let group: Arc<str> = Arc::from("group");
        timers.set(&group, TimerKind::Join, at(1));
        timers.set(&group, TimerKind::Join, at(7));
        assert_eq!(timers.len(), 1);
        assert_eq!(timers.next_deadline(), Some(at(7)));
        timers.cancel(&group, TimerKind::Sync);
        timers.cancel(&group, TimerKind::Join);
        timers.cancel(&group, TimerKind::Join);
        assert_eq!(timers.len(), 0);
        assert_eq!(timers.next_deadline(), None);
    }
}
