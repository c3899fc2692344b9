//! Producer ids for idempotent and transactional producers.
//!
//! Ids come in blocks of 1,000, each one a durable command before its first id is used, so an id is
//! never given out twice, also after a crash; what is left of a block is then lost. The next block
//! is asked for when a tenth of the current one is left (Kafka's `RPCProducerIdManager`), so that
//! InitProducerId does not wait for the disk.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Mutex as AsyncMutex, oneshot};

use super::command::{Applied, Command, PRODUCER_ID_BLOCK_LEN, ProducerIdBlock};
use super::error::{ControllerError, MetadataError};
use super::handle::{Controller, producer_id_block};

#[cfg(test)]
mod tests;

/// The next block is asked for when this many ids are left.
const PREFETCH_LEFT: i64 = PRODUCER_ID_BLOCK_LEN / 10;

/// A block on its way.
type Prefetch = oneshot::Receiver<Result<Applied, ControllerError>>;

/// Why there is no producer id.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ProducerIdError {
    /// The controller stopped or failed.
    #[error(transparent)]
    Controller(#[from] ControllerError),
    /// The state machine refused the block.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
}

/// Hands out producer ids. May be shared and used concurrently.
#[derive(Debug)]
pub struct ProducerIdAllocator {
    controller: Controller,
    broker_id: i32,
    state: Mutex<State>,
    /// Held while a block is fetched, so that one is fetched for all who wait.
    fetching: AsyncMutex<()>,
}

#[derive(Debug, Default)]
struct State {
    next: i64,
    end: i64,
    prefetch: Option<Prefetch>,
}

impl ProducerIdAllocator {
    /// An allocator for the broker with this id. Asks for nothing until the first id is needed.
    #[must_use]
    pub fn new(controller: Controller, broker_id: i32) -> Self {
        Self {
            controller,
            broker_id,
            state: Mutex::default(),
            fetching: AsyncMutex::new(()),
        }
    }

    /// An id nobody was given before. Waits for the controller only when the block is used up.
    ///
    /// # Errors
    /// [`ProducerIdError`] when no block could be had.
    pub async fn next(&self) -> Result<i64, ProducerIdError> {
        loop {
            if let Some(id) = self.take() {
                return Ok(id);
            }
            let _fetching = self.fetching.lock().await;
            // Somebody may have fetched a block while this task waited for the lock.
            if let Some(id) = self.take() {
                return Ok(id);
            }
            let block = self.fetch().await?;
            let mut state = self.lock();
            state.next = block.first;
            state.end = block.first + block.len;
        }
    }

    fn take(&self) -> Option<i64> {
        let mut state = self.lock();
        if state.next == state.end {
            return None;
        }
        let id = state.next;
        state.next += 1;
        if state.end - state.next == PREFETCH_LEFT && state.prefetch.is_none() {
            state.prefetch = self.controller.try_submit(self.command());
        }
        Some(id)
    }

    /// The prefetched block, or a new one if there is none or it failed.
    async fn fetch(&self) -> Result<ProducerIdBlock, ProducerIdError> {
        let prefetch = self.lock().prefetch.take();
        if let Some(prefetch) = prefetch
            && let Ok(Ok(applied)) = prefetch.await
        {
            return Ok(producer_id_block(applied)??);
        }
        Ok(producer_id_block(
            self.controller.submit(self.command()).await?,
        )??)
    }

    fn command(&self) -> Command {
        Command::AllocateProducerIds {
            broker_id: self.broker_id,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing between lock and unlock can panic half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
