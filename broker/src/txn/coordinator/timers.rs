//! What time does to transactional ids: a transaction that takes too long is aborted, an id that
//! nobody uses is forgotten.

use std::sync::Arc;
use std::time::Duration;

use super::TransactionCoordinator;
use crate::txn::error::TxnError;
use crate::txn::shard::{Handled, Shard};
use crate::txn::transaction::{Outcome, Transaction};

impl TransactionCoordinator {
    /// Aborts what takes too long and forgets what nobody uses, each at its interval. Runs until it
    /// is dropped; spawned once, on a core's runtime.
    pub async fn run_timers(&self) {
        let config = self.inner.environment.config.clone();
        let clock = Arc::clone(&self.inner.environment.parts.clock);
        let start = clock.monotonic();
        let mut next_abort = start.saturating_add(config.abort_timed_out_interval);
        let mut next_removal = start.saturating_add(config.remove_expired_interval);
        loop {
            let now = clock.monotonic();
            if next_abort <= now {
                next_abort = now.saturating_add(config.abort_timed_out_interval);
                self.abort_timed_out().await;
            }
            if next_removal <= now {
                next_removal = now.saturating_add(config.remove_expired_interval);
                self.remove_expired();
            }
            let wait = next_abort.min(next_removal).saturating_sub(now);
            tokio::time::sleep(wait.max(Duration::from_millis(1))).await;
        }
    }

    /// Aborts the transactions that have been open for longer than their timeouts.
    pub async fn abort_timed_out(&self) {
        let now_ms = self.inner.environment.now_ms();
        for shard in self.active_shards() {
            for id in timed_out(&shard, now_ms) {
                if let Err(error) = self.time_out(&shard, &id, now_ms).await {
                    tracing::warn!(
                        transactional_id = %id, %error, "timed-out transaction not aborted yet"
                    );
                }
            }
            self.carry_on(&shard);
        }
    }

    async fn time_out(&self, shard: &Shard, id: &str, now_ms: i64) -> Result<(), TxnError> {
        let environment = &self.inner.environment;
        let version = environment.version();
        let mut fresh = None;
        loop {
            let event = |transaction: &mut Transaction| {
                if transaction.is_timed_out(now_ms) {
                    transaction.fence(fresh, version, now_ms)
                } else {
                    // The producer has come back to it since.
                    Outcome::Reply(Err(TxnError::ConcurrentTransactions))
                }
            };
            let handled = shard.lock_active()?.request(id, event)?;
            match handled {
                Handled::Queued(_) => {
                    tracing::info!(transactional_id = id, "aborting a transaction: timed out");
                    environment.metrics.timed_out.increment();
                    return Ok(());
                }
                Handled::Reply(_) => return Ok(()),
                Handled::ProducerIdNeeded => {
                    fresh = Some(environment.parts.producer_ids.next().await?);
                }
            }
        }
    }

    /// Begins to forget the ids that nobody has used for `transactional.id.expiration.ms`.
    pub fn remove_expired(&self) {
        let environment = &self.inner.environment;
        let expiration_ms = environment.config.id_expiration.as_millis();
        let expiration_ms = i64::try_from(expiration_ms).unwrap_or(i64::MAX);
        let now_ms = environment.now_ms();
        for shard in self.active_shards() {
            {
                let mut state = shard.lock();
                let expired = state
                    .entries
                    .iter()
                    .filter(|(_, entry)| entry.transaction.is_expired(expiration_ms, now_ms));
                let expired: Vec<Arc<str>> = expired.map(|(id, _)| Arc::clone(id)).collect();
                for id in expired {
                    state.expire(&id);
                }
            }
            self.carry_on(&shard);
        }
    }
}

fn timed_out(shard: &Shard, now_ms: i64) -> Vec<Arc<str>> {
    let state = shard.lock();
    let timed_out = state.entries.iter();
    let timed_out = timed_out.filter(|(_, entry)| entry.transaction.is_timed_out(now_ms));
    timed_out.map(|(id, _)| Arc::clone(id)).collect()
}
