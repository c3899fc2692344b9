//! The wall clock, for timestamps of records and ages; and the ends of timeouts, which are tokio's.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

/// Longer than anybody waits, and short enough for every clock.
const FOR_EVER: Duration = Duration::from_hours(24 * 365 * 30);

/// When `timeout` is over, however long it is.
#[must_use]
pub fn deadline_after(timeout: Duration) -> Instant {
    Instant::now() + timeout.min(FOR_EVER)
}

/// Milliseconds since the epoch.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "the one place where this crate asks for the wall clock"
)]
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    })
}
