//! Work that no request asks for: applying metadata, retention, checkpoints, expiry.
//!
//! Runs on the control runtime; what blocks runs on its blocking threads, never on a core.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::Broker;
use super::coordinator_loading::CoordinatorLoading;

/// How often the engine is asked whether periodic work is due.
const MAINTENANCE_INTERVAL: Duration = Duration::from_millis(500);

/// Starts the background tasks; they end when the broker stops.
pub(super) fn spawn(
    control: &tokio::runtime::Runtime,
    broker: &Arc<Broker>,
    applied: watch::Sender<u64>,
    stopping: &watch::Receiver<bool>,
) {
    control.spawn(until(
        stopping.clone(),
        apply_metadata(Arc::clone(broker), applied),
    ));
    control.spawn(until(stopping.clone(), maintain_logs(Arc::clone(broker))));
    if let Some(core) = broker.cores.first() {
        // Timers append to the coordinators' topics, so they run where appending is possible.
        let groups = broker.groups.clone();
        core.run(move || async move { groups.run_timers().await });
        let transactions = broker.transactions.clone();
        core.run(move || async move { transactions.run_timers().await });
    }
}

pub(super) async fn until(mut stopping: watch::Receiver<bool>, task: impl Future<Output = ()>) {
    tokio::select! {
        () = task => {}
        _ = stopping.wait_for(|is_stopping| *is_stopping) => {}
    }
}

/// Keeps the replicas in step with the controller's metadata.
async fn apply_metadata(broker: Arc<Broker>, applied: watch::Sender<u64>) {
    let mut versions = broker.controller.subscribe();
    let mut loading = CoordinatorLoading::default();
    loading.begin(&broker);
    loop {
        let image = broker.controller.image();
        let version = image.version();
        if *applied.borrow() < version {
            let applying = Arc::clone(&broker);
            let task = tokio::task::spawn_blocking(move || applying.apply_metadata(&image));
            if let Err(error) = task.await {
                tracing::error!(%error, "applying metadata panicked; topics may not be served");
            }
            loading.begin(&broker);
            applied.send_replace(version);
        }
        if versions.changed().await.is_err() {
            return;
        }
    }
}

/// Runs the engine's periodic work: retention, checkpoints, flushes by time, deletions.
async fn maintain_logs(broker: Arc<Broker>) {
    let mut ticks = tokio::time::interval(MAINTENANCE_INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let logs = Arc::clone(&broker.logs);
        let task = tokio::task::spawn_blocking(move || logs.run_background());
        if let Err(error) = task.await {
            tracing::error!(%error, "log maintenance panicked");
        }
    }
}
