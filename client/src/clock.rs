//! The wall clock, for timestamps of records and ages; not for timeouts, which are tokio's.

use std::time::SystemTime;

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
