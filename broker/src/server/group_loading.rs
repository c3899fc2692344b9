//! Loading groups: each partition of `__consumer_offsets` once, when this broker begins to serve
//! it.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Broker;
use crate::controller::topic_name::CONSUMER_OFFSETS;

/// Which partitions have been handed to the coordinator.
#[derive(Default)]
pub(super) struct GroupLoading {
    begun: BTreeSet<i32>,
}

impl GroupLoading {
    /// Begins to load the partitions that are served and not yet loaded. Loads run on the cores,
    /// one partition after the other on each.
    pub(super) fn begin(&mut self, broker: &Arc<Broker>) {
        let served = broker.replicas.served();
        let partitions = served
            .partitions()
            .filter(|it| &**it.topic() == CONSUMER_OFFSETS);
        let mut by_core = vec![Vec::new(); broker.cores.len()];
        for partition in partitions {
            let index = partition.index();
            if self.begun.insert(index) {
                let core = usize::try_from(index).unwrap_or(0) % by_core.len().max(1);
                if let Some(indexes) = by_core.get_mut(core) {
                    indexes.push(index);
                }
            }
        }
        for (core, indexes) in broker.cores.iter().zip(by_core) {
            if !indexes.is_empty() {
                let broker = Arc::clone(broker);
                core.run(move || load(broker, indexes));
            }
        }
    }
}

async fn load(broker: Arc<Broker>, indexes: Vec<i32>) {
    for index in indexes {
        match broker.groups.load(index).await {
            Ok(loaded) => tracing::debug!(
                partition = index,
                records = loaded.records,
                groups = loaded.groups,
                "groups loaded"
            ),
            Err(error) => tracing::error!(partition = index, %error, "groups not loaded"),
        }
    }
}
