//! Which faults come when: a function of the seed. Pure.

use std::time::Duration;

use crate::exactly_once::Random;

/// Shortest and longest time between two faults, in ms.
const BETWEEN_MS: (u64, u64) = (100, 2500);
/// How long somebody who was killed or stopped stays away, in ms.
const AWAY_MS: (u64, u64) = (0, 1500);
/// The same for one in eight: longer than transactions and sessions last.
const LONG_AWAY_MS: (u64, u64) = (5000, 7000);
/// How long a process is paused, in ms: shorter and longer than transactions and sessions last.
const PAUSED_MS: (u64, u64) = (500, 6000);

/// Something that happens to a process of the campaign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A worker gets SIGKILL and is started again after `away`.
    KillWorker {
        /// Which.
        index: usize,
        /// Until its next incarnation.
        away: Duration,
    },
    /// A worker finishes its transaction, leaves and is started again after `away`.
    StopWorker {
        /// Which.
        index: usize,
        /// Until its next incarnation.
        away: Duration,
    },
    /// A worker is frozen and goes on after `paused` as if nothing had happened.
    PauseWorker {
        /// Which.
        index: usize,
        /// How long.
        paused: Duration,
    },
    /// A worker is frozen, its successor starts at once, and then it goes on: a zombie.
    ReplaceWorker {
        /// Which.
        index: usize,
        /// How long it is frozen.
        paused: Duration,
    },
    /// The broker gets SIGKILL and is started again after `away`.
    KillBroker {
        /// Until it is started again.
        away: Duration,
    },
    /// The broker is stopped cleanly and is started again after `away`.
    StopBroker {
        /// Until it is started again.
        away: Duration,
    },
}

/// The faults of a campaign, without end.
#[derive(Debug)]
pub struct Schedule {
    random: Random,
    workers: usize,
    has_broker: bool,
}

impl Schedule {
    /// The faults of `seed` for so many workers, and the broker if it may be hurt.
    #[must_use]
    pub fn new(seed: u64, workers: usize, has_broker: bool) -> Self {
        Self {
            random: Random::of(seed, "schedule", 0),
            workers,
            has_broker,
        }
    }

    fn duration(&mut self, (low, high): (u64, u64)) -> Duration {
        Duration::from_millis(self.random.between(low, high))
    }

    fn away(&mut self) -> Duration {
        let is_long = self.random.between(0, 8) == 0;
        self.duration(if is_long { LONG_AWAY_MS } else { AWAY_MS })
    }
}

impl Iterator for Schedule {
    /// The time since the last fault, and the fault.
    type Item = (Duration, Fault);

    fn next(&mut self) -> Option<(Duration, Fault)> {
        let delay = self.duration(BETWEEN_MS);
        let index = self.random.index(0, self.workers);
        // The broker's faults are the last, so that leaving them out keeps the others.
        let kinds = if self.has_broker { 100 } else { 70 };
        let fault = match self.random.between(0, kinds) {
            0..30 => Fault::KillWorker {
                index,
                away: self.away(),
            },
            30..40 => Fault::StopWorker {
                index,
                away: self.away(),
            },
            40..55 => Fault::PauseWorker {
                index,
                paused: self.duration(PAUSED_MS),
            },
            55..70 => Fault::ReplaceWorker {
                index,
                paused: self.duration(PAUSED_MS),
            },
            70..90 => Fault::KillBroker {
                away: self.duration(AWAY_MS),
            },
            _ => Fault::StopBroker {
                away: self.duration(AWAY_MS),
            },
        };
        Some((delay, fault))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_faults_again_and_another_seed_others() {
        let faults = |seed| Schedule::new(seed, 4, true).take(50).collect::<Vec<_>>();
        assert_eq!(faults(7), faults(7));
        assert_ne!(faults(7), faults(8));
    }

    #[test]
    fn every_kind_of_fault_comes_and_the_broker_is_spared_when_it_has_to_be() {
        let kinds = |has_broker| {
            let mut kinds = [0; 6];
            for (_, fault) in Schedule::new(1, 4, has_broker).take(500) {
                kinds[match fault {
                    Fault::KillWorker { .. } => 0,
                    Fault::StopWorker { .. } => 1,
                    Fault::PauseWorker { .. } => 2,
                    Fault::ReplaceWorker { .. } => 3,
                    Fault::KillBroker { .. } => 4,
                    Fault::StopBroker { .. } => 5,
                }] += 1;
            }
            kinds
        };
        assert!(kinds(true).iter().all(|count| 0 < *count));
        assert_eq!(kinds(false)[4..], [0, 0]);
    }
}
