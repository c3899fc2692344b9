//! A bound on the bytes of requests that are being handled, over all connections.
//!
//! A connection that does not get its share stops reading its socket; TCP then slows the client.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Requests up to this size are not counted: the number of connections bounds them.
const UNCOUNTED_BYTES_MAX: usize = 16 * 1024;
/// Semaphore permits are 32 bits wide and counted in units of this many bytes.
const UNIT_BYTES: usize = 1024;

/// The request memory of a broker (`queued.max.request.bytes`).
#[derive(Clone)]
pub(crate) struct RequestMemory {
    units: Arc<Semaphore>,
    units_max: u32,
}

/// The request memory is used up at the moment.
pub(crate) struct Exhausted;

impl RequestMemory {
    /// `bytes_max` is the bound; a single request larger than it is let through alone.
    pub(crate) fn new(bytes_max: usize) -> Self {
        let units_max = u32::try_from(bytes_max.div_ceil(UNIT_BYTES).max(1)).unwrap_or(u32::MAX);
        let permits = usize::try_from(units_max).unwrap_or(Semaphore::MAX_PERMITS);
        Self {
            units: Arc::new(Semaphore::new(permits.min(Semaphore::MAX_PERMITS))),
            units_max,
        }
    }

    /// Whether a request of this size needs a share.
    pub(crate) fn is_counted(request_bytes: usize) -> bool {
        UNCOUNTED_BYTES_MAX < request_bytes
    }

    /// Takes memory for a request of `request_bytes` if there is some; `None` for a small request.
    pub(crate) fn try_acquire(
        &self,
        request_bytes: usize,
    ) -> Result<Option<OwnedSemaphorePermit>, Exhausted> {
        if !Self::is_counted(request_bytes) {
            return Ok(None);
        }
        let units = Arc::clone(&self.units);
        units
            .try_acquire_many_owned(self.units_of(request_bytes))
            .map(Some)
            .map_err(|_| Exhausted)
    }

    /// Waits for memory for a request of `request_bytes`.
    pub(crate) async fn acquire(&self, request_bytes: usize) -> Option<OwnedSemaphorePermit> {
        let units = Arc::clone(&self.units);
        // The semaphore is never closed, so this is always a permit.
        units
            .acquire_many_owned(self.units_of(request_bytes))
            .await
            .ok()
    }

    fn units_of(&self, request_bytes: usize) -> u32 {
        u32::try_from(request_bytes.div_ceil(UNIT_BYTES))
            .unwrap_or(u32::MAX)
            .min(self.units_max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_bounded_and_given_back() {
        let memory = RequestMemory::new(1024 * 1024);
        let first = memory.try_acquire(768 * 1024).ok().flatten().expect("fits");
        assert!(memory.try_acquire(512 * 1024).is_err());
        drop(first);
        assert!(
            memory
                .try_acquire(512 * 1024)
                .is_ok_and(|permit| permit.is_some())
        );
    }

    #[test]
    fn small_requests_are_not_counted() {
        let memory = RequestMemory::new(1);
        let _all = memory
            .try_acquire(1024 * 1024)
            .ok()
            .flatten()
            .expect("let through alone");
        assert!(
            memory
                .try_acquire(UNCOUNTED_BYTES_MAX)
                .is_ok_and(|permit| permit.is_none())
        );
    }
}
