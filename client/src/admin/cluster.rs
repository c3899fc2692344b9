//! Which brokers there are, and taking one that is gone off the list.

use std::collections::BTreeSet;

use ringbrook_protocol::ResponseError;
use ringbrook_protocol::messages::{
    DescribeClusterRequest, DescribeClusterResponse, UnregisterBrokerRequest,
};

use super::Admin;
use super::acls::AclOperation;
use super::driver::{checked, retriable};
use crate::cluster::Target;
use crate::error::ClientError;
use crate::metadata::Node;
use crate::net::HostPort;

/// What is asked about a cluster.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DescribeClusterOptions {
    /// Also brokers that are registered but fenced, as those that are down (KIP-1073). Needs
    /// brokers of Kafka 4.0 or later.
    pub include_fenced_brokers: bool,
    /// Also what whoever asks may do to the cluster.
    pub include_authorized_operations: bool,
}

/// The brokers of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterDescription {
    /// The cluster's id.
    pub cluster_id: String,
    /// The controller's node id, as far as brokers tell.
    pub controller_id: Option<i32>,
    /// The brokers, by id.
    pub nodes: Vec<Node>,
    /// Which of them are fenced; empty unless that was asked for.
    pub fenced: BTreeSet<i32>,
    /// What whoever asks may do to the cluster, if that was asked for.
    pub authorized_operations: Option<Vec<AclOperation>>,
}

impl Admin {
    /// Describes the cluster: the brokers that live.
    ///
    /// # Errors
    /// No broker answers in time, or it refuses.
    pub async fn describe_cluster(&self) -> Result<ClusterDescription, ClientError> {
        let options = DescribeClusterOptions::default();
        self.describe_cluster_with(options).await
    }

    /// Describes the cluster.
    ///
    /// # Errors
    /// No broker answers in time, or it refuses.
    pub async fn describe_cluster_with(
        &self,
        options: DescribeClusterOptions,
    ) -> Result<ClusterDescription, ClientError> {
        let call = self.begin("describing the cluster", retriable);
        let build = |version| {
            if version < 2 && options.include_fenced_brokers {
                return Err(ClientError::Unsupported(
                    "this broker is too old to list fenced brokers".to_owned(),
                ));
            }
            Ok(DescribeClusterRequest::default()
                .with_endpoint_type(1)
                .with_include_fenced_brokers(options.include_fenced_brokers)
                .with_include_cluster_authorized_operations(options.include_authorized_operations))
        };
        self.drive_one(call, Target::Any, build, |answer| {
            let message = answer.error_message.as_deref();
            checked(answer.error_code, message, || call.what.to_owned())?;
            Ok(description(answer))
        })
        .await
    }

    /// Takes a broker that is gone for good off the list of brokers (KIP-500).
    ///
    /// # Errors
    /// No broker answers in time, or it refuses.
    pub async fn unregister_broker(&self, broker_id: i32) -> Result<(), ClientError> {
        let call = self.begin("unregistering a broker", |error| {
            error == ResponseError::RequestTimedOut
        });
        let build = |_| Ok(UnregisterBrokerRequest::default().with_broker_id(broker_id.into()));
        self.drive_one(call, Target::Any, build, |answer| {
            let message = answer.error_message.as_deref();
            checked(answer.error_code, message, || format!("broker {broker_id}"))
        })
        .await
    }
}

fn description(answer: DescribeClusterResponse) -> ClusterDescription {
    let fenced = answer.brokers.iter().filter(|broker| broker.is_fenced);
    let fenced = fenced.map(|broker| broker.broker_id.0).collect();
    let nodes = answer.brokers.into_iter().map(|broker| Node {
        id: broker.broker_id.0,
        address: HostPort {
            host: broker.host.to_string(),
            port: u16::try_from(broker.port).unwrap_or_default(),
        },
        rack: broker.rack.map(|rack| rack.to_string()),
    });
    let mut nodes: Vec<_> = nodes.collect();
    nodes.sort_by_key(|node| node.id);
    ClusterDescription {
        cluster_id: answer.cluster_id.to_string(),
        controller_id: Some(answer.controller_id.0).filter(|id| 0 <= *id),
        nodes,
        fenced,
        authorized_operations: operations(answer.cluster_authorized_operations),
    }
}

/// A bit for each operation's number; the lowest value of all says that nobody asked.
fn operations(bits: i32) -> Option<Vec<AclOperation>> {
    if bits == i32::MIN {
        return None;
    }
    let set = (0..31_i8).filter(|id| bits & (1 << id) != 0);
    Some(set.map(AclOperation::of_id).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_bits() {
        assert_eq!(operations(i32::MIN), None);
        assert_eq!(operations(0), Some(Vec::new()));
        let expected = vec![AclOperation::Create, AclOperation::Alter];
        assert_eq!(operations(1 << 5 | 1 << 7), Some(expected));
    }
}
