//! The quorum of controllers that keeps the cluster's metadata (KIP-595, KIP-836, KIP-853).

use std::collections::BTreeMap;

use ringbrook_protocol::ResponseError;
use ringbrook_protocol::messages::describe_quorum_request::{PartitionData, TopicData};
use ringbrook_protocol::messages::describe_quorum_response::{self as response};
use ringbrook_protocol::messages::{
    AddRaftVoterRequest, DescribeQuorumRequest, DescribeQuorumResponse, RemoveRaftVoterRequest,
    add_raft_voter_request,
};
use uuid::Uuid;

use super::Admin;
use super::driver::{checked, never, retriable};
use super::wire::{text, topic_name};
use crate::cluster::Target;
use crate::error::{BrokerError, ClientError};

/// The log of metadata.
const TOPIC: &str = "__cluster_metadata";

/// A controller, or a broker, with a copy of the log of metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuorumReplica {
    /// Its node id.
    pub replica_id: i32,
    /// Of its log directory; nil if that is not known.
    pub replica_directory_id: Uuid,
    /// Where its log ends.
    pub log_end_offset: i64,
    /// When it last fetched, in milliseconds since the epoch, by the leader's clock.
    pub last_fetch_timestamp: Option<i64>,
    /// When it last had all there was, likewise.
    pub last_caught_up_timestamp: Option<i64>,
}

/// Where a voter is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RaftVoterEndpoint {
    /// The listener's name.
    pub name: String,
    /// The host.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// The state of the quorum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuorumInfo {
    /// The leader's node id.
    pub leader_id: i32,
    /// Grows with every election.
    pub leader_epoch: i32,
    /// What a majority has.
    pub high_watermark: i64,
    /// Those who vote.
    pub voters: Vec<QuorumReplica>,
    /// Those who only read along.
    pub observers: Vec<QuorumReplica>,
    /// Where voters are reached, by node id; empty with brokers before Kafka 3.9.
    pub nodes: BTreeMap<i32, Vec<RaftVoterEndpoint>>,
}

impl Admin {
    /// The state of the quorum of controllers.
    ///
    /// # Errors
    /// No broker answers in time, or it refuses.
    pub async fn describe_metadata_quorum(&self) -> Result<QuorumInfo, ClientError> {
        let call = self.begin("describing the metadata quorum", retriable);
        let build = |_| {
            let partition = PartitionData::default().with_partition_index(0);
            let topic = TopicData::default()
                .with_topic_name(topic_name(TOPIC))
                .with_partitions(vec![partition]);
            Ok(DescribeQuorumRequest::default().with_topics(vec![topic]))
        };
        let read = |answer| quorum_of(answer, call.what);
        self.drive_one(call, Target::Any, build, read).await
    }

    /// Lets a controller vote. With a `cluster_id`, only if that is the cluster's.
    ///
    /// # Errors
    /// No broker answers in time, or it refuses.
    pub async fn add_raft_voter(
        &self,
        voter_id: i32,
        directory_id: Uuid,
        endpoints: &[RaftVoterEndpoint],
        cluster_id: Option<&str>,
    ) -> Result<(), ClientError> {
        let call = self.begin("adding a voter", never);
        let build = |_| {
            let listeners = endpoints.iter().map(|endpoint| {
                add_raft_voter_request::Listener::default()
                    .with_name(text(&endpoint.name))
                    .with_host(text(&endpoint.host))
                    .with_port(endpoint.port)
            });
            Ok(AddRaftVoterRequest::default()
                .with_cluster_id(cluster_id.map(text))
                .with_timeout_ms(call.timeout_ms(self))
                .with_voter_id(voter_id)
                .with_voter_directory_id(directory_id)
                .with_listeners(listeners.collect()))
        };
        self.drive_one(call, Target::Any, build, |answer| {
            let message = answer.error_message.as_deref();
            checked(answer.error_code, message, || format!("voter {voter_id}"))
        })
        .await
    }

    /// Lets a controller vote no more. With a `cluster_id`, only if that is the cluster's.
    ///
    /// # Errors
    /// No broker answers in time, or it refuses.
    pub async fn remove_raft_voter(
        &self,
        voter_id: i32,
        directory_id: Uuid,
        cluster_id: Option<&str>,
    ) -> Result<(), ClientError> {
        let call = self.begin("removing a voter", never);
        let build = |_| {
            Ok(RemoveRaftVoterRequest::default()
                .with_cluster_id(cluster_id.map(text))
                .with_voter_id(voter_id)
                .with_voter_directory_id(directory_id))
        };
        self.drive_one(call, Target::Any, build, |answer| {
            let message = answer.error_message.as_deref();
            checked(answer.error_code, message, || format!("voter {voter_id}"))
        })
        .await
    }
}

fn quorum_of(answer: DescribeQuorumResponse, what: &str) -> Result<QuorumInfo, ClientError> {
    let message = answer.error_message.as_deref();
    checked(answer.error_code, message, || what.to_owned())?;
    let partitions = answer.topics.into_iter().flat_map(|topic| topic.partitions);
    let Some(partition) = partitions.into_iter().next() else {
        let code = ResponseError::UnknownServerError.code();
        let message = "the answer leaves out what was asked for";
        return Err(BrokerError::new(code, what)
            .with_message(Some(message))
            .into());
    };
    let message = partition.error_message.as_deref();
    checked(partition.error_code, message, || what.to_owned())?;
    let replicas = |replicas: Vec<response::ReplicaState>| {
        let time = |timestamp: i64| Some(timestamp).filter(|it| 0 <= *it);
        let replicas = replicas.into_iter().map(|it| QuorumReplica {
            replica_id: it.replica_id.0,
            replica_directory_id: it.replica_directory_id,
            log_end_offset: it.log_end_offset,
            last_fetch_timestamp: time(it.last_fetch_timestamp),
            last_caught_up_timestamp: time(it.last_caught_up_timestamp),
        });
        replicas.collect()
    };
    let nodes = answer.nodes.into_iter().map(|node| {
        let listeners = node.listeners.into_iter().map(|it| RaftVoterEndpoint {
            name: it.name.to_string(),
            host: it.host.to_string(),
            port: it.port,
        });
        (node.node_id.0, listeners.collect())
    });
    Ok(QuorumInfo {
        leader_id: partition.leader_id.0,
        leader_epoch: partition.leader_epoch,
        high_watermark: partition.high_watermark,
        voters: replicas(partition.current_voters),
        observers: replicas(partition.observers),
        nodes: nodes.collect(),
    })
}
