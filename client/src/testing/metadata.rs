//! The fake cluster's brokers, and its answers about them.

use std::collections::BTreeMap;

use ringbrook_protocol::messages::api_versions_response::{
    ApiVersion, FinalizedFeatureKey, SupportedFeatureKey,
};
use ringbrook_protocol::messages::describe_cluster_response::DescribeClusterBroker;
use ringbrook_protocol::messages::metadata_response::MetadataResponseBroker;
use ringbrook_protocol::messages::{
    ApiKey, ApiVersionsResponse, DescribeClusterResponse, MetadataRequest, MetadataResponse,
};
use ringbrook_protocol::{ResponseError, StrBytes, served_versions};
use tokio::sync::watch;
use tokio::time::Instant;

use super::topics::Topics;
use crate::net::HostPort;

/// The fake cluster's id.
pub(super) const CLUSTER_ID: &str = "fake-cluster";

/// A broker.
pub(super) struct Node {
    pub(super) address: HostPort,
    pub(super) state: NodeState,
    pub(super) is_registered: bool,
    /// Connections end when it changes.
    pub(super) incarnation: watch::Sender<u64>,
    pub(super) connections_count: usize,
    pub(super) attempts: Vec<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NodeState {
    Up,
    Refusing,
    /// Connections are neither accepted nor refused.
    Silent,
}

#[derive(Default)]
pub(super) struct Nodes {
    nodes: BTreeMap<i32, Node>,
    connections_count: u64,
    /// Versions other than those by default.
    versions: BTreeMap<i16, (i16, i16)>,
    features: BTreeMap<String, i16>,
}

impl Nodes {
    pub(super) fn add(&mut self, id: i32) {
        let node = Node {
            address: HostPort {
                host: format!("node-{id}"),
                port: 9092,
            },
            state: NodeState::Up,
            is_registered: true,
            incarnation: watch::Sender::new(0),
            connections_count: 0,
            attempts: Vec::new(),
        };
        self.nodes.insert(id, node);
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (i32, &Node)> {
        self.nodes.iter().map(|(id, node)| (*id, node))
    }

    pub(super) fn ids(&self) -> Vec<i32> {
        self.nodes.keys().copied().collect()
    }

    pub(super) fn node_mut(&mut self, id: i32) -> &mut Node {
        let node = self.nodes.get_mut(&id);
        node.unwrap_or_else(|| panic!("the fake cluster has no node {id}"))
    }

    pub(super) fn at_mut(&mut self, address: &HostPort) -> Option<(i32, &mut Node)> {
        let mut nodes = self.nodes.iter_mut();
        let found = nodes.find(|(_, node)| node.address == *address);
        found.map(|(id, node)| (*id, node))
    }

    pub(super) fn next_connection(&mut self) -> u64 {
        self.connections_count += 1;
        self.connections_count
    }

    pub(super) fn serve(&mut self, api: ApiKey, min: i16, max: i16) {
        self.versions.insert(api as i16, (min, max));
    }

    pub(super) fn finalize_feature(&mut self, name: &str, level: i16) {
        self.features.insert(name.to_owned(), level);
    }

    /// Ringbrook's versions; of APIs it does not serve, all that there are.
    fn versions_of(&self, api: ApiKey) -> (i16, i16) {
        let key = api as i16;
        let scripted = self.versions.get(&key).copied();
        let served = || served_versions(key).map(|range| (range.min, range.max));
        let all = api.valid_versions();
        scripted.or_else(served).unwrap_or((all.min, all.max))
    }

    /// The versions, and the version of the answer: 0 when the one asked for is not served.
    pub(super) fn api_versions(&self, version: i16) -> (ApiVersionsResponse, i16) {
        let ranges = ApiKey::iter().map(|api| (api, self.versions_of(api)));
        let ranges = ranges.filter(|(_, (min, max))| min <= max);
        let api_keys = ranges.map(|(api, (min, max))| {
            ApiVersion::default()
                .with_api_key(api as i16)
                .with_min_version(min)
                .with_max_version(max)
        });
        let response = ApiVersionsResponse::default().with_api_keys(api_keys.collect());
        let (min, max) = self.versions_of(ApiKey::ApiVersions);
        if !(min..=max).contains(&version) {
            let unsupported = ResponseError::UnsupportedVersion.code();
            return (response.with_error_code(unsupported), 0);
        }
        if version < 3 {
            return (response, version);
        }
        let supported = self.features.iter().map(|(name, level)| {
            SupportedFeatureKey::default()
                .with_name(StrBytes::from_string(name.clone()))
                .with_min_version(0)
                .with_max_version(*level)
        });
        let finalized = self.features.iter().map(|(name, level)| {
            FinalizedFeatureKey::default()
                .with_name(StrBytes::from_string(name.clone()))
                .with_min_version_level(*level)
                .with_max_version_level(*level)
        });
        let response = response
            .with_supported_features(supported.collect())
            .with_finalized_features(finalized.collect())
            .with_finalized_features_epoch(1);
        (response, version)
    }

    fn registered(&self) -> impl Iterator<Item = (i32, &Node)> {
        self.all().filter(|(_, node)| node.is_registered)
    }

    fn controller_id(&self) -> i32 {
        self.registered().next().map_or(-1, |(id, _)| id)
    }

    pub(super) fn metadata(
        &self,
        topics: &mut Topics,
        request: &MetadataRequest,
        version: i16,
    ) -> MetadataResponse {
        let brokers = self.registered().map(|(id, node)| {
            MetadataResponseBroker::default()
                .with_node_id(id.into())
                .with_host(StrBytes::from_string(node.address.host.clone()))
                .with_port(node.address.port.into())
        });
        MetadataResponse::default()
            .with_brokers(brokers.collect())
            .with_cluster_id(Some(StrBytes::from_static_str(CLUSTER_ID)))
            .with_controller_id(self.controller_id().into())
            .with_topics(topics.metadata(request, version, &self.ids()))
    }

    pub(super) fn describe_cluster(&self) -> DescribeClusterResponse {
        let brokers = self.registered().map(|(id, node)| {
            DescribeClusterBroker::default()
                .with_broker_id(id.into())
                .with_host(StrBytes::from_string(node.address.host.clone()))
                .with_port(node.address.port.into())
        });
        DescribeClusterResponse::default()
            .with_cluster_id(StrBytes::from_static_str(CLUSTER_ID))
            .with_controller_id(self.controller_id().into())
            .with_brokers(brokers.collect())
    }
}
