//! How fast partitions may move between log dirs
//! (`replica.alter.log.dirs.io.max.bytes.per.second`). Pure: it says how long to wait, the mover
//! waits. Kafka measures over a window of samples; this spreads the bytes evenly.

use std::time::Duration;

/// Bytes copied at a time when nothing limits them.
const PIECE_BYTES_MAX: u64 = 1 << 20;
/// The least that is copied at a time.
const PIECE_BYTES_MIN: u64 = 16 << 10;

/// Remembers when the next bytes may be copied.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    next: Duration,
}

impl Throttle {
    /// Bytes to copy at a time: about a tenth of a second's.
    pub(super) fn piece_bytes(bytes_per_s: u64) -> u64 {
        (bytes_per_s / 10).clamp(PIECE_BYTES_MIN, PIECE_BYTES_MAX)
    }

    /// `bytes` were copied up to `now`.
    pub(super) fn spend(&mut self, bytes: u64, bytes_per_s: u64, now: Duration) {
        // At 0 nothing may move; the mover does not copy then, whatever this says.
        let nanos = u128::from(bytes) * 1_000_000_000 / u128::from(bytes_per_s.max(1));
        let cost = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        self.next = self.next.max(now).saturating_add(cost);
    }

    /// How long to wait from `now` on; nothing when more may be copied.
    pub(super) fn wait(&self, now: Duration) -> Option<Duration> {
        self.next.checked_sub(now).filter(|left| !left.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_take_their_time() {
        let mut throttle = Throttle::default();
        let at = |seconds: u64| Duration::from_secs(100 + seconds);
        assert_eq!(throttle.wait(at(0)), None);
        throttle.spend(3000, 1000, at(0));
        assert_eq!(throttle.wait(at(1)), Some(Duration::from_secs(2)));
        assert_eq!(throttle.wait(at(3)), None);
        // Idle time is not saved up.
        throttle.spend(1000, 1000, at(10));
        assert_eq!(throttle.wait(at(10)), Some(Duration::from_secs(1)));
    }

    #[test]
    fn no_limit_is_no_wait() {
        let mut throttle = Throttle::default();
        throttle.spend(1 << 30, u64::MAX >> 1, Duration::ZERO);
        assert_eq!(throttle.wait(Duration::from_nanos(1)), None);
        assert_eq!(Throttle::piece_bytes(u64::MAX), PIECE_BYTES_MAX);
        assert_eq!(Throttle::piece_bytes(0), PIECE_BYTES_MIN);
    }
}
