//! Which brokers there are.

use ringbrook_protocol::messages::DescribeClusterRequest;

use super::Admin;
use crate::cluster::Target;
use crate::error::{BrokerError, ClientError};
use crate::metadata::Node;
use crate::net::HostPort;

/// The brokers of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterDescription {
    /// The cluster's id.
    pub cluster_id: String,
    /// The controller's node id, as far as brokers tell.
    pub controller_id: Option<i32>,
    /// The brokers, by id.
    pub nodes: Vec<Node>,
}

impl Admin {
    /// Describes the cluster.
    ///
    /// # Errors
    /// No broker answers in time, or it refuses.
    pub async fn describe_cluster(&self) -> Result<ClusterDescription, ClientError> {
        self.cluster
            .call_until::<DescribeClusterRequest, _>(
                Target::Any,
                i16::MAX,
                self.deadline(),
                |_| Ok(DescribeClusterRequest::default().with_endpoint_type(1)),
                |answer| {
                    let error = BrokerError::new(answer.error_code, "describing the cluster");
                    if answer.error_code != 0 {
                        return Err(error.with_message(answer.error_message.as_deref()).into());
                    }
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
                    Ok(ClusterDescription {
                        cluster_id: answer.cluster_id.to_string(),
                        controller_id: Some(answer.controller_id.0).filter(|id| 0 <= *id),
                        nodes,
                    })
                },
            )
            .await
    }
}
