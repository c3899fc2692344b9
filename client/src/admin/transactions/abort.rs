//! Aborting a transaction that hangs: one that a partition takes for open while its coordinator no
//! longer knows it (KIP-664).

use ringbrook_protocol::ResponseError;
use ringbrook_protocol::messages::write_txn_markers_request::{
    WritableTxnMarker, WritableTxnMarkerTopic,
};
use ringbrook_protocol::messages::{ProducerId, WriteTxnMarkersRequest};

use crate::TopicPartition;
use crate::admin::Admin;
use crate::admin::driver::checked;
use crate::admin::wire::topic_name;
use crate::cluster::Target;
use crate::error::ClientError;

/// Which transaction, as [`Admin::describe_producers`] shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AbortTransactionSpec {
    /// The partition where it is open.
    pub partition: TopicPartition,
    /// The producer's id.
    pub producer_id: i64,
    /// The producer's epoch.
    pub producer_epoch: i16,
    /// The epoch of the coordinator; -1 for whichever.
    pub coordinator_epoch: i32,
}

impl AbortTransactionSpec {
    fn to_wire(&self) -> WriteTxnMarkersRequest {
        let topic = WritableTxnMarkerTopic::default()
            .with_name(topic_name(&self.partition.topic))
            .with_partition_indexes(vec![self.partition.partition]);
        let marker = WritableTxnMarker::default()
            .with_producer_id(ProducerId(self.producer_id))
            .with_producer_epoch(self.producer_epoch)
            .with_coordinator_epoch(self.coordinator_epoch)
            .with_transaction_result(false)
            .with_topics(vec![topic]);
        WriteTxnMarkersRequest::default().with_markers(vec![marker])
    }
}

fn is_about_leader(error: ResponseError) -> bool {
    matches!(
        error,
        ResponseError::NotLeaderOrFollower
            | ResponseError::LeaderNotAvailable
            | ResponseError::ReplicaNotAvailable
            | ResponseError::BrokerNotAvailable
            | ResponseError::UnknownTopicOrPartition
    )
}

impl Admin {
    /// Writes an abort marker to a partition, without asking the coordinator: only for transactions
    /// that hang. What they wrote there is aborted.
    ///
    /// # Errors
    /// The leader refuses: the transaction is not the one described, or not to be touched.
    pub async fn abort_transaction(&self, spec: &AbortTransactionSpec) -> Result<(), ClientError> {
        let call = self.begin("aborting a transaction", is_about_leader);
        let partitions = [spec.partition.clone()];
        let aborted = self.drive(call, partitions, async |open: Vec<TopicPartition>| {
            let leaders = self.leaders(call, &open).await;
            leaders
                .ask(async |node, partitions: Vec<TopicPartition>| {
                    let build = |_| Ok(spec.to_wire());
                    self.ask(call, Target::Node(node), &partitions, build, |answer| {
                        let markers = answer.markers.into_iter();
                        let own = markers.filter(|it| it.producer_id.0 == spec.producer_id);
                        let topics = own.flat_map(|marker| marker.topics);
                        let partitions = topics.flat_map(|topic| {
                            topic.partitions.into_iter().map(move |partition| {
                                let index = partition.partition_index;
                                let it = TopicPartition::new(topic.name.as_str(), index);
                                let subject = || format!("partition {it}");
                                let result = checked(partition.error_code, None, subject);
                                (it, result)
                            })
                        });
                        Ok(partitions.collect())
                    })
                    .await
                })
                .await
        });
        aborted.await.only(&spec.partition)
    }
}
