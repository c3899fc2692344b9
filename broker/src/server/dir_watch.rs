//! What the broker does when a log dir goes offline, or the metadata can no longer be written.
//!
//! The other log dirs are served on. Groups and transactional ids whose partition of an internal
//! topic lies in the dir are unloaded, so that clients hear that this is not their coordinator.
//! With no dir left, or without the one of the metadata, the broker stops with a message, as Kafka
//! does.

use std::path::PathBuf;
use std::sync::{Arc, Weak};

use ringbrook_engine::io::OfflineObserver;
use tokio::sync::{Notify, watch};

use super::{Broker, InternalTopic};

/// Wakes the task when a log dir goes offline: the engine calls in the middle of its work.
struct Waker(Notify);

impl OfflineObserver for Waker {
    fn on_offline(&self) {
        self.0.notify_one();
    }
}

/// Runs until the broker stops; puts the reason into `failure` when it has to.
pub(super) async fn run(
    broker: Arc<Broker>,
    metadata_dir: PathBuf,
    failure: watch::Sender<Option<String>>,
) {
    let waker = Arc::new(Waker(Notify::new()));
    let observer: Weak<dyn OfflineObserver> = Arc::downgrade(&waker) as Weak<dyn OfflineObserver>;
    broker.logs.watch_dirs(&observer);
    loop {
        unload_offline(&broker);
        if let Some(reason) = fatal(&broker, &metadata_dir) {
            failure.send_replace(Some(reason));
        }
        tokio::select! {
            () = waker.0.notified() => {}
            () = broker.controller.closed() => {
                let reason = format!(
                    "the metadata in {} cannot be written; the log says why",
                    metadata_dir.display()
                );
                failure.send_replace(Some(reason));
                return;
            }
        }
    }
}

/// Why the broker cannot go on with the log dirs that are left.
fn fatal(broker: &Broker, metadata_dir: &std::path::Path) -> Option<String> {
    let offline = broker.logs.offline_dirs();
    let reasons = || {
        let reasons: Vec<_> = offline.iter().map(|(_, reason)| reason.as_str()).collect();
        reasons.join("; ")
    };
    if broker.logs.directories().len() <= offline.len() {
        return Some(format!("every log directory is offline: {}", reasons()));
    }
    offline
        .iter()
        .find(|(dir, _)| metadata_dir.parent() == Some(dir))
        .map(|(dir, reason)| {
            format!(
                "log directory {} is offline, which holds the metadata: {reason}",
                dir.display()
            )
        })
}

fn unload_offline(broker: &Broker) {
    let served = broker.replicas.served();
    for partition in served.partitions() {
        if !partition.is_offline() {
            continue;
        }
        match InternalTopic::named(partition.topic()) {
            Some(InternalTopic::ConsumerOffsets) => broker.groups.unload(partition.index()),
            Some(InternalTopic::TransactionState) => broker.transactions.unload(partition.index()),
            None => {}
        }
    }
}
