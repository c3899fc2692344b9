//! What groups need to know of the cluster they are in. The broker implements it over its metadata,
//! tests in memory.

use std::sync::Arc;

use super::assignor::TopicsImage;
use super::consumer::settings::GroupOverrides;

/// The cluster, as groups see it. Every method may be called from any thread, and is called on
/// every heartbeat.
pub trait ClusterView: Send + Sync + 'static {
    /// The topics there are now. Their version need only rise when topics or racks change.
    fn topics(&self) -> Arc<dyn TopicsImage + Send + Sync>;

    /// What is configured for this group alone.
    fn group_overrides(&self, group_id: &str) -> GroupOverrides;

    /// Whether the cluster's features and the broker's configuration allow consumer groups.
    fn allows_consumer_protocol(&self) -> bool;
}
