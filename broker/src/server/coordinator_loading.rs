//! Loading what the coordinators know: each partition of `__consumer_offsets` and
//! `__transaction_state` once, when this broker begins to serve it.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Broker, InternalTopic};
use crate::replica::Partition;

/// Which partitions have been handed to their coordinators.
#[derive(Default)]
pub(super) struct CoordinatorLoading {
    groups_begun: BTreeSet<i32>,
    transactions_begun: BTreeSet<i32>,
}

/// A partition to load: its number, and the epoch in which it is led.
type ToLoad = (InternalTopic, i32, i32);

impl CoordinatorLoading {
    /// Begins to load the partitions that are served and not yet loaded. Loads run on the cores,
    /// one partition after the other on each.
    pub(super) fn begin(&mut self, broker: &Arc<Broker>) {
        let served = broker.replicas.served();
        let mut by_core = vec![Vec::new(); broker.cores.len()];
        for partition in served.partitions() {
            let Some(to_load) = self.take_new(partition) else {
                continue;
            };
            let core = usize::try_from(to_load.1).unwrap_or(0) % by_core.len().max(1);
            if let Some(loads) = by_core.get_mut(core) {
                loads.push(to_load);
            }
        }
        for (core, loads) in broker.cores.iter().zip(by_core) {
            if !loads.is_empty() {
                let broker = Arc::clone(broker);
                core.run(move || load(broker, loads));
            }
        }
    }

    fn take_new(&mut self, partition: &Partition) -> Option<ToLoad> {
        let topic = InternalTopic::named(partition.topic())?;
        let begun = match topic {
            InternalTopic::ConsumerOffsets => &mut self.groups_begun,
            InternalTopic::TransactionState => &mut self.transactions_begun,
        };
        let index = partition.index();
        begun
            .insert(index)
            .then(|| (topic, index, partition.leader_epoch()))
    }
}

async fn load(broker: Arc<Broker>, loads: Vec<ToLoad>) {
    for (topic, partition, leader_epoch) in loads {
        match topic {
            InternalTopic::ConsumerOffsets => load_groups(&broker, partition).await,
            InternalTopic::TransactionState => {
                load_transactions(&broker, partition, leader_epoch).await;
            }
        }
    }
}

async fn load_groups(broker: &Broker, partition: i32) {
    match broker.groups.load(partition).await {
        Ok(loaded) => tracing::debug!(
            partition,
            records = loaded.records,
            groups = loaded.groups,
            "groups loaded"
        ),
        Err(error) => tracing::error!(partition, %error, "groups not loaded"),
    }
}

async fn load_transactions(broker: &Broker, partition: i32, leader_epoch: i32) {
    match broker.transactions.load(partition, leader_epoch).await {
        Ok(loaded) => tracing::debug!(
            partition,
            records = loaded.records,
            ids = loaded.ids,
            prepared = loaded.prepared,
            "transactions loaded"
        ),
        Err(error) => tracing::error!(partition, %error, "transactions not loaded"),
    }
}
