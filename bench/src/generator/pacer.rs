//! Waits for intended times more precisely than a runtime's timers, which count milliseconds.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::fs::Timespec;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, timerfd_create, timerfd_settime,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::process::now;

/// Shorter waits are not worth waking up for: so many records go at once instead, this much late at
/// most.
const SHORTEST: Duration = Duration::from_micros(20);

/// A timer of the kernel that a task waits for.
pub(crate) struct Pacer(AsyncFd<OwnedFd>);

impl Pacer {
    /// Must be called within a tokio runtime.
    ///
    /// # Errors
    /// The kernel has no more timers.
    #[expect(
        deprecated,
        reason = "meant for descriptors that may close too early; an OwnedFd does not"
    )]
    pub(crate) fn new() -> anyhow::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        Ok(Self(AsyncFd::with_interest(timer, Interest::READABLE)?))
    }

    /// Comes back at `time`, or at once when it is over.
    ///
    /// # Errors
    /// The kernel's timer failed.
    pub(crate) async fn wait_until(&self, time: Instant) -> anyhow::Result<()> {
        let left = time.saturating_duration_since(now());
        if left.is_zero() {
            return Ok(());
        }
        let left = left.max(SHORTEST);
        let zero = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let timer = Itimerspec {
            it_interval: zero,
            it_value: Timespec {
                tv_sec: i64::try_from(left.as_secs())?,
                tv_nsec: left.subsec_nanos().into(),
            },
        };
        timerfd_settime(self.0.get_ref(), TimerfdTimerFlags::empty(), &timer)?;
        loop {
            let mut ready = self.0.readable().await?;
            let mut count = [0; 8];
            match rustix::io::read(self.0.get_ref(), &mut count) {
                Ok(_) => return Ok(()),
                Err(rustix::io::Errno::AGAIN) => ready.clear_ready(),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_waits_no_shorter_than_it_should_and_not_at_all_for_the_past() -> anyhow::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async {
            let pacer = Pacer::new()?;
            let begin = now();
            for index in 1..=20 {
                let time = begin + Duration::from_micros(300) * index;
                pacer.wait_until(time).await?;
                assert!(time <= now(), "too early");
            }
            pacer.wait_until(begin).await
        })
    }
}
