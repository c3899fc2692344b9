//! Whether a drain whose writes are synced waits a moment for those it has just woken, so that they
//! share the next sync. Clients that answer at once to an acknowledgement fall into two groups
//! otherwise, of which each waits for the other's sync as well as for its own: a sync takes as long
//! for one group as for both. Pure; behind the partition log's lock.

/// Drains that do not wait after one that waited in vain, at first and at most.
const PAUSE_MIN: u8 = 1;
const PAUSE_MAX: u8 = 250;

/// Learns from each wait whether the next is worth it.
#[derive(Debug, Default)]
pub(crate) struct Gathering {
    /// Drains still to go without waiting.
    paused: u8,
    /// How many they were the last time; zero after a wait that was worth it.
    pause: u8,
}

impl Gathering {
    /// So many batches were published, and so many are queued already: how many are worth waiting
    /// for, if any. When it says how many, [`Self::on_ended`] has to follow.
    pub(crate) fn begin(&mut self, published: usize, queued: usize) -> Option<usize> {
        let wanted = published + queued;
        if wanted < 2 {
            return None;
        }
        if 0 < self.paused {
            self.paused -= 1;
            return None;
        }
        Some(wanted)
    }

    /// The wait ended, with as many batches as were wanted or without.
    pub(crate) fn on_ended(&mut self, is_complete: bool) {
        self.pause = if is_complete {
            0
        } else {
            self.pause.saturating_mul(2).clamp(PAUSE_MIN, PAUSE_MAX)
        };
        self.paused = self.pause;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_who_were_woken_are_waited_for_with_those_who_wait_already() {
        let mut gathering = Gathering::default();
        assert_eq!(gathering.begin(40, 24), Some(64));
        gathering.on_ended(true);
        assert_eq!(gathering.begin(64, 0), Some(64));
    }

    #[test]
    fn nobody_waits_for_a_single_client() {
        let mut gathering = Gathering::default();
        assert_eq!(gathering.begin(1, 0), None);
        assert_eq!(gathering.begin(0, 1), None);
    }

    #[test]
    fn waits_in_vain_become_rare_until_one_is_worth_it() {
        let mut gathering = Gathering::default();
        let mut waits = 0;
        for _ in 0..1_000 {
            if gathering.begin(1, 1).is_some() {
                gathering.on_ended(false);
                waits += 1;
            }
        }
        assert!((8..20).contains(&waits), "{waits} of 1000");
        while gathering.begin(1, 1).is_none() {}
        gathering.on_ended(true);
        assert!(gathering.begin(1, 1).is_some(), "no pause any more");
    }
}
