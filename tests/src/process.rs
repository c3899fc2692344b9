//! Real time and the accounting of real processes.

use std::fs;
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context;

/// Polls `condition` until it holds or `deadline` is over; whether it held.
pub fn wait_until(deadline: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let end = now() + deadline;
    while !condition() {
        if end < now() {
            return false;
        }
        pause();
    }
    true
}

/// The monotonic time.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "tests of a real process run on real time"
)]
pub fn now() -> Instant {
    Instant::now()
}

/// The wall-clock time in ms since 1970, as records carry it.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "tests of a real process run on real time"
)]
pub fn now_ms() -> i64 {
    let elapsed = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the pause between two polls, not synchronisation"
)]
fn pause() {
    std::thread::sleep(Duration::from_millis(5));
}

/// The resident memory of a process in bytes.
///
/// # Errors
/// The process has ended.
pub fn resident_bytes(pid: u32) -> anyhow::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix("kB"));
    let kibibytes: u64 = kibibytes
        .context("a process without VmRSS")?
        .trim()
        .parse()?;
    Ok(kibibytes * 1024)
}

/// The CPU time that a process has used, to 10 ms.
///
/// # Errors
/// The process has ended.
pub fn cpu_time(pid: u32) -> anyhow::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The command's name, in parentheses, may hold anything; user and system time are the 12th and
    // 13th fields behind it, in ticks of 10 ms.
    let (_, fields) = stat.rsplit_once(')').context("a stat line")?;
    let mut ticks = 0;
    for field in fields.split_whitespace().skip(11).take(2) {
        ticks += field.parse::<u64>()?;
    }
    Ok(Duration::from_millis(ticks * 10))
}
