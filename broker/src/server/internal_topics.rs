//! The topics of the coordinators: created when they are first needed, as their settings say.
//! Called by FindCoordinator, and by Metadata when a client asks for such a topic by name.

use std::collections::BTreeMap;
use std::sync::{Arc, Once};

use super::{Broker, TopicCreationError};
use crate::controller::image::TopicImage;
use crate::controller::topic_name::{CONSUMER_OFFSETS, TRANSACTION_STATE};
use crate::controller::topic_plan::TopicDefaults;

/// Says once that `__consumer_offsets` gets fewer replicas than configured.
static TOO_FEW_FOR_OFFSETS: Once = Once::new();
/// Says once that `__transaction_state` gets fewer replicas than configured.
static TOO_FEW_FOR_TRANSACTIONS: Once = Once::new();

/// A topic that a coordinator keeps its state in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InternalTopic {
    /// `__consumer_offsets`, of the group coordinator.
    ConsumerOffsets,
    /// `__transaction_state`, of the transaction coordinator.
    TransactionState,
}

impl InternalTopic {
    /// The internal topic of that name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            CONSUMER_OFFSETS => Some(Self::ConsumerOffsets),
            TRANSACTION_STATE => Some(Self::TransactionState),
            _ => None,
        }
    }

    /// Its name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::ConsumerOffsets => CONSUMER_OFFSETS,
            Self::TransactionState => TRANSACTION_STATE,
        }
    }
}

/// How an internal topic is created.
struct Settings {
    partitions: i32,
    replication_factor: i16,
    configs: BTreeMap<String, String>,
}

impl Broker {
    /// The topic, which is created unless it exists. It gets as many replicas as there are brokers
    /// at most: the default of three would keep a single broker from ever serving it.
    ///
    /// # Errors
    /// See [`TopicCreationError`].
    pub(crate) async fn internal_topic(
        &self,
        topic: InternalTopic,
    ) -> Result<Arc<TopicImage>, TopicCreationError> {
        if let Some(existing) = self.image().topic(topic.name()) {
            return Ok(Arc::clone(existing));
        }
        let settings = self.internal_topic_settings(topic);
        let defaults = TopicDefaults {
            partitions: settings.partitions,
            replication_factor: settings.replication_factor,
        };
        self.create_topic_if_missing(topic.name(), defaults, settings.configs)
            .await
    }

    fn internal_topic_settings(&self, topic: InternalTopic) -> Settings {
        let config = self.config();
        let brokers = i16::try_from(self.image().brokers().len()).unwrap_or(i16::MAX);
        match topic {
            InternalTopic::ConsumerOffsets => {
                let offsets = &config.offsets;
                let wanted = offsets.topic_replication_factor;
                warn_of_few_brokers(topic, &TOO_FEW_FOR_OFFSETS, wanted, brokers);
                Settings {
                    partitions: offsets.topic_partitions,
                    replication_factor: wanted.min(brokers),
                    configs: configs(&[
                        ("cleanup.policy", "compact"),
                        ("compression.type", "producer"),
                        ("segment.bytes", &offsets.topic_segment_bytes.to_string()),
                    ]),
                }
            }
            InternalTopic::TransactionState => {
                let log = &config.transactions.state_log;
                let wanted = log.replication_factor;
                warn_of_few_brokers(topic, &TOO_FEW_FOR_TRANSACTIONS, wanted, brokers);
                let replication_factor = wanted.min(brokers);
                // More in-sync replicas than there are replicas would refuse every write.
                let min_isr = log.min_isr.min(i32::from(replication_factor));
                Settings {
                    partitions: log.partitions,
                    replication_factor,
                    configs: configs(&[
                        ("cleanup.policy", "compact"),
                        ("compression.type", "uncompressed"),
                        ("min.insync.replicas", &min_isr.to_string()),
                        ("segment.bytes", &log.segment_bytes.to_string()),
                        ("unclean.leader.election.enable", "false"),
                    ]),
                }
            }
        }
    }
}

/// Clients that start together all find the topic missing: one line is enough.
fn warn_of_few_brokers(topic: InternalTopic, once: &Once, wanted: i16, brokers: i16) {
    if brokers < wanted {
        once.call_once(|| {
            tracing::warn!(
                topic = topic.name(),
                wanted,
                brokers,
                "too few brokers for the replication factor of an internal topic"
            );
        });
    }
}

fn configs(entries: &[(&str, &str)]) -> BTreeMap<String, String> {
    entries
        .iter()
        .map(|&(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}
