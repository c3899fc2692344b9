//! Administration: what Kafka's `Admin` does, one file per kind of thing.
//!
//! Each call picks the broker that can answer it, retries what may succeed later until
//! `default.api.timeout.ms`, and returns what the broker said about every single item.

mod acls;
mod cluster;
mod configs;
mod driver;
mod elections;
mod features;
mod groups;
mod listed;
mod log_dirs;
mod offsets;
mod per_item;
mod quorum;
mod quotas;
mod reassignments;
mod records;
mod scram;
mod targets;
mod tokens;
mod topics;
mod transactions;
mod wire;

use std::sync::Arc;
use std::time::Duration;

pub use acls::{
    AccessControlEntry, AclBinding, AclBindingFilter, AclOperation, AclPermissionType, PatternType,
    ResourcePattern, ResourceType,
};
pub use cluster::{ClusterDescription, DescribeClusterOptions};
pub use configs::{
    AlterConfigOp, ConfigEntry, ConfigResource, ConfigResourceType, ConfigSource, ConfigSynonym,
    ConfigType, DescribeConfigsOptions, OpType,
};
pub use elections::ElectionType;
pub use features::{FeatureMetadata, FeatureRange, FeatureUpdate, UpgradeType};
pub use groups::{
    ClassicGroupDescription, CommittedOffsets, ConsumerGroupDescription, GroupListing, GroupState,
    GroupType, ListGroupsOptions, MemberDescription, MemberToRemove,
};
pub use listed::Listed;
pub use log_dirs::{LogDirDescription, ReplicaInfo, ReplicaLogDirInfo, TopicPartitionReplica};
pub use offsets::{ListOffsetsOptions, ListOffsetsResultInfo, OffsetSpec};
pub use per_item::PerItem;
pub use quorum::{QuorumInfo, QuorumReplica, RaftVoterEndpoint};
pub use quotas::{ClientQuotaEntity, ClientQuotaFilter, ClientQuotaMatch, ClientQuotaOps};
pub use reassignments::PartitionReassignment;
pub use records::{DeletedRecords, RecordsToDelete};
pub use scram::{ScramCredentialInfo, ScramMechanism, UserScramCredentialAlteration};
pub use tokens::{CreateDelegationTokenOptions, DelegationToken, KafkaPrincipal};
use tokio::time::Instant;
pub use topics::{
    CreateTopicsOptions, CreatedTopic, NewPartitions, NewTopic, TopicDescription, TopicListing,
    TopicPartitionInfo,
};
pub use transactions::{
    AbortTransactionSpec, FencedProducer, ListTransactionsOptions, ProducerState,
    TransactionDescription, TransactionListing, TransactionState,
};

use crate::cluster::Cluster;
use crate::config::{AdminConfig, ConfigError};
use crate::net::{Connector, TcpConnector};

/// An admin client. Cheap to clone; its connections end with the last clone.
#[derive(Clone)]
pub struct Admin {
    cluster: Cluster,
    config: AdminConfig,
}

impl Admin {
    /// An admin client over plain TCP. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// The configuration is unusable.
    pub fn new(config: AdminConfig) -> Result<Self, ConfigError> {
        Self::with_connector(config, Arc::new(TcpConnector))
    }

    /// An admin client over another kind of connection.
    ///
    /// # Errors
    /// The configuration is unusable.
    pub fn with_connector(
        config: AdminConfig,
        connector: Arc<dyn Connector>,
    ) -> Result<Self, ConfigError> {
        config.check()?;
        let cluster = Cluster::new(config.client.clone(), connector)?;
        Ok(Self { cluster, config })
    }

    /// What it knows of the cluster.
    #[must_use]
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// The same client with another `default.api.timeout.ms`: for calls that take longer, or must
    /// not take as long.
    #[must_use]
    pub fn with_timeout(&self, timeout: Duration) -> Self {
        let mut admin = self.clone();
        admin.config.default_api_timeout = timeout;
        admin
    }

    /// `default.api.timeout.ms`: how long a call may take in all.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.config.default_api_timeout
    }

    /// When a call that begins now has to be over.
    fn deadline(&self) -> Instant {
        Instant::now() + self.config.default_api_timeout
    }
}

#[cfg(test)]
mod tests;
