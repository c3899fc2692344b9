//! Electing leaders of partitions (KIP-460).

use std::collections::BTreeSet;

use ringbrook_protocol::messages::ElectLeadersRequest;
use ringbrook_protocol::messages::elect_leaders_request::TopicPartitions;

use super::driver::{at_controller, checked};
use super::wire::{by_topic, topic_name};
use super::{Admin, PerItem};
use crate::TopicPartition;
use crate::cluster::Target;
use crate::error::ClientError;

/// Who is elected (`ElectionType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ElectionType {
    /// The preferred leader: the first replica, if it is in sync.
    Preferred,
    /// Any replica that lives, if no replica in sync does: what it lacks is lost.
    Unclean,
}

impl Admin {
    /// Elects leaders of partitions, of all partitions without `partitions`; those of all that need
    /// no election are left out of the answer.
    ///
    /// # Errors
    /// The controller does not answer in time, or refuses the whole.
    pub async fn elect_leaders(
        &self,
        election: ElectionType,
        partitions: Option<&BTreeSet<TopicPartition>>,
    ) -> Result<PerItem<TopicPartition, ()>, ClientError> {
        let call = self.begin("electing leaders", at_controller);
        let elected = self.drive(call, [()], async |open: Vec<()>| {
            let build = |version| build(version, election, partitions, call.timeout_ms(self));
            self.ask(call, Target::Controller, &open, build, |answer| {
                checked(answer.error_code, None, || call.what.to_owned())?;
                let results = answer.replica_election_results.into_iter();
                let results = results.flat_map(|topic| {
                    topic.partition_result.into_iter().map(move |partition| {
                        let it = TopicPartition::new(topic.topic.as_str(), partition.partition_id);
                        let message = partition.error_message.as_deref();
                        let subject = || format!("partition {it}");
                        let result = checked(partition.error_code, message, subject);
                        (it, result)
                    })
                });
                Ok(vec![((), Ok(results.collect()))])
            })
            .await
        });
        elected.await.only(&())
    }
}

fn build(
    version: i16,
    election: ElectionType,
    partitions: Option<&BTreeSet<TopicPartition>>,
    timeout_ms: i32,
) -> Result<ElectLeadersRequest, ClientError> {
    let topics = partitions.map(|partitions| {
        let topics = by_topic(partitions).into_iter().map(|(topic, indexes)| {
            TopicPartitions::default()
                .with_topic(topic_name(&topic))
                .with_partitions(indexes)
        });
        topics.collect()
    });
    let request = ElectLeadersRequest::default()
        .with_topic_partitions(topics)
        .with_timeout_ms(timeout_ms);
    match election {
        ElectionType::Preferred => Ok(request.with_election_type(0)),
        ElectionType::Unclean if 1 <= version => Ok(request.with_election_type(1)),
        ElectionType::Unclean => Err(ClientError::Unsupported(
            "this broker is too old for unclean elections on demand".to_owned(),
        )),
    }
}
